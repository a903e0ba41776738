//! A table of keys against a document that a person wrote: one walk finds all faults with their places and yields the
//! values; another yields the JSON Schema. Shared by the policy, its tests and the settings.

mod advice;
mod check;
mod fault;
mod fields;
mod json_schema;
mod key;
mod lint;
mod read;
mod unit;

pub use advice::nearest;
pub use check::check;
pub use fault::{Fault, Faults, Place, Source, escaped, quoted};
pub use fields::{Entry, Fields, Item, Value};
pub use json_schema::json_schema;
pub use key::{Key, Kind, replacement};
pub use lint::{Lint, Lints};
pub use read::{Raw, RawEntry, RawItem, RawTable, read_toml, read_toml_value};
pub use unit::seconds;
