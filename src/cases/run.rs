//! A case and a policy to what came of it. Decides by the policy's own evaluator, in the service's own order; must not
//! mint.

use serde_json::Value;
use uuid::Uuid;

use super::{Case, Whose, differ};
use crate::api::Problem;
use crate::chat::{Draft, Facts, MemberId, Object, Timestamp};
use crate::policy::{Account, Coverage, Policy, Rehearsal};
use crate::session::unverified_facts;

/// When all tests are decided. Nothing depends on it: what is left of a session is counted from here.
pub(super) const NOW: Timestamp = Timestamp::from_seconds(0);

/// What came of a case.
#[derive(Debug)]
pub struct Ran {
    /// What is not as it was expected, in words, a line each; none: it passed.
    pub differences: Vec<String>,
}

/// What came of a request, as far as tests look.
pub(super) struct Came {
    pub(super) facts: Facts,
    pub(super) account: Option<Account>,
    pub(super) problem: Option<Problem>,
    /// Who asks, where that can be said, refused or not.
    pub(super) member: Option<MemberId>,
    /// Whether the request named channels.
    pub(super) asked_by_name: bool,
}

impl Case {
    /// Runs it, and notes what of the policy it used. `narrow`: whether clients may ask for that mode; `file` is how the
    /// policy is called in words.
    pub fn run(&self, policy: &Policy, narrow: bool, file: &str, coverage: &mut Coverage) -> Ran {
        let facts = match self.facts() {
            Ok(facts) => facts,
            Err(why) => return Ran { differences: vec![why] },
        };
        let body = Value::Object(self.ask.clone()).to_string();
        let Ok(draft) = Draft::read(body.as_bytes()) else {
            return Ran { differences: vec!["the request is no JSON".to_owned()] };
        };
        let asked_by_name = self.ask.contains_key("channels");
        let (account, problem) = match policy.rehearse(&facts, draft, narrow, NOW) {
            Rehearsal::Refused(denial) => (None, Some(Problem::from(denial))),
            Rehearsal::Faulty(faults) => (None, Some(Problem::from(faults))),
            Rehearsal::Decided { account, .. } => {
                coverage.note(policy, &facts, &account);
                let problem = account.outcome.clone().err().map(Problem::from);
                (Some(*account), problem)
            }
        };
        let came = Came { member: policy.member_id(&facts).ok(), facts, asked_by_name, account, problem };
        Ran { differences: differ::differences(&self.expect, &came, policy, file) }
    }

    fn facts(&self) -> Result<Facts, String> {
        match &self.who {
            Whose::Guest => Ok(Facts::guest(Uuid::nil())),
            Whose::Known { vouching, claims, expires_in } => {
                let timeless: Object =
                    claims.iter().filter(|(name, _)| !matches!(name.as_str(), "exp" | "iat")).map(owned).collect();
                let facts = unverified_facts(timeless, vouching).map_err(|cause| cause.to_string())?;
                let ends = expires_in.map(|seconds| NOW.plus_millis(seconds.saturating_mul(1_000)));
                // The policy may read those two as well.
                Ok(Facts { ends, claims: claims.clone().into(), ..facts })
            }
        }
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}
