//! Wider or not: what is called no wider gives no session more, in random pairs of policies; and a table of changes with
//! what is to be said of each.

pub(crate) mod model;
mod table;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde_json::json;
use usher::analysis::{Gain, changes_since, gains_over, role_mapping};
use usher::chat::{Ask, ChannelName, ClaimedRoles, Facts, Mode, Object, Permission, Rights, Terms, Ttl};
use usher::policy::{Denial, NothingGranted, Policy};

use self::model::{File, MUTATIONS};
use super::{NOW, facts, listed, may, policy_for};
use crate::support::worlds;

/// Mutations that change nothing that is said.
const RESPELLING: &[&str] = &["lines moved", "claims respelt", "member.id respelt"];
/// Mutations that give nobody anything, which must be seen.
const TAKING: &[&str] = &[
    "an allow rule taken out",
    "an allow rule narrowed",
    "an allow rule beside one that covers it",
    "a deny added",
    "a deny of what is allowed",
    "a role's cap lowered",
    "a rule split in two roles",
    "a role's rules moved into one that it includes",
    "the state",
    "[ttl].default",
];

/// How many pairs there are in full.
const PAIRS: u32 = 20_000;
/// Sessions and guests a pair.
const SESSIONS: usize = 5;
/// Channels that each asks for by name.
const CHANNELS: usize = 30;

type Right = (ChannelName, Permission);

/// How often a pair was of which kind.
#[derive(Default)]
struct Hits(RefCell<BTreeMap<String, u32>>);

impl Hits {
    fn note(&self, what: impl Into<String>) {
        *self.0.borrow_mut().entry(what.into()).or_default() += 1;
    }

    fn of(&self, what: &str) -> u32 {
        self.0.borrow().get(what).copied().unwrap_or_default()
    }

    fn at_least(&self, least: u32, what: &str) {
        assert!(worlds::is_enough(self.of(what), least), "only {} pairs, not {least}: {what}", self.of(what));
    }
}

/// How the second policy of a pair comes about.
#[derive(Clone, Debug)]
enum Second {
    Independent(File),
    /// Mutations one after another, each with a seed of its own.
    Mutated(Vec<(usize, u64)>),
}

fn second() -> impl Strategy<Value = Second> {
    let mutations = vec((0..MUTATIONS.len(), any::<u64>()), 1..4);
    prop_oneof![1 => model::file().prop_map(Second::Independent), 12 => mutations.prop_map(Second::Mutated)]
}

impl Second {
    /// The second policy, and the mutations that have changed something.
    fn of(&self, first: &File) -> (File, BTreeSet<&'static str>) {
        match self {
            Self::Independent(file) => (file.clone(), BTreeSet::from(["independent"])),
            Self::Mutated(mutations) => {
                let (mut file, mut done) = (first.clone(), BTreeSet::new());
                for (mutation, seed) in mutations {
                    let next = file.changed(*mutation, &mut SmallRng::seed_from_u64(*seed));
                    if next != file {
                        done.insert(MUTATIONS[*mutation].0);
                    }
                    file = next;
                }
                (file, done)
            }
        }
    }
}

fn gains(old: &Policy, new: &Policy) -> Vec<Gain> {
    gains_over((old, "old.toml"), (new, "new.toml"))
}

/// What comes of asking for these rights, as long as can be, with all that a client may try to put into the state.
fn asked(policy: &Policy, facts: &Facts, rights: &BTreeSet<Right>, mode: Mode) -> Option<Terms> {
    let mut channels: BTreeMap<ChannelName, Rights> = BTreeMap::new();
    for (channel, permission) in rights {
        let known = channels.entry(channel.clone()).or_default();
        *known = known.with(*permission);
    }
    asked_for(policy, facts, Some(channels), mode)
}

fn asked_for(
    policy: &Policy,
    facts: &Facts,
    channels: Option<BTreeMap<ChannelName, Rights>>,
    mode: Mode,
) -> Option<Terms> {
    let state: Object = serde_json::from_value(json!({"status": "away", "mood": "good"})).unwrap();
    policy
        .evaluate(facts, &Ask { channels, ttl: Some(Ttl::MAX), state, mode }, NOW)
        .outcome
        .ok()
        .map(std::sync::Arc::unwrap_or_clone)
}

fn rights_of(terms: &Terms) -> BTreeSet<Right> {
    let channels = terms.channels.iter();
    channels.flat_map(|(channel, rights)| rights.permissions().map(|right| (channel.clone(), right))).collect()
}

