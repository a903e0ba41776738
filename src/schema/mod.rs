//! A table of keys against a document that a person wrote: one walk finds all faults with their places and yields the
//! values. Shared by the policy file and the settings; must not know what the keys mean.

mod check;
mod fault;
mod fields;
mod key;
mod lint;
mod read;

pub use check::{check, seconds};
pub use fault::{Fault, Faults, Place, Source, escaped, nearest, quoted};
pub use fields::{Entry, Fields, Item, Value};
pub use key::{Key, Kind};
pub use lint::{Lint, Lints};
pub use read::{Damage, Raw, RawEntry, RawItem, RawTable, read_toml, read_toml_value};
