//! Why a rule matched a name or did not, in words for the policy's writer. Must not decide anything.

use std::collections::BTreeSet;

use serde_json::Value;

use super::account::{Right, RuleRef, Verdict};
use super::pattern::{Pattern, Segment};
use super::value::{MAX_VALUES, Placeholder};
use super::view::{View, reference};
use super::{Policy, Rule};
use crate::chat::{Facts, Permission};
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

impl Policy {
    /// Why this became of a right.
    #[must_use]
    pub fn reason(&self, facts: &Facts, right: &Right) -> Reason {
        let (roles, _) = self.roles_of(facts);
        let view = View::new(self, facts, &roles);
        let name = view.split(right.channel.as_str());
        match &right.verdict {
            Verdict::Allowed { by, .. } | Verdict::Denied { by } => {
                let is_deny = matches!(right.verdict, Verdict::Denied { .. });
                let rule = self.rule(by, is_deny);
                let notes = rule.map(|rule| self.notes(&rule.pattern, &name, &view, facts)).unwrap_or_default();
                Reason { notes, ..Reason::default() }
            }
            Verdict::NoRule => Reason {
                notes: Vec::new(),
                nearest: self.nearest(&name, right.permission, &view, facts),
                elsewhere: self.elsewhere(&name, right.permission, facts, &roles),
            },
        }
    }

    /// The same in one line of words; `file` is how the policy is called there.
    #[must_use]
    pub fn in_words(&self, facts: &Facts, right: &Right, file: &str) -> String {
        let reason = self.reason(facts, right);
        let notes = reason.notes.iter().fold(String::new(), |all, note| all + ", " + note);
        match &right.verdict {
            Verdict::Allowed { by, .. } => format!("allowed by {}{notes}", by.within(file)),
            Verdict::Denied { by } => format!("denied by {}{notes}", by.within(file)),
            Verdict::NoRule => {
                let near = reason.nearest.map(|(rule, why)| format!("; nearest is {}: {why}", rule.within(file)));
                let others =
                    reason.elsewhere.first().map(|rule| format!("; another role has it: {}", rule.within(file)));
                format!("no rule allows it{}{}", near.unwrap_or_default(), others.unwrap_or_default())
            }
        }
    }

    /// Why a session has nothing by name, as far as its roles and claims tell.
    #[must_use]
    pub fn why_nothing(&self, facts: &Facts, file: &str) -> Vec<String> {
        let (roles, ignored) = self.roles_of(facts);
        let mut why = Vec::new();
        let names = self.names_of(&roles);
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
        let view = View::new(self, facts, &roles);
        let lacking = view.allows().filter_map(|(role, rule)| {
            let placeholders = rule.pattern.placeholders().filter(|index| view.values(*index).fitting.is_empty());
            let mut placeholders = placeholders.filter_map(|index| self.placeholders.get(index));
            let placeholder = placeholders.next()?;
            let lack = lack(placeholder, facts, self.separator)?;
            Some(format!("{} cannot be filled in: {placeholder}: {lack}", reference(role, rule).within(file)))
        });
        why.extend(lacking.take(MOST_SHOWN));
        let wildcards = view.allows().filter(|(_, rule)| !rule.pattern.is_concrete());
        let wildcards = wildcards.map(|(role, rule)| {
            format!(
                "{} is granted to who asks by name alone: a wildcard is never listed",
                reference(role, rule).within(file)
            )
        });
        why.extend(wildcards.take(MOST_SHOWN));
        why
    }

    fn rule(&self, by: &RuleRef, is_deny: bool) -> Option<&Rule> {
        let role = self.roles.iter().find(|role| role.name == by.role)?;
        let rules = if is_deny { &role.deny } else { &role.allow };
        rules.iter().find(|rule| rule.line == by.line && rule.pattern.text == by.pattern)
    }

    /// What each placeholder of a rule that matched stands for in this name.
    fn notes(&self, pattern: &Pattern, name: &[&str], view: &View<'_>, facts: &Facts) -> Vec<String> {
        let parts = pattern.segments.iter().zip(name);
        let filled = parts.filter_map(|(segment, part)| match segment {
            Segment::Placeholder(index) => {
                let placeholder = self.placeholders.get(*index)?;
                Some(if view.values(*index).has(part) {
                    format!("{placeholder} is {}", quoted(part))
                } else {
                    let why = lack(placeholder, facts, self.separator).unwrap_or_default();
                    format!("{placeholder} matches anything here: {why}")
                })
            }
            _ => None,
        });
        filled.collect()
    }

    fn nearest(
        &self,
        name: &[&str],
        permission: Permission,
        view: &View<'_>,
        facts: &Facts,
    ) -> Option<(RuleRef, String)> {
        let rated = view.allows().filter_map(|(role, rule)| {
            let fits = |index: usize, part: &str| view.values(index).has(part);
            let matched = matched(&rule.pattern, name, &fits);
            let whole = matched == Matched::Wholly;
            let rate = match matched {
                Matched::Wholly => usize::MAX,
                Matched::UpTo(segments) => segments,
            };
            // What would not even give the right is no way to it.
            let is_near = rate > 0 && (whole || rule.rights.has(permission));
            is_near.then(|| (rate, reference(role, rule), rule, matched))
        });
        let (_, by, rule, matched) = rated.max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)))?;
        let why = match matched {
            Matched::Wholly => {
                let granted: Vec<&str> = rule.rights.permissions().map(Permission::as_str).collect();
                format!("it grants {} alone", granted.join(" and "))
            }
            Matched::UpTo(segments) => self.miss(&rule.pattern, segments, name, view, facts),
        };
        Some((by, why))
    }

    /// Why a pattern does not match from its segment `at` on.
    fn miss(&self, pattern: &Pattern, at: usize, name: &[&str], view: &View<'_>, facts: &Facts) -> String {
        let lengths = || format!("it has {} segments, and the name has {}", pattern.segments.len(), name.len());
        match (pattern.segments.get(at), name.get(at)) {
            (Some(Segment::Placeholder(index)), Some(part)) if !part.is_empty() => {
                let filled = view.fill(pattern, MOST_SHOWN + 1);
                let shown: Vec<_> = filled.iter().take(MOST_SHOWN).map(|name| quoted(name)).collect();
                let more = if filled.len() > MOST_SHOWN { ", …" } else { "" };
                if shown.is_empty() {
                    let empty = pattern.placeholders().find(|index| view.values(*index).fitting.is_empty());
                    let placeholder = self.placeholders.get(empty.unwrap_or(*index));
                    let told = placeholder.and_then(|it| lack(it, facts, self.separator).map(|why| (it, why)));
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

    fn elsewhere(&self, name: &[&str], permission: Permission, facts: &Facts, roles: &BTreeSet<usize>) -> Vec<RuleRef> {
        let others: BTreeSet<usize> = (0..self.roles.len()).filter(|role| !roles.contains(role)).collect();
        let mut found: Vec<RuleRef> = View::new(self, facts, &others)
            .allowing(name, permission)
            .map(|(role, rule)| reference(role, rule))
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