/// What this session gets by the second policy and could not by the first, of these channels and of what is listed;
/// `granted` are told the rights that it has by the second.
fn witness(
    old: &Policy,
    new: &Policy,
    facts: &Facts,
    channels: &BTreeSet<ChannelName>,
    granted: &mut BTreeSet<Right>,
) -> Option<String> {
    let single = |policy: &Policy, right: &Right| {
        asked(policy, facts, &BTreeSet::from([right.clone()]), Mode::Strict).map(|terms| terms.ttl)
    };
    let beyond = |right: &Right, lives: Ttl| match single(old, right) {
        None => Some(format!("{} {} was not to be had", right.0, right.1.as_str())),
        Some(lived) if lived < lives => {
            Some(format!("{} {} lived for {lived}, not {lives}", right.0, right.1.as_str()))
        }
        Some(_) => None,
    };
    // Without channels: what is listed could be had by name.
    if let Some(terms) = asked_for(new, facts, None, Mode::Strict) {
        let listed = rights_of(&terms);
        if let Some(found) = listed.iter().find_map(|right| beyond(right, terms.ttl)) {
            return Some(format!("listed: {found}"));
        }
        granted.extend(listed);
    }
    let all = channels.iter().flat_map(|channel| Permission::ALL.map(|right| (channel.clone(), right))).collect();
    granted.extend(asked(new, facts, &all, Mode::Narrow).map(|terms| rights_of(&terms)).unwrap_or_default());
    // All at once, and nothing else.
    let (was, is) = (asked(old, facts, granted, Mode::Strict), asked(new, facts, granted, Mode::Strict));
    let is = is?;
    let Some(was) = was else {
        let told = granted.iter().find_map(|right| beyond(right, is.ttl));
        return Some(told.unwrap_or_else(|| "each could be had, and not all at once".to_owned()));
    };
    if is.ttl > was.ttl {
        return Some(format!("all at once for {}, not {}", is.ttl, was.ttl));
    }
    for key in ["status", "mood"] {
        if is.state.contains_key(key) && !was.state.contains_key(key) {
            return Some(format!("{key} in the state"));
        }
    }
    // Each for itself, for the rest may shorten it.
    granted.iter().find_map(|right| beyond(right, single(new, right)?))
}

/// Sessions and guests to try a pair with, and what each asks for by name.
fn sessions(files: [&File; 2], seed: u64) -> Vec<(Facts, BTreeSet<ChannelName>)> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let names: Vec<String> = (&files[0].names() | &files[1].names()).into_iter().collect();
    let session = |_| {
        let facts = model::somebody(&names, &mut rng);
        let channels = (0..CHANNELS).map(|index| files[index % 2].a_channel(&facts.claims, &mut rng));
        let channels = channels.filter_map(|channel| ChannelName::parse(&channel).ok()).collect();
        (facts, channels)
    };
    (0..SESSIONS).map(session).collect()
}

fn compiled(file: &File) -> Policy {
    policy_for(&file.text(), file.aliases())
}

