//! The real evaluator against a second, naive one that was written from the text of `policy.md` alone, over worlds made
//! by chance from fixed seeds. Where they differ, one of them is wrong, or the text is. Must not know `src/policy` but by
//! its public names.

mod answer;
mod claims;
mod evaluator;
mod faults;
mod features;
mod generator;
mod model;
mod names;
mod notes;
mod pattern;
mod request;
mod rights;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use usher::chat::{Conditions, Draft, MemberId, Object, Ttl};
use usher::policy::Policy;

use self::answer::{Answer, End};
use self::evaluator::Question;
use self::generator::{Case, World};
use self::model::Model;
use self::notes::Notes;
use super::Ask;
use crate::support::worlds;

/// How many policies there are in full, and how many requests under each.
const POLICIES: u32 = 2_500;
const REQUESTS: u64 = 10;

/// Of all differences so many are shown.
const SHOWN: usize = 3;

/// What one run saw.
#[derive(Default)]
struct Tally {
    features: BTreeMap<&'static str, u32>,
    refused: BTreeMap<String, u32>,
    cases: u32,
    differences: Vec<String>,
}

#[test]
fn two_evaluators_agree_on_a_first_quarter_of_the_worlds() {
    compare(1);
}

#[test]
fn two_evaluators_agree_on_a_second_quarter_of_the_worlds() {
    compare(2);
}

#[test]
fn two_evaluators_agree_on_a_third_quarter_of_the_worlds() {
    compare(3);
}

#[test]
fn two_evaluators_agree_on_a_fourth_quarter_of_the_worlds() {
    compare(4);
}

/// Both evaluators over one part of the worlds.
fn compare(part: u64) {
    let mut tally = Tally::default();
    for number in 0..worlds::share_of(POLICIES) {
        let seed = part * 1_000_000 + u64::from(number);
        let mut world = World::of(seed);
        let model = Model::read(&world.text, &world.aliases);
        let policy = Policy::compile("policy.toml", &world.text, &world.aliases);
        match (&model, &policy) {
            (Ok(model), Ok(policy)) => {
                for _ in 0..REQUESTS {
                    let case = world.case();
                    tally.compare(seed, &world.text, model, policy, &case);
                }
            }
            (Err(faults), Err(_)) => *tally.refused.entry(faults[0].clone()).or_default() += 1,
            (Ok(_), Err(faults)) => tally.differs(seed, &world.text, &format!("refused:\n{faults}"), "a good policy"),
            (Err(faults), Ok(_)) => tally.differs(seed, &world.text, "a good policy", &format!("refused:\n{faults:?}")),
        }
    }
    tally.verdict();
}

impl Tally {
    fn compare(&mut self, seed: u64, text: &str, model: &Model, policy: &Policy, case: &Case) {
        let mut notes = Notes::default();
        let Case { facts, body, now, narrow, marks } = case;
        let expected = Question { model, facts, body, now: *now, narrow: *narrow }.answer(&mut notes);
        let found = really(policy, case);
        self.cases += 1;
        notes.0.extend(marks);
        for feature in notes.0 {
            *self.features.entry(feature).or_default() += 1;
        }
        if found != expected {
            let facts = format!(
                "{:?}, {:?}, claims {}",
                facts.who,
                facts.roles,
                brief(&Value::Object(Object::clone(&facts.claims)))
            );
            let left = case.facts.ends.map(|ends| ends.millis().saturating_sub(now.millis()));
            let world = format!("{text}\n{facts}\nleft of the session: {left:?} ms\nbody: {}", brief(body));
            self.differs(seed, &world, &format!("{found:#?}"), &format!("{expected:#?}"));
        }
    }

    fn differs(&mut self, seed: u64, world: &str, real: &str, naive: &str) {
        let text = format!("seed {seed}\n{world}\nTHE REAL ONE: {real}\nTHE NAIVE ONE: {naive}\n");
        self.differences.push(text);
    }

    fn verdict(&self) {
        let refused = self.refused.values().sum::<u32>();
        println!("{} cases; {refused} policies refused by both", self.cases);
        for (reason, count) in &self.refused {
            println!("{count:6}  refused: {}", reason.lines().last().unwrap_or_default());
        }
        for feature in features::ALL {
            println!("{:6}  {feature}", self.features.get(feature).unwrap_or(&0));
        }
        let shown: Vec<&str> = self.differences.iter().take(SHOWN).map(String::as_str).collect();
        assert!(shown.is_empty(), "{} differences, the first of them:\n{}", self.differences.len(), shown.join("\n"));
        let unknown: Vec<&&str> = self.features.keys().filter(|feature| !features::ALL.contains(feature)).collect();
        assert!(unknown.is_empty(), "not among the features that are counted: {unknown:?}");
        let count = |feature: &str| self.features.get(feature).copied().unwrap_or_default();
        let rare = |feature: &&&str| !worlds::is_enough(count(feature), self.cases / 100);
        let rare: Vec<&&str> = features::ALL.iter().filter(rare).collect();
        assert!(rare.is_empty(), "in less than 1 % of the cases: {rare:?}");
        let policies = worlds::share_of(POLICIES);
        assert!(worlds::is_at_most(refused, policies * 3 / 100), "{refused} of {policies} policies are none");
    }
}

/// What the real one says.
fn really(policy: &Policy, case: &Case) -> Answer {
    let bytes = case.body.to_string();
    let draft = Draft::read(bytes.as_bytes()).unwrap();
    let member = match policy.member(&case.facts) {
        Ok(member) => member,
        Err(denial) => {
            // Whoever decides without asking first comes to the same.
            let nobody = MemberId::guest(uuid::Uuid::nil());
            let ask = draft.accept(&conditions_of(&nobody)).unwrap_or_default();
            let account = policy.evaluate(&case.facts, &ask, case.now);
            assert_eq!(account.outcome, Err(denial.clone()), "decided at once, and before");
            return Answer::early(End::of_denial(&denial));
        }
    };
    let ask: Ask = match draft.accept(&policy.conditions(&case.facts, &member, case.narrow)) {
        Ok(ask) => ask,
        Err(faults) => {
            let row = |fault: &usher::chat::Fault| format!("{} {}", fault.pointer, fault.code.about().0);
            return Answer::early(End::Faults(faults.iter().map(row).collect()));
        }
    };
    Answer::of(&policy.evaluate(&case.facts, &ask, case.now))
}

/// Conditions that forbid little.
fn conditions_of(member_id: &MemberId) -> Conditions<'_> {
    const NO_KEY: &BTreeSet<String> = &BTreeSet::new();
    let min_ttl = Ttl::from_minutes(1).unwrap();
    Conditions { member_id, client_state: NO_KEY, state: Vec::new(), min_ttl, narrow: true }
}

/// JSON with its long lists and texts cut.
fn brief(value: &Value) -> Value {
    match value {
        Value::Array(elements) if elements.len() > 20 => {
            Value::from(format!("<{} elements: {}, {}, …>", elements.len(), elements[0], elements[1]))
        }
        Value::Array(elements) => elements.iter().map(brief).collect(),
        Value::Object(members) if members.len() > 100 => Value::from(format!("<{} members>", members.len())),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), brief(value))).collect(),
        Value::String(text) if text.len() > 300 => Value::from(format!("<{} characters>", text.chars().count())),
        other => other.clone(),
    }
}
