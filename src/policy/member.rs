//! The member id and the member state, from the claims. Must not know channels.

use std::borrow::Cow;

use serde_json::Value;

use super::Policy;
use super::account::{Denial, NothingGranted};
use super::pattern::{Pattern, Segment};
use super::value::Placeholder;
use crate::chat::{Ask, Conditions, Facts, MemberId, Object, Who, serialized_chars};
use crate::schema::Place;

/// The most characters that a claim may have in the state, as compact JSON.
pub(super) const MAX_STATE_VALUE_CHARS: usize = 256;

/// How member ids are written: literals and placeholders, at least one of them a claim.
#[derive(Debug)]
pub(super) struct MemberTemplate {
    pub(super) pattern: Pattern,
    /// Where it stands in the file; the first line where it does not.
    pub(super) place: Place,
    /// Whether it stands there.
    pub(super) is_written: bool,
}

/// One key of the state.
#[derive(Debug)]
pub(super) struct StateKey {
    pub(super) key: String,
    pub(super) value: StateValue,
    pub(super) line: usize,
}

/// What it gets.
#[derive(Debug, PartialEq)]
pub(super) enum StateValue {
    Constant(Value),
    Claim(Placeholder),
}

impl StateValue {
    /// The most characters that it can have, as compact JSON.
    pub(super) fn most_chars(&self) -> usize {
        match self {
            Self::Constant(value) => serialized_chars(value),
            Self::Claim(_) => MAX_STATE_VALUE_CHARS,
        }
    }

    /// The claim that it is taken from.
    pub(super) fn claim(&self) -> Option<&Placeholder> {
        match self {
            Self::Constant(_) => None,
            Self::Claim(placeholder) => Some(placeholder),
        }
    }

    /// Whether both are the same in every session, however they are written.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Claim(one), Self::Claim(other)) => one.is_same(other),
            _ => self == other,
        }
    }

    fn of<'a>(&'a self, facts: &'a Facts) -> Option<Cow<'a, Value>> {
        match self {
            Self::Constant(value) => Some(Cow::Borrowed(value)),
            Self::Claim(placeholder) => placeholder.plain_value(facts).filter(|value| {
                let kind = matches!(**value, Value::String(_) | Value::Number(_) | Value::Bool(_));
                kind && serialized_chars(value) <= MAX_STATE_VALUE_CHARS
            }),
        }
    }
}

impl std::fmt::Display for StateValue {
    /// As the file has it, in quotes where it is a text.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant(json) => write!(formatter, "{json}"),
            Self::Claim(placeholder) => write!(formatter, "\"{placeholder}\""),
        }
    }
}

impl Policy {
    /// Who a token for these facts would be for.
    ///
    /// # Errors
    /// Those of [`Policy::member_id`], and [`Denial::SessionRevoked`] for a blocked member.
    pub fn member(&self, facts: &Facts) -> Result<MemberId, Denial> {
        let id = self.member_id(facts)?;
        self.refuse_blocked(&id)?;
        Ok(id)
    }

    /// Who these facts are about, blocked or not.
    ///
    /// # Errors
    /// [`Denial::NothingGranted`] where the template cannot be filled with exactly one value each,
    /// [`Denial::GuestsRefused`] for a guest where there is no `[guest]`.
    pub fn member_id(&self, facts: &Facts) -> Result<MemberId, Denial> {
        if let Who::Guest { fresh } = facts.who {
            return if self.admits_guests() { Ok(MemberId::guest(fresh)) } else { Err(Denial::GuestsRefused) };
        }
        self.fill_member(facts).map_err(|why| Denial::NothingGranted(NothingGranted::NoMemberId(why)))
    }

    /// Lets every member through who is not blocked.
    ///
    /// # Errors
    /// [`Denial::SessionRevoked`].
    pub fn refuse_blocked(&self, member: &MemberId) -> Result<(), Denial> {
        if self.blocked.contains(member.as_str()) { Err(Denial::SessionRevoked) } else { Ok(()) }
    }

    /// What a request by this member must keep to. `narrow`: whether the operator lets clients ask for that mode.
    #[must_use]
    pub fn conditions<'a>(&'a self, facts: &'a Facts, member_id: &'a MemberId, narrow: bool) -> Conditions<'a> {
        Conditions {
            member_id,
            client_state: &self.client_state,
            state: self.state_of(facts).collect(),
            min_ttl: self.ttl.min,
            narrow,
        }
    }

    /// The state that goes upstream: the policy's, and of the client's only the keys that it may set.
    pub(super) fn merged_state(&self, facts: &Facts, ask: &Ask) -> Object {
        let mut state: Object = self.state_of(facts).map(|(key, value)| (key.to_owned(), value.into_owned())).collect();
        for (key, value) in &ask.state {
            // INVARIANT: no key of the policy's own is in `client_state` (a fault of the file), so none is overridden.
            if self.client_state.contains(key) {
                state.insert(key.clone(), value.clone());
            }
        }
        state
    }

    fn state_of<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = (&'a str, Cow<'a, Value>)> {
        self.state.iter().filter_map(|own| Some((own.key.as_str(), own.value.of(facts)?)))
    }

    fn fill_member(&self, facts: &Facts) -> Result<MemberId, String> {
        let mut text = String::new();
        let mut add = |part: &str| {
            if !text.is_empty() {
                text.push(self.separator);
            }
            text.push_str(part);
        };
        for segment in &self.member.pattern.segments {
            match segment {
                Segment::Literal(literal) => add(literal),
                Segment::Placeholder(index) => {
                    let Some(placeholder) = self.placeholders.get(*index) else { continue };
                    let only = placeholder.only(facts, self.separator);
                    add(&only.ok_or_else(|| {
                        format!("`{}` does not hold exactly one value that fits", placeholder.claim())
                    })?);
                }
                Segment::One | Segment::Rest => {}
            }
        }
        MemberId::parse(&text).map_err(|fault| fault.to_string())
    }
}
