//! The audit event: one line on standard error for every `POST /chat-token` past the session, with every member.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use usher::sandbox::{Fault, Times};

use super::{channels, served, session_of};
use crate::support::{PROJECT, send};

const POLICY: &str = r#"version = 1
[member]
state = { name = "{name}" }
client_state = ["status"]
[roles.customer]
claimed_as = ["customer", "buyer"]
[roles.customer.channels]
"announcements" = ["read"]
"support:{sub}" = ["read", "write"]
"team:{/org/id}" = ["read"]
[roles.muted.deny]
"**" = ["write"]
[blocked]
members = ["mallory"]
"#;

const MEMBERS: [&str; 27] = [
    "address",
    "asked",
    "claims",
    "code",
    "decided_at",
    "decision_id",
    "denied",
    "event",
    "granted",
    "issuer",
    "member_id",
    "mode",
    "outcome",
    "policy_sha256",
    "reason",
    "request_id",
    "roles",
    "roles_claimed",
    "session_ends",
    "subject",
    "time",
    "token_sha256",
    "ttl",
    "ttl_asked",
    "ttl_limited_by",
    "upstream_ms",
    "upstream_status",
];

#[test]
fn every_member_is_explained_in_the_docs() {
    let docs = include_str!("../../docs/logging.md");
    let table = docs.split("## The audit event").nth(1).unwrap();
    let rows: String = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next()).collect();
    for member in MEMBERS {
        assert!(rows.contains(member), "{member}: {rows}");
    }
}

fn hex(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

fn alice(roles: &[&str]) -> String {
    let more = json!({"name": "Alice", "org": {"id": 7, "secret": "x"}, "email": "alice@example.com"});
    session_of("alice", roles, 3_600, &more)
}

/// That all members are there, and these of them have these values.
fn assert_event(event: &Value, expected: &Value) {
    assert_eq!(event.as_object().unwrap().keys().collect::<Vec<_>>(), MEMBERS, "{event}");
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&event[member], value, "{member} of {event}");
    }
    assert_eq!((&event["policy_sha256"], &event["address"]), (&json!(hex(POLICY)), &json!("127.0.0.1")));
}

#[tokio::test]
async fn a_grant_leaves_the_whole_decision() {
    let served = served(POLICY, &[]).await;
    let asked = channels(&json!({"support:alice": "rw", "team:7": "r"}));
    let body = json!({"channels": asked, "ttl": 20, "state": {"status": "away"}});
    let answer = served.post_with_id("one", &alice(&["buyer", "stranger", "muted-not"]), &body).await.json();
    let token = answer["token"].as_str().unwrap();
    assert_eq!(served.sandbox.decode(token).unwrap()["payload"]["sub"], PROJECT);
    let event = served.running.event("one").await;
    let expected = json!({
        "event": "audit", "outcome": "granted", "code": null, "reason": null, "issuer": "app", "member_id": "alice",
        "subject": "alice", "claims": {"sub": "alice", "name": "Alice", "/org/id": 7},
        "roles_claimed": ["buyer", "stranger", "muted-not"], "roles": ["customer"], "mode": "strict", "asked": asked,
        "granted": asked, "denied": [], "ttl_asked": 20, "ttl": 20, "ttl_limited_by": "request", "upstream_status": 200,
        "token_sha256": hex(token),
    });
    assert_event(&event, &expected);
    assert!(event["upstream_ms"].as_u64().is_some_and(|millis| millis < 10_000), "{event}");
    assert!(uuid::Uuid::parse_str(event["decision_id"].as_str().unwrap()).is_ok(), "{event}");
    for time in ["time", "decided_at", "session_ends"] {
        let text = event[time].as_str().unwrap();
        assert!(text.starts_with("20") && text.ends_with('Z') && text.as_bytes()[10] == b'T', "{time}: {text}");
    }
}

#[tokio::test]
async fn what_narrow_leaves_out_is_told_with_the_rule_or_null() {
    let served = served(POLICY, &[]).await;
    let asked = channels(&json!({"support:alice": "rw", "zoo": "r", "announcements": "r"}));
    let body = json!({"channels": asked, "mode": "narrow"});
    assert_eq!(served.post_with_id("one", &alice(&["customer", "muted"]), &body).await.status, 200);
    let denied = json!([
        {"channel": "support:alice", "permission": "write", "role": "muted", "pattern": "**"},
        {"channel": "zoo", "permission": "read", "role": null, "pattern": null},
    ]);
    let expected = json!({
        "outcome": "narrowed", "code": null, "mode": "narrow", "asked": asked, "denied": denied,
        "granted": channels(&json!({"support:alice": "r", "announcements": "r"})), "roles": ["customer", "muted"],
        "ttl_asked": null, "ttl": 15, "ttl_limited_by": "default", "upstream_status": 200,
    });
    assert_event(&served.running.event("one").await, &expected);

    assert_eq!(
        served.post_with_id("two", &alice(&["customer", "muted"]), &json!({"channels": asked})).await.status,
        403
    );
    let expected = json!({
        "outcome": "denied", "code": "channels_denied", "mode": "strict", "asked": asked, "granted": null,
        "denied": denied, "ttl": null, "ttl_limited_by": null, "upstream_status": null, "upstream_ms": null,
        "token_sha256": null,
    });
    assert_event(&served.running.event("two").await, &expected);

    let all = json!({"channels": channels(&json!({"announcements": "r"})), "mode": "narrow"});
    assert_eq!(served.post_with_id("three", &alice(&["customer"]), &all).await.status, 200);
    assert_event(&served.running.event("three").await, &json!({"outcome": "granted", "mode": "narrow", "denied": []}));

    assert_eq!(served.post_with_id("four", &alice(&["customer", "muted"]), &json!({})).await.status, 200);
    let expected = json!({"outcome": "granted", "asked": null, "denied": [
        {"channel": "support:alice", "permission": "write", "role": "muted", "pattern": "**"},
    ]});
    assert_event(&served.running.event("four").await, &expected);
}

