//! Who a chat token is for, as SignalWire names it. Must not know how it was derived.

use std::sync::Arc;

use serde::Serialize;

/// What every guest's member id begins with, and nobody else's does.
pub const GUEST_PREFIX: &str = "guest-";

/// SignalWire's `member_id`: 1 to 250 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MemberId(Arc<str>);

/// Why a text is no member's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberIdFault {
    /// Empty.
    #[error("the member id is empty")]
    Empty,
    /// Over 250 characters.
    #[error("the member id has more than 250 characters")]
    TooLong,
    /// It would pass for a guest.
    #[error("the member id begins with `guest-`, which is kept for guests")]
    LooksLikeGuest,
}

impl MemberId {
    /// The most characters that SignalWire takes.
    pub const MAX_CHARS: usize = 250;

    /// The id of somebody who is known.
    ///
    /// # Errors
    /// Empty, too long, or one that would pass for a guest's.
    pub fn parse(text: &str) -> Result<Self, MemberIdFault> {
        if text.is_empty() {
            return Err(MemberIdFault::Empty);
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(MemberIdFault::TooLong);
        }
        if text.starts_with(GUEST_PREFIX) {
            return Err(MemberIdFault::LooksLikeGuest);
        }
        Ok(Self(text.into()))
    }

    /// The id of a guest, from a name that is fresh for each token (a UUID).
    #[must_use]
    pub fn guest(fresh: uuid::Uuid) -> Self {
        Self(format!("{GUEST_PREFIX}{fresh}").into())
    }

    /// Whether this is a guest's.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.0.starts_with(GUEST_PREFIX)
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for MemberId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}
