//! From TOML text to raw values with their places, going on after a syntax fault, and telling what such a fault may have
//! spoilt. Must not know which keys are expected.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Faults, Place, Source, quoted};

/// A value as it was written, before anybody knows what it should be.
#[derive(Clone, Debug)]
pub struct RawItem {
    /// Where.
    pub place: Place,
    /// What.
    pub raw: Raw,
}

/// What TOML (or an environment variable) can hold.
#[derive(Clone, Debug)]
pub enum Raw {
    /// A string.
    Text(String),
    /// An integer of 64 bits.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A boolean.
    Boolean(bool),
    /// A date or a time, which nothing here wants.
    Datetime,
    /// Something that has been told already.
    Unreadable,
    /// A list.
    List(Vec<RawItem>),
    /// A table.
    Table(RawTable),
}

/// A table's keys and values in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct RawTable {
    /// Each key once.
    pub entries: Vec<RawEntry>,
}

/// One key of a table with its value.
#[derive(Clone, Debug)]
pub struct RawEntry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_place: Place,
    /// Its value.
    pub item: RawItem,
}

/// What syntax faults may have spoilt, so that nothing is said of it that only follows from them.
#[derive(Clone, Debug, Default)]
pub struct Damage {
    spans: Vec<Range<usize>>,
    /// Whether whole tables may be lost or in the wrong place.
    pub structural: bool,
}

impl Damage {
    /// Whether nothing is spoilt.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether a syntax fault touches the lines that `place` stands on.
    #[must_use]
    pub fn touches(&self, place: &Place) -> bool {
        let Some(span) = &place.span else { return false };
        self.spans.iter().any(|spoilt| span.start <= spoilt.end && spoilt.start <= span.end)
    }
}

/// How many syntax faults are looked at: each may be another's doing, so each is held against all.
const MOST_ERRORS: usize = 500;

/// Reads TOML. Syntax faults are told once each: one a line, and of a bracket that is never closed only where it began.
#[must_use]
pub fn read_toml(source: &Arc<Source>, faults: &mut Faults) -> (RawItem, Damage) {
    let text = source.text();
    let (table, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    errors.truncate(MOST_ERRORS);
    let mut damage = Damage::default();
    for error in &errors {
        let at = error.span().unwrap_or(0..0);
        let at = at.start.min(text.len())..at.end.min(text.len());
        if damage.touches(&Place::of(source, at.clone())) {
            continue;
        }
        faults.add(&Place::of(source, at.clone()), error.message().trim(), advice(error.message()));
        let spoilt = spoilt_by(text, &at, &errors);
        damage.structural |= spoilt.end > line_of(text, at.end).end || is_header(text, at.start);
        damage.spans.push(spoilt);
    }
    let place = Place::of(source, 0..0);
    (RawItem { place, raw: Raw::Table(raw_table(source, table.get_ref(), faults)) }, damage)
}

/// Reads one TOML value that stands by itself, as in an environment variable.
///
/// # Errors
/// What is wrong first, and at which character; nothing of the text itself, which may be secret.
pub fn read_toml_value(source: &Arc<Source>, text: &str) -> Result<RawItem, String> {
    let (value, errors) = DeValue::parse_recoverable(text);
    if let Some(error) = errors.iter().min_by_key(|error| error.span().map_or(0, |span| span.start)) {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or(text);
        return Err(format!("character {}: {}", before.chars().count() + 1, error.message().trim()));
    }
    let mut faults = Faults::default();
    let mut item = raw_item(source, &value, &mut faults);
    item.forget_spans();
    match faults.in_order().first() {
        None => Ok(item),
        Some(fault) => Err(fault.message.clone()),
    }
}

impl RawItem {
    fn forget_spans(&mut self) {
        self.place.span = None;
        match &mut self.raw {
            Raw::List(items) => items.iter_mut().for_each(Self::forget_spans),
            Raw::Table(table) => table.entries.iter_mut().for_each(|entry| {
                entry.key_place.span = None;
                entry.item.forget_spans();
            }),
            Raw::Text(_) | Raw::Integer(_) | Raw::Float(_) | Raw::Boolean(_) | Raw::Datetime | Raw::Unreadable => {}
        }
    }
}

fn raw_item(source: &Arc<Source>, value: &Spanned<DeValue<'_>>, faults: &mut Faults) -> RawItem {
    let place = Place::of(source, value.span());
    let raw = match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(integer) => {
            let digits = integer.as_str().replace('_', "");
            i64::from_str_radix(&digits, integer.radix()).map_or_else(
                |_| {
                    faults.add(&place, "this integer does not fit into 64 bits", "write a smaller number");
                    Raw::Unreadable
                },
                Raw::Integer,
            )
        }
        DeValue::Float(float) => Raw::Float(float.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Raw::Boolean(*boolean),
        DeValue::Datetime(_) => Raw::Datetime,
        DeValue::Array(elements) => {
            Raw::List(elements.iter().map(|element| raw_item(source, element, faults)).collect())
        }
        DeValue::Table(table) => Raw::Table(raw_table(source, table, faults)),
    };
    RawItem { place, raw }
}

fn raw_table(source: &Arc<Source>, table: &DeTable<'_>, faults: &mut Faults) -> RawTable {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| RawEntry {
            key: key.get_ref().to_string(),
            key_place: Place::of(source, key.span()),
            item: raw_item(source, value, faults),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_place.span.as_ref().map_or(0, |span| span.start));
    RawTable { entries }
}

