//! The policy: a file to a [`Policy`], and `(Policy, Session, Ask, now)` to a [`Grant`] or a [`Denial`]. Must not know
//! async, I/O, the clock, HTTP or how a session was verified.
//!
//! ```text
//! file.rs      the keys that a policy file may have
//! pattern.rs   "support:{sub}" → segments
//! habit.rs     literals that are something else in other languages
//! rules.rs     a table of rules, by the segments of their patterns; which of them match a name
//! value.rs     a placeholder and the claims → values, all fitting or not
//! member.rs    the member id and the state, from claims
//! compile.rs   the checked file → a Policy, every fault at once
//! bounds.rs    the same for [ttl] and the caps
//! identity.rs  the same for [member]
//! inclusion.rs the same for `includes`: whom a role brings along, circles
//! issuers.rs   what several issuers need, so that two name spaces stay two
//! lint.rs      what is allowed and probably not meant
//! listing.rs   what everybody with the same roles is granted, remembered
//! mapping.rs   claimed names → the policy's roles
//! view.rs      the rules as one session meets them, and what becomes of one right
//! decide.rs    the one evaluator, and the only place where a Grant is made
//! account.rs   why: what the evaluator found, right by right
//! overview.rs  what a session may have, without asking for it
//! rehearse.rs  the service's whole order, for facts that anybody may write down
//! reason.rs    why a rule matched or did not, in words
//! record.rs    the claims that a record of a decision keeps, and the way back
//! changes.rs   what two policies say differently
//! who.rs       the sessions that two policies tell apart
//! widening.rs  what one lets somebody have that another does not
//! coverage.rs  what of a policy some decisions have used
//! ```

mod account;
mod bounds;
mod changes;
mod compile;
mod coverage;
mod decide;
mod file;
mod habit;
mod identity;
mod inclusion;
mod issuers;
mod lint;
mod listing;
mod mapping;
mod member;
mod overview;
mod pattern;
mod reason;
mod record;
mod rehearse;
mod rules;
mod value;
mod view;
mod who;
mod widening;

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use listing::Listings;
use member::{MemberTemplate, StateKey};
use pattern::{Pattern, Placeholders};
use rules::Rules;

use crate::chat::{Rights, Ttl};
use crate::schema::{Faults, Lints, Place};

pub use account::{Account, Denial, LimitedBy, NothingGranted, Refused, Right, RuleRef, TtlAccount, Verdict};
pub use changes::Change;
pub use coverage::{Coverage, Part};
pub use decide::{Decision, Grant};
pub use file::KEYS;
pub use mapping::RoleMapping;
pub use overview::{Overview, PatternRights};
pub use reason::Reason;
pub use record::{claims_from, is_recorded};
pub use rehearse::Rehearsal;
pub use widening::Gain;

/// A policy in force: compiled once, immutable. That one exists means that its file had no fault.
#[derive(Debug)]
pub struct Policy {
    separator: char,
    ttl: TtlBounds,
    member: MemberTemplate,
    state: Vec<StateKey>,
    client_state: BTreeSet<String>,
    roles: Vec<Role>,
    /// From a claimed name to the roles that it stands for.
    claimed: HashMap<String, Vec<usize>>,
    default_role: Option<usize>,
    guest: Option<Guest>,
    blocked: HashSet<String>,
    placeholders: Placeholders,
    /// Every duration that the file has, and where.
    lives: Vec<(Life, Ttl, Place)>,
    sha256: String,
    listings: Listings,
}

/// What a duration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// This key of `[ttl]`.
    Bound(&'static str),
    /// A role's `max_ttl`, or a guest's.
    Cap,
}

#[derive(Clone, Copy, Debug)]
struct TtlBounds {
    default: Ttl,
    max: Ttl,
    min: Ttl,
}

#[derive(Debug)]
struct Guest {
    role: usize,
    max_ttl: Option<Ttl>,
}

#[derive(Debug)]
struct Role {
    name: Arc<str>,
    /// The aliases whose sessions may claim it; none: every alias.
    issuers: Option<BTreeSet<String>>,
    /// Its line in the file, from 1.
    line: usize,
    place: Place,
    /// What its own rules have.
    max_ttl: Option<Ttl>,
    /// This role and all that it includes, directly or not; sorted.
    closure: Vec<usize>,
    allow: Rules,
    deny: Rules,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    rights: Rights,
    /// The cap of the table that it stands in; a deny has none.
    max_ttl: Option<Ttl>,
    line: usize,
    place: Place,
}

impl Policy {
    /// Compiles a policy file's text. `name` is how reports call the file; `aliases` are those of the configured issuers
    /// (none known, as for `usher check --policy`: those that the file itself names).
    ///
    /// # Errors
    /// Every fault in the file, each with its place, the line and what to write instead.
    pub fn compile(name: &str, text: &str, aliases: &BTreeSet<String>) -> Result<Self, Faults> {
        let compiled = compile::compile(name, text, aliases);
        match compiled.policy {
            Some(policy) => compiled.faults.or(policy),
            None => Err(compiled.faults),
        }
    }

    /// The same, and what is allowed and probably not meant: of a file with faults, as far as they leave anything to say.
    ///
    /// # Errors
    /// As for [`Policy::compile`].
    pub fn check(name: &str, text: &str, aliases: &BTreeSet<String>) -> (Result<Self, Faults>, Lints) {
        let compiled = compile::compile(name, text, aliases);
        let Some(policy) = compiled.policy else { return (Err(compiled.faults), Lints::default()) };
        let lints = policy.lints(aliases, compiled.faults.is_empty());
        (compiled.faults.or(policy), lints)
    }

    /// The roles in the order of the file: name, number of allow rules, number of deny rules.
    pub fn roles(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.roles.iter().map(|role| (&*role.name, role.allow.len(), role.deny.len()))
    }

    /// The names that a session may claim, sorted.
    #[must_use]
    pub fn claimable(&self) -> BTreeSet<&str> {
        self.claimed.keys().map(String::as_str).collect()
    }

    /// The issuers' aliases that roles name, sorted.
    #[must_use]
    pub fn aliases(&self) -> BTreeSet<&str> {
        self.roles.iter().filter_map(|role| role.issuers.as_ref()).flatten().map(String::as_str).collect()
    }

    /// `[ttl]`: default, max, min.
    #[must_use]
    pub fn ttl_bounds(&self) -> (Ttl, Ttl, Ttl) {
        let TtlBounds { default, max, min } = self.ttl;
        (default, max, min)
    }

    /// Whether somebody without any credential is let in.
    #[must_use]
    pub fn admits_guests(&self) -> bool {
        self.guest.is_some()
    }

    /// The SHA-256 of the file's bytes, in lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}
