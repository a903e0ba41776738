//! What reached the sandbox, for tests to look at; must not know what was answered.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many requests are remembered.
const KEPT: usize = 1_000;

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
    /// The body as text, with U+FFFD for what is not UTF-8; empty when it was over 2 MiB or broke off, or where the
    /// credentials were wrong: of somebody unknown nothing is kept.
    pub body: String,
}

/// The last requests.
#[derive(Default)]
pub(super) struct Recent {
    requests: Mutex<VecDeque<Received>>,
}

impl Recent {
    pub(super) fn push(&self, request: Received) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() >= KEPT {
            requests.pop_front();
        }
        requests.push_back(request);
    }

    pub(super) fn list(&self) -> Vec<Received> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().cloned().collect()
    }
}
