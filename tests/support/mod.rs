//! What the tests share: keys and tokens, a service over real sockets, the real binary.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

pub(crate) mod binary;
pub(crate) mod collector;
pub(crate) mod keys;
pub(crate) mod provider;
pub(crate) mod service;
pub(crate) mod tls;

/// The audience that the tests' sessions are for.
pub(crate) const AUDIENCE: &str = "https://api.example.com";
/// The issuer of the tests' sessions.
pub(crate) const ISSUER: &str = "https://login.example.com/";
/// The shared secret of that issuer: 64 bytes, so that it is long enough for each HMAC algorithm.
pub(crate) const SECRET: &str = "a secret for tests that is 64 bytes long, and nobody else's here";
/// The credentials that the sandbox takes.
pub(crate) const PROJECT: &str = "7a2f0d4c-3a51-4c7e-9d0e-5f1d6c1b2a39";
pub(crate) const API_TOKEN: &str = "PT-the-api-token-that-must-never-be-seen";
