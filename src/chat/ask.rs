//! A request for a token: from JSON to a [`Draft`], and against what holds for this member to an [`Ask`], every fault at
//! once. Must not know HTTP, nor how the conditions came about.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Number, Value};

use super::{
    ChannelName, ChannelNameFault, Fault, FaultCode, MAX_CHANNELS, MAX_STATE_CHARS, MemberId, Object, Permission,
    Rights, Ttl, json, object_chars,
};

/// What somebody asks for. One that exists keeps to the [`Conditions`] that it was accepted under.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// 1 to 500 channels with at least one right each; none: whatever is granted by a concrete name.
    pub channels: Option<BTreeMap<ChannelName, Rights>>,
    /// The longest that the token may live.
    pub ttl: Option<Ttl>,
    /// What the client adds to its member state.
    pub state: Object,
    /// What to do when more is asked than granted.
    pub mode: Mode,
}

/// What to do when more is asked than granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One right too many and nothing is minted.
    #[default]
    Strict,
    /// What is allowed is minted, the rest is told.
    Narrow,
}

/// What a request must keep to, for one member under one policy.
#[derive(Clone, Debug)]
pub struct Conditions<'a> {
    /// The only `member_id` that may be named.
    pub member_id: &'a MemberId,
    /// The keys of the state that a client may set.
    pub client_state: &'a BTreeSet<String>,
    /// What the state holds before the client adds to it.
    pub state: Vec<(&'a str, Cow<'a, Value>)>,
    /// The least ttl that is of use.
    pub min_ttl: Ttl,
    /// Whether the operator lets a client ask for [`Mode::Narrow`].
    pub narrow: bool,
}

/// A request as it was written: what could be read of it, and every fault of its form. No decision takes one.
#[derive(Debug, Default)]
pub struct Draft {
    ask: Ask,
    member_id: Option<String>,
    faults: Vec<Fault>,
}

/// The members of a request, as an unknown one is told.
const MEMBERS: &str = "`channels`, `ttl`, `state`, `member_id` and `mode`";

