//! `usher session`: a session for a running `usher dev`.

use clap::Args;
use serde_json::Value;

use super::input::seconds;
use super::outcome::{Failure, print};
use crate::chat::{Object, json};
use crate::dev::{LeftBehind, NewSession};
use crate::settings::Environment;
use crate::telemetry::clock;

#[derive(Args)]
pub(super) struct Options {
    /// Who it is: the claim `sub`
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    sub: String,
    /// A role; may be given several times
    #[arg(long)]
    role: Vec<String>,
    /// Another claim, as name=JSON or name=text; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = claim)]
    claim: Vec<(String, Value)>,
    /// How long it is valid, as 15m or 8h
    #[arg(long, value_name = "DURATION", default_value = "8h", value_parser = seconds)]
    expires_in: i64,
    /// The `usher dev` that listens on this port, instead of the newest
    #[arg(long)]
    port: Option<u16>,
}

pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    let running = LeftBehind::find(environment, options.port).map_err(Failure::failed)?;
    let claims: Object = options.claim.iter().cloned().collect();
    let session = NewSession { sub: &options.sub, roles: &options.role, claims, lives_for: options.expires_in };
    print(running.issuer.sign(&session, clock::now()).map_err(Failure::failed)?);
    Ok(())
}

fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write name=value")?;
    if name.is_empty() {
        return Err("write name=value".to_owned());
    }
    let value = json::parse(value.as_bytes()).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}
