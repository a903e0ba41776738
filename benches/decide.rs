//! What the two parts of a request cost that are ours: verifying a session, deciding. `cargo bench`.

#![expect(clippy::panic, reason = "a benchmark may fail loudly")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use divan::{Bencher, black_box};
use secrecy::SecretSlice;
use serde_json::json;
use usher::chat::{Ask, ChannelName, ClaimedRoles, Facts, Mode, Rights, Timestamp, Who};
use usher::policy::Policy;
use usher::session::{AudiencesSettings, IssuerSettings, KeySettings, RoleSourceSettings, Verifier};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const SECRET: &[u8] = b"thirty-two bytes of a shared secret, or a few more";

fn main() {
    divan::main();
}

/// A policy of so many roles, the first of which grants so many channels by name.
fn policy(roles: usize, channels: usize) -> Policy {
    let mut text = "version = 1\n".to_owned();
    for role in 0..roles {
        let _ = write!(text, "[roles.r{role}.channels]\n\"own:{{sub}}\" = [\"read\", \"write\"]\n");
        for channel in 0..if role == 0 { channels } else { 1 } {
            let _ = writeln!(text, "\"room:{role}:{channel}\" = [\"read\"]");
        }
    }
    Policy::compile("bench", &text, &BTreeSet::new()).unwrap_or_else(|faults| panic!("{faults}"))
}

fn facts() -> Facts {
    Facts {
        who: Who::Known { issuer: "app".to_owned() },
        roles: ClaimedRoles::Names(vec!["r0".to_owned()]),
        claims: [("sub".to_owned(), json!("alice"))].into_iter().collect(),
        ends: Some(NOW.plus_millis(3_600_000)),
    }
}

#[divan::bench(args = [1, 10, 499])]
fn decide_for_channels(bencher: Bencher<'_, '_>, channels: usize) {
    let (policy, facts, ask) = (policy(1, channels), facts(), Ask::default());
    bencher.bench(|| policy.evaluate(black_box(&facts), black_box(&ask), NOW));
}

#[divan::bench(args = [1, 1_000])]
fn decide_among_roles(bencher: Bencher<'_, '_>, roles: usize) {
    let (policy, facts, ask) = (policy(roles, 10), facts(), Ask::default());
    bencher.bench(|| policy.evaluate(black_box(&facts), black_box(&ask), NOW));
}

/// A policy of so many rules over 100 roles: names, wildcards and claims in each, few of which match what is asked.
fn large_policy(rules: usize) -> Policy {
    const ROLES: usize = 100;
    let mut text = "version = 1\n".to_owned();
    for role in 0..ROLES {
        let _ = writeln!(text, "[roles.r{role}.channels]");
        for rule in (0..rules).filter(|rule| rule % ROLES == role) {
            let _ = match rule / ROLES % 3 {
                0 => writeln!(text, "\"own:{rule}:{{sub}}\" = [\"read\", \"write\"]"),
                1 => writeln!(text, "\"room:{rule}:*\" = [\"read\"]"),
                _ => writeln!(text, "\"news:{rule}\" = [\"read\"]"),
            };
        }
        if role == 0 {
            let _ = writeln!(
                text,
                "\"support:{{sub}}\" = [\"read\", \"write\"]\n[roles.r0.deny]\n\"support:x\" = [\"read\"]"
            );
        }
    }
    Policy::compile("bench", &text, &BTreeSet::new()).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The same request, whatever the size of the file: what it costs follows what the session's roles could match.
#[divan::bench(args = [10, 1_000, 50_000])]
fn decide_by_name_among_rules(bencher: Bencher<'_, '_>, rules: usize) {
    let (policy, facts) = (large_policy(rules), facts());
    let names = ["support:alice", "support:bob", "own:0:alice", "room:100:x"];
    let both = Rights { read: true, write: true };
    let channels = names.into_iter().filter_map(|name| Some((ChannelName::parse(name).ok()?, both))).collect();
    let ask = Ask { channels: Some(channels), mode: Mode::Narrow, ..Ask::default() };
    bencher.bench(|| policy.evaluate(black_box(&facts), black_box(&ask), NOW));
}

#[divan::bench]
fn verify_hs256(bencher: Bencher<'_, '_>) {
    let issuer = IssuerSettings {
        name: "app".to_owned(),
        issuer: "https://login.example.com/".to_owned(),
        audiences: AudiencesSettings::OneOf(vec!["api".to_owned()]),
        audience_claim: "aud".to_owned(),
        roles: vec![RoleSourceSettings::Claim("roles".to_owned())],
        keys: KeySettings::Secret(SecretSlice::from(SECRET.to_vec())),
        algorithms: Vec::new(),
        leeway: Duration::from_secs(30),
        max_age: None,
        outlive: Duration::ZERO,
        keys_max_stale: Duration::from_hours(24),
        allow_http: false,
    };
    let Ok(verifier) = Verifier::open(vec![issuer]) else { return };
    let claims = json!({
        "iss": "https://login.example.com/", "aud": "api", "sub": "alice", "iat": NOW.seconds(),
        "exp": NOW.seconds() + 3_600, "roles": ["customer"], "name": "Alice",
    });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    let Ok(token) = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key) else { return };
    assert!(verifier.verify(&token, NOW).is_ok());
    bencher.bench(|| verifier.verify(black_box(&token), NOW));
}
