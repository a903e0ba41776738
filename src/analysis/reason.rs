//! Why a rule matched a name or did not, in words for the policy's writer.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::chat::{Facts, Permission};
use crate::policy::{
    Definition, MAX_VALUES, Pattern, Placeholder, Policy, Right, Rule, RuleRef, Segment, Verdict, View,
};
use crate::schema::quoted;

/// How many filled-in names are shown.
const MOST_SHOWN: usize = 3;

/// Why a right is allowed or refused, beyond the rule itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// What of the rule was filled in, or why a deny matches though nothing was.
    pub notes: Vec<String>,
    /// For a right that no rule allows: of the session's rules the one that comes nearest, and why it does not match.
    pub nearest: Option<(RuleRef, String)>,
    /// For such a right: rules that would allow it, of roles that the session does not have.
    pub elsewhere: Vec<RuleRef>,
}

/// Why this became of a right.
#[must_use]
pub fn reason(policy: &Policy, facts: &Facts, right: &Right) -> Reason {
    let policy = policy.definition();
    let (roles, _) = policy.roles_of(facts);
    let reasoner = Reasoner { policy, facts, view: policy.view(facts, &roles) };
    let name = reasoner.view.split(right.channel.as_str());
    match &right.verdict {
        Verdict::Allowed { by, .. } | Verdict::Denied { by } => {
            let is_deny = matches!(right.verdict, Verdict::Denied { .. });
            let rule = reasoner.rule(by, is_deny);
            let notes = rule.map(|rule| reasoner.notes(&rule.pattern, &name)).unwrap_or_default();
            Reason { notes, ..Reason::default() }
        }
        Verdict::NoRule => Reason {
            notes: Vec::new(),
            nearest: reasoner.nearest(&name, right.permission),
            elsewhere: reasoner.elsewhere(&name, right.permission, &roles),
        },
    }
}

/// The same in one line of words; `file` is how the policy is called there.
#[must_use]
pub fn in_words(policy: &Policy, facts: &Facts, right: &Right, file: &str) -> String {
    let reason = reason(policy, facts, right);
    let notes = reason.notes.iter().fold(String::new(), |all, note| all + ", " + note);
    match &right.verdict {
        Verdict::Allowed { by, .. } => format!("allowed by {}{notes}", by.within(file)),
        Verdict::Denied { by } => format!("denied by {}{notes}", by.within(file)),
        Verdict::NoRule => {
            let near = reason.nearest.map(|(rule, why)| format!("; nearest is {}: {why}", rule.within(file)));
            let others = reason.elsewhere.first().map(|rule| format!("; another role has it: {}", rule.within(file)));
            format!("no rule allows it{}{}", near.unwrap_or_default(), others.unwrap_or_default())
        }
    }
}

/// Why a session has nothing by name, as far as its roles and claims tell.
#[must_use]
pub fn why_nothing(policy: &Policy, facts: &Facts, file: &str) -> Vec<String> {
    let policy = policy.definition();
    let (roles, ignored) = policy.roles_of(facts);
    let mut why = Vec::new();
    let names = policy.names_of(&roles);
    if names.is_empty() {
        why.push("the session has no role".to_owned());
    } else {
        why.push(format!("the session has the roles {}", names.join(", ")));
    }
    if !ignored.is_empty() {
        let names: Vec<String> = ignored.iter().take(MOST_SHOWN).map(|name| quoted(name)).collect();
        let more = if ignored.len() > MOST_SHOWN { ", …" } else { "" };
        why.push(format!("it claims {}{more}, which counts for nothing", names.join(", ")));
    }
    let view = policy.view(facts, &roles);
    let lacking = view.allows().filter_map(|(role, rule)| {
        let placeholders = rule.pattern.placeholders().filter(|index| view.values(*index).fitting.is_empty());
        let mut placeholders = placeholders.filter_map(|index| policy.placeholders.get(index));
        let placeholder = placeholders.next()?;
        let lack = lack(placeholder, facts, policy.separator)?;
        Some(format!("{} cannot be filled in: {placeholder}: {lack}", role.reference(rule).within(file)))
    });
    why.extend(lacking.take(MOST_SHOWN));
    let wildcards = view.allows().filter(|(_, rule)| !rule.pattern.is_concrete());
    let wildcards = wildcards.map(|(role, rule)| {
        format!(
            "{} is granted to who asks by name alone: a wildcard is never listed",
            role.reference(rule).within(file)
        )
    });
    why.extend(wildcards.take(MOST_SHOWN));
    why
}

/// A session before a policy.
struct Reasoner<'a> {
    policy: &'a Definition,
    facts: &'a Facts,
    view: View<'a>,
}

