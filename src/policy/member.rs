//! The templates of the member id and the member state, filled in from a session's claims.

use std::borrow::Cow;

use serde_json::Value;

use super::pattern::{Pattern, Placeholders, Segment};
use super::placeholder::Placeholder;
use crate::chat::{Facts, MemberId, serialized_chars};
use crate::schema::Place;

/// The most characters that a claim may have in the state, as compact JSON.
const MAX_STATE_VALUE_CHARS: usize = 256;

/// How member ids are written: literals and placeholders, at least one of them a claim.
#[derive(Debug)]
pub(crate) struct MemberTemplate {
    pub(crate) pattern: Pattern,
    /// Where it stands in the file; the first line where it does not.
    pub(crate) place: Place,
    /// Whether it stands there.
    pub(crate) is_written: bool,
}

/// One key of the state.
#[derive(Debug)]
pub(crate) struct StateKey {
    pub(crate) key: String,
    pub(crate) value: StateValue,
    pub(crate) line: usize,
}

/// What it gets.
#[derive(Debug, PartialEq)]
pub(crate) enum StateValue {
    Constant(Value),
    Claim(Placeholder),
}

impl MemberTemplate {
    /// The id of the member that these facts are about, or why there is none.
    pub(super) fn fill(&self, facts: &Facts, placeholders: &Placeholders, separator: char) -> Result<MemberId, String> {
        let mut text = String::new();
        let mut add = |part: &str| {
            if !text.is_empty() {
                text.push(separator);
            }
            text.push_str(part);
        };
        for segment in &self.pattern.segments {
            match segment {
                Segment::Literal(literal) => add(literal),
                Segment::Placeholder(index) => {
                    let Some(placeholder) = placeholders.get(*index) else { continue };
                    let only = placeholder.only(facts, separator);
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

impl StateValue {
    /// The most characters that it can have, as compact JSON.
    pub(super) fn most_chars(&self) -> usize {
        match self {
            Self::Constant(value) => serialized_chars(value),
            Self::Claim(_) => MAX_STATE_VALUE_CHARS,
        }
    }

    /// The claim that it is taken from.
    pub(crate) fn claim(&self) -> Option<&Placeholder> {
        match self {
            Self::Constant(_) => None,
            Self::Claim(placeholder) => Some(placeholder),
        }
    }

    /// Whether both are the same in every session, however they are written.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Claim(one), Self::Claim(other)) => one.is_same(other),
            _ => self == other,
        }
    }

    pub(super) fn of<'a>(&'a self, facts: &'a Facts) -> Option<Cow<'a, Value>> {
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
