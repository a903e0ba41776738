//! Who is revoked, as far as this replica knows: what it read of the shared list, and what it was told since. Must not know
//! where the list is.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Members, and until when they are refused.
#[derive(Debug, Default)]
pub(super) struct Revoked(RwLock<HashMap<String, Known>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    /// No end where there is none.
    until: Option<Instant>,
    /// When it was heard of last.
    heard: Instant,
}

impl Known {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Revoked {
    /// Whether a member is.
    pub(super) fn contains(&self, member: &str, now: Instant) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(member).is_some_and(|known| !known.is_over(now))
    }

    /// How many are.
    pub(super) fn count(&self, now: Instant) -> usize {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.values().filter(|known| !known.is_over(now)).count()
    }

    /// This member is, for so long; for ever where nothing is said.
    pub(super) fn hear(&self, member: &str, left: Option<Duration>, now: Instant) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(member.to_owned(), Known { until: until(left, now), heard: now });
    }

    /// The whole list as it was read, from `begun` on: who is not on it is revoked no more, unless it was heard since.
    pub(super) fn replace(&self, list: impl IntoIterator<Item = (String, Option<Duration>)>, begun: Instant) {
        let mut read: HashMap<_, _> = list
            .into_iter()
            .map(|(member, left)| (member, Known { until: until(left, begun), heard: begun }))
            .collect();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (member, known) in known.drain().filter(|(_, known)| known.heard > begun) {
            read.insert(member, known);
        }
        *known = read;
    }

    /// All of them, with how much is left.
    pub(super) fn list(&self, now: Instant) -> Vec<(String, Option<Duration>)> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let all = known.iter().filter(|(_, known)| !known.is_over(now));
        all.map(|(member, known)| (member.clone(), known.until.map(|until| until - now))).collect()
    }
}

/// What is so far away that no clock has it is for ever.
fn until(left: Option<Duration>, now: Instant) -> Option<Instant> {
    left.and_then(|left| now.checked_add(left))
}

#[cfg(test)]
mod tests {
    use super::Revoked;
    use std::time::{Duration, Instant};

    const MINUTE: Option<Duration> = Some(Duration::from_mins(1));

    #[test]
    fn it_ends_with_its_time_or_never() {
        let (revoked, now) = (Revoked::default(), Instant::now());
        revoked.hear("alice", MINUTE, now);
        revoked.hear("bob", None, now);
        let later = now + Duration::from_mins(1);
        assert!(revoked.contains("alice", now + Duration::from_secs(59)) && !revoked.contains("alice", later));
        assert!(revoked.contains("bob", later + Duration::from_secs(1_000_000)));
        assert_eq!((revoked.count(now), revoked.count(later)), (2, 1));
        assert!(!revoked.contains("carol", now));
    }

    #[test]
    fn a_list_that_was_read_takes_the_place_of_all_but_what_was_heard_meanwhile() {
        let (revoked, begun) = (Revoked::default(), Instant::now());
        revoked.hear("undone", MINUTE, begun);
        revoked.hear("stays", MINUTE, begun);
        revoked.hear("new", MINUTE, begun + Duration::from_millis(1));
        revoked.replace([("stays".to_owned(), MINUTE)], begun);
        let now = begun + Duration::from_secs(1);
        let is = |member| revoked.contains(member, now);
        assert_eq!((is("undone"), is("stays"), is("new")), (false, true, true));
        revoked.replace([], now);
        assert_eq!(revoked.list(now).len(), 0);
    }
}
