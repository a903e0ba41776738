//! The published rules for a token request's body, all faults at once; must not know HTTP, nor how a token is made.
//!
//! The codes that SignalWire publishes are taken where one fits. Where none does, the sandbox chose:
//!
//! | fault | code | published |
//! |---|---|---|
//! | `ttl` or `channels` absent, or `channels` empty | `missing_required_parameter` | yes |
//! | body, `channels`, a channel or `state` not an object | `not_a_hash` | yes |
//! | a channel with neither `read` nor `write` | `channel_has_missing_properties` | yes |
//! | a name that starts with `sw_` | `channel_name_is_reserved` | yes |
//! | a name that is empty, or over 250 characters | `channel_name_size_limit_exceeded` | yes |
//! | over 500 channels | `channel_size_limit_exceeded` | yes |
//! | `state` over 2,000 characters | `state_size_limit_exceeded` | yes |
//! | `ttl` not an integer (`60.0` is none) | `not_an_integer` | no |
//! | `ttl` not from 1 to 43,200 | `ttl_out_of_range` | no |
//! | `read` or `write` not a boolean | `not_a_boolean` | no |
//! | `member_id` not a string | `not_a_string` | no |
//! | `member_id` over 250 characters | `member_id_size_limit_exceeded` | no |
//! | any other key, at the top or in a channel | `unknown_parameter` | no |
//!
//! `null` is a value like another, and never of the right type. An empty `member_id` is a string of no characters and
//! is taken. Of a key that is there twice, the last counts. The published `not_a_valid_json` is never used: what is not
//! JSON is a 400.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// In minutes: 30 days.
const TTL_LIMIT: u64 = 43_200;
const CHANNELS_LIMIT: usize = 500;
const NAME_LIMIT: usize = 250;
const MEMBER_ID_LIMIT: usize = 250;
const STATE_LIMIT: usize = 2_000;
const RESERVED: &str = "sw_";

/// What a valid body asks for.
pub(super) struct Asked {
    /// In minutes.
    pub(super) ttl: u64,
    pub(super) channels: BTreeMap<String, Access>,
    pub(super) member_id: Option<String>,
    pub(super) state: Map<String, Value>,
}

/// What a channel may be used for.
#[derive(Default, Deserialize, Serialize)]
pub(super) struct Access {
    pub(super) read: bool,
    pub(super) write: bool,
}

/// One entry of a 422's `errors`.
#[derive(Debug)]
pub(super) struct Invalid {
    code: &'static str,
    message: String,
    /// Where, as `channels.NAME.read`; none when it is the body as a whole.
    attribute: Option<String>,
}

impl Invalid {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "type": "validation_error",
            "code": self.code,
            "message": self.message,
            "attribute": self.attribute,
            "url": format!("https://developer.signalwire.com/rest/overview/error-codes/#{}", self.code),
        })
    }
}

/// What the body asks for, or all that is wrong with it.
pub(super) fn parse(body: &Value) -> Result<Asked, Vec<Invalid>> {
    let mut faults = Faults::default();
    let Some(fields) = body.as_object() else {
        faults.add("not_a_hash", None, "the body must be an object");
        return Err(faults.found);
    };
    for name in fields.keys() {
        if !["ttl", "channels", "member_id", "state"].contains(&name.as_str()) {
            faults.add("unknown_parameter", Some(name), "no such parameter");
        }
    }
    let ttl = ttl(fields.get("ttl"), &mut faults);
    let channels = channels(fields.get("channels"), &mut faults);
    let member_id = member_id(fields.get("member_id"), &mut faults);
    let state = state(fields.get("state"), &mut faults);
    if faults.found.is_empty() { Ok(Asked { ttl, channels, member_id, state }) } else { Err(faults.found) }
}

/// The faults so far. What a faulty field parses to does not matter: with one fault nothing is minted.
#[derive(Default)]
struct Faults {
    found: Vec<Invalid>,
}

impl Faults {
    fn add(&mut self, code: &'static str, attribute: Option<&str>, message: impl Into<String>) {
        self.found.push(Invalid { code, message: message.into(), attribute: attribute.map(str::to_owned) });
    }
}

