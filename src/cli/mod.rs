//! The command line: a file a command. Results on standard output, everything else on standard error. Knows everything;
//! nothing knows it.

mod check;
mod dev;
mod diff;
mod doctor;
mod explain;
mod healthcheck;
mod input;
mod revoke;
mod sandbox;
mod schema;
mod serve;
mod session;
mod test;
mod world;

use std::ffi::OsString;
use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

use crate::settings::Environment;

/// Vends SignalWire Chat tokens: authenticates the session, applies the policy, keeps the credentials.
#[derive(Parser)]
#[command(name = "usher", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The service
    Serve(serve::Options),
    /// The service on loopback with a sandbox SignalWire and a throw-away issuer: no account, no settings
    Dev(dev::Options),
    /// Checks settings and policy: every fault, or what was understood
    Check(check::Options),
    /// A decision and why it is so: for claims, a real session, or a recorded decision
    Explain(explain::Options),
    /// The policy's own tests, and what of the policy they never use
    Test(test::Options),
    /// What a change of policy grants and takes; exits 2 where it grants more
    Diff(diff::Options),
    /// What a file may hold, as JSON Schema, for an editor's completion
    Schema(schema::Options),
    /// Refuses a member on every replica for a while; needs the store that they share
    Revoke(revoke::Options),
    /// Asks the real things: keys, clocks, SignalWire, a session check by check; never mints
    Doctor(doctor::Options),
    /// A session for a running `usher dev`: the token alone on standard output
    Session(session::Options),
    /// SignalWire's stand-in alone, for a front end's own tests; prints its address and credentials
    Sandbox(sandbox::Options),
    /// Asks a running service whether it is up, for a container without a shell: exits 0 or 1
    Healthcheck(healthcheck::Options),
}

/// Why a command ends without its result. The text goes to standard error.
#[derive(Debug)]
enum Failure {
    /// Exit 1: it failed.
    Failed(String),
    /// Exit 1: it failed, and the log says so.
    Logged,
    /// Exit 2: denied, or no valid request; or a policy grants more than before. The result says so.
    Denied,
    /// Exit 3: the policy or the settings are wrong.
    Wrong(String),
    /// Exit 64: wrong usage, of a kind that the parser of the command line does not see.
    Usage(String),
}

/// Runs the command line and says how it ended: 0 fine, 1 it failed, 2 denied or widened, 3 the policy or the settings are wrong, 64 wrong usage.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to be told that standard error is gone.
            let _ = error.print();
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked_for { 0 } else { 64 });
        }
    };
    let environment = Environment::of_this_process();
    let ended = match arguments.command {
        Command::Serve(options) => serve::run(&options, &environment),
        Command::Dev(options) => dev::run(options, &environment),
        Command::Check(options) => check::run(&options, &environment),
        Command::Explain(options) => explain::run(&options, &environment),
        Command::Test(options) => test::run(&options, &environment),
        Command::Diff(options) => diff::run(&options, &environment),
        Command::Schema(options) => {
            schema::run(&options);
            Ok(())
        }
        Command::Revoke(options) => revoke::run(&options, &environment),
        Command::Doctor(options) => doctor::run(&options, &environment),
        Command::Session(options) => session::run(&options, &environment),
        Command::Sandbox(options) => sandbox::run(options, &environment),
        Command::Healthcheck(options) => healthcheck::run(&options, &environment),
    };
    crate::telemetry::log::finish();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(text)) => {
            complain(&text);
            ExitCode::from(1)
        }
        Err(Failure::Logged) => ExitCode::from(1),
        Err(Failure::Denied) => ExitCode::from(2),
        Err(Failure::Wrong(text)) => {
            complain(&text);
            ExitCode::from(3)
        }
        Err(Failure::Usage(text)) => {
            complain(&text);
            ExitCode::from(64)
        }
    }
}

impl Failure {
    fn failed(why: impl Display) -> Self {
        Self::Failed(format!("usher: {why}"))
    }

    /// Tells it in the log, which has begun: every line there is one of the log's.
    fn into_log(self) -> Self {
        match self {
            Self::Failed(text) => {
                tracing::error!("{}", text.trim_start_matches("usher: "));
                Self::Logged
            }
            other => other,
        }
    }

    fn wrong(why: impl Display) -> Self {
        Self::Wrong(why.to_string())
    }
}

/// Runs a command's work to its end.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // One core has nobody to share work with.
    let has_more_cores = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let mut runtime = if has_more_cores { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("no runtime can be had: {error}")))?;
    let ended = runtime.block_on(work);
    // A file of a network that does not answer is not waited for.
    runtime.shutdown_background();
    ended
}

fn no_signals(error: impl Display) -> Failure {
    Failure::failed(format!("no signal can be had: {error}"))
}

/// A duration on the command line, in seconds.
fn seconds(text: &str) -> Result<i64, String> {
    crate::schema::seconds(text, false)
        .ok_or_else(|| "write a positive integer and one of s, m, h, d, as in 24h".to_owned())
}

fn complain(text: &str) {
    use std::io::Write;
    // As above.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Colours for a terminal, and none elsewhere.
struct Paint {
    is_colourful: bool,
}

impl Paint {
    /// For standard output; `NO_COLOR` (<https://no-color.org>) is honoured.
    fn of_output(environment: &Environment) -> Self {
        use std::io::IsTerminal;
        Self { is_colourful: std::io::stdout().is_terminal() && environment.text("NO_COLOR").is_none() }
    }

    fn good(&self, text: &str) -> String {
        self.paint(text, 32)
    }

    fn bad(&self, text: &str) -> String {
        self.paint(text, 31)
    }

    /// A line of a difference: what is gone red, what came green.
    fn difference(&self, line: &str) -> String {
        match line.as_bytes().first() {
            Some(b'-') => self.bad(line),
            Some(b'+') => self.good(line),
            _ => line.to_owned(),
        }
    }

    fn paint(&self, text: &str, colour: u8) -> String {
        if self.is_colourful { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Prints a result. A reader that has gone away ends nothing.
fn print(text: impl Display) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
