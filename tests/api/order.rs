//! The order of the checks: of two that a request fails, the earlier one answers.

use reqwest::Method;
use serde_json::{Value, json};
use usher::sandbox::{Fault, Times};

use super::{channels, session_of};
use crate::support::send;
use crate::support::service::{Service, Setup, per_member};
use crate::support::session;
use crate::support::{Response, raw};

/// What a `POST /chat-token` with this type and body gets.
async fn post(service: &Service, session: &str, media_type: &str, body: String) -> (u16, Value) {
    let request = service.mint_request(session);
    send(request.header("content-type", media_type).body(body)).await.read()
}

fn assert_code(case: &str, (status, answer): &(u16, Value), expected: (u16, &str)) {
    assert_eq!((*status, answer["code"].as_str().unwrap()), expected, "{case}: {answer}");
}

#[tokio::test]
async fn path_then_method_then_session() {
    let service = Service::start().await;
    for (case, method, path, expected) in [
        ("a path before its method", Method::PUT, "/nowhere", (404, "not_found")),
        ("a path before the session", Method::POST, "/nowhere", (404, "not_found")),
        ("a method before the session", Method::PUT, "/chat-token", (405, "method_not_allowed")),
        ("the session at last", Method::POST, "/chat-token", (401, "session_missing")),
    ] {
        assert_code(case, &send(service.request(method, path)).await.read(), expected);
    }
}

/// Every step from the session on fails; each case mends one more of them.
#[tokio::test]
async fn session_member_limit_body_policy_signalwire() {
    let day = std::time::Duration::from_hours(24);
    let once = usher::limits::RateSettings { period: day, burst: std::num::NonZeroU32::new(1).unwrap() };
    let setup = || Setup { max_body: 1_000, ..Setup::default() };
    let service = Service::with(Setup { limits: per_member(once), ..setup() }).await;
    let free = Service::with(setup()).await;
    for sandbox in [&service.sandbox, &free.sandbox] {
        sandbox.fail(Fault::Status(401), Times::Always);
    }
    let expiring = |sub: &str, lives_for: i64| session_of(sub, &["customer"], lives_for, &json!({}));
    let (json, text) = ("application/json", "text/plain");
    let huge_nonsense = "{".repeat(1_001);
    let nonsense = "{".to_owned();
    let faulty = json!({"channels": channels(&json!({"zoo": "r"})), "ttl": "x"}).to_string();
    let denied = json!({"channels": channels(&json!({"zoo": "r"}))}).to_string();
    let fine = "{}".to_owned();

    let spent = expiring("alice", 100);
    let first = post(&service, &spent, text, huge_nonsense.clone()).await;
    assert_code("the one that the limit lets through", &first, (415, "unsupported_media_type"));

    let blocked = expiring("mallory", 100);
    for (case, service, session, media_type, body, expected) in [
        (
            "a session before a block",
            &service,
            &expiring("mallory", -9),
            text,
            &huge_nonsense,
            (401, "session_expired"),
        ),
        ("a block before a limit", &service, &blocked, text, &huge_nonsense, (403, "session_revoked")),
        ("a block does not count", &service, &blocked, text, &huge_nonsense, (403, "session_revoked")),
        ("a limit before the body", &service, &spent, text, &huge_nonsense, (429, "rate_limited")),
        ("a media type before a size", &free, &spent, text, &huge_nonsense, (415, "unsupported_media_type")),
        ("a size before JSON", &free, &spent, json, &huge_nonsense, (413, "body_too_large")),
        ("JSON before its faults", &free, &spent, json, &nonsense, (400, "malformed_request")),
        ("faults before rights", &free, &spent, json, &faulty, (422, "invalid_request")),
        ("rights before the session's rest", &free, &spent, json, &denied, (403, "channels_denied")),
        ("the session's rest before SignalWire", &free, &spent, json, &fine, (401, "session_expiring")),
        ("SignalWire at last", &free, &expiring("alice", 3_600), json, &fine, (502, "upstream_failed")),
    ] {
        assert_code(case, &post(service, session, media_type, body.clone()).await, expected);
    }
    assert_eq!(service.sandbox.received().len(), 0, "nothing went upstream before its turn");
    assert_eq!(free.sandbox.received().len(), 1, "nothing went upstream before its turn");
    free.sandbox.heal();
    assert_eq!(post(&free, &expiring("alice", 3_600), json, fine).await.0, 200);
}

#[tokio::test]
async fn nothing_granted_comes_before_session_expiring_too() {
    let service = Service::start().await;
    let poor = session_of("alice", &["stranger"], 100, &json!({}));
    assert_code("both", &service.post(&poor, None).await.read(), (403, "nothing_granted"));
    let rich = session_of("alice", &["customer"], 100, &json!({}));
    assert_code("the later alone", &service.post(&rich, None).await.read(), (401, "session_expiring"));
}

#[tokio::test]
async fn a_member_id_that_cannot_be_filled_comes_before_the_limit_and_the_body() {
    let day = std::time::Duration::from_hours(24);
    let once = usher::limits::RateSettings { period: day, burst: std::num::NonZeroU32::new(1).unwrap() };
    let setup = Setup::default();
    let policy = setup.policy.replace("[member]", "[member]\nid = \"{login}\"");
    let service = Service::with(Setup { limits: per_member(once), policy, ..setup }).await;
    for _ in 0..3 {
        let answer = post(&service, &session("alice", &["customer"]), "text/plain", "{".to_owned()).await;
        assert_code("no login", &answer, (403, "nothing_granted"));
    }
    let named = session_of("alice", &["customer"], 3_600, &json!({"login": "alice"}));
    assert_eq!(service.post(&named, None).await.status, 200);
}

#[tokio::test]
async fn a_session_is_refused_before_a_byte_of_the_body_is_waited_for() {
    let service = Service::start().await;
    let head = "POST /chat-token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let seen = raw(&service.url, format!("{head}Content-Length: 100\r\nAuthorization: Bearer x\r\n\r\n"));
    let seen: Response = tokio::time::timeout(std::time::Duration::from_secs(5), seen).await.expect("it waits");
    assert_eq!((seen.status, &seen.json()["code"]), (401, &json!("session_invalid")));
}