fn ttl(value: Option<&Value>, faults: &mut Faults) -> u64 {
    let at = Some("ttl");
    match value {
        None => faults.add("missing_required_parameter", at, "ttl is required"),
        Some(value) => match value.as_u64() {
            Some(ttl) if (1..=TTL_LIMIT).contains(&ttl) => return ttl,
            None if !value.is_i64() => {
                faults.add("not_an_integer", at, "ttl must be a whole number");
            }
            _ => faults.add("ttl_out_of_range", at, format!("ttl must be from 1 to {TTL_LIMIT} minutes")),
        },
    }
    0
}

fn channels(value: Option<&Value>, faults: &mut Faults) -> BTreeMap<String, Access> {
    let at = Some("channels");
    let Some(value) = value else {
        faults.add("missing_required_parameter", at, "channels is required");
        return BTreeMap::new();
    };
    let Some(channels) = value.as_object() else {
        faults.add("not_a_hash", at, "channels must be an object");
        return BTreeMap::new();
    };
    if channels.is_empty() {
        faults.add("missing_required_parameter", at, "channels must name a channel");
    }
    if channels.len() > CHANNELS_LIMIT {
        faults.add("channel_size_limit_exceeded", at, format!("at most {CHANNELS_LIMIT} channels"));
    }
    channels
        .iter()
        .map(|(name, value)| {
            let at = format!("channels.{name}");
            channel_name(name, &at, faults);
            (name.clone(), access(value, &at, faults))
        })
        .collect()
}

fn channel_name(name: &str, at: &str, faults: &mut Faults) {
    if !(1..=NAME_LIMIT).contains(&name.chars().count()) {
        faults.add(
            "channel_name_size_limit_exceeded",
            Some(at),
            format!("a channel's name has 1 to {NAME_LIMIT} characters"),
        );
    }
    if name.starts_with(RESERVED) {
        faults.add("channel_name_is_reserved", Some(at), format!("a channel's name must not start with {RESERVED}"));
    }
}

fn access(value: &Value, at: &str, faults: &mut Faults) -> Access {
    let mut access = Access::default();
    let Some(properties) = value.as_object() else {
        faults.add("not_a_hash", Some(at), "a channel must be an object");
        return access;
    };
    if !properties.contains_key("read") && !properties.contains_key("write") {
        faults.add("channel_has_missing_properties", Some(at), "a channel has read, write or both");
    }
    for (property, value) in properties {
        let at = format!("{at}.{property}");
        let flag = match property.as_str() {
            "read" => &mut access.read,
            "write" => &mut access.write,
            _ => {
                faults.add("unknown_parameter", Some(&at), "no such parameter");
                continue;
            }
        };
        match value.as_bool() {
            Some(value) => *flag = value,
            None => faults.add("not_a_boolean", Some(&at), "must be true or false"),
        }
    }
    access
}

fn member_id(value: Option<&Value>, faults: &mut Faults) -> Option<String> {
    let at = Some("member_id");
    let Some(member_id) = value?.as_str() else {
        faults.add("not_a_string", at, "member_id must be a string");
        return None;
    };
    if member_id.chars().count() > MEMBER_ID_LIMIT {
        faults.add("member_id_size_limit_exceeded", at, format!("member_id has at most {MEMBER_ID_LIMIT} characters"));
    }
    Some(member_id.to_owned())
}

fn state(value: Option<&Value>, faults: &mut Faults) -> Map<String, Value> {
    let at = Some("state");
    let Some(value) = value else {
        return Map::new();
    };
    let Some(state) = value.as_object() else {
        faults.add("not_a_hash", at, "state must be an object");
        return Map::new();
    };
    // `Display` of a `Value` is its compact JSON.
    if value.to_string().chars().count() > STATE_LIMIT {
        faults.add(
            "state_size_limit_exceeded",
            at,
            format!("state has at most {STATE_LIMIT} characters as compact JSON"),
        );
    }
    state.clone()
}
