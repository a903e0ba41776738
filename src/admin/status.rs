//! The state of a running service that is reported rather than used: whether it is ready and why not, which policy is in
//! force, what is in flight, and the metrics that are read when they are asked for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::Label;
use serde::Serialize;
use tokio_util::task::TaskTracker;

use crate::limits::Limits;
use crate::session::{KeyStatus, Verifier};
use crate::signalwire::{CircuitState, Client, Load};
use crate::telemetry::{Metrics, clock};

/// The state of one service.
pub struct Status {
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    /// The connections of the public listener.
    pub connections: TaskTracker,
    is_draining: AtomicBool,
    /// The background task that has failed, if one has.
    failed_task: Mutex<Option<&'static str>>,
    requests: Arc<AtomicUsize>,
    policy: Mutex<PolicyStatus>,
    verifier: Arc<Verifier>,
    limits: Arc<Limits>,
    signalwire: Arc<Client>,
}

/// A request that is being answered; dropping it ends it.
pub struct InFlight(Arc<AtomicUsize>);

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

impl PolicyStatus {
    fn loaded_now(path: String, sha256: &str) -> Self {
        let loaded_at = clock::rfc3339_millis(clock::now());
        Self { path, sha256: sha256.to_owned(), loaded_at, last_error: None }
    }

    /// How its file is called.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Status {
    /// The state of a service whose policy, in force from now on, has this name and SHA-256.
    #[must_use]
    pub fn new(
        metrics: Arc<Metrics>,
        (policy_name, policy_sha256): (String, &str),
        verifier: Arc<Verifier>,
        limits: Arc<Limits>,
        signalwire: Arc<Client>,
    ) -> Self {
        metrics.policy_loaded(clock::now().seconds());
        Self {
            metrics,
            connections: TaskTracker::new(),
            is_draining: AtomicBool::new(false),
            failed_task: Mutex::default(),
            requests: Arc::default(),
            policy: Mutex::new(PolicyStatus::loaded_now(policy_name, policy_sha256)),
            verifier,
            limits,
            signalwire,
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

    /// The service is stopping. It serves on for a while, but should not be sent anything more.
    pub fn begin_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// A background task has ended, which none should. From now on the service is not ready.
    pub fn task_failed(&self, name: &'static str) {
        *self.failed_task.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
    }

    /// Whether sessions can be served: a policy is always in force, at least one issuer must have keys, every background
    /// task must be running, and the service must not be draining.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        let is_draining = self.is_draining.load(Ordering::Relaxed);
        if is_draining {
            reasons.push("draining: the service is stopping".to_owned());
        }
        let failed_task = *self.failed_task.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.extend(failed_task.map(|name| format!("the background task `{name}` has failed: the log says why")));
        let issuers = self.verifier.key_status(clock::now());
        reasons.extend(issuers.iter().filter_map(describe_keys));
        let store_away_for = self.limits.store_away_for().as_secs_f64();
        if store_away_for > 0.0 {
            reasons.push(format!("limits.store: the shared store has been away for {store_away_for:.0} s"));
        }
        let has_keys = issuers.iter().any(|issuer| issuer.usable > 0);
        Readiness { is_ready: has_keys && failed_task.is_none() && !is_draining, reasons }
    }

    /// Another policy is in force.
    pub fn policy_loaded(&self, sha256: &str) {
        let mut policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        *policy = PolicyStatus::loaded_now(std::mem::take(&mut policy.path), sha256);
        self.metrics.policy_loaded(clock::now().seconds());
    }

    /// The policy file could not be loaded (`path:line:column: what is wrong` each), and the policy in force stays.
    pub fn policy_failed(&self, faults: Vec<String>) {
        let error = PolicyError { at: clock::rfc3339_millis(clock::now()), faults };
        self.policy.lock().unwrap_or_else(PoisonError::into_inner).last_error = Some(error);
        self.metrics.policy_reload_failed();
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> PolicyStatus {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The metrics as Prometheus text, including those that are read only now.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        // Two issuers may share an alias.
        let mut by_alias = BTreeMap::<String, (usize, i64, i64)>::new();
        for issuer in self.verifier.key_status(clock::now()) {
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
        let Load { in_flight, queued, circuit } = self.signalwire.load();
        set("usher_upstream_in_flight", Vec::new(), count(in_flight));
        set("usher_upstream_queued", Vec::new(), count(queued));
        for state in CircuitState::ALL {
            let is_so = f64::from(u8::from(state == circuit));
            set("usher_upstream_circuit", vec![Label::new("state", state.as_str())], is_so);
        }
        set("usher_limit_store_failing_seconds", Vec::new(), self.limits.store_away_for().as_secs_f64());
        set("usher_connections", Vec::new(), count(self.connections.len()));
        set("usher_revocations", Vec::new(), count(self.limits.revoked()));
        self.metrics.requests_in_flight(self.requests_in_flight());
        self.metrics.render()
    }
}

/// What does not work of an issuer's keys, if anything.
fn describe_keys(keys: &KeyStatus) -> Option<String> {
    let KeyStatus { alias, issuer, usable, failing_for, .. } = keys;
    let name = format!("issuer `{alias}` ({issuer})");
    match (usable, failing_for) {
        (0, _) => Some(format!("{name} has no usable key: its sessions get 503 session_keys_unavailable")),
        (_, 0) => None,
        (_, seconds) => Some(format!("{name}: new keys cannot be had for {seconds} s, the last good ones serve on")),
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
