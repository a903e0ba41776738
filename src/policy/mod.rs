//! The kernel that a request runs: a policy file to a [`Policy`], and `(Policy, Session, Ask, now)`
//! to a [`Grant`] or a [`Denial`]. What only people ask of a policy is in `analysis`.
//!
//! ```text
//! placeholder.rs  a placeholder and the claims → values, all fitting or not
//! pattern.rs      "support:{sub}" → segments
//! rules.rs        roles and their rules, found by the segments of their patterns
//! draft.rs        roles as they are read: `includes`, and what several issuers need
//! compile.rs      the keys of a policy file; the file → a Policy, every fault at once
//! definition.rs   what a policy file says; role mapping, the member and their state
//! member.rs       the member id and the state, from claims
//! view.rs         the rules as one session meets them, and what becomes of one right
//! listing.rs      what everybody with the same roles is granted, remembered
//! decide.rs       the one evaluator, and the only place where a Grant is made
//! account.rs      why: what the evaluator found, right by right
//! overview.rs     what a session may have, without asking for it
//! ```

mod account;
mod compile;
mod decide;
mod definition;
mod draft;
mod listing;
mod member;
mod overview;
mod pattern;
mod placeholder;
mod rules;
mod view;

pub use account::{Account, Denial, LimitedBy, NothingGranted, Refused, Right, RuleRef, TtlAccount, Verdict};
pub use compile::{Compilation, KEYS};
pub use decide::{Decision, Grant};
pub use definition::Policy;
pub use overview::{Overview, PatternRights};

// For `analysis`, which reads what a policy says.
pub(crate) use definition::{Definition, Life};
pub(crate) use pattern::{Pattern, Segment};
pub(crate) use placeholder::{MAX_VALUES, Placeholder};
pub(crate) use rules::{Relation, Role, Rule, Rules};
pub(crate) use view::View;
