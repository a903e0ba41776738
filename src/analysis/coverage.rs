//! What of a policy some decisions have used: roles, rules, filters.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chat::{Facts, Permission, Rights};
use crate::policy::{Account, Definition, Placeholder, Policy, Role, Rule, RuleRef, Verdict};

/// A part of a policy that a decision can use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A role that somebody has.
    Role(Arc<str>),
    /// A rule that allows a right which is granted.
    Allow(RuleRef),
    /// A rule that denies a right.
    Deny(RuleRef),
    /// A filter through which a value went: the placeholder as the file has it.
    Filter(String),
}

/// The parts that were used so far, each with its line and, of a rule, the rights that were.
#[derive(Clone, Debug, Default)]
pub struct Coverage(BTreeMap<(usize, Part), Rights>);

impl Coverage {
    /// Notes what `policy` used to come to this account.
    pub fn note(&mut self, policy: &Policy, facts: &Facts, account: &Account) {
        let policy = policy.definition();
        let (roles, _) = policy.roles_of(facts);
        let view = policy.view(facts, &roles);
        for role in roles.iter().filter_map(|role| policy.role(*role)) {
            self.used((role.place.line(), Part::Role(role.name.clone())), Rights::NONE);
        }
        for right in account.rights.iter() {
            let name = view.split(right.channel.as_str());
            let used: Vec<(&Role, &Rule)> = match right.verdict {
                Verdict::Allowed { .. } => view.allowing(&name, right.permission).collect(),
                Verdict::Denied { .. } => view.denying(&name, right.permission).collect(),
                Verdict::NoRule => Vec::new(),
            };
            for (role, rule) in used {
                let part = part_of(role, rule, !right.is_allowed());
                self.used((rule.line, part), Rights::NONE.with(right.permission));
                let filters = rule.pattern.placeholders().filter(|index| !view.values(*index).fitting.is_empty());
                let filters = filters.filter_map(|index| policy.placeholders.get(index));
                filters_in(filters).for_each(|filter| self.used((rule.line, filter), Rights::NONE));
            }
        }
        if account.member_id.as_ref().is_some_and(|member| !member.is_guest()) {
            member_filters(policy).for_each(|filter| self.used(filter, Rights::NONE));
        }
        if let Ok(terms) = &account.outcome {
            let filled = state_filters(policy).filter(|(key, _)| terms.state.contains_key(*key));
            filled.for_each(|(_, filter)| self.used(filter, Rights::NONE));
        }
    }

    fn used(&mut self, part: (usize, Part), rights: Rights) {
        let known = self.0.entry(part).or_default();
        *known = known.union(rights);
    }

    /// How many percent of the allow and deny rules were used, rounded down; 100 where there are none.
    #[must_use]
    pub fn percent(&self, policy: &Policy) -> usize {
        let (used, all) = self.rules(policy);
        (used * 100).checked_div(all).unwrap_or(100)
    }

    /// How many of the allow and deny rules were used, for whatever right, and how many there are.
    #[must_use]
    pub fn rules(&self, policy: &Policy) -> (usize, usize) {
        let all: Vec<_> = parts_of(policy.definition()).into_keys().filter(|(_, part)| part.is_rule()).collect();
        (all.iter().filter(|part| self.0.contains_key(part)).count(), all.len())
    }

    /// What was never used, each with its line in the file, in its order; of a rule that was, the right that never was.
    #[must_use]
    pub fn unused(&self, policy: &Policy) -> Vec<(usize, Part, Option<Permission>)> {
        let mut unused = Vec::new();
        for ((line, part), rights) in parts_of(policy.definition()) {
            match self.0.get(&(line, part.clone())) {
                None => unused.push((line, part, None)),
                Some(used) => {
                    let left = rights.minus(*used).permissions();
                    unused.extend(left.map(|permission| (line, part.clone(), Some(permission))));
                }
            }
        }
        unused
    }
}

/// Every part that a decision can use, of a rule with its rights.
fn parts_of(policy: &Definition) -> BTreeMap<(usize, Part), Rights> {
    let filters = state_filters(policy).map(|(_, filter)| filter).chain(member_filters(policy));
    let mut parts: BTreeMap<_, _> = filters.map(|filter| (filter, Rights::NONE)).collect();
    for role in &policy.roles {
        parts.insert((role.place.line(), Part::Role(role.name.clone())), Rights::NONE);
        for (rules, is_deny) in [(&role.allow, false), (&role.deny, true)] {
            for rule in rules.iter() {
                parts.insert((rule.line, part_of(role, rule, is_deny)), rule.rights);
                let placeholders = rule.pattern.placeholders().filter_map(|index| policy.placeholders.get(index));
                parts.extend(filters_in(placeholders).map(|filter| ((rule.line, filter), Rights::NONE)));
            }
        }
    }
    parts
}

fn member_filters(policy: &Definition) -> impl Iterator<Item = (usize, Part)> {
    let placeholders = policy.member.pattern.placeholders().filter_map(|index| policy.placeholders.get(index));
    filters_in(placeholders).map(|filter| (policy.member.place.line(), filter))
}

/// With the key of the state that each is for.
fn state_filters(policy: &Definition) -> impl Iterator<Item = (&str, (usize, Part))> {
    policy.state.iter().flat_map(|own| {
        filters_in(own.value.claim().into_iter()).map(move |filter| (own.key.as_str(), (own.line, filter)))
    })
}

fn part_of(role: &Role, rule: &Rule, is_deny: bool) -> Part {
    let reference = role.reference(rule);
    if is_deny { Part::Deny(reference) } else { Part::Allow(reference) }
}

fn filters_in<'a>(placeholders: impl Iterator<Item = &'a Placeholder>) -> impl Iterator<Item = Part> {
    placeholders.filter(|placeholder| placeholder.is_filtered()).map(|it| Part::Filter(it.to_string()))
}

impl Part {
    fn is_rule(&self) -> bool {
        matches!(self, Self::Allow(_) | Self::Deny(_))
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Role(name) => write!(formatter, "role {name}"),
            Self::Allow(rule) => write!(formatter, "allow \"{}\" of {}", rule.pattern, rule.role),
            Self::Deny(rule) => write!(formatter, "deny \"{}\" of {}", rule.pattern, rule.role),
            Self::Filter(placeholder) => write!(formatter, "filter in {placeholder}"),
        }
    }
}
