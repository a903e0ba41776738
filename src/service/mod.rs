//! A running service: its listeners, the policy kept in step with its file, and the way it stops. `serve` and `dev` put the
//! parts together; must not know the command line, settings files or the sandbox.
//!
//! ```text
//! open_files.rs   how many connections the system lets us have
//! files.rs        the files that a running service follows
//! policy_file.rs  the policy's file: compiled, and compiled again when it changes
//! tls_files.rs    certificate and key of the public listener: read, and read again when they change
//! watched.rs      files that are looked at again and again
//! signals.rs      SIGTERM and SIGINT to stop, SIGHUP to read again
//! ```

mod files;
mod open_files;
mod policy_file;
mod signals;
mod tls_files;
mod watched;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::files::Files;
use crate::api::{self, App, Guard, MetricSeries, Routes, Shedding, metric_series};
use crate::limits::Limits;
use crate::listener::{self, ConnectionSettings};
use crate::ops::{
    self, IssuerKeys, LimitsLoad, Metrics, PolicyStatus, SheddingLoad, Sources, Status, UpstreamLoad, clock,
};
use crate::policy::Policy;
use crate::session::{KeyStatus, Verifier};
use crate::signalwire::{CircuitState, Client, Load};

pub use open_files::raise_open_files;
pub use policy_file::{PolicyFile, Unusable};
pub use signals::{Reload, Signals, Stop};
pub use tls_files::{TlsFiles, TlsUnusable};

/// How often the metrics' histograms are gathered.
const UPKEEP: Duration = Duration::from_millis(250);
/// How long the last words may take when all else has finished.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What the operator's connections may take.
const OPS: ConnectionSettings = ConnectionSettings {
    header_timeout: Duration::from_secs(5),
    keep_alive: Duration::from_secs(75),
    max_connections: 100,
};

/// A service that is about to run.
pub struct Service {
    /// What answers.
    pub app: App,
    /// What it answers beside its own routes.
    pub more: Routes,
    /// Where it is asked.
    pub listener: TcpListener,
    /// The certificate that it is asked under, where it is not asked in the clear.
    pub tls: Option<TlsFiles>,
    /// What looks at each request first, if anything does.
    pub guard: Option<Guard>,
    /// Where the operator asks, if anywhere.
    pub ops: Option<TcpListener>,
    /// What looks at each of the operator's requests first, if anything does.
    pub ops_guard: Option<Guard>,
    /// The policy's file, where there is one.
    pub policy: Option<PolicyFile>,
    /// How it runs and stops.
    pub lifetime: Lifetime,
}

/// How a service runs and stops.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// What the public listener's connections may take.
    pub connections: ConnectionSettings,
    /// Whether a change of the policy's file is noticed; else it is read again on SIGHUP only.
    pub watch: bool,
    /// After a signal to stop: not ready, but still serving, for so long.
    pub shutdown_delay: Duration,
    /// Then what is in flight may take so long to finish.
    pub shutdown_grace: Duration,
}

impl Default for Lifetime {
    /// As the settings' defaults.
    fn default() -> Self {
        Self {
            connections: ConnectionSettings::default(),
            watch: true,
            shutdown_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(20),
        }
    }
}

/// Why a service ended otherwise than in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutOff {
    /// `shutdown_grace` was over.
    #[error("requests were cut off at the end of the grace")]
    Grace,
    /// There was a second signal.
    #[error("stopped at once by a second signal, and requests were cut off")]
    SecondSignal,
}

