//! `ttl`, `state`, `member_id`, `mode`, and members that there are not.

use serde_json::{Value, json};

use super::session_of;
use crate::support::send;
use crate::support::service::{POLICY, Service, Setup};
use crate::support::session;

const DAY: i64 = 24 * 3_600;

#[tokio::test]
async fn a_ttl_is_1_to_43200_minutes_written_as_an_integer() {
    let policy = format!("{POLICY}\n[ttl]\nmin = \"1m\"\nmax = \"30d\"\n");
    let service = Service::with_policy(&policy).await;
    let alice = session_of("alice", &["customer"], 31 * DAY, &json!({}));
    for ttl in [1, 2, 43_199, 43_200] {
        let payload = service.taken("in range", &alice, json!({"ttl": ttl}).to_string()).await;
        assert_eq!(payload["t"], ttl);
    }
    for (ttl, code) in [
        ("0", "out_of_range"),
        ("-0", "out_of_range"),
        ("-1", "out_of_range"),
        ("43201", "out_of_range"),
        ("4294967297", "out_of_range"),
        ("18446744073709551617", "out_of_range"),
        ("-9223372036854775809", "out_of_range"),
        ("100000000000000000000000000000000", "out_of_range"),
        ("1.0", "wrong_type"),
        ("15.5", "wrong_type"),
        ("1e1", "wrong_type"),
        ("1E1", "wrong_type"),
        ("\"5\"", "wrong_type"),
        ("null", "wrong_type"),
        ("true", "wrong_type"),
        ("[5]", "wrong_type"),
        ("{}", "wrong_type"),
    ] {
        service.one_fault(ttl, &alice, format!("{{\"state\": {{}}, \"ttl\": {ttl} }}"), "/ttl", code).await;
    }
}

#[tokio::test]
async fn a_ttl_under_the_policys_least_is_too_small() {
    let service = Service::start().await;
    let alice = session("alice", &["customer"]);
    service.one_fault("2", &alice, "{\"ttl\": 2}", "/ttl", "ttl_too_small").await;
    service.one_fault("1", &alice, "{\"ttl\": 1}", "/ttl", "ttl_too_small").await;
    assert_eq!(service.taken("3", &alice, "{\"ttl\": 3}").await["t"], 3);
}

#[tokio::test]
async fn the_state_takes_only_the_keys_that_the_policy_lets_a_client_set() {
    let service = Service::start().await;
    let alice = session_of("alice", &["customer"], 3_600, &json!({"name": "Alice"}));
    for (state, expected) in [
        (json!({}), json!({"name": "Alice"})),
        (json!({"status": "away"}), json!({"name": "Alice", "status": "away"})),
        (json!({"status": null}), json!({"name": "Alice", "status": null})),
        (
            json!({"status": {"any": [1, {"depth": 2.5}]}}),
            json!({"name": "Alice", "status": {"any": [1, {"depth": 2.5}]}}),
        ),
    ] {
        let payload = service.taken(&state.to_string(), &alice, json!({"state": state}).to_string()).await;
        assert_eq!(payload["stt"], expected);
    }
    for (state, pointer) in [
        (json!({"name": "Mallory"}), "/state/name"),
        (json!({"Status": "away"}), "/state/Status"),
        (json!({"a/b~c": 1}), "/state/a~1b~0c"),
        (json!({"": 1}), "/state/"),
    ] {
        let body = json!({"state": state}).to_string();
        service.one_fault(&body, &alice, body.clone(), pointer, "state_key_not_allowed").await;
    }
    for state in [json!(null), json!([]), json!("status"), json!(1), json!(false)] {
        let body = json!({"state": state}).to_string();
        service.one_fault(&body, &alice, body.clone(), "/state", "wrong_type").await;
    }
}

