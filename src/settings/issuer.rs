//! The issuers of sessions, from plain values to what the verifier takes. They can also be loaded without any other
//! setting, and with the policy's own settings for commands that have no secret.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::PolicySettings;
use super::layers::{Environment, Layers};
use super::raw::{RawIssuer, load_part};
use crate::chat::json;
use crate::schema::{Fault, Faults, Fields, Place, Source, quoted};
use crate::session::{
    Algorithm, AudiencesSettings, IssuerSettings, KeySettings, RoleSourceSettings, SecretEncoding, Vouching,
    is_loopback, try_keys,
};

/// The throw-away issuer of `usher dev`, whose key is nobody's secret: `serve` refuses it.
pub const DEV_ISSUER: &str = "https://dev.usher.invalid/";

/// The policy's own settings, and what an issuer's sessions say of their holders.
#[derive(Clone, Debug)]
pub struct Deciding {
    /// The policy file.
    pub policy: PolicySettings,
    /// One for each issuer, in their order; none where no issuer is configured.
    pub issuers: Vec<Vouching>,
}

impl Deciding {
    /// From the same places as [`Settings`](super::Settings), whatever else is set there, or is not.
    ///
    /// # Errors
    /// Where a file cannot be read, or what is wanted here is wrong.
    pub fn load(files: &[PathBuf], environment: &Environment) -> Result<Self, Faults> {
        load(files, environment, vouching).map(|(policy, issuers)| Self { policy, issuers })
    }
}

/// The issuers with their keys, without any other setting: for verifying a session where no token is to be minted.
///
/// # Errors
/// Where a file cannot be read, no issuer is configured, or something is wrong with one.
pub fn load_issuers(files: &[PathBuf], environment: &Environment) -> Result<Vec<IssuerSettings>, Faults> {
    load(files, environment, read).map(|(_, issuers)| issuers)
}

/// Whether a fault is of what deciding needs, or could be: a name that is misspelt may have been meant for one of these, and
/// by another policy, or without its issuers, nothing that is told would be true.
fn matters(fault: &Fault) -> bool {
    ["", "session"].contains(&fault.key.as_str()) || fault.is_within("policy") || fault.is_within("session.issuers")
}

fn load<T>(
    files: &[PathBuf],
    environment: &Environment,
    read_issuers: impl Fn(&[RawIssuer], &Layers, &mut Faults) -> Vec<T>,
) -> Result<(PolicySettings, Vec<T>), Faults> {
    let (raw, layers, mut faults) = load_part(files, environment, |others| others.only(matters))?;
    let policy = PolicySettings::from(raw.policy);
    let issuers = read_issuers(&raw.session.issuers, &layers, &mut faults);
    faults.or((policy, issuers))
}

pub(super) fn read(raw: &[RawIssuer], layers: &Layers, faults: &mut Faults) -> Vec<IssuerSettings> {
    let tables = layers.tables(&["session", "issuers"]);
    if tables.is_none() && !layers.has("session.issuers") {
        let place = Place::whole(&Source::named("session.issuers"));
        faults.add(&place, "this setting is required and is not set", "write at least one [[session.issuers]]");
    } else if tables.as_ref().is_some_and(Vec::is_empty) {
        let advice = "write at least one [[session.issuers]]";
        faults.add(&layers.place(&["session", "issuers"]), "session.issuers: there is no issuer", advice);
    }
    let mut issuers: Vec<IssuerSettings> = Vec::new();
    for (raw, fields) in raw.iter().zip(tables.unwrap_or_default()) {
        let mut reader = Reader { raw, fields, faults };
        let Some(settings) = reader.read() else { continue };
        if issuers.iter().any(|known| known.issuer == settings.issuer) {
            reader.fault("issuer", "is there twice", "each issuer is configured once");
        }
        if let Err(fault) = try_keys(&settings) {
            let message = format!("(issuer {}) is of no use: {}", quoted(&fault.issuer), fault.message);
            reader.fault(fault.setting, &message, "give keys that can verify what this issuer signs");
        }
        issuers.push(settings);
    }
    issuers
}

