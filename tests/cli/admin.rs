//! The operator's listener: metrics from the start, readiness in words, the policy; no secret, no member, no channel.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::service::POLICY;
use crate::support::{API_TOKEN, CommandLine, ISSUER, PROJECT, SECRET, Server, complete, issuer_of, keys, send, with};

async fn serving(more: &[(&str, &str)]) -> (CommandLine, Server) {
    let place = CommandLine::with_policy();
    let serving = Server::with(&place, &[&[("USHER__OPS__LISTEN", "127.0.0.1:0")], more].concat()).await;
    (place, serving)
}

async fn text(serving: &Server, path: &str) -> (u16, String) {
    let response = serving.ops().get(path).await;
    (response.status, response.body)
}

/// Every series and its value, of which whole numbers are enough.
async fn metrics(serving: &Server) -> BTreeMap<String, i64> {
    let (status, text) = text(serving, "/metrics").await;
    assert_eq!(status, 200);
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let whole = value.split('.').next().unwrap();
            (series.to_owned(), whole.parse().unwrap_or_else(|_| panic!("{line}")))
        })
        .collect()
}

fn requests(route: &str, status: u16, code: &str) -> String {
    format!("usher_requests_total{{route=\"{route}\",status=\"{status}\",code=\"{code}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_is_there_from_the_start_at_0() {
    let (_place, serving) = serving(&[]).await;
    let seen = metrics(&serving).await;
    let mut wanted = vec![
        requests("/chat-token", 200, ""),
        requests("/chat-token/grants", 200, ""),
        requests("other", 404, "not_found"),
        "usher_policy_reload_failures_total".to_owned(),
        "usher_upstream_in_flight".to_owned(),
        "usher_requests_in_flight".to_owned(),
        "usher_upstream_seconds_count{outcome=\"minted\"}".to_owned(),
        "usher_upstream_seconds_count{outcome=\"timeout\"}".to_owned(),
        "usher_request_seconds_count{route=\"/chat-token\"}".to_owned(),
        "usher_request_seconds_bucket{route=\"/chat-token\",le=\"0.005\"}".to_owned(),
        "usher_decisions_total{outcome=\"abandoned\"}".to_owned(),
    ];
    for code in usher::api::Code::ALL {
        let route = match code.as_str() {
            "not_found" => "other",
            "not_ready" => "/ready",
            _ => "/chat-token",
        };
        wanted.push(requests(route, code.status().as_u16(), code.as_str()));
    }
    for series in wanted {
        assert_eq!(seen.get(&series), Some(&0), "{series}");
    }
    assert_eq!(seen["usher_session_keys{issuer=\"app\"}"], 1);
    assert_eq!(seen[&format!("usher_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))], 1);
    let age = keys::now() - seen["usher_policy_loaded_timestamp_seconds"];
    assert!((0..60).contains(&age), "{age}");
    let (_, text) = text(&serving, "/metrics").await;
    let names: std::collections::BTreeSet<_> = seen.keys().map(|series| series.split('{').next().unwrap()).collect();
    let docs = include_str!("../../docs/operating.md");
    for name in names {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        for line in [format!("# TYPE {family} "), format!("# HELP {family} ")] {
            assert_eq!(text.matches(&line).count(), 1, "{line}");
        }
        assert!(docs.contains(&format!("\n| `{family}` | ")), "{family} is not in docs/operating.md");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted_and_names_nobody() {
    let (_place, serving) = serving(&[]).await;
    assert_eq!(serving.post_as("alice", &json!({})).await.status, 200);
    assert_eq!(serving.post_as("alice", &json!({"channels": {"secretchannel": {"read": true}}})).await.status, 403);
    for (method, path) in
        [(Method::GET, "/secretpath?secretquery"), (Method::from_bytes(b"SECRETMETHOD").unwrap(), "/x")]
    {
        assert_eq!(send(serving.request(method, path)).await.status, 404);
    }
    let bearer = keys::session("mallory", &["customer"]);
    assert_eq!(serving.grants(&bearer).await.status, 403);
    let seen = metrics(&serving).await;
    for (series, value) in [
        (requests("/chat-token", 200, ""), 1),
        (requests("/chat-token", 403, "channels_denied"), 1),
        (requests("/chat-token/grants", 403, "session_revoked"), 1),
        (requests("other", 404, "not_found"), 2),
        ("usher_request_seconds_count{route=\"/chat-token\"}".to_owned(), 2),
        ("usher_upstream_seconds_count{outcome=\"minted\"}".to_owned(), 1),
        ("usher_decisions_total{outcome=\"granted\"}".to_owned(), 1),
        ("usher_decisions_total{outcome=\"denied\"}".to_owned(), 1),
        ("usher_upstream_in_flight".to_owned(), 0),
        ("usher_requests_in_flight".to_owned(), 0),
    ] {
        assert_eq!(seen[&series], value, "{series}");
    }
    let (_, text) = text(&serving, "/metrics").await;
    for told in ["alice", "mallory", "secret", "SECRET", "customer", ISSUER, API_TOKEN, PROJECT, SECRET] {
        assert!(!text.contains(told), "{told} is in a label");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_signalwire_are_told_apart_by_how_they_ended() {
    use usher::sandbox::{Fault, Times};
    let (_place, serving) = serving(&[("USHER__SIGNALWIRE__TIMEOUT", "1s")]).await;
    for (fault, outcome) in [
        (Fault::Status(401), "refused"),
        (Fault::Status(422), "refused"),
        (Fault::Status(500), "failing"),
        (Fault::Status(429), "rate_limited"),
        (Fault::Html(200), "nonsense"),
        (Fault::Cut, "unreachable"),
        (Fault::Hang, "timeout"),
    ] {
        let series = format!("usher_upstream_seconds_count{{outcome=\"{outcome}\"}}");
        let before = metrics(&serving).await[&series];
        serving.sandbox.fail(fault, Times::Always);
        assert!(serving.post_as("alice", &json!({})).await.status >= 500, "{outcome}");
        serving.sandbox.heal();
        let calls = if ["failing", "unreachable"].contains(&outcome) { 2 } else { 1 };
        assert_eq!(metrics(&serving).await[&series], before + calls, "{outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_says_in_words_what_does_not_work() {
    let with_keys = issuer_of(&format!("secret = {SECRET:?}"));
    let without = issuer_of("jwks_url = \"http://127.0.0.1:9/jwks.json\"").replace("login", "other");
    let (_place, both) = serving(&[("USHER__SESSION__ISSUERS", &format!("[{with_keys}, {without}]"))]).await;
    let (status, text_of_both) = text(&both, "/ready").await;
    let words: Value = serde_json::from_str(&text_of_both).unwrap();
    assert_eq!((status, &words["status"]), (200, &json!("ready")), "the other one still has its keys");
    let reason = words["reasons"][0].as_str().unwrap();
    assert!(reason.contains("`app`") && reason.contains("https://other.example.com/"), "{reason}");
    assert_eq!(words["reasons"].as_array().unwrap().len(), 1);
    assert_eq!(metrics(&both).await["usher_session_keys{issuer=\"app\"}"], 1, "of one alias together");

    let (_place, none) = serving(&[("USHER__SESSION__ISSUERS", &format!("[{without}]"))]).await;
    let (status, words) = text(&none, "/ready").await;
    assert_eq!(status, 503);
    assert!(words.contains("not_ready") && words.contains("https://other.example.com/"), "{words}");
    assert_eq!(metrics(&none).await["usher_session_keys{issuer=\"app\"}"], 0);
    assert_eq!(text(&none, "/live").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_is_told_and_nothing_else_is_there() {
    let (_place, serving) = serving(&[]).await;
    let (status, told) = text(&serving, "/policy").await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let sha256 = {
        use sha2::{Digest as _, Sha256};
        format!("{:x}", Sha256::digest(POLICY))
    };
    assert_eq!(status, 200);
    assert_eq!((&told["path"], &told["sha256"]), (&json!("config/policy.toml"), &json!(sha256)));
    assert!(told["loaded_at"].as_str().unwrap().ends_with('Z') && told["last_error"].is_null(), "{told}");
    assert_eq!(told.as_object().unwrap().len(), 4, "{told}");
    for path in ["/", "/chat-token", "/problems", "/metrics/", "/config"] {
        assert_eq!(text(&serving, path).await.0, 404, "{path}");
    }
    for path in ["/metrics", "/policy"] {
        assert_eq!(serving.get(path).await.status, 404, "{path} is not public");
    }
    for path in ["/metrics", "/policy", "/ready", "/live"] {
        let told = text(&serving, path).await.1;
        for secret in [API_TOKEN, SECRET, PROJECT] {
            assert!(!told.contains(secret), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_there_unless_configured_and_its_port_must_be_free() {
    let place = CommandLine::with_policy();
    let serving = Server::with(&place, &[]).await;
    assert!(!serving.running.stderr().contains("operator"), "{}", serving.running.stderr());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = with(complete("http://127.0.0.1:1"), "USHER__OPS__LISTEN", &address);
    let (code, _, stderr) = place.run(&["serve"], &variables);
    assert_eq!(code, 1);
    assert!(stderr.contains(&format!("{address} cannot be listened on")), "{stderr}");
}
