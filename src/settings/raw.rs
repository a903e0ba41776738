//! The layers merged by the `config` crate into plain values: durations in seconds, sizes in bytes, texts as they were
//! written.

use std::path::PathBuf;

use config::{Config, ConfigError, Map, Source, Value as Merged, ValueKind};
use secrecy::SecretString;
use serde::Deserialize;

use super::PolicySettings;
use super::layers::{self, Environment, Layers, TWINS};
use crate::schema::{Faults, Fields, Place, Source as Origin, Value};

#[derive(Deserialize)]
pub(super) struct RawSettings {
    pub(super) server: RawServer,
    pub(super) ops: RawOps,
    pub(super) cors: RawCors,
    pub(super) signalwire: RawSignalWire,
    pub(super) session: RawSession,
    pub(super) policy: RawPolicy,
    pub(super) limits: RawLimits,
    pub(super) log: RawLog,
    pub(super) telemetry: RawTelemetry,
}

#[derive(Deserialize)]
pub(super) struct RawServer {
    pub(super) listen: String,
    pub(super) max_body: u64,
    pub(super) header_timeout: u64,
    pub(super) keep_alive: u64,
    pub(super) request_timeout: u64,
    pub(super) max_connections: usize,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) shutdown_delay: u64,
    pub(super) shutdown_grace: u64,
    pub(super) tls: Option<RawTls>,
}

#[derive(Deserialize)]
pub(super) struct RawTls {
    pub(super) cert_file: Option<String>,
    pub(super) key_file: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawOps {
    pub(super) listen: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawCors {
    pub(super) allowed_origins: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct RawSignalWire {
    pub(super) space: Option<String>,
    pub(super) project_id: Option<String>,
    pub(super) api_token: Option<SecretString>,
    pub(super) api_token_file: Option<String>,
    pub(super) allow_http: bool,
    pub(super) connect_timeout: u64,
    pub(super) timeout: u64,
    pub(super) max_in_flight: usize,
    pub(super) max_wait: u64,
    pub(super) ca_file: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawSession {
    #[serde(default)]
    pub(super) issuers: Vec<RawIssuer>,
    pub(super) remember: bool,
    pub(super) cookie: Option<RawCookie>,
}

#[derive(Deserialize)]
pub(super) struct RawCookie {
    pub(super) name: Option<String>,
    pub(super) guard_header: Option<String>,
}

/// What a list of tables has no layer of defaults for is optional here.
#[derive(Deserialize)]
pub(super) struct RawIssuer {
    pub(super) name: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) audiences: Option<Vec<String>>,
    pub(super) audience_claim: Option<String>,
    pub(super) roles: Option<Vec<String>>,
    #[serde(default)]
    pub(super) discovery: bool,
    pub(super) jwks_url: Option<String>,
    pub(super) jwks_file: Option<String>,
    pub(super) public_key_file: Option<String>,
    pub(super) secret: Option<SecretString>,
    pub(super) secret_file: Option<String>,
    pub(super) secret_encoding: Option<String>,
    pub(super) algorithms: Option<Vec<String>>,
    pub(super) leeway: Option<u64>,
    pub(super) max_age: Option<u64>,
    pub(super) outlive: Option<u64>,
    pub(super) keys_max_stale: Option<u64>,
    #[serde(default)]
    pub(super) allow_http: bool,
    #[serde(default)]
    pub(super) acknowledge_user_editable: bool,
}

#[derive(Deserialize)]
pub(super) struct RawPolicy {
    pub(super) file: String,
    pub(super) narrow: bool,
    pub(super) watch: bool,
}

#[derive(Deserialize)]
pub(super) struct RawLimits {
    pub(super) per_member: RawRate,
    pub(super) per_address: RawRate,
    pub(super) store: Option<SecretString>,
    pub(super) store_file: Option<String>,
    pub(super) on_store_failure: String,
}

/// A rate, or the word `off`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawRate {
    Word(String),
    Rate { rate: Option<String>, burst: Option<u32> },
}

#[derive(Deserialize)]
pub(super) struct RawLog {
    pub(super) format: String,
    pub(super) level: String,
}

#[derive(Deserialize)]
pub(super) struct RawTelemetry {
    pub(super) otlp_endpoint: Option<String>,
}

impl From<RawPolicy> for PolicySettings {
    fn from(raw: RawPolicy) -> Self {
        Self { file: PathBuf::from(raw.file), narrow: raw.narrow, watch: raw.watch }
    }
}

/// Every layer into one; none where they do not fit together, which is then among the faults.
pub(super) fn merge(layers: &Layers, faults: &mut Faults) -> Option<RawSettings> {
    let builder = layers.list.iter().fold(Config::builder(), |builder, layer| builder.add_source(Layer(layer.clone())));
    let merged = builder.build().and_then(Config::try_deserialize);
    // Every value was checked for its kind before, so this is a bug of ours; its text could hold a value.
    let told = |_| {
        let place = Place::whole(&Origin::named("settings"));
        faults.add(&place, "the layers do not fit together", "report this as a bug of usher's");
    };
    merged.map_err(told).ok()
}

/// Those from the same places as all settings, for whoever wants a part of them: of the faults only those that are picked
/// count.
pub(super) fn load_part(
    files: &[PathBuf],
    environment: &Environment,
    pick: impl FnOnce(&Faults) -> Faults,
) -> Result<(RawSettings, Layers, Faults), Faults> {
    let mut others = Faults::default();
    let layers = layers::load(files, environment, &mut others);
    if layers.is_incomplete {
        return Err(others);
    }
    let mut faults = pick(&others);
    match merge(&layers, &mut faults) {
        Some(raw) => Ok((raw, layers, faults)),
        None => Err(faults),
    }
}

#[derive(Clone)]
struct Layer(Fields);

impl std::fmt::Debug for Layer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is in a layer may be secret.
        write!(formatter, "Layer({})", self.0.place)
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Merged>, ConfigError> {
        Ok(table(&self.0))
    }
}

fn table(fields: &Fields) -> Map<String, Merged> {
    let mut table = Map::new();
    for entry in &fields.entries {
        table.insert(entry.key.clone(), merged(&entry.item.value, &entry.item.place.to_string()));
        // A secret of a later layer replaces an earlier one's file, and the other way round.
        for (secret, file) in TWINS {
            for (one, other) in [(secret, file), (file, secret)] {
                if entry.key == one && fields.get(other).is_none() {
                    table.insert(other.to_owned(), Merged::new(None, ValueKind::Nil));
                }
            }
        }
    }
    // A rate of a later layer replaces an earlier one whole, its burst too.
    if fields.get("rate").is_some() && fields.get("burst").is_none() {
        table.insert("burst".to_owned(), Merged::new(None, ValueKind::Nil));
    }
    table
}

fn merged(value: &Value, origin: &str) -> Merged {
    let kind = match value {
        Value::Text(text) => ValueKind::String(text.clone()),
        Value::Integer(integer) => ValueKind::I64(*integer),
        Value::Float(float) => ValueKind::Float(*float),
        Value::Boolean(boolean) => ValueKind::Boolean(*boolean),
        Value::List(items) => ValueKind::Array(items.iter().map(|item| merged(&item.value, origin)).collect()),
        Value::Table(fields) => ValueKind::Table(table(fields)),
    };
    Merged::new(Some(&origin.to_owned()), kind)
}
