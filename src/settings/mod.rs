//! Files and environment to [`Settings`], every fault at once with where the value came from. Knows the settings types of
//! the modules that it fills; must not know requests.
//!
//! ```text
//! keys.rs      the settings that there are, and their defaults
//! layers.rs    defaults, files, environment: each checked by itself
//! raw.rs       the merged layers, by the `config` crate, as plain values
//! meaning.rs   plain values → Settings
//! issuer.rs    the same for one issuer
//! cookie.rs    the same for the session's cookie
//! tls.rs       the same for certificate and key of the public listener
//! space.rs     SignalWire's address from what people write for it
//! lint.rs      what is allowed and probably not meant
//! address.rs   the listeners' addresses, also where nothing else is known
//! collector.rs where traces go
//! deciding.rs  what deciding needs, also where there is no secret
//! limits.rs    how often anybody may ask, and the shared store, also by itself
//! ```

mod address;
mod collector;
mod cookie;
mod deciding;
mod issuer;
mod keys;
mod layers;
mod limits;
mod lint;
mod meaning;
mod raw;
mod space;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::api::{AllowedOrigins, CookieSettings, TrustedProxies};
use crate::limits::LimitsSettings;
use crate::listener::{ConnectionSettings, Validity};
use crate::schema::{Faults, Lints};
use crate::session::IssuerSettings;
use crate::signalwire::SignalWireSettings;
use crate::telemetry::clock;
use crate::telemetry::log::LogSettings;
use crate::telemetry::traces::TracesSettings;

pub use address::Addresses;
pub use deciding::{Deciding, load_issuers};
pub use issuer::DEV_ISSUER;
pub use keys::KEYS;
pub use layers::Environment;
pub use limits::load_store;

/// Where settings are looked for when no `--config` names a file.
pub const DEFAULT_FILE: &str = "config/usher.toml";

/// Everything that an operator can set, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The public listener.
    pub server: ServerSettings,
    /// Address and port of the operator's listener, if there is to be one.
    pub ops_listen: Option<SocketAddr>,
    /// The origins whose pages may read answers.
    pub origins: AllowedOrigins,
    /// SignalWire and our credentials there.
    pub signalwire: SignalWireSettings,
    /// Whose sessions are taken; at least one.
    pub issuers: Vec<IssuerSettings>,
    /// Whether a verified signature is remembered.
    pub remember: bool,
    /// The session's cookie, if there is one.
    pub cookie: Option<CookieSettings>,
    /// The policy file.
    pub policy: PolicySettings,
    /// How often anybody may ask, and where that is counted.
    pub limits: LimitsSettings,
    /// The log.
    pub log: LogSettings,
    /// Where traces go, if anywhere.
    pub traces: Option<TracesSettings>,
    /// What is allowed and probably not meant.
    pub lints: Lints,
}

/// The public listener.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Address and port.
    pub listen: SocketAddr,
    /// The largest request body, in bytes.
    pub max_body: usize,
    /// The whole request.
    pub request_timeout: Duration,
    /// What connections may take.
    pub connections: ConnectionSettings,
    /// The networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// After a signal to stop: not ready, but still serving, for so long.
    pub shutdown_delay: Duration,
    /// Then what is in flight may take so long to finish.
    pub shutdown_grace: Duration,
    /// TLS of its own; none: plain HTTP.
    pub tls: Option<TlsSettings>,
}

/// Certificate and key of the public listener, which fitted when the settings were read.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// The certificate as PEM, then those that lead to its CA.
    pub cert_file: PathBuf,
    /// Its private key as PEM.
    pub key_file: PathBuf,
    /// From when until when the certificate holds.
    pub validity: Validity,
}

/// The policy file.
#[derive(Clone, Debug)]
pub struct PolicySettings {
    /// Its path, relative to the working directory.
    pub file: PathBuf,
    /// Whether a client may ask for mode `narrow`.
    pub narrow: bool,
    /// Whether a change of the file is noticed; else it is read again on SIGHUP only.
    pub watch: bool,
}

impl From<raw::RawPolicy> for PolicySettings {
    fn from(raw: raw::RawPolicy) -> Self {
        Self { file: PathBuf::from(raw.file), narrow: raw.narrow, watch: raw.watch }
    }
}

impl Settings {
    /// Loads the built-in defaults, [`DEFAULT_FILE`] if it is there (or instead each of `files`, which must be), and the
    /// environment.
    ///
    /// # Errors
    /// Every fault, each with the setting's name, where its value came from and what would be right. No secret is in them.
    pub fn load(files: &[PathBuf], environment: &Environment) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let layers = layers::load(files, environment, &mut faults);
        if layers.is_incomplete {
            // What a file would have said is not known, so nothing is said of what is missing.
            return Err(faults);
        }
        let settings = meaning::read(&layers, &mut faults);
        match settings {
            Some(settings) => faults.or(Self { lints: lint::of(&settings, &layers, clock::now()), ..settings }),
            None => Err(faults),
        }
    }
}
