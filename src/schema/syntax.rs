//! What a person did where TOML cannot be read: from the reader's few words and the text around to what is wrong and what to
//! write instead. Shows none of the text, which may be secret. Must not know which keys are expected.

use std::ops::Range;

use super::damage::{
    Open, begins_with_key, equals_in, is_closed_below, is_header, line_of, line_text, lines_behind, next_header,
    opened_before, outside_quotes, spoilt_by, until_closed,
};
use super::habits::{COMMAS, ELSEWHERE, HABITS, KEY_QUOTE};

/// One syntax fault.
pub(super) struct SyntaxFault {
    /// Where it is shown.
    pub(super) at: Range<usize>,
    /// What is wrong.
    pub(super) message: String,
    /// What to write instead.
    pub(super) advice: String,
    /// The lines of which nothing can be said.
    pub(super) spoilt: Range<usize>,
    /// Where a comma makes it good.
    pub(super) comma: Option<usize>,
}

/// Where the reader stopped.
pub(super) struct Spot<'a> {
    /// What the reader says.
    said: &'a str,
    /// The line up to there.
    pub(super) before: &'a str,
    /// The rest of the line.
    pub(super) rest: &'a str,
    /// The whole line.
    pub(super) line: &'a str,
    /// The bracket that should have been closed there.
    pub(super) unclosed: Option<char>,
}

impl SyntaxFault {
    /// What the reader found at `at`, in a person's words.
    pub(super) fn of(text: &str, said: &str, at: Range<usize>) -> Self {
        let said = said.trim();
        let unclosed = unclosed_before(text, said, at.start);
        let at = unclosed.as_ref().map_or_else(|| moved(text, said, at), |(end, _, _)| *end..*end);
        let line = line_of(text, at.start);
        let spot = Spot {
            said,
            before: text.get(line.start..at.start).unwrap_or_default(),
            rest: text.get(at.start..line.end).unwrap_or_default().trim_end_matches('\r'),
            line: line_text(text, &line),
            unclosed: unclosed.as_ref().map(|(_, _, is_brace)| if *is_brace { '{' } else { '[' }),
        };
        let habit = HABITS.iter().find(|habit| (habit.is)(&spot));
        let (message, advice) = habit.map_or((said, ELSEWHERE), |habit| (habit.message, habit.advice));
        let first = Some(&spot).filter(|spot| spot.says(&["duplicate"])).and_then(|spot| first_of(text, spot, &line));
        let spoilt = unclosed.map_or_else(|| spoilt_by(text, at.start), |(_, spoilt, _)| spoilt);
        let spoilt = with_the_rest_of_it(text, &spot, spoilt);
        let comma = Some(at.start).filter(|_| COMMAS.contains(&message)).and_then(|at| {
            at.checked_sub(1).filter(|before| text.as_bytes().get(*before).is_some_and(|byte| b" \t".contains(byte)))
        });
        // A key whose closing quote is missing goes on up to the next quote: what is missing is missing before the `=`.
        let at = match spot.swallowed_equals().filter(|_| message == KEY_QUOTE) {
            Some(equals) => line.start + equals..line.start + equals,
            None => at,
        };
        let message = message.to_owned() + &first.map_or_else(String::new, |line| format!(", first in line {line}"));
        Self { at, message, advice: advice.to_owned(), spoilt, comma }
    }
}

/// The number of the line where what stands there twice stands first, if it is written alike.
fn first_of(text: &str, spot: &Spot<'_>, line: &Range<usize>) -> Option<usize> {
    let is_key = !spot.is_header();
    let token = if is_key { spot.rest.get(..equals_in(spot.rest)?)? } else { spot.line };
    let before = text.get(..line.start)?.lines().enumerate().map(|(index, line)| (index + 1, line.trim_start()));
    let same = before.filter(|(_, line)| {
        let behind = line.strip_prefix(token.trim()).map(str::trim_start);
        behind.is_some_and(|behind| if is_key { behind.starts_with('=') } else { is_blank(behind) })
    });
    same.last().map(|(number, _)| number)
}

