//! Policies, sessions and requests at random, as a model of their own: written as TOML for the real compiler, and read
//! here by a matcher that shares nothing with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use usher::chat::{Ask, ChannelName, Facts, Mode, Rights, Timestamp, Ttl};

use super::super::{NOW, facts};

/// A policy, who asks, and what.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) roles: Vec<Role>,
    pub(super) default_role: Option<usize>,
    /// The minutes of `[ttl].max`, at least 60.
    pub(super) max: u32,
    pub(super) claimed: Vec<usize>,
    pub(super) claims: Value,
    pub(super) ends_in: Option<i64>,
    pub(super) asked: Option<BTreeMap<String, (bool, bool)>>,
    pub(super) asked_ttl: Option<u32>,
    pub(super) narrow: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) allow: Vec<Rule>,
    pub(super) deny: Vec<Rule>,
    /// In minutes, at least 3.
    pub(super) cap: Option<u32>,
    /// Of the roles before this one.
    pub(super) includes: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) segments: Vec<Segment>,
    pub(super) read: bool,
    pub(super) write: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Segment {
    Literal(&'static str),
    One,
    Rest,
    /// A claim's name and a filter.
    Claim(&'static str, Option<&'static str>),
}

impl World {
    pub(super) fn policy(&self) -> String {
        let mut text = format!("[ttl]\nmax = '{}m'\n", self.max);
        for (index, role) in self.roles.iter().enumerate() {
            let includes: Vec<String> = role.includes.iter().map(|role| format!("'r{role}'")).collect();
            let _ = write!(text, "[roles.r{index}]\nincludes = [{}]\n", includes.join(", "));
            if let Some(cap) = role.cap {
                let _ = writeln!(text, "max_ttl = '{cap}m'");
            }
            for (table, rules) in [("channels", &role.allow), ("deny", &role.deny)] {
                let _ = writeln!(text, "[roles.r{index}.{table}]");
                for rule in rules {
                    let _ = writeln!(text, "'{}' = [{}]", rule.pattern(), rule.words());
                }
            }
        }
        if let Some(role) = self.default_role {
            let _ = write!(text, "[defaults]\nrole = 'r{role}'\n");
        }
        text
    }

    pub(super) fn facts(&self) -> Facts {
        let claimed: Vec<String> = self.claimed.iter().map(|role| format!("r{role}")).collect();
        let claimed: Vec<&str> = claimed.iter().map(String::as_str).collect();
        let ends = self.ends_in.map(|seconds| Timestamp::from_seconds(NOW.seconds() + seconds));
        Facts { ends, ..facts(&claimed, self.claims.clone()) }
    }

    pub(super) fn ask(&self) -> Ask {
        let right = |(read, write): (bool, bool)| Rights { read, write };
        let channels = self.asked.as_ref().map(|asked| {
            asked.iter().map(|(name, rights)| (ChannelName::parse(name).unwrap(), right(*rights))).collect()
        });
        let ttl = self.asked_ttl.and_then(|minutes| Ttl::from_minutes(minutes.into()));
        Ask { channels, ttl, mode: if self.narrow { Mode::Narrow } else { Mode::Strict }, ..Ask::default() }
    }

    /// The session's roles, included ones too.
    pub(super) fn reached(&self) -> Vec<usize> {
        let mut reached: Vec<usize> = self.claimed.clone();
        if reached.is_empty() {
            reached.extend(self.default_role);
        }
        let mut next = 0;
        while next < reached.len() {
            reached.extend(self.roles[reached[next]].includes.clone());
            next += 1;
        }
        reached.sort_unstable();
        reached.dedup();
        reached
    }

    /// The rules of the session's roles that allow a right on a name, with their roles' indices and caps.
    pub(super) fn allowing(&self, name: &str, write: bool) -> Vec<(usize, &Rule, Option<u32>)> {
        let roles = self.reached().into_iter();
        let rules = roles.flat_map(|index| self.roles[index].allow.iter().map(move |rule| (index, rule)));
        let allowing = rules.filter(|(_, rule)| rule.has(write) && rule.matches(name, &self.claims, false));
        allowing.map(|(index, rule)| (index, rule, self.roles[index].cap)).collect()
    }

    pub(super) fn denied(&self, name: &str, write: bool) -> bool {
        let roles = self.reached().into_iter();
        let mut rules = roles.flat_map(|index| &self.roles[index].deny);
        rules.any(|rule| rule.has(write) && rule.matches(name, &self.claims, true))
    }
}

impl Rule {
    pub(super) fn pattern(&self) -> String {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => (*text).to_owned(),
            Segment::One => "*".to_owned(),
            Segment::Rest => "**".to_owned(),
            Segment::Claim(name, None) => format!("{{{name}}}"),
            Segment::Claim(name, Some(filter)) => format!("{{{name}|{filter}}}"),
        });
        segments.collect::<Vec<_>>().join(":")
    }

    pub(super) fn has(&self, write: bool) -> bool {
        if write { self.write } else { self.read }
    }

    fn words(&self) -> &'static str {
        match (self.read, self.write) {
            (true, true) => "'read', 'write'",
            (false, true) => "'write'",
            _ => "'read'",
        }
    }

    fn matches(&self, name: &str, claims: &Value, deny: bool) -> bool {
        fn tail(segments: &[Segment], parts: &[&str], fits: &dyn Fn(&Segment, &str) -> bool) -> bool {
            match (segments, parts) {
                ([], []) => true,
                ([Segment::Rest], [_, ..]) => parts.iter().all(|part| !part.is_empty()),
                ([segment, segments @ ..], [part, parts @ ..]) => fits(segment, part) && tail(segments, parts, fits),
                _ => false,
            }
        }
        let parts: Vec<&str> = name.split(':').collect();
        tail(&self.segments, &parts, &|segment, part| match segment {
            Segment::Literal(text) => *text == part,
            Segment::One => !part.is_empty(),
            Segment::Rest => false,
            Segment::Claim(name, filter) => {
                let (values, all_fit) = values(&claims[*name], *filter);
                !part.is_empty() && (values.iter().any(|value| value == part) || (deny && !all_fit))
            }
        })
    }
}

