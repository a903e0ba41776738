//! Roles while they are compiled, and the checks between them: `includes` has no circles, and
//! users of different issuers stay apart.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::pattern::{Pattern, Placeholders};
use super::placeholder::Placeholder;
use super::rules::Rule;
use crate::chat::Ttl;
use crate::schema::{Faults, Place, quoted};

/// A role as it is being put together, with the places that later faults point to.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) includes: Vec<(usize, Place)>,
    /// The names that a session may claim it by.
    pub(super) claimed_as: Vec<String>,
    pub(super) issuers: Option<BTreeSet<String>>,
    /// Whether they cannot be read, so that nothing can be said of them.
    pub(super) has_lost_issuers: bool,
    pub(super) max_ttl: Option<Ttl>,
    pub(super) allow: Vec<Rule>,
    pub(super) deny: Vec<Rule>,
}

/// Every circle of `includes`, told once each, at the role of it that stands first in the file.
pub(super) fn circles(drafts: &[Draft], faults: &mut Faults) {
    for (start, draft) in drafts.iter().enumerate() {
        let Some((circle, place)) = circle_from(start, drafts) else { continue };
        if circle.iter().all(|role| *role >= start) {
            let names = circle.iter().chain([&start]).filter_map(|role| drafts.get(*role));
            let path = names.map(|draft| draft.name.as_str()).collect::<Vec<_>>().join(" → ");
            let message = format!("role {} includes itself: {path}", quoted(&draft.name));
            faults.add(&place, message, "take one of these `includes` out");
        }
    }
}

/// The role itself and all that it includes, directly or not; sorted.
pub(super) fn closure(start: usize, drafts: &[Draft]) -> Vec<usize> {
    let mut reached = BTreeSet::from([start]);
    let mut waiting = vec![start];
    while let Some(role) = waiting.pop() {
        let includes = drafts.get(role).map(|draft| draft.includes.as_slice()).unwrap_or_default();
        waiting.extend(includes.iter().map(|(next, _)| *next).filter(|next| reached.insert(*next)));
    }
    reached.into_iter().collect()
}

/// A way from a role through `includes` back to itself, and the place of its first step.
fn circle_from(start: usize, drafts: &[Draft]) -> Option<(Vec<usize>, Place)> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(role) = waiting.pop_front() {
        for (next, _) in &drafts.get(role)?.includes {
            if *next == start {
                let mut circle = vec![role];
                while let Some(before) = circle.last().and_then(|role| came_from.get(role)) {
                    circle.push(*before);
                }
                circle.reverse();
                let second = circle.get(1).copied().unwrap_or(start);
                let place = drafts.get(start)?.includes.iter().find(|(to, _)| *to == second)?.1.clone();
                return Some((circle, place));
            }
            if *next != start && !came_from.contains_key(next) {
                came_from.insert(*next, role);
                waiting.push_back(*next);
            }
        }
    }
    None
}

/// The roles and the aliases that they may be claimed by. The users of different issuers are
/// different name spaces, so nothing may treat them as one.
pub(super) struct Issuers<'a> {
    pub(super) drafts: &'a [Draft],
    /// The configured aliases; none known: those that the file names.
    pub(super) aliases: &'a BTreeSet<String>,
    pub(super) placeholders: &'a Placeholders,
    /// Where what is not written at all is told.
    pub(super) document: &'a Place,
    pub(super) separator: char,
}

impl Issuers<'_> {
    pub(super) fn check(
        &self,
        default_role: Option<(usize, &Place)>,
        member: Option<&Pattern>,
        member_place: Option<&Place>,
        faults: &mut Faults,
    ) {
        let aliases = self.known_aliases();
        if aliases.len() > 1 {
            if let Some(member) = member.filter(|member| !self.names_issuer(member)) {
                let absent = if member_place.is_none() { ", which member.id is where none is written" } else { "" };
                let what = quoted(&member.text);
                let message = format!("{what}{absent}: users of different issuers could get the same member id");
                let advice = format!("write id = \"{{issuer}}{}{}\" below [member]", self.separator, member.text);
                faults.add(member_place.unwrap_or(self.document), message, advice);
            }
            for (index, draft) in self.drafts.iter().enumerate().filter(|(_, draft)| !draft.has_lost_issuers) {
                let is_default = default_role.is_some_and(|(role, _)| role == index);
                self.check_role(draft, is_default, &aliases, faults);
            }
        }
        self.check_coverage(default_role, &aliases, faults);
    }

    fn check_role(&self, draft: &Draft, is_default: bool, aliases: &BTreeSet<String>, faults: &mut Faults) {
        if draft.issuers.is_none() && (is_default || !draft.claimed_as.is_empty()) {
            let message = format!("role {} does not say whose sessions may have it", quoted(&draft.name));
            // The default role is for all of them.
            let some = if is_default { "" } else { ", or some of them" };
            let advice = format!("there are several issuers: write issuers = [{}]{some}", listed(aliases));
            faults.add(&draft.place, message, advice);
        }
        if effective(draft, aliases).len() < 2 {
            return;
        }
        for rule in &draft.allow {
            let mut placeholders = rule.pattern.placeholders().filter_map(|index| self.placeholders.get(index));
            if placeholders.any(|placeholder| !placeholder.is_issuer()) && !self.names_issuer(&rule.pattern) {
                let message = format!("{}: users of different issuers could meet in it", quoted(&rule.pattern.text));
                let advice = "this role is for several issuers: put an {issuer} segment in, or make a role for each";
                faults.add(&rule.place, message, advice);
            }
        }
    }

    /// A role that comes along by `includes` or `[defaults]` is for every alias that the one it comes with is for.
    fn check_coverage(&self, default_role: Option<(usize, &Place)>, aliases: &BTreeSet<String>, faults: &mut Faults) {
        let everybody = default_role.map(|(role, place)| (role, place, aliases.clone(), "[defaults]".to_owned()));
        let includes = self.drafts.iter().filter(|draft| !draft.has_lost_issuers).flat_map(|draft| {
            let wanted = effective(draft, aliases);
            draft.includes.iter().map(move |(role, place)| (*role, place, wanted.clone(), quoted(&draft.name)))
        });
        for (role, place, wanted, by) in includes.chain(everybody) {
            let Some(named) = self.drafts.get(role).filter(|draft| !draft.has_lost_issuers) else { continue };
            let missing: BTreeSet<_> = wanted.difference(&effective(named, aliases)).cloned().collect();
            if !missing.is_empty() {
                let message = format!("{by} is for issuers that role {} is not for", quoted(&named.name));
                faults.add(place, message, format!("add {} to the `issuers` of that role", listed(&missing)));
            }
        }
    }

    fn known_aliases(&self) -> BTreeSet<String> {
        if self.aliases.is_empty() {
            return self.drafts.iter().filter_map(|draft| draft.issuers.as_ref()).flatten().cloned().collect();
        }
        self.aliases.clone()
    }

    fn names_issuer(&self, pattern: &Pattern) -> bool {
        let mut placeholders = pattern.placeholders().filter_map(|index| self.placeholders.get(index));
        placeholders.any(Placeholder::is_issuer)
    }
}

/// The aliases that a role is for, of those that there are.
fn effective(draft: &Draft, aliases: &BTreeSet<String>) -> BTreeSet<String> {
    draft.issuers.as_ref().map_or_else(|| aliases.clone(), |issuers| issuers & aliases)
}

fn listed(aliases: &BTreeSet<String>) -> String {
    aliases.iter().map(|alias| format!("\"{alias}\"")).collect::<Vec<_>>().join(", ")
}
