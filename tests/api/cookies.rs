//! The session's cookie: when it counts, what guards it, and what a browser's page may do with it.

use reqwest::Method;
use serde_json::json;
use usher::api::{Code, CookieSettings};

use crate::support::Response;
use crate::support::send;
use crate::support::service::{ORIGIN, POLICY, Service, Setup};
use crate::support::session;

const JSON: (&str, &str) = ("content-type", "application/json");
const GUARD: (&str, &str) = ("x-guard", "1");
const FROM: (&str, &str) = ("origin", ORIGIN);
const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");

async fn service(guard: Option<&str>) -> Service {
    let cookie = Some(CookieSettings::parse("__Host-session", guard).unwrap());
    // Guests are let in, so that a refused cookie that passed for none would show.
    let policy = format!("{POLICY}[guest]\nrole = \"customer\"\n");
    Service::with(Setup { policy, cookie, ..Setup::default() }).await
}

async fn sent(service: &Service, method: &Method, headers: &[(&str, &str)]) -> Response {
    let path = if *method == Method::POST { "/chat-token" } else { "/chat-token/grants" };
    let request = service.request(method.clone(), path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(request).await
}

fn cookie(session: &str) -> String {
    format!("theme=dark; __Host-session={session}; other=a=b")
}

/// Whose token it is, or the problem's code.
fn outcome(seen: &Response) -> String {
    let answer = seen.json();
    let whose = answer["member_id"].as_str().or(answer["code"].as_str());
    whose.map_or("guest", |whose| whose.split_once("guest-").map_or(whose, |_| "guest")).to_owned()
}

/// A method, headers beside the cookie, and what comes of it.
type Case<'a> = (&'a Method, &'a [(&'a str, &'a str)], &'a str);

#[tokio::test]
async fn it_counts_only_from_a_page_that_may_act_for_the_user() {
    let service = service(Some("X-Guard")).await;
    let alice = cookie(&session("alice", &["customer"]));
    let (post, get) = (Method::POST, Method::GET);
    let evil = ("origin", "https://evil.example");
    let cases: [Case<'_>; 32] = [
        (&post, &[FROM, JSON], "alice"),
        (&post, &[FROM, GUARD], "alice"),
        (&post, &[FROM, ("content-type", "Application/JSON; charset=utf-8")], "alice"),
        (&post, &[SAME, JSON], "alice"),
        (&post, &[SAME, GUARD], "alice"),
        (&post, &[SAME, evil, JSON], "alice"),
        (&get, &[FROM, GUARD], "alice"),
        (&get, &[SAME, GUARD], "alice"),
        (&get, &[SAME, GUARD, JSON], "alice"),
        (&post, &[], "origin_refused"),
        (&post, &[JSON], "origin_refused"),
        (&post, &[GUARD], "origin_refused"),
        (&post, &[JSON, GUARD], "origin_refused"),
        (&post, &[FROM], "origin_refused"),
        (&post, &[SAME], "origin_refused"),
        (&post, &[FROM, ("content-type", "text/plain")], "origin_refused"),
        (&post, &[FROM, ("content-type", "text/plain; application/json")], "origin_refused"),
        (&post, &[FROM, JSON, JSON], "origin_refused"),
        (&post, &[FROM, ("x-guard", "")], "origin_refused"),
        (&post, &[FROM, ("x-guard", "  ")], "origin_refused"),
        (&post, &[evil, JSON, GUARD], "origin_refused"),
        (&post, &[("origin", "null"), JSON, GUARD], "origin_refused"),
        (&post, &[FROM, evil, JSON], "origin_refused"),
        (&post, &[("sec-fetch-site", "same-site"), JSON], "origin_refused"),
        (&post, &[("sec-fetch-site", "cross-site"), JSON], "origin_refused"),
        (&post, &[("sec-fetch-site", "none"), JSON], "origin_refused"),
        (&post, &[("sec-fetch-site", "Same-Origin"), JSON], "origin_refused"),
        (&post, &[SAME, ("sec-fetch-site", "cross-site"), JSON], "origin_refused"),
        (&get, &[FROM, JSON], "origin_refused"),
        (&get, &[FROM], "origin_refused"),
        (&get, &[SAME, JSON], "origin_refused"),
        (&get, &[GUARD], "origin_refused"),
    ];
    for (method, headers, expected) in cases {
        let with = [headers, &[("cookie", alice.as_str())]].concat();
        let seen = sent(&service, method, &with).await;
        assert_eq!(outcome(&seen), expected, "{method} {headers:?}: {seen:?}");
        if expected == "origin_refused" {
            seen.assert_problem("refused", Code::OriginRefused);
        }
    }
    let head = sent(&service, &Method::HEAD, &[FROM, GUARD, ("cookie", &alice)]).await;
    assert_eq!(head.status, 200);
    assert_eq!(sent(&service, &Method::HEAD, &[FROM, JSON, ("cookie", &alice)]).await.status, 403);
}