impl Reasoner<'_> {
    fn rule(&self, by: &RuleRef, is_deny: bool) -> Option<&Rule> {
        let role = self.policy.roles.iter().find(|role| role.name == by.role)?;
        let rules = if is_deny { &role.deny } else { &role.allow };
        rules.iter().find(|rule| rule.line == by.line && rule.pattern.text == by.pattern)
    }

    /// What each placeholder of a rule that matched stands for in this name.
    fn notes(&self, pattern: &Pattern, name: &[&str]) -> Vec<String> {
        let parts = pattern.segments.iter().zip(name);
        let filled = parts.filter_map(|(segment, part)| match segment {
            Segment::Placeholder(index) => {
                let placeholder = self.policy.placeholders.get(*index)?;
                Some(if self.view.values(*index).has(part) {
                    format!("{placeholder} is {}", quoted(part))
                } else {
                    let why = lack(placeholder, self.facts, self.policy.separator).unwrap_or_default();
                    format!("{placeholder} matches anything here: {why}")
                })
            }
            _ => None,
        });
        filled.collect()
    }

    fn nearest(&self, name: &[&str], permission: Permission) -> Option<(RuleRef, String)> {
        let rated = self.view.allows().filter_map(|(role, rule)| {
            let fits = |index: usize, part: &str| self.view.values(index).has(part);
            let matched = matched(&rule.pattern, name, &fits);
            let whole = matched == Matched::Wholly;
            let rate = match matched {
                Matched::Wholly => usize::MAX,
                Matched::UpTo(segments) => segments,
            };
            // What would not even give the right is no way to it.
            let is_near = rate > 0 && (whole || rule.rights.has(permission));
            is_near.then(|| (rate, role.reference(rule), rule, matched))
        });
        let (_, by, rule, matched) = rated.max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)))?;
        let why = match matched {
            Matched::Wholly => format!("it grants {} alone", rule.rights),
            Matched::UpTo(segments) => self.miss(&rule.pattern, segments, name),
        };
        Some((by, why))
    }

    /// Why a pattern does not match from its segment `at` on.
    fn miss(&self, pattern: &Pattern, at: usize, name: &[&str]) -> String {
        let lengths = || format!("it has {} segments, and the name has {}", pattern.segments.len(), name.len());
        match (pattern.segments.get(at), name.get(at)) {
            (Some(Segment::Placeholder(index)), Some(part)) if !part.is_empty() => {
                let filled = self.view.fill(pattern, MOST_SHOWN + 1);
                let shown: Vec<_> = filled.iter().take(MOST_SHOWN).map(|name| quoted(name)).collect();
                let more = if filled.len() > MOST_SHOWN { ", …" } else { "" };
                if shown.is_empty() {
                    let empty = pattern.placeholders().find(|index| self.view.values(*index).fitting.is_empty());
                    let placeholder = self.policy.placeholders.get(empty.unwrap_or(*index));
                    let told =
                        placeholder.and_then(|it| lack(it, self.facts, self.policy.separator).map(|why| (it, why)));
                    return told.map_or_else(lengths, |(it, why)| format!("{it} cannot be filled in: {why}"));
                }
                format!("filled in it is {}{more}", shown.join(" or "))
            }
            (Some(Segment::Literal(literal)), Some(part)) => {
                format!("its segment {} is {}, and the name has {}", at + 1, quoted(literal), quoted(part))
            }
            (Some(_), Some(_)) => "a segment of the name is empty".to_owned(),
            _ => lengths(),
        }
    }

    fn elsewhere(&self, name: &[&str], permission: Permission, roles: &BTreeSet<usize>) -> Vec<RuleRef> {
        let others: BTreeSet<usize> = (0..self.policy.roles.len()).filter(|role| !roles.contains(role)).collect();
        let mut found: Vec<RuleRef> = self
            .policy
            .view(self.facts, &others)
            .allowing(name, permission)
            .map(|(role, rule)| role.reference(rule))
            .collect();
        found.sort();
        found
    }
}

/// How far a pattern matches a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matched {
    Wholly,
    /// So many segments from the start.
    UpTo(usize),
}

fn matched(pattern: &Pattern, name: &[&str], fits: &impl Fn(usize, &str) -> bool) -> Matched {
    for (at, segment) in pattern.segments.iter().enumerate() {
        let Some(part) = name.get(at) else { return Matched::UpTo(at) };
        let matches = match segment {
            Segment::Rest if name.iter().skip(at).all(|part| !part.is_empty()) => return Matched::Wholly,
            Segment::Rest => false,
            Segment::Literal(literal) => literal == part,
            Segment::One => !part.is_empty(),
            Segment::Placeholder(index) => !part.is_empty() && fits(*index, part),
        };
        if !matches {
            return Matched::UpTo(at);
        }
    }
    if pattern.segments.len() == name.len() { Matched::Wholly } else { Matched::UpTo(pattern.segments.len()) }
}

/// What a placeholder's claim lacks to be a value that fits, or wholly fits; none where it lacks nothing.
fn lack(placeholder: &Placeholder, facts: &Facts, separator: char) -> Option<String> {
    let values = placeholder.values(facts, separator);
    if values.whole && !values.fitting.is_empty() {
        return None;
    }
    let fits = if placeholder.is_filtered() { "is empty, or no string or integer" } else { "does not fit one segment" };
    Some(match placeholder.claim_of(facts) {
        _ if placeholder.is_issuer() => "a guest has no issuer".to_owned(),
        None if facts.issuer().is_none() => "a guest has no claims".to_owned(),
        None => "the claim is absent".to_owned(),
        Some(Value::Null) => "the claim is null".to_owned(),
        Some(Value::Array(list)) if list.len() > MAX_VALUES => "the claim is a list of over 1,000".to_owned(),
        Some(Value::Array(list)) if list.is_empty() => "the claim is an empty list".to_owned(),
        Some(Value::Array(_)) => format!("an element of the claim {fits}"),
        Some(Value::String(_)) => format!("the claim {fits}"),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => format!("the claim {fits}"),
        Some(_) => "the claim is no string, integer or list of them".to_owned(),
    })
}
