//! What a decision costs, by what there is to decide and by how long the policy is. `cargo bench --bench decide`.

#![expect(clippy::panic, reason = "a benchmark may fail loudly")]

#[path = "support/decisions.rs"]
mod decisions;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use divan::{Bencher, black_box};
use usher::chat::{Ask, ChannelName, Mode, Rights};
use usher::policy::Policy;

use self::decisions::{NOW, facts, policy};

fn main() {
    divan::main();
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