/// Runs a property over random pairs: the two files, what was done to the first, and a seed.
fn check(test: impl Fn(&File, &File, &BTreeSet<&'static str>, u64) -> Result<(), TestCaseError>) {
    let config = Config { cases: worlds::share_of(PAIRS), failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&(model::file(), second(), any::<u64>()), |(first, second, seed)| {
        let (second, done) = second.of(&first);
        test(&first, &second, &done, seed)
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

#[test]
fn what_is_called_no_wider_gives_no_session_more() {
    let hits = Hits::default();
    check(|first, second, done, seed| {
        let (old, new) = (compiled(first), compiled(second));
        let is_wider = !gains(&old, &new).is_empty();
        let is_changed = !changes_since(&old, &new).is_empty();
        prop_assert!(
            is_changed || !is_wider,
            "wider, and nothing is said differently: {}\n{}",
            first.text(),
            second.text()
        );
        // What is only written otherwise, and what only takes.
        let is_only = |some: &[&str]| done.iter().all(|mutation| some.contains(mutation));
        if is_only(RESPELLING) {
            prop_assert!(!is_changed, "{done:?}: {}\n{}", first.text(), second.text());
            if !done.is_empty() {
                hits.note("the same in other words");
            }
        } else if is_only(&[RESPELLING, TAKING].concat()) && !first.has_several_issuers {
            // Of several issuers a rule may need another segment, which is another rule.
            prop_assert!(!is_wider, "{done:?}: {}\n{}", first.text(), second.text());
            hits.note("what only takes");
        }
        hits.note(if is_wider { "wider" } else { "no wider" });
        for mutation in done {
            hits.note(format!("of all: {mutation}"));
            if !is_wider {
                hits.note(format!("of those no wider: {mutation}"));
            }
        }
        if !is_wider && is_changed {
            hits.note("no wider, and something is said differently");
        }
        let mut reached = BTreeSet::new();
        let mut witnessed = false;
        // Of those that are wider, only whether a session shows it.
        let most = if is_wider { 2 } else { SESSIONS };
        for (facts, channels) in sessions([first, second], seed).into_iter().take(most) {
            let mut granted = BTreeSet::new();
            let found = witness(&old, &new, &facts, &channels, &mut granted);
            witnessed |= found.is_some();
            prop_assert!(
                is_wider || found.is_none(),
                "{}\n{facts:?}\n--- old\n{}\n--- new\n{}",
                found.unwrap_or_default(),
                first.text(),
                second.text()
            );
            if !granted.is_empty() {
                reached.extend(kinds(&new, &facts));
            }
        }
        if is_wider && witnessed {
            hits.note("wider, and a session that shows it");
        }
        if !is_wider {
            for kind in reached {
                hits.note(format!("no wider, with rights: {kind}"));
            }
        }
        Ok(())
    });
    let pairs = worlds::share_of(PAIRS);
    println!("{:#?}", hits.0.borrow());
    hits.at_least(pairs / 4, "no wider");
    hits.at_least(pairs / 8, "no wider, and something is said differently");
    hits.at_least(pairs / 40, "the same in other words");
    hits.at_least(pairs / 10, "what only takes");
    hits.at_least(pairs / 10, "wider, and a session that shows it");
    for (mutation, _) in MUTATIONS {
        hits.at_least(pairs / 100, &format!("of all: {mutation}"));
    }
    hits.at_least(pairs / 100, "of all: independent");
    for kind in ["a guest", "one name", "several names", "no known name", "another issuer", "a session about to end"] {
        hits.at_least(pairs / 100, &format!("no wider, with rights: {kind}"));
    }
}

/// What kind of session this is.
fn kinds(policy: &Policy, facts: &Facts) -> Vec<&'static str> {
    let Some(alias) = facts.issuer() else { return vec!["a guest"] };
    let known = role_mapping(policy, facts).claimed.iter().filter(|(_, roles)| !roles.is_empty()).count();
    let mut kinds = vec![match known {
        0 => "no known name",
        1 => "one name",
        _ => "several names",
    }];
    if alias != "app" {
        kinds.push("another issuer");
    }
    if facts.ends.is_some() {
        kinds.push("a session about to end");
    }
    debug_assert!(facts.roles != ClaimedRoles::Withheld, "who has rights has roles");
    kinds
}

#[test]
fn more_is_listed_where_it_could_be_asked_for_by_name() {
    let both = "[roles.a.channels]\n'x:{list}' = ['read']\n'y:{list}' = ['read']\n";
    let one = "[roles.a.channels]\n'x:{list}' = ['read']\n";
    let wild = "[roles.a.channels]\n'x:*' = ['read']\n'y:*' = ['read']\n";
    let list: Vec<u32> = (0..300).collect();
    let facts = facts(&["a"], json!({"list": list}));
    let policy = |text: &str| policy_for(text, &["app"]);
    let listed = |text: &str| listed(&policy(text), &facts).map(|listed| listed.len());
    assert_eq!((listed(both), listed(one)), (Err(Denial::TooManyChannels), Ok(300)));
    assert_eq!(listed(wild), Err(Denial::NothingGranted(NothingGranted::NoRight)));
    for (old, new) in [(both, one), (wild, one), (wild, both)] {
        assert_eq!(gains(&policy(old), &policy(new)), []);
    }
    for name in ["x:0", "x:299", "y:299"] {
        assert_eq!(
            (may(&policy(both), &facts, name), may(&policy(wild), &facts, name)),
            ("r".to_owned(), "r".to_owned())
        );
    }
}

#[test]
fn a_token_that_lives_longer_for_what_it_lacks_is_no_gain() {
    let old = "[roles.a]\nmax_ttl = '5m'\n[roles.a.channels]\n'x' = ['read']\n\
               [roles.b]\nincludes = ['a']\n[roles.b.channels]\n'y' = ['read']\n";
    let new = old.replace("'x' = ['read']\n", "");
    let (old, new) = (policy_for(old, &["app"]), policy_for(&new, &["app"]));
    let lives =
        |policy: &Policy| asked_for(policy, &facts(&["b"], json!({})), None, Mode::Strict).unwrap().ttl.minutes();
    assert_eq!((lives(&old), lives(&new)), (5, 60));
    assert_eq!(gains(&old, &new), []);
}

#[test]
fn whose_gain_it_is_is_told_by_name_and_issuer() {
    let old = "[roles.a]\nissuers = ['app']\n[roles.a.channels]\n'x' = ['read']\n[roles.b]\nclaimed_as = ['b', 'c']\n\
               [defaults]\nrole = 'b'\n[guest]\nrole = 'b'\n";
    let gained = |new: &str| {
        let gains = gains(&policy_for(old, &["app"]), &policy_for(new, &["app"]));
        gains.into_iter().map(|gain| format!("{}: {}", gain.what, gain.who.join(", "))).collect::<Vec<_>>()
    };
    let everybody = "sessions that claim `b`, sessions that claim `c`, sessions without a known role, guests";
    for (was, is, told) in [
        ("'x'", "'y'", vec!["read by \"y\" of a (new.toml:5): sessions of app that claim `a`".to_owned()]),
        (
            "issuers = ['app']",
            "issuers = ['app', 'corp']",
            vec!["read by \"x\" of a (new.toml:5): sessions of corp that claim `a`".to_owned()],
        ),
        (
            "issuers = ['app']",
            "",
            vec!["read by \"x\" of a (new.toml:5): sessions of any other issuer that claim `a`".to_owned()],
        ),
        (
            "[defaults]",
            "[roles.b.channels]\n'z' = ['write']\n[defaults]",
            vec![format!("write by \"z\" of b (new.toml:9): {everybody}")],
        ),
    ] {
        assert_eq!(gained(&old.replace(was, is)), told, "{is}");
    }
}
