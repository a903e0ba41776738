//! The one evaluator, and the only place where a [`Grant`] is made. A pure function of the policy, the facts, the request
//! and the time, whatever the order of roles and rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::account::{Account, Denial, LimitedBy, NothingGranted, TtlAccount};
use super::definition::{Definition, Policy, TtlBounds};
use super::listing::Listing;
use crate::chat::{Ask, ClaimedRoles, Facts, MemberId, Mode, Terms, Timestamp, Ttl};
use crate::session::Session;

/// Terms that the policy in force decided for a verified session: the only thing that can be minted.
///
/// It cannot be made outside of [`Policy::decide`], nor copied, nor read from anywhere:
///
/// ```compile_fail,E0451
/// fn forge(terms: usher::chat::Terms) -> usher::policy::Grant {
///     usher::policy::Grant { terms }
/// }
/// ```
/// ```compile_fail,E0277
/// fn copy(grant: &usher::policy::Grant) -> usher::policy::Grant {
///     usher::policy::Grant::clone(grant)
/// }
/// ```
/// ```compile_fail,E0277
/// fn read(json: &str) -> usher::policy::Grant {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
/// ```compile_fail,E0277
/// fn nothing() -> usher::policy::Grant {
///     Default::default()
/// }
/// ```
/// ```compile_fail,E0616
/// fn widen(grant: &mut usher::policy::Grant) {
///     grant.terms.channels.clear();
/// }
/// ```
/// What is allowed, so that those above fail of what they should:
/// ```
/// fn look(grant: &usher::policy::Grant) -> usher::chat::Terms {
///     grant.terms().clone()
/// }
/// fn read(json: &str) -> serde_json::Value {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
#[derive(Debug)]
pub struct Grant {
    terms: Arc<Terms>,
}

/// What was decided, and why.
#[derive(Debug)]
pub struct Decision {
    /// Why.
    pub account: Account,
    /// What may be minted, or why nothing may.
    pub grant: Result<Grant, Denial>,
}

impl Grant {
    /// What the token shall carry; its serialization is the upstream body.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }
}

impl Policy {
    /// Decides for a verified session. `latest_mint` is the latest moment at which the token may still be minted.
    #[must_use]
    pub fn decide(&self, session: &Session, ask: &Ask, latest_mint: Timestamp) -> Decision {
        let account = self.evaluate(session.facts(), ask, latest_mint);
        let grant = account.outcome.clone().map(|terms| Grant { terms });
        Decision { account, grant }
    }

    /// Decides for facts that anybody may write down, and explains.
    #[must_use]
    pub fn evaluate(&self, facts: &Facts, ask: &Ask, now: Timestamp) -> Account {
        let (roles, ignored_roles) = self.definition.roles_of(facts);
        let mut account = Account {
            member_id: None,
            roles: self.definition.names_of(&roles),
            ignored_roles,
            rights: Arc::default(),
            ttl: None,
            decided_for: now,
            outcome: Err(Denial::NothingGranted(NothingGranted::NoRight)),
        };
        account.outcome = self.terms(facts, ask, now, &roles, &mut account).map(Arc::new);
        account
    }

    fn terms(
        &self,
        facts: &Facts,
        ask: &Ask,
        now: Timestamp,
        roles: &BTreeSet<usize>,
        account: &mut Account,
    ) -> Result<Terms, Denial> {
        let member_id: MemberId = self.member(facts)?;
        account.member_id = Some(member_id.clone());
        if facts.roles == ClaimedRoles::Withheld {
            return Err(Denial::NothingGranted(NothingGranted::RolesWithheld));
        }
        let view = || self.definition.view(facts, roles);
        let listing = match &ask.channels {
            Some(asked) => Listing::of(view().judge(asked)),
            None => self.listings.listing(roles, view)?,
        };
        account.rights = listing.rights;
        if ask.channels.is_some() && ask.mode == Mode::Strict {
            let refused = account.refused();
            if !refused.is_empty() {
                return Err(Denial::ChannelsDenied(refused));
            }
        }
        if listing.channels.is_empty() {
            return Err(Denial::NothingGranted(NothingGranted::NoRight));
        }

        let bounds = self.ttl(facts, ask.ttl, listing.cap, now);
        account.ttl = Some(bounds);
        let ttl = bounds.result.ok_or(Denial::SessionExpiring)?;
        Ok(Terms { ttl, channels: listing.channels, member_id, state: self.definition.merged_state(facts, ask) })
    }

    /// The least of all bounds, in whole minutes. `rights_cap`: the shortest-lived right's.
    pub(super) fn ttl(&self, facts: &Facts, asked: Option<Ttl>, rights_cap: Option<Ttl>, now: Timestamp) -> TtlAccount {
        let Definition { guest, ttl: TtlBounds { default, max, min }, .. } = &self.definition;
        let guest_cap = guest.as_ref().filter(|_| facts.issuer().is_none()).and_then(|guest| guest.max_ttl);
        let policy = [rights_cap, guest_cap].into_iter().flatten().fold(*max, Ttl::min);
        let default = asked.is_none().then_some(*default);
        let session = facts.ends.map(|ends| now.millis_until(ends).div_euclid(60_000));

        let bounds = [
            (asked.map(minutes), LimitedBy::Request),
            (default.map(minutes), LimitedBy::Default),
            (Some(minutes(policy)), LimitedBy::Policy),
            (session, LimitedBy::Session),
        ];
        let bounds = bounds.into_iter().filter_map(|(bound, name)| bound.map(|bound| (bound, name)));
        // INVARIANT: the least of the bounds, and of equal ones the first.
        let (least, limited_by) = bounds.min_by_key(|(bound, _)| *bound).unwrap_or((0, LimitedBy::Policy));
        let enough = session.is_none_or(|left| left >= minutes(*min));
        let result = u64::try_from(least).ok().and_then(Ttl::from_minutes).filter(|_| enough);
        TtlAccount {
            request: asked,
            default,
            rights: rights_cap,
            max: *max,
            guest: guest_cap,
            policy,
            session,
            result,
            limited_by,
        }
    }
}

fn minutes(ttl: Ttl) -> i64 {
    i64::from(ttl.minutes())
}
