//! What the tests share: the service in this process over real sockets ([`Service`]), the real binary ([`CommandLine`],
//! [`Server`]), an HTTP client for both ([`Client`]), keys and tokens.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

pub(crate) mod collector;
pub(crate) mod command_line;
pub(crate) mod http;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod provider;
pub(crate) mod sandbox;
pub(crate) mod service;
pub(crate) mod tls;
pub(crate) mod worlds;

use std::time::{Duration, Instant};

pub(crate) use self::command_line::{
    CommandLine, Process, Server, complete, free_address, issuer_of, run, with, without,
};
pub(crate) use self::http::{Client, Response, raw, send};
pub(crate) use self::keys::session;
pub(crate) use self::load::Load;
pub(crate) use self::sandbox::RunningSandbox;
pub(crate) use self::service::{Service, Setup};

/// The audience that the tests' sessions are for.
pub(crate) const AUDIENCE: &str = "https://api.example.com";
/// The issuer of the tests' sessions.
pub(crate) const ISSUER: &str = "https://login.example.com/";
/// The shared secret of that issuer: 64 bytes, so that it is long enough for each HMAC algorithm.
pub(crate) const SECRET: &str = "a secret for tests that is 64 bytes long, and nobody else's here";
/// The credentials that the sandbox takes.
pub(crate) const PROJECT: &str = "7a2f0d4c-3a51-4c7e-9d0e-5f1d6c1b2a39";
pub(crate) const API_TOKEN: &str = "PT-the-api-token-that-must-never-be-seen";

/// Polls this until it gives `Ok`, at most so long, without blocking the thread; panics with its last `Err`.
pub(crate) async fn wait_for<T, E: std::fmt::Debug>(
    within: Duration,
    mut poll: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let started = Instant::now();
    loop {
        match poll().await {
            Ok(value) => return value,
            Err(state) => assert!(started.elapsed() < within, "not within {within:?}: {state:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