fn is_blank(text: &str) -> bool {
    text.is_empty() || text.starts_with('#')
}

/// What is wrong with a document that is of another kind altogether, and where that shows.
pub(super) fn of_another_kind(text: &str) -> Option<(Range<usize>, String, &'static str)> {
    let mut lines = std::iter::once(line_of(text, 0)).chain(lines_behind(text, line_of(text, 0).end));
    let is_something = |line: &Range<usize>| {
        let line = line_text(text, line).trim_start_matches('\u{feff}').trim();
        !line.is_empty() && !line.starts_with('#')
    };
    let first = lines.find(is_something)?;
    let line = line_text(text, &first).trim_start_matches('\u{feff}').trim();
    let is_yaml = || !text.lines().any(|line| is_header(line) || begins_with_key(line)) && text.contains(':');
    let (kind, advice) = if line.starts_with('{') {
        ("JSON", "write TOML: \"version\": 1 becomes version = 1, and a table in a table becomes [one.other]")
    } else if line.starts_with('<') && !line.starts_with("<<<") {
        ("XML", "write TOML, as in version = 1, and [name] above the keys of a table")
    } else if is_yaml() {
        ("YAML", "write TOML: version: 1 becomes version = 1, and keys further in become a table [one.other]")
    } else {
        return None;
    };
    let start = text.get(first.clone()).and_then(|whole| whole.find(line)).map_or(first.start, |at| first.start + at);
    Some((start..start + line.len(), format!("this is {kind}, where TOML is wanted"), advice))
}

/// Where a bracket should have been closed, where the reader went on past that; from where it was opened; whether it is a
/// brace.
fn unclosed_before(text: &str, said: &str, at: usize) -> Option<(usize, Range<usize>, bool)> {
    let goes_on = ["array", "key-value pairs", "inline table"].iter().any(|word| said.contains(word))
        && ["extra comma", "opening", "array table"].iter().all(|word| !said.contains(word));
    let line = line_of(text, at);
    let whole = line_text(text, &line);
    let is_header = is_header(whole);
    let is_last = text.get(at..line.end).is_some_and(|rest| rest.trim().is_empty());
    let is_next_key = equals_in(whole).is_some_and(|equals| at <= line.start + equals);
    let is_past = if is_header { goes_on || said.contains("must be quoted") } else { goes_on };
    let start = if is_last { at } else { line.start };
    let end = text.get(..start).filter(|_| is_past && (is_header || is_last || is_next_key))?.trim_end().len();
    let (spoilt, open) = opened_before(text, end)?;
    let is_brace = open.has_braces();
    // Braces hold keys: only where they are closed nowhere below did the next key come too early.
    let is_row = is_brace && is_next_key && is_closed_below(text, spoilt.end, open);
    (!is_row).then_some((end, spoilt, is_brace))
}

/// The reader stops where it can go on no more; what is wrong is sometimes elsewhere.
fn moved(text: &str, said: &str, at: Range<usize>) -> Range<usize> {
    let line = line_of(text, at.start);
    // A bare text goes on to the end of the line: a comment of another language's in it, or the next key.
    let second = text.get(at.clone()).and_then(|bare| bare.trim_end().rfind(' ')).map(|space| at.start + space + 1);
    let second = text.get(at.clone()).and_then(|bare| bare.find(" //")).map(|space| at.start + space + 1).or(second);
    let is_apart = |start: &usize| {
        let rest = text.get(*start..line.end).unwrap_or_default();
        rest.starts_with("//") || equals_in(rest).is_some()
    };
    if let Some(start) = second.filter(is_apart).filter(|_| said.contains("must be quoted")) {
        return start..at.end.max(start);
    }
    if said.contains("multi-line") {
        let quotes = if said.contains("literal") { "'''" } else { "\"\"\"" };
        let opening = text.get(..at.start).and_then(|before| before.rfind(quotes)).unwrap_or(at.start);
        return opening..(opening + quotes.len()).min(text.len());
    }
    at
}

