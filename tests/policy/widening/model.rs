//! Policies at random and what a change can do to one, written as TOML for the real compiler; and whoever may ask.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rand::Rng as _;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use usher::chat::{ClaimedRoles, Facts, Object, Timestamp, Who};

use super::super::{NOW, guest};

/// A policy's file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct File {
    /// Whether it is for the issuers `app` and `other`, and not for `app` alone.
    pub(crate) has_several_issuers: bool,
    separator: char,
    /// In minutes.
    default: u32,
    max: u32,
    min: u32,
    /// The segments of `member.id`.
    id: Vec<&'static str>,
    /// What the state's key `name` is; none: it has no state.
    state: Option<&'static str>,
    client_state: BTreeSet<&'static str>,
    blocked: BTreeSet<&'static str>,
    /// In the order of the file.
    roles: Vec<Role>,
    default_role: Option<String>,
    guest: Option<(String, Option<u32>)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Role {
    name: String,
    /// It may include those of a lower rank.
    rank: usize,
    claimed_as: Option<BTreeSet<&'static str>>,
    issuers: Option<BTreeSet<&'static str>>,
    includes: BTreeSet<String>,
    cap: Option<u32>,
    allow: Vec<Rule>,
    deny: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    segments: Vec<Segment>,
    read: bool,
    write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Segment {
    Literal(&'static str),
    One,
    Rest,
    /// What stands between the braces.
    Claim(&'static str),
}

const FIRST: [&str; 3] = ["a", "b", "c"];
const LITERALS: [&str; 4] = ["a", "b", "alice", "x"];
const CLAIMS: [&str; 15] = [
    "sub",
    "sub",
    "sub",
    "list",
    "list",
    "list",
    "/sub",
    "/list",
    "n",
    "none",
    "sub|sha256",
    "list|b64url",
    "/deep/x",
    "issuer",
    "/issuer",
];
const NAMES: [&str; 6] = ["x", "y", "r0", "r1", "r2", "muted"];
const IDS: [&[&str]; 5] = [&["{sub}"], &["{/sub}"], &["u", "{sub}"], &["{issuer}", "{sub}"], &["{n}"]];
const IDS_OF_SEVERAL: [&[&str]; 3] = [&["{issuer}", "{sub}"], &["{issuer}", "{/sub}"], &["{issuer}", "{n}"]];
const BLOCKED: [&str; 5] = ["alice", "b", "u:alice", "app:alice", "7"];
const STATES: [&str; 4] = ["{name}", "{/name}", "{sub}", "somebody"];
const RIGHTS: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];
const ALIASES: [&str; 3] = ["app", "other", "third"];

impl File {
    /// Brings it to what a policy may be: whatever a mutation has left, no fault.
    fn mended(mut self) -> Self {
        self.default = self.default.clamp(self.min, self.max);
        let names: BTreeSet<(usize, String)> = self.roles.iter().map(|role| (role.rank, role.name.clone())).collect();
        let is_known = |name: &str| names.iter().any(|(_, known)| known == name);
        self.default_role = self.default_role.filter(|name| is_known(name));
        self.guest = self.guest.filter(|(name, _)| is_known(name));
        let min = self.min;
        if let Some((_, cap)) = &mut self.guest {
            *cap = cap.map(|cap| cap.max(min));
        }
        for role in &mut self.roles {
            role.cap = role.cap.map(|cap| cap.max(min));
            let rank = role.rank;
            role.includes.retain(|name| names.iter().any(|(other, known)| *other < rank && known == name));
        }
        self.mend_issuers();
        for rules in self.roles.iter_mut().flat_map(|role| [&mut role.allow, &mut role.deny]) {
            rules.iter_mut().for_each(Rule::mend);
            let mut seen = BTreeSet::new();
            rules.retain(|rule| seen.insert(rule.pattern(':')));
        }
        self
    }

    fn mend_issuers(&mut self) {
        let ours: &[&'static str] = if self.has_several_issuers { &["app", "other"] } else { &["app"] };
        let all: BTreeSet<&'static str> = ours.iter().copied().collect();
        let of = |role: &Role| role.issuers.as_ref().map_or_else(|| all.clone(), |own| own & &all);
        let default = self.default_role.clone();
        if self.has_several_issuers {
            if !IDS_OF_SEVERAL.contains(&self.id.as_slice()) {
                self.id = IDS_OF_SEVERAL[0].to_vec();
            }
            for role in &mut self.roles {
                if default.as_deref() == Some(&*role.name) {
                    role.issuers = Some(all.clone());
                } else if role.issuers.is_none() && role.claimed_as.as_ref().is_none_or(|names| !names.is_empty()) {
                    role.issuers = Some(BTreeSet::from(["app"]));
                }
                if of(role).len() > 1 {
                    role.allow.iter_mut().for_each(Rule::name_the_issuer);
                }
            }
        }
        let known: Vec<(String, BTreeSet<&str>)> =
            self.roles.iter().map(|role| (role.name.clone(), of(role))).collect();
        let covers = |name: &str, wanted: &BTreeSet<&str>| {
            known.iter().any(|(known, issuers)| known == name && wanted.is_subset(issuers))
        };
        for role in &mut self.roles {
            let wanted = of(role);
            role.includes.retain(|name| covers(name, &wanted));
        }
        self.default_role = default.filter(|name| covers(name, &all));
    }

    pub(crate) fn aliases(&self) -> &'static [&'static str] {
        if self.has_several_issuers { &["app", "other"] } else { &["app"] }
    }

    pub(crate) fn text(&self) -> String {
        let quoted = |names: &mut dyn Iterator<Item = &str>| {
            let names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
            format!("[{}]", names.join(", "))
        };
        let mut text = format!("separator = '{}'\n", self.separator);
        let _ = write!(text, "[ttl]\ndefault = '{}m'\nmax = '{}m'\nmin = '{}m'\n", self.default, self.max, self.min);
        let _ = write!(text, "[member]\nid = '{}'\n", self.id.join(&self.separator.to_string()));
        let _ = writeln!(text, "client_state = {}", quoted(&mut self.client_state.iter().copied()));
        if let Some(state) = self.state {
            let _ = write!(text, "[member.state]\nname = '{state}'\n");
        }
        for role in &self.roles {
            let name = &role.name;
            let _ = writeln!(text, "[roles.{name}]");
            let _ = writeln!(text, "includes = {}", quoted(&mut role.includes.iter().map(String::as_str)));
            if let Some(names) = &role.claimed_as {
                let _ = writeln!(text, "claimed_as = {}", quoted(&mut names.iter().copied()));
            }
            if let Some(issuers) = &role.issuers {
                let _ = writeln!(text, "issuers = {}", quoted(&mut issuers.iter().copied()));
            }
            if let Some(cap) = role.cap {
                let _ = writeln!(text, "max_ttl = '{cap}m'");
            }
            for (table, rules) in [("channels", &role.allow), ("deny", &role.deny)] {
                let _ = writeln!(text, "[roles.{name}.{table}]");
                for rule in rules {
                    let _ = writeln!(text, "'{}' = [{}]", rule.pattern(self.separator), rule.words());
                }
            }
        }
        if let Some(role) = &self.default_role {
            let _ = write!(text, "[defaults]\nrole = '{role}'\n");
        }
        if let Some((role, cap)) = &self.guest {
            let cap = cap.map_or_else(String::new, |cap| format!("max_ttl = '{cap}m'\n"));
            let _ = write!(text, "[guest]\nrole = '{role}'\n{cap}");
        }
        let _ = write!(text, "[blocked]\nmembers = {}\n", quoted(&mut self.blocked.iter().copied()));
        text
    }

    /// Every name that a session may claim, and one that none knows.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let own = |role: &Role| match &role.claimed_as {
            Some(names) => names.iter().map(|name| (*name).to_owned()).collect(),
            None => vec![role.name.clone()],
        };
        self.roles.iter().flat_map(own).chain(["nobody".to_owned()]).collect()
    }

    /// A channel that one of its rules matches, or nearly, in a session with these claims.
    pub(crate) fn a_channel(&self, claims: &Object, rng: &mut SmallRng) -> String {
        let rules: Vec<&Rule> = self.roles.iter().flat_map(|role| role.allow.iter().chain(&role.deny)).collect();
        let Some(rule) = rules.choose(rng) else { return "a".to_owned() };
        let mut parts: Vec<String> = Vec::new();
        for segment in &rule.segments {
            match segment {
                Segment::Literal(literal) => parts.push((*literal).to_owned()),
                Segment::Claim(body) if rng.random_bool(0.9) => {
                    let values = values(claims, body);
                    parts.push(values.choose(rng).cloned().unwrap_or_else(|| "alice".to_owned()));
                }
                Segment::One | Segment::Claim(_) => parts.push((*LITERALS.choose(rng).unwrap()).to_owned()),
                Segment::Rest => {
                    let more = rng.random_range(1..3);
                    parts.extend((0..more).map(|_| (*LITERALS.choose(rng).unwrap()).to_owned()));
                }
            }
        }
        if rng.random_bool(0.1) {
            let at = rng.random_range(0..parts.len());
            (*LITERALS.choose(rng).unwrap()).clone_into(&mut parts[at]);
        }
        parts.join(&self.separator.to_string())
    }

    /// Done to it, and what: nothing where there is nothing to do it to.
    pub(crate) fn changed(&self, by: usize, rng: &mut SmallRng) -> Self {
        let mut changed = self.clone();
        MUTATIONS[by].1(&mut changed, rng);
        changed.mended()
    }

    fn a_role(&mut self, rng: &mut SmallRng, fits: impl Fn(&Role) -> bool) -> Option<&mut Role> {
        let mut fitting: Vec<&mut Role> = self.roles.iter_mut().filter(|role| fits(role)).collect();
        let at = (0..fitting.len()).collect::<Vec<_>>().choose(rng).copied()?;
        Some(fitting.swap_remove(at))
    }

    fn an_allow(&mut self, rng: &mut SmallRng, fits: impl Fn(&Rule) -> bool) -> Option<&mut Rule> {
        let role = self.a_role(rng, |role| role.allow.iter().any(&fits))?;
        a_rule_of(&mut role.allow, rng, fits)
    }

    fn a_deny(&mut self, rng: &mut SmallRng, fits: impl Fn(&Rule) -> bool) -> Option<&mut Rule> {
        let role = self.a_role(rng, |role| role.deny.iter().any(&fits))?;
        a_rule_of(&mut role.deny, rng, fits)
    }

    fn a_name(&self, rng: &mut SmallRng) -> String {
        self.roles.choose(rng).unwrap().name.clone()
    }

    /// A role that comes before all others, which nobody can claim.
    fn base(&mut self, rng: &mut SmallRng) -> Role {
        self.roles.iter_mut().for_each(|role| role.rank += 1);
        let name = format!("base{}", rng.random_range(0..1_000_000));
        Role {
            name,
            rank: 0,
            claimed_as: Some(BTreeSet::new()),
            issuers: None,
            includes: BTreeSet::new(),
            cap: None,
            allow: Vec::new(),
            deny: Vec::new(),
        }
    }
}

