//! A running service. [`Service::build`] is the composition root: it puts the parts together for `serve`, `dev`, tests and
//! benchmarks alike. A [`Service`] owns every background task: [`Service::start`] and [`Service::run`] begin them in one
//! supervised set.
//!
//! ```text
//! background.rs   the supervised set of background tasks
//! files.rs        the files that a running service follows
//! policy_file.rs  the policy's file: compiled, and compiled again when it changes
//! tls_files.rs    certificate and key of the public listener: read, and read again when they change
//! watched.rs      files that are looked at again and again
//! process.rs      SIGTERM and SIGINT to stop, SIGHUP to read again; how many files may be open
//! ```

mod background;
mod files;
mod policy_file;
mod process;
mod tls_files;
mod watched;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::background::BackgroundTasks;
use self::files::Files;
use crate::admin::{self, Status};
use crate::api::{self, ApiSettings, App, Front, Guard, Routes, metric_series};
use crate::limits::{Limits, LimitsSettings, StoreFault};
use crate::listener::{self, ConnectionSettings};
use crate::policy::Policy;
use crate::session::{HttpClientError, IssuerSettings, KeyFault, Verifier};
use crate::signalwire::{BuildFault, Client, SignalWireSettings};
use crate::telemetry::{Metrics, clock};

pub use policy_file::{PolicyFile, Unusable};
pub use process::{Reload, Signals, Stop, raise_open_files};
pub use tls_files::{TlsFiles, TlsUnusable};

/// How long the start waits for keys behind URLs. An issuer that takes longer is waited for while serving.
const FIRST_FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the metrics' histograms are gathered, and the event loop's delay and utilization are sampled.
const METRICS_INTERVAL: Duration = Duration::from_millis(250);
/// From this share of its threads' time on the process is saturated. It stays so until a sample is below.
const SATURATION: f64 = 0.9;
/// How long audit events and the admin listener may take when all else has finished.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);
/// The bounds of the admin listener's connections.
const ADMIN_CONNECTIONS: ConnectionSettings = ConnectionSettings {
    header_timeout: Duration::from_secs(5),
    keep_alive: Duration::from_secs(75),
    max_connections: 100,
};

/// What a service is built from.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// Where the policy comes from.
    pub policy: PolicySource,
    /// The issuers whose sessions are accepted.
    pub issuers: Vec<IssuerSettings>,
    /// Whether a verified signature is remembered.
    pub remember: bool,
    /// Rate limits and the shared store.
    pub limits: LimitsSettings,
    /// SignalWire and our credentials there.
    pub signalwire: SignalWireSettings,
    /// How the public API treats requests.
    pub api: ApiSettings,
    /// The files of the public listener's certificate and its key, both as PEM; none: plain HTTP.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// How it runs and stops.
    pub lifetime: Lifetime,
}

/// Where a policy comes from.
#[derive(Clone, Debug)]
pub enum PolicySource {
    /// A file, followed while the service runs.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether a change is noticed; else it is read again on SIGHUP only.
        watch: bool,
    },
    /// A text that does not change.
    Text {
        /// How reports call it.
        name: String,
        /// The policy, as TOML.
        text: String,
    },
}

/// How a service runs and stops.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// The bounds of the public listener's connections.
    pub connections: ConnectionSettings,
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
            shutdown_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(20),
        }
    }
}

impl ServiceSettings {
    /// The defaults, with this policy, these issuers and this way to SignalWire.
    #[must_use]
    pub fn new(policy: PolicySource, issuers: Vec<IssuerSettings>, signalwire: SignalWireSettings) -> Self {
        Self {
            policy,
            issuers,
            remember: true,
            limits: LimitsSettings::default(),
            signalwire,
            api: ApiSettings::default(),
            tls: None,
            lifetime: Lifetime::default(),
        }
    }
}

