//! The audit event: one JSON object on one line for every decision, at any log level. Holds what explains a decision, and
//! of the session's claims only those that the policy reads. Must not know credentials or how a request is answered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::metrics::Metrics;
use super::{clock, log};
use crate::chat::{Ask, ChannelName, Channels, ClaimedRoles, Facts, MemberId, Mode, Object, Permission, Rights, Ttl};
use crate::policy::{Account, Denial, LimitedBy, Right, Verdict};

/// What is kept of the room for a line: more than most have.
const KEPT_BYTES: usize = 16 * 1024;

thread_local! {
    /// Room for a line, as all that is on its way has one after another.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A token with all that was asked for.
    Granted,
    /// A token with some of it.
    Narrowed,
    /// None, by our own word (4xx).
    Denied,
    /// None, though it was granted (5xx).
    Failed,
    /// The client did not wait for the answer.
    Abandoned,
}

impl Outcome {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::Granted, Self::Narrowed, Self::Denied, Self::Failed, Self::Abandoned];

    /// As the event has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Narrowed => "narrowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What happened, as far as it has. Every member is always there, null where there is nothing to say.
#[derive(Debug, Serialize)]
pub struct AuditEvent {
    event: &'static str,
    time: String,
    request_id: Arc<str>,
    decision_id: Option<DecisionId>,
    outcome: Outcome,
    code: Option<&'static str>,
    reason: Option<String>,
    issuer: Option<String>,
    member_id: Option<MemberId>,
    subject: Option<String>,
    session_ends: Option<String>,
    claims: Object,
    roles_claimed: Option<Vec<String>>,
    roles: Option<Vec<Arc<str>>>,
    decided_at: Option<String>,
    mode: Option<Mode>,
    asked: Option<BTreeMap<ChannelName, Rights>>,
    granted: Option<Channels>,
    denied: Option<DeniedOf>,
    ttl_asked: Option<u32>,
    ttl: Option<u32>,
    ttl_limited_by: Option<LimitedBy>,
    policy_sha256: String,
    upstream_status: Option<u16>,
    upstream_ms: Option<i64>,
    token_sha256: Option<String>,
    address: Option<IpAddr>,
    #[serde(skip)]
    is_written: bool,
    #[serde(skip)]
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct DecisionId(Uuid);

/// Of these rights, those that were refused.
#[derive(Debug)]
struct DeniedOf(Arc<[Right]>);

/// A right that was refused, and the rule that did; none where no rule matched.
#[derive(Debug, Serialize)]
struct Denied<'a> {
    channel: &'a ChannelName,
    permission: Permission,
    role: Option<&'a str>,
    pattern: Option<&'a str>,
}

impl AuditEvent {
    /// A request by somebody who is known, or a guest. `claims`: those that the policy reads. When it is written, the event
    /// counts itself in `metrics`.
    #[must_use]
    pub fn begin(
        metrics: &Arc<Metrics>,
        request_id: &Arc<str>,
        address: Option<IpAddr>,
        facts: &Facts,
        claims: Object,
        policy_sha256: &str,
    ) -> Self {
        let names = match &facts.roles {
            ClaimedRoles::Names(names) => Some(names.clone()),
            ClaimedRoles::Withheld => None,
        };
        Self {
            event: "audit",
            time: String::new(),
            request_id: Arc::clone(request_id),
            decision_id: None,
            outcome: Outcome::Failed,
            code: None,
            reason: None,
            issuer: facts.issuer().map(str::to_owned),
            member_id: None,
            subject: facts.claims.get("sub").and_then(|sub| sub.as_str()).map(str::to_owned),
            session_ends: facts.ends.map(clock::rfc3339_millis),
            claims,
            roles_claimed: names,
            roles: None,
            decided_at: None,
            mode: None,
            asked: None,
            granted: None,
            denied: None,
            ttl_asked: None,
            ttl: None,
            ttl_limited_by: None,
            policy_sha256: policy_sha256.to_owned(),
            upstream_status: None,
            upstream_ms: None,
            token_sha256: None,
            address,
            is_written: false,
            metrics: Arc::clone(metrics),
        }
    }

