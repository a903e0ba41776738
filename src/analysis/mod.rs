//! Analysis of policies for people, never on the path of a request: warnings, the effect of a
//! change, the reasons of a decision, recorded decisions, and a policy's own tests.
//!
//! ```text
//! warnings.rs    what a policy file says that is allowed and probably not meant
//! changes.rs     what two policies say differently
//! widening.rs    what one lets somebody have that another does not
//! reason.rs      why a rule matched or did not, in words
//! recorded.rs    audit events as they are read again
//! explain.rs     a decision and why it is so, as the service would make it
//! coverage.rs    what of a policy some decisions have used
//! policy_tests/  a policy's own tests
//! ```

mod changes;
mod coverage;
mod explain;
mod policy_tests;
mod reason;
mod recorded;
mod warnings;
mod widening;

pub use changes::{Change, changes_since};
pub use coverage::{Coverage, Part};
pub use explain::{Asked, Explained, Question, RoleMapping, document, rehearse, role_mapping};
pub use policy_tests::{Case, Cases, TEST_FILE_KEYS};
pub use reason::{Reason, in_words, reason, why_nothing};
pub use recorded::{Recorded, claims_from, claims_needed, is_recorded};
pub use warnings::warnings;
pub use widening::{Gain, gains_over};