/// The values of a claim that fit, and whether there were some and all of them do.
fn values(claim: &Value, filter: Option<&str>) -> (Vec<String>, bool) {
    let given = match claim {
        Value::Array(list) => list.clone(),
        Value::Null => return (Vec::new(), false),
        single => vec![single.clone()],
    };
    let fitting: Vec<String> = given
        .iter()
        .filter_map(|value| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            match filter {
                Some("sha256") if !text.is_empty() => Some(format!("{:x}", Sha256::digest(text))),
                Some("b64url") if !text.is_empty() => Some(URL_SAFE_NO_PAD.encode(text)),
                None if !text.is_empty() && !text.contains([' ', ':', '*', '{', '}']) => Some(text),
                _ => None,
            }
        })
        .collect();
    let all = fitting.len() == given.len();
    (fitting, all)
}

fn segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        4 => prop_oneof![Just("a"), Just("b"), Just("alice")].prop_map(Segment::Literal),
        2 => Just(Segment::One),
        2 => claim(),
    ]
}

fn claim() -> impl Strategy<Value = Segment> {
    let name = prop_oneof![4 => Just("sub"), 4 => Just("list"), 1 => Just("n"), 1 => Just("none")];
    let filter = prop_oneof![3 => Just(None), 1 => Just(Some("sha256")), 1 => Just(Some("b64url"))];
    (name, filter).prop_map(|(name, filter)| Segment::Claim(name, filter))
}

fn rule(first: impl Strategy<Value = Segment>) -> impl Strategy<Value = Rule> {
    (first, vec(segment(), 0..3), prop::bool::weighted(0.2), any::<bool>(), any::<bool>()).prop_map(
        |(first, mut segments, rest, read, write)| {
            segments.insert(0, first);
            if rest {
                segments.push(Segment::Rest);
            }
            Rule { segments, read: read || !write, write }
        },
    )
}

