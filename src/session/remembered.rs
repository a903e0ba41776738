//! Sessions whose signature was verified before, so that a browser that comes back costs no other signature check. Holds
//! what the issuer signed, and nothing that was made of it; must not know what a session may do.
//!
//! Why this cannot prolong, widen or confuse a session:
//!
//! - It is found by the SHA-256 of the exact token, so two tokens are never taken for one another.
//! - It holds the claims as they were signed. Every one of them is checked again each time, against the settings and the
//!   time of that request (`claims.rs`): an expired session is expired, however often it was seen.
//! - It holds which key had verified it. If that very key is no longer one of its issuer's usable ones (withdrawn, stale,
//!   replaced), what is remembered counts for nothing.
//! - A failure is never remembered, and neither are roles, members or decisions.
//! - It is bounded in number and bytes: what does not fit is verified as if it had never been seen.

use std::sync::Arc;

use foldhash::fast::RandomState;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::key::KeyPrint;
use crate::chat::Object;

/// The most bytes that are remembered, about.
const MAX_BYTES: u64 = 32 << 20;
/// What a session takes beside its claims, about.
const OVERHEAD: usize = 256;
/// How much larger claims are in memory than as text, about.
const GROWTH: usize = 4;

/// The sessions that were verified before.
#[derive(Debug)]
pub(super) struct Remembered(Cache<TokenPrint, Arc<Verified>, RandomState>);

/// The SHA-256 of a token's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenPrint([u8; 32]);

/// Claims, and the key that verified them.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) issuer: String,
    pub(super) key: KeyPrint,
    pub(super) claims: Arc<Object>,
    /// How long the token was.
    pub(super) token_bytes: usize,
}

impl TokenPrint {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl Remembered {
    /// None yet.
    pub(super) fn new() -> Self {
        let weight = |_: &TokenPrint, verified: &Arc<Verified>| {
            u32::try_from(verified.token_bytes * GROWTH + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().weigher(weight).max_capacity(MAX_BYTES).build_with_hasher(RandomState::default()))
    }

    pub(super) fn find(&self, token: TokenPrint) -> Option<Arc<Verified>> {
        self.0.get(&token)
    }

    pub(super) fn insert(&self, token: TokenPrint, verified: Verified) {
        self.0.insert(token, Arc::new(verified));
    }
}
