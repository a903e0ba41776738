//! What an operator says of an issuer, already checked to be of the right form. Must not read files or the network.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretSlice;
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
    /// A JWK Set (RFC 7517 §5) by URL.
    JwksUrl(Url),
    /// A JWK Set in a file.
    JwksFile(PathBuf),
    /// One public key as PEM.
    PublicKeyFile(PathBuf),
    /// A shared secret, for HMAC.
    Secret(SecretSlice<u8>),
}

impl std::fmt::Debug for KeySettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::JwksUrl(url) => write!(formatter, "JwksUrl({url})"),
            Self::JwksFile(path) => write!(formatter, "JwksFile({})", path.display()),
            Self::PublicKeyFile(path) => write!(formatter, "PublicKeyFile({})", path.display()),
            Self::Secret(_) => formatter.write_str("Secret(…)"),
        }
    }
}
