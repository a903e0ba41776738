//! The two plain types that a decision stands between: what is known of the requester ([`Facts`]), and what the token shall
//! carry ([`Terms`]).

use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::{Channels, MemberId, Object, Timestamp, Ttl};

/// What a decision may know of who asks. Plain: anybody can write one down (`explain`, tests); only a
/// [`Session`](crate::session::Session) says that they are true.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Whose session, or a guest.
    pub who: Who,
    /// The names in the claim that roles are read from.
    pub roles: ClaimedRoles,
    /// Every claim of the session; none for a guest.
    pub claims: Arc<Object>,
    /// When what the session allows must be over (its `exp`, or its greatest age if that is sooner, and the issuer's
    /// `outlive`); none: it sets no end.
    pub ends: Option<Timestamp>,
}

/// Whose facts these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Somebody whom a configured issuer vouches for, by the issuer's alias.
    Known {
        /// The alias, letters and digits.
        issuer: String,
    },
    /// No credential at all. The name is fresh for each request.
    Guest {
        /// Made by whoever asks for the decision, as the time is.
        fresh: Uuid,
    },
}

/// What the claim that roles are read from says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimedRoles {
    /// These names, perhaps none.
    Names(Vec<String>),
    /// The provider put a marker of too many groups in the claim's place, so nothing is known of them.
    Withheld,
}

impl Facts {
    /// A guest: no claim, no role, no end.
    #[must_use]
    pub fn guest(fresh: Uuid) -> Self {
        Self { who: Who::Guest { fresh }, roles: ClaimedRoles::Names(Vec::new()), claims: Arc::default(), ends: None }
    }

    /// The alias of the issuer who vouches; none for a guest.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        match &self.who {
            Who::Known { issuer } => Some(issuer),
            Who::Guest { .. } => None,
        }
    }
}

/// The content of a chat token, and by [`Serialize`] exactly the body of `POST /api/chat/tokens`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Terms {
    /// Whole minutes.
    pub ttl: Ttl,
    /// 1 to 500 channels, each with at least one right.
    pub channels: Channels,
    /// Always sent, so that SignalWire never makes one up.
    pub member_id: MemberId,
    /// At most 2,000 characters as compact JSON.
    pub state: Object,
}
