//! A request's body, read and checked the slow way. Must not know `Draft`, nor what is granted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::model::Model;
use super::names;

/// What a good body asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The rights as letters.
    pub(super) channels: Option<BTreeMap<String, String>>,
    pub(super) minutes: Option<i64>,
    pub(super) is_narrow: bool,
    pub(super) state: Map<String, Value>,
}

/// What a body is checked against.
pub(super) struct Against<'a> {
    pub(super) model: &'a Model,
    pub(super) member: &'a str,
    pub(super) state: &'a Map<String, Value>,
    pub(super) narrow: bool,
}

/// Reads a body, which is an object with members of the right types.
pub(super) fn read(body: &Value, against: &Against<'_>) -> Result<Wanted, BTreeSet<String>> {
    let mut faults = BTreeSet::new();
    let is_narrow = body.get("mode").is_some_and(|mode| mode == "narrow");
    if is_narrow && !against.narrow {
        faults.insert("/mode mode_not_enabled".to_owned());
    }
    if body.get("member_id").is_some_and(|id| id != against.member) {
        faults.insert("/member_id member_id_mismatch".to_owned());
    }
    let minutes = body.get("ttl").map(|ttl| ttl.as_i64().unwrap());
    match minutes {
        Some(minutes) if !(1..=43_200).contains(&minutes) => drop(faults.insert("/ttl out_of_range".to_owned())),
        Some(minutes) if minutes < i64::from(against.model.min) => {
            faults.insert("/ttl ttl_too_small".to_owned());
        }
        _ => {}
    }
    let channels = body.get("channels").map(|channels| read_channels(channels.as_object().unwrap(), &mut faults));
    let state = body.get("state").map(|state| state.as_object().unwrap().clone()).unwrap_or_default();
    let mut whole = against.state.clone();
    for (key, value) in &state {
        if !against.model.client_state.contains(key) {
            faults.insert(format!("/state/{} state_key_not_allowed", escaped(key)));
        }
        whole.insert(key.clone(), value.clone());
    }
    if Value::Object(whole).to_string().chars().count() > 2_000 {
        faults.insert("/state state_size_limit_exceeded".to_owned());
    }
    if faults.is_empty() { Ok(Wanted { channels, minutes, is_narrow, state }) } else { Err(faults) }
}

fn read_channels(channels: &Map<String, Value>, faults: &mut BTreeSet<String>) -> BTreeMap<String, String> {
    if channels.is_empty() {
        faults.insert("/channels missing_required_parameter".to_owned());
    }
    if channels.len() > 500 {
        faults.insert("/channels channel_size_limit_exceeded".to_owned());
    }
    let mut wanted = BTreeMap::new();
    for (name, rights) in channels {
        for code in names::faults(name) {
            faults.insert(format!("/channels/{} {code}", escaped(name)));
        }
        let letter = |member: &str, letter| if rights.get(member) == Some(&Value::Bool(true)) { letter } else { "" };
        let letters = format!("{}{}", letter("read", "r"), letter("write", "w"));
        if letters.is_empty() {
            faults.insert(format!("/channels/{} channel_has_missing_properties", escaped(name)));
        }
        wanted.insert(name.clone(), letters);
    }
    wanted
}

/// A name in a JSON Pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
