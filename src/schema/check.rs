//! The walk: a raw document against a table of keys, into values that are what the table says.

use std::collections::HashSet;

use super::advice::{described, found, header, instead, nearest, sample};
use super::fault::{Faults, Place, quoted};
use super::fields::{Entry, Fields, Item, Value};
use super::key::{Key, Kind, replacement};
use super::read::{Raw, RawEntry, RawItem, RawTable};

/// Checks a document against the keys that it may have. What is at fault is noted and left out.
#[must_use]
pub fn check(document: &RawItem, keys: &'static [Key], faults: &mut Faults) -> Fields {
    let mut walk = Walk { faults, path: Vec::new(), within: Vec::new(), meant: Vec::new() };
    match &document.raw {
        Raw::Table(table) => walk.table(table, keys, &document.place),
        _ => Fields { place: document.place.clone(), entries: Vec::new(), whole: false, lost: Vec::new() },
    }
}

struct Walk<'a> {
    faults: &'a mut Faults,
    /// The keys that lead to where the walk is.
    path: Vec<String>,
    /// The tables that it is in, from the outermost: how many keys lead there, and which keys each may have.
    within: Vec<(usize, &'static [Key])>,
    /// The keys that somebody meant who wrote another name, or the right one further in: in which of those tables.
    meant: Vec<(usize, &'static str)>,
}

impl Walk<'_> {
    fn table(&mut self, table: &RawTable, keys: &'static [Key], place: &Place) -> Fields {
        self.within.push((self.path.len(), keys));
        let mut entries = Vec::new();
        for raw in &table.entries {
            match keys.iter().find(|key| key.name == raw.key) {
                Some(key) => entries.extend(self.entry(raw, &key.kind)),
                None => self.unknown_key(raw, keys),
            }
        }
        self.within.pop();
        let here = self.within.len();
        let meant: Vec<_> = self.meant.extract_if(.., |(table, _)| *table == here).map(|(_, name)| name).collect();
        let (mut lost, mut missing) = (Vec::new(), Vec::new());
        for key in keys.iter().filter(|key| !entries.iter().any(|entry| entry.key == key.name)) {
            let is_written = table.entries.iter().any(|entry| entry.key == key.name);
            let is_meant = meant.contains(&key.name);
            if is_written || is_meant { lost.push(key.name) } else { missing.push(key) }
        }
        for key in missing.into_iter().filter(|key| key.required) {
            let advice = format!("write {}: {}", sample(key, &self.path), key.about);
            self.fault(place, &format!("{} is missing", quoted(key.name)), advice);
        }
        let whole = entries.len() == table.entries.len() && lost.is_empty();
        Fields { place: place.clone(), entries, whole, lost }
    }

    fn unknown_key(&mut self, raw: &RawEntry, keys: &'static [Key]) {
        let known = keys.iter().map(|key| key.name);
        let advice = if let Some((key, about)) = replacement(&raw.key, keys) {
            format!("{} has replaced it: {about}", quoted(key))
        } else if let Some(near) = nearest(&raw.key, known.clone()) {
            self.meant.push((self.within.len() - 1, near));
            format!("did you mean {}?", quoted(near))
        } else if let Some(home) = self.home_of(raw) {
            format!("{}: {}", belongs(&home, raw), write_there(&home, raw))
        } else {
            let takers = self.takers(&raw.item, keys);
            let are = if keys.len() == 1 { "the only key here is" } else { "the keys here are" };
            takers.unwrap_or_else(|| format!("{are} {}", known.map(quoted).collect::<Vec<_>>().join(", ")))
        };
        self.fault(&raw.key_place, &format!("there is no key {} here", quoted(&raw.key)), advice);
    }

    /// The keys that lead to where a key belongs: to one of the tables around, or to any other.
    fn home_of(&mut self, raw: &RawEntry) -> Option<Vec<String>> {
        if let Some((table, home, key)) = self.around(&raw.key, 1) {
            self.meant.push((table, key.name));
            return Some(home);
        }
        let (_, all) = self.within.first()?;
        path_to(&raw.key, all, &[])
    }

    /// The innermost table around, but for the first few, that has a key of this name: its place in `within`, and the keys
    /// that lead there.
    fn around(&self, name: &str, but: usize) -> Option<(usize, Vec<String>, &'static Key)> {
        self.within.iter().enumerate().rev().skip(but).find_map(|(table, (depth, keys))| {
            let key = keys.iter().find(|key| key.name == name)?;
            Some((table, self.path.get(..*depth)?.to_vec(), key))
        })
    }

    /// What the keys here are that would take the value as one of their own, or whole.
    fn takers(&self, raw: &RawItem, keys: &'static [Key]) -> Option<String> {
        let maps = || keys.iter().filter_map(|key| if let Kind::Map(of) = &key.kind { Some((key, *of)) } else { None });
        let here: Vec<_> = maps().filter(|(key, _)| takes(&key.kind, raw)).map(|(key, _)| quoted(key.name)).collect();
        if !here.is_empty() {
            return Some(format!("did you mean {}?", here.join(" or ")));
        }
        let below = maps().filter(|(_, of)| takes(of, raw));
        let below: Vec<_> = below.map(|(key, _)| sample(key, &self.path)).collect();
        (!below.is_empty()).then(|| format!("write it below {}", below.join(" or ")))
    }

    /// Notes a fault of what the keys so far lead to.
    fn fault(&mut self, place: &Place, message: &str, advice: impl Into<String>) {
        let key = self.path.join(".");
        let path = key.escape_debug();
        let message = if key.is_empty() { message.to_owned() } else { format!("{path}: {message}") };
        self.faults.add_about(&key, place, message, advice);
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
                let value = kind.read_scalar(scalar);
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
            if let Some(home) = self.misplaced(raw, of) {
                self.fault(&raw.key_place, &belongs(&home, raw), write_there(&home, raw));
            } else {
                entries.extend(self.entry(raw, of));
            }
        }
        let whole = entries.len() == table.entries.len();
        Fields { place: place.clone(), entries, whole, lost: Vec::new() }
    }

    /// The keys that lead to where a key belongs that is none of the writer's own: it is one of a table around, and its
    /// value is at home there.
    fn misplaced(&mut self, raw: &RawEntry, of: &'static Kind) -> Option<Vec<String>> {
        let (table, home, key) = self.around(&raw.key, 0)?;
        let is_at_home = has_shape(&key.kind, &raw.item.raw);
        let fits_here = has_shape(of, &raw.item.raw) && (matches!(of, Kind::Table(_)) || takes(of, &raw.item));
        if !is_at_home || fits_here {
            return None;
        }
        self.meant.push((table, key.name));
        Some(home)
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

/// Whether a value is of a kind, without a word about why not.
fn takes(kind: &'static Kind, raw: &RawItem) -> bool {
    let mut faults = Faults::default();
    let mut trial = Walk { faults: &mut faults, path: Vec::new(), within: Vec::new(), meant: Vec::new() };
    trial.item(raw, kind, &raw.place).is_some() && faults.is_empty()
}

/// The keys that lead to a table that has a key of this name.
fn path_to(name: &str, keys: &'static [Key], path: &[String]) -> Option<Vec<String>> {
    let below = |key: &'static Key| {
        let own = [path, &[key.name.to_owned()]].concat();
        match &key.kind {
            Kind::Table(keys) | Kind::OrWord(_, Kind::Table(keys)) | Kind::Tables(keys) => path_to(name, keys, &own),
            Kind::Map(Kind::Table(keys)) => path_to(name, keys, &[own.as_slice(), &["NAME".to_owned()]].concat()),
            _ => None,
        }
    };
    let is_here = keys.iter().any(|key| key.name == name);
    is_here.then(|| path.to_vec()).or_else(|| keys.iter().find_map(below))
}

