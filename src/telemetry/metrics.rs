//! What is counted and measured, as Prometheus text. Every series is there from the start, at 0; no label ever holds a
//! member, a channel or a raw path. Must not know what leads to a request's answer.

use std::fmt::{Debug, Formatter};
use std::time::Duration;

use foldhash::HashMap;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// The upper bounds of the histograms' buckets, in seconds.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];
const METADATA: Metadata<'static> = Metadata::new("usher", Level::INFO, None);

/// A route, and how it can answer: status, and the problem's code, empty where there is none.
pub type Series = (&'static str, Vec<(u16, &'static str)>);

/// Every value that a label can have, so that all series exist from the start, at 0.
#[derive(Clone, Debug)]
pub struct MetricSeries {
    /// The routes, and how each can respond.
    pub requests: Vec<Series>,
    /// The outcomes of a call to SignalWire.
    pub upstream: Vec<&'static str>,
    /// The outcomes of an audit event.
    pub decisions: Vec<&'static str>,
    /// The limits.
    pub limits: Vec<&'static str>,
    /// The outcomes of a request at a limit.
    pub limit_decisions: Vec<&'static str>,
}

/// The metrics of one service. Its own, not the process's, so that two services do not add up.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    requests: HashMap<(&'static str, u16, &'static str), Counter>,
    request_seconds: HashMap<&'static str, Histogram>,
    requests_in_flight: Gauge,
    upstream_seconds: HashMap<&'static str, Histogram>,
    event_loop_delay: Gauge,
    decisions: HashMap<&'static str, Counter>,
    limit_decisions: HashMap<(&'static str, &'static str), Counter>,
    store_seconds: [Histogram; 2],
    policy_loaded: Gauge,
    policy_reload_failures: Counter,
    tls_certificate_reload_failures: Counter,
}

impl Metrics {
    /// All series of these labels, at 0.
    #[must_use]
    pub fn new(series: &MetricSeries) -> Self {
        let MetricSeries { requests: routes, upstream, decisions, limits, limit_decisions } = series;
        // Only an empty list of buckets is refused.
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS);
        let recorder = builder.unwrap_or_else(|_| PrometheusBuilder::new()).build_recorder();
        describe(&recorder);
        let counter = |name, labels| recorder.register_counter(&Key::from_parts(name, labels), &METADATA);
        let gauge = |name| recorder.register_gauge(&Key::from_name(name), &METADATA);
        let histogram = |name, label: &'static str, value: &'static str| {
            recorder.register_histogram(&Key::from_parts(name, vec![Label::new(label, value)]), &METADATA)
        };
        let requests = routes.iter().flat_map(|(route, answers)| {
            let counter = &counter;
            answers.iter().map(move |(status, code)| {
                ((*route, *status, *code), counter("usher_requests_total", request_labels(route, *status, code)))
            })
        });
        let metrics = Self {
            requests: requests.collect(),
            request_seconds: routes
                .iter()
                .map(|(route, _)| (*route, histogram("usher_request_seconds", "route", route)))
                .collect(),
            requests_in_flight: gauge("usher_requests_in_flight"),
            upstream_seconds: upstream
                .iter()
                .map(|outcome| (*outcome, histogram("usher_upstream_seconds", "outcome", outcome)))
                .collect(),
            event_loop_delay: gauge("usher_event_loop_delay_seconds"),
            decisions: decisions
                .iter()
                .map(|outcome| (*outcome, counter("usher_decisions_total", vec![Label::new("outcome", *outcome)])))
                .collect(),
            limit_decisions: limits
                .iter()
                .flat_map(|limit| limit_decisions.iter().map(move |decision| (*limit, *decision)))
                .map(|(limit, decision)| {
                    let labels = vec![Label::new("limit", limit), Label::new("decision", decision)];
                    ((limit, decision), counter("usher_limit_decisions_total", labels))
                })
                .collect(),
            store_seconds: ["failed", "answered"]
                .map(|outcome| histogram("usher_limit_store_seconds", "outcome", outcome)),
            policy_loaded: gauge("usher_policy_loaded_timestamp_seconds"),
            policy_reload_failures: counter("usher_policy_reload_failures_total", Vec::new()),
            tls_certificate_reload_failures: counter("usher_tls_certificate_reload_failures_total", Vec::new()),
            handle: recorder.handle(),
            recorder,
        };
        let build = Key::from_parts("usher_build_info", vec![Label::new("version", env!("CARGO_PKG_VERSION"))]);
        metrics.recorder.register_gauge(&build, &METADATA).set(1.0);
        metrics
    }

    /// A request that was answered.
    pub fn answered(&self, route: &'static str, status: u16, code: &'static str, took: Duration) {
        if let Some(counter) = self.requests.get(&(route, status, code)) {
            counter.increment(1);
        } else {
            // Not foreseen, and so not there from the start; counted all the same.
            let key = Key::from_parts("usher_requests_total", request_labels(route, status, code));
            self.recorder.register_counter(&key, &METADATA).increment(1);
        }
        if let Some(histogram) = self.request_seconds.get(route) {
            histogram.record(took);
        }
    }

    /// How many requests are being answered.
    #[expect(clippy::cast_precision_loss, reason = "there are never so many")]
    pub fn requests_in_flight(&self, count: usize) {
        self.requests_in_flight.set(count as f64);
    }

    /// A call to SignalWire has ended so.
    pub fn upstream_ended(&self, outcome: &'static str, took: Duration) {
        if let Some(histogram) = self.upstream_seconds.get(outcome) {
            histogram.record(took);
        }
    }

    /// A limit has let a request in, or has not.
    pub fn limit_decided(&self, limit: &'static str, decision: &'static str) {
        if let Some(counter) = self.limit_decisions.get(&(limit, decision)) {
            counter.increment(1);
        }
    }

    /// The shared store was asked, and answered or did not.
    pub fn store_asked(&self, is_answered: bool, took: Duration) {
        let [failed, answered] = &self.store_seconds;
        if is_answered { answered } else { failed }.record(took);
    }

    /// An audit event was written.
    pub fn decided(&self, outcome: &'static str) {
        if let Some(counter) = self.decisions.get(outcome) {
            counter.increment(1);
        }
    }

    /// How long a task that was ready to run had to wait for a thread.
    pub fn event_loop_delayed(&self, delay: Duration) {
        self.event_loop_delay.set(delay.as_secs_f64());
    }

    /// A policy is in force since this time (seconds since 1970).
    #[expect(clippy::cast_precision_loss, reason = "until the year 285 million")]
    pub fn policy_loaded(&self, at: i64) {
        self.policy_loaded.set(at as f64);
    }

    /// A policy file was of no use, and the policy in force stays.
    pub fn policy_reload_failed(&self) {
        self.policy_reload_failures.increment(1);
    }

    /// A certificate and its key were of no use, and those in use stay.
    pub fn tls_certificate_reload_failed(&self) {
        self.tls_certificate_reload_failures.increment(1);
    }

    /// What is looked up only when the metrics are asked for.
    pub fn set(&self, name: &'static str, labels: Vec<Label>, value: f64) {
        self.recorder.register_gauge(&Key::from_parts(name, labels), &METADATA).set(value);
    }

    /// All of them in the Prometheus text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Gathers what histograms were given since the last time. To be called every few seconds, asked for or not.
    pub fn keep_up(&self) {
        self.handle.run_upkeep();
    }
}

