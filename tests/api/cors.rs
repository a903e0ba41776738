//! CORS, read by a browser's rules (the Fetch standard): what a page may send, and what it may read.

use reqwest::Method;

use crate::support::Response;
use crate::support::send;
use crate::support::service::{ORIGIN, Service, Setup};
use crate::support::session;

/// A request with these headers, as a browser sends them.
async fn sent(service: &Service, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = service.request(method, path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(request).await
}

async fn preflight(service: &Service, path: &str, origin: &str, method: &str) -> Response {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    sent(service, Method::OPTIONS, path, &headers).await
}

fn cors_headers(seen: &Response) -> Vec<&str> {
    seen.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("access-control-")).collect()
}

async fn with_origins(origins: &[&str]) -> Service {
    let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    Service::with(Setup { origins, ..Setup::default() }).await
}

/// Whether a browser that got this answer to its preflight would send the request.
fn lets_send(seen: &Response, origin: &str, method: &str, header: &str) -> bool {
    let list = |name: &str| -> Vec<String> {
        let value = seen.header(name).unwrap_or_default();
        value.split(',').map(|part| part.trim().to_ascii_lowercase()).collect()
    };
    (200..300).contains(&seen.status)
        && seen.header("access-control-allow-origin") == Some(origin)
        && (["GET", "HEAD", "POST"].contains(&method)
            || list("access-control-allow-methods").contains(&method.to_ascii_lowercase()))
        && list("access-control-allow-headers").contains(&header.to_ascii_lowercase())
}

#[tokio::test]
async fn a_preflight_lets_an_allowed_page_send_what_the_api_takes() {
    let service = Service::start().await;
    for (path, method) in [("/chat-token", "POST"), ("/chat-token/grants", "GET"), ("/nowhere", "POST")] {
        let seen = preflight(&service, path, ORIGIN, method).await;
        for header in ["Authorization", "Content-Type", "X-Request-Id", "traceparent", "tracestate"] {
            assert!(lets_send(&seen, ORIGIN, method, header), "{path} {header}: {seen:?}");
        }
        assert!(!lets_send(&seen, ORIGIN, "DELETE", "Authorization"), "{seen:?}");
        assert!(!lets_send(&seen, ORIGIN, method, "X-Other"), "{seen:?}");
        assert_eq!((seen.status, seen.body.as_str()), (204, ""), "{path}");
        assert_eq!(seen.header("access-control-allow-methods"), Some("GET, POST"), "{path}");
        let kept = seen.header("access-control-max-age").unwrap().parse::<u32>().unwrap();
        assert!((600..=86_400).contains(&kept), "{path}: a browser keeps it for a while");
        assert_eq!(seen.header("vary"), Some("Origin"), "{path}");
        assert_eq!(seen.header("allow"), None, "{path}");
        assert!(!seen.headers.contains_key("access-control-allow-credentials"), "there is no cookie");
        seen.assert_guarded(path);
    }
    assert!(service.sandbox.received().is_empty());
}

#[tokio::test]
async fn a_preflight_of_another_page_is_a_204_that_allows_nothing() {
    let service = Service::start().await;
    for origin in [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://evil.example/https://app.example.com",
        "https://xapp.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com/",
        "HTTPS://APP.EXAMPLE.COM",
        "null",
        "*",
        "",
    ] {
        let seen = preflight(&service, "/chat-token", origin, "POST").await;
        assert_eq!((seen.status, cors_headers(&seen)), (204, Vec::new()), "{origin}: {seen:?}");
        assert_eq!(seen.header("vary"), Some("Origin"), "{origin}");
    }
}

