//! `usher serve`: settings to a running service, until a signal ends it.

use std::path::PathBuf;

use clap::Args;

use super::outcome::{Failure, block_on, no_signals};
use crate::api::ApiSettings;
use crate::chat::causes;
use crate::listener::bind;
use crate::service::{
    self, BuildError, Lifetime, Listeners, PolicySource, RunError, Service, ServiceSettings, Signals,
};
use crate::settings::{Environment, Settings};
use crate::signalwire::BuildFault;
use crate::telemetry::log;
use crate::telemetry::traces::Traces;

#[derive(Args)]
pub(super) struct Options {
    /// A settings file, instead of config/usher.toml; may be given several times, the later wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    let settings = Settings::load(&options.config, environment).map_err(Failure::wrong)?;
    // Outside of the runtime: its exporter blocks.
    let traces = settings.traces.as_ref().map(Traces::start).transpose();
    let traces = traces.map_err(|fault| Failure::failed(causes(&fault)))?;
    block_on(async {
        let mut service = Service::build(service_settings(&settings)).map_err(|error| match error {
            BuildError::SignalWire(fault @ BuildFault::Tls(_)) => Failure::failed(causes(&fault)),
            other => Failure::wrong(other),
        })?;
        log::start(settings.log, traces.as_ref());
        for lint in settings.lints.iter() {
            tracing::warn!(lint = lint.name, "{}", lint.summary());
        }
        let failed = |why: String| Failure::failed(why).into_log();
        let signals = Signals::of_service().map_err(no_signals)?;
        // Before anything is bound, so that whoever can connect is answered.
        service.start().await.map_err(|error| failed(causes(&error)))?;
        let public = bind(settings.server.listen).await.map_err(failed)?;
        let admin = match settings.ops_listen {
            Some(address) => Some(bind(address).await.map_err(failed)?),
            None => None,
        };
        service::raise_open_files(settings.server.connections.max_connections);
        // The ports that were given are told where the settings leave them open with 0.
        if let Some(address) = admin.as_ref().and_then(|admin| admin.local_addr().ok()) {
            tracing::info!(%address, "the operator's listener is open");
        }
        let policy = service.app().policy();
        tracing::info!(path = %settings.policy.file.display(), sha256 = policy.sha256(), "policy in force");
        let address = public.local_addr().unwrap_or(settings.server.listen);
        tracing::info!(%address, scheme = service.scheme(), version = env!("CARGO_PKG_VERSION"), "listening");
        let ended = service.run(Listeners { public, admin }, signals).await;
        // Whoever sends a second signal does not want to wait.
        if let Some(traces) = traces.filter(|_| ended != Err(RunError::SecondSignal)) {
            traces.finish().await;
        }
        ended.map_err(|error| Failure::failed(error).into_log())
    })
}

fn service_settings(settings: &Settings) -> ServiceSettings {
    let (server, policy) = (&settings.server, &settings.policy);
    ServiceSettings {
        policy: PolicySource::File { path: policy.file.clone(), watch: policy.watch },
        issuers: settings.issuers.clone(),
        remember: settings.remember,
        limits: settings.limits.clone(),
        signalwire: settings.signalwire.clone(),
        api: ApiSettings {
            narrow: policy.narrow,
            max_body: server.max_body,
            request_timeout: server.request_timeout,
            trusted_proxies: server.trusted_proxies.clone(),
            origins: settings.origins.clone(),
            cookie: settings.cookie.clone(),
        },
        tls: server.tls.as_ref().map(|tls| (tls.cert_file.clone(), tls.key_file.clone())),
        lifetime: Lifetime {
            connections: server.connections,
            shutdown_delay: server.shutdown_delay,
            shutdown_grace: server.shutdown_grace,
        },
    }
}
