//! How often a member may ask.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use usher::limits::RateSettings;
use usher::sandbox::{Fault, Times};

use super::session_of;
use crate::support::keys::session;
use crate::support::service::{POLICY, Service, Setup, per_member, read};

const HOUR: Duration = Duration::from_hours(1);

async fn limited(burst: u32, period: Duration) -> Service {
    let rate = RateSettings { period, burst: NonZeroU32::new(burst).unwrap() };
    let policy = format!("{POLICY}\n[guest]\nrole = \"customer\"\n");
    Service::with(Setup { policy, limits: per_member(rate), ..Setup::default() }).await
}

/// That this is a 429; the seconds to wait.
async fn refused(case: &str, response: reqwest::Response) -> u64 {
    let wait = response.headers().get("retry-after").map(|wait| wait.to_str().unwrap().parse().unwrap());
    let (status, answer) = read(response).await;
    assert_eq!((status, &answer["code"]), (429, &json!("rate_limited")), "{case}: {answer}");
    wait.unwrap()
}

async fn post(service: &Service, session: &str) -> reqwest::Response {
    service.post(session, None).await
}

#[tokio::test]
async fn a_member_may_ask_a_burst_and_then_waits_while_others_do_not() {
    let service = limited(3, HOUR).await;
    let (alice, bob) = (session("alice", &["customer"]), session("bob", &["customer"]));
    for _ in 0..3 {
        assert_eq!(post(&service, &alice).await.status(), 200);
    }
    for _ in 0..2 {
        assert_eq!(refused("alice", post(&service, &alice).await).await, 300, "at most 300, whatever is left");
    }
    assert_eq!(service.sandbox.received().len(), 3, "nothing went upstream for the rest");
    assert_eq!(post(&service, &bob).await.status(), 200);
    let again = session_of("alice", &["agent", "customer"], 7_200, &json!({"name": "A"}));
    refused("another session of the same member", post(&service, &again).await).await;
}

#[tokio::test]
async fn after_what_retry_after_says_the_member_may_ask_again() {
    let service = limited(1, Duration::from_secs(2)).await;
    let alice = session("alice", &["customer"]);
    assert_eq!(post(&service, &alice).await.status(), 200);
    let asked = Instant::now();
    let wait = refused("at once", post(&service, &alice).await).await;
    assert!((1..=2).contains(&wait), "{wait}");
    while post(&service, &alice).await.status() != 200 {
        assert!(asked.elapsed() < Duration::from_secs(10), "it never may");
    }
    assert!(asked.elapsed() > Duration::from_millis(1_500), "too soon: {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(wait + 1), "later than it was told: {:?}", asked.elapsed());
}

#[tokio::test]
async fn every_request_with_a_good_session_counts_whatever_becomes_of_it() {
    let alice = session("alice", &["customer"]);
    let json = |body: &str| (Some("application/json"), body.to_owned());
    for (case, (media_type, body), status) in [
        ("minted", json("{}"), 200),
        ("415", (Some("text/plain"), "{}".to_owned()), 415),
        ("413", json(&" ".repeat(300_000)), 413),
        ("400", json("{"), 400),
        ("422", json("[]"), 422),
        ("403", json("{\"channels\":{\"zoo\":{\"read\":true}}}"), 403),
        ("502", json("{}"), 502),
    ] {
        let service = limited(1, HOUR).await;
        if status == 502 {
            service.sandbox.fail(Fault::Status(401), Times::Always);
        }
        let request = service.request(Method::POST, "/chat-token").bearer_auth(&alice).body(body);
        let request = request.header("content-type", media_type.unwrap_or_default());
        assert_eq!(request.send().await.unwrap().status(), status, "{case}");
        refused(case, post(&service, &alice).await).await;
    }
}

#[tokio::test]
async fn grants_and_tokens_are_one_account() {
    let alice = session("alice", &["customer"]);
    for first in [Method::POST, Method::GET, Method::HEAD] {
        let service = limited(1, HOUR).await;
        let get = async |method: Method| {
            let path = if method == Method::POST { "/chat-token" } else { "/chat-token/grants" };
            service.request(method, path).bearer_auth(&alice).send().await.unwrap()
        };
        assert_eq!(get(first.clone()).await.status(), 200, "{first}");
        refused(first.as_str(), get(Method::POST).await).await;
        refused(first.as_str(), get(Method::GET).await).await;
    }
}

#[tokio::test]
async fn what_has_no_good_session_or_is_no_such_path_does_not_count() {
    let service = limited(1, HOUR).await;
    let alice = session("alice", &["customer"]);
    for _ in 0..5 {
        assert_eq!(post(&service, &session_of("alice", &["customer"], -1, &json!({}))).await.status(), 401);
        assert_eq!(service.request(Method::GET, "/chat-token").bearer_auth(&alice).send().await.unwrap().status(), 405);
        assert_eq!(post(&service, &session("mallory", &["customer"])).await.status(), 403);
    }
    assert_eq!(post(&service, &alice).await.status(), 200);
}

#[tokio::test]
async fn guests_are_not_limited_as_members() {
    let service = limited(1, HOUR).await;
    for _ in 0..5 {
        let answer: Value = service.request(Method::POST, "/chat-token").send().await.unwrap().json().await.unwrap();
        assert!(answer["member_id"].as_str().unwrap().starts_with("guest-"), "{answer}");
    }
}

#[tokio::test]
async fn without_a_limit_nobody_waits() {
    let service = Service::with(Setup::default()).await;
    for _ in 0..60 {
        assert_eq!(service.grants(&session("alice", &["customer"])).await.0, 200);
    }
}