#[tokio::test]
async fn an_options_that_is_no_preflight_is_a_question_like_any_other() {
    let service = Service::start().await;
    for (headers, readable) in
        [(&[][..], false), (&[("origin", ORIGIN)][..], true), (&[("access-control-request-method", "POST")][..], false)]
    {
        for (path, status) in [("/chat-token", 405), ("/live", 405), ("/nowhere", 404)] {
            let seen = sent(&service, Method::OPTIONS, path, headers).await;
            assert_eq!(seen.status, status, "{path} {headers:?}: {seen:?}");
            assert_eq!(seen.header("access-control-allow-origin").is_some(), readable, "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn an_allowed_page_reads_every_answer_and_another_none() {
    let service = Service::start().await;
    let bearer = format!("Bearer {}", session("alice", &["customer"]));
    for (method, path, credential, status) in [
        (Method::POST, "/chat-token", bearer.as_str(), 200),
        (Method::GET, "/chat-token/grants", bearer.as_str(), 200),
        (Method::POST, "/chat-token", "Bearer x", 401),
        (Method::GET, "/chat-token", bearer.as_str(), 405),
        (Method::GET, "/nowhere", bearer.as_str(), 404),
        (Method::GET, "/live", bearer.as_str(), 200),
        (Method::GET, "/problems", bearer.as_str(), 200),
    ] {
        let case = format!("{method} {path}");
        let own = [("origin", ORIGIN), ("authorization", credential)];
        let seen = sent(&service, method.clone(), path, &own).await;
        assert_eq!(seen.status, status, "{case}");
        assert_eq!(seen.header("access-control-allow-origin"), Some(ORIGIN), "{case}");
        assert_eq!(seen.header("access-control-expose-headers"), Some("X-Request-Id, Retry-After"), "{case}");
        assert_eq!(seen.header("vary"), Some("Origin"), "{case}");
        // A Bearer from elsewhere is served; its page just cannot read the answer.
        for other in [&[("origin", "https://evil.example"), ("authorization", credential)][..], &own[1..]] {
            let seen = sent(&service, method.clone(), path, other).await;
            assert_eq!((seen.status, cors_headers(&seen)), (status, Vec::new()), "{case} {other:?}");
            assert_eq!(seen.header("vary"), Some("Origin"), "{case}: also without an origin");
        }
    }
}

#[tokio::test]
async fn two_origins_are_none() {
    let service = Service::start().await;
    let headers = [("origin", ORIGIN), ("origin", "https://evil.example")];
    let seen = sent(&service, Method::GET, "/live", &headers).await;
    assert_eq!((seen.status, cors_headers(&seen)), (200, Vec::new()));
}

#[tokio::test]
async fn a_wildcard_is_one_whole_label() {
    let service = with_origins(&["https://*.preview.example.com", "http://*.localhost:3000"]).await;
    for (origin, allowed) in [
        ("https://pr-7.preview.example.com", true),
        ("https://pr_7.preview.example.com", true),
        ("http://tenant.localhost:3000", true),
        ("https://preview.example.com", false),
        ("https://.preview.example.com", false),
        ("https://a.b.preview.example.com", false),
        ("https://evil.example/.preview.example.com", false),
        ("https://evil.example#.preview.example.com", false),
        ("https://me@x.preview.example.com", false),
        ("https://pr-7.preview.example.com:8443", false),
        ("http://pr-7.preview.example.com", false),
        ("https://pr-7.preview.example.com.evil.example", false),
        ("https://pr-7xpreview.example.com", false),
        ("https://*.preview.example.com", false),
        ("http://tenant.localhost:3001", false),
        ("http://localhost:3000", false),
    ] {
        let seen = preflight(&service, "/chat-token", origin, "POST").await;
        assert_eq!(seen.header("access-control-allow-origin"), Some(origin).filter(|_| allowed), "{origin}");
    }
}

#[tokio::test]
async fn without_any_origin_no_page_reads_anything() {
    let service = with_origins(&[]).await;
    for method in [Method::GET, Method::OPTIONS] {
        let headers = [("origin", ORIGIN), ("access-control-request-method", "POST")];
        let seen = sent(&service, method, "/live", &headers).await;
        assert_eq!((cors_headers(&seen), seen.header("vary")), (Vec::new(), Some("Origin")), "{seen:?}");
    }
}
