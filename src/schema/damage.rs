//! What syntax faults may have spoilt, so that nothing is said of it that only follows from them, and all else is read as
//! if they were not there. Must not know what is wrong.

use std::ops::Range;

use super::fault::Place;

/// The parts of a document that syntax faults touch.
#[derive(Clone, Debug, Default)]
pub struct Damage {
    spans: Vec<Range<usize>>,
    /// The text of all of them.
    text: String,
    /// Whether whole tables may be lost.
    pub structural: bool,
    /// Whether keys are lost whose names cannot be read.
    pub(super) loses_keys: bool,
    /// Whether nothing can be said of the document at all.
    is_total: bool,
}

impl Damage {
    /// A document of which nothing can be read.
    pub(super) fn total() -> Self {
        Self { structural: true, loses_keys: true, is_total: true, ..Self::default() }
    }

    pub(super) fn add(&mut self, text: &str, spoilt: Range<usize>, taken: Taken) {
        let part = text.get(spoilt.clone()).unwrap_or_default();
        self.text.push_str(part);
        self.text.push('\n');
        self.loses_keys |= taken == Taken::Whole;
        self.structural |= part.lines().any(|line| is_header(line) || is_lost_header(line));
        self.spans.push(spoilt);
    }

    /// Whether nothing is spoilt.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.spans.is_empty() && !self.is_total
    }

    /// Whether a syntax fault touches the lines that `place` stands on.
    #[must_use]
    pub fn touches(&self, place: &Place) -> bool {
        place.span.as_ref().is_some_and(|span| self.holds(span))
    }

    pub(super) fn holds(&self, span: &Range<usize>) -> bool {
        self.is_total || self.spans.iter().any(|spoilt| span.start <= spoilt.end && spoilt.start <= span.end)
    }

    /// Whether something of this name may be lost, because it stands in what is spoilt.
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        self.is_total || self.text.contains(name)
    }
}

/// How much of what a fault spoils is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// There was nothing left to take.
    Nothing,
    /// A value, and its key stays.
    Value,
    /// All of it.
    Whole,
}

/// From a fault to where the reader has certainly found its feet again, in whole lines.
pub(super) fn spoilt_by(text: &str, at: usize) -> Range<usize> {
    let line = line_of(text, at);
    let line_text = line_text(text, &line);
    if is_header(line_text) || is_lost_header(line_text) {
        // The keys below a header that cannot be read belong to nobody, up to the next header.
        return line.start..next_header(text, line.end);
    }
    let open = Open::of(line_text);
    if open.is_overdrawn() {
        let start = upwards(text, &line, open, |open| !open.is_overdrawn());
        return start.map_or(line.start, |(start, _)| start)..line.end;
    }
    line.start..until_closed(text, line.end, open)
}

/// The end of the lines below that one belongs to which leaves brackets open.
pub(super) fn until_closed(text: &str, end: usize, mut open: Open) -> usize {
    let mut end = end;
    for next in lines_behind(text, end) {
        let next_text = line_text(text, &next);
        let begins_anew = is_header(next_text) || (open.braces <= 0 && begins_with_key(next_text));
        if !open.is_any() || begins_anew {
            break;
        }
        end = next.end;
        open.add(next_text);
    }
    end
}

/// From where a bracket was opened that is still open at the end of the line that `at` stands on, in whole lines, and what
/// is open there.
pub(super) fn opened_before(text: &str, at: usize) -> Option<(Range<usize>, Open)> {
    let line = line_of(text, at);
    let (start, open) = upwards(text, &line, Open::of(line_text(text, &line)), Open::is_any)?;
    Some((start..line.end, open))
}

/// Whether all that is open is closed below, before the next header.
pub(super) fn is_closed_below(text: &str, end: usize, mut open: Open) -> bool {
    let lines = lines_behind(text, end).map(|line| line_text(text, &line));
    lines.take_while(|line| !is_header(line)).any(|line| {
        open.add(line);
        !open.is_any()
    })
}

/// The start of the first line above from which on enough is open.
fn upwards(text: &str, line: &Range<usize>, mut open: Open, is_enough: fn(&Open) -> bool) -> Option<(usize, Open)> {
    let mut start = line.start;
    while !is_enough(&open) {
        let before = line_of(text, start.checked_sub(1)?);
        let before_text = line_text(text, &before);
        open.add(before_text);
        // Nothing goes on across a table's header.
        if is_header(before_text) && !is_enough(&open) {
            return None;
        }
        start = before.start;
    }
    Some((start, open))
}

/// The end of the line before the next header.
pub(super) fn next_header(text: &str, end: usize) -> usize {
    let next = lines_behind(text, end).find(|next| is_header(line_text(text, next)));
    next.map_or(text.len(), |next| next.start.saturating_sub(1))
}

