//! The command line: parses it, and runs one command, of which each has a file of its own.

mod check;
mod dev;
mod diff;
mod doctor;
mod explain;
mod healthcheck;
mod input;
mod outcome;
mod revoke;
mod sandbox;
mod schema;
mod serve;
mod session;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use self::outcome::exit_code;
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

/// Runs the command line and returns its exit code: 0 fine, 1 it failed, 2 denied or widened, 3 the
/// policy or the settings are wrong, 64 wrong usage.
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
    exit_code(ended)
}
