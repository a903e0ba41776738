//! Every problem that there is, provoked from outside, and the form that all of them have.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use http::HeaderMap;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;
use usher::api::{Code, Guard};
use usher::limits::{LimitsSettings, OnStoreFailure, RateSettings};
use usher::listener::ConnectionSettings;
use usher::sandbox::{Fault, Times};
use usher::session::{IssuerSettings, KeySettings};

use super::openapi::Document;
use super::session_of;
use crate::support::send;
use crate::support::service::{ORIGIN, Service, Setup, issuer, per_member, serve};
use crate::support::session;
use crate::support::{API_TOKEN, ISSUER, PROJECT, SECRET};
use crate::support::{Response, raw};

const MILLIS_300: Duration = Duration::from_millis(300);

/// `POST /chat-token` with this session and, where there is one, this body.
async fn posted(service: &Service, session: &str, body: Option<&str>) -> Response {
    let request = service.mint_request(session).header("origin", ORIGIN);
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_owned()),
        None => request,
    };
    send(request).await
}

async fn sent(service: &Service, method: Method, path: &str) -> Response {
    send(service.request(method, path).header("origin", ORIGIN)).await
}

/// What a good request gets where SignalWire does this.
async fn with_upstream(fault: Fault) -> Response {
    let service = Service::with(Setup { upstream_timeout: MILLIS_300, ..Setup::default() }).await;
    service.sandbox.fail(fault, Times::Always);
    posted(&service, &session("alice", &["customer"]), None).await
}

/// What a good request gets where this looks at it first, as in `usher dev`.
async fn with_guard(guard: Guard) -> Response {
    let setup = Setup { guard: Some(guard), ..Setup::default() };
    let router = crate::support::service::router(setup, "http://127.0.0.1:9");
    let (url, serving) = serve(None, router, ConnectionSettings::default()).await;
    let head = format!("GET /chat-token/grants HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nConnection: close\r\n\r\n");
    let seen = raw(&url, head).await;
    serving.abort();
    seen
}