#[tokio::test]
async fn without_a_guard_header_json_alone_guards_and_a_get_is_refused() {
    let service = service(None).await;
    let alice = cookie(&session("alice", &["customer"]));
    for (method, headers, expected) in [
        (Method::POST, &[FROM, JSON][..], "alice"),
        (Method::POST, &[FROM, GUARD], "origin_refused"),
        (Method::GET, &[FROM, GUARD, JSON], "origin_refused"),
    ] {
        let seen = sent(&service, &method, &[headers, &[("cookie", alice.as_str())]].concat()).await;
        assert_eq!(outcome(&seen), expected, "{method} {headers:?}");
    }
}

#[tokio::test]
async fn which_cookie_it_is() {
    let service = service(None).await;
    let (alice, bob) = (session("alice", &["customer"]), session("bob", &["customer"]));
    let invalid = "session_invalid";
    for (case, cookies, expected) in [
        ("alone", vec![format!("__Host-session={alice}")], "alice"),
        ("without spaces", vec![format!("a=b;__Host-session={alice};c=d")], "alice"),
        ("in a second header", vec!["a=b".to_owned(), format!("__Host-session={alice}")], "alice"),
        ("empty is none", vec!["__Host-session=".to_owned()], "guest"),
        (
            "none of the name",
            vec![format!("session={alice}; __Host-Session={alice}; x__Host-session={alice}")],
            "guest",
        ),
        ("no pair", vec!["__Host-session".to_owned()], "guest"),
        ("twice", vec![format!("__Host-session={alice}; __Host-session={bob}")], invalid),
        ("twice the same", vec![format!("__Host-session={alice}; __Host-session={alice}")], invalid),
        ("twice, in two headers", vec![format!("__Host-session={alice}"), format!("__Host-session={bob}")], invalid),
        ("once and once empty", vec![format!("__Host-session=; __Host-session={alice}")], invalid),
        ("no session", vec!["__Host-session=nonsense".to_owned()], invalid),
        ("in quotes", vec![format!("__Host-session=\"{alice}\"")], invalid),
        ("too long", vec![format!("__Host-session={}", "x".repeat(16 * 1_024 + 1))], invalid),
    ] {
        let mut headers = vec![FROM, JSON];
        headers.extend(cookies.iter().map(|cookie| ("cookie", cookie.as_str())));
        let seen = sent(&service, &Method::POST, &headers).await;
        assert_eq!(outcome(&seen), expected, "{case}: {seen:?}");
    }
    let expired = super::session_of("alice", &["customer"], -60, &json!({}));
    let seen = sent(&service, &Method::POST, &[FROM, JSON, ("cookie", &cookie(&expired))]).await;
    seen.assert_problem("expired", Code::SessionExpired);
}