/// From the fault to where the reader has certainly found its feet again.
fn spoilt_by(text: &str, at: &Range<usize>, errors: &[toml::de::Error]) -> Range<usize> {
    let line = line_of(text, at.start);
    if is_header(text, at.start) {
        // The keys below a header that cannot be read belong to nobody, up to the next header.
        let rest = text.get(line.end..).unwrap_or_default();
        let next = rest.find("\n[").map_or(text.len(), |found| line.end + found);
        return line.start..next;
    }
    let unclosed = errors
        .iter()
        .filter(|error| error.message().contains("unclosed"))
        .filter_map(toml::de::Error::span)
        .find(|span| span.start >= at.start && belongs_together(errors, at.start, span.start));
    let end = unclosed.map_or(at.end, |span| span.end).max(at.end).min(text.len());
    line.start..line_of(text, end).end
}

/// Whether everything between a fault and the end of an unclosed bracket is that bracket's doing.
fn belongs_together(errors: &[toml::de::Error], from: usize, to: usize) -> bool {
    errors.iter().filter(|error| error.span().is_some_and(|span| (from..=to).contains(&span.start))).all(|error| {
        let message = error.message();
        ["array", "inline table", "quoted", "boolean"].iter().any(|word| message.contains(word))
    })
}

fn is_header(text: &str, byte: usize) -> bool {
    text.get(line_of(text, byte)).is_some_and(|line| line.trim_start().starts_with('['))
}

/// The bytes of the line that `byte` stands on, without its end.
fn line_of(text: &str, byte: usize) -> Range<usize> {
    let start = text.get(..byte).and_then(|before| before.rfind('\n')).map_or(0, |found| found + 1);
    let end = text.get(byte..).and_then(|after| after.find('\n')).map_or(text.len(), |found| byte + found);
    start..end
}

fn advice(message: &str) -> String {
    if message.contains("duplicate key") {
        "write each key once; the first one counts until then".to_owned()
    } else if message.contains("unclosed array") || message.contains("between array elements") {
        "separate elements with commas and close the list with `]`".to_owned()
    } else if message.contains("quoted") {
        format!("put the text in double quotes, as in {}", quoted("role = \"customer\""))
    } else if message.contains("basic string") {
        "close the text with a double quote on the same line".to_owned()
    } else if message.contains("unclosed table") {
        "close the table's name with `]`".to_owned()
    } else if message.contains("key with no value") {
        format!("write the key, `=` and its value, as in {}", quoted("version = 1"))
    } else {
        "this is not TOML; see https://toml.io for how it is written".to_owned()
    }
}
