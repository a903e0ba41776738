//! A connection that a good token has let in: what it asks for is held against its rights, then done. Must not know
//! sockets.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::calls::{GetState, MembersGet, MessagesGet, Named, Publish, SetState, Subscribe};
use super::events::{Member, Wanted};
use super::history::Page;
use super::hub::{Hub, Peer, PeerId, Said};
use super::outbox::Outbox;
use super::rights::{Pass, Right};
use super::rpc::{PARAMS, RIGHT, Refusal, TOKEN};
use crate::sandbox::rules::Access;

/// The largest content and meta of a message, together, in bytes as they were sent.
const MAX_CONTENT: usize = 32 * 1024;
/// The largest state, in characters as compact JSON: as in a token.
const MAX_STATE: usize = 2_000;

/// A place in the hub; it is left when this is dropped.
pub(super) struct Seat {
    hub: Arc<Hub>,
    clock: fn() -> u64,
    id: PeerId,
    pass: Pass,
    /// A part of the protocol's name, by which the SDK holds an answer for its own.
    signature: String,
    protocol: String,
}

/// The answer to `signalwire.connect` and `signalwire.reauthenticate`.
#[derive(Serialize)]
pub(super) struct Connected<'a> {
    identity: String,
    protocol: &'a str,
    authorization: Authorization<'a>,
}

#[derive(Serialize)]
struct Authorization<'a> {
    r#type: &'static str,
    channels: &'a BTreeMap<String, Access>,
    expires_at: u64,
    member_id: &'a str,
    project: &'a str,
    project_id: &'a str,
    resource: &'a str,
    scopes: [&'static str; 1],
    signature: &'a str,
    ttl: u64,
}

/// An answer to a `chat.…` request: `{"code":"200","message":"OK"}` and what there is.
#[derive(Serialize)]
pub(super) struct Done<T> {
    code: &'static str,
    message: &'static str,
    #[serde(flatten)]
    more: T,
}

#[derive(Serialize)]
pub(super) struct Nothing {}

#[derive(Serialize)]
pub(super) struct Members {
    members: Vec<Member>,
}

#[derive(Serialize)]
pub(super) struct States {
    channels: BTreeMap<String, InState>,
}

#[derive(Serialize)]
pub(super) struct InState {
    state: Arc<RawValue>,
}

type Outcome<T> = Result<Done<T>, Refusal>;

impl Seat {
    pub(super) fn take(hub: Arc<Hub>, clock: fn() -> u64, pass: Pass, outbox: Outbox) -> Self {
        let (member, state) = (Arc::clone(&pass.member), Arc::clone(&pass.state));
        let id = hub.enter(Peer { member, state, ends: pass.ends, outbox });
        let signature = Uuid::new_v4().simple().to_string();
        let protocol = format!("signalwire_{signature}_{}", Uuid::new_v4().simple());
        Self { hub, clock, id, pass, signature, protocol }
    }

    pub(super) fn ends(&self) -> u64 {
        self.pass.ends
    }

