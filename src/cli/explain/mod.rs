//! `usher explain`: a decision and why it is so, for claims that somebody writes down, a real session, or a recorded
//! decision. It never mints.

mod json;
mod question;
mod words;

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use self::question::{Asked, Question};
use super::world::{Surroundings, World};
use super::{Failure, print};
use crate::api::Problem;
use crate::chat::{Ask, Draft, Fault};
use crate::ops::log;
use crate::policy::{Account, Overview, Rehearsal};
use crate::settings::Environment;

#[derive(Args)]
#[command(group(ArgGroup::new("who").required(true).args(["claims", "guest", "session", "request_id"])))]
pub(super) struct Options {
    /// A file with a session's claims as JSON (-: standard input)
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// Somebody without any credential
    #[arg(long)]
    guest: bool,
    /// A file with a real session, which is verified first (-: standard input)
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// A decision that was recorded, by its request's id (needs --decisions)
    #[arg(long, value_name = "ID", requires = "decisions", conflicts_with_all = ["ask", "issuer"])]
    request_id: Option<String>,
    /// A file of audit events: usher's log
    #[arg(long, value_name = "FILE", requires = "request_id", conflicts_with_all = ["claims", "guest", "session"])]
    decisions: Option<PathBuf>,
    /// A file with a request body as JSON (-: standard input); without it, everything that the session may have
    #[arg(long, value_name = "FILE")]
    ask: Option<PathBuf>,
    /// The alias of the issuer whose claims they are; the only or first one
    #[arg(long, value_name = "NAME", requires = "claims", conflicts_with_all = ["guest", "session"])]
    issuer: Option<String>,
    /// The policy, instead of the settings' own
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A settings file, instead of config/usher.toml; may be given several times, the later wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    let surroundings = Surroundings::load(&options.config, environment)?;
    let file = options.policy.clone().unwrap_or_else(|| surroundings.policy_file().to_owned());
    let world = surroundings.open(&file)?;
    let question = Question::gather(options, &world, environment)?;
    let explained = Explained::of(question, &world);
    if options.json {
        let text = format!("{:#}", json::document(&explained, &world));
        text.lines().for_each(|line| print(log::visible(line)));
    } else {
        print(words::text(&explained, &world).trim_end());
    }
    if explained.problem.is_some() { Err(Failure::Denied) } else { Ok(()) }
}

/// What was asked, and what came of it.
type Decided = (Ask, Box<Account>);

/// A question and its answer.
struct Explained {
    question: Question,
    /// None where something is wrong with the request, or it was not even looked at.
    decided: Option<Decided>,
    /// Why nothing was granted.
    problem: Option<Problem>,
    /// Where nothing in particular was asked for: what may be had by name, too.
    overview: Option<Overview>,
}

impl Explained {
    fn of(question: Question, world: &World) -> Self {
        let (decided, problem) = answer(&question, world);
        let names_nothing = decided.as_ref().is_some_and(|(ask, _)| ask.channels.is_none());
        let overview = names_nothing.then(|| world.policy.overview(&question.facts, question.now).ok()).flatten();
        Self { question, decided, problem, overview }
    }

    /// What is wrong with the request, as the client is told.
    fn faults(&self) -> &[Fault] {
        self.problem.as_ref().map(Problem::faults).unwrap_or_default()
    }

    /// `granted`, `narrowed` or `denied`.
    fn decision(&self) -> &'static str {
        let is_whole = |(ask, account): &Decided| ask.channels.is_none() || account.refused().is_empty();
        match &self.decided {
            _ if self.problem.is_some() => "denied",
            Some(decided) if !is_whole(decided) => "narrowed",
            _ => "granted",
        }
    }

    fn account(&self) -> Option<&Account> {
        self.decided.as_ref().map(|(_, account)| &**account)
    }
}

/// What comes of a question in the service's own order, and why nothing is granted, if nothing is.
fn answer(question: &Question, world: &World) -> (Option<Decided>, Option<Problem>) {
    let policy = &world.policy;
    let rehearsal = match &question.ask {
        Asked::Recorded(ask) => {
            let account = Box::new(policy.evaluate(&question.facts, ask, question.now));
            Rehearsal::Decided { ask: ask.clone(), account }
        }
        Asked::Body(body) => match Draft::read(body) {
            Ok(draft) => policy.rehearse(&question.facts, draft, world.narrow, question.now),
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
