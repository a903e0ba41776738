//! How often anybody may ask, and who is revoked: a member id to an [`Admitted`]. Must not know HTTP, the policy or
//! sessions.
//!
//! ```text
//! admit.rs    a member, or an address, may ask now
//! keyed.rs    counting in this process's memory, bounded
//! shared.rs   the store that replicas share, whether it is there, and what is known without it
//! store.rs    counting in Redis, which all replicas share: one script, one round trip
//! revoked.rs  who is revoked, as far as this replica knows
//! ```

mod admit;
mod keyed;
mod revoked;
mod shared;
mod store;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

pub use admit::{Admitted, Limited, Limits, Refused};
pub use store::{Asked, Revocation, Store, StoreFault};

/// What an operator allows each member, or address: so many requests at once, then one each `1/rate` (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSettings {
    /// How long one request takes to be forgiven.
    pub period: Duration,
    /// How many may come at once.
    pub burst: NonZeroU32,
}

/// How often anybody may ask, and where that is counted.
#[derive(Clone, Debug, Default)]
pub struct LimitsSettings {
    /// Each member, by any good session; none: as often as it likes.
    pub per_member: Option<RateSettings>,
    /// Each address, of guests and of sessions that are none; none: as often as it likes.
    pub per_address: Option<RateSettings>,
    /// The URL of the store that all replicas share; none: this process's memory.
    pub store: Option<SecretString>,
    /// The file that the URL is from, where it is from one: a rotation changes it.
    pub store_file: Option<PathBuf>,
    /// What to do while that store is away.
    pub on_store_failure: OnStoreFailure,
}

/// What to do while the shared store is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreFailure {
    /// Count in this process's memory.
    #[default]
    Local,
    /// Refuse.
    Refuse,
}