impl Debug for Metrics {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Metrics(…)")
    }
}

fn request_labels(route: &'static str, status: u16, code: &'static str) -> Vec<Label> {
    vec![Label::new("route", route), Label::new("status", status.to_string()), Label::new("code", code)]
}

fn describe(recorder: &PrometheusRecorder) {
    let name = KeyName::from_const_str;
    for (counter, about) in [
        ("usher_requests_total", "Requests answered, by route, status and problem code (empty: no problem)"),
        ("usher_decisions_total", "Audit events, by outcome"),
        ("usher_limit_decisions_total", "Requests that a limit has let in or not, by limit and decision"),
        ("usher_policy_reload_failures_total", "Policy files that were of no use; the policy in force stayed"),
        (
            "usher_tls_certificate_reload_failures_total",
            "Certificates and keys that were of no use; those in use stayed",
        ),
    ] {
        recorder.describe_counter(name(counter), None, about.into());
    }
    for (gauge, about) in [
        ("usher_build_info", "The running version"),
        ("usher_requests_in_flight", "Requests that are being answered"),
        ("usher_upstream_in_flight", "Calls to SignalWire that are under way"),
        ("usher_connections", "Connections of the public listener"),
        ("usher_event_loop_delay_seconds", "How long a task that was ready waited until it ran, when last looked at"),
        ("usher_upstream_queued", "Requests that wait until a call to SignalWire has ended"),
        ("usher_upstream_circuit", "1 for how the circuit stands: closed, open or probing"),
        ("usher_limit_store_failing_seconds", "For how long the shared store has been away; 0 while it answers"),
        ("usher_revocations", "Members that are revoked, as far as this replica knows"),
        ("usher_session_keys_age_seconds", "Since an issuer's keys were last had"),
        ("usher_session_keys", "Keys that can verify sessions, by issuer"),
        ("usher_session_keys_failing_seconds", "For how long an issuer's keys cannot be had anew; 0 while they can"),
        ("usher_policy_loaded_timestamp_seconds", "When the policy in force was loaded, in seconds since 1970"),
    ] {
        recorder.describe_gauge(name(gauge), None, about.into());
    }
    for (histogram, about) in [
        ("usher_request_seconds", "From a request's head to its answer, by route"),
        ("usher_upstream_seconds", "Calls to SignalWire, by outcome"),
        ("usher_limit_store_seconds", "Questions to the shared store, by outcome"),
    ] {
        recorder.describe_histogram(name(histogram), Some(Unit::Seconds), about.into());
    }
}
