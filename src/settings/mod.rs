//! Files and environment to [`Settings`], every fault at once with where the value came from.
//!
//! ```text
//! keys.rs        the settings that there are, and their defaults
//! layers.rs      defaults, files, environment: each checked by itself
//! raw.rs         the merged layers, by the `config` crate, as plain values
//! load.rs        plain values → Settings
//! server.rs      the same for the public listener: addresses, TLS, proxies, CORS, cookie
//! signalwire.rs  the same for SignalWire
//! issuer.rs      the same for the issuers, also without any other setting
//! limits.rs      the same for rate limits and the shared store, also by itself
//! lint.rs        what is allowed and probably not meant
//! ```

mod issuer;
mod keys;
mod layers;
mod limits;
mod lint;
mod load;
mod raw;
mod server;
mod signalwire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::api::{AllowedOrigins, CookieSettings, TrustedProxies};
use crate::limits::LimitsSettings;
use crate::listener::{ConnectionSettings, Validity};
use crate::schema::Lints;
use crate::session::IssuerSettings;
use crate::signalwire::SignalWireSettings;
use crate::telemetry::log::LogSettings;
use crate::telemetry::traces::TracesSettings;

pub use issuer::{DEV_ISSUER, Deciding, load_issuers};
pub use keys::KEYS;
pub use layers::Environment;
pub use limits::load_store;
pub use server::Addresses;

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