/// What the operator can ask of a service with this policy (from the file that is called so), these issuers, these limits,
/// this way to SignalWire, and this capacity.
#[must_use]
pub fn status(
    path: &str,
    policy: &Policy,
    verifier: &Arc<Verifier>,
    limits: &Arc<Limits>,
    signalwire: &Arc<Client>,
    shedding: &Arc<Shedding>,
) -> Arc<Status> {
    let MetricSeries { requests, upstream, limits: limit_names, limit_decisions } = metric_series();
    let metrics = Metrics::new(&requests, &upstream, &limit_names, &limit_decisions);
    let policy = PolicyStatus::loaded(path.to_owned(), policy.sha256(), clock::now());
    let (verifier, limits, signalwire) = (Arc::clone(verifier), Arc::clone(limits), Arc::clone(signalwire));
    let row =
        |KeyStatus { alias, issuer, usable, failing_for, age }| IssuerKeys { alias, issuer, usable, failing_for, age };
    let shedding = Arc::clone(shedding);
    let sources = Sources {
        issuers: Box::new(move || verifier.key_status(clock::now()).into_iter().map(row).collect()),
        upstream: Box::new(move || {
            let Load { in_flight, queued, circuit } = signalwire.load();
            let circuit = CircuitState::ALL.map(|state| (state.as_str(), state == circuit)).to_vec();
            UpstreamLoad { in_flight, queued, circuit }
        }),
        shedding: Box::new(move || SheddingLoad { ratio: shedding.ratio(), delay: shedding.delay() }),
        limits: Box::new(move || LimitsLoad { store_away_for: limits.store_away_for(), revoked: limits.revoked() }),
    };
    Arc::new(Status::new(metrics, policy, sources))
}

impl Service {
    /// Serves until a signal to stop, then drains: not ready for `shutdown_delay`; then no new connections, idle ones
    /// closed, what is in flight finished, decisions that have begun minted and audited, for at most `shutdown_grace`. A
    /// second signal ends it at once.
    ///
    /// # Errors
    /// Where requests were cut off.
    pub async fn run(self, signals: Signals) -> Result<(), CutOff> {
        let Self { app, more, listener, tls, guard, ops, ops_guard, policy, lifetime } = self;
        let Signals { mut stop, reload } = signals;
        let status = app.status();
        // Ended with this function, however it ends.
        let mut background = JoinSet::new();
        background.spawn(keep_up(Arc::clone(status)));
        background.spawn({
            let app = app.clone();
            async move { app.limits().follow().await }
        });
        background.spawn({
            let app = app.clone();
            async move { app.shedding().watch(app.signalwire().most()).await }
        });
        let certificate = tls.as_ref().map(TlsFiles::tls);
        let files = Files::of(&app, policy, lifetime.watch, tls);
        background.spawn(files.follow(app.clone(), reload));
        let (observed, ops_draining) = (TaskTracker::new(), CancellationToken::new());
        if let Some(ops) = ops {
            let router = ops::router(Arc::clone(status));
            let router = match ops_guard {
                Some(guard) => api::guarded(router, guard),
                None => router,
            };
            background.spawn(observed.track_future(listener::serve(
                ops,
                None,
                router,
                OPS,
                ops_draining.clone(),
                TaskTracker::new(),
            )));
        }

        let draining = CancellationToken::new();
        let serving = listener::serve(
            listener,
            certificate,
            app.front(more, guard),
            lifetime.connections,
            draining.clone(),
            status.connections.clone(),
        );
        let mut serving = pin!(async {
            serving.await;
            app.finish().await;
        });
        tokio::select! {
            biased;
            () = &mut serving => return Ok(()),
            () = stop.next() => {}
        }
        status.begin_draining();
        tracing::info!("stopping: not ready, and serving on for {} s", lifetime.shutdown_delay.as_secs());
        let grace_is_over = async {
            sleep(lifetime.shutdown_delay).await;
            tracing::info!("draining: finishing what is in flight");
            draining.cancel();
            sleep(lifetime.shutdown_grace).await;
        };
        let ended = tokio::select! {
            biased;
            () = &mut serving => Ok(()),
            () = stop.next() => Err(CutOff::SecondSignal),
            () = grace_is_over => Err(CutOff::Grace),
        };
        // Only a request is cut off, not a connection without one.
        let ended = ended.or_else(|cut_off| if app.is_idle() { Ok(()) } else { Err(cut_off) });
        // Whoever reads the log may have stopped reading; that must not keep us.
        let _ = timeout(LAST_WORDS, app.cut_off()).await;
        ops_draining.cancel();
        observed.close();
        if ended.is_ok() {
            let _ = timeout(LAST_WORDS, observed.wait()).await;
        }
        ended
    }
}

async fn keep_up(status: Arc<Status>) {
    loop {
        sleep(UPKEEP).await;
        status.metrics.keep_up();
    }
}
