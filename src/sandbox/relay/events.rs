//! What is pushed: its shapes, and which of it a subscription asked for. Must not know to whom it goes.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::rpc;

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Message,
    Joined,
    Left,
    Updated,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Message, Self::Joined, Self::Left, Self::Updated];

    /// As `event_type` names it.
    fn name(self) -> &'static str {
        match self {
            Self::Message => "chat.channel.message",
            Self::Joined => "chat.member.joined",
            Self::Left => "chat.member.left",
            Self::Updated => "chat.member.updated",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Which events a subscription is for.
#[derive(Clone, Copy, Default)]
pub(super) struct Wanted(u8);

impl Wanted {
    /// As `chat.subscribe` lists them: the SDK calls messages `chat.message`. Names that are not known ask for nothing, as
    /// the SDK lists whatever the page listens for.
    pub(super) fn of(names: Option<&[String]>) -> Self {
        let Some(names) = names else {
            return Self(Kind::ALL.iter().fold(0, |bits, kind| bits | kind.bit()));
        };
        let wants = |kind: &Kind| {
            names.iter().any(|name| name == kind.name() || (name == "chat.message" && matches!(kind, Kind::Message)))
        };
        Self(Kind::ALL.iter().filter(|kind| wants(kind)).fold(0, |bits, kind| bits | kind.bit()))
    }

    /// The events of both.
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }
}

/// A member as others see it.
#[derive(Clone, Serialize)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    pub(super) channel: Arc<str>,
    pub(super) state: Arc<RawValue>,
}

/// A message as it is pushed, and as the history has it.
#[derive(Serialize)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) content: Box<RawValue>,
    pub(super) meta: Box<RawValue>,
    /// In seconds since 1970.
    pub(super) published_at: f64,
    pub(super) member: Member,
}

/// What an event is about.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum About<'a> {
    Message(&'a Message),
    Member(&'a Member),
}

#[derive(Serialize)]
struct InChannel<'a> {
    channel: &'a str,
    #[serde(flatten)]
    about: About<'a>,
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "event_type")]
    kind: &'static str,
    #[serde(rename = "event_channel")]
    of: &'static str,
    timestamp: f64,
    params: InChannel<'a>,
}

/// The frame of an event.
pub(super) fn frame(kind: Kind, channel: &str, about: About<'_>, timestamp: f64) -> Utf8Bytes {
    let params = InChannel { channel, about };
    let event = Event { kind: kind.name(), of: "chat", timestamp, params };
    rpc::request(&Uuid::new_v4().to_string(), "signalwire.event", event).into()
}
