//! Who is connected and subscribed, what was said, in which state each member is: all in memory, all bounded. Must not know
//! what was asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use serde_json::value::RawValue;

use super::events::{self, About, Kind, Member, Wanted};
use super::history::History;
use super::outbox::Outbox;
use super::rpc::{FULL, Refusal};

/// The most channels that are known; the one that was not used for longest makes room, of those that nobody is in.
const MAX_CHANNELS: usize = 1_000;
/// The most bytes of messages that are kept, in all channels; the oldest make room.
const MAX_HISTORY: usize = 32 * 1024 * 1024;

/// What names a connection.
pub(super) type PeerId = u64;

#[derive(Default)]
pub(super) struct Rooms {
    pub(super) peers: HashMap<PeerId, Peer>,
    pub(super) channels: HashMap<Arc<str>, Channel>,
    /// How many things happened: what happens gets the number.
    count: u64,
    /// The bytes of all histories.
    pub(super) bytes: usize,
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
pub(super) struct Channel {
    pub(super) subscribers: BTreeMap<PeerId, Wanted>,
    /// What members have set here; else it is what their token names.
    pub(super) states: BTreeMap<Arc<str>, Arc<RawValue>>,
    pub(super) history: History,
    used: u64,
}

impl Rooms {
    pub(super) fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// The time in seconds, a thousandth after the one before where the clock has not moved on: order can be told by it.
    pub(super) fn moment(&mut self, now: u64) -> f64 {
        self.latest = now.saturating_mul(1_000).max(self.latest + 1);
        std::time::Duration::from_millis(self.latest).as_secs_f64()
    }

    pub(super) fn subscribed(&self, id: PeerId) -> Vec<Arc<str>> {
        let channels = self.channels.iter().filter(|(_, channel)| channel.subscribers.contains_key(&id));
        channels.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Sees to it that these channels are there; where there is no room for all, nothing is done.
    pub(super) fn open(&mut self, names: &[&str]) -> Result<(), Refusal> {
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

    pub(super) fn join(&mut self, id: PeerId, name: &str, wanted: Wanted, now: u64) {
        let Some(member) = self.peers.get(&id).map(|peer| Arc::clone(&peer.member)) else { return };
        let is_there = self.is_there(&member, name);
        let Some(channel) = self.channels.get_mut(name) else { return };
        let before = channel.subscribers.get(&id).copied().unwrap_or_default();
        channel.subscribers.insert(id, wanted.with(before));
        if !is_there {
            self.tell(id, name, Kind::Joined, now);
        }
    }

    pub(super) fn quit(&mut self, id: PeerId, name: &str, is_told: bool, now: u64) {
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
    pub(super) fn is_there(&self, member: &str, name: &str) -> bool {
        let subscribers = self.channels.get(name).map(|channel| &channel.subscribers);
        let mut there = subscribers.into_iter().flat_map(BTreeMap::keys).filter_map(|id| self.peers.get(id));
        there.any(|peer| *peer.member == *member)
    }

    pub(super) fn member(&self, id: PeerId, name: &str) -> Option<Member> {
        let id = Arc::clone(&self.peers.get(&id)?.member);
        let (channel, _) = self.channels.get_key_value(name)?;
        let state = self.state(&id, name)?;
        Some(Member { id, channel: Arc::clone(channel), state })
    }

    /// What a member has set in a channel.
    pub(super) fn state_set(&self, member: &str, name: &str) -> Option<&Arc<RawValue>> {
        self.channels.get(name).and_then(|channel| channel.states.get(member))
    }

    /// The same, or what its token names; nothing where it is not connected.
    pub(super) fn state(&self, member: &str, name: &str) -> Option<Arc<RawValue>> {
        let named = || {
            let connections = self.peers.iter().filter(|(_, peer)| *peer.member == *member);
            connections.max_by_key(|(id, _)| **id).map(|(_, peer)| &peer.state)
        };
        self.state_set(member, name).or_else(named).cloned()
    }

    /// Tells a channel's subscribers something about the peer's member.
    pub(super) fn tell(&mut self, id: PeerId, name: &str, kind: Kind, now: u64) -> Option<Utf8Bytes> {
        let at = self.moment(now);
        let member = self.member(id, name)?;
        let frame = events::frame(kind, name, About::Member(&member), at);
        self.push(name, kind, &frame, now);
        Some(frame)
    }

    pub(super) fn push(&self, name: &str, kind: Kind, frame: &Utf8Bytes, now: u64) {
        let Some(channel) = self.channels.get(name) else { return };
        for id in channel.subscribers.iter().filter(|(_, wanted)| wanted.has(kind)).map(|(id, _)| id) {
            if let Some(peer) = self.peers.get(id).filter(|peer| now < peer.ends) {
                peer.outbox.put(frame.clone());
            }
        }
    }

    pub(super) fn forget_the_oldest(&mut self) {
        while self.bytes > MAX_HISTORY {
            let channels = self.channels.values_mut().filter(|channel| channel.history.oldest().is_some());
            let Some(channel) = channels.min_by_key(|channel| channel.history.oldest()) else { return };
            self.bytes = self.bytes.saturating_sub(channel.history.forget_oldest());
        }
    }
}