#[tokio::test]
async fn a_refusal_before_the_decision_leaves_an_event_without_one() {
    let served = served(POLICY, &[("USHER__LIMITS__PER_MEMBER", "{rate = \"1/h\", burst = 1}")]).await;
    let session = |sub: &str| session_of(sub, &["customer"], 3_600, &json!({}));
    for (id, sub, body, status, code, member) in [
        ("blocked", "mallory", json!({}), 403, "session_revoked", json!("mallory")),
        ("no-member", "a b", json!({}), 403, "nothing_granted", json!(null)),
        ("faulty", "bob", json!({"ttl": 0}), 422, "invalid_request", json!("bob")),
        ("too-often", "bob", json!({}), 429, "rate_limited", json!("bob")),
    ] {
        assert_eq!(served.post_with_id(id, &session(sub), &body).await.status, status, "{id}");
        let expected = json!({
            "outcome": "denied", "code": code, "member_id": member, "subject": sub, "issuer": "app",
            "decision_id": null, "decided_at": null, "mode": null, "asked": null, "granted": null, "denied": null,
            "roles": null, "roles_claimed": ["customer"], "ttl": null, "upstream_status": null, "token_sha256": null,
        });
        assert_event(&served.running.event(id).await, &expected);
    }
    // What the policy reads and the session lacks is null: told from what it does not read.
    assert_eq!(
        served.running.event("blocked").await["claims"],
        json!({"sub": "mallory", "name": null, "/org/id": null})
    );
    let reason = served.running.event("no-member").await["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("`sub`"), "{reason}");
    assert_eq!(served.running.event("blocked").await["reason"], json!(null));
    assert_eq!(served.post_with_id("unaffected", &session("carol"), &json!({})).await.status, 200);
}

#[tokio::test]
async fn a_decision_that_signalwire_does_not_follow_has_failed() {
    let served = served(POLICY, &[("USHER__SIGNALWIRE__TIMEOUT", "1s")]).await;
    let body = |status: u16, text: &str| Fault::Body { status, body: text.to_owned() };
    for (id, fault, status, code, upstream) in [
        ("refused", Fault::Status(401), 502, "upstream_failed", json!(401)),
        ("invalid", Fault::Status(422), 502, "upstream_failed", json!(422)),
        ("failing", Fault::Status(503), 503, "upstream_unavailable", json!(503)),
        ("limited", Fault::Status(429), 503, "upstream_unavailable", json!(429)),
        ("page", Fault::Html(200), 502, "upstream_failed", json!(200)),
        ("empty", body(201, "{\"token\":\"\"}"), 502, "upstream_failed", json!(201)),
        ("oversize", Fault::Oversize(3 << 20), 502, "upstream_failed", json!(200)),
        ("cut", Fault::Cut, 503, "upstream_unavailable", json!(null)),
        ("hang", Fault::Hang, 504, "upstream_timeout", json!(null)),
    ] {
        served.sandbox.fail(fault, Times::Always);
        assert_eq!(served.post_with_id(id, &alice(&["customer"]), &json!({"ttl": 5})).await.status, status, "{id}");
        served.sandbox.heal();
        let event = served.running.event(id).await;
        let expected = json!({
            "outcome": "failed", "code": code, "upstream_status": upstream, "token_sha256": null, "ttl": 5,
            "granted": channels(&json!({"announcements": "r", "support:alice": "rw", "team:7": "r"})),
        });
        assert_event(&event, &expected);
        assert!(event["decision_id"].is_string() && event["upstream_ms"].is_u64(), "{event}");
    }
}

#[tokio::test]
async fn a_guests_event_has_no_issuer_and_no_subject() {
    let policy = format!("{POLICY}[guest]\nrole = \"customer\"\n");
    let served = served(&policy, &[]).await;
    let request = served.request(reqwest::Method::POST, "/chat-token").header("x-request-id", "guest");
    let answer = send(request).await.json();
    let event = served.running.event("guest").await;
    for member in ["issuer", "subject", "session_ends"] {
        assert_eq!(event[member], json!(null), "{member}: {event}");
    }
    assert_eq!((&event["outcome"], &event["member_id"]), (&json!("granted"), &answer["member_id"]));
    assert_eq!((&event["claims"], &event["roles"]), (&json!({}), &json!(["customer"])));
}
