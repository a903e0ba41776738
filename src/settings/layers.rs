//! The layers that settings come in, each checked by itself: defaults, files, SignalWire's own variables, `USHER__…`.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;

use super::DEFAULT_FILE;
use super::keys::{DEFAULTS, KEYS};
use crate::files;
use crate::schema::{
    Entry, Faults, Fields, Item, Kind, Place, Raw, RawEntry, RawItem, RawTable, Source, Value, check, nearest, quoted,
    read_toml, read_toml_value, replacement,
};

/// The environment variables of this process, or some that a test wants.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

/// Every layer, the later wins.
pub(super) struct Layers {
    pub(super) list: Vec<Fields>,
    /// The dotted names of all that was written anywhere, good or not.
    written: HashSet<String>,
    /// Whether a file could not be read, or is not TOML.
    pub(super) is_incomplete: bool,
}

/// SignalWire's own names for its settings.
const SIGNALWIRE: [(&str, &str); 3] =
    [("SIGNALWIRE_SPACE", "space"), ("SIGNALWIRE_PROJECT_ID", "project_id"), ("SIGNALWIRE_API_TOKEN", "api_token")];

/// A secret and the setting that names a file for it, wherever they stand beside one another.
pub(super) const TWINS: [(&str, &str); 3] =
    [("api_token", "api_token_file"), ("secret", "secret_file"), ("store", "store_file")];

impl Environment {
    /// This process's.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn of_this_process() -> Self {
        Self(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect())
    }

    /// Whether a variable gives real credentials of SignalWire's.
    #[must_use]
    pub fn names_signalwire(&self) -> Option<&str> {
        let names = |name: &&String| {
            let name = name.to_uppercase();
            name.starts_with("SIGNALWIRE_") || name == "USHER__SIGNALWIRE" || name.starts_with("USHER__SIGNALWIRE__")
        };
        self.0.keys().find(names).map(String::as_str)
    }

    /// A variable's value, if it is there, is text and is not empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

pub(super) fn load(files: &[PathBuf], environment: &Environment, faults: &mut Faults) -> Layers {
    let mut layers = Layers { list: Vec::new(), written: HashSet::new(), is_incomplete: false };
    layers.add_toml(&Source::confidential_file("the built-in defaults", DEFAULTS), faults);
    if files.is_empty() {
        match std::fs::read_to_string(DEFAULT_FILE) {
            Ok(text) => layers.add_toml(&Source::confidential_file(DEFAULT_FILE, text), faults),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => layers.unreadable(Path::new(DEFAULT_FILE), &error, faults),
        }
    }
    for path in files {
        match std::fs::read_to_string(path) {
            Ok(text) => layers.add_toml(&Source::confidential_file(path.display().to_string(), text), faults),
            Err(error) => layers.unreadable(path, &error, faults),
        }
    }
    for (variable, setting) in SIGNALWIRE {
        if let Some(value) = environment.0.get(variable) {
            let path = ["signalwire".to_owned(), setting.to_owned()];
            layers.add_variable(variable, &path, value, faults);
        }
    }
    let before = layers.list.len();
    for (name, value) in &environment.0 {
        if let Some(rest) = name.strip_prefix("USHER__") {
            let path: Vec<_> = rest.split("__").map(str::to_lowercase).collect();
            layers.add_variable(name, &path, value, faults);
        }
    }
    layers.check_twins_across(before, faults);
    layers
}

impl Layers {
    /// A setting's value in force, if it is set anywhere.
    pub(super) fn find(&self, path: &[&str]) -> Option<&Item> {
        self.list.iter().rev().find_map(|layer| find(layer, path))
    }

    /// Where it stands.
    pub(super) fn place(&self, path: &[&str]) -> Place {
        self.find(path).map_or_else(|| Place::whole(&Source::named(path.join("."))), |item| item.place.clone())
    }

    /// The last list of tables that is set under a name; none where no layer has one that can be read.
    pub(super) fn tables(&self, path: &[&str]) -> Option<Vec<&Fields>> {
        match &self.find(path)?.value {
            Value::List(items) => Some(items.iter().filter_map(Item::as_table).collect()),
            _ => None,
        }
    }

    /// A secret from the file that a setting names.
    pub(super) fn read_secret(&self, path: &str, setting: &[&str], faults: &mut Faults) -> Option<SecretString> {
        let told = |why| {
            let advice = "name a file that holds the secret and nothing else";
            faults.add(&self.place(setting), format!("{}: {why}", setting.join(".")), advice);
        };
        files::read_secret(Path::new(path)).map_err(told).ok()
    }

    /// Whether anybody wrote a setting, rightly or not.
    pub(super) fn has(&self, dotted: &str) -> bool {
        self.written.contains(dotted)
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error, faults: &mut Faults) {
        let place = Place::whole(&Source::named(path.display().to_string()));
        faults.add(&place, format!("this file cannot be read: {error}"), "name a settings file that is there");
        self.is_incomplete = true;
    }

    fn add_toml(&mut self, source: &Arc<Source>, faults: &mut Faults) {
        match read_toml(source, faults) {
            Some(document) => self.add(&document, faults),
            None => self.is_incomplete = true,
        }
    }

