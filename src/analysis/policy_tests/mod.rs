//! A policy's own tests: reads a file into [`Cases`] and runs each against a policy.
//!
//! ```text
//! read.rs  the keys that a file of tests may have; a file → Cases, every fault at once
//! run.rs   a case and a policy → what came of it, against what was expected, in words
//! ```

mod read;
mod run;

use std::collections::BTreeMap;

use crate::chat::{ChannelName, Object, Rights};
use crate::policy::LimitedBy;
use crate::session::Vouching;

pub use read::TEST_FILE_KEYS;

/// The tests of one file, at least one, each with a name of its own.
#[derive(Debug)]
pub struct Cases {
    /// In the order of the file.
    pub list: Vec<Case>,
}

/// One test: who asks for what, and what should come of it.
#[derive(Debug)]
pub struct Case {
    /// What it says.
    pub name: String,
    /// Where it begins in the file, from 1.
    pub line: usize,
    who: Whose,
    /// A request body.
    ask: Object,
    expect: Expect,
}

#[derive(Debug)]
enum Whose {
    Guest,
    Known {
        vouching: Vouching,
        claims: Object,
        /// What is left of it, in seconds; none: it has no end.
        expires_in: Option<i64>,
    },
}

/// What should come of it; what is none is not looked at.
#[derive(Debug, Default)]
struct Expect {
    /// All that is granted, and nothing else.
    grant: Option<BTreeMap<ChannelName, Rights>>,
    /// All that is refused of what was asked for.
    denied: Option<BTreeMap<ChannelName, Rights>>,
    /// In minutes.
    ttl: Option<u32>,
    ttl_limited_by: Option<LimitedBy>,
    member_id: Option<String>,
    state: Option<Object>,
    /// The problem's code, or that of one of its `errors`.
    problem: Option<String>,
}
