//! What is minted, strict, narrow and where nothing is named: the answer, and what reached SignalWire.

use serde_json::{Value, json};

use super::{channels, session_of};
use crate::support::keys::{at, now, session};
use crate::support::service::{POLICY, Service};

/// What the sandbox got last, as JSON.
fn last_body(service: &Service) -> Value {
    let last = service.sandbox.received().pop().unwrap();
    assert!(last.authorized, "the credentials were right");
    assert_eq!((last.method.as_str(), last.path.as_str()), ("POST", "/api/chat/tokens"));
    assert_eq!(last.content_type.as_deref(), Some("application/json"));
    serde_json::from_str(&last.body).unwrap()
}

/// The time that an answer names, which must be one of these seconds.
fn seconds(named: &Value, mut among: std::ops::RangeInclusive<i64>) -> i64 {
    let found = among.find(|second| usher::telemetry::clock::rfc3339(at(*second)) == named.as_str().unwrap());
    found.unwrap_or_else(|| panic!("{named}"))
}

#[tokio::test]
async fn strict_mints_exactly_what_was_asked_and_sends_nothing_else() {
    let service = Service::start().await;
    let alice = session_of("alice", &["customer"], 3_600, &json!({"name": "Alice", "email": "alice@example.com"}));
    let asked = json!({"announcements": "r", "support:alice": "w"});
    let body = json!({"channels": channels(&asked), "ttl": 7, "state": {"status": "away"}, "member_id": "alice",
                      "mode": "strict"});
    let (status, answer) = service.post(&alice, Some(&body)).await.read();
    assert_eq!(status, 200, "{answer}");
    let expected = json!({
        "ttl": 7,
        "channels": {"announcements": {"read": true, "write": false}, "support:alice": {"read": false, "write": true}},
        "member_id": "alice",
        "state": {"name": "Alice", "status": "away"},
    });
    assert_eq!(last_body(&service), expected);
    assert_eq!(answer["channels"], expected["channels"]);
    assert_eq!(answer["ttl_limited_by"], "request");
    assert_eq!(service.sandbox.received().len(), 1);
}

#[tokio::test]
async fn an_answer_has_these_members_and_promises_no_more_than_there_is() {
    let service = Service::start().await;
    let before = now();
    let (status, answer) = service.post(&session("alice", &["customer"]), None).await.read();
    let after = now();
    assert_eq!(status, 200);
    let members: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["channels", "expires_at", "expires_in", "member_id", "refresh_in", "token", "ttl_limited_by"];
    assert_eq!(members, expected);
    assert_eq!(answer["member_id"], "alice");
    assert_eq!(answer["ttl_limited_by"], "default");
    let ends = seconds(&answer["expires_at"], before + 900..=after + 900);
    let expires_in = answer["expires_in"].as_i64().unwrap();
    assert!((ends - after - 1..=ends - before).contains(&expires_in), "{answer}");
    assert!(expires_in <= 900, "{answer}");
    // Never more than the token really has: SignalWire counts from when it minted it, which is later than the request.
    let payload = service.payload(&answer);
    assert!(ends <= payload["iat"].as_i64().unwrap() + 60 * payload["t"].as_i64().unwrap(), "{answer} {payload}");
    assert_eq!(payload["m"], "alice");
}

#[tokio::test]
async fn a_client_comes_back_at_a_random_share_of_what_is_left() {
    let service = Service::start().await;
    let alice = session("alice", &["customer"]);
    let mut seen = std::collections::BTreeSet::new();
    for ttl in std::iter::repeat_n(60, 12) {
        let (_, answer) = service.post(&alice, Some(&json!({"ttl": ttl - 1}))).await.read();
        let (expires, refresh) = (answer["expires_in"].as_i64().unwrap(), answer["refresh_in"].as_i64().unwrap());
        let left = expires - 120;
        assert!((left * 8 / 10..=left).contains(&refresh), "{answer}");
        seen.insert(refresh);
    }
    assert!(seen.len() > 3, "they all come back together: {seen:?}");
    let (_, answer) = service.post(&alice, Some(&json!({"ttl": 3}))).await.read();
    let refresh = answer["refresh_in"].as_i64().unwrap();
    assert!((30..=60).contains(&refresh), "{answer}");
}

#[tokio::test]
async fn nobody_comes_back_sooner_than_in_30_s() {
    let service = Service::with_policy(&format!("{POLICY}\n[ttl]\nmin = \"1m\"\n")).await;
    for ttl in [1, 2] {
        let (_, answer) = service.post(&session("alice", &["customer"]), Some(&json!({"ttl": ttl}))).await.read();
        assert_eq!(answer["refresh_in"], 30, "{answer}");
    }
}

#[tokio::test]
async fn what_limits_a_ttl_is_named_the_first_of_equals() {
    let policy = "version = 1\n[ttl]\ndefault = \"20m\"\nmax = \"2h\"\n[roles.customer]\nmax_ttl = \"30m\"\n\
                  [roles.customer.channels]\n\"a\" = [\"read\"]\n[roles.long.channels]\n\"b\" = [\"read\"]\n";
    let service = Service::with_policy(policy).await;
    for (case, role, lives_for, body, ttl, by) in [
        ("asked", "customer", 36_000, json!({"ttl": 10}), 10, "request"),
        ("the default", "customer", 36_000, json!({}), 20, "default"),
        ("a role's cap", "customer", 36_000, json!({"ttl": 60}), 30, "policy"),
        ("the policy's max", "long", 36_000, json!({"ttl": 1_000}), 120, "policy"),
        ("the session", "long", 605, json!({"ttl": 60}), 9, "session"),
        ("the session and the default", "long", 605, json!({}), 9, "session"),
        ("asked, and the cap", "customer", 36_000, json!({"ttl": 30}), 30, "request"),
    ] {
        let (status, answer) =
            service.post(&session_of("alice", &[role], lives_for, &json!({})), Some(&body)).await.read();
        assert_eq!(status, 200, "{case}: {answer}");
        assert_eq!((&answer["ttl_limited_by"], &service.payload(&answer)["t"]), (&json!(by), &json!(ttl)), "{case}");
    }
}

