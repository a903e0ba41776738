//! Chance from a seed, and the small sets of words and values that worlds are made of, so that they often meet. Must not
//! know either evaluator.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

/// Chance, the same for the same seed.
pub(super) struct Dice {
    rng: StdRng,
    /// A list of exactly as many elements as count, made once.
    pub(super) thousand: Vec<Value>,
}

/// Words that hold no separator at all.
pub(super) const WORDS: &[&str] = &[
    "support", "project", "news", "room", "alice", "bob", "t1", "p1", "p2", "42", "x y", "größe", "A", "lobby",
    "q\"u\\o", "x|~y",
];

/// Values that fit beside some separator at least.
const VALUES: &[&str] =
    &["alice", "bob", "t1", "p1", "p2", "p3", "room", "a|b~", "42", "7", "a.b", "x-y", "u_v", "q#r", "k/l", "m:n"];

/// What a claim may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Good,
    Integer,
    List,
    Mixed,
    Separator,
    Blank,
    Foreign,
    Wild,
    Control,
    Long,
    Float,
    Boolean,
    BigInteger,
    Null,
    EmptyText,
    EmptyList,
    Object,
    OverLong,
    Thousand,
    Absent,
    /// A string that fits nowhere as it stands, and everywhere through a filter.
    Filtered,
}

/// Each kind as often as it stands here.
pub(super) const KINDS: &[Kind] = &[
    Kind::Good,
    Kind::Good,
    Kind::Integer,
    Kind::List,
    Kind::Mixed,
    Kind::Mixed,
    Kind::Mixed,
    Kind::Separator,
    Kind::Separator,
    Kind::Blank,
    Kind::Blank,
    Kind::Foreign,
    Kind::Wild,
    Kind::Wild,
    Kind::Control,
    Kind::Control,
    Kind::Long,
    Kind::Long,
    Kind::Float,
    Kind::Boolean,
    Kind::BigInteger,
    Kind::BigInteger,
    Kind::Null,
    Kind::Null,
    Kind::EmptyText,
    Kind::EmptyList,
    Kind::Object,
    Kind::OverLong,
    Kind::OverLong,
    Kind::Thousand,
    Kind::Thousand,
    Kind::Absent,
    Kind::Filtered,
];

/// What a claim may be that only denials are about.
pub(super) const BANS: &[Kind] = &[
    Kind::Good,
    Kind::List,
    Kind::Mixed,
    Kind::Null,
    Kind::Null,
    Kind::EmptyList,
    Kind::EmptyList,
    Kind::OverLong,
    Kind::OverLong,
    Kind::Thousand,
    Kind::Thousand,
    Kind::Absent,
];

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), thousand: (0..1_000).map(Value::from).collect() }
    }

    /// Less than `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        self.rng.random_range(0..count)
    }

    pub(super) fn between(&mut self, least: i64, most: i64) -> i64 {
        self.rng.random_range(least..=most)
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(super) fn word(&mut self) -> String {
        (*self.pick(WORDS)).to_owned()
    }

    /// Each of them with this chance.
    pub(super) fn some<T: Clone>(&mut self, from: &[T], percent: u32) -> Vec<T> {
        from.iter().filter(|_| self.chance(percent)).cloned().collect()
    }

    /// A claim of one of some kinds.
    pub(super) fn any(&mut self, kinds: &[Kind], separator: char) -> Option<Value> {
        let kind = *self.pick(kinds);
        self.value(kind, separator)
    }

    /// A claim of a kind; nothing for one that is not there.
    pub(super) fn value(&mut self, kind: Kind, separator: char) -> Option<Value> {
        Some(match kind {
            Kind::Good => self.fitting(separator),
            Kind::Integer => {
                json!(*self.pick(&[0, 7, 42, -5, i64::MAX, i64::MIN, 1_000_000_007]))
            }
            Kind::List => Value::Array((0..=self.below(4)).map(|_| self.fitting(separator)).collect()),
            Kind::Mixed => {
                let misfit = *self.pick(&[
                    Kind::Separator,
                    Kind::Blank,
                    Kind::Foreign,
                    Kind::Float,
                    Kind::Boolean,
                    Kind::Null,
                    Kind::Null,
                    Kind::Null,
                    Kind::EmptyText,
                    Kind::EmptyList,
                    Kind::Object,
                ]);
                let mut list = vec![self.fitting(separator), self.fitting(separator), self.value(misfit, separator)?];
                let place = self.below(3);
                list.swap(place, 2);
                Value::Array(list)
            }
            Kind::Separator => json!(format!("p1{separator}p2")),
            Kind::Blank => json!(*self.pick(&["José García", "p1 p2", " ", "p1 ", "x y"])),
            Kind::Foreign => json!(*self.pick(&["größe", "é", "日本", "p1\u{a0}", "\u{200b}"])),
            Kind::Wild => json!(*self.pick(&["*", "**", "{sub}", "p1*", "}", "a{b"])),
            Kind::Control => json!(*self.pick(&["p1\n", "\u{7f}", "\t", "p\u{0}1", "\u{1b}"])),
            Kind::Long => json!("x".repeat(*self.pick(&[128, 129, 129, 240, 254, 255, 300]))),
            Kind::Float => json!(*self.pick(&[1.5, 42.0, -0.0, 1e15, 7.0])),
            Kind::Boolean => json!(self.chance(50)),
            Kind::BigInteger => json!(*self.pick(&[18_446_744_073_709_551_616.0, -1e19, 1e300])),
            Kind::Null => Value::Null,
            Kind::EmptyText => json!(""),
            Kind::EmptyList => json!([]),
            Kind::Object => json!({ "id": "p1" }),
            Kind::OverLong => {
                let mut list = self.thousand.clone();
                list.extend((0..=self.below(2)).map(|_| json!("p1")));
                Value::Array(list)
            }
            Kind::Thousand => Value::Array(self.thousand.clone()),
            Kind::Absent => return None,
            Kind::Filtered => json!(format!("{}é {separator}*", self.pick(VALUES))),
        })
    }

    /// One that fits, most of the time.
    fn fitting(&mut self, separator: char) -> Value {
        let value = *self.pick(VALUES);
        if value.contains(separator) { json!("p1") } else { json!(value) }
    }
}

/// A TOML string of one line.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

/// A TOML list of strings.
pub(super) fn list(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}