    /// Whose token it would be.
    pub fn member(&mut self, member: &MemberId) {
        self.member_id = Some(member.clone());
    }

    /// What was asked, and what came of it. From here on the event is written, whatever happens.
    pub fn decided(&mut self, ask: &Ask, account: &Account) {
        self.decision_id = Some(DecisionId(Uuid::new_v4()));
        self.decided_at = Some(clock::rfc3339_millis(account.decided_for));
        self.mode = Some(ask.mode);
        self.asked.clone_from(&ask.channels);
        self.ttl_asked = ask.ttl.map(Ttl::minutes);
        self.roles = Some(account.roles.clone());
        self.denied = Some(DeniedOf(Arc::clone(&account.rights)));
        if let Ok(terms) = &account.outcome {
            self.granted = Some(terms.channels.clone());
            self.ttl = Some(terms.ttl.minutes());
            self.ttl_limited_by = account.ttl.map(|ttl| ttl.limited_by);
        }
    }

    /// Why nothing was granted, where the code does not say it all.
    pub fn denied_for(&mut self, denial: &Denial) {
        if let Denial::NothingGranted(why) = denial {
            self.because(why);
        }
    }

    /// Why it is so, where the code does not say it all.
    pub fn because(&mut self, why: impl std::fmt::Display) {
        self.reason = Some(why.to_string());
    }

    /// SignalWire gave a token.
    pub fn minted(&mut self, status: u16, took_ms: i64, token_sha256: String) {
        self.upstream_status = Some(status);
        self.upstream_ms = Some(took_ms);
        self.token_sha256 = Some(token_sha256);
    }

    /// SignalWire gave none.
    pub fn not_minted(&mut self, status: Option<u16>, took_ms: i64) {
        self.upstream_status = status;
        self.upstream_ms = Some(took_ms);
    }

    /// Writes the event.
    pub fn write(mut self, outcome: Outcome, code: Option<&'static str>) {
        self.outcome = outcome;
        self.code = code;
        self.write_once();
    }

    fn write_once(&mut self) {
        if std::mem::replace(&mut self.is_written, true) {
            return;
        }
        self.metrics.decided(self.outcome.as_str());
        self.time = clock::rfc3339_millis(clock::now());
        LINE.with_borrow_mut(|line| {
            line.clear();
            match serde_json::to_writer(&mut *line, self) {
                Ok(()) => {
                    line.push(b'\n');
                    // JSON is UTF-8, so that nothing is ever replaced; this is quicker than to look for what might be.
                    match str::from_utf8(line) {
                        Ok(line) => log::write_line(line),
                        Err(_) => log::write_line(&String::from_utf8_lossy(line)),
                    }
                }
                Err(error) => tracing::error!("an audit event cannot be written: {error}"),
            }
            line.shrink_to(KEPT_BYTES);
        });
    }
}

impl Drop for AuditEvent {
    /// INVARIANT: a decision that was made leaves its event, a panic after it included.
    fn drop(&mut self) {
        if self.decision_id.is_some() && !self.is_written {
            self.outcome = Outcome::Failed;
            self.code = Some("internal_error");
            self.write_once();
        }
    }
}

impl Serialize for DecisionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl Serialize for DeniedOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().filter_map(Denied::of))
    }
}

impl<'a> Denied<'a> {
    fn of(right: &'a Right) -> Option<Self> {
        let by = match &right.verdict {
            Verdict::Allowed { .. } => return None,
            Verdict::Denied { by } => Some(by),
            Verdict::NoRule => None,
        };
        Some(Self {
            channel: &right.channel,
            permission: right.permission,
            role: by.map(|rule| &*rule.role),
            pattern: by.map(|rule| &*rule.pattern),
        })
    }
}