#[tokio::test]
async fn strict_refuses_all_for_one_right_too_many_and_names_every_one() {
    let service = Service::start().await;
    let asked = json!({"zoo": "rw", "announcements": "rw", "support:alice": "rw", "support:bob": "w"});
    let muted = session("alice", &["customer", "muted"]);
    let (status, answer) = service.post(&muted, Some(&json!({"channels": channels(&asked)}))).await.read();
    assert_eq!((status, &answer["code"]), (403, &json!("channels_denied")));
    let expected = json!([
        {"channel": "announcements", "permissions": ["write"], "reason": "not_allowed"},
        {"channel": "support:alice", "permissions": ["write"], "reason": "not_allowed"},
        {"channel": "support:bob", "permissions": ["write"], "reason": "not_allowed"},
        {"channel": "zoo", "permissions": ["read", "write"], "reason": "not_allowed"},
    ]);
    assert_eq!(answer["denied"], expected);
    assert!(service.sandbox.received().is_empty());
}

#[tokio::test]
async fn narrow_mints_what_is_allowed_and_tells_the_rest() {
    let service = Service::start().await;
    let alice = session("alice", &["customer"]);
    let asked = json!({"zoo": "rw", "announcements": "rw", "support:alice": "rw"});
    let (status, answer) =
        service.post(&alice, Some(&json!({"channels": channels(&asked), "mode": "narrow"}))).await.read();
    assert_eq!(status, 200, "{answer}");
    let granted = channels(&json!({"announcements": "r", "support:alice": "rw"}));
    assert_eq!(answer["channels"], granted);
    assert_eq!(last_body(&service)["channels"], granted);
    let expected = json!([
        {"channel": "announcements", "permissions": ["write"], "reason": "not_allowed"},
        {"channel": "zoo", "permissions": ["read", "write"], "reason": "not_allowed"},
    ]);
    assert_eq!(answer["denied"], expected);

    let all = json!({"channels": channels(&json!({"announcements": "r"})), "mode": "narrow"});
    let (status, answer) = service.post(&alice, Some(&all)).await.read();
    assert_eq!(status, 200);
    assert!(answer.get("denied").is_none(), "{answer}");

    let none = json!({"channels": channels(&json!({"zoo": "r", "announcements": "w"})), "mode": "narrow"});
    let (status, answer) = service.post(&alice, Some(&none)).await.read();
    assert_eq!((status, &answer["code"]), (403, &json!("nothing_granted")));
    assert!(answer.get("denied").is_none(), "{answer}");
}

#[tokio::test]
async fn who_names_nothing_gets_what_is_granted_by_a_concrete_name() {
    let service = Service::start().await;
    for body in [None, Some(json!({})), Some(json!({"mode": "narrow"}))] {
        let (status, answer) =
            service.post(&session("alice", &["customer", "agent", "muted"]), body.as_ref()).await.read();
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["channels"], channels(&json!({"announcements": "r", "support:alice": "r"})));
        assert_eq!(last_body(&service)["channels"], answer["channels"]);
        assert!(answer.get("denied").is_none(), "nothing was asked for, so nothing is refused: {answer}");
    }
    for (case, roles) in [("only a wildcard", "agent"), ("only a deny", "muted"), ("no known role", "stranger")] {
        let (status, answer) = service.post(&session("alice", &[roles]), None).await.read();
        assert_eq!((status, &answer["code"]), (403, &json!("nothing_granted")), "{case}");
    }
}

#[tokio::test]
async fn more_than_500_channels_are_never_cut() {
    let policy = "version = 1\n[roles.customer.channels]\n\"project:{/projects}\" = [\"read\"]\n";
    let service = Service::with_policy(policy).await;
    let of =
        |count: usize| session_of("a", &["customer"], 3_600, &json!({"projects": (1..=count).collect::<Vec<_>>()}));
    let (status, answer) = service.post(&of(500), None).await.read();
    assert_eq!((status, answer["channels"].as_object().unwrap().len()), (200, 500));
    service.one_fault("501", &of(501), "{}", "/channels", "channel_size_limit_exceeded").await;
    service.taken("by name", &of(501), json!({"channels": {"project:501": {"read": true}}}).to_string()).await;
}

#[tokio::test]
async fn a_guest_is_another_member_for_each_token() {
    let service = Service::with_policy(&format!("{POLICY}\n[guest]\nrole = \"customer\"\nmax_ttl = \"10m\"\n")).await;
    let mut members = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let answer = service.request(reqwest::Method::POST, "/chat-token").send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["channels"], channels(&json!({"announcements": "r"})), "{answer}");
        assert_eq!(answer["ttl_limited_by"], "policy");
        assert_eq!(last_body(&service)["member_id"], answer["member_id"]);
        let member = answer["member_id"].as_str().unwrap().to_owned();
        assert!(uuid::Uuid::parse_str(member.strip_prefix("guest-").unwrap()).is_ok(), "{member}");
        members.insert(member);
    }
    assert_eq!(members.len(), 3);
}