/// Why a service cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Keys of issuers that cannot be used, at least one.
    #[error("{}", .0.iter().map(|fault| format!("error: {fault}")).collect::<Vec<_>>().join("\n\n"))]
    Keys(Vec<KeyFault>),
    /// The policy cannot be read, or has errors.
    #[error(transparent)]
    Policy(#[from] Unusable),
    /// The certificate or its key cannot be used.
    #[error("error: {0}")]
    Tls(#[from] TlsUnusable),
    /// The settings for SignalWire cannot be used.
    #[error("error: {}", crate::chat::causes(.0))]
    SignalWire(#[source] BuildFault),
    /// The shared store's URL cannot be used.
    #[error("error: limits.store: {0}")]
    Limits(#[from] StoreFault),
}

/// Why a service ended otherwise than in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// `shutdown_grace` was over.
    #[error("requests were cut off at the end of the grace")]
    Grace,
    /// There was a second signal.
    #[error("stopped at once by a second signal, and requests were cut off")]
    SecondSignal,
    /// A background task has panicked or ended, so the service has stopped.
    #[error("stopped because the background task `{0}` has failed")]
    BackgroundTask(&'static str),
}

/// The sockets that a service serves.
#[derive(Debug)]
pub struct Listeners {
    /// The public API's.
    pub public: TcpListener,
    /// The admin listener, if there is one.
    pub admin: Option<TcpListener>,
}

/// A service, complete but not yet running.
pub struct Service {
    app: App,
    policy_file: Option<PolicyFile>,
    watches_policy: bool,
    tls: Option<TlsFiles>,
    lifetime: Lifetime,
    routes: Routes,
    guard: Option<Guard>,
    admin_guard: Option<Guard>,
    tasks: BackgroundTasks,
}

impl Service {
    /// Puts a service together. Reads every file that the settings name, and connects to nothing yet. To be called within a
    /// Tokio runtime.
    ///
    /// # Errors
    /// If a key, the policy, the certificate, the credentials or the store's URL cannot be used.
    pub fn build(settings: ServiceSettings) -> Result<Self, BuildError> {
        let ServiceSettings { policy, issuers, remember, limits, signalwire, api, tls, lifetime } = settings;
        let verifier = Verifier::open(issuers).map_err(BuildError::Keys)?;
        let verifier = Arc::new(if remember { verifier.remembering() } else { verifier });
        let aliases = verifier.aliases();
        let (policy_name, policy_file, policy, watches_policy) = match policy {
            PolicySource::File { path, watch } => {
                let (file, policy) = PolicyFile::open(&path, &aliases)?;
                (file.name(), Some(file), policy, watch)
            }
            PolicySource::Text { name, text } => {
                let policy = Policy::compile(&name, &text, &aliases).map_err(Unusable::Faulty)?;
                (name, None, policy, false)
            }
        };
        let tls = tls.map(|(certificate, key)| TlsFiles::open(&certificate, &key)).transpose()?;
        let signalwire = Arc::new(Client::new(&signalwire).map_err(BuildError::SignalWire)?);
        let limits = Arc::new(Limits::open(limits)?);
        let status = Arc::new(Status::new(
            Arc::new(Metrics::new(&metric_series())),
            (policy_name, policy.sha256()),
            Arc::clone(&verifier),
            Arc::clone(&limits),
            Arc::clone(&signalwire),
        ));
        Ok(Self {
            app: App::new(policy, verifier, limits, signalwire, status, api),
            policy_file,
            watches_policy,
            tls,
            lifetime,
            routes: Routes::new(),
            guard: None,
            admin_guard: None,
            tasks: BackgroundTasks::default(),
        })
    }

    /// The state that its handlers share.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Whether its policy is a file, so that it can change.
    #[must_use]
    pub fn follows_policy(&self) -> bool {
        self.policy_file.is_some()
    }

    /// The scheme of its public listener.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The public API with all layers, for a listener of one's own.
    #[must_use]
    pub fn front(&self) -> Front {
        api::front(&self.app, self.routes.clone(), self.guard)
    }

    /// Serves these routes in addition to its own.
    pub fn add_routes(&mut self, routes: Routes) {
        self.routes = std::mem::take(&mut self.routes).merge(routes);
    }

    /// Has each request to a listener checked first, if there is a check.
    pub fn guard_with(&mut self, public: Option<Guard>, admin: Option<Guard>) {
        (self.guard, self.admin_guard) = (public, admin);
    }

    /// Adds a task that runs as long as the service. If it ends, or panics, the service drains and fails.
    pub fn supervise(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(name, task);
    }

    /// Starts what keeps session keys, revocations and metrics current, and waits a moment for the first keys and the first
    /// list of revoked members, so that the first request finds both.
    ///
    /// # Errors
    /// If there is no TLS, as on a machine without CA certificates.
    pub async fn start(&mut self) -> Result<(), HttpClientError> {
        for task in self.app.verifier().key_refreshers(clock::now)? {
            self.tasks.spawn("key refresh", task);
        }
        self.app.verifier().first_fetch(FIRST_FETCH_TIMEOUT).await;
        self.app.limits().begin().await;
        let app = self.app.clone();
        self.tasks.spawn("revocation sync", async move { app.limits().follow().await });
        self.tasks.spawn("metrics upkeep", keep_metrics(self.app.clone()));
        Ok(())
    }

    /// Serves until a signal to stop, then drains: not ready for `shutdown_delay`; then no new connections, idle ones
    /// closed, what is in flight finished, decisions that have begun minted and audited, for at most `shutdown_grace`. A
    /// second signal ends it at once. A background task that fails is like a signal to stop.
    ///
    /// # Errors
    /// If requests were cut off, or a background task has failed.
    pub async fn run(self, listeners: Listeners, signals: Signals) -> Result<(), RunError> {
        let front = self.front();
        let Self { app, policy_file, watches_policy, tls, lifetime, admin_guard, mut tasks, .. } = self;
        let Signals { mut stop, reload } = signals;
        let status = app.status();
        let certificate = tls.as_ref().map(TlsFiles::tls);
        let files = Files::of(&app, policy_file, watches_policy, tls);
        tasks.spawn("file watching", files.follow(app.clone(), reload));
        let (admin_connections, admin_draining) = (TaskTracker::new(), CancellationToken::new());
        if let Some(listener) = listeners.admin {
            let router = admin::router(Arc::clone(status));
            let router = match admin_guard {
                Some(guard) => api::guarded(router, guard),
                None => router,
            };
            let draining = admin_draining.clone();
            let serving = listener::serve(listener, None, router, ADMIN_CONNECTIONS, draining, TaskTracker::new());
            tasks.spawn("admin listener", admin_connections.track_future(serving));
        }

        let draining = CancellationToken::new();
        let serving = listener::serve(
            listeners.public,
            certificate,
            front,
            lifetime.connections,
            draining.clone(),
            status.connections.clone(),
        );
        let mut serving = pin!(async {
            serving.await;
            app.finish().await;
        });
        let failure = |(name, cause): (&'static str, String)| {
            status.task_failed(name);
            tracing::error!(task = name, cause, "a background task has failed: the service stops");
            RunError::BackgroundTask(name)
        };
        let mut failed = tokio::select! {
            biased;
            () = &mut serving => return Ok(()),
            () = stop.next() => None,
            failed = tasks.failure() => Some(failure(failed)),
        };
        status.begin_draining();
        tracing::info!("stopping: not ready, and serving on for {} s", lifetime.shutdown_delay.as_secs());
        let mut grace_is_over = pin!(async {
            sleep(lifetime.shutdown_delay).await;
            tracing::info!("draining: finishing what is in flight");
            draining.cancel();
            sleep(lifetime.shutdown_grace).await;
        });
        let ended = loop {
            tokio::select! {
                biased;
                () = &mut serving => break Ok(()),
                () = stop.next() => break Err(RunError::SecondSignal),
                () = &mut grace_is_over => break Err(RunError::Grace),
                another = tasks.failure() => failed = Some(failure(another)),
            }
        };
        // Only a request is cut off, not a connection without one.
        let ended = ended.or_else(|cut_off| if app.is_idle() { Ok(()) } else { Err(cut_off) });
        // Whoever reads the log may have stopped reading; that must not keep us.
        let _ = timeout(FINISH_TIMEOUT, app.cut_off()).await;
        admin_draining.cancel();
        admin_connections.close();
        if ended.is_ok() {
            let _ = timeout(FINISH_TIMEOUT, admin_connections.wait()).await;
        }
        ended.and(failed.map_or(Ok(()), Err))
    }
}

/// Gathers histograms, and samples how long a task that is ready to run waits for a thread and whether the runtime's threads
/// have any time left.
async fn keep_metrics(app: App) {
    let runtime = Handle::current().metrics();
    let busy = || (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker)).sum::<Duration>();
    let threads = f64::from(u32::try_from(runtime.num_workers()).unwrap_or(1));
    let (mut sampled_at, mut busy_before) = (Instant::now(), busy());
    loop {
        sleep(METRICS_INTERVAL).await;
        app.status().metrics.keep_up();
        let ready = Instant::now();
        tokio::task::yield_now().await;
        app.status().metrics.event_loop_delayed(ready.elapsed());
        let (now, busy) = (Instant::now(), busy());
        let busy_for = busy.saturating_sub(busy_before).as_secs_f64();
        let utilization = busy_for / now.duration_since(sampled_at).as_secs_f64() / threads;
        app.signalwire().set_saturated(utilization > SATURATION);
        (sampled_at, busy_before) = (now, busy);
    }
}
