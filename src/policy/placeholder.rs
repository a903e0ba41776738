//! Placeholders: which claim, through which filter, and the values that a session gives them. Claims are values, never
//! patterns: nothing here is parsed again.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::chat::{Facts, json};
use crate::schema::{nearest, quoted};

/// The most elements that a claim's list may have.
pub(crate) const MAX_VALUES: usize = 1_000;
/// The most characters that an unfiltered value may have.
const MAX_VALUE_CHARS: usize = 128;
const FILTERS: [&str; 2] = ["b64url", "sha256"];

/// `{sub}`, `{/tenant/id}`, `{issuer}`, `{email|sha256}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placeholder {
    /// As the file has it, without braces and filter.
    text: String,
    claim: Claim,
    filter: Option<Filter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Claim {
    /// The issuer's alias, which is no claim.
    Issuer,
    /// The top-level claim of exactly this name.
    Name(String),
    /// RFC 6901: the first token unescaped, then the rest as it is written.
    Pointer { first: String, rest: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    B64url,
    Sha256,
}

/// What is wrong with a pattern or a placeholder, and what to write instead.
#[derive(Debug, PartialEq)]
pub(super) struct PatternFault {
    pub(super) message: String,
    pub(super) advice: String,
}

/// What a placeholder stands for in one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values {
    /// Those that fit, each once, sorted.
    pub(crate) fitting: Vec<String>,
    /// How many there were, fitting or not, twice or not.
    pub(crate) given: usize,
    /// Whether there was a value, or a list of at most 1,000, and all of it fits. An empty list is whole.
    pub(crate) whole: bool,
}

impl Placeholder {
    /// Reads what stands between the braces.
    pub(super) fn parse(body: &str, separator: char) -> Result<Self, PatternFault> {
        let (text, filter) = match body.rsplit_once('|') {
            Some((text, name)) => (text, Some(parse_filter(name, separator)?)),
            None => (body, None),
        };
        if FILTERS.iter().any(|filter| text.ends_with(&format!("|{filter}"))) {
            return fault("two filters on one placeholder", "write one of them: |b64url or |sha256");
        }
        if text.is_empty() {
            return fault("a placeholder without a name", "write {sub} or {/tenant/id}");
        }
        if text.contains('{') {
            return fault("a `{` within a placeholder", "close the one before it opens the next");
        }
        if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
            return fault("white space within the braces", format!("write {{{}}}", text.trim()));
        }
        let claim = match text.strip_prefix('/') {
            Some(_) => parse_pointer(text)?,
            None if text == "issuer" => Claim::Issuer,
            None => Claim::Name(text.to_owned()),
        };
        Ok(Self { text: text.to_owned(), claim, filter })
    }

    pub(crate) fn is_issuer(&self) -> bool {
        self.claim == Claim::Issuer
    }

    /// Whether both stand for the same values in every session, however they are written.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let path = |placeholder: &Self| match &placeholder.claim {
            Claim::Issuer => None,
            Claim::Name(name) => Some((name.clone(), String::new())),
            Claim::Pointer { first, rest } => Some((first.clone(), rest.clone())),
        };
        self.filter == other.filter && path(self) == path(other)
    }

    /// Whether a value goes through a filter.
    pub(crate) fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    /// The claim as the file writes it.
    pub(crate) fn claim(&self) -> &str {
        &self.text
    }

    /// The fewest characters that a value of it can have.
    pub(super) fn least_chars(&self) -> usize {
        match self.filter {
            None => 1,
            Some(Filter::B64url) => 2,
            Some(Filter::Sha256) => 64,
        }
    }

    /// What the session gives it.
    pub(crate) fn values(&self, facts: &Facts, separator: char) -> Values {
        if self.claim == Claim::Issuer {
            return facts.issuer().map_or_else(Values::default, |alias| self.collect([&Value::from(alias)], separator));
        }
        match self.claim_of(facts) {
            // INVARIANT: of a list that is too long nothing is used, rather than its beginning.
            Some(Value::Array(list)) if list.len() > MAX_VALUES => Values::default(),
            Some(Value::Array(list)) => self.collect(list, separator),
            Some(single) => self.collect([single], separator),
            None => Values::default(),
        }
    }

    /// The value, where the session gives exactly one and it fits.
    pub(super) fn only<'a>(&self, facts: &'a Facts, separator: char) -> Option<Cow<'a, str>> {
        if self.claim == Claim::Issuer {
            return self.fitting_text(facts.issuer()?.into(), separator);
        }
        match self.claim_of(facts)? {
            Value::Array(list) => match list.as_slice() {
                [one] => self.fitting(one, separator),
                _ => None,
            },
            single => self.fitting(single, separator),
        }
    }

    /// A claim as it is, for the state: no segment rule applies.
    pub(super) fn plain_value<'a>(&self, facts: &'a Facts) -> Option<Cow<'a, Value>> {
        let value = match self.claim {
            Claim::Issuer => Cow::Owned(Value::from(facts.issuer()?)),
            _ => Cow::Borrowed(self.claim_of(facts)?),
        };
        match self.filter {
            None => Some(value),
            Some(filter) => {
                text_of(&value).filter(|text| !text.is_empty()).map(|text| Cow::Owned(filter.apply(&text).into()))
            }
        }
    }

    /// The claim itself; none for the issuer's alias, which is none.
    pub(crate) fn claim_of<'a>(&self, facts: &'a Facts) -> Option<&'a Value> {
        match &self.claim {
            Claim::Issuer => None,
            Claim::Name(name) => facts.claims.get(name),
            Claim::Pointer { first, rest } => facts.claims.get(first).and_then(|value| value.pointer(rest)),
        }
    }

    fn collect<'a>(&self, given: impl IntoIterator<Item = &'a Value>, separator: char) -> Values {
        let mut values = Values { whole: true, ..Values::default() };
        for value in given {
            values.given += 1;
            match self.fitting(value, separator) {
                Some(text) => values.fitting.push(text.into_owned()),
                None => values.whole = false,
            }
        }
        values.fitting.sort_unstable();
        values.fitting.dedup();
        values
    }

    fn fitting<'a>(&self, value: &'a Value, separator: char) -> Option<Cow<'a, str>> {
        self.fitting_text(text_of(value)?, separator)
    }

    fn fitting_text<'a>(&self, text: Cow<'a, str>, separator: char) -> Option<Cow<'a, str>> {
        match self.filter {
            Some(filter) => (!text.is_empty()).then(|| filter.apply(&text).into()),
            None => fits_a_segment(&text, separator).then_some(text),
        }
    }
}