fn a_rule_of<'a>(rules: &'a mut [Rule], rng: &mut SmallRng, fits: impl Fn(&Rule) -> bool) -> Option<&'a mut Rule> {
    let mut fitting: Vec<&mut Rule> = rules.iter_mut().filter(|rule| fits(rule)).collect();
    let at = (0..fitting.len()).collect::<Vec<_>>().choose(rng).copied()?;
    Some(fitting.swap_remove(at))
}

impl Rule {
    fn pattern(&self, separator: char) -> String {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => (*text).to_owned(),
            Segment::One => "*".to_owned(),
            Segment::Rest => "**".to_owned(),
            Segment::Claim(body) => format!("{{{body}}}"),
        });
        segments.collect::<Vec<_>>().join(&separator.to_string())
    }

    fn words(&self) -> &'static str {
        match (self.read, self.write) {
            (true, true) => "'read', 'write'",
            (false, true) => "'write'",
            _ => "'read'",
        }
    }

    fn name_the_issuer(&mut self) {
        let issuer = Segment::Claim("issuer");
        let has_claim = self.segments.iter().any(|segment| matches!(segment, Segment::Claim(_)) && *segment != issuer);
        if has_claim && !self.segments.contains(&issuer) {
            self.segments.insert(1, issuer);
        }
    }

    /// `**` stands at the end alone.
    fn mend(&mut self) {
        let last = self.segments.len() - 1;
        let early = self.segments[..last].iter_mut().filter(|segment| **segment == Segment::Rest);
        early.for_each(|segment| *segment = Segment::One);
    }

    fn is_wild(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::One | Segment::Rest))
    }

    /// A wildcard of it becomes something that it matches.
    fn narrow(&mut self, rng: &mut SmallRng) {
        let Some(at) = self.segments.iter().rposition(|segment| matches!(segment, Segment::One | Segment::Rest)) else {
            return;
        };
        match (self.segments[at], rng.random_range(0..3)) {
            (Segment::Rest, 0) => self.segments[at] = Segment::One,
            (Segment::Rest, 1) => self.segments.insert(at, Segment::One),
            _ if rng.random() => self.segments[at] = Segment::Claim(CLAIMS.choose(rng).unwrap()),
            _ => self.segments[at] = Segment::Literal(LITERALS.choose(rng).unwrap()),
        }
    }

    fn widen(&mut self, from: usize, rng: &mut SmallRng) {
        let at = rng.random_range(from..=self.segments.len());
        if at == self.segments.len() || rng.random_bool(0.3) {
            self.segments.truncate(at);
            self.segments.push(Segment::Rest);
        } else if self.segments[at] != Segment::Rest {
            self.segments[at] = Segment::One;
        }
    }

    fn alter(&mut self, from: usize, rng: &mut SmallRng) {
        let at = rng.random_range(from..=self.segments.len());
        let segment = a_segment(rng);
        let is_open = self.segments.last() != Some(&Segment::Rest);
        match self.segments.get_mut(at) {
            Some(Segment::Rest) => drop(self.segments.pop()),
            Some(known) => *known = segment,
            None if is_open => self.segments.push(segment),
            None => {}
        }
        if self.segments.is_empty() {
            self.segments.push(segment);
        }
    }

    fn turn(&mut self, rng: &mut SmallRng) {
        (self.read, self.write) = *RIGHTS.choose(rng).unwrap();
    }

    fn respell(&mut self) {
        for segment in &mut self.segments {
            if let Segment::Claim(body) = segment {
                *body = match *body {
                    "sub" => "/sub",
                    "/sub" => "sub",
                    "list" => "/list",
                    "/list" => "list",
                    other => other,
                };
            }
        }
    }
}

