//! A channel's name as SignalWire takes it and as usher lets it be asked for. Must not know where the name came from.

use std::sync::Arc;

use serde::Serialize;

/// The name of a channel that may be asked for: 1 to 250 Unicode scalar values, no control character (Cc), no U+2028 or
/// U+2029, no white space at either end, none of `*{}`, and not in SignalWire's reserved name space `sw_`.
///
/// One that exists is a valid one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ChannelName(Arc<str>);

/// One reason why a text is no [`ChannelName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelNameFault {
    /// No character at all.
    #[error("a channel name has at least one character")]
    Empty,
    /// More than [`ChannelName::MAX_CHARS`].
    #[error("a channel name has at most 250 characters")]
    TooLong,
    /// SignalWire keeps names that start with `sw_` to itself.
    #[error("names that start with `sw_` are reserved by SignalWire")]
    Reserved,
    /// A control character, U+2028 or U+2029.
    #[error("a channel name holds no control character and no line or paragraph separator")]
    Control,
    /// White space at the start or at the end.
    #[error("a channel name neither starts nor ends with white space")]
    Whitespace,
    /// One of `*{}`, which belong to the policy's patterns.
    #[error("a channel name holds none of `*`, `{{` and `}}`")]
    Pattern,
}

impl ChannelName {
    /// The most Unicode scalar values that a name may have.
    pub const MAX_CHARS: usize = 250;
    /// What a name must not start with.
    pub const RESERVED_PREFIX: &str = "sw_";

    /// Reads a name.
    ///
    /// # Errors
    /// The first reason why the text is none; [`ChannelName::faults`] has them all.
    pub fn parse(text: &str) -> Result<Self, ChannelNameFault> {
        match Self::faults(text).next() {
            None => Ok(Self(text.into())),
            Some(fault) => Err(fault),
        }
    }

    /// Every reason why `text` is no channel name; none for a good one.
    pub fn faults(text: &str) -> impl Iterator<Item = ChannelNameFault> {
        use ChannelNameFault::{Control, Empty, Pattern, Reserved, TooLong, Whitespace};
        let either_end = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
        [
            (text.is_empty(), Empty),
            (text.chars().count() > Self::MAX_CHARS, TooLong),
            (text.starts_with(Self::RESERVED_PREFIX), Reserved),
            (text.contains(Self::is_control), Control),
            (either_end, Whitespace),
            (text.contains(['*', '{', '}']), Pattern),
        ]
        .into_iter()
        .filter_map(|(found, fault)| found.then_some(fault))
    }

    /// Whether a character may stand nowhere in a name for being invisible control (category Cc, U+2028, U+2029).
    #[must_use]
    pub fn is_control(character: char) -> bool {
        character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ChannelName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}
