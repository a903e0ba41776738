//! The walk: a raw document against a table of keys, into values that are what the table says. Must not know what the
//! keys mean.

use std::collections::HashSet;

use super::advice::{described, found, instead, sample};
use super::damage::Damage;
use super::fault::{Faults, Place, nearest, quoted};
use super::fields::{Entry, Fields, Item, Value};
use super::key::{Key, Kind};
use super::read::{Raw, RawEntry, RawItem, RawTable};
use super::unit::{bytes, seconds};

/// Checks a document against the keys that it may have. What is at fault is noted and left out; what a syntax fault
/// touches is left out in silence.
#[must_use]
pub fn check(document: &RawItem, keys: &'static [Key], damage: &Damage, faults: &mut Faults) -> Fields {
    let mut walk = Walk { damage, faults, path: Vec::new() };
    match &document.raw {
        Raw::Table(table) => walk.table(table, keys, &document.place),
        _ => Fields { place: document.place.clone(), entries: Vec::new(), whole: false, lost: Vec::new() },
    }
}

struct Walk<'a> {
    damage: &'a Damage,
    faults: &'a mut Faults,
    /// The keys that lead to where the walk is.
    path: Vec<String>,
}

impl Walk<'_> {
    fn table(&mut self, table: &RawTable, keys: &'static [Key], place: &Place) -> Fields {
        let mut entries = Vec::new();
        for raw in &table.entries {
            let Some(key) = keys.iter().find(|key| key.name == raw.key) else {
                self.unknown_key(&raw.key, &raw.key_place, keys);
                continue;
            };
            entries.extend(self.entry(raw, &key.kind));
        }
        let (mut lost, mut missing) = (Vec::new(), Vec::new());
        for key in keys.iter().filter(|key| !entries.iter().any(|entry| entry.key == key.name)) {
            let is_written = table.entries.iter().any(|entry| entry.key == key.name);
            if is_written || self.damage.mentions(key.name) { lost.push(key.name) } else { missing.push(key) }
        }
        for key in missing.into_iter().filter(|key| key.required && !self.damage.loses_keys) {
            let advice = format!("write {}: {}", sample(key, &self.path), key.about);
            self.fault(place, &format!("{} is missing", quoted(key.name)), advice);
        }
        let whole = entries.len() == table.entries.len() && lost.is_empty();
        Fields { place: place.clone(), entries, whole, lost }
    }

    fn unknown_key(&mut self, name: &str, place: &Place, keys: &'static [Key]) {
        if self.damage.touches(place) {
            return;
        }
        let known = keys.iter().map(|key| key.name);
        let advice = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean {}?", quoted(near)),
            None => format!("the keys here are {}", known.map(quoted).collect::<Vec<_>>().join(", ")),
        };
        self.fault(place, &format!("there is no key {} here", quoted(name)), advice);
    }

    /// Notes a fault of what the keys so far lead to.
    fn fault(&mut self, place: &Place, message: &str, advice: impl Into<String>) {
        let path = self.path.join(".").escape_debug().to_string();
        let message = if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") };
        self.faults.add(place, message, advice);
    }

    fn entry(&mut self, raw: &RawEntry, kind: &'static Kind) -> Option<Entry> {
        self.path.push(raw.key.clone());
        let item = self.item(&raw.item, kind, &raw.key_place);
        self.path.pop();
        item.map(|item| Entry { key: raw.key.clone(), key_place: raw.key_place.clone(), item })
    }

    fn item(&mut self, raw: &RawItem, kind: &'static Kind, key_place: &Place) -> Option<Item> {
        let value = match (kind, &raw.raw) {
            (Kind::Table(keys), Raw::Table(table)) => Some(Value::Table(self.table(table, keys, key_place))),
            (Kind::Map(of), Raw::Table(table)) => Some(Value::Table(self.map(table, of, key_place))),
            (Kind::Tables(keys), Raw::List(items)) => Some(Value::List(self.tables(items, keys))),
            _ if self.damage.touches(&raw.place) || matches!(raw.raw, Raw::Unreadable) => None,
            (Kind::List { of, distinct, at_least }, Raw::List(items)) => {
                self.list(items, of, *distinct, *at_least, &raw.place).map(Value::List)
            }
            (Kind::Any, Raw::Table(table)) => Some(Value::Table(self.map(table, kind, key_place))),
            (Kind::Any, Raw::List(items)) => self.list(items, kind, false, 0, &raw.place).map(Value::List),
            (Kind::OrWord(word, _), Raw::Text(text)) if text == word => Some(Value::Text(text.clone())),
            (Kind::OrWord(_, other), _) if !matches!(raw.raw, Raw::Text(_)) => {
                return self.item(raw, other, key_place);
            }
            (kind, scalar) => {
                let value = scalar_value(kind, scalar);
                if value.is_none() {
                    self.wrong(kind, raw);
                }
                value
            }
        }?;
        Some(Item { place: raw.place.clone(), value })
    }

    fn map(&mut self, table: &RawTable, of: &'static Kind, place: &Place) -> Fields {
        let mut entries = Vec::new();
        for raw in &table.entries {
            entries.extend(self.entry(raw, of));
        }
        let whole = entries.len() == table.entries.len();
        Fields { place: place.clone(), entries, whole, lost: Vec::new() }
    }

    fn tables(&mut self, items: &[RawItem], keys: &'static [Key]) -> Vec<Item> {
        let mut tables = Vec::new();
        for item in items {
            if let Raw::Table(table) = &item.raw {
                let value = Value::Table(self.table(table, keys, &item.place));
                tables.push(Item { place: item.place.clone(), value });
            } else {
                let message = format!("this is {}, where a table is wanted", described(&item.raw));
                self.fault(&item.place, &message, "write a table for each of them");
            }
        }
        tables
    }

    fn list(
        &mut self,
        raw: &[RawItem],
        of: &'static Kind,
        distinct: bool,
        at_least: usize,
        place: &Place,
    ) -> Option<Vec<Item>> {
        let items: Vec<_> = raw.iter().filter_map(|element| self.item(element, of, place)).collect();
        if raw.len() < at_least {
            let advice = format!("write at least {at_least}: {}", of.wanted());
            self.fault(place, &format!("this list needs at least {at_least} of them"), advice);
        }
        let mut seen = HashSet::new();
        for item in &items {
            if let Some((text, place)) = item.as_text().filter(|(text, _)| distinct && !seen.insert(*text)) {
                self.fault(place, &format!("{} is there twice", quoted(text)), "write it once");
            }
        }
        (items.len() == raw.len() && raw.len() >= at_least).then_some(items)
    }

    fn wrong(&mut self, kind: &Kind, raw: &RawItem) {
        let wanted = kind.wanted();
        // A variable's text stands without quotes.
        let wanted = if raw.place.is_in_text() { wanted } else { wanted.replace(", in quotes", "") };
        let advice = instead(kind, raw, &self.path);
        self.fault(&raw.place, &format!("this is {}, where {wanted} is wanted", found(kind, &raw.raw)), advice);
    }
}

/// A value that is no list and no table, if it is of its kind.
pub(super) fn scalar_value(kind: &Kind, raw: &Raw) -> Option<Value> {
    match (kind, raw) {
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