#[tokio::test]
async fn a_bearer_wins_and_a_bad_one_is_not_rescued() {
    let service = service(None).await;
    let alice = cookie(&session("alice", &["customer"]));
    let bearer = |token: &str| format!("Bearer {token}");
    let bob = bearer(&session("bob", &["customer"]));
    for (case, authorization, guarded, expected) in [
        ("a Bearer", bob.as_str(), true, "bob"),
        ("a Bearer, and the cookie from nowhere", &bob, false, "bob"),
        ("a bad Bearer", "Bearer x", true, "session_invalid"),
        ("an empty Bearer", "Bearer ", true, "session_invalid"),
        ("no token", "Bearer", true, "session_invalid"),
        ("two spaces", "Bearer  x", true, "session_invalid"),
        ("the Basic of a staging site", "Basic c3RhZ2luZzpzaXRl", true, "alice"),
        ("Basic, and the cookie from nowhere", "Basic c3RhZ2luZzpzaXRl", false, "origin_refused"),
        ("Digest", "Digest username=\"x\"", true, "alice"),
    ] {
        let guard = if guarded { &[FROM, JSON][..] } else { &[] };
        let headers = [guard, &[("cookie", alice.as_str()), ("authorization", authorization)]].concat();
        assert_eq!(outcome(&sent(&service, &Method::POST, &headers).await), expected, "{case}");
    }
    let two = [FROM, JSON, ("cookie", alice.as_str()), ("authorization", "Basic a"), ("authorization", bob.as_str())];
    assert_eq!(outcome(&sent(&service, &Method::POST, &two).await), "session_invalid", "two of them");
    // Only for a cookie that is there is another scheme passed over.
    for more in [&[][..], &[("cookie", "theme=dark")], &[("cookie", "__Host-session=")]] {
        let headers = [&[FROM, JSON, ("authorization", "Basic a")], more].concat();
        assert_eq!(outcome(&sent(&service, &Method::POST, &headers).await), "session_invalid", "{more:?}");
    }
}

#[tokio::test]
async fn where_no_cookie_is_configured_none_counts() {
    let service = Service::start().await;
    let alice = format!("__Host-session={}", session("alice", &["customer"]));
    let seen = sent(&service, &Method::POST, &[FROM, JSON, ("cookie", &alice)]).await;
    seen.assert_problem("a cookie", Code::SessionMissing);
    assert!(!seen.headers.contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn a_page_may_send_it_along_and_read_the_answer() {
    let service = service(Some("X-Guard")).await;
    let preflight = [FROM, ("access-control-request-method", "POST")];
    let seen =
        send(preflight.iter().fold(service.request(Method::OPTIONS, "/chat-token"), |request, (name, value)| {
            request.header(*name, *value)
        }))
        .await;
    assert_eq!((seen.status, seen.header("access-control-allow-credentials")), (204, Some("true")));
    let allowed = seen.header("access-control-allow-headers").unwrap().to_lowercase();
    assert!(allowed.split(", ").any(|header| header == "x-guard"), "{allowed}");
    assert_eq!(seen.header("access-control-allow-origin"), Some(ORIGIN));
    for headers in [vec![FROM, JSON], vec![FROM, ("cookie", "__Host-session=x"), JSON]] {
        let seen = sent(&service, &Method::POST, &headers).await;
        assert_eq!(seen.header("access-control-allow-credentials"), Some("true"), "errors too: {seen:?}");
        assert_eq!(seen.header("access-control-allow-origin"), Some(ORIGIN), "never *");
    }
    let evil = sent(&service, &Method::POST, &[("origin", "https://evil.example"), JSON]).await;
    assert!(!evil.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{evil:?}");
}

#[tokio::test]
async fn it_gets_a_token_like_any_other_session() {
    let service = service(None).await;
    let alice = cookie(&session("alice", &["customer"]));
    let request = service.request(Method::POST, "/chat-token").header("cookie", alice).header("origin", ORIGIN);
    let body = json!({"channels": {"support:alice": {"read": true}}});
    let answer = send(request.json(&body)).await.json();
    assert_eq!(service.payload(&answer)["chls"], json!({"support:alice": {"read": true, "write": false}}));
}

#[test]
fn a_header_that_anybody_sends_guards_nothing() {
    for header in
        ["Origin", "Content-Type", "Accept", "Cookie", "Sec-Fetch-Site", "Proxy-X", "Range", "Authorization", "a b", ""]
    {
        assert!(CookieSettings::parse("session", Some(header)).is_err(), "{header}");
    }
    for name in ["a b", "a;b", "a=b", "", "a\u{e9}"] {
        assert!(CookieSettings::parse(name, None).is_err(), "{name}");
    }
    assert!(CookieSettings::parse("__Secure-a.b_c", Some("X-Requested-With")).is_ok());
}
