//! What a session is granted that asks for nothing in particular. As far as no claim has a say in it, it is the same for everybody
//! with the same roles, and remembered by these; the rest is found out each time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;

use super::account::{Denial, Right, Verdict};
use super::pattern::Pattern;
use super::view::{Candidates, View, names};
use crate::chat::{ChannelName, Channels, MAX_CHANNELS, Permission, Rights, Ttl};

/// How many rights are remembered at most, of all sets of roles together: some 10 MB. What does not fit is found out each
/// time.
const MAX_RIGHTS: usize = 100_000;

/// Rights as they were judged, and what follows from those that are granted.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    /// By channel, `read` before `write`.
    pub(super) rights: Arc<[Right]>,
    /// Those that are granted.
    pub(super) channels: Channels,
    /// The cap of the shortest-lived of these.
    pub(super) cap: Option<Ttl>,
}

/// What is known of a set of roles, whoever has them.
#[derive(Debug)]
struct Known {
    /// Of the names that stand in the file, those on which no claim has a say.
    fixed: Listing,
    /// How many of those there are.
    fixed_names: usize,
    /// The others.
    open: Candidates,
    /// Whether there are names to fill in.
    has_templates: bool,
}

/// What is remembered, by the numbers of the roles. As a policy never changes, neither does any of it.
#[derive(Debug, Default)]
pub(super) struct Listings(RwLock<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    by_roles: HashMap<BTreeSet<usize>, Arc<Known>>,
    rights: usize,
}

impl Listings {
    /// What becomes of all that these roles grant by a concrete name. `view` makes a new view of
    /// these roles' rules for the session.
    pub(super) fn listing<'a>(&self, roles: &BTreeSet<usize>, view: impl Fn() -> View<'a>) -> Result<Listing, Denial> {
        let known = match self.get(roles) {
            Some(known) => known,
            None => self.remember(roles, look_through(&view)?),
        };
        if known.open.is_empty() && !known.has_templates {
            return Ok(known.fixed.clone());
        }
        let view = view();
        let mut candidates = known.open.clone();
        view.list(&mut candidates, is_template, MAX_CHANNELS.saturating_sub(known.fixed_names))?;
        Ok(known.fixed.with(view.judge(&names(candidates))))
    }

    fn get(&self, roles: &BTreeSet<usize>) -> Option<Arc<Known>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_roles.get(roles).cloned()
    }

    fn remember(&self, roles: &BTreeSet<usize>, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        let mut remembered = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // One for the set itself.
        let rights = remembered.rights + known.fixed.rights.len() + known.open.len() + 1;
        if rights <= MAX_RIGHTS && remembered.by_roles.insert(roles.clone(), Arc::clone(&known)).is_none() {
            remembered.rights = rights;
        }
        known
    }
}

/// Judges each name that stands in the file by itself.
fn look_through<'a>(new_view: &impl Fn() -> View<'a>) -> Result<Known, Denial> {
    let mut literals = Candidates::new();
    let view = new_view();
    view.list(&mut literals, |pattern| !is_template(pattern), MAX_CHANNELS)?;
    let (mut rights, mut fixed_names, mut open) = (Vec::new(), 0, Candidates::new());
    for (name, given) in literals {
        let alone = new_view();
        let judged = alone.judge(&names(Candidates::from([(name.clone(), given)])));
        // Also where it is denied: a template that can stand for this name looks at its claim here.
        let parts = alone.split(&name);
        for permission in Permission::ALL {
            drop(alone.allowing(&parts, permission));
        }
        // INVARIANT: where no claim was looked at, roles alone decide, and another session with these comes out the same; and
        // no template stands for any of these names.
        if alone.consulted().next().is_some() {
            open.insert(name, given);
        } else {
            rights.extend(judged);
            fixed_names += 1;
        }
    }
    let has_templates = view.allows().any(|(_, rule)| rule.pattern.is_concrete() && is_template(&rule.pattern));
    Ok(Known { fixed: Listing::of(rights), fixed_names, open, has_templates })
}

fn is_template(pattern: &Pattern) -> bool {
    pattern.placeholders().next().is_some()
}

impl Listing {
    /// Of rights by channel.
    pub(super) fn of(rights: Vec<Right>) -> Self {
        Self::default().with(rights)
    }

    /// The same and more rights, on other channels.
    fn with(&self, more: Vec<Right>) -> Self {
        let mut channels: BTreeMap<ChannelName, Rights> = BTreeMap::clone(&self.channels);
        let mut cap = self.cap;
        for right in &more {
            if let Verdict::Allowed { cap: own, .. } = right.verdict {
                let granted = channels.entry(right.channel.clone()).or_default();
                *granted = granted.with(right.permission);
                cap = cap.into_iter().chain(own).min();
            }
        }
        let mut rights = more;
        rights.extend_from_slice(&self.rights);
        rights.sort_by(|one, other| one.channel.cmp(&other.channel));
        Self { rights: rights.into(), channels: channels.into(), cap }
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidates, Known, Listing, Listings, MAX_RIGHTS};
    use std::collections::BTreeSet;

    #[test]
    fn it_never_holds_more_than_it_may() {
        let listings = Listings::default();
        for role in 0..=MAX_RIGHTS {
            let (fixed, open) = (Listing::default(), Candidates::new());
            listings.remember(&BTreeSet::from([role]), Known { fixed, fixed_names: 0, open, has_templates: false });
        }
        assert!(listings.get(&BTreeSet::from([MAX_RIGHTS - 1])).is_some());
        assert!(listings.get(&BTreeSet::from([MAX_RIGHTS])).is_none());
    }
}
