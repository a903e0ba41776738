//! `usher diff`: what a change of policy grants and takes, by meaning; and of recorded decisions which would come out
//! otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;

use super::input::{self, Surroundings, World};
use super::outcome::{Failure, Paint, print};
use crate::analysis::{Gain, Recorded, changes_since, gains_over};
use crate::chat::{Ask, ChannelName, Permission, Ttl};
use crate::policy::{Account, Policy};
use crate::schema::escaped;
use crate::settings::Environment;

#[derive(Args)]
pub(super) struct Options {
    /// The policy as it was
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policy as it shall be
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// A file of audit events (usher's log), which are decided again by both
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// A settings file with the issuers that both are for; may be given several times, the later wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    let surroundings = Surroundings::load(&options.config, environment)?;
    let old = surroundings.open_as(&options.old, &options.new);
    let (old, new) = both(old, surroundings.open_as(&options.new, &options.old))?;
    let recorded = options.decisions.as_deref().map(input::decisions).transpose()?;
    let paint = Paint::of_output(environment);

    changes(&old, &new, &paint);
    let (was, is) = ((&old.policy, &*old.file), (&new.policy, &*new.file));
    let gains = gains_over(was, is);
    tell("gained", '+', &gains, &paint);
    tell("lost", '-', &gains_over(is, was), &paint);
    if let Some(events) = recorded {
        replay(&events, &old.policy, &new.policy, &paint);
    }
    if gains.is_empty() {
        print("no wider: no session can have a right, or have it for longer, that it could not before");
        return Ok(());
    }
    print("wider: some session could have what it could not before, or it cannot be proved that none could");
    Err(Failure::Denied)
}

/// Both policies, or all that is wrong with either.
fn both(old: Result<World, Failure>, new: Result<World, Failure>) -> Result<(World, World), Failure> {
    match (old, new) {
        (Err(Failure::Wrong(old)), Err(Failure::Wrong(new))) => Err(Failure::Wrong(format!("{old}\n\n{new}"))),
        (old, new) => Ok((old?, new?)),
    }
}

fn changes(old: &World, new: &World, paint: &Paint) {
    let changes = changes_since(&old.policy, &new.policy);
    print(if changes.is_empty() { "nothing is said differently\n" } else { "said differently" });
    for change in &changes {
        let file = if change.sign == '-' { &old.file } else { &new.file };
        let place = change.line.map(|line| format!("  ({file}:{line})")).unwrap_or_default();
        let line = format!("{} {}: {}", change.sign, change.table, change.what);
        print(format!("  {}{place}", paint.difference(&escaped(&line))));
    }
    if !changes.is_empty() {
        print("");
    }
}

fn tell(what: &str, sign: char, gains: &[Gain], paint: &Paint) {
    if gains.is_empty() {
        return;
    }
    print(what);
    for gain in gains {
        print(format!("  {}", paint.difference(&escaped(&format!("{sign} {}", gain.what)))));
        for who in &gain.who {
            print(format!("      {}", escaped(who)));
        }
    }
    print("");
}

/// What a decision gives: rights, and for how long.
type Given = (BTreeSet<(ChannelName, Permission)>, Option<Ttl>);

/// Decides recorded decisions again. That a token would have held more than it did makes nothing wider: it could have been
/// asked for.
fn replay(events: &[Recorded], old: &Policy, new: &Policy, paint: &Paint) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    print("recorded decisions");
    for event in events {
        let Some(now) = event.decided_at else {
            *counts.entry("without a decision").or_default() += 1;
            continue;
        };
        let missing: BTreeSet<String> =
            [old, new].into_iter().flat_map(|policy| event.missing_claims(policy)).collect();
        let who = format!("{} {}", event.request_id, event.member_id.as_deref().unwrap_or("nobody"));
        if !missing.is_empty() {
            *counts.entry("undecidable").or_default() += 1;
            let claims = missing.into_iter().collect::<Vec<_>>().join(", ");
            print(escaped(&format!("  ? {who}: undecidable, the event lacks the claim {claims}")));
            continue;
        }
        let (facts, ask) = (event.facts(), event.ask());
        let given = |policy: &Policy| given(policy, &ask, &policy.evaluate(&facts, &ask, now));
        let (was, is) = (given(old), given(new));
        let lines = differences(&was, &is);
        if lines.is_empty() {
            *counts.entry("unchanged").or_default() += 1;
            continue;
        }
        print(escaped(&format!("  {who}")));
        for line in &lines {
            print(format!("    {}", paint.difference(&escaped(line))));
        }
        for (sign, name) in [('+', "gaining"), ('-', "losing")] {
            *counts.entry(name).or_default() += usize::from(lines.iter().any(|line| line.starts_with(sign)));
        }
    }
    let count = |name: &str| counts.get(name).copied().unwrap_or_default();
    let told = ["unchanged", "gaining", "losing", "undecidable", "without a decision"]
        .map(|name| format!("{} {name}", count(name)));
    print(format!("  {} events: {}\n", events.len(), told.join(", ")));
}

fn given(policy: &Policy, ask: &Ask, account: &Account) -> Given {
    // Who asks for less than the least is refused before anything is decided.
    let (_, _, least) = policy.ttl_bounds();
    let outcome = account.outcome.as_ref().ok().filter(|_| ask.ttl.is_none_or(|asked| asked >= least));
    let Some(terms) = outcome else { return (BTreeSet::new(), None) };
    let rights =
        terms.channels.iter().flat_map(|(channel, rights)| rights.permissions().map(|it| (channel.clone(), it)));
    (rights.collect(), Some(terms.ttl))
}

/// What one decision gives that the other does not: `+` is gained, `-` is lost.
fn differences((was, lived): &Given, (is, lives): &Given) -> Vec<String> {
    let mut lines = Vec::new();
    for (sign, one, other) in [('-', was, is), ('+', is, was)] {
        let rights =
            one.difference(other).map(|(channel, permission)| format!("{sign} {channel} {}", permission.as_str()));
        lines.extend(rights);
    }
    if let (Some(lived), Some(lives)) = (lived, lives)
        && lived != lives
    {
        let sign = if lives > lived { '+' } else { '-' };
        lines.push(format!("{sign} ttl {lived} → {lives}"));
    }
    lines
}
