//! What an operator can ask of the running service: whether it is ready and why not, which policy is in force, what was
//! counted. Others write it down here; must not know where it comes from.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::clock;
use super::metrics::Metrics;
use crate::chat::Timestamp;

/// The state of one service, shared by everything that reports or asks.
pub struct Status {
    /// What is counted and measured.
    pub metrics: Metrics,
    is_draining: AtomicBool,
    requests: Arc<AtomicUsize>,
    policy: Mutex<PolicyStatus>,
    issuers: Box<dyn Fn() -> Vec<IssuerKeys> + Send + Sync>,
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
        let Self { alias, issuer, usable, failing_for } = self;
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
}

impl Status {
    /// Of a service with this policy. `issuers` tells, each time that it is asked, which keys there are.
    #[must_use]
    pub fn new(
        metrics: Metrics,
        policy: PolicyStatus,
        issuers: impl Fn() -> Vec<IssuerKeys> + Send + Sync + 'static,
    ) -> Self {
        metrics.policy_loaded(clock::now().seconds());
        Self {
            metrics,
            is_draining: AtomicBool::new(false),
            requests: Arc::default(),
            policy: Mutex::new(policy),
            issuers: Box::new(issuers),
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
        let issuers = (self.issuers)();
        let mut reasons = Vec::new();
        let is_draining = self.is_draining.load(Ordering::Relaxed);
        if is_draining {
            reasons.push("draining: the service was told to stop".to_owned());
        }
        reasons.extend(issuers.iter().filter_map(IssuerKeys::in_words));
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
        let mut by_alias = BTreeMap::<String, (usize, i64)>::new();
        for issuer in (self.issuers)() {
            let (usable, failing_for) = by_alias.entry(issuer.alias).or_default();
            *usable += issuer.usable;
            *failing_for = issuer.failing_for.max(*failing_for);
        }
        for (alias, (usable, failing_for)) in by_alias {
            self.metrics.session_keys(&alias, usable, failing_for);
        }
        self.metrics.requests_in_flight(self.requests_in_flight());
        self.metrics.render()
    }
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