    fn add_variable(&mut self, name: &str, path: &[String], value: &OsString, faults: &mut Faults) {
        let source = Source::named(name);
        let place = Place::whole(&source);
        let Some(kind) = kind_of(path, &place, faults) else { return };
        let key = path.join(".");
        self.written.insert(key.clone());
        let Some(text) = value.to_str() else {
            return faults.add_about(&key, &place, "this is not UTF-8", "write it in UTF-8");
        };
        let item = match from_text(&source, text, kind) {
            Ok(item) => item,
            Err(why) => {
                let advice = format!("write {}; lists and tables as TOML, as in [\"a\", \"b\"]", kind.wanted());
                let message = if why.is_empty() { String::new() } else { format!(": {why}") };
                return faults.add_about(&key, &place, format!("this cannot be read{message}"), advice);
            }
        };
        let document = path.iter().rev().fold(item, |item, key| {
            let entry = RawEntry { key: key.clone(), key_place: place.clone(), item };
            RawItem { place: place.clone(), raw: Raw::Table(RawTable { entries: vec![entry] }) }
        });
        self.add(&document, faults);
    }

    fn add(&mut self, document: &RawItem, faults: &mut Faults) {
        note_written(document, "", &mut self.written);
        let fields = check(document, KEYS, faults);
        check_twins(&fields, "", faults);
        self.list.push(fields);
    }

    /// All variables are one layer, in which a secret and its file are not both set.
    fn check_twins_across(&self, from: usize, faults: &mut Faults) {
        let variables = self.list.get(from..).unwrap_or_default();
        for (secret, file) in TWINS {
            let entry = |name: &str| variables.iter().find_map(|layer| layer.table("signalwire")?.text(name));
            if let (Some(_), Some((_, place))) = (entry(secret), entry(file)) {
                twins_are_set(secret, file, "signalwire.", place, faults);
            }
        }
    }
}

fn find<'a>(layer: &'a Fields, path: &[&str]) -> Option<&'a Item> {
    let (first, rest) = path.split_first()?;
    let item = layer.get(first)?;
    if rest.is_empty() { Some(item) } else { find(item.as_table()?, rest) }
}

fn note_written(item: &RawItem, prefix: &str, written: &mut HashSet<String>) {
    let Raw::Table(table) = &item.raw else { return };
    for entry in &table.entries {
        let name = format!("{prefix}{}", entry.key);
        note_written(&entry.item, &format!("{name}."), written);
        written.insert(name);
    }
}

fn check_twins(fields: &Fields, prefix: &str, faults: &mut Faults) {
    for (secret, file) in TWINS {
        if let (Some(_), Some(item)) = (fields.get(secret), fields.get(file)) {
            twins_are_set(secret, file, prefix, &item.place, faults);
        }
    }
    for Entry { key, item, .. } in &fields.entries {
        let prefix = format!("{prefix}{key}.");
        match &item.value {
            Value::Table(table) => check_twins(table, &prefix, faults),
            Value::List(items) => {
                items.iter().filter_map(Item::as_table).for_each(|table| check_twins(table, &prefix, faults));
            }
            _ => {}
        }
    }
}

fn twins_are_set(secret: &str, file: &str, prefix: &str, place: &Place, faults: &mut Faults) {
    let message = format!("{} is set beside {}", quoted(file), quoted(secret));
    faults.add_about(&format!("{prefix}{file}"), place, message, "set one of the two");
}

/// What the setting that a variable names wants.
fn kind_of(path: &[String], place: &Place, faults: &mut Faults) -> Option<&'static Kind> {
    let mut keys = KEYS;
    for (depth, name) in path.iter().enumerate() {
        let Some(key) = keys.iter().find(|key| key.name == name) else {
            let known = keys.iter().map(|key| key.name);
            let advice = match (replacement(name, keys), nearest(name, known.clone())) {
                (Some((key, about)), _) => format!("{} has replaced it: {about}", quoted(&key.to_uppercase())),
                (None, Some(near)) => format!("did you mean {}?", quoted(&near.to_uppercase())),
                (None, None) => {
                    format!("the names here are {}", known.map(str::to_uppercase).collect::<Vec<_>>().join(", "))
                }
            };
            // All variables are one layer: this one may have been meant for any setting.
            faults.add(place, format!("there is no setting {} here", quoted(&name.to_uppercase())), advice);
            return None;
        };
        match &key.kind {
            kind if depth + 1 == path.len() => return Some(kind),
            Kind::Table(below) | Kind::OrWord(_, Kind::Table(below)) => keys = below,
            _ => {
                let message = format!("the setting {} has nothing below it here", quoted(name));
                let advice = "set a list of tables as one TOML value, as in [{name = \"app\"}]";
                faults.add_about(&path.join("."), place, message, advice);
                return None;
            }
        }
    }
    None
}

/// A variable's text as what the setting wants, or why it is not; secrets and texts are never parsed.
fn from_text(source: &Arc<Source>, text: &str, kind: &'static Kind) -> Result<RawItem, String> {
    let raw = match kind {
        Kind::Boolean => Raw::Boolean(text.parse().map_err(|_| String::new())?),
        Kind::Integer(..) => Raw::Integer(text.parse().map_err(|_| String::new())?),
        Kind::List { .. } if text.trim().is_empty() => Raw::List(Vec::new()),
        Kind::List { .. } if !text.trim_start().starts_with('[') => {
            let items = text
                .split(',')
                .map(|part| RawItem { place: Place::whole(source), raw: Raw::Text(part.trim().to_owned()) });
            Raw::List(items.collect())
        }
        Kind::List { .. } | Kind::Table(_) | Kind::Tables(_) | Kind::Map(_) => return read_toml_value(source, text),
        Kind::OrWord(word, kind) if text != *word => return from_text(source, text, kind),
        _ => Raw::Text(text.to_owned()),
    };
    Ok(RawItem { place: Place::whole(source), raw })
}
