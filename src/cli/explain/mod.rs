//! `usher explain`: a decision and why it is so, for claims that somebody writes down, a real session, or a recorded
//! decision. It never mints.

mod question;
mod words;

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::world::{Surroundings, World};
use super::{Failure, print};
use crate::analysis::{Explained, document};
use crate::settings::Environment;
use crate::telemetry::log;

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
    let question = question::gather(options, &world, environment)?;
    let explained = Explained::of(question, &world.policy, world.narrow);
    if options.json {
        let text = format!("{:#}", document(&explained, &world.policy, &world.file));
        text.lines().for_each(|line| print(log::visible(line)));
    } else {
        print(words::text(&explained, &world).trim_end());
    }
    if explained.problem.is_some() { Err(Failure::Denied) } else { Ok(()) }
}
