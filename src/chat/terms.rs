//! What a token shall carry; its serialization is the body that SignalWire gets. Must not know how it was decided.

use serde::Serialize;

use super::{Channels, MemberId, Object, Ttl};

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