    pub(super) fn connected(&self) -> Connected<'_> {
        let Pass { project, member, channels, ttl, ends, .. } = &self.pass;
        Connected {
            identity: format!("{}@sandbox", self.id),
            protocol: &self.protocol,
            authorization: Authorization {
                r#type: "chat",
                channels,
                expires_at: *ends,
                member_id: member,
                project,
                project_id: project,
                resource: &self.signature,
                scopes: ["chat"],
                signature: &self.signature,
                ttl: *ttl,
            },
        }
    }

    /// Goes on with another token of the same member.
    pub(super) fn renew(&mut self, pass: Pass) -> Result<(), Refusal> {
        if pass.member != self.pass.member {
            let message = "the token is another member's: disconnect, and connect with it anew";
            return Err(Refusal::new(TOKEN, message));
        }
        let may_read = |name: &str| pass.has(name, Right::Read);
        self.hub.renew(self.id, pass.ends, Arc::clone(&pass.state), may_read, (self.clock)());
        self.pass = pass;
        Ok(())
    }

    pub(super) fn subscribe(&self, asked: &Subscribe) -> Outcome<Nothing> {
        let names = named(&asked.channels);
        self.pass.demand(names.iter().copied(), Right::Read, "subscribe")?;
        let wanted = Wanted::of(asked.events.as_deref());
        self.hub.subscribe(self.id, &names, wanted, (self.clock)())?;
        Ok(done(Nothing {}))
    }

    pub(super) fn unsubscribe(&self, channels: &[Named]) -> Done<Nothing> {
        self.hub.unsubscribe(self.id, &named(channels), (self.clock)());
        done(Nothing {})
    }

    pub(super) fn publish(&self, asked: Publish) -> Outcome<Nothing> {
        let Publish { channel, content, meta } = asked;
        self.pass.demand([channel.as_str()], Right::Write, "publish")?;
        let bytes = content.get().len() + meta.as_ref().map_or(0, |meta| meta.get().len());
        if bytes > MAX_CONTENT {
            let message = format!("content and meta have at most {MAX_CONTENT} bytes together, these have {bytes}");
            return Err(Refusal::new(PARAMS, message));
        }
        let meta = meta.unwrap_or_else(no_members);
        if !meta.get().starts_with('{') {
            return Err(Refusal::new(PARAMS, "`meta` is an object"));
        }
        let said = Said { id: Uuid::new_v4().to_string(), content, meta };
        self.hub.publish(self.id, &channel, said, (self.clock)())?;
        Ok(done(Nothing {}))
    }

    pub(super) fn messages(&self, asked: &MessagesGet) -> Outcome<Page> {
        self.pass.demand([asked.channel.as_str()], Right::Read, "get messages")?;
        Ok(done(self.hub.messages(&asked.channel, asked.cursor.as_ref())?))
    }

    pub(super) fn members(&self, asked: &MembersGet) -> Outcome<Members> {
        self.pass.demand([asked.channel.as_str()], Right::Read, "get members")?;
        Ok(done(Members { members: self.hub.members(&asked.channel) }))
    }

    pub(super) fn state(&self, asked: &GetState) -> Outcome<States> {
        let names = match &asked.channels {
            Some(channels) => named(channels),
            None => {
                self.pass.channels.keys().map(String::as_str).filter(|name| self.pass.has(name, Right::Read)).collect()
            }
        };
        self.pass.demand(names.iter().copied(), Right::Read, "get a member's state")?;
        let state = |name: &str| self.hub.state(self.id, &asked.member_id, name).unwrap_or_else(|| no_members().into());
        let channels = names.iter().map(|name| ((*name).to_owned(), InState { state: state(name) })).collect();
        Ok(done(States { channels }))
    }

    pub(super) fn set_state(&self, asked: &SetState) -> Outcome<Nothing> {
        if asked.member_id != *self.pass.member {
            let message = format!("the token lets set the state of its own member alone, `{}`", self.pass.member);
            return Err(Refusal::new(RIGHT, message));
        }
        let names = named(&asked.channels);
        self.pass.demand(names.iter().copied(), Right::Write, "set a member's state")?;
        let state = to_raw_value(&asked.state).map_err(|error| Refusal::new(PARAMS, error.to_string()))?;
        let characters = state.get().chars().count();
        if characters > MAX_STATE {
            let message = format!("a state has at most {MAX_STATE} characters as compact JSON, this has {characters}");
            return Err(Refusal::new(PARAMS, message));
        }
        self.hub.set_state(self.id, &names, &state.into(), (self.clock)())?;
        Ok(done(Nothing {}))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.leave(self.id, (self.clock)());
    }
}

fn done<T>(more: T) -> Done<T> {
    Done { code: "200", message: "OK", more }
}

/// Each once: who subscribes twice in one request joins once.
fn named(channels: &[Named]) -> Vec<&str> {
    let mut names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn no_members() -> Box<RawValue> {
    to_raw_value(&Nothing {}).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
