//! Policies and sessions to decide by.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::json;
use usher::chat::{ClaimedRoles, Facts, Timestamp, Who};
use usher::policy::Policy;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A policy of so many roles, the first of which grants so many channels by name.
pub(crate) fn policy(roles: usize, channels: usize) -> Policy {
    let mut text = "version = 1\n".to_owned();
    for role in 0..roles {
        let _ = write!(text, "[roles.r{role}.channels]\n\"own:{{sub}}\" = [\"read\", \"write\"]\n");
        for channel in 0..if role == 0 { channels } else { 1 } {
            let _ = writeln!(text, "\"room:{role}:{channel}\" = [\"read\"]");
        }
    }
    Policy::compile("bench", &text, &BTreeSet::new()).unwrap_or_else(|faults| panic!("{faults}"))
}

pub(crate) fn facts() -> Facts {
    Facts {
        who: Who::Known { issuer: "app".to_owned() },
        roles: ClaimedRoles::Names(vec!["r0".to_owned()]),
        claims: Arc::new([("sub".to_owned(), json!("alice"))].into_iter().collect()),
        ends: Some(NOW.plus_millis(3_600_000)),
    }
}
