//! The throw-away issuer of `usher dev`: a key of its own for each run, and sessions signed with it. `serve` refuses it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use rand::Rng as _;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::chat::{Object, Timestamp};
use crate::session::{IssuerSettings, KeySettings};
use crate::settings::DEV_ISSUER;

/// Its alias, which `{issuer}` in a policy becomes.
pub(super) const ALIAS: &str = "dev";
const AUDIENCE: &str = "usher-dev";

/// The issuer and its key.
#[derive(Clone)]
pub struct DevIssuer {
    secret: SecretString,
}

/// A session that somebody wants.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Who.
    pub sub: &'a str,
    /// With which roles.
    pub roles: &'a [String],
    /// What else is claimed; wins over everything.
    pub claims: Object,
    /// For how many seconds.
    pub lives_for: i64,
}

impl DevIssuer {
    /// A new one with a new key.
    #[must_use]
    pub fn new() -> Self {
        Self::with_secret(random_text())
    }

    pub(super) fn with_secret(secret: String) -> Self {
        Self { secret: SecretString::from(secret) }
    }

    pub(super) fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// What the verifier is told of it.
    #[must_use]
    pub fn settings(&self) -> IssuerSettings {
        let keys = KeySettings::Secret(self.secret().as_bytes().to_vec().into());
        IssuerSettings::new(ALIAS, DEV_ISSUER, AUDIENCE, keys)
    }

    /// Signs a session that begins now.
    ///
    /// # Errors
    /// Only where the signature cannot be made.
    pub fn sign(&self, session: &NewSession<'_>, now: Timestamp) -> Result<String, jsonwebtoken::errors::Error> {
        let mut claims = json!({
            "iss": DEV_ISSUER,
            "aud": AUDIENCE,
            "sub": session.sub,
            "iat": now.seconds(),
            "exp": now.seconds() + session.lives_for,
            "name": session.sub,
            "roles": session.roles,
        });
        if let Value::Object(claims) = &mut claims {
            claims.extend(session.claims.clone());
        }
        jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(self.secret().as_bytes()))
    }
}

impl Default for DevIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for DevIssuer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DevIssuer(…)")
    }
}

/// 48 random bytes as text.
#[must_use]
pub fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>()) + &URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 16]>())
}
