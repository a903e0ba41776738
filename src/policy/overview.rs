//! What a session may have, without asking for any of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::account::{Denial, Verdict};
use super::definition::Policy;
use crate::chat::{ChannelName, ClaimedRoles, Facts, MAX_CHANNELS, MemberId, Rights, Timestamp, Ttl};

/// What a session may have now.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Who a token would be for.
    pub member_id: MemberId,
    /// The policy's names of the session's roles, included ones too, sorted.
    pub roles: Vec<Arc<str>>,
    /// What a request that asks for nothing gets.
    pub channels: BTreeMap<ChannelName, Rights>,
    /// Wildcard rules with placeholders filled in, less what a deny of `**` takes, sorted.
    pub patterns: Vec<PatternRights>,
    /// The longest ttl that any of these could be given; none where there is none of them.
    pub max_ttl: Option<Ttl>,
}

/// What a wildcard rule grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternRights {
    /// Placeholders filled in, wildcards as they are.
    pub pattern: String,
    /// At least one.
    pub rights: Rights,
}

impl Policy {
    /// What a session may have, at most until its end.
    ///
    /// # Errors
    /// As for a token, save that an empty overview is one: no member id, blocked, over 500 names, too little left.
    pub fn overview(&self, facts: &Facts, now: Timestamp) -> Result<Overview, Denial> {
        let member_id = self.member(facts)?;
        let (roles, _) = self.definition.roles_of(facts);
        let view = self.definition.view(facts, &roles);
        let mut longest: Option<u32> = None;
        let mut living = |cap: Option<Ttl>| longest = longest.max(Some(cap.unwrap_or(Ttl::MAX).minutes()));

        let mut channels: BTreeMap<ChannelName, Rights> = BTreeMap::new();
        for right in view.judge(&view.concrete()?) {
            if let Verdict::Allowed { cap, .. } = right.verdict {
                let rights = channels.entry(right.channel).or_default();
                *rights = rights.with(right.permission);
                living(cap);
            }
        }
        let taken = view.denies().filter(|(_, rule)| rule.pattern.is_everything());
        let taken = taken.fold(Rights::NONE, |taken, (_, rule)| taken.union(rule.rights));
        let mut patterns: BTreeMap<String, Rights> = BTreeMap::new();
        for (_, rule) in view.allows().filter(|(_, rule)| !rule.pattern.is_concrete()) {
            let rights = rule.rights.minus(taken);
            if rights.is_none() {
                continue;
            }
            for text in view.fill(&rule.pattern, MAX_CHANNELS + 1) {
                let known = patterns.entry(text).or_default();
                *known = known.union(rights);
                living(rule.max_ttl);
            }
            if patterns.len() > MAX_CHANNELS {
                return Err(Denial::TooManyChannels);
            }
        }

        let cap = longest.and_then(|minutes| Ttl::from_minutes(minutes.into()));
        let max_ttl = self.ttl(facts, Some(Ttl::MAX), cap, now).result.ok_or(Denial::SessionExpiring)?;
        debug_assert!(facts.roles != ClaimedRoles::Withheld || roles.is_empty(), "withheld roles are none");
        Ok(Overview {
            member_id,
            roles: self.definition.names_of(&roles),
            channels,
            patterns: patterns.into_iter().map(|(pattern, rights)| PatternRights { pattern, rights }).collect(),
            max_ttl: cap.map(|_| max_ttl),
        })
    }
}
