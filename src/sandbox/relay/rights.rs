//! What a token lets its member do, and until when; must not know who else is there.
//!
//! SignalWire publishes that `read` is for subscribing and reading, `write` for publishing. Of members and their states it
//! says nothing; here the stricter was chosen, so that what works with the sandbox is not refused by the real one:
//!
//! | request | right |
//! |---|---|
//! | subscribe; get messages, members, a member's state | `read` in each channel |
//! | publish; set a member's state | `write` in each channel; a state only of the token's own member |
//! | unsubscribe | none |
//!
//! One channel without the right refuses the whole request.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};

use super::super::rules::Access;
use super::super::token::{Claims, Mint};
use super::rpc::{RIGHT, Refusal, TOKEN};

#[derive(Clone, Copy)]
pub(super) enum Right {
    Read,
    Write,
}

/// What a genuine token says, which had not ended when it was shown.
pub(super) struct Pass {
    pub(super) project: String,
    pub(super) member: Arc<str>,
    pub(super) channels: BTreeMap<String, Access>,
    /// The state that the member begins with.
    pub(super) state: Arc<RawValue>,
    /// In minutes.
    pub(super) ttl: u64,
    /// In seconds since 1970: from then on it is worth nothing.
    pub(super) ends: u64,
}

impl Pass {
    pub(super) fn of(token: &str, mint: &Mint, now: u64) -> Result<Self, Refusal> {
        let Some(Claims { iat, t, sub, chls, stt, m }) = mint.claims(token) else {
            return Err(Refusal::new(
                TOKEN,
                "the token is none that this sandbox has minted since it was started: ask usher for a new one",
            ));
        };
        let ends = iat.saturating_add(t.saturating_mul(60));
        if now >= ends {
            return Err(Refusal::new(TOKEN, format!("the token ended {} s ago: ask usher for a new one", now - ends)));
        }
        let state = to_raw_value(&stt).map_err(|error| Refusal::new(TOKEN, format!("the token's state: {error}")))?;
        Ok(Self { project: sub, member: m.into(), channels: chls, state: state.into(), ttl: t, ends })
    }

    pub(super) fn has(&self, channel: &str, right: Right) -> bool {
        self.channels.get(channel).is_some_and(|access| match right {
            Right::Read => access.read,
            Right::Write => access.write,
        })
    }

    /// Refuses where one of the channels does not give the right, and says which, and what there is instead.
    pub(super) fn demand<'a>(
        &self,
        channels: impl IntoIterator<Item = &'a str>,
        right: Right,
        what: &str,
    ) -> Result<(), Refusal> {
        let missing: Vec<String> = channels
            .into_iter()
            .filter(|name| !self.has(name, right))
            .map(|name| format!("`{name}` ({})", self.has_instead(name)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let right = match right {
            Right::Read => "read",
            Right::Write => "write",
        };
        let missing = missing.join(", ");
        Err(Refusal::new(RIGHT, format!("to {what} takes the right to {right}, which the token lacks for {missing}")))
    }

    fn has_instead(&self, channel: &str) -> &'static str {
        match self.channels.get(channel) {
            None => "not in the token: a channel that a wildcard grants must be asked for by name",
            Some(Access { read: true, .. }) => "it has read alone",
            Some(Access { write: true, .. }) => "it has write alone",
            Some(_) => "it has neither read nor write",
        }
    }
}
