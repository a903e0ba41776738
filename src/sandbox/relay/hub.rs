//! What connections do to each other: come and go, subscribe, publish, set a state, and who is told. Must not know rights,
//! nor sockets.
//!
//! One lock, never held over an `await`: an event is written once and put into each outbox without waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;

use super::calls::Cursor;
use super::events::{self, About, Kind, Member, Message, Wanted};
use super::history::{History, Page};
use super::rooms::{Peer, PeerId, Rooms};
use super::rpc::{FULL, Refusal};

/// The most bytes of members' states that are kept, beside those in tokens.
const MAX_STATES: usize = 8 * 1024 * 1024;

/// All of it.
#[derive(Default)]
pub(super) struct Hub {
    rooms: Mutex<Rooms>,
}

/// What is published, without who does it.
pub(super) struct Said {
    pub(super) id: String,
    pub(super) content: Box<RawValue>,
    pub(super) meta: Box<RawValue>,
}

impl Hub {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, peer: Peer) -> PeerId {
        let mut rooms = self.rooms();
        let id = rooms.number();
        rooms.peers.insert(id, peer);
        id
    }

    /// A connection ends, and with a member's last the states that it has set.
    pub(super) fn leave(&self, id: PeerId, now: u64) {
        let mut rooms = self.rooms();
        let names: Vec<Arc<str>> = rooms.subscribed(id);
        for name in &names {
            rooms.quit(id, name, false, now);
        }
        let Some(Peer { member, .. }) = rooms.peers.remove(&id) else { return };
        if !rooms.peers.values().any(|peer| peer.member == member) {
            rooms.channels.values_mut().for_each(|channel| drop(channel.states.remove(&member)));
        }
    }

    /// The peer has another token: it ends later, and channels that it may not read any more are quit without a word to it.
    pub(super) fn renew(&self, id: PeerId, ends: u64, state: Arc<RawValue>, may_read: impl Fn(&str) -> bool, now: u64) {
        let mut rooms = self.rooms();
        if let Some(peer) = rooms.peers.get_mut(&id) {
            (peer.ends, peer.state) = (ends, state);
        }
        let names = rooms.subscribed(id);
        for name in names.iter().filter(|name| !may_read(name)) {
            rooms.quit(id, name, false, now);
        }
    }

    /// Subscribes; a second time adds events. All or, where there is no room for a channel, none.
    pub(super) fn subscribe(&self, id: PeerId, names: &[&str], wanted: Wanted, now: u64) -> Result<(), Refusal> {
        let mut rooms = self.rooms();
        rooms.open(names)?;
        for name in names {
            rooms.join(id, name, wanted, now);
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&self, id: PeerId, names: &[&str], now: u64) {
        let mut rooms = self.rooms();
        for name in names {
            rooms.quit(id, name, true, now);
        }
    }

    pub(super) fn publish(&self, id: PeerId, name: &str, said: Said, now: u64) -> Result<(), Refusal> {
        let mut rooms = self.rooms();
        rooms.open(&[name])?;
        let (number, at) = (rooms.number(), rooms.moment(now));
        let Some(member) = rooms.member(id, name) else { return Ok(()) };
        let Said { id, content, meta } = said;
        let message = Message { id, content, meta, published_at: at, member };
        let frame = events::frame(Kind::Message, name, About::Message(&message), at);
        let bytes = frame.len();
        rooms.push(name, Kind::Message, &frame, now);
        if let Some(channel) = rooms.channels.get_mut(name) {
            let freed = channel.history.push(number, bytes, Arc::new(message));
            rooms.bytes = (rooms.bytes + bytes).saturating_sub(freed);
        }
        rooms.forget_the_oldest();
        Ok(())
    }

    pub(super) fn messages(&self, name: &str, cursor: Option<&Cursor>) -> Result<Page, Refusal> {
        match self.rooms().channels.get(name) {
            Some(channel) => channel.history.page(cursor),
            None => History::default().page(cursor),
        }
    }

    /// Each member once, however many connections it has.
    pub(super) fn members(&self, name: &str) -> Vec<Member> {
        let rooms = self.rooms();
        let subscribers = rooms.channels.get(name).map(|channel| &channel.subscribers);
        let ids = subscribers.into_iter().flat_map(BTreeMap::keys);
        let members: BTreeMap<Arc<str>, Member> =
            ids.filter_map(|id| rooms.member(*id, name)).map(|member| (Arc::clone(&member.id), member)).collect();
        members.into_values().collect()
    }

    /// A member's state in a channel, as the peer may see it: what was set there was told to the channel, but what the token
    /// names is for those alone where the member is too, and for itself.
    pub(super) fn state(&self, id: PeerId, member: &str, name: &str) -> Option<Arc<RawValue>> {
        let rooms = self.rooms();
        let is_own = rooms.peers.get(&id).is_some_and(|peer| *peer.member == *member);
        if is_own || rooms.is_there(member, name) {
            return rooms.state(member, name);
        }
        rooms.state_set(member, name).cloned()
    }

    /// Sets the peer's member's state in these channels, and tells their subscribers.
    pub(super) fn set_state(&self, id: PeerId, names: &[&str], state: &Arc<RawValue>, now: u64) -> Result<(), Refusal> {
        let mut rooms = self.rooms();
        let Some(own) = rooms.peers.get(&id).map(|peer| Arc::clone(&peer.member)) else { return Ok(()) };
        let is_replaced = |name: &str, member: &Arc<str>| *member == own && names.contains(&name);
        let kept = rooms.channels.iter().flat_map(|(name, channel)| channel.states.iter().map(move |of| (name, of)));
        let kept = kept.filter(|(name, (member, _))| !is_replaced(name, member));
        let kept: usize = kept.map(|(_, (_, state))| state.get().len()).sum();
        if kept + names.len() * state.get().len() > MAX_STATES {
            let message = format!("the sandbox keeps at most {MAX_STATES} bytes of states: restart it");
            return Err(Refusal::new(FULL, message));
        }
        rooms.open(names)?;
        for name in names {
            if let Some(channel) = rooms.channels.get_mut(*name) {
                channel.states.insert(Arc::clone(&own), Arc::clone(state));
            }
            rooms.tell(id, name, Kind::Updated, now);
        }
        Ok(())
    }
}