impl Draft {
    /// Reads a request body; no bytes at all is a request that asks for nothing in particular.
    ///
    /// # Errors
    /// Where it is not one JSON document. Whatever is wrong with a document is kept for [`Draft::accept`].
    pub fn read(body: &[u8]) -> Result<Self, json::NotJson> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let mut draft = Self::default();
        match json::parse(body)? {
            Value::Object(members) => {
                for (name, value) in members {
                    draft.read_member(&name, value, body);
                }
            }
            other => draft.wrong_type(String::new(), "an object", &other),
        }
        Ok(draft)
    }

    /// The request, if it also keeps to `conditions`.
    ///
    /// # Errors
    /// Every fault of its form and against the conditions, in the order of the pointers.
    pub fn accept(mut self, conditions: &Conditions<'_>) -> Result<Ask, Vec<Fault>> {
        if self.member_id.as_deref().is_some_and(|asked| asked != conditions.member_id.as_str()) {
            let detail = "the member id follows from the session: leave this member out";
            self.fault("/member_id", FaultCode::MemberIdMismatch, detail);
        }
        if self.ask.mode == Mode::Narrow && !conditions.narrow {
            let detail = "the mode `narrow` is switched off here: leave it out and ask for what is granted";
            self.fault("/mode", FaultCode::ModeNotEnabled, detail);
        }
        if self.ask.ttl.is_some_and(|ttl| ttl < conditions.min_ttl) {
            let detail = format!("a token lives at least {} minutes here", conditions.min_ttl.minutes());
            self.fault("/ttl", FaultCode::TtlTooSmall, detail);
        }
        self.check_state(conditions);
        if self.faults.is_empty() {
            return Ok(self.ask);
        }
        self.faults.sort_by(|a, b| (&a.pointer, a.code).cmp(&(&b.pointer, b.code)));
        Err(self.faults)
    }

    fn check_state(&mut self, conditions: &Conditions<'_>) {
        if self.ask.state.is_empty() {
            return;
        }
        let refused = self.ask.state.keys().filter(|key| !conditions.client_state.contains(*key));
        let refused: Vec<_> = refused.map(|key| pointer(&["state", key])).collect();
        // What the client sets takes the place of what was there.
        let kept = conditions.state.iter().filter(|(key, _)| !self.ask.state.contains_key(*key));
        let set = self.ask.state.iter().map(|(key, value)| (key.as_str(), value));
        let chars = object_chars(kept.map(|(key, value)| (*key, &**value)).chain(set));
        for at in refused {
            self.fault(at, FaultCode::StateKeyNotAllowed, "the policy does not let a client set this key");
        }
        if chars > MAX_STATE_CHARS {
            let detail = "the member state has at most 2000 characters as compact JSON, the server's part included";
            self.fault("/state", FaultCode::StateSizeLimitExceeded, detail);
        }
    }

    fn read_member(&mut self, name: &str, value: Value, body: &[u8]) {
        let at = || pointer(&[name]);
        match (name, value) {
            ("channels", Value::Object(channels)) => self.read_channels(&channels),
            ("channels", other) => self.wrong_type(at(), "an object of channel names", &other),
            ("ttl", Value::Number(number)) => self.read_ttl(&number, json::is_written_as_integer(body, "ttl")),
            ("ttl", other) => self.wrong_type(at(), "an integer of minutes", &other),
            ("state", Value::Object(state)) => self.ask.state = state,
            ("state", other) => self.wrong_type(at(), "an object", &other),
            ("member_id", Value::String(id)) => self.member_id = Some(id),
            ("member_id", other) => self.wrong_type(at(), "a string", &other),
            ("mode", Value::String(mode)) if mode == "strict" => self.ask.mode = Mode::Strict,
            ("mode", Value::String(mode)) if mode == "narrow" => self.ask.mode = Mode::Narrow,
            ("mode", Value::String(_)) => self.fault(at(), FaultCode::OutOfRange, "a mode is `strict` or `narrow`"),
            ("mode", other) => self.wrong_type(at(), "`strict` or `narrow`", &other),
            _ => self.fault(at(), FaultCode::UnknownMember, format!("a request has the members {MEMBERS}")),
        }
    }

    fn read_ttl(&mut self, number: &Number, is_written_as_integer: bool) {
        if !is_written_as_integer {
            return self.fault("/ttl", FaultCode::WrongType, "a ttl is written as an integer of minutes");
        }
        self.ask.ttl = number.as_u64().and_then(Ttl::from_minutes);
        if self.ask.ttl.is_none() {
            self.fault("/ttl", FaultCode::OutOfRange, "a ttl is 1 to 43200 minutes");
        }
    }

    fn read_channels(&mut self, channels: &Object) {
        if channels.is_empty() {
            let detail = "name at least one channel, or leave `channels` out to get what is granted";
            self.fault("/channels", FaultCode::MissingRequiredParameter, detail);
        }
        if channels.len() > MAX_CHANNELS {
            self.fault("/channels", FaultCode::ChannelSizeLimitExceeded, "a token holds at most 500 channels");
        }
        let mut asked = BTreeMap::new();
        for (name, rights) in channels {
            let rights = self.read_rights(name, rights);
            match ChannelName::parse(name) {
                Ok(name) => {
                    asked.insert(name, rights);
                }
                Err(_) => ChannelName::faults(name).for_each(|fault| self.channel_name_fault(name, fault)),
            }
        }
        self.ask.channels = Some(asked);
    }

    fn read_rights(&mut self, name: &str, value: &Value) -> Rights {
        let Value::Object(members) = value else {
            self.wrong_type(pointer(&["channels", name]), "an object with `read` and `write`", value);
            return Rights::NONE;
        };
        let before = self.faults.len();
        let mut rights = Rights::NONE;
        for (member, wanted) in members {
            let at = pointer(&["channels", name, member]);
            let permission = Permission::ALL.into_iter().find(|permission| permission.as_str() == member);
            match (permission, wanted) {
                (Some(permission), Value::Bool(true)) => rights = rights.with(permission),
                (Some(_), Value::Bool(false)) => {}
                (Some(_), other) => self.wrong_type(at, "a boolean", other),
                (None, _) => self.fault(at, FaultCode::UnknownMember, "a channel has the members `read` and `write`"),
            }
        }
        if rights.is_none() && self.faults.len() == before {
            let detail = "ask for `read`, `write` or both";
            self.fault(pointer(&["channels", name]), FaultCode::ChannelHasMissingProperties, detail);
        }
        rights
    }

    fn channel_name_fault(&mut self, name: &str, fault: ChannelNameFault) {
        let code = match fault {
            ChannelNameFault::Reserved => FaultCode::ChannelNameIsReserved,
            ChannelNameFault::TooLong => FaultCode::ChannelNameSizeLimitExceeded,
            ChannelNameFault::Empty
            | ChannelNameFault::Control
            | ChannelNameFault::Whitespace
            | ChannelNameFault::Pattern => FaultCode::ChannelNameIsInvalid,
        };
        self.fault(pointer(&["channels", name]), code, fault.to_string());
    }

    fn wrong_type(&mut self, at: String, wanted: &str, found: &Value) {
        let found = match found {
            Value::Null => "null, which is not the same as leaving it out",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.fault(at, FaultCode::WrongType, format!("this should be {wanted}, and is {found}"));
    }

    fn fault(&mut self, pointer: impl Into<String>, code: FaultCode, detail: impl Into<String>) {
        self.faults.push(Fault { pointer: pointer.into(), code, detail: detail.into() });
    }
}

/// The JSON Pointer that goes through these names.
fn pointer(names: &[&str]) -> String {
    names.iter().fold(String::new(), |path, name| path + "/" + &json::to_pointer_part(name))
}
