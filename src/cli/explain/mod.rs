//! `usher explain`: a decision and why it is so, for claims that somebody writes down, a real session, or a recorded
//! decision. It never mints.

mod words;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args};
use uuid::Uuid;

use super::input::{self, Surroundings, World, open_verifier};
use super::outcome::{Failure, block_on, print};
use crate::analysis::{Asked, Explained, Question, Recorded, document};
use crate::chat::{Facts, Object, causes, json};
use crate::schema::quoted;
use crate::session::unverified_facts;
use crate::settings::{Environment, load_issuers};
use crate::telemetry::{clock, log};

/// How long keys are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let question = gather(options, &world, environment)?;
    let explained = Explained::of(question, &world.policy, world.narrow);
    if options.json {
        let text = format!("{:#}", document(&explained, &world.policy, &world.file));
        text.lines().for_each(|line| print(log::visible(line)));
    } else {
        print(words::text(&explained, &world).trim_end());
    }
    if explained.problem.is_some() { Err(Failure::Denied) } else { Ok(()) }
}

/// Who asks for what, and when: from files, a verified session or a recorded decision.
fn gather(options: &Options, world: &World, environment: &Environment) -> Result<Question, Failure> {
    if let (Some(id), Some(file)) = (&options.request_id, &options.decisions) {
        return recorded(id, file, world);
    }
    refuse_two_inputs(options)?;
    let now = clock::now();
    let facts = if options.guest {
        Facts::guest(Uuid::new_v4())
    } else if let Some(file) = &options.session {
        verified(&input::session(file)?, options, environment)?
    } else {
        claimed(options, world)?
    };
    let body = options.ask.as_deref().map(|file| input::text("--ask", file)).transpose()?;
    let body = body.map(|body| body.trim().as_bytes().to_vec()).unwrap_or_default();
    Ok(Question { facts, ask: Asked::Body(body), now, recorded: None })
}

fn recorded(id: &str, file: &Path, world: &World) -> Result<Question, Failure> {
    let events = input::decisions(file)?;
    let is_it = |event: &&Recorded| event.request_id == id || event.decision_id.as_deref() == Some(id);
    let Some(event) = events.into_iter().rev().find(|event| is_it(&event)) else {
        let file = file.display();
        return Err(Failure::failed(format!("{file} has no audit event of the request {}", quoted(id))));
    };
    let facts = event.facts();
    // Who is no member is refused for that alone; of everybody else the request matters, which was never read.
    if event.decision_id.is_none() && world.policy.member(&facts).is_ok() {
        let code = log::visible(event.code.as_deref().unwrap_or(&event.outcome));
        return Err(Failure::failed(format!(
            "nothing was decided of the request {}: it ended with `{code}` before",
            quoted(id)
        )));
    }
    let missing = event.missing_claims(&world.policy);
    if !missing.is_empty() && event.policy_sha256 != world.policy.sha256() {
        let claims: Vec<_> = missing.iter().map(|claim| quoted(claim)).collect();
        let why = format!(
            "{} cannot decide this again: it reads {}, which the event does not hold, as another policy was in force \
             (sha256 {})",
            world.file,
            claims.join(", "),
            log::visible(&event.policy_sha256)
        );
        return Err(Failure::failed(why));
    }
    let now = event.decided_at.unwrap_or_else(clock::now);
    Ok(Question { facts, ask: Asked::Recorded(event.ask()), now, recorded: Some(event) })
}

/// Standard input can be read once: whoever came second would find it empty, and no claims or no request are something else.
fn refuse_two_inputs(options: &Options) -> Result<(), Failure> {
    let files = [("--claims", &options.claims), ("--session", &options.session), ("--ask", &options.ask)];
    let piped = files.into_iter().filter(|(_, file)| file.as_deref() == Some(Path::new("-")));
    match piped.map(|(option, _)| option).collect::<Vec<_>>().as_slice() {
        [one, other, ..] => Err(Failure::Usage(format!(
            "error: {one} and {other} cannot both be standard input: name a file for one of them"
        ))),
        _ => Ok(()),
    }
}

fn claimed(options: &Options, world: &World) -> Result<Facts, Failure> {
    let file = options.claims.as_deref().unwrap_or_else(|| Path::new("-"));
    let text = input::text("--claims", file)?;
    let wrong = |why: String| Failure::wrong(format!("error: --claims {}: {why}", file.display()));
    let claims = json::parse(text.as_bytes()).map_err(|why| wrong(format!("it is not one JSON document: {why}")))?;
    let serde_json::Value::Object(claims): serde_json::Value = claims else {
        return Err(wrong("it is no JSON object, as in {\"sub\": \"alice\", \"roles\": [\"customer\"]}".to_owned()));
    };
    let claims: Object = claims;
    unverified_facts(claims, &world.vouching(options.issuer.as_deref())?).map_err(|cause| wrong(cause.to_string()))
}

fn verified(token: &str, options: &Options, environment: &Environment) -> Result<Facts, Failure> {
    let issuers = load_issuers(&options.config, environment).map_err(Failure::wrong)?;
    let verifier = open_verifier(issuers).map_err(Failure::Wrong)?;
    block_on(async {
        let keys = verifier.fetch_keys(clock::now, PATIENCE).await;
        let _keys = keys.map_err(|error| Failure::failed(causes(&error)))?;
        match verifier.authenticate(token, clock::now()).await {
            Ok(session) => Ok(session.facts().clone()),
            Err(refusal) => Err(Failure::failed(format!("{refusal}; `usher doctor --session` goes through it"))),
        }
    })
}