fn a_segment(rng: &mut SmallRng) -> Segment {
    match rng.random_range(0..8) {
        0..4 => Segment::Literal(LITERALS.choose(rng).unwrap()),
        4 | 5 => Segment::One,
        _ => Segment::Claim(CLAIMS.choose(rng).unwrap()),
    }
}

fn a_rule(is_deny: bool, rng: &mut SmallRng) -> Rule {
    let mut segments = vec![Segment::Literal(FIRST.choose(rng).unwrap())];
    if is_deny && rng.random_bool(0.3) {
        segments = vec![a_segment(rng)];
    }
    let more = rng.random_range(0..3);
    segments.extend((0..more).map(|_| a_segment(rng)));
    if rng.random_bool(0.2) {
        segments.push(Segment::Rest);
    }
    let (read, write) = *RIGHTS.choose(rng).unwrap();
    Rule { segments, read, write }
}

fn toggle<T: Ord>(set: &mut BTreeSet<T>, member: T) {
    if !set.remove(&member) {
        set.insert(member);
    }
}

type Mutation = fn(&mut File, &mut SmallRng);

/// What a change of a policy can do.
pub(crate) const MUTATIONS: &[(&str, Mutation)] = &[
    ("an allow rule added", |file, rng| {
        let rule = a_rule(false, rng);
        file.a_role(rng, |_| true).unwrap().allow.push(rule);
    }),
    ("an allow rule taken out", |file, rng| {
        if let Some(role) = file.a_role(rng, |role| !role.allow.is_empty()) {
            role.allow.remove(rng.random_range(0..role.allow.len()));
        }
    }),
    ("an allow rule altered", |file, rng| {
        if let Some(rule) = file.an_allow(rng, |_| true) {
            rule.alter(1, rng);
        }
    }),
    ("an allow rule narrowed", |file, rng| {
        if let Some(rule) = file.an_allow(rng, Rule::is_wild) {
            rule.narrow(rng);
        }
    }),
    ("an allow rule widened", |file, rng| {
        if let Some(rule) = file.an_allow(rng, |_| true) {
            rule.widen(1, rng);
        }
    }),
    ("an allow rule beside one that covers it", |file, rng| {
        if let Some(role) = file.a_role(rng, |role| role.allow.iter().any(Rule::is_wild)) {
            let mut rule = a_rule_of(&mut role.allow, rng, Rule::is_wild).unwrap().clone();
            rule.narrow(rng);
            role.allow.push(rule);
        }
    }),
    ("an allow rule's rights", |file, rng| {
        if let Some(rule) = file.an_allow(rng, |_| true) {
            rule.turn(rng);
        }
    }),
    ("a deny added", |file, rng| {
        let rule = a_rule(true, rng);
        file.a_role(rng, |_| true).unwrap().deny.push(rule);
    }),
    ("a deny taken out", |file, rng| {
        if let Some(role) = file.a_role(rng, |role| !role.deny.is_empty()) {
            role.deny.remove(rng.random_range(0..role.deny.len()));
        }
    }),
    ("a deny altered", |file, rng| {
        if let Some(rule) = file.a_deny(rng, |_| true) {
            rule.alter(0, rng);
        }
    }),
    ("a deny widened", |file, rng| {
        if let Some(rule) = file.a_deny(rng, |_| true) {
            rule.widen(0, rng);
        }
    }),
    ("a deny narrowed", |file, rng| {
        if let Some(rule) = file.a_deny(rng, Rule::is_wild) {
            rule.narrow(rng);
        }
    }),
    ("a deny's rights", |file, rng| {
        if let Some(rule) = file.a_deny(rng, |_| true) {
            rule.turn(rng);
        }
    }),
    ("a deny of what is allowed", |file, rng| {
        if let Some(rule) = file.an_allow(rng, |_| true).cloned() {
            file.a_role(rng, |_| true).unwrap().deny.push(rule);
        }
    }),
    ("a role added", |file, rng| {
        let mut role = file.base(rng);
        role.rank = 100 + rng.random_range(0..10);
        role.claimed_as = Some(BTreeSet::from([*NAMES.choose(rng).unwrap()]));
        role.allow = (0..rng.random_range(0..2)).map(|_| a_rule(false, rng)).collect();
        role.deny = (0..rng.random_range(0..2)).map(|_| a_rule(true, rng)).collect();
        role.includes = (0..rng.random_range(0..2)).map(|_| file.a_name(rng)).collect();
        file.roles.push(role);
    }),
    ("a role taken out", |file, rng| {
        if file.roles.len() > 1 {
            file.roles.remove(rng.random_range(0..file.roles.len()));
        }
    }),
    ("a role renamed", |file, rng| {
        let old = file.a_name(rng);
        let new = format!("renamed{}", rng.random_range(0..1_000_000));
        for role in &mut file.roles {
            if role.name == old {
                let known = NAMES.iter().copied().find(|name| *name == old);
                let own = || known.into_iter().collect();
                role.claimed_as = Some(role.claimed_as.take().unwrap_or_else(own));
                role.name.clone_from(&new);
            }
            if role.includes.remove(&old) {
                role.includes.insert(new.clone());
            }
        }
        let given = file.default_role.iter_mut().chain(file.guest.iter_mut().map(|(role, _)| role));
        given.filter(|name| **name == old).for_each(|name| name.clone_from(&new));
    }),
    ("a role's cap", |file, rng| {
        let cap = [None, Some(5), Some(10), Some(20), Some(50)].choose(rng).copied().unwrap();
        file.a_role(rng, |_| true).unwrap().cap = cap;
    }),
    ("a role's cap lowered", |file, rng| {
        let role = file.a_role(rng, |_| true).unwrap();
        let cap = role.cap.unwrap_or(60);
        role.cap = Some(rng.random_range(cap / 2..=cap));
    }),
    ("an include added", |file, rng| {
        let known: Vec<(usize, String)> = file.roles.iter().map(|role| (role.rank, role.name.clone())).collect();
        let more = |role: &Role| {
            let lower = known.iter().filter(|(rank, name)| *rank < role.rank && !role.includes.contains(name));
            lower.map(|(_, name)| name.clone()).next_back()
        };
        if let Some(role) = file.a_role(rng, |role| more(role).is_some()) {
            role.includes.extend(more(role));
        }
    }),
    ("an include taken out", |file, rng| {
        if let Some(role) = file.a_role(rng, |role| !role.includes.is_empty()) {
            role.includes.pop_first();
        }
    }),
    ("a role's names", |file, rng| {
        let role = file.a_role(rng, |_| true).unwrap();
        let own = NAMES.iter().copied().find(|name| *name == role.name);
        let names = role.claimed_as.get_or_insert_with(|| own.into_iter().collect());
        toggle(names, NAMES.choose(rng).unwrap());
    }),
    ("a role's issuers", |file, rng| {
        let issuers = an_issuers(rng);
        file.a_role(rng, |_| true).unwrap().issuers = issuers;
    }),
    ("the default role", |file, rng| {
        let role = file.a_name(rng);
        file.default_role = rng.random_bool(0.7).then_some(role);
    }),
    ("the guests' role", |file, rng| {
        let (role, cap) = (file.a_name(rng), file.guest.as_ref().and_then(|(_, cap)| *cap));
        file.guest = rng.random_bool(0.7).then_some((role, cap));
    }),
    ("the guests' cap", |file, rng| {
        let role = file.guest.as_ref().map_or_else(|| file.a_name(rng), |(role, _)| role.clone());
        let cap = [None, Some(5), Some(10), Some(20), Some(50)].choose(rng).copied().unwrap();
        file.guest = Some((role, cap));
    }),
    ("[ttl].max", |file, rng| file.max = *[20, 30, 60, 90].choose(rng).unwrap()),
    ("[ttl].min", |file, rng| file.min = *[1, 3, 5, 10].choose(rng).unwrap()),
    ("[ttl].default", |file, rng| file.default = rng.random_range(1..60)),
    ("who is blocked", |file, rng| toggle(&mut file.blocked, BLOCKED.choose(rng).unwrap())),
    ("member.id", |file, rng| file.id = IDS.choose(rng).unwrap().to_vec()),
    ("member.id respelt", |file, _| {
        for part in &mut file.id {
            *part = match *part {
                "{sub}" => "{/sub}",
                "{/sub}" => "{sub}",
                other => other,
            };
        }
    }),
    ("the state", |file, rng| file.state = STATES.choose(rng).copied().filter(|_| rng.random_bool(0.8))),
    ("the clients' state", |file, rng| {
        toggle(&mut file.client_state, ["status", "mood"].choose(rng).unwrap());
    }),
    ("the separator", |file, rng| file.separator = *[':', '/', '.'].choose(rng).unwrap()),
    ("lines moved", |file, rng| {
        file.roles.shuffle(rng);
        for role in &mut file.roles {
            role.allow.shuffle(rng);
            role.deny.shuffle(rng);
        }
    }),
    ("claims respelt", |file, _| {
        let rules = file.roles.iter_mut().flat_map(|role| role.allow.iter_mut().chain(&mut role.deny));
        rules.for_each(Rule::respell);
    }),
    ("a rule split in two roles", |file, rng| {
        let mut base = file.base(rng);
        if let Some(role) = file.a_role(rng, |role| role.allow.iter().any(|rule| rule.read && rule.write)) {
            let rule = a_rule_of(&mut role.allow, rng, |rule| rule.read && rule.write).unwrap();
            base.allow.push(Rule { write: false, ..rule.clone() });
            rule.read = false;
            (base.cap, base.issuers) = (role.cap, role.issuers.clone());
            role.includes.insert(base.name.clone());
            file.roles.push(base);
        }
    }),
    ("a role's rules moved into one that it includes", |file, rng| {
        let mut base = file.base(rng);
        let role = file.a_role(rng, |_| true).unwrap();
        (base.allow, base.deny) = (std::mem::take(&mut role.allow), std::mem::take(&mut role.deny));
        (base.cap, base.issuers) = (role.cap, role.issuers.clone());
        role.includes.insert(base.name.clone());
        file.roles.insert(0, base);
    }),
];

