//! Reads audit events back from a log, and the session and request that each of them describes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use crate::chat::{
    Ask, ChannelName, ClaimedRoles, Facts, GUEST_PREFIX, Mode, Object, Permission, Rights, Timestamp, Ttl, Who, json,
};
use crate::policy::Policy;
use crate::telemetry::clock;

/// One decision, or one request that came to none.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The request's.
    pub request_id: String,
    /// The decision's; none where nothing was decided.
    pub decision_id: Option<String>,
    /// `granted`, `denied`, ….
    pub outcome: String,
    /// The problem's code.
    pub code: Option<String>,
    /// The issuer's alias; none for a guest.
    pub issuer: Option<String>,
    /// Who it was for.
    pub member_id: Option<String>,
    /// When the session ends.
    pub session_ends: Option<Timestamp>,
    /// The claims that the policy of then read, null where absent.
    pub claims: Object,
    /// The names that the session claimed; none: the provider withheld them.
    pub roles_claimed: Option<Vec<String>>,
    /// The time that it was decided for.
    pub decided_at: Option<Timestamp>,
    /// What the client wanted where it asked for too much.
    pub mode: Mode,
    /// What was asked for; none: nothing in particular.
    pub asked: Option<BTreeMap<ChannelName, Rights>>,
    /// The ttl that was asked for.
    pub ttl_asked: Option<Ttl>,
    /// What was granted.
    pub granted: BTreeMap<ChannelName, Rights>,
    /// The ttl that was granted.
    pub ttl: Option<Ttl>,
    /// Of the policy's file.
    pub policy_sha256: String,
}

impl Recorded {
    /// Reads a line of a log; none where it is no audit event.
    ///
    /// # Errors
    /// Where it is one and cannot be understood: which member.
    pub fn read(line: &str) -> Result<Option<Self>, String> {
        let Ok(Value::Object(event)) = json::parse(line.as_bytes()) else { return Ok(None) };
        if event.get("event").and_then(Value::as_str) != Some("audit") {
            return Ok(None);
        }
        let event = Event(event);
        let mode = match event.text("mode")?.as_deref() {
            None | Some("strict") => Mode::Strict,
            Some("narrow") => Mode::Narrow,
            Some(_) => return Err("its `mode` is none".to_owned()),
        };
        Ok(Some(Self {
            request_id: event.text("request_id")?.ok_or("it has no `request_id`")?,
            decision_id: event.text("decision_id")?,
            outcome: event.text("outcome")?.ok_or("it has no `outcome`")?,
            code: event.text("code")?,
            issuer: event.text("issuer")?,
            member_id: event.text("member_id")?,
            session_ends: event.time("session_ends")?,
            claims: event.claims()?,
            roles_claimed: event.names("roles_claimed")?,
            decided_at: event.time("decided_at")?,
            mode,
            asked: event.channels("asked")?,
            ttl_asked: event.minutes("ttl_asked")?,
            granted: event.channels("granted")?.unwrap_or_default(),
            ttl: event.minutes("ttl")?,
            policy_sha256: event.text("policy_sha256")?.ok_or("it has no `policy_sha256`")?,
        }))
    }

    /// Who asked, as far as it was recorded.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let Some(issuer) = self.issuer.clone() else {
            // A guest's id is the same again, so that what comes of it can be compared.
            let fresh = self.member_id.as_deref().and_then(|id| id.strip_prefix(GUEST_PREFIX));
            return Facts::guest(fresh.and_then(|id| Uuid::parse_str(id).ok()).unwrap_or_default());
        };
        Facts {
            who: Who::Known { issuer },
            roles: self.roles_claimed.clone().map_or(ClaimedRoles::Withheld, ClaimedRoles::Names),
            claims: claims_from(&self.claims).into(),
            ends: self.session_ends,
        }
    }

    /// What was asked for. The state that a client added is not recorded.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask { channels: self.asked.clone(), ttl: self.ttl_asked, state: Object::new(), mode: self.mode }
    }

    /// The claims that this policy would need to decide the same, and that were not recorded.
    #[must_use]
    pub fn missing_claims(&self, policy: &Policy) -> Vec<String> {
        let needed = claims_needed(policy, &self.facts(), &self.ask());
        needed.into_iter().filter(|claim| !is_recorded(&self.claims, claim)).collect()
    }
}

