//! A decision and why it is so, as `usher explain` and the page of `usher dev` tell it, in the service's own order. Must not
//! mint, nor know where claims and requests come from.

mod json;

use crate::api::Problem;
use crate::chat::{Ask, Draft, Facts, Fault, Timestamp};
use crate::ops::Recorded;
use crate::policy::{Account, Overview, Policy, Rehearsal};

pub use json::document;

/// Who asks for what, and when.
#[derive(Debug)]
pub struct Question {
    /// Who.
    pub facts: Facts,
    /// What.
    pub ask: Asked,
    /// When.
    pub now: Timestamp,
    /// The decision that this one is to be held against.
    pub recorded: Option<Recorded>,
}

/// What is asked for.
#[derive(Debug)]
pub enum Asked {
    /// A request body; empty: nothing in particular.
    Body(Vec<u8>),
    /// As it was recorded.
    Recorded(Ask),
}

/// What was asked, and what came of it.
type Decided = (Ask, Box<Account>);

/// A question and its answer.
#[derive(Debug)]
pub struct Explained {
    /// What was asked.
    pub question: Question,
    /// None where something is wrong with the request, or it was not even looked at.
    decided: Option<Decided>,
    /// Why nothing was granted.
    pub problem: Option<Problem>,
    /// Where nothing in particular was asked for: what may be had by name, too.
    pub overview: Option<Overview>,
}

impl Explained {
    /// Decides it. `narrow`: whether clients may ask for that mode.
    #[must_use]
    pub fn of(question: Question, policy: &Policy, narrow: bool) -> Self {
        let (decided, problem) = answer(&question, policy, narrow);
        let names_nothing = decided.as_ref().is_some_and(|(ask, _)| ask.channels.is_none());
        let overview = names_nothing.then(|| policy.overview(&question.facts, question.now).ok()).flatten();
        Self { question, decided, problem, overview }
    }

    /// What is wrong with the request, as the client is told.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        self.problem.as_ref().map(Problem::faults).unwrap_or_default()
    }

    /// `granted`, `narrowed` or `denied`.
    #[must_use]
    pub fn decision(&self) -> &'static str {
        let is_whole = |(ask, account): &Decided| ask.channels.is_none() || account.refused().is_empty();
        match &self.decided {
            _ if self.problem.is_some() => "denied",
            Some(decided) if !is_whole(decided) => "narrowed",
            _ => "granted",
        }
    }

    /// Why, where it was decided.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        self.decided.as_ref().map(|(_, account)| &**account)
    }
}

/// What comes of a question in the service's own order, and why nothing is granted, if nothing is.
fn answer(question: &Question, policy: &Policy, narrow: bool) -> (Option<Decided>, Option<Problem>) {
    let rehearsal = match &question.ask {
        Asked::Recorded(ask) => {
            let account = Box::new(policy.evaluate(&question.facts, ask, question.now));
            Rehearsal::Decided { ask: ask.clone(), account }
        }
        Asked::Body(body) => match Draft::read(body) {
            Ok(draft) => policy.rehearse(&question.facts, draft, narrow, question.now),
            // Whoever is refused is refused before the body is looked at.
            Err(why) => {
                let problem = policy.member(&question.facts).map_or_else(Problem::from, |_| Problem::from(why));
                return (None, Some(problem));
            }
        },
    };
    match rehearsal {
        Rehearsal::Refused(denial) => (None, Some(Problem::from(denial))),
        Rehearsal::Faulty(faults) => (None, Some(Problem::from(faults))),
        Rehearsal::Decided { ask, account } => {
            let problem = account.outcome.clone().err().map(Problem::from);
            (Some((ask, account)), problem)
        }
    }
}
