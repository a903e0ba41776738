//! A session of the operator's own, signed with a shared secret: as a Bearer, and in a cookie.

use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};
use usher::session::{Cause, Refusal};

use super::{Keys, NearMisses, Usher, but, load, now};
use crate::support::keys::{Signer, b64};
use crate::support::send;

const NAMES: [&str; 2] = ["home-made", "home-made-cookie"];

/// What the docs' example signs.
fn session() -> Value {
    json!({
        "roles": ["agent"],
        "name": "Alice",
        "iss": "https://app.example.com",
        "aud": "usher",
        "sub": "42",
        "iat": now(),
        "exp": now() + 900,
    })
}

fn signed(claims: &Value) -> String {
    Signer::secret().sign(claims)
}

#[tokio::test]
async fn what_the_server_signs_is_a_session() {
    for name in NAMES {
        let usher = Usher::of(&load(name, &Keys::Secret)).await;
        usher.takes(name, &signed(&session()), &["agent"], &["agent", "customer"], "42").await;
        let one = signed(&but(session(), &json!({"roles": "agent"})));
        usher.takes("one role", &one, &["agent"], &["agent", "customer"], "42").await;
        let none = signed(&but(session(), &json!({"roles": null, "aud": ["usher", "api"]})));
        usher.takes("no role", &none, &[], &["customer"], "42").await;
    }
}

/// Tokens that are almost sessions.
pub(super) fn near_misses(name: &str) -> NearMisses {
    let mut all = NearMisses::new(load(name, &Keys::Secret), signed(&session()));
    let other = Signer::secret_of("another secret, at least as long as it has to be", Algorithm::HS256);
    all.add("another secret", &other.sign(&session()), Cause::Signature);
    all.add("for the API", &signed(&but(session(), &json!({"aud": "api"}))), Cause::Audience);
    all.add("for anybody", &signed(&but(session(), &json!({"aud": null}))), Cause::Audience);
    let staging = json!({"iss": "https://staging.example.com"});
    all.add("by another server", &signed(&but(session(), &staging)), Cause::Issuer);
    all.add("without end", &signed(&but(session(), &json!({"exp": null}))), Cause::Time("exp"));
    all.add("without iat", &signed(&but(session(), &json!({"iat": null}))), Cause::Time("iat"));
    let number = json!({"sub": 42});
    all.add("a number as sub", &signed(&but(session(), &number)), Cause::Subject);
    let millis = json!({"iat": now() * 1_000, "exp": (now() + 900) * 1_000});
    all.add("in milliseconds", &signed(&but(session(), &millis)), Cause::Time("exp"));
    let longer = Signer::secret().by(Algorithm::HS512).sign(&session());
    all.add("by another hash", &longer, Cause::NoKeyFits);
    let head = b64(json!({"alg": "none", "typ": "JWT"}).to_string());
    let unsigned = format!("{head}.{}.", b64(session().to_string()));
    all.add("unsigned", &unsigned, Cause::UnknownAlgorithm);

    let old = signed(&but(session(), &json!({"iat": now() - 90_000})));
    all.add("signed for a year, a day ago", &old, Refusal::Expired);
    all
}

#[tokio::test]
async fn what_it_did_not_sign_for_usher_is_refused() {
    for name in NAMES {
        near_misses(name).are_refused().await;
    }
}

/// `POST /chat-token`, or `GET /chat-token/grants`, with a cookie as a browser sends it.
async fn ask(usher: &Usher, method: &Method, cookie: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let path = if *method == Method::POST { "/chat-token" } else { "/chat-token/grants" };
    let request = usher.service.request(method.clone(), path).header("cookie", cookie);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = if *method == Method::POST { request.body("{}") } else { request };
    send(request).await.read()
}

#[tokio::test]
async fn in_its_cookie_it_counts_for_your_own_pages() {
    let usher = Usher::of(&load("home-made-cookie", &Keys::Secret)).await;
    let cookie = format!("theme=dark; __Host-session={}", signed(&session()));
    let (page, json) = (("origin", "https://app.example.com"), ("content-type", "application/json"));
    let (same, guard) = (("sec-fetch-site", "same-origin"), ("x-requested-with", "fetch"));
    let (post, get) = (Method::POST, Method::GET);
    for (method, headers) in
        [(&post, vec![page, json]), (&post, vec![same, json]), (&get, vec![page, guard]), (&get, vec![same, guard])]
    {
        let (status, answer) = ask(&usher, method, &cookie, &headers).await;
        assert_eq!((status, answer["member_id"].as_str()), (200, Some("42")), "{method} {headers:?}: {answer}");
    }
    for (case, method, headers) in [
        ("another site", &post, vec![("origin", "https://evil.example"), json]),
        ("a sibling that is not listed", &post, vec![("origin", "https://blog.example.com"), json]),
        ("a form", &post, vec![page, ("content-type", "text/plain")]),
        ("nobody's page", &post, vec![json]),
        ("a GET without the guard", &get, vec![page, json]),
    ] {
        let (status, problem) = ask(&usher, method, &cookie, &headers).await;
        assert_eq!((status, problem["code"].as_str()), (403, Some("origin_refused")), "{case}: {problem}");
    }
    let expired = format!("__Host-session={}", signed(&but(session(), &json!({"exp": now() - 1, "iat": now() - 900}))));
    let (status, problem) = ask(&usher, &post, &expired, &[page, json]).await;
    assert_eq!((status, problem["code"].as_str()), (401, Some("session_expired")));
    let other = cookie.replace("__Host-session", "session");
    let (status, problem) = ask(&usher, &post, &other, &[page, json]).await;
    // The shipped policy lets guests in: another cookie is no session.
    assert_eq!(status, 200);
    assert!(problem["member_id"].as_str().unwrap().starts_with("guest-"));
}

#[tokio::test]
async fn without_the_cookies_settings_a_cookie_is_nothing() {
    let usher = Usher::of(&load("home-made", &Keys::Secret)).await;
    let cookie = format!("__Host-session={}", signed(&session()));
    let headers = [("origin", "https://app.example.com"), ("content-type", "application/json")];
    let (status, answer) = ask(&usher, &Method::POST, &cookie, &headers).await;
    assert_eq!(status, 200);
    assert!(answer["member_id"].as_str().unwrap().starts_with("guest-"), "{answer}");
}
