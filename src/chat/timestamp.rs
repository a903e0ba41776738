//! A point in time, which is always an argument: nothing here reads a clock.

use std::time::Duration;

use super::Ttl;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted (RFC 7519 §2's `NumericDate`, finer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// In milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// In whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// So many milliseconds later; the end of time rather than an overflow.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// So much later; the end of time rather than an overflow.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        self.plus_millis(millis(duration))
    }

    /// When something that lives so long from here is over.
    #[must_use]
    pub const fn plus_ttl(self, ttl: Ttl) -> Self {
        self.plus_millis(ttl.minutes() as i64 * 60_000)
    }

    /// Milliseconds from here until `later`; negative when that is past.
    #[must_use]
    pub const fn millis_until(self, later: Self) -> i64 {
        later.0.saturating_sub(self.0)
    }
}

/// A duration in whole milliseconds, at most `i64::MAX`.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