/// How each code is provoked. Another code does not compile without a case.
async fn provoke(code: Code) -> Response {
    let service = Service::with(Setup { max_body: 1_000, ..Setup::default() }).await;
    let alice = session("alice", &["customer"]);
    match code {
        Code::MalformedRequest => posted(&service, &alice, Some("{")).await,
        Code::SessionMissing => sent(&service, Method::POST, "/chat-token").await,
        Code::SessionInvalid => posted(&service, "nonsense", None).await,
        Code::SessionExpired => posted(&service, &session_of("alice", &["customer"], -1, &json!({})), None).await,
        Code::SessionExpiring => posted(&service, &session_of("alice", &["customer"], 60, &json!({})), None).await,
        Code::ChannelsDenied => posted(&service, &alice, Some("{\"channels\":{\"zoo\":{\"read\":true}}}")).await,
        Code::NothingGranted => posted(&service, &session("alice", &[]), None).await,
        Code::SessionRevoked => posted(&service, &session("mallory", &["customer"]), None).await,
        // Cookies and CORS are not there yet: only the guard of `usher dev` can say so.
        Code::OriginRefused => with_guard(|_: &HeaderMap| Err(Code::OriginRefused)).await,
        Code::NotFound => sent(&service, Method::GET, "/nowhere").await,
        Code::MethodNotAllowed => sent(&service, Method::GET, "/chat-token").await,
        Code::RequestTimeout => {
            let service = Service::with(Setup { request_timeout: MILLIS_300, ..Setup::default() }).await;
            let head = format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice}\r\n");
            let head = format!("{head}Origin: {ORIGIN}\r\n");
            let rest = "Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{";
            raw(&service.url, head + rest).await
        }
        Code::BodyTooLarge => posted(&service, &alice, Some(&"x".repeat(1_001))).await,
        Code::UnsupportedMediaType => {
            let request = service.mint_request(alice).body("{}");
            let request = request.header("origin", ORIGIN);
            send(request).await
        }
        Code::InvalidRequest => posted(&service, &alice, Some("{\"x\": 1}")).await,
        Code::RateLimited => {
            let rate = RateSettings { period: Duration::from_mins(1), burst: NonZeroU32::MIN };
            let service = Service::with(Setup { limits: per_member(rate), ..Setup::default() }).await;
            assert_eq!(posted(&service, &alice, None).await.status, 200);
            posted(&service, &alice, None).await
        }
        // No request makes the service panic, so what is tested is that a panic below the layers is caught.
        Code::InternalError => with_guard(|_: &HeaderMap| panic!("a panic of a test's own")).await,
        Code::UpstreamFailed => with_upstream(Fault::Status(401)).await,
        Code::UpstreamUnavailable => with_upstream(Fault::Status(500)).await,
        Code::SessionKeysUnavailable => {
            let url = "https://127.0.0.1:9/jwks.json".parse().unwrap();
            let issuer = IssuerSettings { keys: KeySettings::JwksUrl(url), ..issuer("app", ISSUER) };
            let service = Service::with(Setup { issuers: vec![issuer], ..Setup::default() }).await;
            posted(&service, &alice, None).await
        }
        Code::Overloaded => {
            let service =
                Service::with(Setup { max_in_flight: 1, max_wait: std::time::Duration::ZERO, ..Setup::default() })
                    .await;
            service.sandbox.fail(Fault::Hang, Times::Always);
            let first = tokio::spawn(service.mint_request(&alice).send());
            while service.sandbox.received().is_empty() {
                tokio::task::yield_now().await;
            }
            let seen = posted(&service, &alice, None).await;
            first.abort();
            seen
        }
        Code::LimitsUnavailable => {
            let store = Some(SecretString::from("redis://127.0.0.1:9"));
            let limits =
                LimitsSettings { store, on_store_failure: OnStoreFailure::Refuse, ..LimitsSettings::default() };
            posted(&Service::with(Setup { limits, ..Setup::default() }).await, &alice, None).await
        }
        Code::NotReady => {
            let url = "https://127.0.0.1:9/jwks.json".parse().unwrap();
            let issuer = IssuerSettings { keys: KeySettings::JwksUrl(url), ..issuer("app", ISSUER) };
            let service = Service::with(Setup { issuers: vec![issuer], ..Setup::default() }).await;
            sent(&service, Method::GET, "/ready").await
        }
        Code::UpstreamTimeout => with_upstream(Fault::Hang).await,
    }
}

#[tokio::test]
async fn every_problem_can_be_met_and_has_its_form() {
    let mut types = HashSet::new();
    let document = Document::of(&Service::start().await).await;
    for code in Code::ALL {
        let seen = provoke(code).await;
        seen.assert_problem(code.as_str(), code);
        types.insert(seen.json()["type"].clone());
        for (name, value) in [
            ("access-control-allow-origin", ORIGIN),
            ("access-control-expose-headers", "X-Request-Id, Retry-After"),
            ("vary", "Origin"),
        ] {
            assert_eq!(seen.header(name), Some(value), "{code:?}: a page can read it");
        }
        let told = format!("{:?} {}", seen.headers, seen.body);
        for internal in [SECRET, API_TOKEN, PROJECT, ISSUER, "customer", "support:", ".rs", "panic", "::"] {
            assert!(!told.contains(internal), "{code:?} tells {internal}: {told}");
        }
        let (method, path) = match code {
            Code::NotFound => continue,
            Code::MethodNotAllowed => ("options", "/chat-token"),
            Code::OriginRefused | Code::InternalError => ("get", "/chat-token/grants"),
            Code::NotReady => ("get", "/ready"),
            _ => ("post", "/chat-token"),
        };
        document.assert_tells_of(code.as_str(), method, path, &seen);
    }
    assert_eq!(types.len(), Code::ALL.len());
}

