//! An issuer's keys as they stand now, and since when they could not be had anew. Time is an argument; must not know where
//! keys come from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::keys::KeySet;
use crate::chat::Timestamp;

/// The keys in use; replaced as a whole.
#[derive(Debug)]
pub(super) struct KeyStore {
    current: ArcSwap<Keys>,
    /// How long keys serve that cannot be had anew.
    max_stale: Duration,
}

/// Keys that were good when they came.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    set: Arc<KeySet>,
    had: Instant,
    /// Since when they cannot be had anew; none while they can.
    failing_since: Option<Timestamp>,
}

/// What a failure to have keys anew means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Staleness {
    /// It is the first, and the last good keys serve on.
    Begins,
    /// They serve on still, or there are none to serve.
    GoesOn,
    /// They have just served for too long.
    Over,
}

impl Keys {
    fn now(set: KeySet) -> Self {
        Self { set: Arc::new(set), had: Instant::now(), failing_since: None }
    }
}

impl KeyStore {
    pub(super) fn new(set: KeySet, max_stale: Duration) -> Self {
        Self { current: ArcSwap::from_pointee(Keys::now(set)), max_stale }
    }

    /// The keys that may verify now: none where there are none, or where the last good ones have served for too long.
    pub(super) fn usable(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let keys = self.current.load();
        // INVARIANT: keys that could not be had anew for so long verify nothing more: they may have been withdrawn.
        let is_over = keys.failing_since.is_some_and(|since| now >= self.end(since));
        (!is_over && !keys.set.is_empty()).then(|| Arc::clone(&keys.set))
    }

    /// For how many seconds they cannot be had anew; 0 while they can.
    pub(super) fn failing_for(&self, now: Timestamp) -> i64 {
        let since = self.current.load().failing_since;
        since.map_or(0, |since| since.millis_until(now).max(0) / 1_000)
    }

    /// For how many seconds they have been the ones that there are.
    pub(super) fn age(&self) -> i64 {
        i64::try_from(self.current.load().had.elapsed().as_secs()).unwrap_or(i64::MAX)
    }

    /// These are the keys from now on. Whether they could not be had before.
    pub(super) fn replace(&self, set: KeySet) -> bool {
        let before = self.current.swap(Arc::new(Keys::now(set)));
        before.failing_since.is_some()
    }

    /// They could not be had anew. `last`: when that was found the last time, if it was.
    pub(super) fn failed(&self, now: Timestamp, last: Option<Timestamp>) -> Staleness {
        let keys = self.current.load_full();
        let Some(since) = keys.failing_since else {
            self.current.store(Arc::new(Keys { failing_since: Some(now), ..(*keys).clone() }));
            return Staleness::Begins;
        };
        let end = self.end(since);
        let was_over = last.is_some_and(|last| last >= end);
        if now >= end && !was_over && !keys.set.is_empty() { Staleness::Over } else { Staleness::GoesOn }
    }

    fn end(&self, since: Timestamp) -> Timestamp {
        since.plus(self.max_stale)
    }
}
