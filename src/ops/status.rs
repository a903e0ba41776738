//! What an operator can ask of the running service: whether it is ready and why not, which policy is in force, what was
//! counted. Others write it down here; must not know where it comes from.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::Label;
use serde::Serialize;
use tokio_util::task::TaskTracker;

use super::clock;
use super::metrics::Metrics;
use crate::chat::Timestamp;

/// The state of one service, shared by everything that reports or asks.
pub struct Status {
    /// What is counted and measured.
    pub metrics: Metrics,
    /// The connections of the public listener.
    pub connections: TaskTracker,
    is_draining: AtomicBool,
    requests: Arc<AtomicUsize>,
    policy: Mutex<PolicyStatus>,
    sources: Sources,
}

/// What is asked each time that somebody wants to know.
pub struct Sources {
    /// Which keys there are.
    pub issuers: Source<Vec<IssuerKeys>>,
    /// How much there is to do with SignalWire.
    pub upstream: Source<UpstreamLoad>,
    /// How the limits are doing.
    pub limits: Source<LimitsLoad>,
    /// How much is refused for want of this process's own capacity.
    pub shedding: Source<SheddingLoad>,
}

/// Whoever knows.
pub type Source<T> = Box<dyn Fn() -> T + Send + Sync>;

/// How much there is to do with SignalWire just now.
#[derive(Clone, Debug)]
pub struct UpstreamLoad {
    /// Calls that are under way.
    pub in_flight: usize,
    /// Requests that wait until one of them has ended.
    pub queued: usize,
    /// Every way in which the circuit can stand, and whether it does.
    pub circuit: Vec<(&'static str, bool)>,
}

/// How much is refused for want of this process's own capacity just now.
#[derive(Clone, Copy, Debug)]
pub struct SheddingLoad {
    /// The share of requests, from 0 to 1.
    pub ratio: f64,
    /// How long a task that was ready had to wait until it ran.
    pub delay: Duration,
}

/// How the limits are doing just now.
#[derive(Clone, Copy, Debug)]
pub struct LimitsLoad {
    /// For how long the shared store has been away.
    pub store_away_for: Duration,
    /// Members that are revoked, as far as is known here.
    pub revoked: usize,
}

/// A request that is being answered; dropping it ends it.
pub struct InFlight(Arc<AtomicUsize>);

/// How many keys an issuer has that can verify its sessions now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerKeys {
    /// Its alias, which two issuers may share.
    pub alias: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// How many.
    pub usable: usize,
    /// For how many seconds they cannot be had anew; 0 while they can.
    pub failing_for: i64,
    /// For how many seconds they have been the ones that there are.
    pub age: i64,
}

/// Whether sessions can be served now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether requests should be sent here.
    pub is_ready: bool,
    /// Why not; or, of a service that is ready, what does not work all the same.
    pub reasons: Vec<String>,
}

/// The policy in force, and what became of the file since.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyStatus {
    path: String,
    sha256: String,
    loaded_at: String,
    last_error: Option<PolicyError>,
}

#[derive(Clone, Debug, Serialize)]
struct PolicyError {
    at: String,
    faults: Vec<String>,
}

impl IssuerKeys {
    /// What does not work, if anything.
    fn in_words(&self) -> Option<String> {
        let Self { alias, issuer, usable, failing_for, .. } = self;
        let who = format!("issuer `{alias}` ({issuer})");
        match (usable, failing_for) {
            (0, _) => Some(format!("{who} has no usable key: its sessions get 503 session_keys_unavailable")),
            (_, 0) => None,
            (_, seconds) => Some(format!("{who}: new keys cannot be had for {seconds} s, the last good ones serve on")),
        }
    }
}

impl PolicyStatus {
    /// A policy from this file, whose bytes have this SHA-256, in force from now on.
    #[must_use]
    pub fn loaded(path: String, sha256: &str, at: Timestamp) -> Self {
        Self { path, sha256: sha256.to_owned(), loaded_at: clock::rfc3339_millis(at), last_error: None }
    }

    /// How its file is called.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Status {
    /// Of a service with this policy.
    #[must_use]
    pub fn new(metrics: Metrics, policy: PolicyStatus, sources: Sources) -> Self {
        metrics.policy_loaded(clock::now().seconds());
        Self {
            metrics,
            connections: TaskTracker::new(),
            is_draining: AtomicBool::new(false),
            requests: Arc::default(),
            policy: Mutex::new(policy),
            sources,
        }
    }

