//! `usher healthcheck`: for a container without a shell. Asks a running service whether it is up; needs no secret.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::outcome::{Failure, block_on, print};
use crate::chat::causes;
use crate::listener::reachable;
use crate::settings::{Addresses, Environment};

/// How long the service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Args)]
pub(super) struct Options {
    /// A settings file, instead of config/usher.toml; may be given several times, the later wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Ask /ready instead of /live
    #[arg(long)]
    ready: bool,
}

/// Fails with 1 alone, whatever is wrong: an engine knows no other word for "unhealthy".
pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    let addresses = Addresses::load(&options.config, environment).map_err(Failure::failed)?;
    let address = reachable(addresses.ops.unwrap_or(addresses.server));
    if address.port() == 0 {
        return Err(Failure::failed("the settings leave the port open (0), so nobody knows where to ask"));
    }
    let scheme = if addresses.ops.is_none() && addresses.has_tls { "https" } else { "http" };
    let url = format!("{scheme}://{address}/{}", if options.ready { "ready" } else { "live" });
    block_on(async {
        let client = reqwest::ClientBuilder::new()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // The certificate is for the name that others ask under, and this asks only whether somebody is up: so no CA
            // bundle is needed, and none has to be there.
            .tls_danger_accept_invalid_certs(true)
            .tls_certs_only([])
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| Failure::failed(causes(&error)))?;
        let answer = client.get(&url).send().await;
        let answer = answer.map_err(|error| Failure::failed(format!("{url}: {}", causes(&error.without_url()))))?;
        let status = answer.status();
        if status == reqwest::StatusCode::OK {
            print(format!("{url}: {status}"));
            return Ok(());
        }
        Err(Failure::failed(format!("{url}: {status}")))
    })
}
