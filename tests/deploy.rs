//! What operators apply is true: the settings and the policy for Kubernetes load, dashboard and alerts name metrics that
//! usher has. The manifests' own form is checked by deploy/kubernetes/validate.sh.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::support::{CommandLine, run};

const SETTINGS: &str = include_str!("../deploy/kubernetes/usher.toml");
const POLICY: &str = include_str!("../deploy/kubernetes/policy.toml");
const DEPLOYMENT: &str = include_str!("../deploy/kubernetes/deployment.yaml");
const DASHBOARD: &str = include_str!("../deploy/grafana/usher.json");
const ALERTS: &str = include_str!("../deploy/prometheus/alerts.yml");
const ALERTS_TESTS: &str = include_str!("../deploy/prometheus/alerts.test.yml");
const OPERATING: &str = include_str!("../docs/operating.md");

/// The settings in a pod of this directory, with the files where they are mounted.
fn pod(settings: &str) -> CommandLine {
    let pod = CommandLine::with_files([("config/policy.toml", POLICY)]);
    let settings = settings
        .replace("\"/config/", &format!("\"{}/", pod.path().join("config").display()))
        .replace("\"/run/secrets/usher/", &format!("\"{}/", pod.path().join("secrets").display()));
    pod.write("config/usher.toml", settings);
    let certificate = rcgen::generate_simple_self_signed(["chat-token.example.com".to_owned()]).unwrap();
    for (name, text) in [
        ("api_token", "PT0123456789".to_owned()),
        ("store_url", "redis://:a-password@redis.redis.svc:6379/0".to_owned()),
        ("session_secret", "0123456789abcdef0123456789abcdef".to_owned()),
        ("tls.crt", certificate.cert.pem()),
        ("tls.key", certificate.signing_key.serialize_pem()),
    ] {
        pod.write(&format!("secrets/{name}"), text);
    }
    pod
}

/// The container's variables, as the manifest has them.
fn variables() -> Vec<(&'static str, &'static str)> {
    let lines: Vec<_> = DEPLOYMENT.lines().map(str::trim).collect();
    let pairs = lines.windows(2).filter_map(|pair| {
        let name = pair[0].strip_prefix("- name: ").filter(|name| name.starts_with("USHER__"))?;
        Some((name, pair[1].strip_prefix("value: ").unwrap().trim_matches('"')))
    });
    pairs.collect()
}

fn check(settings: &str) -> (i32, String, String) {
    pod(settings).run(&["check"], &variables())
}

#[test]
fn the_settings_and_the_policy_for_kubernetes_load() {
    assert_eq!(variables().len(), 1);
    let (code, stdout, stderr) = check(SETTINGS);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    for said in ["https://example.signalwire.com/", "issuer      app https://login.example.com/", "0.0.0.0:9464"] {
        assert!(stdout.contains(said), "{said}: {stdout}");
    }
    assert!(!stdout.contains("a-password"), "{stdout}");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/policy.tests.toml");
    let pod = pod(SETTINGS);
    let (code, stdout, stderr) = run(pod.command(&["test", "--policy", "config/policy.toml"]).arg(cases));
    assert_eq!(code, 0, "{stdout}{stderr}");
}

#[test]
fn so_do_they_with_what_is_commented_out() {
    let mut uncommented = 0;
    let lines = SETTINGS.lines().filter(|line| !line.starts_with("jwks_url")).map(|line| {
        let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', ':']) && !rest.is_empty());
        uncommented += usize::from(setting.is_some());
        setting.unwrap_or(line)
    });
    let settings = lines.collect::<Vec<_>>().join("\n");
    assert_eq!(uncommented, 2);
    let (code, stdout, stderr) = check(&settings);
    assert_eq!(code, 0, "{stdout}{stderr}");
}

/// A metric as docs/operating.md has it, which a test of /metrics holds to be true.
struct Metric {
    labels: BTreeSet<String>,
    /// What stands in backticks in its row: its labels' values among others.
    words: BTreeSet<String>,
    is_histogram: bool,
}

fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn metrics() -> BTreeMap<&'static str, Metric> {
    let rows = OPERATING.lines().filter_map(|line| line.strip_prefix("| `usher_"));
    let metrics = rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let name = cells[0].trim_end_matches('`');
        let metric =
            Metric { labels: quoted(cells[1]), words: quoted(cells[2]), is_histogram: cells[2].contains("istogram") };
        (name, metric)
    });
    let metrics: BTreeMap<_, _> = metrics.collect();
    assert!(metrics.len() > 10, "the table is found");
    metrics
}

/// What a series of `metrics` may be asked for, and what a query asks: the faults.
fn faults(query: &str, metrics: &BTreeMap<&'static str, Metric>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut labels: BTreeSet<String> = ["instance".to_owned(), "alertname".to_owned()].into();
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for (at, _) in query.match_indices("usher_") {
        if query[..at].ends_with(is_of_name) {
            continue;
        }
        let rest = &query[at + "usher_".len()..];
        let end = rest.find(|letter| !is_of_name(letter)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let part = ["_bucket", "_sum", "_count"].iter().find_map(|part| Some((name.strip_suffix(part)?, *part)));
        let (metric, part) = match (metrics.get(name), part) {
            (Some(metric), _) => (metric, ""),
            (None, Some((family, part))) if metrics.contains_key(family) => (&metrics[family], part),
            _ => {
                faults.push(format!("there is no usher_{name}"));
                continue;
            }
        };
        if metric.is_histogram == part.is_empty() {
            faults.push(format!("usher_{name} is no series: is it a histogram?"));
        }
        labels.extend(metric.labels.clone());
        labels.extend((part == "_bucket").then(|| "le".to_owned()));
        let Some((matchers, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else { continue };
        for matcher in matchers.split(", ") {
            let at = matcher.find(['=', '!']).unwrap_or_else(|| panic!("{query}: {matcher}"));
            let (label, value) = (&matcher[..at], matcher[at..].trim_start_matches(['=', '!', '~']));
            let known = ["instance", "version"].contains(&label) || label == "le" && part == "_bucket";
            if !known && !metric.labels.contains(label) {
                faults.push(format!("usher_{name} has no label {label}"));
                continue;
            }
            for value in value.trim_matches('"').split('|') {
                if !known && !has_value(metric, label, value) {
                    faults.push(format!("the label {label} of usher_{name} is never {value:?}"));
                }
            }
        }
    }
    // What it sums by and matches on.
    for list in ["by (", "ignoring (", "on ("].iter().flat_map(|word| query.split(word).skip(1)) {
        for label in list.split(')').next().unwrap().split(", ") {
            if !labels.contains(label) {
                faults.push(format!("none of these has a label {label}"));
            }
        }
    }
    faults
}

fn has_value(metric: &Metric, label: &str, value: &str) -> bool {
    let usher::telemetry::MetricSeries { requests: routes, upstream, .. } = usher::api::metric_series();
    let mut series = routes.iter().flat_map(|(route, answers)| answers.iter().map(move |answer| (route, answer)));
    match label {
        "route" => series.any(|(route, _)| **route == *value.trim_end_matches(".*")),
        "status" => series.any(|(_, (status, _))| status.to_string().starts_with(value.trim_end_matches('.'))),
        "code" => series.any(|(_, (_, code))| *code == value),
        "issuer" => true,
        _ => metric.words.contains(value) || metric.labels.contains("outcome") && upstream.contains(&value),
    }
}

/// Every query of the dashboard, by the panel's title.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push((panel["title"].to_string(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        queries.extend(annotation["expr"].as_str().map(|query| (annotation["name"].to_string(), query.to_owned())));
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let query = variable["definition"].as_str();
        queries.extend(query.map(|query| (variable["name"].to_string(), query.to_owned())));
    }
    queries
}

#[test]
fn the_dashboard_names_metrics_that_there_are() {
    let metrics = metrics();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let queries = queries(&dashboard);
    assert!(queries.len() > 30);
    for (title, query) in &queries {
        assert_eq!(faults(query, &metrics), [""; 0], "{title}: {query}");
    }
    // And it shows all of them.
    for name in metrics.keys() {
        assert!(queries.iter().any(|(_, query)| query.contains(&format!("usher_{name}"))), "usher_{name} is not shown");
    }
}

#[test]
fn the_dashboard_works_with_any_data_source_and_no_panel_hides_another() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(place.0 < 24 && taken.insert(place), "{title} at {place:?}");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
        let targets = panel["targets"].as_array().unwrap().iter();
        for asks in targets.chain([panel]) {
            assert_eq!(asks["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
    for (title, query) in queries(&dashboard) {
        let chosen = query.matches("instance=~\"$instance\"").count();
        let is_ours = !title.contains("instance") && query.contains("usher_");
        assert!(
            !is_ours || chosen == query.matches("usher_").count(),
            "{title} shows all replicas, whichever is chosen"
        );
    }
}

/// What there is of each alert: its name, its query, all of it.
fn alerts() -> Vec<(&'static str, &'static str, &'static str)> {
    let alerts = ALERTS.split("- alert: ").skip(1).map(|alert| {
        let (name, rest) = alert.split_once('\n').unwrap();
        let (_, rest_of_query) = rest.split_once("expr: ").unwrap();
        (name, rest_of_query.split("\n        labels: ").next().unwrap(), rest)
    });
    alerts.collect()
}

#[test]
fn the_alerts_name_metrics_that_there_are() {
    let metrics = metrics();
    let alerts = alerts();
    assert!(alerts.len() > 15);
    for (name, query, alert) in alerts {
        assert_eq!(faults(query, &metrics), [""; 0], "{name}: {query}");
        for label in alert.split("$labels.").skip(1).map(|rest| rest.split(' ').next().unwrap()) {
            let is_known = metrics.iter().any(|(name, metric)| query.contains(name) && metric.labels.contains(label));
            assert!(is_known, "{name} tells {label}");
        }
    }
    for series in ALERTS_TESTS.lines().filter_map(|line| line.split("series: '").nth(1)) {
        let series = series.split('\'').next().unwrap();
        assert_eq!(faults(series, &metrics), [""; 0], "alerts.test.yml: {series}");
    }
}

#[test]
fn each_alert_is_tested_and_in_the_table_and_the_reverse() {
    let alerts: BTreeSet<_> = alerts().iter().map(|(name, ..)| *name).collect();
    let rows = OPERATING.lines().filter_map(|line| line.strip_prefix("| `Usher")?.split('`').next());
    let rows: BTreeSet<_> = rows.map(|name| format!("Usher{name}")).collect();
    assert_eq!(alerts.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), rows);
    for alert in alerts {
        let expected = [format!("alertname=\"{alert}\""), format!("alertname: {alert}\n")];
        assert!(expected.iter().any(|text| ALERTS_TESTS.contains(text)), "alerts.test.yml never has {alert}");
    }
}

#[test]
fn what_is_no_metric_of_ours_is_found() {
    let metrics = metrics();
    for (query, fault) in [
        ("usher_request_total", "there is no usher_request_total"),
        ("usher_requests_total_count", "usher_requests_total_count is no series: is it a histogram?"),
        ("rate(usher_request_seconds[5m])", "usher_request_seconds is no series: is it a histogram?"),
        ("usher_requests_total{member=\"a\"}", "usher_requests_total has no label member"),
        ("usher_requests_total{code=\"no\"}", "the label code of usher_requests_total is never \"no\""),
        (
            "usher_decisions_total{outcome=~\"granted|no\"}",
            "the label outcome of usher_decisions_total is never \"no\"",
        ),
        (
            "usher_upstream_seconds_count{outcome!=\"no\"}",
            "the label outcome of usher_upstream_seconds_count is never \"no\"",
        ),
        ("sum by (member) (usher_requests_total)", "none of these has a label member"),
    ] {
        assert_eq!(faults(query, &metrics), [fault], "{query}");
    }
}
