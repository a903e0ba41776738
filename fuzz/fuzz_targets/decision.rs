//! Two policies, a session's claims and a request, whatever they are: what is true of every decision is the oracle.
//!
//! The input is four texts with a line `%%` between them: a policy, another, the claims and the request as JSON.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use usher::analysis::{
    Coverage, changes_since, claims_from, claims_needed, gains_over, in_words, is_recorded, rehearse,
    warnings,
};
use usher::chat::{Ask, ChannelName, ClaimedRoles, Draft, Facts, Mode, Object, Permission, Timestamp, Ttl, Who};
use usher::policy::{Account, Compilation, Policy, Verdict};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fuzz_target!(|text: &str| {
    let mut texts = text.split("\n%%\n");
    let (Some(old), Some(new)) = (texts.next(), texts.next()) else { return };
    let claims = texts.next().and_then(|text| serde_json::from_str::<Object>(text).ok()).unwrap_or_default();
    let body = texts.next().unwrap_or_default();
    let aliases = BTreeSet::from(["app".to_owned()]);
    let compile = |text: &str| {
        let compilation = Compilation::new("policy.toml", text, &aliases);
        let lints = warnings(&compilation, &aliases);
        lints.iter().for_each(|lint| assert!(lint.to_string().contains(lint.name)));
        compilation.into_policy().ok()
    };
    let Some(old) = compile(old) else { return };
    itself(&old);
    for facts in [known(claims.clone()), Facts::guest(uuid::Uuid::nil())] {
        if let Ok(draft) = Draft::read(body.as_bytes())
            && let (Some((ask, account)), _) = rehearse(&old, &facts, draft, true, NOW)
        {
            one(&old, &facts, &ask, &account);
        }
    }
    let Some(new) = compile(new) else { return };
    for facts in [known(claims), Facts::guest(uuid::Uuid::nil())] {
        two(&old, &new, &facts, body);
    }
});

/// Somebody with these claims, whose roles are in `roles`.
fn known(claims: Object) -> Facts {
    let names = match claims.get("roles") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(name)) => vec![name.clone()],
        _ => Vec::new(),
    };
    let ends = claims.get("exp").and_then(Value::as_i64).map(|left| NOW.plus_millis(left.saturating_mul(1_000)));
    Facts {
        who: Who::Known { issuer: "app".to_owned() },
        roles: ClaimedRoles::Names(names),
        claims: claims.into(),
        ends,
    }
}

/// Of a policy and itself nothing differs.
fn itself(policy: &Policy) {
    assert!(changes_since(policy, policy).is_empty());
    assert!(gains_over((policy, "old"), (policy, "new")).is_empty());
}

type Rights = BTreeSet<(ChannelName, Permission)>;

fn granted(account: &Account) -> (Rights, Option<Ttl>) {
    let Ok(terms) = &account.outcome else { return (Rights::new(), None) };
    let each = terms.channels.iter();
    (each.flat_map(|(name, rights)| rights.permissions().map(|it| (name.clone(), it))).collect(), Some(terms.ttl))
}

fn one(policy: &Policy, facts: &Facts, ask: &Ask, account: &Account) {
    let (rights, ttl) = granted(account);
    if let Some(asked) = &ask.channels {
        assert!(
            rights.iter().all(|(name, it)| asked.get(name).is_some_and(|rights| rights.has(*it))),
            "granted ⊆ asked"
        );
    }
    let (_, max, min) = policy.ttl_bounds();
    if let Some(ttl) = ttl {
        assert!(ttl <= max && ttl >= min && ask.ttl.is_none_or(|asked| ttl <= asked), "the ttl is within its bounds");
        let left = facts.ends.map(|ends| NOW.millis_until(ends));
        assert!(left.is_none_or(|left| i64::from(ttl.minutes()) * 60_000 <= left), "no token outlives its session");
    }
    // Asked for by itself, a right comes out the same: nothing depends on what else is asked for.
    for right in account.rights.iter().take(20) {
        let alone = usher::chat::Rights::NONE.with(right.permission);
        let channels = Some([(right.channel.clone(), alone)].into());
        let again = policy.evaluate(facts, &Ask { channels, ..ask.clone() }, NOW);
        assert_eq!(*again.rights, [right.clone()]);
        let words = in_words(policy, facts, right, "policy.toml");
        let told = match right.verdict {
            Verdict::Allowed { .. } => "allowed by ",
            Verdict::Denied { .. } => "denied by ",
            Verdict::NoRule => "no rule allows it",
        };
        assert!(words.starts_with(told), "{words}");
    }
    // A record of the claims that were read decides the same, and says of each that it needs.
    let recorded = policy.claims_of(facts);
    let again = Facts { claims: claims_from(&recorded).into(), ..facts.clone() };
    let replayed = policy.evaluate(&again, ask, NOW);
    assert_eq!((granted(&replayed), &replayed.rights), (granted(account), &account.rights), "{recorded:?}");
    let needed = claims_needed(policy, facts, ask);
    assert!(facts.issuer().is_none() || needed.iter().all(|claim| is_recorded(&recorded, claim)), "{needed:?}");
    // What was used is a part of the policy.
    let mut coverage = Coverage::default();
    coverage.note(policy, facts, account);
    let (used, all) = coverage.rules(policy);
    assert!(used <= all && coverage.percent(policy) <= 100);
    if !rights.is_empty() {
        assert!(used > 0, "what grants is a rule");
    }
}

/// Where nothing is gained, nothing is.
fn two(old: &Policy, new: &Policy, facts: &Facts, body: &str) {
    if !gains_over((old, "old"), (new, "new")).is_empty() {
        return;
    }
    let Ok(draft) = Draft::read(body.as_bytes()) else { return };
    let (Some((ask, _)), _) = rehearse(new, facts, draft, true, NOW) else { return };
    let longest = Ask { ttl: Some(Ttl::MAX), mode: Mode::Narrow, ..ask };
    let (is, lives) = granted(&new.evaluate(facts, &longest, NOW));
    for (name, permission) in is {
        let channels = Some([(name.clone(), usher::chat::Rights::NONE.with(permission))].into());
        let (was, lived) = granted(&old.evaluate(facts, &Ask { channels, ..longest.clone() }, NOW));
        assert!(was.contains(&(name.clone(), permission)), "{name} {permission:?} is new");
        assert!(lived >= lives, "{name} {permission:?} lives longer");
    }
}
