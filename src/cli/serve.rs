//! `usher serve`: settings to a running service, until a signal ends it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::Args;

use super::input::open_keys;
use super::outcome::{Failure, block_on, no_signals};
use crate::api::{App, Decisions, Parts, Routes, Shedding};
use crate::chat::causes;
use crate::limits::Limits;
use crate::listener::bind;
use crate::ops::traces::Traces;
use crate::ops::{clock, log};
use crate::service::{self, CutOff, Lifetime, PolicyFile, Service, Signals, TlsFiles};
use crate::settings::{Environment, Settings};
use crate::signalwire::{BuildFault, Client};

/// How long the start waits for keys behind URLs. A provider that takes longer is waited for while serving.
const FIRST_FETCH: Duration = Duration::from_secs(3);

#[derive(Args)]
pub(super) struct Options {
    /// A settings file, instead of config/usher.toml; may be given several times, the later wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    let settings = Settings::load(&options.config, environment).map_err(Failure::wrong)?;
    let verifier = Arc::new(open_keys(&settings).map_err(Failure::Wrong)?);
    let opened = PolicyFile::open(&settings.policy.file, &verifier.aliases());
    let (policy_file, policy) = opened.map_err(Failure::wrong)?;
    let tls = settings.server.tls.as_ref().map(|tls| TlsFiles::open(&tls.cert_file, &tls.key_file)).transpose();
    let tls = tls.map_err(|unusable| Failure::wrong(format!("error: {unusable}")))?;
    let signalwire = Client::new(&settings.signalwire).map_err(|fault| match fault {
        BuildFault::Tls(_) => Failure::failed(causes(&fault)),
        _ => Failure::wrong(format!("error: {}", causes(&fault))),
    })?;
    let traces = settings.traces.as_ref().map(Traces::start).transpose();
    let traces = traces.map_err(|fault| Failure::failed(causes(&fault)))?;
    log::start(settings.log, traces.as_ref());
    for lint in settings.lints.iter() {
        tracing::warn!(lint = lint.name, "{}", lint.summary());
    }
    block_on(async {
        let failed = |why: String| Failure::failed(why).into_log();
        let signals = Signals::of_service().map_err(no_signals)?;
        // Before anything is bound, so that whoever can connect is answered.
        let fetched = verifier.fetch_keys(clock::now, FIRST_FETCH).await;
        let _kept_fresh = fetched.map_err(|error| Failure::failed(causes(&error)).into_log())?;
        let listener = bind(settings.server.listen).await.map_err(failed)?;
        let ops = match settings.ops_listen {
            Some(address) => Some(bind(address).await.map_err(failed)?),
            None => None,
        };
        service::raise_open_files(settings.server.connections.max_connections);
        let limits =
            Limits::open(settings.limits).map_err(|fault| Failure::wrong(format!("error: limits.store: {fault}")))?;
        let (limits, signalwire) = (Arc::new(limits), Arc::new(signalwire));
        // Who is revoked is known before anybody is served, if it can be known.
        limits.begin().await;
        let shedding = Arc::<Shedding>::default();
        let status = service::status(&policy_file.name(), &policy, &verifier, &limits, &signalwire, &shedding);
        let app = App::new(Parts {
            policy: ArcSwap::from_pointee(policy),
            verifier,
            limits,
            signalwire,
            narrow: settings.policy.narrow,
            max_body: settings.server.max_body,
            request_timeout: settings.server.request_timeout,
            trusted_proxies: settings.server.trusted_proxies,
            origins: settings.origins,
            cookie: settings.cookie,
            status,
            shedding,
            decisions: Decisions::default(),
        });
        let lifetime = Lifetime {
            connections: settings.server.connections,
            watch: settings.policy.watch,
            shutdown_delay: settings.server.shutdown_delay,
            shutdown_grace: settings.server.shutdown_grace,
        };
        // The ports that were given are told where the settings leave them open with 0.
        if let Some(address) = ops.as_ref().and_then(|ops| ops.local_addr().ok()) {
            tracing::info!(%address, "the operator's listener is open");
        }
        let address = listener.local_addr().unwrap_or(settings.server.listen);
        tracing::info!(path = policy_file.name(), sha256 = app.policy().sha256(), "policy in force");
        let scheme = if tls.is_some() { "https" } else { "http" };
        tracing::info!(%address, scheme, version = env!("CARGO_PKG_VERSION"), "listening");
        let service = Service {
            app,
            more: Routes::new(),
            listener,
            tls,
            guard: None,
            ops,
            ops_guard: None,
            policy: Some(policy_file),
            lifetime,
        };
        let ended = service.run(signals).await;
        // Whoever sends a second signal does not want to wait.
        if let Some(traces) = traces.filter(|_| ended != Err(CutOff::SecondSignal)) {
            traces.finish().await;
        }
        ended.map_err(|cut_off| Failure::failed(cut_off).into_log())
    })
}
