//! How often a member, or an address, may ask.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use usher::limits::{LimitsSettings, RateSettings};
use usher::sandbox::{Fault, Times};
use usher::session::{IssuerSettings, KeySettings};

use super::session_of;
use crate::support::ISSUER;
use crate::support::service::{POLICY, Service, Setup, issuer, per_member};
use crate::support::session;
use crate::support::{Response, send};

const HOUR: Duration = Duration::from_hours(1);

async fn limited(burst: u32, period: Duration) -> Service {
    let rate = RateSettings { period, burst: NonZeroU32::new(burst).unwrap() };
    let policy = format!("{POLICY}\n[guest]\nrole = \"customer\"\n");
    Service::with(Setup { policy, limits: per_member(rate), ..Setup::default() }).await
}

/// That this is a 429; the seconds to wait.
fn refused(case: &str, response: &Response) -> u64 {
    let (status, answer) = response.read();
    assert_eq!((status, &answer["code"]), (429, &json!("rate_limited")), "{case}: {answer}");
    response.header("retry-after").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_member_may_ask_a_burst_and_then_waits_while_others_do_not() {
    let service = limited(3, HOUR).await;
    let (alice, bob) = (session("alice", &["customer"]), session("bob", &["customer"]));
    for _ in 0..3 {
        assert_eq!(service.post(&alice, None).await.status, 200);
    }
    for _ in 0..2 {
        assert_eq!(refused("alice", &service.post(&alice, None).await), 300, "at most 300, whatever is left");
    }
    assert_eq!(service.sandbox.received().len(), 3, "nothing went upstream for the rest");
    assert_eq!(service.post(&bob, None).await.status, 200);
    let again = session_of("alice", &["agent", "customer"], 7_200, &json!({"name": "A"}));
    refused("another session of the same member", &service.post(&again, None).await);
}

#[tokio::test]
async fn after_what_retry_after_says_the_member_may_ask_again() {
    let service = limited(1, Duration::from_secs(2)).await;
    let alice = session("alice", &["customer"]);
    assert_eq!(service.post(&alice, None).await.status, 200);
    let asked = Instant::now();
    let wait = refused("at once", &service.post(&alice, None).await);
    assert!((1..=2).contains(&wait), "{wait}");
    while service.post(&alice, None).await.status != 200 {
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
        let request = service.mint_request(&alice).body(body);
        let request = request.header("content-type", media_type.unwrap_or_default());
        assert_eq!(request.send().await.unwrap().status(), status, "{case}");
        refused(case, &service.post(&alice, None).await);
    }
}

#[tokio::test]
async fn grants_and_tokens_are_one_account() {
    let alice = session("alice", &["customer"]);
    for first in [Method::POST, Method::GET, Method::HEAD] {
        let service = limited(1, HOUR).await;
        let get = async |method: Method| {
            let path = if method == Method::POST { "/chat-token" } else { "/chat-token/grants" };
            send(service.request(method, path).bearer_auth(&alice)).await
        };
        assert_eq!(get(first.clone()).await.status, 200, "{first}");
        refused(first.as_str(), &get(Method::POST).await);
        refused(first.as_str(), &get(Method::GET).await);
    }
}

#[tokio::test]
async fn what_has_no_good_session_or_is_no_such_path_does_not_count() {
    let service = limited(1, HOUR).await;
    let alice = session("alice", &["customer"]);
    for _ in 0..5 {
        assert_eq!(service.post(&session_of("alice", &["customer"], -1, &json!({})), None).await.status, 401);
        assert_eq!(service.request(Method::GET, "/chat-token").bearer_auth(&alice).send().await.unwrap().status(), 405);
        assert_eq!(service.post(&session("mallory", &["customer"]), None).await.status, 403);
    }
    assert_eq!(service.post(&alice, None).await.status, 200);
}

#[tokio::test]
async fn guests_are_not_limited_as_members() {
    let service = limited(1, HOUR).await;
    for _ in 0..5 {
        let answer = send(service.request(Method::POST, "/chat-token")).await.json();
        assert!(answer["member_id"].as_str().unwrap().starts_with("guest-"), "{answer}");
    }
}

#[tokio::test]
async fn without_a_limit_nobody_waits() {
    let service = Service::with(Setup::default()).await;
    for _ in 0..60 {
        assert_eq!(service.grants(&session("alice", &["customer"])).await.status, 200);
    }
}

/// Each address may ask so often; what comes from loopback has passed a proxy, or so these say.
fn by_address(burst: u32, trusted_proxies: &[&str]) -> Setup {
    let rate = RateSettings { period: HOUR, burst: NonZeroU32::new(burst).unwrap() };
    let limits = LimitsSettings { per_address: Some(rate), ..LimitsSettings::default() };
    let trusted_proxies = trusted_proxies.iter().map(|network| (*network).to_owned()).collect();
    Setup { limits, trusted_proxies, ..Setup::default() }
}

const LOOPBACK: &[&str] = &["127.0.0.0/8"];

/// A request with a session that is none, passed on for this address.
async fn from(service: &Service, forwarded: &str) -> u16 {
    let request = service.mint_request("none");
    request.header("x-forwarded-for", forwarded).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn whatever_gets_a_401_counts_for_its_address_and_a_good_session_is_served_all_the_same() {
    let service = Service::with(by_address(3, &[])).await;
    let expired = session_of("alice", &["customer"], -3_600, &json!({}));
    let good = session("alice", &["customer"]);
    let without = || service.request(Method::GET, "/chat-token/grants");
    for (code, request) in [
        ("session_missing", without()),
        ("session_invalid", without().bearer_auth("none")),
        ("session_expired", without().bearer_auth(&expired)),
    ] {
        // Neither a good session nor one that is refused later counts.
        assert_eq!(service.post(&good, None).await.status, 200);
        assert_eq!(service.post(&session("mallory", &["customer"]), None).await.status, 403);
        let (status, answer) = send(request).await.read();
        assert_eq!((status, &answer["code"]), (401, &json!(code)));
    }
    for (case, request) in [
        ("missing", without()),
        ("invalid", without().bearer_auth("none")),
        ("expired", without().bearer_auth(&expired)),
    ] {
        assert_eq!(refused(case, &send(request).await), 300);
    }
    for _ in 0..5 {
        assert_eq!(service.post(&good, None).await.status, 200);
    }
}

#[tokio::test]
async fn guests_and_broken_sessions_of_one_address_are_one_account() {
    let policy = format!("{POLICY}\n[guest]\nrole = \"customer\"\n");
    let service = Service::with(Setup { policy, ..by_address(3, LOOPBACK) }).await;
    let guest = async |address: &str| {
        send(service.request(Method::POST, "/chat-token").header("x-forwarded-for", address)).await
    };
    assert_eq!(guest("192.0.2.1").await.status, 200);
    assert_eq!(from(&service, "192.0.2.1").await, 401);
    assert_eq!(guest("192.0.2.1").await.status, 200);
    refused("a guest", &guest("192.0.2.1").await);
    assert_eq!(from(&service, "192.0.2.1").await, 429);
    assert_eq!(service.sandbox.received().len(), 2, "nothing went upstream for the rest");
    assert_eq!(guest("192.0.2.2").await.status, 200, "another address");
}

#[tokio::test]
async fn an_issuer_without_keys_uses_up_nobodys_address() {
    let url = "https://127.0.0.1:9/jwks.json".parse().unwrap();
    let away = IssuerSettings { keys: KeySettings::JwksUrl(url), ..issuer("app", ISSUER) };
    let service = Service::with(Setup { issuers: vec![away], ..by_address(1, &[]) }).await;
    let alice = session("alice", &["customer"]);
    for _ in 0..3 {
        let (status, answer) = service.grants(&alice).await.read();
        assert_eq!((status, &answer["code"]), (503, &json!("session_keys_unavailable")));
    }
    assert_eq!(from(&service, "").await, 401, "the first that counts");
    assert_eq!(from(&service, "").await, 429);
    assert_eq!(service.grants(&alice).await.status, 503, "nor does it become a 429");
}

#[tokio::test]
async fn the_address_is_what_a_trusted_proxy_says_and_nobody_else() {
    let service = Service::with(by_address(1, LOOPBACK)).await;
    for (forwarded, status, why) in [
        ("192.0.2.1", 401, "the first"),
        ("192.0.2.1", 429, "the same"),
        ("192.0.2.2", 401, "another"),
        ("192.0.2.3, 192.0.2.1", 429, "what stands left of a stranger, anybody can write"),
        ("192.0.2.4, 127.0.0.9", 401, "two proxies"),
        ("192.0.2.2, 127.0.0.9", 429, "two proxies, and one that has come by one of them"),
        ("::ffff:192.0.2.1", 429, "the same, as an IPv6 socket writes it"),
    ] {
        assert_eq!(from(&service, forwarded).await, status, "{forwarded}: {why}");
    }

    for trusted in [&[][..], &["192.0.2.0/24"]] {
        let service = Service::with(by_address(1, trusted)).await;
        assert_eq!(from(&service, "192.0.2.1").await, 401);
        assert_eq!(from(&service, "198.51.100.7").await, 429, "{trusted:?}: it is the peer, whatever it writes");
    }
}

#[tokio::test]
async fn a_whole_ipv6_network_is_one_address() {
    let service = Service::with(by_address(1, LOOPBACK)).await;
    for (forwarded, status) in [
        ("2001:db8:0:1::1", 401),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", 429),
        ("2001:db8:0:1:8000::", 429),
        ("2001:db8:0:2::1", 401),
        ("2001:db8:0:0:ffff::1", 401),
    ] {
        assert_eq!(from(&service, forwarded).await, status, "{forwarded}");
    }
}