fn an_issuers(rng: &mut SmallRng) -> Option<BTreeSet<&'static str>> {
    match rng.random_range(0..4) {
        0 => None,
        1 => Some(BTreeSet::from(["app"])),
        2 => Some(BTreeSet::from(["other"])),
        _ => Some(BTreeSet::from(["app", "other"])),
    }
}

/// The values that a claim gives a placeholder, fitting or not.
fn values(claims: &Object, body: &str) -> Vec<String> {
    let (path, filter) = body.split_once('|').map_or((body, None), |(path, filter)| (path, Some(filter)));
    let value = match path {
        "issuer" => return ALIASES.map(str::to_owned).to_vec(),
        "/deep/x" => claims.get("deep").and_then(|deep| deep.get("x")),
        path => claims.get(path.trim_start_matches('/')),
    };
    let given = match value {
        Some(Value::Array(list)) => list.clone(),
        other => other.cloned().into_iter().collect(),
    };
    let texts = given.iter().filter_map(|value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    texts
        .map(|text| match filter {
            Some("sha256") => format!("{:x}", Sha256::digest(text)),
            Some("b64url") => URL_SAFE_NO_PAD.encode(text),
            _ => text,
        })
        .collect()
}

/// Somebody at random: a session of some issuer that claims some of these names, or a guest.
pub(crate) fn somebody(names: &[String], rng: &mut SmallRng) -> Facts {
    if rng.random_bool(0.12) {
        return guest();
    }
    let sub = match rng.random_range(0..20) {
        0 => json!(7),
        1 => json!(["alice"]),
        2 => json!("not fitting"),
        3 => json!("x/y"),
        4 => Value::Null,
        5..8 => json!("b"),
        _ => json!("alice"),
    };
    let element = |rng: &mut SmallRng| match rng.random_range(0..10) {
        0 => Value::Null,
        1 => json!("not fitting"),
        2 => json!(7),
        3..6 => json!("a"),
        _ => json!("b"),
    };
    let list = match rng.random_range(0..8) {
        0 => Value::Null,
        1 => json!("b"),
        2 => json!({"x": 1}),
        _ => Value::from((0..rng.random_range(0..3)).map(|_| element(rng)).collect::<Vec<_>>()),
    };
    let mut claims =
        json!({"sub": sub, "list": list, "n": rng.random_range(6..8), "deep": {"x": "x"}, "issuer": "alice"});
    if rng.random_bool(0.1) {
        let claim = ["sub", "list", "n", "deep"].choose(rng).unwrap();
        claims.as_object_mut().unwrap().remove(*claim);
    }
    let count = *[0, 1, 1, 1, 2, 2, 3].choose(rng).unwrap();
    let claimed = names.choose_multiple(rng, count).cloned().collect();
    let roles = if rng.random_bool(0.02) { ClaimedRoles::Withheld } else { ClaimedRoles::Names(claimed) };
    let ends = rng.random_bool(0.3).then(|| Timestamp::from_seconds(NOW.seconds() + rng.random_range(-60..2_000)));
    let issuer = (*["app", "app", "app", "other", "third"].choose(rng).unwrap()).to_owned();
    Facts { who: Who::Known { issuer }, roles, claims: serde_json::from_value(claims).unwrap(), ends }
}

fn segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        4 => prop::sample::select(&LITERALS[..]).prop_map(Segment::Literal),
        2 => Just(Segment::One),
        3 => prop::sample::select(&CLAIMS[..]).prop_map(Segment::Claim),
    ]
}