/// Where a key belongs.
fn belongs(home: &[String], raw: &RawEntry) -> String {
    let key = quoted(&raw.key);
    if home.is_empty() {
        format!("{key} belongs at the top of the file")
    } else {
        format!("{key} is a key of [{}]", header(home))
    }
}

/// How a key comes to stand in the table that `home` leads to.
fn write_there(home: &[String], raw: &RawEntry) -> String {
    if matches!(raw.item.raw, Raw::Table(_)) {
        format!("write [{}]", header(&[home, std::slice::from_ref(&raw.key)].concat()))
    } else if home.is_empty() {
        "write it above the first [table]".to_owned()
    } else {
        format!("write it right below [{}], above any other header", header(home))
    }
}

/// Whether a value looks like one of a kind, good or not.
fn has_shape(kind: &Kind, raw: &Raw) -> bool {
    match (kind, raw) {
        (Kind::Any, _) => true,
        (Kind::Table(_) | Kind::Map(_), found) => matches!(found, Raw::Table(_)),
        (Kind::List { .. } | Kind::Tables(_), found) => matches!(found, Raw::List(_)),
        (Kind::Boolean, found) => matches!(found, Raw::Boolean(_)),
        (Kind::Integer(..), found) => matches!(found, Raw::Integer(_)),
        (_, found) => matches!(found, Raw::Text(_)),
    }
}
