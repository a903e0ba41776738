//! A whole decision as the service makes it, for facts that anybody may write down: member, request, account. Must not
//! mint, and makes no grant.

use super::Policy;
use super::account::{Account, Denial};
use crate::chat::{Ask, Draft, Facts, Fault, Timestamp};

/// How far a request came.
#[derive(Clone, Debug, PartialEq)]
pub enum Rehearsal {
    /// Not even looked at: no member, a blocked one, or a guest where none are let in.
    Refused(Denial),
    /// Something is wrong with it.
    Faulty(Vec<Fault>),
    /// Decided, one way or the other.
    Decided {
        /// What was asked.
        ask: Ask,
        /// What came of it, and why.
        account: Box<Account>,
    },
}

impl Policy {
    /// What would become of this request, in the service's own order. `narrow`: whether the operator lets clients ask for
    /// that mode.
    #[must_use]
    pub fn rehearse(&self, facts: &Facts, draft: Draft, narrow: bool, now: Timestamp) -> Rehearsal {
        let member = match self.member(facts) {
            Ok(member) => member,
            Err(denial) => return Rehearsal::Refused(denial),
        };
        match draft.accept(&self.conditions(facts, &member, narrow)) {
            Ok(ask) => {
                let account = Box::new(self.evaluate(facts, &ask, now));
                Rehearsal::Decided { ask, account }
            }
            Err(faults) => Rehearsal::Faulty(faults),
        }
    }
}
