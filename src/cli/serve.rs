//! `usher serve`: settings to a running service, until a signal ends it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::{Failure, block_on};
use crate::api::{self, App, Parts};
use crate::chat::causes;
use crate::limits::Limits;
use crate::ops::log;
use crate::policy::Policy;
use crate::session::Verifier;
use crate::settings::{Environment, Settings};
use crate::signalwire::{BuildFault, Client};

/// How long what is in flight may take to finish once the service is told to stop.
pub(super) const GRACE: Duration = Duration::from_secs(20);

#[derive(Args)]
pub(super) struct Options {
    /// A settings file, instead of config/usher.toml; may be given several times, the later wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    let settings = Settings::load(&options.config, environment).map_err(Failure::wrong)?;
    let verifier = open_keys(&settings)?;
    let policy = read_policy(&settings.policy.file, &verifier.aliases())?;
    let signalwire = Client::new(&settings.signalwire).map_err(|fault| match fault {
        BuildFault::Tls(_) => Failure::failed(causes(&fault)),
        _ => Failure::wrong(format!("error: {}", causes(&fault))),
    })?;
    log::start(settings.log);
    block_on(async {
        let address = settings.server.listen;
        let listener = TcpListener::bind(address).await;
        let listener =
            listener.map_err(|error| Failure::failed(format!("{address} cannot be listened on: {error}")))?;
        let signals = Signals::listen()?;
        let _kept_fresh = verifier.fetch_keys().await.map_err(|error| Failure::failed(causes(&error)))?;
        let app = App::new(Parts {
            policy: ArcSwap::from_pointee(policy),
            verifier,
            limits: Limits::new(settings.per_member),
            signalwire,
            narrow: settings.policy.narrow,
            max_body: settings.server.max_body,
            request_timeout: settings.server.request_timeout,
            decisions: TaskTracker::new(),
        });
        // The port that was given is told where the settings leave it open with 0.
        let address = listener.local_addr().unwrap_or(address);
        tracing::info!(%address, "listening");
        serve_until_stopped(listener, &app, None, signals).await
    })
}

/// Serves until a first signal, drains, and gives up at a second one or at the end of the grace.
pub(super) async fn serve_until_stopped(
    listener: TcpListener,
    app: &App,
    guard: Option<api::Guard>,
    mut signals: Signals,
) -> Result<(), Failure> {
    let (stopped, stop) = tokio::sync::oneshot::channel();
    let serving = api::serve(listener, app.router(guard), async { drop(stop.await) }, GRACE);
    let serving = async {
        let in_time = serving.await;
        app.finish().await;
        in_time
    };
    tokio::pin!(serving);
    let first = tokio::select! {
        _ = &mut serving => None,
        () = signals.next() => Some(stopped.send(())),
    };
    if first.is_none() {
        return Ok(());
    }
    tracing::info!("stopping: finishing what is in flight");
    tokio::select! {
        in_time = &mut serving => {
            if in_time { Ok(()) } else { Err(Failure::failed("requests were cut off at the end of the grace")) }
        }
        () = signals.next() => Err(Failure::failed("stopped at once by a second signal")),
    }
}

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Failure::failed(format!("no signal can be had: {error}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

pub(super) fn open_keys(settings: &Settings) -> Result<Verifier, Failure> {
    Verifier::open(settings.issuers.clone()).map_err(|faults| {
        let told: Vec<_> = faults.iter().map(|fault| format!("error: {fault}")).collect();
        Failure::wrong(told.join("\n\n"))
    })
}

pub(super) fn read_policy(file: &Path, aliases: &std::collections::BTreeSet<String>) -> Result<Policy, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::wrong(format!("error: the policy {name} cannot be read: {error}")))?;
    Policy::compile(&name, &text, aliases).map_err(Failure::wrong)
}
