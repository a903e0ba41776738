//! Reads TOML into raw values with their places.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Faults, Place, Source};

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
    /// An integer that does not fit into 64 bits.
    LongInteger,
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

/// Reads TOML; none where the text is not TOML, which is then the only fault: the first one that the `toml` crate finds,
/// as it puts it. What it finds behind that mostly follows from it.
#[must_use]
pub fn read_toml(source: &Arc<Source>, faults: &mut Faults) -> Option<RawItem> {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    if let Some(error) = first(&errors) {
        faults.add(
            &Place::of(source, error.span().unwrap_or(0..0)),
            error.message(),
            "see https://toml.io for how TOML is written",
        );
        return None;
    }
    Some(RawItem { place: Place::of(source, 0..0), raw: Raw::Table(raw_table(source, table.get_ref())) })
}

/// Reads one TOML value that stands by itself, as in an environment variable.
///
/// # Errors
/// What is wrong first, and at which character; nothing of the text itself, which may be secret.
pub fn read_toml_value(source: &Arc<Source>, text: &str) -> Result<RawItem, String> {
    let (value, errors) = DeValue::parse_recoverable(text);
    if let Some(error) = first(&errors) {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or(text);
        return Err(format!("character {}: {}", before.chars().count() + 1, error.message()));
    }
    let mut item = raw_item(source, &value);
    item.forget_spans();
    Ok(item)
}

/// The first error of a text. Its message is made of the crate's own words only: it repeats nothing of the text.
fn first(errors: &[toml::de::Error]) -> Option<&toml::de::Error> {
    errors.iter().min_by_key(|error| error.span().map_or(0, |span| span.start))
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
            Raw::Text(_) | Raw::Integer(_) | Raw::Float(_) | Raw::Boolean(_) | Raw::Datetime | Raw::LongInteger => {}
        }
    }
}

fn raw_item(source: &Arc<Source>, value: &Spanned<DeValue<'_>>) -> RawItem {
    let place = Place::of(source, value.span());
    let raw = match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(integer) => {
            let digits = integer.as_str().replace('_', "");
            i64::from_str_radix(&digits, integer.radix()).map_or(Raw::LongInteger, Raw::Integer)
        }
        DeValue::Float(float) => Raw::Float(float.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Raw::Boolean(*boolean),
        DeValue::Datetime(_) => Raw::Datetime,
        DeValue::Array(elements) => Raw::List(elements.iter().map(|element| raw_item(source, element)).collect()),
        DeValue::Table(table) => Raw::Table(raw_table(source, table)),
    };
    RawItem { place, raw }
}

fn raw_table(source: &Arc<Source>, table: &DeTable<'_>) -> RawTable {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| RawEntry {
            key: key.get_ref().to_string(),
            key_place: Place::of(source, key.span()),
            item: raw_item(source, value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_place.span.as_ref().map_or(0, |span| span.start));
    RawTable { entries }
}
