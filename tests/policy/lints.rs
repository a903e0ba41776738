//! The lints that say that a rule does nothing: taking it out changes no decision, in random worlds.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use usher::chat::{Ask, ChannelName, Facts, Mode, Permission, Rights, Ttl};
use usher::policy::{Compilation, Denial, Policy};

use super::NOW;
use super::widening::model::{self, File, MUTATIONS};
use crate::support::worlds;

/// How many worlds there are in full.
const WORLDS: u32 = 10_000;
/// Sessions and guests for each rule that is taken out.
const SESSIONS: usize = 4;

/// What each lint is told of: its name and the line.
fn lints(text: &str, aliases: &BTreeSet<String>) -> Vec<(&'static str, usize)> {
    let compilation = Compilation::new("policy.toml", text, aliases);
    let lints = usher::analysis::warnings(&compilation, aliases);
    assert!(compilation.into_policy().is_ok(), "{text}");
    let line = |summary: &str| summary.strip_prefix("policy.toml:")?.split(':').next()?.parse().ok();
    lints.iter().map(|lint| (lint.name, line(&lint.summary()).unwrap())).collect()
}

fn compiled(text: &str, aliases: &BTreeSet<String>) -> Policy {
    Policy::compile("policy.toml", text, aliases).unwrap_or_else(|faults| panic!("{faults}"))
}

fn without(text: &str, line: usize) -> String {
    let others = text.split_inclusive('\n').enumerate().filter(|(index, _)| index + 1 != line);
    others.map(|(_, line)| line).collect()
}

/// What comes of a request, and of each right of it, whichever rule it was that decided.
fn decided(policy: &Policy, facts: &Facts, ask: &Ask) -> (Result<usher::chat::Terms, Denial>, Vec<(String, bool)>) {
    let account = policy.evaluate(facts, ask, NOW);
    let right =
        |right: &usher::policy::Right| (format!("{} {}", right.channel, right.permission.as_str()), right.is_allowed());
    (account.outcome.map(std::sync::Arc::unwrap_or_clone), account.rights.iter().map(right).collect())
}

/// Requests by name for all of these at once and for each alone, and for nothing in particular.
fn asks(channels: &BTreeSet<ChannelName>) -> Vec<Ask> {
    let both = Rights { read: true, write: true };
    let all = channels.iter().map(|channel| (channel.clone(), both)).collect();
    let ttl = Some(Ttl::MAX);
    let mut asks = vec![
        Ask { channels: Some(all), ttl, mode: Mode::Narrow, ..Ask::default() },
        Ask { ttl, ..Ask::default() },
        Ask::default(),
    ];
    for (channel, right) in channels.iter().flat_map(|channel| Permission::ALL.map(|right| (channel, right))) {
        let channels = BTreeMap::from([(channel.clone(), Rights::NONE.with(right))]);
        asks.push(Ask { channels: Some(channels), ttl, ..Ask::default() });
    }
    asks
}

#[test]
fn a_rule_that_is_said_to_do_nothing_changes_no_decision() {
    let hits: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    let note = |what: &'static str| *hits.borrow_mut().entry(what).or_default() += 1;
    let mutations = vec((0..MUTATIONS.len(), any::<u64>()), 0..4);
    let cases = worlds::share_of(WORLDS);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&(model::file(), mutations, any::<u64>()), |(file, mutations, seed)| {
        let change = |file: File, (by, seed): &(usize, u64)| file.changed(*by, &mut SmallRng::seed_from_u64(*seed));
        let file = mutations.iter().fold(file, change);
        let text = format!("version = 1\n{}", file.text());
        let aliases: BTreeSet<String> = file.aliases().iter().map(|alias| (*alias).to_owned()).collect();
        let whole = compiled(&text, &aliases);
        let names: Vec<String> = file.names().into_iter().collect();
        let mut rng = SmallRng::seed_from_u64(seed);
        // Of the many denies that deny nothing, one a world.
        let mut told = lints(&text, &aliases);
        let idle = told.iter().position(|(name, _)| *name == "idle-deny").map(|at| told[at]);
        told.retain(|(name, _)| *name == "covered-rule");
        told.extend(idle);
        let mut seen = BTreeSet::new();
        for (name, line) in told {
            let less = compiled(&without(&text, line), &aliases);
            let rules = |policy: &Policy| policy.roles().map(|(_, allow, deny)| allow + deny).sum::<usize>();
            prop_assert_eq!(rules(&less) + 1, rules(&whole), "{} is the line of one rule", line);
            seen.insert(name);
            for _ in 0..SESSIONS {
                let facts = model::somebody(&names, &mut rng);
                let channels = (0..12).map(|_| file.a_channel(&facts.claims, &mut rng));
                let channels = channels.filter_map(|channel| ChannelName::parse(&channel).ok()).collect();
                for ask in asks(&channels) {
                    let (was, is) = (decided(&whole, &facts, &ask), decided(&less, &facts, &ask));
                    prop_assert_eq!(&was, &is, "{} of line {}: {:?} asks {:?}\n{}", name, line, &facts, &ask, &text);
                    if was.0.is_ok() {
                        seen.insert(if name == "idle-deny" { "idle-deny, rights" } else { "covered-rule, rights" });
                    }
                }
            }
        }
        seen.into_iter().for_each(note);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
    println!("{:#?}", hits.borrow());
    for (what, least) in
        [("covered-rule", 20), ("covered-rule, rights", 20), ("idle-deny", 20), ("idle-deny, rights", 20)]
    {
        let count = hits.borrow().get(what).copied().unwrap_or_default();
        assert!(worlds::is_enough(count, cases / least), "only {count} of {cases} worlds: {what}");
    }
}
