//! The policy as one session meets it: its roles' rules, each placeholder resolved once, and what becomes of one right.
//! Must not know requests, ttls or the time.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::account::{Denial, Right, RuleRef, Verdict};
use super::pattern::{Pattern, Segment};
use super::value::Values;
use super::{Policy, Role, Rule};
use crate::chat::{ChannelName, Facts, MAX_CHANNELS, Permission, Rights, Ttl};

/// The policy as one session meets it: its roles' rules, each placeholder resolved once.
pub(super) struct View<'a> {
    policy: &'a Policy,
    facts: &'a Facts,
    roles: Vec<&'a Role>,
    values: Vec<OnceCell<Values>>,
}

impl<'a> View<'a> {
    pub(super) fn new(policy: &'a Policy, facts: &'a Facts, roles: &BTreeSet<usize>) -> Self {
        let values = (0..policy.placeholders.len()).map(|_| OnceCell::new()).collect();
        let roles = roles.iter().filter_map(|role| policy.role(*role)).collect();
        Self { policy, facts, roles, values }
    }

    /// Every allow rule of the session's roles, with the role that it stands in.
    pub(super) fn allows(&self) -> impl Iterator<Item = (&'a Role, &'a Rule)> {
        self.roles.iter().flat_map(|role| role.allow.iter().map(|rule| (*role, rule)))
    }

    /// Every deny rule of the session's roles, with the role that it stands in.
    pub(super) fn denies(&self) -> impl Iterator<Item = (&'a Role, &'a Rule)> {
        self.roles.iter().flat_map(|role| role.deny.iter().map(|rule| (*role, rule)))
    }

    /// What is granted by a concrete name (literals and filled-in templates), before denies: a wildcard lists nothing.
    pub(super) fn concrete(&self) -> Result<BTreeMap<ChannelName, Rights>, Denial> {
        let mut candidates: BTreeMap<String, Rights> = BTreeMap::new();
        for (_, rule) in self.allows().filter(|(_, rule)| rule.pattern.is_concrete()) {
            for name in self.fill(&rule.pattern, MAX_CHANNELS + 1) {
                let rights = candidates.entry(name).or_default();
                *rights = rights.union(rule.rights);
                if candidates.len() > MAX_CHANNELS {
                    return Err(Denial::TooManyChannels);
                }
            }
        }
        // INVARIANT: a filled-in name is checked like an asked-for one, here and, against the rules, by `judge`.
        Ok(candidates
            .into_iter()
            .filter_map(|(name, rights)| Some((ChannelName::parse(&name).ok()?, rights)))
            .collect())
    }

    /// What becomes of each right, by channel, `read` before `write`.
    pub(super) fn judge(&self, asked: &BTreeMap<ChannelName, Rights>) -> Vec<Right> {
        let mut judged = Vec::new();
        for (channel, rights) in asked {
            let name = self.split(channel.as_str());
            for permission in rights.permissions() {
                let verdict = self.verdict(&name, permission);
                judged.push(Right { channel: channel.clone(), permission, verdict });
            }
        }
        judged
    }

    fn verdict(&self, name: &[&str], permission: Permission) -> Verdict {
        let wanted = |rule: &Rule| rule.rights.has(permission);
        // INVARIANT: one deny of any role of the session outweighs every allow.
        let denies = self.denies().filter(|(_, rule)| wanted(rule) && self.denied_by(rule, name));
        if let Some(by) = denies.map(|(role, rule)| reference(role, rule)).min() {
            return Verdict::Denied { by };
        }
        let allows = self.allows().filter(|(_, rule)| wanted(rule) && self.allowed_by(rule, name));
        // The most generous rule; of equal ones the same each time, whatever their order in the file.
        let most_generous = allows.map(|(role, rule)| (rule.max_ttl, reference(role, rule))).min_by(|a, b| {
            let generosity = |cap: &Option<Ttl>| cap.map_or(u32::MAX, Ttl::minutes);
            generosity(&b.0).cmp(&generosity(&a.0)).then_with(|| a.1.cmp(&b.1))
        });
        most_generous.map_or(Verdict::NoRule, |(cap, by)| Verdict::Allowed { by, cap })
    }

    fn allowed_by(&self, rule: &Rule, name: &[&str]) -> bool {
        rule.pattern.matches(name, |placeholder, segment| self.values(placeholder).has(segment))
    }

    fn denied_by(&self, rule: &Rule, name: &[&str]) -> bool {
        rule.pattern.matches(name, |placeholder, segment| {
            let values = self.values(placeholder);
            // INVARIANT: a deny fails closed: what does not wholly fit matches any segment.
            !values.whole || values.has(segment)
        })
    }

    /// The texts that a pattern stands for in this session, wildcards as they are; at most `most`.
    pub(super) fn fill(&self, pattern: &Pattern, most: usize) -> Vec<String> {
        let separator = self.policy.separator;
        let mut texts = vec![String::new()];
        for (index, segment) in pattern.segments.iter().enumerate() {
            let choices: Vec<&str> = match segment {
                Segment::Literal(literal) => vec![literal],
                Segment::One => vec!["*"],
                Segment::Rest => vec!["**"],
                Segment::Placeholder(placeholder) => {
                    self.values(*placeholder).fitting.iter().map(String::as_str).collect()
                }
            };
            let joint = if index == 0 { String::new() } else { separator.to_string() };
            let longer = texts.iter().flat_map(|text| choices.iter().map(move |choice| (text, choice)));
            texts = longer.map(|(text, choice)| format!("{text}{joint}{choice}")).take(most).collect();
        }
        texts
    }

    fn values(&self, placeholder: usize) -> &Values {
        static NONE: Values = Values { fitting: Vec::new(), given: 0, whole: false };
        let resolve = || {
            let placeholder = self.policy.placeholders.get(placeholder);
            placeholder.map(|it| it.values(self.facts, self.policy.separator)).unwrap_or_default()
        };
        self.values.get(placeholder).map_or(&NONE, |cell| cell.get_or_init(resolve))
    }

    fn split<'n>(&self, name: &'n str) -> Vec<&'n str> {
        name.split(self.policy.separator).collect()
    }
}

impl Values {
    fn has(&self, segment: &str) -> bool {
        self.fitting.iter().any(|value| value == segment)
    }
}

fn reference(within: &Role, rule: &Rule) -> RuleRef {
    RuleRef { role: within.name.clone(), pattern: rule.pattern.text.clone(), line: rule.line }
}