/// Takes what a fault spoils out of a text and leaves every byte behind it where it is. Where the fault stands behind a
/// key and its `=`, the key stays, with a value that nobody looks at.
pub(super) fn take_out(text: &mut String, spoilt: &Range<usize>, at: usize) -> Taken {
    let Some(part) = text.get(spoilt.clone()) else { return Taken::Nothing };
    let mut bytes: Vec<u8> = part.bytes().collect();
    let kept = equals_in(part.lines().next().unwrap_or_default())
        .filter(|equals| spoilt.start + equals < at && !is_header(part))
        .map_or(0, |equals| keep_key(&mut bytes, equals));
    for index in kept..bytes.len() {
        let ends_a_line = matches!(bytes.get(index..), Some([b'\n', ..] | [b'\r', b'\n', ..]));
        if let Some(byte) = bytes.get_mut(index).filter(|_| !ends_a_line) {
            *byte = b' ';
        }
    }
    let Some(blank) = String::from_utf8(bytes).ok().filter(|blank| blank != part) else { return Taken::Nothing };
    text.replace_range(spoilt.clone(), &blank);
    if kept > 0 { Taken::Value } else { Taken::Whole }
}

/// Writes a value behind the `=`; how many bytes are kept by that, none where there is no room.
fn keep_key(bytes: &mut [u8], equals: usize) -> usize {
    let (before, behind) = (equals.checked_sub(1), equals + 1);
    if bytes.get(behind).is_some_and(|byte| !matches!(byte, b'\n' | b'\r')) {
        bytes.iter_mut().skip(behind).take(1).for_each(|byte| *byte = b'0');
        return behind + 1;
    }
    match before.filter(|before| bytes.get(*before) == Some(&b' ')) {
        Some(before) => {
            bytes.iter_mut().skip(before).zip(*b"=0").for_each(|(byte, new)| *byte = new);
            behind
        }
        None => 0,
    }
}

/// How many brackets some lines leave open; less than none where they close others'.
#[derive(Default)]
pub(super) struct Open {
    brackets: isize,
    braces: isize,
}

impl Open {
    pub(super) fn of(line: &str) -> Self {
        let mut open = Self::default();
        open.add(line);
        open
    }

    fn add(&mut self, line: &str) {
        for (_, character) in outside_quotes(line) {
            match character {
                '[' => self.brackets += 1,
                ']' => self.brackets -= 1,
                '{' => self.braces += 1,
                '}' => self.braces -= 1,
                _ => {}
            }
        }
    }

    pub(super) fn has_braces(&self) -> bool {
        self.braces > 0
    }

    fn is_any(&self) -> bool {
        self.brackets > 0 || self.braces > 0
    }

    fn is_overdrawn(&self) -> bool {
        self.brackets < 0 || self.braces < 0
    }
}

/// The characters of a line that stand in no quotes and no comment.
pub(super) fn outside_quotes(line: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quote, mut escaped, mut comment) = (None, false, false);
    line.char_indices().filter(move |(_, character)| {
        if escaped || comment {
            escaped = false;
            return false;
        }
        match (quote, character) {
            (Some(open), _) => {
                escaped = open == '"' && *character == '\\';
                quote = quote.filter(|open| open != character);
                false
            }
            (None, '"' | '\'') => {
                quote = Some(*character);
                false
            }
            (None, '#') => {
                comment = true;
                false
            }
            (None, _) => true,
        }
    })
}

/// Where the first `=` of a line stands that is in no quotes.
pub(super) fn equals_in(line: &str) -> Option<usize> {
    outside_quotes(line).find(|(_, character)| *character == '=').map(|(at, _)| at)
}

/// Whether a line looks like a table's header.
pub(super) fn is_header(line: &str) -> bool {
    let ends_in_comma = || outside_quotes(line.trim_end()).last().is_some_and(|(_, character)| character == ',');
    line.trim_start_matches('\u{feff}').trim_start().starts_with('[') && !ends_in_comma()
}

/// Whether a line looks like a header that has lost its first bracket, or has something before it.
fn is_lost_header(line: &str) -> bool {
    let text = line.trim();
    let names = text.strip_suffix(']').unwrap_or_default();
    let is_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
    let is_bare = !names.is_empty() && names.chars().all(is_name);
    let behind = text.trim_start_matches(['"', '\'', ']', '}', '=', ',', ':', '.']);
    is_bare || (behind.len() < text.len() && behind.starts_with('[') && is_header(behind) && !begins_with_key(behind))
}

/// Whether a line looks like a key, `=` and more.
pub(super) fn begins_with_key(line: &str) -> bool {
    equals_in(line).is_some_and(|equals| !line.trim_start().is_empty() && equals > 0)
}

/// The bytes of the line that `byte` stands on, without its end.
pub(super) fn line_of(text: &str, byte: usize) -> Range<usize> {
    let start = text.get(..byte).and_then(|before| before.rfind('\n')).map_or(0, |found| found + 1);
    let end = text.get(byte..).and_then(|after| after.find('\n')).map_or(text.len(), |found| byte + found);
    start..end
}

pub(super) fn line_text<'a>(text: &'a str, line: &Range<usize>) -> &'a str {
    text.get(line.clone()).unwrap_or_default().trim_end_matches('\r')
}

/// The lines after the one that ends at `end`.
pub(super) fn lines_behind(text: &str, end: usize) -> impl Iterator<Item = Range<usize>> {
    let mut next = end + 1;
    std::iter::from_fn(move || {
        let line = (next <= text.len()).then(|| line_of(text, next))?;
        next = line.end + 1;
        Some(line)
    })
}