/// The lines that go with what is spoilt though they look like nothing at all.
fn with_the_rest_of_it(text: &str, spot: &Spot<'_>, spoilt: Range<usize>) -> Range<usize> {
    let up_to = |end: &str| text.get(spoilt.start..).and_then(|rest| rest.find(end)).map(|found| spoilt.start + found);
    let quote = if spot.said.contains("literal") { '\'' } else { '"' };
    let end = if spot.said.contains("multi-line") {
        text.len()
    } else if spot.line.starts_with("<<<<<<<") {
        up_to(">>>>>>>").map_or(spoilt.end, |end| line_of(text, end).end)
    } else if spot.line.trim_start().starts_with("/*") {
        up_to("*/").map_or(spoilt.end, |end| line_of(text, end).end)
    } else if spot.is_unclosed_text() {
        let next = lines_behind(text, spoilt.end).next().filter(|next| {
            let next = line_text(text, next);
            next.matches(quote).count() % 2 == 1 && !begins_with_key(next) && !is_header(next)
        });
        next.map_or(spoilt.end, |next| next.end)
    } else if spot.begins_value() && spot.rest.trim().is_empty() {
        let next = lines_behind(text, spoilt.end).next().filter(|next| {
            let next = line_text(text, next).trim_start();
            !begins_with_key(next) && ["\"", "'", "{", "[\"", "['"].iter().any(|opening| next.starts_with(opening))
        });
        next.map_or(spoilt.end, |next| until_closed(text, next.end, Open::of(line_text(text, &next))))
    } else {
        spoilt.end
    };
    let end = end.max(spoilt.end);
    // What goes with it may hold a header, whose keys go on below.
    let has_header = text.get(spoilt.end..end).is_some_and(|more| more.lines().any(is_header));
    spoilt.start..if has_header { next_header(text, end) } else { end }
}

impl Spot<'_> {
    /// Whether the reader uses one of these words.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.said.contains(word))
    }

    pub(super) fn is_header(&self) -> bool {
        is_header(self.line)
    }

    pub(super) fn is_at_key(&self) -> bool {
        self.says(&["unquoted key", "key with no value", "value for key", "missing assignment", "key-value pair,"])
    }

    pub(super) fn begins_value(&self) -> bool {
        self.says(&["must be quoted"])
    }

    pub(super) fn ends_value(&self) -> bool {
        self.says(&["unexpected key or value"])
    }

    pub(super) fn is_unclosed_text(&self) -> bool {
        self.rest.is_empty() && self.says(&["string, expected"])
    }

    /// Where in the line an `=` stands that a key took in, because the key goes on up to the next quote.
    pub(super) fn swallowed_equals(&self) -> Option<usize> {
        let key = self.before.trim_start();
        let opens = key.starts_with(['"', '\'']) && key.len() > 1;
        self.before.find(" =").or_else(|| self.before.find('=')).filter(|_| opens)
    }

    /// Whether typographic quotes stand where TOML wants straight ones: outside all of those, or where one is not closed.
    pub(super) fn has_odd_quotes(&self) -> bool {
        let ends_a_word = |(at, odd): (usize, &str)| {
            let next = self.line.get(at + odd.len()..).and_then(|rest| rest.chars().next());
            !next.is_some_and(char::is_alphanumeric)
        };
        outside_quotes(self.line).any(|(_, character)| is_typographic(character))
            || (self.is_unclosed_text() && self.line.match_indices(is_typographic).any(ends_a_word))
    }

    pub(super) fn first_word(&self) -> &str {
        self.rest.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default()
    }
}

/// How a comment begins elsewhere.
pub(super) fn is_comment(text: &str) -> bool {
    ["//", "/*", "-- ", ";"].iter().any(|mark| text.starts_with(mark))
}

/// A character that looks like nothing, or like a space that it is not.
pub(super) fn is_invisible(character: char) -> bool {
    let is_odd_space = character.is_whitespace() && !character.is_ascii();
    is_odd_space || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

fn is_typographic(character: char) -> bool {
    matches!(character, '“' | '”' | '„' | '‟' | '‘' | '’' | '‚' | '«' | '»' | '´' | '`')
}