/// What each issuer's sessions say of their holders, whatever its keys are. No issuer is no fault here.
pub(super) fn vouching(raw: &[RawIssuer], layers: &Layers, faults: &mut Faults) -> Vec<Vouching> {
    let tables = layers.tables(&["session", "issuers"]).unwrap_or_default();
    let read = |(raw, fields)| {
        let raw: &RawIssuer = raw;
        let mut reader = Reader { raw, fields, faults };
        let roles = reader.role_sources();
        Some(Vouching {
            name: raw.name.clone()?,
            roles,
            max_age: raw.max_age.map(Duration::from_secs),
            outlive: raw.outlive.map(Duration::from_secs).unwrap_or_default(),
        })
    };
    raw.iter().zip(tables).filter_map(read).collect()
}

struct Reader<'a> {
    raw: &'a RawIssuer,
    fields: &'a Fields,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn read(&mut self) -> Option<IssuerSettings> {
        let raw = self.raw;
        let name = raw.name.clone();
        if name.as_ref().is_some_and(|name| !name.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            self.fault("name", "is not made of letters and digits", "write a short alias, as in \"auth0\"");
        }
        if raw.issuer.as_deref() == Some(DEV_ISSUER) {
            self.fault("issuer", "is the throw-away issuer of `usher dev`", "write your identity provider's issuer");
        }
        let audiences = self.audiences();
        let roles = self.role_sources();
        let algorithms = self.algorithms();
        let keys = self.keys(&algorithms);
        let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        Some(IssuerSettings {
            name: name?,
            issuer: raw.issuer.clone()?,
            audiences: audiences?,
            audience_claim: raw.audience_claim.clone().unwrap_or_else(|| "aud".to_owned()),
            roles,
            keys: keys?,
            algorithms,
            leeway: seconds(raw.leeway).unwrap_or(Duration::from_secs(30)),
            max_age: seconds(raw.max_age),
            outlive: seconds(raw.outlive).unwrap_or_default(),
            keys_max_stale: seconds(raw.keys_max_stale).unwrap_or(Duration::from_hours(24)),
            allow_http: raw.allow_http,
        })
    }

    fn audiences(&mut self) -> Option<AudiencesSettings> {
        let audiences = self.raw.audiences.clone()?;
        if audiences == ["any"] {
            return Some(AudiencesSettings::Any);
        }
        if audiences.iter().any(|audience| audience == "any") {
            self.fault("audiences", "has \"any\" beside others", "write [\"any\"] alone, or the audiences without it");
        }
        Some(AudiencesSettings::OneOf(audiences))
    }

    fn role_sources(&mut self) -> Vec<RoleSourceSettings> {
        let names = self.raw.roles.clone().unwrap_or_else(|| vec!["roles".to_owned()]);
        let mut sources = Vec::new();
        for name in names {
            // Also as a part of a name: namespaced claims hold it at their end.
            let is_users = ["user_metadata", "unsafe_metadata"].iter().any(|users| name.contains(users));
            if is_users && !self.raw.acknowledge_user_editable {
                let message = format!("names {}, which users can edit themselves", quoted(&name));
                let advice = "read roles from where only you can write, as /app_metadata/… or /public_metadata/…; if you \
                              are sure, set acknowledge_user_editable = true";
                self.fault("roles", &message, advice);
            }
            if !name.starts_with('/') {
                sources.push(RoleSourceSettings::Claim(name));
            } else if json::is_pointer(&name) {
                sources.push(RoleSourceSettings::Pointer(name));
            } else {
                let message = format!("names {}, which is no JSON Pointer", quoted(&name));
                self.fault("roles", &message, "write ~0 for `~` and ~1 for `/` in a name (RFC 6901)");
            }
        }
        sources
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        self.raw.algorithms.iter().flatten().filter_map(|name| Algorithm::parse(name)).collect()
    }

    /// Exactly one of the ways to give keys.
    fn keys(&mut self, algorithms: &[Algorithm]) -> Option<KeySettings> {
        let raw = self.raw;
        let given = [
            ("discovery", raw.discovery),
            ("jwks_url", raw.jwks_url.is_some()),
            ("jwks_file", raw.jwks_file.is_some()),
            ("public_key_file", raw.public_key_file.is_some()),
            ("secret", raw.secret.is_some() || raw.secret_file.is_some()),
        ];
        let given: Vec<&str> = given.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        if let [_, second, ..] = given.as_slice() {
            let message = format!("is given beside {}", quoted(given.first().copied().unwrap_or_default()));
            self.fault(second, &message, "an issuer's keys come from one place: take the others out");
            return None;
        }
        if given.is_empty() {
            if self.fields.whole {
                let advice = "write one of discovery = true, jwks_url, jwks_file, public_key_file, secret, secret_file";
                self.faults.add(&self.fields.place, "session.issuers: this issuer has no keys", advice);
            }
            return None;
        }
        if !algorithms.is_empty()
            && !given.contains(&"secret")
            && algorithms.iter().all(|algorithm| algorithm.is_hmac())
        {
            self.fault("algorithms", "has only algorithms for a secret", "write those that the keys are for, as RS256");
        }
        if raw.secret_encoding.is_some() && !given.contains(&"secret") {
            self.fault("secret_encoding", "is set, and there is no secret", "take it out");
        }
        if raw.discovery {
            return self.discovery();
        }
        if let Some(url) = &raw.jwks_url {
            return self.secure_url("jwks_url", url).map(KeySettings::JwksUrl);
        }
        let file = |path: &Option<String>| path.as_ref().map(PathBuf::from);
        file(&raw.jwks_file)
            .map(KeySettings::JwksFile)
            .or_else(|| file(&raw.public_key_file).map(KeySettings::PublicKeyFile))
            .or_else(|| self.secret())
    }

    /// The issuer itself is the URL that is asked.
    fn discovery(&mut self) -> Option<KeySettings> {
        let issuer = self.raw.issuer.clone()?;
        self.secure_url("issuer", &issuer).map(|_| KeySettings::Discovery)
    }

    fn secure_url(&mut self, key: &str, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok().filter(Url::has_host);
        let Some(url) = url.filter(|url| matches!(url.scheme(), "https" | "http")) else {
            let advice = if key == "issuer" {
                "discovery needs one: write it with https://, or give jwks_url"
            } else {
                "write it with https://"
            };
            self.fault(key, "is no URL", advice);
            return None;
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.fault(key, "holds a user or a password, which would stand in every log", "write it without them");
            return None;
        }
        if url.scheme() == "http" && !is_loopback(&url) && !self.raw.allow_http {
            let advice = "write https://; allow_http = true allows plain http:// on a network that you trust";
            self.fault(key, "is plain http:// beyond loopback, where anybody could give you keys", advice);
        }
        Some(url)
    }

    fn secret(&mut self) -> Option<KeySettings> {
        let encoding = match self.raw.secret_encoding.as_deref() {
            Some("base64") => SecretEncoding::Base64,
            _ => SecretEncoding::Utf8,
        };
        if let (None, Some(path)) = (&self.raw.secret, &self.raw.secret_file) {
            return Some(KeySettings::SecretFile { path: PathBuf::from(path), encoding });
        }
        let decoded = encoding.decode(self.raw.secret.as_ref()?);
        if decoded.is_err() {
            self.fault("secret_encoding", "says base64, and the secret is not", "write it in base64, or take this out");
        }
        decoded.ok().map(KeySettings::Secret)
    }

    fn place(&self, key: &str) -> Place {
        let file = format!("{key}_file");
        let item = self.fields.get(key).or_else(|| self.fields.get(&file));
        item.map_or_else(|| self.fields.place.clone(), |item| item.place.clone())
    }

    fn fault(&mut self, key: &str, message: &str, advice: &str) {
        let place = self.place(key);
        self.faults.add(&place, format!("session.issuers.{key} {message}"), advice);
    }
}
