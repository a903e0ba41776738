//! What to write in place of a value that is not of its kind, or of a name that is none.

use std::cmp::Reverse;

use super::fault::quoted;
use super::key::{Key, Kind};
use super::read::{Raw, RawItem};
use super::unit::instead_of_duration;

/// How long a text is that advice repeats.
const MOST_SHOWN: usize = 80;

/// What stands there, as a person would call it; a text only where it cannot be secret.
pub(super) fn found(kind: &Kind, raw: &Raw) -> String {
    // A secret is never shown, and neither is what stands in its place or in that of a table that could hold one.
    let hides = matches!(kind, Kind::Secret | Kind::Text | Kind::Table(_) | Kind::Tables(_));
    match raw {
        Raw::Text(text) if matches!(kind, Kind::Integer(..)) && text.parse::<i64>().is_ok() => {
            format!("the string {}", quoted(text))
        }
        Raw::Text(text) if !hides => quoted(text),
        Raw::Integer(integer) if matches!(kind, Kind::Integer(..)) => integer.to_string(),
        other => described(other).to_owned(),
    }
}

pub(super) fn described(raw: &Raw) -> &'static str {
    match raw {
        Raw::Text(text) if text.is_empty() => "an empty string",
        Raw::Text(_) => "a string",
        Raw::Integer(_) => "an integer",
        Raw::Float(float) if !float.is_finite() => "no finite number",
        Raw::Float(_) => "a number with a point",
        Raw::Boolean(_) => "a boolean",
        Raw::Datetime => "a date or a time",
        Raw::List(_) => "a list",
        Raw::Table(_) => "a table",
        Raw::LongInteger => "an integer that does not fit into 64 bits",
    }
}

/// What to write instead. `path` leads to the value.
pub(super) fn instead(kind: &Kind, raw: &RawItem, path: &[String]) -> String {
    let fitting = match (kind, &raw.raw) {
        (Kind::Table(_) | Kind::Map(_) | Kind::Tables(_), found) if raw.place.is_in_text() => {
            Some(as_table(kind, found, raw, path))
        }
        (_, Raw::Table(_)) if is_dotted(raw) => {
            let whole = quoted(&format!("\"{}.…\"", path.last().map_or("", String::as_str)));
            Some(format!("a dot in a key opens a table: put the whole key in quotes, as in {whole}"))
        }
        (Kind::Word(words), Raw::Text(text)) => word_meant(words, text),
        (Kind::List { of, .. }, Raw::Text(text)) => as_list(of, text),
        (Kind::Duration { .. }, Raw::Text(text)) if text.len() <= MOST_SHOWN => instead_of_duration(text),
        (Kind::Duration { .. }, Raw::Integer(number)) if raw.place.is_in_text() => {
            instead_of_duration(&number.to_string()).map(|advice| format!("{advice}, in quotes"))
        }
        (Kind::Integer(..), Raw::Text(text))
            if text.parse().is_ok_and(|n| kind.read_scalar(&Raw::Integer(n)).is_some()) =>
        {
            Some(format!("write {text} without quotes"))
        }
        (
            Kind::Text | Kind::Scalar,
            Raw::Integer(_) | Raw::LongInteger | Raw::Boolean(_) | Raw::Float(_) | Raw::Datetime,
        ) if raw.place.is_in_text() => Some("put it in quotes".to_owned()),
        (Kind::Any, Raw::LongInteger) => Some("write a smaller number".to_owned()),
        _ => None,
    };
    // A variable's text stands without quotes.
    let wanted = if raw.place.is_in_text() { kind.wanted() } else { kind.wanted().replace(", in quotes", "") };
    fitting.unwrap_or_else(|| format!("write {wanted}"))
}

