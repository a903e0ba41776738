//! What a session is granted that asks for nothing in particular, remembered by its roles where no claim has a say in it: then it
//! is the same for everybody with these roles. Must not know ttls but caps, nor the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;

use super::account::{Right, Verdict};
use crate::chat::{ChannelName, Channels, Rights, Ttl};

/// How many rights are remembered at most, of all sets of roles together: some 10 MB. What does not fit is found out each
/// time.
const MAX_RIGHTS: usize = 100_000;

/// Rights as they were judged, and what follows from those that are granted.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    /// By channel, `read` before `write`.
    pub(super) rights: Arc<[Right]>,
    /// Those that are granted.
    pub(super) channels: Channels,
    /// The cap of the shortest-lived of these.
    pub(super) cap: Option<Ttl>,
}

/// What is remembered, by the numbers of the roles. As a policy never changes, neither does any of it.
#[derive(Debug, Default)]
pub(super) struct Listings(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    by_roles: HashMap<BTreeSet<usize>, Listing>,
    rights: usize,
}

impl Listing {
    pub(super) fn of(rights: Vec<Right>) -> Self {
        let mut channels: BTreeMap<ChannelName, Rights> = BTreeMap::new();
        let mut cap: Option<Ttl> = None;
        for right in &rights {
            if let Verdict::Allowed { cap: own, .. } = right.verdict {
                let granted = channels.entry(right.channel.clone()).or_default();
                *granted = granted.with(right.permission);
                cap = cap.into_iter().chain(own).min();
            }
        }
        Self { rights: rights.into(), channels: channels.into(), cap }
    }
}

impl Listings {
    pub(super) fn of(&self, roles: &BTreeSet<usize>) -> Option<Listing> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_roles.get(roles).cloned()
    }

    pub(super) fn remember(&self, roles: &BTreeSet<usize>, listing: &Listing) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // One for the set itself.
        let rights = known.rights + listing.rights.len() + 1;
        if rights <= MAX_RIGHTS && known.by_roles.insert(roles.clone(), listing.clone()).is_none() {
            known.rights = rights;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Listing, Listings, MAX_RIGHTS};
    use std::collections::BTreeSet;

    #[test]
    fn it_never_holds_more_than_it_may() {
        let listings = Listings::default();
        let nothing = Listing::of(Vec::new());
        for role in 0..=MAX_RIGHTS {
            listings.remember(&BTreeSet::from([role]), &nothing);
        }
        assert!(listings.of(&BTreeSet::from([MAX_RIGHTS - 1])).is_some());
        assert!(listings.of(&BTreeSet::from([MAX_RIGHTS])).is_none());
    }
}