#[test]
fn status_and_code_are_those_that_are_promised() {
    let promised = [
        (400, "malformed_request"),
        (401, "session_missing"),
        (401, "session_invalid"),
        (401, "session_expired"),
        (401, "session_expiring"),
        (403, "channels_denied"),
        (403, "nothing_granted"),
        (403, "session_revoked"),
        (403, "origin_refused"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (408, "request_timeout"),
        (413, "body_too_large"),
        (415, "unsupported_media_type"),
        (422, "invalid_request"),
        (429, "rate_limited"),
        (500, "internal_error"),
        (502, "upstream_failed"),
        (503, "upstream_unavailable"),
        (503, "overloaded"),
        (503, "session_keys_unavailable"),
        (503, "limits_unavailable"),
        (503, "not_ready"),
        (504, "upstream_timeout"),
    ];
    assert_eq!(Code::ALL.map(|code| (code.status().as_u16(), code.as_str())), promised);
}

#[tokio::test]
async fn a_guard_that_lets_a_request_through_changes_nothing() {
    with_guard(|_: &HeaderMap| Ok(())).await.assert_problem("no credential", Code::SessionMissing);
}

#[tokio::test]
async fn an_answer_that_is_no_problem_is_guarded_too() {
    let service = Service::start().await;
    let alice = session("alice", &["customer"]);
    let token = posted(&service, &alice, None).await;
    let grants = service.grants(&alice).await;
    for (case, seen) in [("a token", token), ("grants", grants)] {
        assert_eq!((seen.status, seen.header("content-type")), (200, Some("application/json")), "{case}");
        seen.assert_guarded(case);
        for header in ["www-authenticate", "retry-after", "allow", "set-cookie", "server"] {
            assert!(!seen.headers.contains_key(header), "{case}: {header}");
        }
    }
}

/// Pattern, role, key id, and the claims: what a problem must not say.
#[tokio::test]
async fn a_problem_names_nothing_that_the_client_did_not() {
    let policy = "version = 1\n[roles.secretrole.channels]\n\"secretspace:{secretclaim}\" = [\"read\"]\n\
                  [roles.secretmute.deny]\n\"secretdeny:**\" = [\"read\"]\n[blocked]\nmembers = [\"mallory\"]\n";
    let service = Service::with_policy(policy).await;
    let more = json!({"secretclaim": "secretvalue"});
    let roles = ["secretrole", "secretmute"];
    for (case, session, body) in [
        ("denied by no rule", session_of("alice", &roles, 3_600, &more), "{\"channels\":{\"a\":{\"read\":true}}}"),
        ("denied by a rule", session_of("alice", &roles, 3_600, &more), "{\"channels\":{\"x\":{\"read\":true}}}"),
        ("nothing granted", session_of("alice", &["secretmute"], 3_600, &more), "{}"),
        ("too little left", session_of("alice", &roles, 60, &more), "{}"),
        ("blocked", session_of("mallory", &roles, 3_600, &more), "{}"),
        ("invalid", session_of("alice", &roles, 3_600, &more), "{\"ttl\":0,\"state\":{\"a\":1},\"member_id\":\"x\"}"),
    ] {
        let seen = posted(&service, &session, Some(body)).await;
        assert!(seen.status >= 400, "{case}");
        assert!(!format!("{seen:?}").contains("secret"), "{case}: {seen:?}");
    }
}

#[tokio::test]
async fn no_rule_and_a_deny_rule_look_the_same() {
    let policy =
        "version = 1\n[roles.a.channels]\n\"x\" = [\"read\"]\n\"y\" = [\"read\"]\n[roles.a.deny]\n\"x\" = [\"read\"]\n";
    let service = Service::with_policy(policy).await;
    let alice = session("alice", &["a"]);
    let answer = |name: &str| format!("{{\"channels\":{{\"{name}\":{{\"read\":true}}}}}}");
    let by_rule = posted(&service, &alice, Some(&answer("x"))).await.json();
    let by_none = posted(&service, &alice, Some(&answer("z"))).await.json();
    assert_eq!((&by_rule["denied"][0]["reason"], &by_rule["detail"]), (&json!("not_allowed"), &by_none["detail"]));
    assert_eq!(by_rule["denied"][0]["reason"], by_none["denied"][0]["reason"]);
    assert_eq!(posted(&service, &alice, Some(&answer("y"))).await.status, 200);
}
