//! What the handlers share ([`App`]), and what belongs to one request ([`Context`]).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::TrustedProxies;
use super::cookie::CookieSettings;
use super::origin::AllowedOrigins;
use crate::admin::Status;
use crate::chat::Timestamp;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::session::Verifier;
use crate::signalwire::Client;
use crate::telemetry::clock;

/// How the public API treats requests.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Whether a client may ask for mode `narrow`.
    pub narrow: bool,
    /// The largest request body, in bytes.
    pub max_body: usize,
    /// The whole request.
    pub request_timeout: Duration,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// The origins whose pages may read answers.
    pub origins: AllowedOrigins,
    /// The session's cookie, if there is one.
    pub cookie: Option<CookieSettings>,
}

impl Default for ApiSettings {
    /// As the settings' defaults.
    fn default() -> Self {
        Self {
            narrow: true,
            max_body: 256 * 1024,
            request_timeout: Duration::from_secs(15),
            trusted_proxies: TrustedProxies::default(),
            origins: AllowedOrigins::default(),
            cookie: None,
        }
    }
}

/// The state that all handlers share; clones are the same.
#[derive(Clone, Debug)]
pub struct App(Arc<State>);

#[derive(Debug)]
struct State {
    /// The policy in force; a request takes it once.
    policy: ArcSwap<Policy>,
    verifier: Arc<Verifier>,
    limits: Arc<Limits>,
    signalwire: Arc<Client>,
    status: Arc<Status>,
    settings: ApiSettings,
    mints: Mints,
}

/// Decisions that have begun. Whoever stops the service waits for them, or cuts them off.
#[derive(Debug, Default)]
pub(super) struct Mints {
    pub(super) tasks: TaskTracker,
    pub(super) cut: CancellationToken,
}

/// What is known of a request before anything of it is looked at.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) request_id: Arc<str>,
    pub(super) address: Option<IpAddr>,
    pub(super) deadline: Instant,
    /// The request's span, if traces are recorded.
    pub(super) trace: tracing::Span,
}

impl App {
    /// The state of a service with these parts.
    #[must_use]
    pub fn new(
        policy: Policy,
        verifier: Arc<Verifier>,
        limits: Arc<Limits>,
        signalwire: Arc<Client>,
        status: Arc<Status>,
        settings: ApiSettings,
    ) -> Self {
        let policy = ArcSwap::from_pointee(policy);
        Self(Arc::new(State { policy, verifier, limits, signalwire, status, settings, mints: Mints::default() }))
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.0.policy.load_full()
    }

    /// From now on this policy is in force; requests that have begun keep the one that they began with.
    pub fn replace_policy(&self, policy: Policy) {
        let policy = Arc::new(policy);
        self.0.policy.store(Arc::clone(&policy));
        self.0.status.policy_loaded(policy.sha256());
    }

    /// The verifier of sessions.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    /// The limits and revocations.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The client that mints.
    #[must_use]
    pub fn signalwire(&self) -> &Client {
        &self.0.signalwire
    }

    /// What operators see of the service.
    #[must_use]
    pub fn status(&self) -> &Arc<Status> {
        &self.0.status
    }

    pub(super) fn settings(&self) -> &ApiSettings {
        &self.0.settings
    }

    pub(super) fn mints(&self) -> &Mints {
        &self.0.mints
    }

    /// Whether nothing is in flight: no request is being answered, no decision waits for its token.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.status.requests_in_flight() == 0 && self.0.mints.tasks.is_empty()
    }

    /// Waits until every decision that has begun is minted and audited.
    pub async fn finish(&self) {
        self.0.mints.tasks.close();
        self.0.mints.tasks.wait().await;
    }

    /// Stops waiting for SignalWire: every decision that has begun is audited as failed.
    pub async fn cut_off(&self) {
        self.0.mints.cut.cancel();
        self.finish().await;
    }
}

impl Context {
    /// The latest moment at which SignalWire may still mint for this request.
    pub(super) fn latest_mint(&self) -> Timestamp {
        clock::now().plus(self.deadline.saturating_duration_since(Instant::now()))
    }
}
