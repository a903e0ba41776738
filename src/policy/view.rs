//! The policy as one session meets it: its roles' rules, each placeholder resolved once, and what becomes of one right.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::account::{Denial, Right, Verdict};
use super::pattern::{Pattern, Placeholders, Segment};
use super::placeholder::{Placeholder, Values};
use super::rules::{Role, Rule};
use crate::chat::{ChannelName, Facts, MAX_CHANNELS, Permission, Rights};

/// What may be a channel's name, with the rights that some rule gives there.
pub(super) type Candidates = BTreeMap<String, Rights>;

/// The policy as one session meets it: its roles' rules, each placeholder resolved once.
pub(crate) struct View<'a> {
    placeholders: &'a Placeholders,
    separator: char,
    facts: &'a Facts,
    roles: Vec<&'a Role>,
    values: Vec<OnceCell<Values>>,
}

impl<'a> View<'a> {
    pub(super) fn new(placeholders: &'a Placeholders, separator: char, facts: &'a Facts, roles: Vec<&'a Role>) -> Self {
        let values = (0..placeholders.len()).map(|_| OnceCell::new()).collect();
        Self { placeholders, separator, facts, roles, values }
    }

    /// Every allow rule of the session's roles, with the role that it stands in.
    pub(crate) fn allows(&self) -> impl Iterator<Item = (&'a Role, &'a Rule)> {
        self.roles.iter().flat_map(|role| role.allow.iter().map(|rule| (*role, rule)))
    }

    /// Every deny rule of the session's roles, with the role that it stands in.
    pub(crate) fn denies(&self) -> impl Iterator<Item = (&'a Role, &'a Rule)> {
        self.roles.iter().flat_map(|role| role.deny.iter().map(|rule| (*role, rule)))
    }

    /// What is granted by a concrete name (literals and filled-in templates), before denies: a wildcard lists nothing.
    pub(crate) fn concrete(&self) -> Result<BTreeMap<ChannelName, Rights>, Denial> {
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
    pub(crate) fn judge(&self, asked: &BTreeMap<ChannelName, Rights>) -> Vec<Right> {
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
        if let Some(by) = self.denying(name, permission).map(|(role, rule)| role.reference(rule)).min() {
            return Verdict::Denied { by };
        }
        // The most generous rule; of equal ones the same each time, whatever their order in the file.
        let most_generous = self.allowing(name, permission).min_by(|(a_role, a), (b_role, b)| {
            let order = || a_role.reference(a).cmp(&b_role.reference(b));
            b.generosity().cmp(&a.generosity()).then_with(order)
        });
        most_generous
            .map_or(Verdict::NoRule, |(role, rule)| Verdict::Allowed { by: role.reference(rule), cap: rule.max_ttl })
    }

    /// The rules that allow a right, each with the role that it stands in.
    pub(crate) fn allowing(&self, name: &[&str], permission: Permission) -> impl Iterator<Item = (&'a Role, &'a Rule)> {
        let fits = |placeholder: usize, segment: &str| self.values(placeholder).has(segment);
        let found = self.roles.iter().flat_map(|role| role.allow.matching(name, &fits).map(|rule| (*role, rule)));
        found.filter(|(_, rule)| rule.rights.has(permission)).collect::<Vec<_>>().into_iter()
    }

    /// The rules that deny a right, each with the role that it stands in.
    pub(crate) fn denying(&self, name: &[&str], permission: Permission) -> impl Iterator<Item = (&'a Role, &'a Rule)> {
        let fits = |placeholder: usize, segment: &str| {
            let values = self.values(placeholder);
            // INVARIANT: a deny fails closed: what does not wholly fit matches any segment.
            !values.whole || values.has(segment)
        };
        let found = self.roles.iter().flat_map(|role| role.deny.matching(name, &fits).map(|rule| (*role, rule)));
        found.filter(|(_, rule)| rule.rights.has(permission)).collect::<Vec<_>>().into_iter()
    }

    /// The texts that a pattern stands for in this session, wildcards as they are; at most `most`.
    pub(crate) fn fill(&self, pattern: &Pattern, most: usize) -> Vec<String> {
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
            let joint = if index == 0 { String::new() } else { self.separator.to_string() };
            let longer = texts.iter().flat_map(|text| choices.iter().map(move |choice| (text, choice)));
            texts = longer.map(|(text, choice)| format!("{text}{joint}{choice}")).take(most).collect();
        }
        texts
    }

    pub(crate) fn values(&self, placeholder: usize) -> &Values {
        static NONE: Values = Values { fitting: Vec::new(), given: 0, whole: false };
        let resolve = || {
            let placeholder = self.placeholders.get(placeholder);
            placeholder.map(|it| it.values(self.facts, self.separator)).unwrap_or_default()
        };
        self.values.get(placeholder).map_or(&NONE, |cell| cell.get_or_init(resolve))
    }

    /// The placeholders whose claims were looked at so far.
    pub(crate) fn consulted(&self) -> impl Iterator<Item = &'a Placeholder> {
        let cells = self.values.iter().zip(self.placeholders.iter());
        cells.filter(|(cell, _)| cell.get().is_some()).map(|(_, placeholder)| placeholder)
    }

    pub(crate) fn split<'n>(&self, name: &'n str) -> Vec<&'n str> {
        name.split(self.separator).collect()
    }
}

/// Those of the names that are a channel's.
// INVARIANT: a filled-in name is checked like an asked-for one, here and, against the rules, by `judge`.
pub(super) fn names(candidates: Candidates) -> BTreeMap<ChannelName, Rights> {
    candidates.into_iter().filter_map(|(name, rights)| Some((ChannelName::parse(&name).ok()?, rights))).collect()
}