fn rule(first: impl Strategy<Value = Segment>) -> impl Strategy<Value = Rule> {
    (first, vec(segment(), 0..3), prop::bool::weighted(0.2), prop::sample::select(&RIGHTS[..])).prop_map(
        |(first, mut segments, rest, (read, write))| {
            segments.insert(0, first);
            if rest {
                segments.push(Segment::Rest);
            }
            Rule { segments, read, write }
        },
    )
}

fn role() -> impl Strategy<Value = Role> {
    let first = || prop::sample::select(&FIRST[..]).prop_map(Segment::Literal);
    let deny = rule(prop_oneof![3 => first(), 1 => segment()]);
    let deny = prop_oneof![2 => Just(Vec::new()), 1 => vec(deny, 1..3)];
    let names = prop::collection::btree_set(prop::sample::select(&NAMES[..]), 0..3);
    let issuers = prop::collection::btree_set(prop::sample::select(&ALIASES[..2]), 1..3);
    (
        (vec(rule(first()), 0..5), deny, option::of(3_u32..60)),
        (option::weighted(0.4, names), option::weighted(0.3, issuers), vec(0_usize..4, 0..3)),
    )
        .prop_map(|((allow, deny, cap), (claimed_as, issuers, includes))| Role {
            name: String::new(),
            rank: 0,
            claimed_as,
            issuers,
            includes: includes.iter().map(|role| format!("r{role}")).collect(),
            cap,
            allow,
            deny,
        })
}

