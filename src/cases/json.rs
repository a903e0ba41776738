//! Values that a person wrote in TOML, as the JSON that they stand for. Must not know what they mean.

use serde_json::{Number, Value as Json};

use crate::chat::Object;
use crate::schema::{Fields, Value};

pub(super) fn object(fields: &Fields) -> Object {
    fields.entries.iter().map(|entry| (entry.key.clone(), json(&entry.item.value))).collect()
}

fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Integer(integer) => (*integer).into(),
        Value::Float(float) => Number::from_f64(*float).map_or(Json::Null, Json::Number),
        Value::Boolean(boolean) => (*boolean).into(),
        Value::List(items) => items.iter().map(|item| json(&item.value)).collect(),
        Value::Table(fields) => Json::Object(object(fields)),
    }
}
