//! What the evaluator found, right by right, and the outcome. An account is not a permission.

use std::sync::Arc;

use serde::Serialize;

use crate::chat::{ChannelName, MemberId, Permission, Rights, Terms, Timestamp, Ttl};

/// A whole decision, explained.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Who the token is for, where that could be said.
    pub member_id: Option<MemberId>,
    /// The policy's names of the session's roles, included ones too, sorted.
    pub roles: Vec<Arc<str>>,
    /// The claimed names that are no role of this policy, or not for this issuer's sessions.
    pub ignored_roles: Vec<String>,
    /// Each right that was asked for (or listed, where nothing was), by channel, `read` before `write`.
    pub rights: Arc<[Right]>,
    /// How the ttl came about, where rights were granted.
    pub ttl: Option<TtlAccount>,
    /// The moment that it was decided for: the latest at which the token may still be minted.
    pub decided_for: Timestamp,
    /// What the token shall carry, or why there is none.
    pub outcome: Result<Arc<Terms>, Denial>,
}

/// One right on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The channel.
    pub channel: ChannelName,
    /// The right.
    pub permission: Permission,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Some role allows it and none denies it.
    Allowed {
        /// Of the rules that allow it, the most generous.
        by: RuleRef,
        /// How long it may live by that rule; none: no cap.
        cap: Option<Ttl>,
    },
    /// A role of the session denies it.
    Denied {
        /// The rule that does.
        by: RuleRef,
    },
    /// No role of the session allows it.
    NoRule,
}

/// A rule of the policy file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RuleRef {
    /// The role in whose table it stands.
    pub role: Arc<str>,
    /// Its pattern, as the file has it.
    pub pattern: Arc<str>,
    /// Its line in the file, from 1.
    pub line: usize,
}

/// The bounds on a ttl and the least of them. In minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlAccount {
    /// What was asked for.
    pub request: Option<Ttl>,
    /// What holds where nothing is asked for.
    pub default: Option<Ttl>,
    /// The cap of the shortest-lived right that is granted; none: no right has one.
    pub rights: Option<Ttl>,
    /// `[ttl].max`.
    pub max: Ttl,
    /// `[guest].max_ttl`, for a guest.
    pub guest: Option<Ttl>,
    /// The least of these three.
    pub policy: Ttl,
    /// What is left of the session, rounded down; none: it has no end.
    pub session: Option<i64>,
    /// The least of all, where it is long enough to be of use.
    pub result: Option<Ttl>,
    /// The first bound that gives it.
    pub limited_by: LimitedBy,
}

/// Which bound a ttl comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitedBy {
    /// The client asked for no more.
    Request,
    /// The client asked for none.
    Default,
    /// A cap of the policy.
    Policy,
    /// The session ends.
    Session,
}

impl LimitedBy {
    /// As answers and the audit event have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Default => "default",
            Self::Policy => "policy",
            Self::Session => "session",
        }
    }
}

/// Why there is no grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No credential, and this policy has no `[guest]`.
    GuestsRefused,
    /// The member is blocked.
    SessionRevoked,
    /// Not all that was asked for by name is granted.
    ChannelsDenied(Vec<Refused>),
    /// Nothing at all is granted.
    NothingGranted(NothingGranted),
    /// Too little is left of the session.
    SessionExpiring,
    /// What is granted are more than 500 channels.
    TooManyChannels,
}

/// Why nothing at all is granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NothingGranted {
    /// No right is left.
    #[error("the session's roles grant none of it")]
    NoRight,
    /// The provider left the roles out for being too many.
    #[error("the provider put a marker of too many groups in place of the claim that roles are read from")]
    RolesWithheld,
    /// `member.id` cannot be filled in.
    #[error("member.id cannot be filled in: {0}")]
    NoMemberId(String),
}

/// What a channel was refused; the reason is the same for "no rule" and "a deny rule", on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The channel, which the client named.
    pub channel: ChannelName,
    /// The rights, at least one.
    pub rights: Rights,
}

impl RuleRef {
    /// As a person finds it: `"support:*" of agent (config/policy.toml:30)`.
    #[must_use]
    pub fn within(&self, file: &str) -> String {
        format!("\"{}\" of {} ({file}:{})", self.pattern, self.role, self.line)
    }
}

impl Account {
    /// The rights that were refused, one row a channel, sorted by name.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        let mut rows: Vec<Refused> = Vec::new();
        for right in self.rights.iter().filter(|right| !right.is_allowed()) {
            match rows.last_mut().filter(|row| row.channel == right.channel) {
                Some(row) => row.rights = row.rights.with(right.permission),
                None => {
                    rows.push(Refused { channel: right.channel.clone(), rights: Rights::NONE.with(right.permission) });
                }
            }
        }
        rows
    }
}

impl Right {
    /// Whether it is granted.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self.verdict, Verdict::Allowed { .. })
    }
}
