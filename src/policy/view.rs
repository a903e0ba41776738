//! The policy as one session meets it: its roles' rules, each placeholder resolved once, and what becomes of one right.
//! Must not know requests, ttls or the time.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::account::{Denial, Right, RuleRef, Verdict};
use super::pattern::{Pattern, Segment};
use super::value::{Placeholder, Values};
use super::{Policy, Role, Rule};
use crate::chat::{ChannelName, Facts, MAX_CHANNELS, Permission, Rights, Ttl};

/// What may be a channel's name, with the rights that some rule gives there.
pub(super) type Candidates = BTreeMap<String, Rights>;

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
        let mut candidates = Candidates::new();
        self.list(&mut candidates, |_| true, MAX_CHANNELS)?;
        Ok(names(candidates))
    }

    /// Adds what the concrete patterns of this kind stand for, up to `most` names.
    pub(super) fn list(
        &self,
        candidates: &mut Candidates,
        is_wanted: impl Fn(&Pattern) -> bool,
        most: usize,
    ) -> Result<(), Denial> {
        let concrete = self.allows().map(|(_, rule)| rule).filter(|rule| rule.pattern.is_concrete());
        for rule in concrete.filter(|rule| is_wanted(&rule.pattern)) {
            for name in self.fill(&rule.pattern, MAX_CHANNELS + 1) {
                let rights = candidates.entry(name).or_default();
                *rights = rights.union(rule.rights);
                if candidates.len() > most {
                    return Err(Denial::TooManyChannels);
                }
            }
        }
        Ok(())
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
        // INVARIANT: one deny of any role of the session outweighs every allow.
        if let Some(by) = self.denying(name, permission).map(|(role, rule)| reference(role, rule)).min() {
            return Verdict::Denied { by };
        }
        // The most generous rule; of equal ones the same each time, whatever their order in the file.
        let most_generous = self.allowing(name, permission).min_by(|(a_role, a), (b_role, b)| {
            let order = || reference(a_role, a).cmp(&reference(b_role, b));
            b.generosity().cmp(&a.generosity()).then_with(order)
        });
        most_generous
            .map_or(Verdict::NoRule, |(role, rule)| Verdict::Allowed { by: reference(role, rule), cap: rule.max_ttl })
    }

    /// The rules that allow a right, each with the role that it stands in.
    pub(super) fn allowing(&self, name: &[&str], permission: Permission) -> impl Iterator<Item = (&'a Role, &'a Rule)> {
        let fits = |placeholder: usize, segment: &str| self.values(placeholder).has(segment);
        let found = self.roles.iter().flat_map(|role| role.allow.matching(name, &fits).map(|rule| (*role, rule)));
        found.filter(|(_, rule)| rule.rights.has(permission)).collect::<Vec<_>>().into_iter()
    }

    /// The rules that deny a right, each with the role that it stands in.
    pub(super) fn denying(&self, name: &[&str], permission: Permission) -> impl Iterator<Item = (&'a Role, &'a Rule)> {
        let fits = |placeholder: usize, segment: &str| {
            let values = self.values(placeholder);
            // INVARIANT: a deny fails closed: what does not wholly fit matches any segment.
            !values.whole || values.has(segment)
        };
        let found = self.roles.iter().flat_map(|role| role.deny.matching(name, &fits).map(|rule| (*role, rule)));
        found.filter(|(_, rule)| rule.rights.has(permission)).collect::<Vec<_>>().into_iter()
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

    pub(super) fn values(&self, placeholder: usize) -> &Values {
        static NONE: Values = Values { fitting: Vec::new(), given: 0, whole: false };
        let resolve = || {
            let placeholder = self.policy.placeholders.get(placeholder);
            placeholder.map(|it| it.values(self.facts, self.policy.separator)).unwrap_or_default()
        };
        self.values.get(placeholder).map_or(&NONE, |cell| cell.get_or_init(resolve))
    }

    /// The placeholders whose claims were looked at so far.
    pub(super) fn consulted(&self) -> impl Iterator<Item = &'a Placeholder> {
        let cells = self.values.iter().zip(self.policy.placeholders.iter());
        cells.filter(|(cell, _)| cell.get().is_some()).map(|(_, placeholder)| placeholder)
    }

    pub(super) fn split<'n>(&self, name: &'n str) -> Vec<&'n str> {
        name.split(self.policy.separator).collect()
    }
}

/// Those of the names that are a channel's.
// INVARIANT: a filled-in name is checked like an asked-for one, here and, against the rules, by `judge`.
pub(super) fn names(candidates: Candidates) -> BTreeMap<ChannelName, Rights> {
    candidates.into_iter().filter_map(|(name, rights)| Some((ChannelName::parse(&name).ok()?, rights))).collect()
}

impl Values {
    pub(super) fn has(&self, segment: &str) -> bool {
        self.fitting.binary_search_by(|value| value.as_str().cmp(segment)).is_ok()
    }
}

impl Rule {
    /// How long what it grants may live, in minutes.
    pub(super) fn generosity(&self) -> u32 {
        self.max_ttl.map_or(u32::MAX, Ttl::minutes)
    }
}

pub(super) fn reference(within: &Role, rule: &Rule) -> RuleRef {
    RuleRef { role: within.name.clone(), pattern: rule.pattern.text.clone(), line: rule.line }
}
