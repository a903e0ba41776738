//! What a placeholder stands for, the slow way: a claim looked up by hand, checked and filtered by hand. Must not know
//! patterns, roles, or anything of the real evaluator.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use usher::chat::{Facts, Who};

/// A placeholder, braces off.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hole {
    pub(super) source: Source,
    pub(super) filter: Filter,
}

/// Where a placeholder's value is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The issuer's alias.
    Issuer,
    /// The top-level claim of exactly this name.
    Claim(String),
    /// A JSON Pointer's tokens, their escapes undone.
    Pointer(Vec<String>),
}

/// What is done to each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Filter {
    Plain,
    B64url,
    Sha256,
}

/// What was found where a placeholder points.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) shape: Shape,
    /// The values that fit, for a rule that allows.
    pub(super) values: BTreeSet<String>,
    /// Why others do not.
    pub(super) misfits: BTreeSet<&'static str>,
}

/// What a claim is, whether or not it fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Absent,
    Null,
    One,
    /// So many elements.
    List(usize),
    OverLong,
}

/// One session's claims. What a placeholder stands for is found out once: a list of 1,000 takes its time.
pub(super) struct Claims<'a> {
    pub(super) facts: &'a Facts,
    pub(super) separator: char,
    known: RefCell<HashMap<Hole, Rc<Reading>>>,
}

impl<'a> Claims<'a> {
    pub(super) fn new(facts: &'a Facts, separator: char) -> Self {
        Self { facts, separator, known: RefCell::default() }
    }

    /// What a placeholder stands for.
    pub(super) fn reading(&self, hole: &Hole) -> Rc<Reading> {
        let mut known = self.known.borrow_mut();
        let reading = known.entry(hole.clone()).or_insert_with(|| Rc::new(hole.reading(self.facts, self.separator)));
        Rc::clone(reading)
    }
}

impl Hole {
    /// Reads what stands between two braces.
    pub(super) fn read(inside: &str) -> Result<Self, String> {
        let (name, filter) = match inside.split_once('|') {
            None => (inside, Filter::Plain),
            Some((name, "b64url")) => (name, Filter::B64url),
            Some((name, "sha256")) => (name, Filter::Sha256),
            Some((_, other)) => return Err(format!("no filter is called {other}")),
        };
        if name.is_empty() || name.trim() != name {
            return Err(format!("{{{inside}}} names no claim"));
        }
        let source = if name == "issuer" {
            Source::Issuer
        } else if let Some(path) = name.strip_prefix('/') {
            Source::Pointer(path.split('/').map(unescaped).collect::<Result<_, _>>()?)
        } else {
            Source::Claim(name.to_owned())
        };
        Ok(Self { source, filter })
    }

    pub(super) fn is_issuer(&self) -> bool {
        self.source == Source::Issuer
    }

    /// The claim's JSON as it is; the alias as a string.
    pub(super) fn found<'a>(&self, facts: &'a Facts) -> Option<Cow<'a, Value>> {
        match &self.source {
            Source::Issuer => match &facts.who {
                Who::Known { issuer } => Some(Cow::Owned(Value::String(issuer.clone()))),
                Who::Guest { .. } => None,
            },
            Source::Claim(name) => facts.claims.get(name).map(Cow::Borrowed),
            Source::Pointer(tokens) => {
                let mut here = facts.claims.get(&tokens[0])?;
                for token in &tokens[1..] {
                    here = match here {
                        Value::Object(members) => members.get(token)?,
                        Value::Array(elements) => elements.get(index(token)?)?,
                        _ => return None,
                    };
                }
                Some(Cow::Borrowed(here))
            }
        }
    }

    /// What it stands for in one session.
    fn reading(&self, facts: &Facts, separator: char) -> Reading {
        let found = self.found(facts);
        let (shape, elements) = match found.as_deref() {
            None => (Shape::Absent, &[][..]),
            Some(Value::Null) => (Shape::Null, &[][..]),
            Some(Value::Array(elements)) if elements.len() > 1_000 => (Shape::OverLong, &[][..]),
            Some(Value::Array(elements)) => (Shape::List(elements.len()), &elements[..]),
            Some(value) => (Shape::One, std::slice::from_ref(value)),
        };
        let mut reading = Reading { shape, values: BTreeSet::new(), misfits: BTreeSet::new() };
        for element in elements {
            match self.fitted(element, separator) {
                Ok(value) => drop(reading.values.insert(value)),
                Err(why) => drop(reading.misfits.insert(why)),
            }
        }
        reading
    }

    /// What a filter makes of a string or an integer; nothing of another value, nor of an empty text.
    pub(super) fn filtered(&self, value: &Value) -> Option<String> {
        if self.filter == Filter::Plain { None } else { self.fitted(value, ':').ok() }
    }

    /// One value as it stands in a name.
    fn fitted(&self, value: &Value, separator: char) -> Result<String, &'static str> {
        let text = text_of(value)?;
        if text.is_empty() {
            return Err("misfit: an empty text");
        }
        match self.filter {
            Filter::Plain => fits(&text, separator).map(|()| text),
            Filter::B64url => Ok(b64url(text.as_bytes())),
            Filter::Sha256 => Ok(hex(&Sha256::digest(text.as_bytes()))),
        }
    }
}

