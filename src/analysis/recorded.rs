//! Audit events as they are read again: what was known, asked and decided then. The other side of `audit.rs`; must not
//! know a policy, nor decide anything.

use std::collections::BTreeMap;

use serde_json::Value;

use super::clock;
use crate::chat::{ChannelName, Mode, Object, Permission, Rights, Timestamp, Ttl};

/// One decision, or one request that came to none.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The request's.
    pub request_id: String,
    /// The decision's; none where nothing was decided.
    pub decision_id: Option<String>,
    /// `granted`, `denied`, ….
    pub outcome: String,
    /// The problem's code.
    pub code: Option<String>,
    /// The issuer's alias; none for a guest.
    pub issuer: Option<String>,
    /// Who it was for.
    pub member_id: Option<String>,
    /// When the session ends.
    pub session_ends: Option<Timestamp>,
    /// The claims that the policy of then read, null where absent.
    pub claims: Object,
    /// The names that the session claimed; none: the provider withheld them.
    pub roles_claimed: Option<Vec<String>>,
    /// The time that it was decided for.
    pub decided_at: Option<Timestamp>,
    /// What the client wanted where it asked for too much.
    pub mode: Mode,
    /// What was asked for; none: nothing in particular.
    pub asked: Option<BTreeMap<ChannelName, Rights>>,
    /// The ttl that was asked for.
    pub ttl_asked: Option<Ttl>,
    /// What was granted.
    pub granted: BTreeMap<ChannelName, Rights>,
    /// The ttl that was granted.
    pub ttl: Option<Ttl>,
    /// Of the policy's file.
    pub policy_sha256: String,
}

impl Recorded {
    /// Reads a line of a log; none where it is no audit event.
    ///
    /// # Errors
    /// Where it is one and cannot be understood: which member.
    pub fn read(line: &str) -> Result<Option<Self>, String> {
        let Ok(Value::Object(event)) = crate::chat::json::parse(line.as_bytes()) else { return Ok(None) };
        if event.get("event").and_then(Value::as_str) != Some("audit") {
            return Ok(None);
        }
        let event = Event(event);
        let mode = match event.text("mode")?.as_deref() {
            None | Some("strict") => Mode::Strict,
            Some("narrow") => Mode::Narrow,
            Some(_) => return Err("its `mode` is none".to_owned()),
        };
        Ok(Some(Self {
            request_id: event.text("request_id")?.ok_or("it has no `request_id`")?,
            decision_id: event.text("decision_id")?,
            outcome: event.text("outcome")?.ok_or("it has no `outcome`")?,
            code: event.text("code")?,
            issuer: event.text("issuer")?,
            member_id: event.text("member_id")?,
            session_ends: event.time("session_ends")?,
            claims: event.claims()?,
            roles_claimed: event.names("roles_claimed")?,
            decided_at: event.time("decided_at")?,
            mode,
            asked: event.channels("asked")?,
            ttl_asked: event.minutes("ttl_asked")?,
            granted: event.channels("granted")?.unwrap_or_default(),
            ttl: event.minutes("ttl")?,
            policy_sha256: event.text("policy_sha256")?.ok_or("it has no `policy_sha256`")?,
        }))
    }
}

/// Its members, each of one kind or null.
struct Event(Object);

impl Event {
    fn get<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| format!("its `{name}` is not what usher writes")),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        self.get(name, |value| value.as_str().map(str::to_owned))
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, String> {
        self.get(name, |value| clock::parse_rfc3339(value.as_str()?))
    }

    fn minutes(&self, name: &str) -> Result<Option<Ttl>, String> {
        self.get(name, |value| Ttl::from_minutes(value.as_u64()?))
    }

    fn names(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        self.get(name, |value| value.as_array()?.iter().map(|name| Some(name.as_str()?.to_owned())).collect())
    }

    fn claims(&self) -> Result<Object, String> {
        self.get("claims", |value| value.as_object().cloned()).map(Option::unwrap_or_default)
    }

    fn channels(&self, name: &str) -> Result<Option<BTreeMap<ChannelName, Rights>>, String> {
        let row = |(channel, rights): (&String, &Value)| {
            let has = |permission: &Permission| rights.get(permission.as_str()).and_then(Value::as_bool) == Some(true);
            let rights = Permission::ALL.into_iter().filter(has).fold(Rights::NONE, Rights::with);
            Some((ChannelName::parse(channel).ok()?, rights))
        };
        self.get(name, |value| value.as_object()?.iter().map(row).collect())
    }
}
