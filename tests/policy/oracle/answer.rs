//! What two evaluators are compared by: every part of an account that `policy.md` speaks of, as plain text. Must not know
//! how either came to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use usher::chat::{Permission, Rights};
use usher::policy::{Account, Denial};

/// What is decided.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    /// The session's roles, and the claimed names that are none; nothing where it did not come to that.
    pub(super) roles: Option<(Vec<String>, Vec<String>)>,
    /// Each right that was asked for, or that a listing came upon, and whether it is allowed.
    pub(super) rights: BTreeMap<(String, char), bool>,
    pub(super) end: End,
}

/// How it ended.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    GuestsRefused,
    Blocked,
    /// The request's faults as `pointer code`.
    Faults(BTreeSet<String>),
    /// Rights by channel.
    ChannelsDenied(BTreeMap<String, String>),
    NothingGranted,
    SessionExpiring,
    TooManyChannels,
    Granted(Granted),
}

/// The terms of a token.
#[derive(Debug, PartialEq)]
pub(super) struct Granted {
    pub(super) minutes: i64,
    pub(super) limited_by: String,
    pub(super) channels: BTreeMap<String, String>,
    pub(super) member: String,
    pub(super) state: Value,
}

impl Answer {
    /// One that ended before anything was looked up.
    pub(super) fn early(end: End) -> Self {
        Self { roles: None, rights: BTreeMap::new(), end }
    }

    /// The real evaluator's.
    pub(super) fn of(account: &Account) -> Self {
        let mut ignored = account.ignored_roles.clone();
        ignored.sort();
        let roles = account.roles.iter().map(ToString::to_string).collect();
        let rights = account.rights.iter().map(|right| {
            let letter = if right.permission == Permission::Read { 'r' } else { 'w' };
            ((right.channel.to_string(), letter), right.is_allowed())
        });
        Self { roles: Some((roles, ignored)), rights: rights.collect(), end: End::of(account) }
    }
}

impl End {
    /// The real evaluator's, where it said no.
    pub(super) fn of_denial(denial: &Denial) -> Self {
        match denial {
            Denial::GuestsRefused => Self::GuestsRefused,
            Denial::SessionRevoked => Self::Blocked,
            Denial::ChannelsDenied(refused) => {
                let row = |row: &usher::policy::Refused| (row.channel.to_string(), letters(row.rights));
                Self::ChannelsDenied(refused.iter().map(row).collect())
            }
            Denial::NothingGranted(_) => Self::NothingGranted,
            Denial::SessionExpiring => Self::SessionExpiring,
            Denial::TooManyChannels => Self::TooManyChannels,
        }
    }

    fn of(account: &Account) -> Self {
        let terms = match &account.outcome {
            Err(denial) => return Self::of_denial(denial),
            Ok(terms) => terms,
        };
        let limited_by = account.ttl.map(|ttl| serde_json::to_value(ttl.limited_by).unwrap());
        Self::Granted(Granted {
            minutes: i64::from(terms.ttl.minutes()),
            limited_by: limited_by.as_ref().and_then(Value::as_str).unwrap_or("nothing").to_owned(),
            channels: terms.channels.iter().map(|(name, rights)| (name.to_string(), letters(*rights))).collect(),
            member: terms.member_id.to_string(),
            state: Value::Object(terms.state.clone()),
        })
    }
}

fn letters(rights: Rights) -> String {
    let letter = |is_there, letter| if is_there { letter } else { "" };
    format!("{}{}", letter(rights.read, "r"), letter(rights.write, "w"))
}
