//! `[member]` from the checked file: the template of the member id, the state, what a client may set of it. Must not know
//! roles.

use std::collections::BTreeSet;

use serde_json::{Number, Value as Json};

use super::compile::{Compiler, texts};
use super::member::{StateKey, StateValue};
use super::pattern::{Pattern, Use};
use super::value::Placeholder;
use crate::chat::MAX_STATE_CHARS;
use crate::schema::{Fields, Item, Place, Value, quoted};

impl Compiler {
    /// The template, its place, and whether it stands there.
    pub(super) fn member(&mut self, fields: &Fields) -> (Option<Pattern>, Place, bool) {
        let written = fields.table("member").and_then(|table| table.text("id"));
        let is_written = written.is_some();
        let (text, place) = written.unwrap_or(("{sub}", &fields.place));
        let Some(pattern) = self.pattern(text, place, Use::Member) else { return (None, place.clone(), is_written) };
        let is_claim = |index| self.placeholders.get(index).is_some_and(|placeholder| !placeholder.is_issuer());
        if !pattern.placeholders().any(is_claim) {
            let message = format!("{}: every session would have the same member id", quoted(text));
            self.faults.add(place, message, "take it from a claim, as in {sub} or {issuer}:{sub}");
        }
        (Some(pattern), place.clone(), is_written)
    }

    pub(super) fn state(&mut self, fields: &Fields) -> Vec<StateKey> {
        let Some(table) = fields.table("member").and_then(|member| member.table("state")) else { return Vec::new() };
        let mut state = Vec::new();
        for entry in &table.entries {
            match state_value(&entry.item) {
                Ok(Some(value)) => {
                    state.push(StateKey { key: entry.key.clone(), value, line: entry.key_place.line() });
                }
                Ok(None) => {}
                Err((message, advice)) => self.faults.add(&entry.item.place, message, advice),
            }
        }
        // Braces, and for each key its text, a colon, the value and all but one comma.
        let chars =
            |own: &StateKey| Json::from(own.key.as_str()).to_string().chars().count() + 1 + own.value.most_chars();
        let most = 2 + state.iter().map(chars).sum::<usize>() + state.len().saturating_sub(1);
        if most > MAX_STATE_CHARS {
            let message = format!("this state could have {most} characters, and SignalWire takes {MAX_STATE_CHARS}");
            self.faults.add(&table.place, message, "each claim counts for 256 characters: leave some out");
        }
        state
    }

    pub(super) fn client_state(&mut self, fields: &Fields, state: &[StateKey]) -> BTreeSet<String> {
        let list = fields.table("member").and_then(|member| member.list("client_state")).unwrap_or_default();
        for (key, place) in list.iter().filter_map(Item::as_text) {
            if state.iter().any(|own| own.key == key) {
                let message = format!("{} is in `state` too", quoted(key));
                self.faults.add(
                    place,
                    message,
                    "a key is set by the policy or by the client: take it out of one of them",
                );
            }
        }
        texts(Some(list)).collect()
    }
}

fn state_value(item: &Item) -> Result<Option<StateValue>, (String, String)> {
    let constant = |json: Json| Ok(Some(StateValue::Constant(json)));
    match &item.value {
        Value::Boolean(boolean) => constant((*boolean).into()),
        Value::Integer(integer) => constant((*integer).into()),
        Value::Float(float) => constant(Number::from_f64(*float).map_or(Json::Null, Json::Number)),
        Value::Text(text) if !text.contains(['{', '}']) => constant(text.as_str().into()),
        Value::Text(text) => {
            let body = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let Some(body) = body.filter(|body| !body.contains(['{', '}'])) else {
                let advice = "write one placeholder alone, as in \"{name}\", or a text without braces";
                return Err((format!("{} is not exactly one placeholder", quoted(text)), advice.to_owned()));
            };
            // A filtered value is no segment here, so no separator is in its way.
            let placeholder = Placeholder::parse(body, ':')
                .map_err(|fault| (format!("{}: {}", quoted(text), fault.message), fault.advice))?;
            Ok(Some(StateValue::Claim(placeholder)))
        }
        Value::List(_) | Value::Table(_) => Ok(None),
    }
}
