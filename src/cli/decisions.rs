//! Recorded decisions, as commands read them: a file of audit events, and of each what was known and asked then.

use std::path::Path;

use uuid::Uuid;

use super::{Failure, input};
use crate::chat::{Ask, ClaimedRoles, Facts, Object, Who};
use crate::policy::{Policy, claims_from, is_recorded};
use crate::telemetry::Recorded;

/// Reads every audit event of a file, which may hold other lines of the log as well.
pub(super) fn read(path: &Path) -> Result<Vec<Recorded>, Failure> {
    let mut events = Vec::new();
    for (index, line) in input::lines("--decisions", path)?.enumerate() {
        let read = Recorded::read(&line?);
        let told = |why| Failure::wrong(format!("error: {}:{}: an audit event: {why}", path.display(), index + 1));
        events.extend(read.map_err(told)?);
    }
    if events.is_empty() {
        let why = "there is no audit event in it: they are the lines of usher's log with \"event\":\"audit\"";
        return Err(Failure::wrong(format!("error: {}: {why}", path.display())));
    }
    Ok(events)
}

/// Who asked, as far as it was recorded.
pub(super) fn facts_of(recorded: &Recorded) -> Facts {
    let Some(issuer) = recorded.issuer.clone() else {
        // A guest's id is the same again, so that what comes of it can be compared.
        let fresh = recorded.member_id.as_deref().and_then(|id| id.strip_prefix(crate::chat::GUEST_PREFIX));
        return Facts::guest(fresh.and_then(|id| Uuid::parse_str(id).ok()).unwrap_or_default());
    };
    Facts {
        who: Who::Known { issuer },
        roles: recorded.roles_claimed.clone().map_or(ClaimedRoles::Withheld, ClaimedRoles::Names),
        claims: claims_from(&recorded.claims).into(),
        ends: recorded.session_ends,
    }
}

/// What was asked for. The state that a client added is not recorded.
pub(super) fn ask_of(recorded: &Recorded) -> Ask {
    Ask { channels: recorded.asked.clone(), ttl: recorded.ttl_asked, state: Object::new(), mode: recorded.mode }
}

/// The claims that this policy would need to decide the same, and that were not recorded.
pub(super) fn missing_claims(policy: &Policy, recorded: &Recorded) -> Vec<String> {
    let needed = policy.claims_needed(&facts_of(recorded), &ask_of(recorded));
    needed.into_iter().filter(|claim| !is_recorded(&recorded.claims, claim)).collect()
}
