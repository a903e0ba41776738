//! What a document holds once it is checked: values that are of their kind, each with its place.

use super::fault::Place;

/// A value that is of its kind.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What an [`Item`] holds. Durations are seconds, sizes are bytes.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text, word, secret.
    Text(String),
    /// Integer, duration in seconds, size in bytes.
    Integer(i64),
    /// A number that is no integer.
    Float(f64),
    /// A boolean.
    Boolean(bool),
    /// A list.
    List(Vec<Item>),
    /// A table.
    Table(Fields),
}

/// A table's good entries.
#[derive(Clone, Debug)]
pub struct Fields {
    /// Where the table is named.
    pub place: Place,
    /// In the order of the file.
    pub entries: Vec<Entry>,
    /// Whether nothing that was written here, or was meant to be, had to be left out.
    pub whole: bool,
    /// The keys that are not here though they were meant: their value is at fault, or they are misspelt or misplaced.
    pub lost: Vec<&'static str>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_place: Place,
    /// Its value.
    pub item: Item,
}

impl Fields {
    /// The value of a key, if it is there and was good.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Item> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.item)
    }

    /// Whether nothing can be said of a key, since what was meant by it is not known.
    #[must_use]
    pub fn has_lost(&self, key: &str) -> bool {
        self.lost.contains(&key)
    }

    /// A text and where it stands.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<(&str, &Place)> {
        self.get(key).and_then(Item::as_text)
    }

    /// An integer (a duration in seconds, a size in bytes) and where it stands.
    #[must_use]
    pub fn integer(&self, key: &str) -> Option<(i64, &Place)> {
        self.get(key).and_then(|item| match item.value {
            Value::Integer(integer) => Some((integer, &item.place)),
            _ => None,
        })
    }

    /// A list's elements; none where the key is absent.
    #[must_use]
    pub fn list(&self, key: &str) -> Option<&[Item]> {
        self.get(key).and_then(|item| match &item.value {
            Value::List(items) => Some(items.as_slice()),
            _ => None,
        })
    }

    /// A table's entries; none where the key is absent.
    #[must_use]
    pub fn table(&self, key: &str) -> Option<&Self> {
        self.get(key).and_then(Item::as_table)
    }
}

impl Item {
    /// The text, if it is one, and where it stands.
    #[must_use]
    pub fn as_text(&self) -> Option<(&str, &Place)> {
        match &self.value {
            Value::Text(text) => Some((text, &self.place)),
            _ => None,
        }
    }

    /// The table, if it is one.
    #[must_use]
    pub fn as_table(&self) -> Option<&Fields> {
        match &self.value {
            Value::Table(fields) => Some(fields),
            _ => None,
        }
    }
}