/// Its members, each of one kind or null.
struct Event(Object);

impl Event {
    fn get<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| format!("its `{name}` is not what usher writes")),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        self.get(name, |value| value.as_str().map(str::to_owned))
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, String> {
        self.get(name, |value| clock::parse_rfc3339(value.as_str()?))
    }

    fn minutes(&self, name: &str) -> Result<Option<Ttl>, String> {
        self.get(name, |value| Ttl::from_minutes(value.as_u64()?))
    }

    fn names(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        self.get(name, |value| value.as_array()?.iter().map(|name| Some(name.as_str()?.to_owned())).collect())
    }

    fn claims(&self) -> Result<Object, String> {
        self.get("claims", |value| value.as_object().cloned()).map(Option::unwrap_or_default)
    }

    fn channels(&self, name: &str) -> Result<Option<BTreeMap<ChannelName, Rights>>, String> {
        let row = |(channel, rights): (&String, &Value)| {
            let has = |permission: &Permission| rights.get(permission.as_str()).and_then(Value::as_bool) == Some(true);
            let rights = Permission::ALL.into_iter().filter(has).fold(Rights::NONE, Rights::with);
            Some((ChannelName::parse(channel).ok()?, rights))
        };
        self.get(name, |value| value.as_object()?.iter().map(row).collect())
    }
}

/// The claims, by the file's names, that this decision depends on: those in the member id, and
/// those that the evaluator reads for this request.
#[must_use]
pub fn claims_needed(policy: &Policy, facts: &Facts, ask: &Ask) -> BTreeSet<String> {
    // A guest has none, which is known.
    if facts.issuer().is_none() {
        return BTreeSet::new();
    }
    let policy = policy.definition();
    let (roles, _) = policy.roles_of(facts);
    let view = policy.view(facts, &roles);
    // Only what it looks at matters here, not what it finds.
    let asked = ask.channels.clone().map_or_else(|| view.concrete(), Ok).unwrap_or_default();
    let _ = view.judge(&asked);
    let member = policy.member.pattern.placeholders().filter_map(|index| policy.placeholders.get(index));
    let needed = view.consulted().chain(member).filter(|placeholder| !placeholder.is_issuer());
    needed.map(|placeholder| placeholder.claim().to_owned()).collect()
}

/// The claims of a session from a record of those that a policy read.
#[must_use]
pub fn claims_from(recorded: &Object) -> Object {
    let mut claims = Object::new();
    // A whole comes before its parts, which it then has already.
    let mut names: Vec<(&String, &Value)> = recorded.iter().filter(|(_, value)| !value.is_null()).collect();
    names.sort_by_key(|(name, _)| name.len());
    for (name, value) in names {
        let Some(pointer) = name.strip_prefix('/') else {
            claims.insert(name.clone(), value.clone());
            continue;
        };
        let parts: Vec<String> = pointer.split('/').map(json::from_pointer_part).collect();
        insert(&mut claims, &parts, value);
    }
    claims
}

/// Whether a record of these claims says what this one is, be it that it is absent.
#[must_use]
pub fn is_recorded(recorded: &Object, claim: &str) -> bool {
    let top = |name: &str| {
        name.strip_prefix('/').map_or_else(|| format!("/{}", json::to_pointer_part(name)), |rest| format!("/{rest}"))
    };
    let wanted = top(claim);
    recorded
        .keys()
        .map(|name| top(name))
        .any(|known| wanted == known || wanted.strip_prefix(&known).is_some_and(|rest| rest.starts_with('/')))
}

fn insert(object: &mut Object, path: &[String], value: &Value) {
    match path {
        [] => {}
        [last] => drop(object.entry(last.clone()).or_insert_with(|| value.clone())),
        [first, rest @ ..] => {
            let inner = object.entry(first.clone()).or_insert_with(|| Value::Object(Object::new()));
            if let Some(inner) = inner.as_object_mut() {
                insert(inner, rest, value);
            }
        }
    }
}
