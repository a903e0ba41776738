//! An issuer's keys: where they come from, and which of them may verify a token. Must not know claims.

use std::path::Path;

use secrecy::SecretSlice;
use serde_json::Value;

use super::key::{Algorithm, Key, KeyPrint};
use super::settings::{IssuerSettings, KeySettings, SecretEncoding};
use crate::chat::json;
use crate::files;

/// Keys that were good when they came.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// A single key from a file or the settings: a token's `kid` says nothing about it.
    stands_alone: bool,
}

/// Why an issuer's keys cannot be had from the settings' files.
#[derive(Debug, thiserror::Error)]
#[error("issuer `{issuer}`: {setting}: {message}")]
pub struct KeyFault {
    /// The issuer's alias.
    pub issuer: String,
    /// The setting that names the key.
    pub setting: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Why no key may have signed a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// None has the token's `kid`: it may be one that has come since.
    UnknownKid,
    /// None fits its algorithm, or several do and it has no `kid`.
    NoneFits,
}

/// Reads the keys that the settings name, to tell early what is wrong with them; what is behind a URL is not asked for.
///
/// # Errors
/// Where they cannot be used.
pub fn try_keys(settings: &IssuerSettings) -> Result<(), KeyFault> {
    KeySet::open(settings).map(drop)
}

impl KeySet {
    /// The keys that the settings name, read from their files; none yet where they are behind a URL.
    pub(super) fn open(settings: &IssuerSettings) -> Result<Self, KeyFault> {
        let fault =
            |setting: &'static str| move |message: String| KeyFault { issuer: settings.name.clone(), setting, message };
        let allowed = &settings.algorithms;
        let of_secret = |secret: &SecretSlice<u8>| Key::from_secret(secret, allowed).map_err(|why| why.to_string());
        Ok(match &settings.keys {
            KeySettings::JwksUrl(_) | KeySettings::Discovery => Self::default(),
            KeySettings::JwksFile(path) => {
                let text = read(path).map_err(fault("jwks_file"))?;
                let (mut set, left_out) = Self::from_jwks(&text, allowed).map_err(fault("jwks_file"))?;
                if set.is_empty() {
                    let advice = format!("{} holds no key that can be used{}", path.display(), told(&left_out));
                    return Err(fault("jwks_file")(advice));
                }
                tell_left_out(&settings.name, &left_out);
                set.stands_alone = set.keys.len() == 1;
                set
            }
            KeySettings::PublicKeyFile(path) => {
                let pem = read(path).map_err(fault("public_key_file"))?;
                let key = Key::from_pem(&pem, allowed);
                let message = |why| format!("{}: {why}; a PEM file with one public key is wanted", path.display());
                Self::alone(key.map_err(message).map_err(fault("public_key_file"))?)
            }
            KeySettings::Secret(secret) => Self::alone(of_secret(secret).map_err(fault("secret"))?),
            KeySettings::SecretFile { path, encoding } => {
                let secret = read_secret(path, *encoding).map_err(fault("secret_file"))?;
                Self::alone(of_secret(&secret).map_err(fault("secret_file"))?)
            }
        })
    }

    fn alone(key: Key) -> Self {
        Self { keys: vec![key], stands_alone: true }
    }

    /// A JWK Set (RFC 7517 §5), each key by itself: an odd one does not spoil the set. Also what was left out, and why.
    pub(super) fn from_jwks(text: &[u8], allowed: &[Algorithm]) -> Result<(Self, Vec<String>), String> {
        let document = json::parse(text).map_err(|error| format!("this is no JWK Set: {error}"))?;
        let Some(Value::Array(entries)) = document.get("keys") else {
            return Err("this is no JWK Set: it has no list `keys`".to_owned());
        };
        let mut keys = Vec::new();
        let mut left_out = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match Key::from_jwk(entry, allowed) {
                Ok(key) => keys.push(key),
                Err(why) => {
                    let kid = entry.get("kid").and_then(Value::as_str).unwrap_or("no kid");
                    left_out.push(format!("key {} ({kid}): {why}", index + 1));
                }
            }
        }
        Ok((Self { keys, stands_alone: false }, left_out))
    }

    /// Each key by its algorithm and its `kid`.
    pub(super) fn in_words(&self) -> Vec<String> {
        let word = |key: &Key| match &key.kid {
            Some(kid) => format!("{} (kid {})", key.algorithm.name(), kid.escape_debug()),
            None => key.algorithm.name().to_owned(),
        };
        self.keys.iter().map(word).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether this very key is one of them.
    pub(super) fn holds(&self, key: &KeyPrint) -> bool {
        self.keys.iter().any(|own| own.print == *key)
    }

    /// The keys that may have signed a token of this algorithm and `kid`.
    pub(super) fn fitting(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<Vec<&Key>, NoKey> {
        // INVARIANT: a key verifies its own algorithm and no other, whatever the token says.
        let of_algorithm = self.keys.iter().filter(|key| key.algorithm == algorithm);
        let fitting: Vec<_> = match kid {
            Some(kid) if !self.stands_alone => of_algorithm.filter(|key| key.kid.as_deref() == Some(kid)).collect(),
            _ => of_algorithm.collect(),
        };
        let ambiguous = kid.is_none() && fitting.len() != 1;
        if !fitting.is_empty() && !ambiguous {
            return Ok(fitting);
        }
        let is_known = |kid: &str| self.keys.iter().any(|key| key.kid.as_deref() == Some(kid));
        Err(if kid.is_some_and(|kid| !is_known(kid)) { NoKey::UnknownKid } else { NoKey::NoneFits })
    }
}

pub(super) fn tell_left_out(issuer: &str, left_out: &[String]) {
    for why in left_out {
        tracing::warn!(issuer, "a key of this issuer is left out: {why}");
    }
}

fn told(left_out: &[String]) -> String {
    left_out.iter().flat_map(|why| ["; ", why]).collect()
}

fn read_secret(path: &Path, encoding: SecretEncoding) -> Result<SecretSlice<u8>, String> {
    encoding.decode(&files::read_secret(path)?).map_err(|why| why.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    files::read(path).map_err(|why| format!("{} cannot be read: {why}", path.display()))
}
