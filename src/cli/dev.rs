//! `usher dev`: the command around [`crate::dev`].

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::outcome::{Failure, block_on, no_signals, print};
use crate::dev::{self, Dev, DevFault};
use crate::service::{self, Signals};
use crate::settings::Environment;
use crate::telemetry::log::{self, LogFormat, LogSettings};

#[derive(Args)]
pub(super) struct Options {
    /// The policy, instead of config/policy.toml or the one that is built in
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Where to listen, instead of 127.0.0.1:8080 or any free port
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Listen elsewhere than on loopback all the same: whoever reaches it can be anybody
    #[arg(long)]
    allow_remote: bool,
}

pub(super) fn run(options: Options, environment: &Environment) -> Result<(), Failure> {
    dev::refuse_real_credentials("dev", environment).map_err(Failure::Wrong)?;
    let options = dev::Options { policy: options.policy, listen: options.listen, allow_remote: options.allow_remote };
    log::start(LogSettings { format: LogFormat::Pretty, level: tracing::Level::INFO }, None);
    block_on(async {
        let signals = Signals::of_terminal().map_err(no_signals)?;
        // Nobody can choose here how many connections there are, so none are named.
        service::raise_open_files(0);
        let Dev { service, listeners, greeting, sandbox, left_behind } =
            dev::start(options, environment).await.map_err(|fault| match fault {
                DevFault::Settings(text) => Failure::Wrong(text),
                DevFault::Failed(text) => Failure::failed(text),
            })?;
        print(greeting);
        let served = service.run(listeners, signals).await;
        sandbox.stop().await;
        drop(left_behind);
        served.map_err(Failure::failed)
    })
}
