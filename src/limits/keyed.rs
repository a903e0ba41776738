//! Counting in this process's memory (GCRA), one account a key, and never more than [`MAX_KEYS`] of them. Must not know what
//! the keys are.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::RateSettings;

/// How many accounts there are at most. Beyond, those that were not asked for longest are forgotten, so that nobody can grow
/// this by coming under ever new names.
const MAX_KEYS: u64 = 100_000;

/// The accounts of one limit.
#[derive(Debug)]
pub(super) struct Keyed<K: Clone + Hash + Eq + Send + Sync + 'static> {
    accounts: Cache<K, Arc<DefaultDirectRateLimiter>, RandomState>,
    quota: Quota,
    clock: DefaultClock,
}

impl<K: Clone + Hash + Eq + Send + Sync + 'static> Keyed<K> {
    /// With this rate for each key; none where the period is nothing.
    pub(super) fn new(rate: RateSettings) -> Option<Self> {
        let quota = Quota::with_period(rate.period)?.allow_burst(rate.burst);
        // An account that was not asked for so long is as good as a new one.
        let forgiven = rate.period.saturating_mul(rate.burst.get()).max(Duration::from_secs(1));
        let accounts = Cache::builder()
            .max_capacity(MAX_KEYS)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(forgiven)
            .build_with_hasher(RandomState::default());
        Some(Self { accounts, quota, clock: DefaultClock::default() })
    }

    /// Counts one request.
    ///
    /// # Errors
    /// How long until the next one may come.
    pub(super) fn check(&self, key: &K) -> Result<(), Duration> {
        // A clock of its own would be calibrated anew for each, which takes longer than all the rest.
        let open = || Arc::new(RateLimiter::direct_with_clock(self.quota, self.clock.clone()));
        let account = self.accounts.get_with_by_ref(key, open);
        account.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Keyed, MAX_KEYS};
    use crate::limits::RateSettings;
    use std::num::NonZeroU32;
    use std::time::Duration;

    #[test]
    fn however_many_come_it_does_not_grow_and_the_latest_are_still_counted() {
        let rate = RateSettings { period: Duration::from_hours(1), burst: NonZeroU32::MIN };
        let keyed = Keyed::new(rate).unwrap();
        for key in 0..MAX_KEYS + 50_000 {
            assert!(keyed.check(&key).is_ok());
        }
        keyed.accounts.run_pending_tasks();
        assert!(keyed.accounts.entry_count() <= MAX_KEYS, "{}", keyed.accounts.entry_count());
        assert!((MAX_KEYS + 49_000..MAX_KEYS + 50_000).all(|key| keyed.check(&key).is_err()));
    }
}
