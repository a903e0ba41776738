//! What reaches the sandbox: whether a request has the right credentials (HTTP Basic with the project id
//! and the API token), and the last requests, for tests to inspect.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use sha2::{Digest, Sha256};

/// The most requests that are remembered.
const MAX_REQUESTS: usize = 1_000;
/// The most bytes of them, as long names and bodies would make much of a thousand.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// One request as it arrived. It does not hold the credentials, only whether they were right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The method, such as `POST`.
    pub method: String,
    /// The path, with its query when there is one.
    pub path: String,
    /// Whether the project id and the API token were right.
    pub authorized: bool,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `traceparent` header.
    pub traceparent: Option<String>,
    /// The `tracestate` header.
    pub tracestate: Option<String>,
    /// The body as text, with U+FFFD for what is not UTF-8; empty when it was over 2 MiB, broke off or took too long, or
    /// where the credentials were wrong: of somebody unknown no body is kept.
    pub body: String,
}

impl Received {
    fn bytes(&self) -> usize {
        let Self { method, path, authorized: _, content_type, traceparent, tracestate, body } = self;
        let headers = [content_type, traceparent, tracestate].into_iter().flatten();
        [method, path, body].into_iter().chain(headers).map(String::len).sum()
    }
}

/// The last requests: as many as tests look at, and no more than a sandbox that nobody looks at can bear.
#[derive(Default)]
pub(super) struct Recent {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Oldest first.
    requests: VecDeque<Received>,
    bytes: usize,
}

impl Recent {
    pub(super) fn push(&self, request: Received) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += request.bytes();
        kept.requests.push_back(request);
        while kept.requests.len() > MAX_REQUESTS || kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.requests.pop_front() else { return };
            kept.bytes -= oldest.bytes();
        }
    }

    pub(super) fn list(&self) -> Vec<Received> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.requests.iter().cloned().collect()
    }
}

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
