//! What several issuers need of a policy: their users are not one name space, so nothing may treat them as one. Must not
//! know what an issuer is beyond its alias.

use std::collections::BTreeSet;

use super::compile::Draft;
use super::pattern::{Pattern, Placeholders};
use crate::schema::{Faults, Place, quoted};

/// The roles and the aliases that they may be claimed by.
pub(super) struct World<'a> {
    pub(super) drafts: &'a [Draft],
    /// The configured aliases; none known: those that the file names.
    pub(super) aliases: &'a BTreeSet<String>,
    pub(super) placeholders: &'a Placeholders,
    /// Where what is not written at all is told.
    pub(super) document: &'a Place,
    pub(super) separator: char,
}

impl World<'_> {
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
        placeholders.any(super::value::Placeholder::is_issuer)
    }
}

/// The aliases that a role is for, of those that there are.
fn effective(draft: &Draft, aliases: &BTreeSet<String>) -> BTreeSet<String> {
    draft.issuers.as_ref().map_or_else(|| aliases.clone(), |issuers| issuers & aliases)
}

fn listed(aliases: &BTreeSet<String>) -> String {
    aliases.iter().map(|alias| format!("\"{alias}\"")).collect::<Vec<_>>().join(", ")
}