#[tokio::test]
async fn the_state_has_2000_characters_with_the_servers_part() {
    let service = Service::start().await;
    let alice = session_of("alice", &["customer"], 3_600, &json!({"name": "José"}));
    let around = json!({"name": "José", "status": ""}).to_string().chars().count();
    let state = |chars: usize| json!({"state": {"status": "é".repeat(chars - around)}}).to_string();
    let payload = service.taken("2000", &alice, state(2_000)).await;
    assert_eq!(payload["stt"].to_string().chars().count(), 2_000);
    service.one_fault("2001", &alice, state(2_001), "/state", "state_size_limit_exceeded").await;
    let nobody = session("alice", &["customer"]);
    let payload = service.taken("without the server's part", &nobody, state(2_001)).await;
    assert_eq!(payload["stt"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_member_id_is_the_sessions_own_or_none() {
    let policy =
        format!("{}\n[guest]\nrole = \"customer\"\n", POLICY.replace("[member]", "[member]\nid = \"user:{sub}\""));
    let service = Service::with_policy(&policy).await;
    let alice = session("alice", &["customer"]);
    assert_eq!(service.taken("own", &alice, "{\"member_id\": \"user:alice\"}").await["m"], "user:alice");
    assert_eq!(service.taken("none", &alice, "{}").await["m"], "user:alice");
    for other in ["alice", "user:bob", "user:Alice", "user:alice ", "", "guest-x"] {
        let body = json!({"member_id": other}).to_string();
        service.one_fault(&body, &alice, body.clone(), "/member_id", "member_id_mismatch").await;
    }
    for other in [json!(null), json!(1), json!(["user:alice"]), json!({}), json!(true)] {
        let body = json!({"member_id": other}).to_string();
        service.one_fault(&body, &alice, body.clone(), "/member_id", "wrong_type").await;
    }
    let request = service.request(reqwest::Method::POST, "/chat-token").json(&json!({"member_id": "guest-1"}));
    let (status, answer) = send(request).await.read();
    assert_eq!((status, &answer["errors"][0]["code"]), (422, &json!("member_id_mismatch")), "a guest: {answer}");
}

#[tokio::test]
async fn a_mode_is_strict_or_narrow() {
    let service = Service::start().await;
    let alice = session("alice", &["customer"]);
    for mode in ["strict", "narrow"] {
        service.taken(mode, &alice, json!({"mode": mode}).to_string()).await;
    }
    for (mode, code) in [
        (json!("Narrow"), "out_of_range"),
        (json!(""), "out_of_range"),
        (json!("wide"), "out_of_range"),
        (json!(null), "wrong_type"),
        (json!(1), "wrong_type"),
        (json!(["narrow"]), "wrong_type"),
    ] {
        let body = json!({"mode": mode}).to_string();
        service.one_fault(&body, &alice, body.clone(), "/mode", code).await;
    }
}

#[tokio::test]
async fn narrow_that_is_switched_off_is_a_fault_even_where_all_is_granted() {
    let service = Service::with(Setup { narrow: false, ..Setup::default() }).await;
    let alice = session("alice", &["customer"]);
    for body in
        ["{\"mode\": \"narrow\"}", "{\"mode\": \"narrow\", \"channels\": {\"announcements\": {\"read\": true}}}"]
    {
        service.one_fault(body, &alice, body, "/mode", "mode_not_enabled").await;
    }
    service.taken("strict", &alice, "{\"mode\": \"strict\"}").await;
}

#[tokio::test]
async fn any_other_member_is_refused() {
    let service = Service::start().await;
    let alice = session("alice", &["customer"]);
    for name in ["chanels", "Channels", "memberId", "member-id", "TTL", "expires_in", "denied"] {
        let body = json!({name: Value::Null}).to_string();
        service.one_fault(name, &alice, body, &format!("/{name}"), "unknown_member").await;
    }
    service.taken("none", &alice, "{}").await;
}

#[tokio::test]
async fn a_request_is_an_object() {
    let service = Service::start().await;
    for body in ["[]", "null", "true", "5", "\"channels\"", "[{}]"] {
        service.one_fault(body, &session("alice", &["customer"]), body, "", "wrong_type").await;
    }
}
