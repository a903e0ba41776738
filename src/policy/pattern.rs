//! Patterns: from `"support:{sub}"` to segments.

use std::sync::Arc;

use super::placeholder::{PatternFault, Placeholder, fault};
use crate::chat::{ChannelName, GUEST_PREFIX, MemberId};

/// A channel pattern, split into segments before anything is ever filled in.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// As the file has it.
    pub(crate) text: Arc<str>,
    pub(crate) segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Segment {
    Literal(String),
    /// One whole non-empty segment: `*`.
    One,
    /// One or more non-empty segments, at the end only: `**`.
    Rest,
    /// By its place in [`Placeholders`].
    Placeholder(usize),
}

/// Every different placeholder of a policy once, so that each is resolved once a decision.
#[derive(Debug, Default)]
pub(crate) struct Placeholders(Vec<Placeholder>);

/// What a pattern is for: they have different rules for how they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Allow,
    Deny,
    Member,
}

impl Placeholders {
    pub(crate) fn get(&self, index: usize) -> Option<&Placeholder> {
        self.0.get(index)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Placeholder> {
        self.0.iter()
    }

    /// Whether one of these and one of another policy's stand for the same values in every session.
    pub(crate) fn is_same(&self, index: usize, others: &Self, other: usize) -> bool {
        self.get(index).zip(others.get(other)).is_some_and(|(one, other)| one.is_same(other))
    }

    pub(super) fn intern(&mut self, placeholder: Placeholder) -> usize {
        if let Some(index) = self.0.iter().position(|known| *known == placeholder) {
            return index;
        }
        self.0.push(placeholder);
        self.0.len() - 1
    }
}

impl Pattern {
    /// Reads a pattern for one use of it.
    pub(super) fn parse(
        text: &str,
        wanted: Use,
        separator: char,
        placeholders: &mut Placeholders,
    ) -> Result<Self, Vec<PatternFault>> {
        if text.is_empty() {
            return fault("a segment is empty: there is no text at all", "write a name, as in \"announcements\"")
                .map_err(|fault| vec![fault]);
        }
        let mut faults = Vec::new();
        let mut segments = Vec::new();
        let pieces = split(text, separator).map_err(|fault| vec![fault])?;
        let last = pieces.len() - 1;
        for (index, pieces) in pieces.iter().enumerate() {
            match segment(pieces, index == last, separator, placeholders) {
                Ok(segment) => segments.push(segment),
                Err(fault) if faults.contains(&fault) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            check_whole(text, &segments, wanted, separator, placeholders, &mut faults);
        }
        if faults.is_empty() { Ok(Self { text: text.into(), segments }) } else { Err(faults) }
    }

    /// Whether it names channels one by one: no `*`, no `**`.
    pub(crate) fn is_concrete(&self) -> bool {
        !self.segments.iter().any(|segment| matches!(segment, Segment::One | Segment::Rest))
    }

    /// Whether it is `**`: everything.
    pub(crate) fn is_everything(&self) -> bool {
        self.segments == [Segment::Rest]
    }

    /// Whether it says the same as another; `same` says whether one of our placeholders is the same as one of its own.
    pub(crate) fn is_same(&self, other: &Self, same: &dyn Fn(usize, usize) -> bool) -> bool {
        let is_same = |(one, other): (&Segment, &Segment)| match (one, other) {
            (Segment::Placeholder(one), Segment::Placeholder(other)) => same(*one, *other),
            _ => one == other,
        };
        self.segments.len() == other.segments.len() && self.segments.iter().zip(&other.segments).all(is_same)
    }

    pub(crate) fn placeholders(&self) -> impl Iterator<Item = usize> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Placeholder(index) => Some(*index),
            _ => None,
        })
    }
}

enum Piece<'a> {
    Text(&'a str),
    Braces(&'a str),
}

/// Braces first, then the separator: `{https://example.com/org}` is one placeholder.
fn split(text: &str, separator: char) -> Result<Vec<Vec<Piece<'_>>>, PatternFault> {
    let mut segments = vec![Vec::new()];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let used = if first == '{' {
            let Some(end) = rest.find('}') else {
                return fault("a `{` is never closed", "write a placeholder as {sub} or {/tenant/id}");
            };
            push(&mut segments, Piece::Braces(rest.get(1..end).unwrap_or_default()));
            end + 1
        } else if first == '}' {
            let braces = if text.contains("{{") { "with one brace at each side, " } else { "" };
            return fault("a `}` without its `{`", format!("write a placeholder {braces}as {{sub}} or {{/tenant/id}}"));
        } else if first == separator {
            segments.push(Vec::new());
            first.len_utf8()
        } else {
            let end = rest.find(['{', '}', separator]).unwrap_or(rest.len());
            push(&mut segments, Piece::Text(rest.get(..end).unwrap_or_default()));
            end
        };
        rest = rest.get(used..).unwrap_or_default();
    }
    Ok(segments)
}

