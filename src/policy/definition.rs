//! A compiled policy: [`Definition`] holds what a file says, and a [`Policy`], whose file has no
//! faults, can decide.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use serde_json::Value;

use super::account::{Denial, NothingGranted};
use super::listing::Listings;
use super::member::{MemberTemplate, StateKey};
use super::pattern::Placeholders;
use super::placeholder::Placeholder;
use super::rules::Role;
use super::view::View;
use crate::chat::{Ask, ClaimedRoles, Conditions, Facts, MemberId, Object, Ttl, Who};
use crate::schema::Place;

/// A policy in force: compiled once, immutable. That one exists means that its file had no fault.
#[derive(Debug)]
pub struct Policy {
    pub(super) definition: Definition,
    pub(super) sha256: String,
    pub(super) listings: Listings,
}

/// What a policy file says. It decides nothing: only a [`Policy`] does.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) separator: char,
    pub(crate) ttl: TtlBounds,
    pub(crate) member: MemberTemplate,
    pub(crate) state: Vec<StateKey>,
    pub(crate) client_state: BTreeSet<String>,
    pub(crate) roles: Vec<Role>,
    /// From a claimed name to the roles that it stands for.
    pub(crate) claimed: HashMap<String, Vec<usize>>,
    pub(crate) default_role: Option<usize>,
    pub(crate) guest: Option<Guest>,
    pub(crate) blocked: HashSet<String>,
    pub(crate) placeholders: Placeholders,
    /// Every duration that the file has, and where.
    pub(crate) lives: Vec<(Life, Ttl, Place)>,
}

/// What a duration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// A key of `[ttl]`.
    Bound,
    /// A role's `max_ttl`, or a guest's.
    Cap,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TtlBounds {
    pub(crate) default: Ttl,
    pub(crate) max: Ttl,
    pub(crate) min: Ttl,
}

#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) role: usize,
    pub(crate) max_ttl: Option<Ttl>,
}

impl Policy {
    /// What its file says.
    pub(crate) fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The roles in the order of the file: name, number of allow rules, number of deny rules.
    pub fn roles(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.definition.roles.iter().map(|role| (&*role.name, role.allow.len(), role.deny.len()))
    }

    /// The names that a session may claim, sorted.
    #[must_use]
    pub fn claimable(&self) -> BTreeSet<&str> {
        self.definition.claimed.keys().map(String::as_str).collect()
    }

    /// The issuers' aliases that roles name, sorted.
    #[must_use]
    pub fn aliases(&self) -> BTreeSet<&str> {
        let issuers = self.definition.roles.iter().filter_map(|role| role.issuers.as_ref());
        issuers.flatten().map(String::as_str).collect()
    }

    /// `[ttl]`: default, max, min.
    #[must_use]
    pub fn ttl_bounds(&self) -> (Ttl, Ttl, Ttl) {
        let TtlBounds { default, max, min } = self.definition.ttl;
        (default, max, min)
    }

    /// Whether somebody without any credential is let in.
    #[must_use]
    pub fn admits_guests(&self) -> bool {
        self.definition.guest.is_some()
    }

    /// The SHA-256 of the file's bytes, in lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Who a token for these facts would be for.
    ///
    /// # Errors
    /// Those of [`Policy::member_id`], and [`Denial::SessionRevoked`] for a blocked member.
    pub fn member(&self, facts: &Facts) -> Result<MemberId, Denial> {
        let id = self.member_id(facts)?;
        self.refuse_blocked(&id)?;
        Ok(id)
    }

    /// Who these facts are about, blocked or not.
    ///
    /// # Errors
    /// [`Denial::NothingGranted`] where the template cannot be filled with exactly one value each,
    /// [`Denial::GuestsRefused`] for a guest where there is no `[guest]`.
    pub fn member_id(&self, facts: &Facts) -> Result<MemberId, Denial> {
        if let Who::Guest { fresh } = facts.who {
            return if self.admits_guests() { Ok(MemberId::guest(fresh)) } else { Err(Denial::GuestsRefused) };
        }
        let Definition { member, placeholders, separator, .. } = &self.definition;
        let filled = member.fill(facts, placeholders, *separator);
        filled.map_err(|why| Denial::NothingGranted(NothingGranted::NoMemberId(why)))
    }