    /// A request begins.
    #[must_use]
    pub fn request_begins(&self) -> InFlight {
        self.requests.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(&self.requests))
    }

    /// How many requests are being answered.
    #[must_use]
    pub fn requests_in_flight(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// The service was told to stop. It serves on for a while, but should not be sent anything more.
    pub fn begin_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether sessions can be served: a policy is always in force, at least one issuer must have keys, and the service
    /// must not be draining.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let issuers = (self.sources.issuers)();
        let mut reasons = Vec::new();
        let is_draining = self.is_draining.load(Ordering::Relaxed);
        if is_draining {
            reasons.push("draining: the service was told to stop".to_owned());
        }
        reasons.extend(issuers.iter().filter_map(IssuerKeys::in_words));
        let store_away_for = (self.sources.limits)().store_away_for.as_secs_f64();
        if store_away_for > 0.0 {
            reasons.push(format!("limits.store: the shared store has been away for {store_away_for:.0} s"));
        }
        let has_keys = issuers.iter().any(|issuer| issuer.usable > 0);
        Readiness { is_ready: has_keys && !is_draining, reasons }
    }

    /// Another policy is in force.
    pub fn policy_loaded(&self, sha256: &str) {
        let now = clock::now();
        let mut policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        *policy = PolicyStatus::loaded(std::mem::take(&mut policy.path), sha256, now);
        self.metrics.policy_loaded(now.seconds());
    }

    /// The policy file is of no use (`path:line:column: what is wrong` each), and the policy in force stays.
    pub fn policy_failed(&self, faults: Vec<String>) {
        let error = PolicyError { at: clock::rfc3339_millis(clock::now()), faults };
        self.policy.lock().unwrap_or_else(PoisonError::into_inner).last_error = Some(error);
        self.metrics.policy_reload_failed();
    }

    /// What there is to say of the policy.
    #[must_use]
    pub fn policy(&self) -> PolicyStatus {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The metrics as Prometheus text, those that are looked up only when asked for included.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        // Two issuers may share an alias.
        let mut by_alias = BTreeMap::<String, (usize, i64, i64)>::new();
        for issuer in (self.sources.issuers)() {
            let (usable, failing_for, age) = by_alias.entry(issuer.alias).or_default();
            *usable += issuer.usable;
            *failing_for = issuer.failing_for.max(*failing_for);
            *age = issuer.age.max(*age);
        }
        let set = |name, labels, value| self.metrics.set(name, labels, value);
        for (alias, (usable, failing_for, age)) in by_alias {
            let label = || vec![Label::new("issuer", alias.clone())];
            set("usher_session_keys", label(), count(usable));
            set("usher_session_keys_failing_seconds", label(), seconds(failing_for));
            set("usher_session_keys_age_seconds", label(), seconds(age));
        }
        let UpstreamLoad { in_flight, queued, circuit } = (self.sources.upstream)();
        set("usher_upstream_in_flight", Vec::new(), count(in_flight));
        set("usher_upstream_queued", Vec::new(), count(queued));
        for (state, is_so) in circuit {
            set("usher_upstream_circuit", vec![Label::new("state", state)], f64::from(u8::from(is_so)));
        }
        let LimitsLoad { store_away_for, revoked } = (self.sources.limits)();
        set("usher_limit_store_failing_seconds", Vec::new(), store_away_for.as_secs_f64());
        let SheddingLoad { ratio, delay } = (self.sources.shedding)();
        set("usher_shed_ratio", Vec::new(), ratio);
        set("usher_event_loop_delay_seconds", Vec::new(), delay.as_secs_f64());
        set("usher_connections", Vec::new(), count(self.connections.len()));
        set("usher_revocations", Vec::new(), count(revoked));
        self.metrics.requests_in_flight(self.requests_in_flight());
        self.metrics.render()
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are never so many")]
fn count(things: usize) -> f64 {
    things as f64
}

#[expect(clippy::cast_precision_loss, reason = "until the year 285 million")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Status {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Status").field("readiness", &self.readiness()).finish_non_exhaustive()
    }
}