impl Reading {
    /// Whether a rule that denies must take any segment for one of the values.
    pub(super) fn denies_anything(&self) -> bool {
        !matches!(self.shape, Shape::One | Shape::List(_)) || !self.misfits.is_empty()
    }

    /// The value, where there is exactly one.
    pub(super) fn only(&self) -> Option<&str> {
        let is_one = matches!(self.shape, Shape::One | Shape::List(1));
        if is_one { self.values.first().map(String::as_str) } else { None }
    }
}

fn unescaped(token: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        match (character, if character == '~' { characters.next() } else { None }) {
            ('~', Some('0')) => text.push('~'),
            ('~', Some('1')) => text.push('/'),
            ('~', _) => return Err(format!("{token} has a ~ that is neither ~0 nor ~1")),
            (other, _) => text.push(other),
        }
    }
    Ok(text)
}

/// RFC 6901 §4: digits without a leading zero.
fn index(token: &str) -> Option<usize> {
    let is_number = !token.is_empty() && token.chars().all(|character| character.is_ascii_digit());
    let is_short = token == "0" || !token.starts_with('0');
    if is_number && is_short { token.parse().ok() } else { None }
}

fn text_of(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        Value::Number(number) if number.as_f64().is_some_and(|float| float.abs() >= 9e18) => {
            Err("misfit: a big integer")
        }
        Value::Number(_) => Err("misfit: a float"),
        Value::Bool(_) => Err("misfit: a boolean"),
        Value::Null => Err("misfit: a null in a list"),
        Value::Array(_) => Err("misfit: a list in a list"),
        Value::Object(_) => Err("misfit: an object"),
    }
}

fn fits(text: &str, separator: char) -> Result<(), &'static str> {
    for character in text.chars() {
        match character {
            _ if !character.is_ascii() => return Err("misfit: not ASCII"),
            ' ' => return Err("misfit: a blank"),
            '*' | '{' | '}' => return Err("misfit: a character of patterns"),
            _ if character == separator => return Err("misfit: the separator"),
            '!'..='~' => {}
            _ => return Err("misfit: a control character"),
        }
    }
    if text.len() > 128 { Err("misfit: over 128 characters") } else { Ok(()) }
}

/// Two lowercase digits for each byte.
fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// RFC 4648 §5 without padding: bit by bit.
fn b64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1)).collect();
    let six = |bits: &[u8]| (0..6).fold(0, |sum, place| sum * 2 + usize::from(*bits.get(place).unwrap_or(&0)));
    bits.chunks(6).map(|bits| char::from(ALPHABET[six(bits)])).collect()
}

#[test]
fn filters_give_what_the_rfcs_give() {
    let of = |inside: &str, text: &str| Hole::read(inside).unwrap().fitted(&Value::from(text), ':').unwrap();
    assert_eq!(["f", "fo", "foo", "\u{fb}\u{ff}"].map(|text| of("a|b64url", text)), ["Zg", "Zm8", "Zm9v", "w7vDvw"]);
    assert_eq!(of("a|sha256", "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