    /// Lets every member through who is not blocked.
    ///
    /// # Errors
    /// [`Denial::SessionRevoked`].
    pub fn refuse_blocked(&self, member: &MemberId) -> Result<(), Denial> {
        if self.definition.blocked.contains(member.as_str()) { Err(Denial::SessionRevoked) } else { Ok(()) }
    }

    /// What a request by this member must keep to. `narrow`: whether the operator lets clients ask for that mode.
    #[must_use]
    pub fn conditions<'a>(&'a self, facts: &'a Facts, member_id: &'a MemberId, narrow: bool) -> Conditions<'a> {
        Conditions {
            member_id,
            client_state: &self.definition.client_state,
            state: self.definition.state_of(facts).collect(),
            min_ttl: self.definition.ttl.min,
            narrow,
        }
    }

    /// Of a session's claims those that the policy reads, by the names that the file has for them: `sub`, `/tenant/id`. One
    /// that is absent is null, so that it is told from one that is not read.
    #[must_use]
    pub fn claims_of(&self, facts: &Facts) -> Object {
        if facts.issuer().is_none() {
            return Object::new();
        }
        let Definition { state, placeholders, .. } = &self.definition;
        let in_state = state.iter().filter_map(|own| own.value.claim());
        let read = placeholders.iter().chain(in_state).filter(|placeholder| !placeholder.is_issuer());
        let value = |placeholder: &Placeholder| placeholder.claim_of(facts).cloned().unwrap_or(Value::Null);
        read.map(|placeholder| (placeholder.claim().to_owned(), value(placeholder))).collect()
    }
}

impl Definition {
    pub(crate) fn role(&self, role: usize) -> Option<&Role> {
        self.roles.get(role)
    }

    /// A role and all that it includes, directly or not.
    pub(crate) fn closure(&self, role: usize) -> BTreeSet<usize> {
        self.role(role).map(|role| role.closure.iter().copied().collect()).unwrap_or_default()
    }

    pub(crate) fn names_of(&self, roles: &BTreeSet<usize>) -> Vec<Arc<str>> {
        let mut names: Vec<_> =
            roles.iter().filter_map(|role| self.role(*role)).map(|role| role.name.clone()).collect();
        names.sort();
        names
    }

    /// The session's roles, included ones too, and the claimed names that count for nothing.
    pub(crate) fn roles_of(&self, facts: &Facts) -> (BTreeSet<usize>, Vec<String>) {
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
    pub(crate) fn known(&self, name: &str, alias: &str) -> Vec<usize> {
        let named = self.claimed.get(name).into_iter().flatten().copied();
        named.filter(|role| self.role(*role).is_some_and(|role| role.is_for(alias))).collect()
    }

    /// The role of a guest, and of a session that claims none that is known.
    pub(crate) fn role_instead(&self, facts: &Facts) -> Option<usize> {
        let Some(alias) = facts.issuer() else { return self.guest.as_ref().map(|guest| guest.role) };
        // INVARIANT: of somebody whose roles were withheld nothing is known, not even that there are none.
        if facts.roles == ClaimedRoles::Withheld {
            return None;
        }
        self.default_role_for(alias)
    }

    /// The role of this issuer's sessions that claim none that is known.
    pub(crate) fn default_role_for(&self, alias: &str) -> Option<usize> {
        self.default_role.filter(|role| self.role(*role).is_some_and(|role| role.is_for(alias)))
    }

    /// The rules of these roles as one session meets them.
    pub(crate) fn view<'a>(&'a self, facts: &'a Facts, roles: &BTreeSet<usize>) -> View<'a> {
        let roles = roles.iter().filter_map(|role| self.role(*role)).collect();
        View::new(&self.placeholders, self.separator, facts, roles)
    }

    /// The state that goes upstream: the policy's, and of the client's only the keys that it may set.
    pub(super) fn merged_state(&self, facts: &Facts, ask: &Ask) -> Object {
        let mut state: Object = self.state_of(facts).map(|(key, value)| (key.to_owned(), value.into_owned())).collect();
        for (key, value) in &ask.state {
            // INVARIANT: no key of the policy's own is in `client_state` (a fault of the file), so none is overridden.
            if self.client_state.contains(key) {
                state.insert(key.clone(), value.clone());
            }
        }
        state
    }

    fn state_of<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = (&'a str, Cow<'a, Value>)> {
        self.state.iter().filter_map(|own| Some((own.key.as_str(), own.value.of(facts)?)))
    }
}
