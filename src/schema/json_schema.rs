//! The table of keys as a JSON Schema (draft 2020-12), for editors: what the walk in `check.rs` takes and refuses, as far
//! as a schema can say it.

use serde_json::{Map, Value, json};

use super::key::{Key, Kind};

/// The schema of a document with these keys.
#[must_use]
pub fn json_schema(title: &str, keys: &'static [Key]) -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".to_owned(), title.into());
    schema.extend(table(keys));
    Value::Object(schema)
}

fn table(keys: &'static [Key]) -> Map<String, Value> {
    let property = |key: &'static Key| {
        let mut schema = of_kind(&key.kind);
        schema.insert("description".to_owned(), key.about.into());
        (key.name.to_owned(), Value::Object(schema))
    };
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = object(json!({
        "type": "object",
        "properties": keys.iter().map(property).collect::<Map<_, _>>(),
        "additionalProperties": false,
    }));
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema
}

fn of_kind(kind: &'static Kind) -> Map<String, Value> {
    match kind {
        Kind::Text | Kind::Secret => object(json!({"type": "string", "minLength": 1})),
        Kind::Word(words) => object(json!({"enum": words})),
        Kind::Boolean => object(json!({"type": "boolean"})),
        Kind::Integer(least, most) => object(json!({"type": "integer", "minimum": least, "maximum": most})),
        // Zero has one spelling where it means something.
        Kind::Duration { zero: true } => object(json!({"type": "string", "pattern": "^([0-9]*[1-9][0-9]*[smhd]|0s)$"})),
        Kind::Duration { zero: false } => object(json!({"type": "string", "pattern": "^[0-9]*[1-9][0-9]*[smhd]$"})),
        Kind::Size => object(json!({"type": "string", "pattern": "^[0-9]*[1-9][0-9]*(B|KiB|MiB)$"})),
        Kind::List { of, distinct, at_least } => object(json!({
            "type": "array", "items": of_kind(of), "uniqueItems": distinct, "minItems": at_least,
        })),
        Kind::Table(keys) => table(keys),
        Kind::Tables(keys) => object(json!({"type": "array", "items": table(keys)})),
        Kind::Map(of) => object(json!({"type": "object", "additionalProperties": of_kind(of)})),
        Kind::Scalar => object(json!({"type": ["string", "number", "boolean"]})),
        Kind::Any => object(json!({"type": ["string", "number", "boolean", "array", "object"]})),
        Kind::OrWord(word, kind) => object(json!({"anyOf": [{"const": word}, of_kind(kind)]})),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
