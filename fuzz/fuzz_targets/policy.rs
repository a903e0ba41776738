//! Whatever stands in a policy file: it compiles or its faults can be shown, and nothing is granted beyond what its patterns
//! say literally.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use usher::chat::{Ask, ChannelName, ClaimedRoles, Facts, MAX_CHANNELS, Mode, Permission, Rights, Timestamp, Who};
use usher::policy::{Account, Policy, Verdict};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// Names that are asked for whatever the policy says.
const NAMES: [&str; 8] = ["announcements", "support:alice", "support:bob", "a", "a:b:c", "a/b", "a.b", "sw"];

fuzz_target!(|text: &str| {
    let aliases = BTreeSet::from(["app".to_owned()]);
    let policy = match Policy::compile("policy.toml", text, &aliases) {
        Ok(policy) => policy,
        Err(faults) => {
            assert!(faults.to_string().contains("error"), "faults can be shown");
            return;
        }
    };
    let file: toml::Table = text.parse().expect("what is no TOML is no policy");
    let asked = Ask { channels: Some(asked(&file)), mode: Mode::Narrow, ..Ask::default() };
    for facts in [known(&policy), Facts::guest(uuid::Uuid::nil())] {
        let _ = policy.claims_of(&facts);
        for ask in [&Ask::default(), &asked] {
            let account = policy.evaluate(&facts, ask, NOW);
            assert_eq!(account, policy.evaluate(&facts, ask, NOW), "the same each time");
            check(&account, &file, &facts);
        }
    }
});

/// Somebody who claims every role that there is.
fn known(policy: &Policy) -> Facts {
    let claims = json!({
        "sub": "alice", "name": "Alice Ärger", "email": "alice@example.com", "tenant": {"id": "t1"},
        "projects": ["p1", "p2", 3], "odd": ["", "a:b", "*", "**", "{sub}", "x/y", null], "none": [],
    });
    let Value::Object(claims) = claims else { unreachable!() };
    Facts {
        who: Who::Known { issuer: "app".to_owned() },
        roles: ClaimedRoles::Names(policy.claimable().into_iter().map(str::to_owned).collect()),
        claims: claims.into(),
        ends: Some(NOW.plus_millis(3_600_000)),
    }
}

/// The rules of one kind, `channels` or `deny`, of a role, as the file has them.
fn rules<'a>(file: &'a toml::Table, kind: &str) -> Vec<(&'a str, &'a str, BTreeSet<&'a str>)> {
    let tables = file.get("roles").and_then(toml::Value::as_table);
    let mut rules = Vec::new();
    for (role, table) in tables.into_iter().flatten() {
        for (pattern, rights) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
            let rights = rights.as_array().into_iter().flatten().filter_map(toml::Value::as_str).collect();
            rules.push((role.as_str(), pattern.as_str(), rights));
        }
    }
    rules
}

/// Names near all patterns of the file.
fn asked(file: &toml::Table) -> BTreeMap<ChannelName, Rights> {
    let mut names: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    for (_, pattern, _) in [rules(file, "channels"), rules(file, "deny")].concat() {
        let prefix = literal(pattern);
        names.insert(pattern.replace("**", "x").replace('*', "x"));
        names.extend(["", "alice", "t1", "p1", "x", "alice:x", "x:"].map(|end| format!("{prefix}{end}")));
        names.insert(format!("x{prefix}"));
        names.insert(prefix.chars().skip(1).collect());
    }
    let both = Rights { read: true, write: true };
    let names = names.iter().filter_map(|name| ChannelName::parse(name).ok());
    names.take(MAX_CHANNELS).map(|name| (name, both)).collect()
}

/// What a pattern says up to its first placeholder or wildcard.
fn literal(pattern: &str) -> &str {
    pattern.split(['{', '*']).next().unwrap_or_default()
}

fn covers(pattern: &str, channel: &str) -> bool {
    let prefix = literal(pattern);
    if prefix.len() == pattern.len() {
        channel == pattern
    } else {
        channel.len() > prefix.len() && channel.starts_with(prefix)
    }
}

fn check(account: &Account, file: &toml::Table, facts: &Facts) {
    let allows = rules(file, "channels");
    for right in account.rights.iter() {
        if let Verdict::Allowed { by, .. } = &right.verdict {
            let is_rule = |(role, pattern, rights): &(&str, &str, BTreeSet<&str>)| {
                *role == &*by.role && *pattern == &*by.pattern && rights.contains(right.permission.as_str())
            };
            assert!(allows.iter().any(is_rule), "{right:?} is allowed by a rule that is not there");
            assert!(covers(&by.pattern, right.channel.as_str()), "{right:?} is beyond its pattern");
        }
    }
    let Ok(terms) = &account.outcome else { return };
    let separator = file.get("separator").and_then(toml::Value::as_str).unwrap_or(":");
    assert!((1..=MAX_CHANNELS).contains(&terms.channels.len()));
    for (channel, rights) in terms.channels.iter() {
        let name = channel.as_str();
        assert!(!rights.is_none() && !name.is_empty() && !name.starts_with("sw_"), "{name}");
        for permission in Permission::ALL.into_iter().filter(|permission| rights.has(*permission)) {
            let word = permission.as_str();
            let grants =
                |(_, pattern, rights): &(&str, &str, BTreeSet<&str>)| rights.contains(word) && covers(pattern, name);
            assert!(allows.iter().any(grants), "{word} on {name} is granted by no pattern");
            let is_whole = name.split(separator).all(|segment| !segment.is_empty());
            let denies = |(role, pattern, rights): &(&str, &str, BTreeSet<&str>)| {
                let matches = *pattern == name || (*pattern == "**" && is_whole);
                matches && rights.contains(word) && account.roles.iter().any(|own| **own == **role)
            };
            assert!(!rules(file, "deny").iter().any(denies), "{word} on {name} is denied");
        }
    }
    // Nothing outlives the session or the longest that SignalWire takes, and nobody passes for a guest.
    assert!((1..=43_200).contains(&terms.ttl.minutes()));
    assert!(facts.ends.is_none() || terms.ttl.minutes() <= 60);
    assert_eq!(terms.member_id.as_str().starts_with("guest-"), facts.issuer().is_none());
    assert!(terms.member_id.as_str().chars().count() <= 250);
}
