//! What a document may hold, as a table that can be walked, and how a scalar of each kind is read.

use super::fields::Value;
use super::read::Raw;
use super::unit::{bytes, seconds};

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Whether the table is at fault without it.
    pub required: bool,
    /// One sentence for its reader.
    pub about: &'static str,
    /// The key of earlier versions that this one replaces: an error that names this one.
    pub replaces: Option<&'static str>,
}

impl Key {
    /// A key that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: false, about, replaces: None }
    }

    /// The same key, in place of one of earlier versions.
    #[must_use]
    pub const fn replacing(mut self, name: &'static str) -> Self {
        self.replaces = Some(name);
        self
    }

    /// A key that must be there.
    #[must_use]
    pub const fn required(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: true, about, replaces: None }
    }
}

/// The key that has replaced one of earlier versions, and what it is for, if `name` is one.
#[must_use]
pub fn replacement(name: &str, keys: &[Key]) -> Option<(&'static str, &'static str)> {
    keys.iter().find(|key| key.replaces == Some(name)).map(|key| (key.name, key.about))
}

/// What a value is. Each kind knows how it is written, also in an environment variable.
#[derive(Debug)]
pub enum Kind {
    /// A string that is not empty.
    Text,
    /// A string that is never shown, kept as it is.
    Secret,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// An integer from the first to the second.
    Integer(i64, i64),
    /// A positive integer and one of `s m h d`; read as seconds.
    Duration {
        /// Whether `0s` means something.
        zero: bool,
    },
    /// An integer and `B`, `KiB` or `MiB`; read as bytes.
    Size,
    /// A list of these, none twice if it says so.
    List {
        /// What each element is.
        of: &'static Kind,
        /// Whether an element may not be there twice.
        distinct: bool,
        /// The fewest elements.
        at_least: usize,
    },
    /// A table with these keys and no other.
    Table(&'static [Key]),
    /// A list of tables with these keys.
    Tables(&'static [Key]),
    /// A table whose keys are the writer's own.
    Map(&'static Kind),
    /// A string, a number or a boolean.
    Scalar,
    /// Anything at all that JSON has too.
    Any,
    /// This word in place of the rest.
    OrWord(&'static str, &'static Kind),
}

impl Kind {
    /// What should have stood there, for a person.
    #[must_use]
    pub fn wanted(&self) -> String {
        match self {
            Self::Text | Self::Secret => "a string that is not empty, in quotes".to_owned(),
            Self::Word(words) => words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer(least, most) if least == most => format!("the integer {least}"),
            Self::Integer(least, most) => format!("an integer from {least} to {most}"),
            Self::Duration { .. } => "a duration such as \"15m\" (a positive integer and one of s, m, h, d)".to_owned(),
            Self::Size => "a size such as \"256KiB\" (a positive integer and one of B, KiB, MiB)".to_owned(),
            Self::List { .. } => format!("a list such as {}", self.example()),
            Self::Table(_) | Self::Map(_) => "a table".to_owned(),
            Self::Tables(_) => "a list of tables".to_owned(),
            Self::Scalar => "a string, a number, true or false".to_owned(),
            Self::Any => "a value that JSON has too: a date or a time in quotes".to_owned(),
            Self::OrWord(word, kind) => format!("\"{word}\" or {}", kind.wanted()),
        }
    }

    /// One that is good, as it is written.
    pub(super) fn example(&self) -> String {
        match self {
            Self::Word(words) => words.first().map_or_else(String::new, |word| format!("\"{word}\"")),
            Self::List { of: Self::Word([one, two, ..]), .. } => format!("[\"{one}\", \"{two}\"]"),
            Self::List { of: Self::Text, .. } => "[\"one\", \"two\"]".to_owned(),
            Self::List { of, .. } => format!("[{}]", of.example()),
            Self::Boolean => "true".to_owned(),
            Self::Integer(least, _) => least.to_string(),
            Self::Duration { .. } => "\"15m\"".to_owned(),
            Self::Size => "\"256KiB\"".to_owned(),
            Self::Table(_) | Self::Map(_) | Self::Tables(_) => "{ … }".to_owned(),
            Self::Text | Self::Secret | Self::Scalar | Self::Any | Self::OrWord(..) => "\"…\"".to_owned(),
        }
    }
    /// A value that is no list and no table, if it is of this kind.
    pub(super) fn read_scalar(&self, raw: &Raw) -> Option<Value> {
        match (self, raw) {
            (Kind::Text | Kind::Secret, Raw::Text(text)) => (!text.is_empty()).then(|| Value::Text(text.clone())),
            (Kind::Word(words), Raw::Text(text)) => words.contains(&text.as_str()).then(|| Value::Text(text.clone())),
            (Kind::Integer(least, most), Raw::Integer(integer)) => {
                (least..=most).contains(&integer).then_some(Value::Integer(*integer))
            }
            (Kind::Duration { zero }, Raw::Text(text)) => seconds(text, *zero).map(Value::Integer),
            (Kind::Size, Raw::Text(text)) => bytes(text).map(Value::Integer),
            (Kind::Scalar | Kind::Any, Raw::Text(text)) => Some(Value::Text(text.clone())),
            (Kind::Scalar | Kind::Any, Raw::Integer(integer)) => Some(Value::Integer(*integer)),
            (Kind::Scalar | Kind::Any, Raw::Float(float)) => float.is_finite().then_some(Value::Float(*float)),
            (Kind::Boolean | Kind::Scalar | Kind::Any, Raw::Boolean(boolean)) => Some(Value::Boolean(*boolean)),
            _ => None,
        }
    }
}