/// The name in `known` that was probably meant, if one is near: of few other letters, or with a word more or less.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = (name.chars().count() / 3).max(1);
    let distance = |candidate: &str| {
        let (name, candidate) = (name.to_lowercase(), candidate.to_lowercase());
        let singular = |word: &str| word.trim_end_matches('s').to_owned();
        let is_part = |part: &str, whole: &str| whole.split('_').any(|word| singular(word) == singular(part));
        match strsim::damerau_levenshtein(&name, &candidate) {
            // One character and another have nothing in common.
            near if near <= far && near < name.chars().count().max(candidate.chars().count()) => Some(near),
            _ if is_part(&name, &candidate) || is_part(&candidate, &name) => Some(far + 1),
            _ => None,
        }
    };
    let near = known.into_iter().filter_map(|candidate| Some((distance(candidate)?, candidate)));
    near.min_by_key(|(distance, candidate)| (*distance, Reverse(candidate.len()))).map(|(_, candidate)| candidate)
}

/// The elements that a text names, with commas between them or alone.
fn as_list(of: &Kind, text: &str) -> Option<String> {
    let elements: Vec<_> = text.split(',').map(str::trim).collect();
    let all_fit = elements.iter().all(|element| of.read_scalar(&Raw::Text((*element).to_owned())).is_some());
    (all_fit && text.len() <= MOST_SHOWN).then(|| format!("write {elements:?}"))
}

/// One of the words, or several of them in one text.
fn word_meant(words: &[&str], text: &str) -> Option<String> {
    if let Some(near) = nearest(text, words.iter().copied()) {
        return Some(format!("did you mean \"{near}\"?"));
    }
    let by_initial = |initial: char| words.iter().copied().find(|word| word.starts_with(initial));
    let parts = text.split(|character: char| !character.is_alphanumeric()).filter(|part| !part.is_empty());
    let several: Option<Vec<_>> = parts.map(|part| words.iter().copied().find(|word| *word == part)).collect();
    let several = several.or_else(|| text.chars().map(by_initial).collect());
    let several: Vec<_> = several?.into_iter().map(|word| format!("\"{word}\"")).collect();
    (several.len() > 1).then(|| format!("write each in quotes of its own: {}", several.join(", ")))
}

fn as_table(kind: &Kind, found: &Raw, raw: &RawItem, path: &[String]) -> String {
    let header = header(path);
    let is_doubled = matches!(found, Raw::List(_)) && raw.place.line_text().trim_start().starts_with("[[");
    let advice = match kind {
        Kind::Map(Kind::Table(_)) => format!("write a table for each, as in [{header}.NAME]"),
        _ if is_doubled => format!("write [{header}] in single brackets, once"),
        Kind::Map(of) => {
            format!(
                "write [{header}] on a line of its own, and below it a line for each, as in \"…\" = {}",
                of.example()
            )
        }
        Kind::Table(keys) => {
            let keys: Vec<_> = keys.iter().map(|key| quoted(key.name)).collect();
            format!("write [{header}] on a line of its own, and below it its keys: {}", keys.join(", "))
        }
        _ => format!("write [[{header}]] on a line of its own for each of them, and its keys below it"),
    };
    if matches!(found, Raw::Boolean(false)) { format!("take it out, or {advice}") } else { advice }
}

/// Whether a table stands there only because there is a dot in a key.
fn is_dotted(raw: &RawItem) -> bool {
    let text = raw.place.span.clone().and_then(|span| raw.place.source.text().get(span));
    text.is_some_and(|text| !text.starts_with(['{', '[']))
}

/// How a key that is missing is written.
pub(super) fn sample(key: &Key, path: &[String]) -> String {
    let header = header(&[path, &[key.name.to_owned()]].concat());
    match key.kind {
        Kind::Table(_) | Kind::Map(_) => format!("[{header}]"),
        Kind::Tables(_) => format!("[[{header}]]"),
        Kind::Integer(least, most) if least == most => quoted(&format!("{} = {least}", key.name)),
        _ => quoted(&format!("{} = …", key.name)),
    }
}

/// Keys as they stand in a table's header.
pub(super) fn header(path: &[String]) -> String {
    let is_bare =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let keys = path.iter().map(|key| if is_bare(key) { key.clone() } else { format!("{key:?}") });
    keys.collect::<Vec<_>>().join(".")
}
