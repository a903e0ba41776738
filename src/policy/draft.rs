//! What `includes` makes of roles: whom each one brings along, and circles, which are faults. Must not know rules.

use std::collections::{BTreeMap, BTreeSet};

use super::compile::Draft;
use crate::schema::{Faults, Place, quoted};

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
    let mut waiting = std::collections::VecDeque::from([start]);
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
