//! From TOML text to raw values with their places, going on after each syntax fault. Must not know which keys are expected.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::damage::{Damage, Taken, take_out};
use super::fault::{Faults, Place, Source};
use super::syntax::{SyntaxFault, of_another_kind};

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

/// How many syntax faults are told: after each the rest is read anew.
const MOST_ERRORS: usize = 100;
/// How many bytes are read for that, of a file that is too large to be read so often.
const MOST_BYTES: usize = 10 << 20;

/// Reads TOML. Each syntax fault is told once, and the rest is read as if what it spoils were not there.
#[must_use]
pub fn read_toml(source: &Arc<Source>, faults: &mut Faults) -> (RawItem, Damage) {
    let text = source.text();
    let document = |entries| RawItem { place: Place::of(source, 0..0), raw: Raw::Table(entries) };
    if let Some((at, message, advice)) = of_another_kind(text) {
        faults.add(&Place::of(source, at), message, advice);
        return (document(RawTable::default()), Damage::total());
    }
    let mut damage = Damage::default();
    let mut rest = text.to_owned();
    for _ in 0..(MOST_BYTES / text.len().max(1)).clamp(5, MOST_ERRORS) {
        let (table, errors) = DeTable::parse_recoverable(&rest);
        let Some(error) = errors.iter().min_by_key(|error| error.span().map_or(0, |span| span.start)) else {
            let table = raw_table(source, table.get_ref(), faults);
            return (document(table), damage);
        };
        let at = error.span().unwrap_or(0..0);
        let at = at.start.min(text.len())..at.end.min(text.len());
        let fault = SyntaxFault::of(text, error.message(), at);
        if damage.holds(&fault.at) {
            // One fault a line: what else is wrong there may be its doing.
            if take_out(&mut rest, &fault.spoilt, 0) == Taken::Nothing {
                return (document(RawTable::default()), Damage::total());
            }
            continue;
        }
        faults.add(&Place::of(source, fault.at.clone()), fault.message, fault.advice);
        let taken = match fault.comma {
            None => take_out(&mut rest, &fault.spoilt, fault.at.start),
            Some(at) => {
                rest.replace_range(at..=at, ",");
                Taken::Value
            }
        };
        damage.add(text, fault.spoilt, taken);
    }
    let message = "so much here is no TOML that only the first faults are told";
    faults.add(&Place::of(source, 0..0), message, "mend them first: what else is wrong cannot be told before");
    (document(RawTable::default()), Damage::total())
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
