//! What connections do to each other: come and go, subscribe, publish, set a state, and who is told. All of it is in memory
//! and bounded.
//!
//! One lock, never held over an `await`: an event is written once and put into each outbox without waiting.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use serde_json::value::RawValue;

use super::calls::Cursor;
use super::events::{self, About, Kind, Member, Message, Wanted};
use super::history::{History, Page};
use super::outbox::Outbox;
use super::rpc::{FULL, Refusal};

/// The most channels that are known; the one that was not used for longest makes room, of those that nobody is in.
const MAX_CHANNELS: usize = 1_000;
/// The most bytes of messages that are kept, in all channels; the oldest make room.
const MAX_HISTORY: usize = 32 * 1024 * 1024;
/// The most bytes of members' states that are kept, beside those in tokens.
const MAX_STATES: usize = 8 * 1024 * 1024;

/// What names a connection.
pub(super) type PeerId = u64;

/// A connection whose token is good.
pub(super) struct Peer {
    pub(super) member: Arc<str>,
    /// The state that its token names.
    pub(super) state: Arc<RawValue>,
    /// When its token ends: nothing is pushed to it from then on.
    pub(super) ends: u64,
    pub(super) outbox: Outbox,
}

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

#[derive(Default)]
struct Rooms {
    peers: HashMap<PeerId, Peer>,
    channels: HashMap<Arc<str>, Channel>,
    /// How many things happened: what happens gets the number.
    count: u64,
    /// The bytes of all histories.
    bytes: usize,
    /// When the last event was, in milliseconds since 1970.
    latest: u64,
}

#[derive(Default)]
struct Channel {
    subscribers: BTreeMap<PeerId, Wanted>,
    /// What members have set here; else it is what their token names.
    states: BTreeMap<Arc<str>, Arc<RawValue>>,
    history: History,
    used: u64,
}

impl Rooms {
    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// The time in seconds, a thousandth after the one before where the clock has not moved on: order can be told by it.
    fn moment(&mut self, now: u64) -> f64 {
        self.latest = now.saturating_mul(1_000).max(self.latest + 1);
        std::time::Duration::from_millis(self.latest).as_secs_f64()
    }

    fn subscribed(&self, id: PeerId) -> Vec<Arc<str>> {
        let channels = self.channels.iter().filter(|(_, channel)| channel.subscribers.contains_key(&id));
        channels.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Sees to it that these channels are there; where there is no room for all, nothing is done.
    fn open(&mut self, names: &[&str]) -> Result<(), Refusal> {
        let used = self.number();
        let missing = names.iter().filter(|name| !self.channels.contains_key(**name)).count();
        let too_many = (self.channels.len() + missing).saturating_sub(MAX_CHANNELS);
        if too_many > 0 {
            let unused = self.channels.iter().filter(|(name, channel)| {
                // Who has set a state has it kept for as long as it is connected.
                channel.subscribers.is_empty() && channel.states.is_empty() && !names.contains(&&***name)
            });
            let mut unused: Vec<(u64, Arc<str>)> =
                unused.map(|(name, channel)| (channel.used, Arc::clone(name))).collect();
            if unused.len() < too_many {
                let message = format!("the sandbox keeps at most {MAX_CHANNELS} channels: unsubscribe from others");
                return Err(Refusal::new(FULL, message));
            }
            unused.sort_unstable();
            for (_, name) in unused.iter().take(too_many) {
                let gone = self.channels.remove(name);
                self.bytes = self.bytes.saturating_sub(gone.map_or(0, |channel| channel.history.bytes()));
            }
        }
        for name in names {
            self.channels.entry(Arc::from(*name)).or_default().used = used;
        }
        Ok(())
    }

    fn join(&mut self, id: PeerId, name: &str, wanted: Wanted, now: u64) {
        let Some(member) = self.peers.get(&id).map(|peer| Arc::clone(&peer.member)) else { return };
        let is_there = self.is_there(&member, name);
        let Some(channel) = self.channels.get_mut(name) else { return };
        let before = channel.subscribers.get(&id).copied().unwrap_or_default();
        channel.subscribers.insert(id, wanted.with(before));
        if !is_there {
            self.tell(id, name, Kind::Joined, now);
        }
    }

    fn quit(&mut self, id: PeerId, name: &str, is_told: bool, now: u64) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let Some(wanted) = channel.subscribers.remove(&id) else { return };
        if self.peers.get(&id).is_none_or(|peer| self.is_there(&peer.member, name)) {
            return;
        }
        let frame = self.tell(id, name, Kind::Left, now);
        let own = self.peers.get(&id).filter(|_| is_told && wanted.has(Kind::Left));
        if let (Some(peer), Some(frame)) = (own, frame) {
            peer.outbox.put(frame);
        }
    }

    /// Whether a member is in a channel, by whichever connection.
    fn is_there(&self, member: &str, name: &str) -> bool {
        let subscribers = self.channels.get(name).map(|channel| &channel.subscribers);
        let mut there = subscribers.into_iter().flat_map(BTreeMap::keys).filter_map(|id| self.peers.get(id));
        there.any(|peer| *peer.member == *member)
    }

    fn member(&self, id: PeerId, name: &str) -> Option<Member> {
        let id = Arc::clone(&self.peers.get(&id)?.member);
        let (channel, _) = self.channels.get_key_value(name)?;
        let state = self.state(&id, name)?;
        Some(Member { id, channel: Arc::clone(channel), state })
    }

    /// What a member has set in a channel.
    fn state_set(&self, member: &str, name: &str) -> Option<&Arc<RawValue>> {
        self.channels.get(name).and_then(|channel| channel.states.get(member))
    }

    /// The same, or what its token names; nothing where it is not connected.
    fn state(&self, member: &str, name: &str) -> Option<Arc<RawValue>> {
        let named = || {
            let connections = self.peers.iter().filter(|(_, peer)| *peer.member == *member);
            connections.max_by_key(|(id, _)| **id).map(|(_, peer)| &peer.state)
        };
        self.state_set(member, name).or_else(named).cloned()
    }

    /// Tells a channel's subscribers something about the peer's member.
    fn tell(&mut self, id: PeerId, name: &str, kind: Kind, now: u64) -> Option<Utf8Bytes> {
        let at = self.moment(now);
        let member = self.member(id, name)?;
        let frame = events::frame(kind, name, About::Member(&member), at);
        self.push(name, kind, &frame, now);
        Some(frame)
    }

    fn push(&self, name: &str, kind: Kind, frame: &Utf8Bytes, now: u64) {
        let Some(channel) = self.channels.get(name) else { return };
        for id in channel.subscribers.iter().filter(|(_, wanted)| wanted.has(kind)).map(|(id, _)| id) {
            if let Some(peer) = self.peers.get(id).filter(|peer| now < peer.ends) {
                peer.outbox.put(frame.clone());
            }
        }
    }

    fn forget_the_oldest(&mut self) {
        while self.bytes > MAX_HISTORY {
            let channels = self.channels.values_mut().filter(|channel| channel.history.oldest().is_some());
            let Some(channel) = channels.min_by_key(|channel| channel.history.oldest()) else { return };
            self.bytes = self.bytes.saturating_sub(channel.history.forget_oldest());
        }
    }
}