impl Values {
    pub(crate) fn has(&self, segment: &str) -> bool {
        self.fitting.binary_search_by(|value| value.as_str().cmp(segment)).is_ok()
    }
}

impl std::fmt::Display for Placeholder {
    /// As the file has it, braces and filter included.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let filter = match self.filter {
            None => "",
            Some(Filter::B64url) => "|b64url",
            Some(Filter::Sha256) => "|sha256",
        };
        write!(formatter, "{{{}{filter}}}", self.text)
    }
}

impl Filter {
    fn apply(self, text: &str) -> String {
        match self {
            Self::B64url => URL_SAFE_NO_PAD.encode(text),
            Self::Sha256 => format!("{:x}", Sha256::digest(text)),
        }
    }
}

/// A string, or an integer of 64 bits as its digits.
fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string().into()),
        _ => None,
    }
}

/// 1 to 128 printable ASCII characters, no space, no separator, no `*`, `{` or `}`.
fn fits_a_segment(text: &str, separator: char) -> bool {
    let fits = |character: char| {
        character.is_ascii_graphic() && character != separator && !matches!(character, '*' | '{' | '}')
    };
    (1..=MAX_VALUE_CHARS).contains(&text.len()) && text.chars().all(fits)
}

fn parse_filter(name: &str, separator: char) -> Result<Filter, PatternFault> {
    match name {
        "b64url" if matches!(separator, '-' | '_') => {
            let advice = "use |sha256, or another separator for the policy";
            fault(format!("base64url text may hold the separator `{separator}`"), advice)
        }
        "b64url" => Ok(Filter::B64url),
        "sha256" => Ok(Filter::Sha256),
        "" => fault("a `|` without a filter behind it", "take it out, or write |b64url or |sha256"),
        other => {
            let advice = match nearest(other, FILTERS) {
                Some(near) => format!("did you mean |{near}?"),
                None => "the filters are |b64url and |sha256".to_owned(),
            };
            fault(format!("there is no filter {}", quoted(other)), advice)
        }
    }
}

fn parse_pointer(pointer: &str) -> Result<Claim, PatternFault> {
    if !json::is_pointer(pointer) {
        return fault("a `~` in a JSON Pointer is followed by 0 or 1", "write ~0 for `~` and ~1 for `/` in a name");
    }
    let (first, rest) = json::split_pointer(pointer);
    Ok(Claim::Pointer { first, rest: rest.to_owned() })
}

pub(super) fn fault<T>(message: impl Into<String>, advice: impl Into<String>) -> Result<T, PatternFault> {
    Err(PatternFault { message: message.into(), advice: advice.into() })
}
