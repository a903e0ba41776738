//! The policy as `policy.md` has it: each sentence with a test that goes red without it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod cookbook;
mod decision;
mod example;
mod faults;
mod issuers;
mod lints;
mod member;
mod oracle;
mod patterns;
mod properties;
mod ttl;
mod widening;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use usher::chat::{
    Ask, ChannelName, ClaimedRoles, Conditions, Draft, Facts, Object, Permission, Rights, Timestamp, Who,
};
use usher::policy::{Account, Denial, Policy};

/// When the tests' decisions are made.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A good policy of one issuer, `app`.
fn policy(text: &str) -> Policy {
    policy_for(text, &["app"])
}

fn policy_for(text: &str, aliases: &[&str]) -> Policy {
    compile(text, aliases).unwrap_or_else(|report| panic!("{report}"))
}

/// A policy, or the whole report of its faults.
fn compile(text: &str, aliases: &[&str]) -> Result<Policy, String> {
    let aliases: BTreeSet<String> = aliases.iter().map(|alias| (*alias).to_owned()).collect();
    Policy::compile("policy.toml", &format!("version = 1\n{text}"), &aliases).map_err(|faults| faults.to_string())
}

/// The report on a faulty policy of one issuer.
fn report(text: &str) -> String {
    compile(text, &["app"]).map_or_else(|report| report, |_| "no fault".to_owned())
}

/// Somebody of `app` with these claims and, in the claim `roles`, these roles.
fn facts(roles: &[&str], claims: Value) -> Facts {
    let mut claims: Object = serde_json::from_value(claims).unwrap();
    claims.entry("sub").or_insert_with(|| json!("alice"));
    Facts {
        who: Who::Known { issuer: "app".to_owned() },
        roles: ClaimedRoles::Names(roles.iter().map(|role| (*role).to_owned()).collect()),
        claims: claims.into(),
        ends: None,
    }
}

fn of_issuer(alias: &str, facts: Facts) -> Facts {
    Facts { who: Who::Known { issuer: alias.to_owned() }, ..facts }
}

fn guest() -> Facts {
    Facts::guest(uuid::Uuid::new_v4())
}

/// A request body, accepted under this policy, or its faults as `pointer code`.
fn accept(policy: &Policy, facts: &Facts, body: &Value) -> Result<Ask, Vec<String>> {
    let member = policy.member(facts).unwrap();
    let conditions: Conditions<'_> = policy.conditions(facts, &member, true);
    let accepted = Draft::read(body.to_string().as_bytes()).unwrap().accept(&conditions);
    accepted.map_err(|faults| {
        let code = |fault: &usher::chat::Fault| serde_json::to_value(fault.code).unwrap();
        faults.iter().map(|fault| format!("{} {}", fault.pointer, code(fault).as_str().unwrap())).collect()
    })
}

/// What is decided for a request body.
fn decide(policy: &Policy, facts: &Facts, body: &Value) -> Account {
    let ask = accept(policy, facts, body).unwrap();
    policy.evaluate(facts, &ask, NOW)
}

/// What is decided for a request that asks for nothing in particular, as `name: rw`.
fn listed(policy: &Policy, facts: &Facts) -> Result<Vec<String>, Denial> {
    policy.evaluate(facts, &Ask::default(), NOW).outcome.map(|terms| shown(&terms.channels))
}

/// The rights on one channel that the session of these facts has: `rw`, `r`, `w` or nothing.
fn may(policy: &Policy, facts: &Facts, channel: &str) -> String {
    let both = Rights { read: true, write: true };
    let channels = BTreeMap::from([(ChannelName::parse(channel).unwrap(), both)]);
    let account = policy.evaluate(facts, &Ask { channels: Some(channels), ..Ask::default() }, NOW);
    let allowed = account.rights.iter().filter(|right| right.is_allowed());
    letters(allowed.fold(Rights::NONE, |rights, right| rights.with(right.permission)))
}

fn shown(channels: &BTreeMap<ChannelName, Rights>) -> Vec<String> {
    channels.iter().map(|(name, rights)| format!("{name}: {}", letters(*rights))).collect()
}

fn letters(rights: Rights) -> String {
    rights.permissions().map(|permission| if permission == Permission::Read { 'r' } else { 'w' }).collect()
}
