//! What an operator says of an issuer, already checked to be of the right form. Must not read files or the network.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use url::Url;

use super::key::Algorithm;

/// One issuer of sessions.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// The alias: letters and digits; `{issuer}` in the policy.
    pub name: String,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// Whose tokens are for us.
    pub audiences: AudiencesSettings,
    /// The claim that names the audience: `aud`, or `azp` or `client_id` where a provider puts it there.
    pub audience_claim: String,
    /// Where roles are read from, in this order.
    pub roles: Vec<RoleSourceSettings>,
    /// Where the keys come from.
    pub keys: KeySettings,
    /// The only algorithms that keys may have; empty: each key's own, or the usual one for its type.
    pub algorithms: Vec<Algorithm>,
    /// How far the issuer's clock may be ahead of ours; for `nbf` and `iat` only.
    pub leeway: Duration,
    /// Sessions that are older than this by their `iat` are over; the claim is then required.
    pub max_age: Option<Duration>,
    /// How much longer than the session a chat token may live.
    pub outlive: Duration,
    /// How long the last good keys serve while new ones cannot be had.
    pub keys_max_stale: Duration,
    /// Whether what is discovered may be plain http:// beyond loopback.
    pub allow_http: bool,
}

impl IssuerSettings {
    /// An issuer whose sessions have their audience in `aud` and their roles in `roles`; all else as the settings' defaults
    /// have it.
    #[must_use]
    pub fn new(name: &str, issuer: &str, audience: &str, keys: KeySettings) -> Self {
        Self {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            audiences: AudiencesSettings::OneOf(vec![audience.to_owned()]),
            audience_claim: "aud".to_owned(),
            roles: vec![RoleSourceSettings::Claim("roles".to_owned())],
            keys,
            algorithms: Vec::new(),
            leeway: Duration::from_secs(30),
            max_age: None,
            outlive: Duration::ZERO,
            keys_max_stale: Duration::from_hours(24),
            allow_http: false,
        }
    }
}

/// What an issuer's sessions say of their holders: the part of its settings that has nothing to do with keys.
#[derive(Clone, Debug)]
pub struct Vouching {
    /// The alias.
    pub name: String,
    /// Where roles are read from, in this order.
    pub roles: Vec<RoleSourceSettings>,
    /// Sessions that are older than this by their `iat` are over.
    pub max_age: Option<Duration>,
    /// How much longer than the session a chat token may live.
    pub outlive: Duration,
}

impl Vouching {
    /// Somebody's of whom nothing is configured: roles are in the claim `roles`.
    #[must_use]
    pub fn unconfigured(name: impl Into<String>) -> Self {
        let roles = vec![RoleSourceSettings::Claim("roles".to_owned())];
        Self { name: name.into(), roles, max_age: None, outlive: Duration::ZERO }
    }
}

/// Which audiences are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudiencesSettings {
    /// Every audience, and none.
    Any,
    /// One of these.
    OneOf(Vec<String>),
}

/// One place that roles are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleSourceSettings {
    /// The top-level claim of exactly this name.
    Claim(String),
    /// A JSON Pointer (RFC 6901), from the `/` on.
    Pointer(String),
}

/// Where an issuer's keys come from.
#[derive(Clone)]
pub enum KeySettings {
    /// Where the issuer's own metadata says (OpenID Connect Discovery 1.0, RFC 8414).
    Discovery,
    /// A JWK Set (RFC 7517 §5) by URL.
    JwksUrl(Url),
    /// A JWK Set in a file.
    JwksFile(PathBuf),
    /// One public key as PEM.
    PublicKeyFile(PathBuf),
    /// A shared secret, for HMAC.
    Secret(SecretSlice<u8>),
    /// A shared secret in a file.
    SecretFile {
        /// The file.
        path: PathBuf,
        /// How it is written there.
        encoding: SecretEncoding,
    },
}

/// How a shared secret is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretEncoding {
    /// Its bytes are the text's.
    #[default]
    Utf8,
    /// In base64, of either alphabet, padded or not.
    Base64,
}

/// The text is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not base64")]
pub struct NotBase64;

const BASE64: [GeneralPurpose; 2] = {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [GeneralPurpose::new(&alphabet::STANDARD, config), GeneralPurpose::new(&alphabet::URL_SAFE, config)]
};

impl SecretEncoding {
    /// The secret's bytes.
    ///
    /// # Errors
    /// Where the text is not what this says.
    pub fn decode(self, text: &SecretString) -> Result<SecretSlice<u8>, NotBase64> {
        let text = text.expose_secret();
        let bytes = match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Base64 => BASE64.iter().find_map(|engine| engine.decode(text).ok()).ok_or(NotBase64)?,
        };
        Ok(SecretSlice::from(bytes))
    }
}

impl KeySettings {
    /// The file that the keys are in, if they are in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::JwksFile(path) | Self::PublicKeyFile(path) | Self::SecretFile { path, .. } => Some(path),
            Self::Discovery | Self::JwksUrl(_) | Self::Secret(_) => None,
        }
    }
}

/// A URL as it may be shown: what stands in a query may be a key to it.
pub(super) fn without_query(url: &Url) -> String {
    let mut shown = url.clone();
    if shown.query().is_some() {
        shown.set_query(Some("…"));
    }
    shown.to_string()
}

impl std::fmt::Display for KeySettings {
    /// In words, for the operator.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Discovery => formatter.write_str("discovered"),
            Self::JwksUrl(url) => formatter.write_str(&without_query(url)),
            Self::JwksFile(path) | Self::PublicKeyFile(path) => write!(formatter, "{}", path.display()),
            Self::Secret(_) => formatter.write_str("a secret"),
            Self::SecretFile { .. } => formatter.write_str("a secret in a file"),
        }
    }
}

impl std::fmt::Debug for KeySettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Discovery => formatter.write_str("Discovery"),
            Self::JwksUrl(url) => write!(formatter, "JwksUrl({})", without_query(url)),
            Self::JwksFile(path) => write!(formatter, "JwksFile({})", path.display()),
            Self::PublicKeyFile(path) => write!(formatter, "PublicKeyFile({})", path.display()),
            Self::Secret(_) => formatter.write_str("Secret(…)"),
            Self::SecretFile { .. } => formatter.write_str("SecretFile(…)"),
        }
    }
}