/// A policy without a fault.
pub(crate) fn file() -> impl Strategy<Value = File> {
    let keys = |keys: &'static [&'static str]| prop::collection::btree_set(prop::sample::select(keys), 0..2);
    (
        (prop::bool::weighted(0.25), prop_oneof![5 => Just(':'), 1 => Just('/')]),
        (1_u32..60, prop::sample::select(vec![20_u32, 30, 60, 90]), prop::sample::select(vec![1_u32, 3, 5, 10])),
        (prop::sample::select(&IDS[..]), option::of(prop::sample::select(&STATES[..]))),
        (keys(&["status", "mood"]), keys(&BLOCKED)),
        vec(role(), 1..5),
        (option::of(0_usize..4), option::of((0_usize..4, option::of(3_u32..60)))),
    )
        .prop_map(|(whole, ttl, (id, state), (client_state, blocked), mut roles, (default, guest))| {
            for (rank, role) in roles.iter_mut().enumerate() {
                (role.name, role.rank) = (format!("r{rank}"), rank);
            }
            File {
                has_several_issuers: whole.0,
                separator: whole.1,
                default: ttl.0,
                max: ttl.1,
                min: ttl.2,
                id: id.to_vec(),
                state,
                client_state,
                blocked,
                roles,
                default_role: default.map(|role| format!("r{role}")),
                guest: guest.map(|(role, cap)| (format!("r{role}"), cap)),
            }
            .mended()
        })
}