fn push<'a>(segments: &mut [Vec<Piece<'a>>], piece: Piece<'a>) {
    if let Some(segment) = segments.last_mut() {
        segment.push(piece);
    }
}

fn segment(
    pieces: &[Piece<'_>],
    is_last: bool,
    separator: char,
    placeholders: &mut Placeholders,
) -> Result<Segment, PatternFault> {
    match pieces {
        [] => {
            fault("a segment is empty", format!("write something on both sides of each `{separator}`, or take it out"))
        }
        [Piece::Braces(body)] => Placeholder::parse(body, separator)
            .map(|placeholder| Segment::Placeholder(placeholders.intern(placeholder))),
        [Piece::Text("*")] => Ok(Segment::One),
        [Piece::Text("**")] if is_last => Ok(Segment::Rest),
        [Piece::Text("**")] => {
            fault("`**` stands before the end", "use `**` as the last segment, or `*` for one segment")
        }
        [Piece::Text(text)] if text.trim_matches('*').is_empty() => {
            fault("a `*` beside other text", "write `*` for one segment, or `**` at the end for one or more")
        }
        [Piece::Text(text)] if text.contains('*') => {
            let advice =
                format!("write `*` as a whole segment, as in `support{separator}*`: there are no globs and no");
            fault("a `*` beside other text", advice + " regular expressions")
        }
        [Piece::Text(text)] if text.contains(ChannelName::is_control) => {
            fault("a control character, which no channel name holds", "take it out")
        }
        [Piece::Text(text)] => Ok(Segment::Literal((*text).to_owned())),
        [Piece::Text(text), Piece::Braces(_)] | [Piece::Braces(_), Piece::Text(text)] if text.trim().is_empty() => {
            fault("white space beside a placeholder", "take the white space out")
        }
        [Piece::Text(sign @ ("$" | "#" | "%" | "@")), Piece::Braces(body)] => {
            fault(format!("a `{sign}` before a placeholder"), format!("write {{{body}}}, without the `{sign}`"))
        }
        _ => {
            let advice = format!("a placeholder is a whole segment: set it off with `{separator}`");
            fault("a placeholder beside other text in one segment", advice)
        }
    }
}

fn check_whole(
    text: &str,
    segments: &[Segment],
    wanted: Use,
    separator: char,
    placeholders: &Placeholders,
    faults: &mut Vec<PatternFault>,
) {
    let mut add = |message: &str, advice: String| faults.push(PatternFault { message: message.to_owned(), advice });
    if wanted == Use::Member {
        if segments.iter().any(|segment| matches!(segment, Segment::One | Segment::Rest)) {
            let advice = format!("write literals and placeholders, as in {{sub}} or user{separator}{{sub}}");
            add("a member id has no wildcard", advice);
        }
        if text.starts_with(GUEST_PREFIX) {
            let advice = format!("begin with something else, as in user{separator}{{sub}}");
            add("an id that begins with `guest-` is a guest's, so nobody could have this one", advice);
        }
        if least_chars(segments, placeholders) > MemberId::MAX_CHARS {
            add("no member id is that long", "a member id has at most 250 characters".to_owned());
        }
        return;
    }
    if wanted == Use::Allow {
        if !matches!(segments.first(), Some(Segment::Literal(_))) {
            let advice =
                format!("begin with a literal, as in `support{separator}…`, so that no claim reaches elsewhere");
            add("the first segment is no literal", advice);
        }
        if text.starts_with(ChannelName::RESERVED_PREFIX) {
            add("channels that start with `sw_` are SignalWire's own", "choose another name".to_owned());
        }
    }
    let begins_blank =
        matches!(segments.first(), Some(Segment::Literal(first)) if first.starts_with(char::is_whitespace));
    let ends_blank = matches!(segments.last(), Some(Segment::Literal(last)) if last.ends_with(char::is_whitespace));
    if begins_blank || ends_blank {
        add("no channel name starts or ends with white space", "take the white space out".to_owned());
    }
    if least_chars(segments, placeholders) > ChannelName::MAX_CHARS {
        add("no channel name is that long", "a channel name has at most 250 characters".to_owned());
    }
}

/// The fewest characters that a name which matches can have.
fn least_chars(segments: &[Segment], placeholders: &Placeholders) -> usize {
    let separators = segments.len().saturating_sub(1);
    let parts = segments.iter().map(|segment| match segment {
        Segment::Literal(literal) => literal.chars().count(),
        Segment::One | Segment::Rest => 1,
        Segment::Placeholder(index) => placeholders.get(*index).map_or(1, Placeholder::least_chars),
    });
    separators + parts.sum::<usize>()
}
