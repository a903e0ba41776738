//! JSON as both edges want it: one document, and no name twice in one object, at any depth (RFC 8259 §4 leaves that
//! open; two readers that choose differently are an attack). Must not know what the document means.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::Object;

/// Why some bytes are not one proper JSON document, with the place.
#[derive(Debug, thiserror::Error)]
pub enum NotJson {
    /// RFC 8259 §8.1.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// No document, more than one, a name twice, 128 or more levels, a number that no double holds, half a surrogate pair.
    #[error("{0}")]
    Syntax(serde_json::Error),
}

/// Reads exactly one document from UTF-8 text: white space around it, no byte order mark, fewer than 128 levels.
///
/// # Errors
/// What is wrong, and where.
pub fn parse(bytes: &[u8]) -> Result<Value, NotJson> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotJson::NotUtf8)?;
    // serde_json stops at 128 levels by itself, refuses numbers beyond a double and unpaired surrogates.
    serde_json::from_str::<Strict>(text).map(|strict| strict.0).map_err(NotJson::Syntax)
}

/// Whether the top-level member `name` of a document that [`parse`] took is written as an integer (`12`, not `12.0` or
/// `1e3`), however large: `serde_json` reads one past 64 bits as a float.
#[must_use]
pub fn is_written_as_integer(bytes: &[u8], name: &str) -> bool {
    let members: Result<std::collections::HashMap<String, &RawValue>, _> = serde_json::from_slice(bytes);
    members.ok().and_then(|members| members.get(name).map(|raw| raw.get())).is_some_and(|raw| {
        let digits = raw.strip_prefix('-').unwrap_or(raw);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A text as JSON has it within quotes. `serde_json` looks at each byte by itself; here many are looked at at once, as most texts,
/// and a token above all, hold nothing to escape.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    let is_special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    // Without a way out in between.
    if !text.as_bytes().iter().fold(false, |special, byte| special | is_special(byte)) {
        return Cow::Borrowed(text);
    }
    let quoted = serde_json::to_string(text).unwrap_or_default();
    Cow::Owned(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned())
}

/// Whether a text is a JSON Pointer (RFC 6901 §3): empty, or each name behind a `/`, and each `~` followed by 0 or 1.
#[must_use]
pub fn is_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

/// A name as it is written in a JSON Pointer (RFC 6901 §3).
#[must_use]
pub fn to_pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name that a part of a JSON Pointer stands for (RFC 6901 §4).
#[must_use]
pub fn from_pointer_part(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// The first name that a JSON Pointer goes through, and the rest as it is written.
#[must_use]
pub fn split_pointer(pointer: &str) -> (String, &str) {
    let body = pointer.strip_prefix('/').unwrap_or(pointer);
    let (first, rest) = body.find('/').map_or((body, ""), |end| body.split_at(end));
    (from_pointer_part(first), rest)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Document)
    }
}

struct Document;

impl<'de> Visitor<'de> for Document {
    type Value = Strict;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON document")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(Value::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(Value::Number(value.into())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(Value::Number(value.into())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Strict, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that no double holds"))?;
        Ok(Strict(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(Value::String(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Strict, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            list.push(element);
        }
        Ok(Strict(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
        let mut object = Object::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("a name is there twice in one object"));
            }
            let Strict(value) = members.next_value()?;
            object.insert(name, value);
        }
        Ok(Strict(Value::Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::escaped;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_is_written_as_serde_json_writes_it(it in "[ -~]{0,20}|.{0,20}|[\"\\\\\\x00-\\x1f/a]{0,8}") {
            prop_assert_eq!(format!("\"{}\"", escaped(&it)), serde_json::to_string(&it).unwrap());
        }
    }
}
