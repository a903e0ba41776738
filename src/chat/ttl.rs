//! How long a chat token lives, in SignalWire's unit. Must not know why.

use serde::Serialize;

/// A time to live in whole **minutes**, 1 to 43,200 (30 days), as SignalWire counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Ttl(u32);

impl Ttl {
    /// The longest that SignalWire takes: 30 days.
    pub const MAX: Self = Self(43_200);

    /// The shortest that the browser SDK can use: it refreshes a token when two minutes are left.
    pub const MIN_FOR_SDK: Self = Self(3);

    /// From minutes; none outside 1 to 43,200.
    #[must_use]
    pub fn from_minutes(minutes: u64) -> Option<Self> {
        let minutes = u32::try_from(minutes).ok()?;
        (1..=Self::MAX.0).contains(&minutes).then_some(Self(minutes))
    }

    /// In minutes.
    #[must_use]
    pub const fn minutes(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for Ttl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}m", self.0)
    }
}
