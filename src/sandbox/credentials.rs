//! HTTP Basic with the project id and the API token; must not know what they open.

use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use sha2::{Digest, Sha256};

/// The right credentials, as a hash: neither a `Debug` nor a core dump gives the API token away.
pub(super) struct Credentials {
    hash: RwLock<[u8; 32]>,
}

impl Credentials {
    pub(super) fn new(project_id: &str, api_token: &str) -> Self {
        Self { hash: RwLock::new(of(project_id, api_token)) }
    }

    /// Takes these from now on, and no others.
    pub(super) fn replace(&self, project_id: &str, api_token: &str) {
        *self.hash.write().unwrap_or_else(PoisonError::into_inner) = of(project_id, api_token);
    }

    /// Whether an `Authorization` header holds exactly these credentials.
    pub(super) fn admit(&self, authorization: Option<&HeaderValue>) -> bool {
        // Comparing hashes is not constant in time, but what the time tells, of a hash of the right credentials, helps
        // nobody to the credentials.
        let right = *self.hash.read().unwrap_or_else(PoisonError::into_inner);
        authorization.and_then(user_and_password).is_some_and(|given| hash(&given) == right)
    }
}

/// RFC 7617, section 2: the scheme in any case, then `user-id ":" password` in Base64.
fn user_and_password(authorization: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, encoded) = authorization.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok()).flatten()
}

fn of(project_id: &str, api_token: &str) -> [u8; 32] {
    hash(format!("{project_id}:{api_token}").as_bytes())
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
