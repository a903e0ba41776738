//! One fault in an otherwise good policy, each against one sentence of `policy.md`. Must not know either evaluator.

use super::dice::Dice;
use super::plan::Plan;

/// A way to spoil a policy; false where it does not apply.
type Spoil = fn(&mut Plan, &mut Dice) -> bool;

const WAYS: &[Spoil] = &[
    |plan, _| allow(plan, "sup*"),
    |plan, _| allow(plan, "a{sub}"),
    |plan, _| allow(plan, "{sub}"),
    |plan, _| allow(plan, "*"),
    |plan, _| allow(plan, "**"),
    |plan, _| allow(plan, "sw_a"),
    |plan, _| allow(plan, " a"),
    |plan, _| allow(plan, "a "),
    |plan, _| allow(plan, "a\u{85}b"),
    |plan, _| allow(plan, "a}b"),
    |plan, _| allow(plan, "a{b"),
    |plan, _| allow(plan, &"é".repeat(251)),
    |plan, _| joined(plan, &["a", "", "b"]),
    |plan, _| joined(plan, &["", "b"]),
    |plan, _| joined(plan, &["a", ""]),
    |plan, _| joined(plan, &["a", "**", "b"]),
    |plan, _| joined(plan, &["a", "***"]),
    |plan, _| joined(plan, &["a", "{ sub }"]),
    |plan, _| joined(plan, &["a", "{sub}{sub}"]),
    |plan, _| joined(plan, &["a", "{sub|md5}"]),
    |plan, _| joined(plan, &["a", "{}"]),
    |plan, _| joined(plan, &["a", "{/x~2}"]),
    |plan, _| "-_".contains(plan.separator) && joined(plan, &["a", "{sub|b64url}"]),
    |plan, dice| right(plan, dice, &["read", "read"]),
    |plan, dice| right(plan, dice, &["read", "own"]),
    |plan, _| extra(plan, "unknown = 1\n"),
    |plan, _| extra(plan, "version = 1\n"),
    |plan, _| {
        plan.separator = '+';
        true
    },
    |plan, dice| include(plan, dice, "nobody"),
    |plan, dice| {
        let role = role(plan, dice);
        include(plan, dice, &role)
    },
    |plan, _| {
        plan.default_role = Some("nobody".to_owned());
        true
    },
    |plan, _| {
        plan.guest = Some(("nobody".to_owned(), None));
        true
    },
    |plan, dice| {
        let role = role(plan, dice);
        plan.guest = Some((role, Some("59s".to_owned())));
        true
    },
    |plan, dice| {
        let role = role(plan, dice);
        plan.roles.get_mut(&role).unwrap().max_ttl = Some("1m".to_owned());
        plan.ttl[0] > 1
    },
    |plan, _| {
        plan.ttl[1] = plan.ttl[2] + 1;
        true
    },
    |plan, _| {
        plan.ttl[2] = 43_201;
        true
    },
    |plan, _| {
        plan.ttl[0] = plan.ttl[1] + 1;
        true
    },
    |plan, _| member(plan, "*"),
    |plan, _| member(plan, "user"),
    |plan, _| member(plan, "user{sub}"),
    |plan, _| state(plan, "[1]"),
    |plan, _| state(plan, "{ a = 1 }"),
    |plan, _| state(plan, "\"{name} {sub}\""),
    |plan, _| state(plan, "\"a{\""),
    |plan, _| state(plan, &format!("\"{}\"", "x".repeat(2_000))),
    |plan, _| {
        plan.client_state = vec!["both".to_owned()];
        state(plan, "1")
    },
    |plan, _| plan.aliases.len() > 1 && member(plan, "{sub}"),
    |plan, dice| {
        let role = role(plan, dice);
        let is_claimed = !plan.names_of(&role).is_empty();
        plan.roles.get_mut(&role).unwrap().issuers = None;
        is_claimed && plan.aliases.len() > 1
    },
    |plan, dice| {
        let role = role(plan, dice);
        let is_wide = plan.aliases.len() > 1 && plan.issuers_of(&role).len() > 1;
        is_wide && joined_in(plan, &role, &["a", "{sub}"])
    },
    |plan, dice| {
        let (role, fewer) = (role(plan, dice), vec!["app".to_owned()]);
        let is_wide = plan.aliases.len() > 1 && plan.issuers_of(&role).len() > 1;
        let is_named = plan.default_role.as_ref() == Some(&role);
        plan.roles.get_mut(&role).unwrap().issuers = Some(fewer);
        is_wide && is_named
    },
];

/// Spoils a policy in one way.
pub(super) fn spoil(plan: &mut Plan, dice: &mut Dice) {
    while !dice.pick(WAYS)(plan, dice) {}
}

fn role(plan: &Plan, dice: &mut Dice) -> String {
    dice.pick(&plan.roles.keys().cloned().collect::<Vec<_>>()).clone()
}

fn allow(plan: &mut Plan, pattern: &str) -> bool {
    let role = plan.roles.values_mut().next().unwrap();
    role.channels.insert(pattern.to_owned(), vec!["read".to_owned()]);
    true
}

fn joined(plan: &mut Plan, parts: &[&str]) -> bool {
    let pattern = parts.join(&plan.separator.to_string());
    allow(plan, &pattern)
}

fn joined_in(plan: &mut Plan, role: &str, parts: &[&str]) -> bool {
    let pattern = parts.join(&plan.separator.to_string());
    plan.roles.get_mut(role).unwrap().channels.insert(pattern, vec!["read".to_owned()]);
    true
}

fn right(plan: &mut Plan, dice: &mut Dice, rights: &[&str]) -> bool {
    let role = role(plan, dice);
    let rights = rights.iter().map(ToString::to_string).collect();
    plan.roles.get_mut(&role).unwrap().deny.insert("a".to_owned(), rights);
    true
}

fn extra(plan: &mut Plan, line: &str) -> bool {
    line.clone_into(&mut plan.extra);
    true
}

fn include(plan: &mut Plan, dice: &mut Dice, included: &str) -> bool {
    let role = role(plan, dice);
    if plan.roles.contains_key(included) && !plan.with_included(vec![included.to_owned()]).contains(&role) {
        return false;
    }
    plan.roles.get_mut(&role).unwrap().includes.push(included.to_owned());
    true
}

fn member(plan: &mut Plan, id: &str) -> bool {
    id.clone_into(&mut plan.member);
    true
}

fn state(plan: &mut Plan, value: &str) -> bool {
    plan.state.push(("both".to_owned(), value.to_owned()));
    true
}
