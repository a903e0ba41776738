//! Who is connected and subscribed, what was said, in which state each member is: all in memory, all bounded. Must not know
//! rights, nor sockets.
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

/// The most channels that are known; the one that was not used for longest, and has no subscriber, makes room.
const MAX_CHANNELS: usize = 1_000;
/// The most bytes of messages that are kept, in all channels; the oldest make room.
const MAX_HISTORY: usize = 32 * 1024 * 1024;
/// The most bytes of members' states that are kept, beside those in tokens.
const MAX_STATES: usize = 8 * 1024 * 1024;

/// What names a connection.
pub(super) type PeerId = u64;

/// All of it.
#[derive(Default)]
pub(super) struct Hub {
    rooms: Mutex<Rooms>,
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

/// A connection whose token is good.
pub(super) struct Peer {
    pub(super) member: Arc<str>,
    /// The state that its token names.
    pub(super) state: Arc<RawValue>,
    /// When its token ends: nothing is pushed to it from then on.
    pub(super) ends: u64,
    pub(super) outbox: Outbox,
}

#[derive(Default)]
struct Channel {
    subscribers: BTreeMap<PeerId, Wanted>,
    /// What members have set here; else it is what their token names.
    states: BTreeMap<Arc<str>, Arc<RawValue>>,
    history: History,
    used: u64,
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

    /// A member's state in a channel; nothing where it is not connected.
    pub(super) fn state(&self, member: &str, name: &str) -> Option<Arc<RawValue>> {
        self.rooms().state(member, name)
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

    /// Sees to it that these channels are there.
    fn open(&mut self, names: &[&str]) -> Result<(), Refusal> {
        let used = self.number();
        for name in names {
            if let Some(channel) = self.channels.get_mut(*name) {
                channel.used = used;
                continue;
            }
            if self.channels.len() >= MAX_CHANNELS {
                let unused = self.channels.iter().filter(|(_, channel)| {
                    // Those of this request are not to make room for each other.
                    channel.subscribers.is_empty() && channel.used != used
                });
                let Some(oldest) = unused.min_by_key(|(_, channel)| channel.used).map(|(name, _)| Arc::clone(name))
                else {
                    let message = format!("the sandbox keeps at most {MAX_CHANNELS} channels: unsubscribe from others");
                    return Err(Refusal::new(FULL, message));
                };
                let gone = self.channels.remove(&oldest);
                self.bytes = self.bytes.saturating_sub(gone.map_or(0, |channel| channel.history.bytes()));
            }
            self.channels.insert(Arc::from(*name), Channel { used, ..Channel::default() });
        }
        Ok(())
    }

    fn join(&mut self, id: PeerId, name: &str, wanted: Wanted, now: u64) {
        let is_there = self.is_there(id, name);
        let Some(channel) = self.channels.get_mut(name) else { return };
        let before = channel.subscribers.get(&id).copied().unwrap_or_default();
        channel.subscribers.insert(id, wanted.and(before));
        if !is_there {
            self.tell(id, name, Kind::Joined, now);
        }
    }

    fn quit(&mut self, id: PeerId, name: &str, is_told: bool, now: u64) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let Some(wanted) = channel.subscribers.remove(&id) else { return };
        if self.is_there(id, name) {
            return;
        }
        let frame = self.tell(id, name, Kind::Left, now);
        let own = self.peers.get(&id).filter(|_| is_told && wanted.has(Kind::Left));
        if let (Some(peer), Some(frame)) = (own, frame) {
            peer.outbox.put(frame);
        }
    }

    /// Whether the peer's member is in a channel, by whichever connection.
    fn is_there(&self, id: PeerId, name: &str) -> bool {
        let (Some(peer), Some(channel)) = (self.peers.get(&id), self.channels.get(name)) else { return false };
        let mut there = channel.subscribers.keys().filter_map(|other| self.peers.get(other));
        there.any(|other| other.member == peer.member)
    }

    fn member(&self, id: PeerId, name: &str) -> Option<Member> {
        let id = Arc::clone(&self.peers.get(&id)?.member);
        let (channel, _) = self.channels.get_key_value(name)?;
        let state = self.state(&id, name)?;
        Some(Member { id, channel: Arc::clone(channel), state })
    }

    fn state(&self, member: &str, name: &str) -> Option<Arc<RawValue>> {
        let set = self.channels.get(name).and_then(|channel| channel.states.get(member));
        let named = || {
            let connections = self.peers.iter().filter(|(_, peer)| &*peer.member == member);
            connections.max_by_key(|(id, _)| **id).map(|(_, peer)| &peer.state)
        };
        set.or_else(named).cloned()
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
