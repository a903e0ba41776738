//! `usher sandbox`: SignalWire's stand-in alone, for a front end's own tests or a composition of containers.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::outcome::{Failure, block_on, no_signals, print};
use crate::dev::{loopback_alone, random_text, refuse_real_credentials, unix_seconds};
use crate::files;
use crate::listener::{bind, bind_near, reachable};
use crate::sandbox::Sandbox;
use crate::service::{self, Signals};
use crate::settings::Environment;
use crate::telemetry::log::{self, LogFormat, LogSettings};

/// The port that is tried first.
const PORT: u16 = 8088;

#[derive(Args)]
pub(super) struct Options {
    /// Where to listen, instead of 127.0.0.1:8088 or any free port
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Listen elsewhere than on loopback all the same, for whoever reaches it
    #[arg(long)]
    allow_remote: bool,
    /// The project's id, instead of a new one
    #[arg(long, value_name = "ID", value_parser = project_id)]
    project_id: Option<String>,
    /// A file that holds the API token, instead of a new one
    #[arg(long, value_name = "FILE")]
    api_token_file: Option<PathBuf>,
}

pub(super) fn run(options: Options, environment: &Environment) -> Result<(), Failure> {
    refuse_real_credentials("sandbox", environment).map_err(Failure::Wrong)?;
    loopback_alone("sandbox", options.listen, options.allow_remote).map_err(Failure::Wrong)?;
    let project_id = options.project_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let api_token = match &options.api_token_file {
        Some(path) => {
            files::read_secret(path).map_err(|why| Failure::wrong(format!("error: --api-token-file: {why}")))?
        }
        None => format!("PT{}", random_text()).into(),
    };
    log::start(LogSettings { format: LogFormat::Pretty, level: tracing::Level::INFO }, None);
    block_on(async {
        let Signals { mut stop, .. } = Signals::of_terminal().map_err(no_signals)?;
        // As in `usher dev`: nobody can choose here how many connections there are, so none are named.
        service::raise_open_files(0);
        let listener = match options.listen {
            Some(address) => bind(address).await,
            None => bind_near(PORT).await,
        }
        .map_err(Failure::failed)?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        let token = secrecy::ExposeSecret::expose_secret(&api_token);
        let sandbox = Sandbox::new(project_id.clone(), token, unix_seconds);
        let sandbox = if address.ip().is_loopback() { sandbox.for_this_machine_alone() } else { sandbox };
        let space = format!("http://{}", reachable(address));
        print(format!("SIGNALWIRE_SPACE={space}\nSIGNALWIRE_PROJECT_ID={project_id}\nSIGNALWIRE_API_TOKEN={token}"));
        sandbox.serve(listener, async { stop.next().await }).await.map_err(Failure::failed)
    })
}

/// RFC 7617 §2: a user name with a colon cannot be told from its password.
fn project_id(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if text.is_empty() || !text.bytes().all(fits) {
        return Err("write a UUID, or other visible characters without a `:`".to_owned());
    }
    Ok(text.to_owned())
}
