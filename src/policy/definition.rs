//! From the names that a session claims to the policy's roles. Must not know rules, channels or time.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Policy, Role};
use crate::chat::{ClaimedRoles, Facts};

/// How a session came by its roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleMapping {
    /// Each name that it claims, and the roles that this stands for; none: it counts for nothing.
    pub claimed: Vec<(String, Vec<Arc<str>>)>,
    /// The role that it has instead, for claiming none that is known, or for being a guest.
    pub instead: Option<Arc<str>>,
    /// Roles that come along with those.
    pub included: Vec<Arc<str>>,
}

impl Policy {
    /// How a session comes by its roles.
    #[must_use]
    pub fn role_mapping(&self, facts: &Facts) -> RoleMapping {
        let mut direct = BTreeSet::new();
        let mut claimed = Vec::new();
        if let (Some(alias), ClaimedRoles::Names(names)) = (facts.issuer(), &facts.roles) {
            for name in names {
                let known = self.known(name, alias);
                direct.extend(&known);
                claimed.push((name.clone(), self.names_of(&known.into_iter().collect())));
            }
        }
        let instead = if direct.is_empty() { self.role_instead(facts) } else { None };
        direct.extend(instead);
        let (all, _) = self.roles_of(facts);
        RoleMapping {
            claimed,
            instead: instead.and_then(|role| self.role(role)).map(|role| role.name.clone()),
            included: self.names_of(&(&all - &direct)),
        }
    }

    /// The policy's names of the session's roles, included ones too, sorted.
    #[must_use]
    pub fn roles_of_session(&self, facts: &Facts) -> Vec<Arc<str>> {
        self.names_of(&self.roles_of(facts).0)
    }

    /// The session's roles, included ones too, and the claimed names that count for nothing.
    pub(super) fn roles_of(&self, facts: &Facts) -> (BTreeSet<usize>, Vec<String>) {
        let mut roles = BTreeSet::new();
        let mut ignored = Vec::new();
        if let (Some(alias), ClaimedRoles::Names(claimed)) = (facts.issuer(), &facts.roles) {
            for name in claimed {
                let known = self.known(name, alias);
                if known.is_empty() {
                    ignored.push(name.clone());
                }
                roles.extend(known.into_iter().flat_map(|role| self.closure(role)));
            }
        }
        if roles.is_empty() {
            roles = self.role_instead(facts).map(|role| self.closure(role)).unwrap_or_default();
        }
        (roles, ignored)
    }

    /// The roles that a claimed name stands for in sessions of this issuer.
    pub(super) fn known(&self, name: &str, alias: &str) -> Vec<usize> {
        let named = self.claimed.get(name).into_iter().flatten().copied();
        named.filter(|role| self.role(*role).is_some_and(|role| role.is_for(alias))).collect()
    }

    /// The role of a guest, and of a session that claims none that is known.
    fn role_instead(&self, facts: &Facts) -> Option<usize> {
        let Some(alias) = facts.issuer() else { return self.guest.as_ref().map(|guest| guest.role) };
        // INVARIANT: of somebody whose roles were withheld nothing is known, not even that there are none.
        if facts.roles == ClaimedRoles::Withheld {
            return None;
        }
        self.default_role.filter(|role| self.role(*role).is_some_and(|role| role.is_for(alias)))
    }

    pub(super) fn names_of(&self, roles: &BTreeSet<usize>) -> Vec<Arc<str>> {
        let mut names: Vec<_> =
            roles.iter().filter_map(|role| self.role(*role)).map(|role| role.name.clone()).collect();
        names.sort();
        names
    }

    pub(super) fn closure(&self, role: usize) -> BTreeSet<usize> {
        self.role(role).map(|role| role.closure.iter().copied().collect()).unwrap_or_default()
    }

    pub(super) fn role(&self, role: usize) -> Option<&Role> {
        self.roles.get(role)
    }
}

impl Role {
    /// Whether sessions of this issuer may claim it.
    pub(super) fn is_for(&self, alias: &str) -> bool {
        self.issuers.as_ref().is_none_or(|issuers| issuers.contains(alias))
    }
}