/// No pattern twice in one table, which TOML would refuse.
fn distinct(rules: Vec<Rule>) -> Vec<Rule> {
    let by_pattern: BTreeMap<String, Rule> = rules.into_iter().map(|rule| (rule.pattern(), rule)).collect();
    by_pattern.into_values().collect()
}

pub(super) fn deny_rule() -> impl Strategy<Value = Rule> {
    rule(prop_oneof![3 => prop_oneof![Just("a"), Just("b")].prop_map(Segment::Literal), 1 => segment()])
}

fn role() -> impl Strategy<Value = Role> {
    let allow = vec(rule(prop_oneof![Just("a"), Just("b")].prop_map(Segment::Literal)), 0..6);
    let deny = prop_oneof![2 => Just(Vec::new()), 1 => vec(deny_rule(), 1..3)];
    (allow, deny, option::of(3_u32..60), vec(any::<prop::sample::Index>(), 0..2)).prop_map(
        |(allow, deny, cap, includes)| Role {
            allow: distinct(allow),
            deny: distinct(deny),
            cap,
            includes: includes.iter().map(|index| index.index(97)).collect(),
        },
    )
}

fn claims() -> impl Strategy<Value = Value> {
    let text = prop_oneof![3 => Just("a"), 3 => Just("b"), 3 => Just("alice"), 1 => Just("not fitting")];
    let element =
        prop_oneof![8 => text.prop_map(Value::from), 1 => (0..3).prop_map(Value::from), 1 => Just(Value::Null)];
    let list = prop_oneof![4 => vec(element, 0..4).prop_map(Value::from), 1 => Just(Value::Null)];
    (prop_oneof![Just("alice"), Just("b")], list, 0..3)
        .prop_map(|(sub, list, n)| json!({"sub": sub, "list": list, "n": n}))
}

/// A name that the rules of a world could match, or nearly.
fn name(claims: &Value) -> impl Strategy<Value = String> + use<> {
    let mut parts = vec!["a".to_owned(), "b".to_owned(), "alice".to_owned()];
    for filter in [None, Some("sha256"), Some("b64url")] {
        parts.extend(values(&claims["sub"], filter).0);
        parts.extend(values(&claims["list"], filter).0);
    }
    (prop_oneof![Just("a"), Just("b")], vec(prop::sample::select(parts), 0..3))
        .prop_map(|(first, rest)| rest.into_iter().fold(first.to_owned(), |name, part| name + ":" + &part))
}

pub(super) fn world() -> impl Strategy<Value = World> {
    claims().prop_flat_map(|claims| {
        let rights = prop_oneof![Just((true, false)), Just((false, true)), Just((true, true))];
        let asked = option::weighted(0.7, prop::collection::btree_map(name(&claims), rights, 1..4));
        let session = option::of(prop_oneof![0_i64..600, 0_i64..10_000]);
        (
            (vec(role(), 1..4), option::of(any::<prop::sample::Index>()), 60_u32..200),
            vec(any::<prop::sample::Index>(), 0..3),
            (session, asked, option::of(3_u32..90), any::<bool>()),
        )
            .prop_map(move |((mut roles, default, max), claimed, (ends_in, asked, asked_ttl, narrow))| {
                let count = roles.len();
                for (index, role) in roles.iter_mut().enumerate() {
                    role.includes =
                        role.includes.iter().filter(|_| index > 0).map(|other| other % index.max(1)).collect();
                    role.includes.sort_unstable();
                    role.includes.dedup();
                }
                World {
                    default_role: default.map(|role| role.index(count)),
                    claimed: claimed.iter().map(|role| role.index(count)).collect(),
                    claims: claims.clone(),
                    roles,
                    max,
                    ends_in,
                    asked,
                    asked_ttl,
                    narrow,
                }
            })
    })
}
