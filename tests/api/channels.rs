//! `channels`: what may be asked for, and what each fault of it is called.

use serde_json::{Value, json};

use super::channels;
use crate::support::service::Service;
use crate::support::session;

fn asking(name: &str, rights: &Value) -> String {
    json!({"channels": {name: rights}}).to_string()
}

#[tokio::test]
async fn a_name_has_1_to_250_characters_of_which_few_are_refused() {
    let service = Service::start().await;
    let agent = session("alice", &["agent"]);
    for (case, name) in [
        ("one more character", "support:a".to_owned()),
        ("250 characters, over 250 bytes", format!("support:{}", "é".repeat(242))),
        ("250 characters beyond the BMP", format!("support:{}", "😀".repeat(242))),
        ("inner white space", "support:a b\u{a0}c\u{3000}d".to_owned()),
        ("what a pointer escapes", "support:a~b/c".to_owned()),
        ("format characters are no control", "support:a\u{200b}b\u{202e}c".to_owned()),
        ("`sw_` further on", "support:sw_".to_owned()),
        ("quotes and backslashes", "support:\"\\".to_owned()),
    ] {
        let payload = service.taken(case, &agent, asking(&name, &json!({"read": true}))).await;
        assert_eq!(payload["chls"], json!({name: {"read": true, "write": false}}), "{case}");
    }
    let invalid = "channel_name_is_invalid";
    for (case, name, code) in [
        ("empty", String::new(), invalid),
        ("251 characters", "a".repeat(251), "channel_name_size_limit_exceeded"),
        ("251 characters, not ASCII", format!("support:{}", "é".repeat(243)), "channel_name_size_limit_exceeded"),
        ("reserved", "sw_x".to_owned(), "channel_name_is_reserved"),
        ("nothing but reserved", "sw_".to_owned(), "channel_name_is_reserved"),
        ("NUL", "support:a\u{0}b".to_owned(), invalid),
        ("a line's end", "support:a\nb".to_owned(), invalid),
        ("DEL", "support:a\u{7f}".to_owned(), invalid),
        ("C1", "support:a\u{85}b".to_owned(), invalid),
        ("U+2028", "support:a\u{2028}b".to_owned(), invalid),
        ("U+2029", "support:a\u{2029}b".to_owned(), invalid),
        ("a space before", " support:a".to_owned(), invalid),
        ("a space after", "support:a ".to_owned(), invalid),
        ("U+3000 before", "\u{3000}a".to_owned(), invalid),
        ("U+00A0 after", "support:a\u{a0}".to_owned(), invalid),
        ("an asterisk", "support:*".to_owned(), invalid),
        ("a brace", "support:{sub".to_owned(), invalid),
        ("the other brace", "support:sub}".to_owned(), invalid),
    ] {
        let pointer = format!("/channels/{name}");
        service.one_fault(case, &agent, asking(&name, &json!({"read": true})), &pointer, code).await;
    }
}

#[tokio::test]
async fn a_name_that_only_looks_reserved_is_no_fault() {
    let service = Service::start().await;
    for name in ["sw", "SW_x", "swx", "a:sw_x"] {
        let (status, answer) = service
            .post(&session("alice", &["agent"]), Some(&json!({"channels": channels(&json!({name: "r"}))})))
            .await
            .read();
        assert_eq!((status, &answer["code"]), (403, &json!("channels_denied")), "{name}");
    }
}

#[tokio::test]
async fn a_name_may_have_several_faults_and_its_rights_another() {
    let service = Service::start().await;
    let name = format!("sw_{}*\u{1}", "a".repeat(250));
    let faults = service.faults("all", &session("alice", &["agent"]), asking(&name, &json!({"read": 1}))).await;
    let codes: Vec<&str> = faults.iter().map(|(_, code)| code.as_str()).collect();
    let expected = [
        "channel_name_is_invalid",
        "channel_name_is_invalid",
        "channel_name_is_reserved",
        "channel_name_size_limit_exceeded",
        "wrong_type",
    ];
    assert_eq!(codes, expected);
}

#[tokio::test]
async fn channels_is_an_object_of_1_to_500_names() {
    let service = Service::start().await;
    let agent = session("alice", &["agent"]);
    let many = |count: usize| {
        let names = (0..count).map(|index| (format!("support:{index}"), json!({"read": true})));
        json!({"channels": Value::Object(names.collect())}).to_string()
    };
    assert_eq!(service.taken("1", &agent, many(1)).await["chls"].as_object().unwrap().len(), 1);
    assert_eq!(service.taken("500", &agent, many(500)).await["chls"].as_object().unwrap().len(), 500);
    service.one_fault("501", &agent, many(501), "/channels", "channel_size_limit_exceeded").await;
    service.one_fault("none", &agent, many(0), "/channels", "missing_required_parameter").await;
    for other in [json!(null), json!([]), json!(["support:a"]), json!("support:a"), json!(1), json!(true)] {
        let body = json!({"channels": other}).to_string();
        service.one_fault(&body, &agent, body.clone(), "/channels", "wrong_type").await;
    }
}

#[tokio::test]
async fn a_channel_asks_for_at_least_one_right_by_booleans() {
    let service = Service::start().await;
    let agent = session("alice", &["agent"]);
    for (rights, read, write) in [
        (json!({"read": true}), true, false),
        (json!({"write": true}), false, true),
        (json!({"read": true, "write": false}), true, false),
        (json!({"read": false, "write": true}), false, true),
        (json!({"read": true, "write": true}), true, true),
    ] {
        let payload = service.taken(&rights.to_string(), &agent, asking("support:a", &rights)).await;
        assert_eq!(payload["chls"], json!({"support:a": {"read": read, "write": write}}), "{rights}");
    }
    let channel = "/channels/support:a";
    let missing = "channel_has_missing_properties";
    for (rights, pointer, code) in [
        (json!({}), channel.to_owned(), missing),
        (json!({"read": false}), channel.to_owned(), missing),
        (json!({"read": false, "write": false}), channel.to_owned(), missing),
        (json!(null), channel.to_owned(), "wrong_type"),
        (json!(true), channel.to_owned(), "wrong_type"),
        (json!("read"), channel.to_owned(), "wrong_type"),
        (json!(["read"]), channel.to_owned(), "wrong_type"),
        (json!({"read": null}), format!("{channel}/read"), "wrong_type"),
        (json!({"read": 1}), format!("{channel}/read"), "wrong_type"),
        (json!({"read": true, "write": "true"}), format!("{channel}/write"), "wrong_type"),
        (json!({"read": true, "write": null}), format!("{channel}/write"), "wrong_type"),
        (json!({"read": true, "admin": true}), format!("{channel}/admin"), "unknown_member"),
        (json!({"read": true, "Write": false}), format!("{channel}/Write"), "unknown_member"),
    ] {
        let body = asking("support:a", &rights);
        service.one_fault(&body, &agent, body.clone(), &pointer, code).await;
    }
}

#[tokio::test]
async fn a_pointer_escapes_what_rfc_6901_does() {
    let service = Service::start().await;
    let agent = session("alice", &["agent"]);
    let body = json!({"channels": {"a/b~c~1": {"read": true, "x/y~": 1}}}).to_string();
    service.one_fault("in a channel", &agent, body, "/channels/a~1b~0c~01/x~1y~0", "unknown_member").await;
    service.one_fault("at the top", &agent, "{\"a/b\": 1}", "/a~1b", "unknown_member").await;
    service.one_fault("an empty name", &agent, "{\"\": 1}", "/", "unknown_member").await;
}

#[tokio::test]
async fn every_fault_is_told_at_once() {
    let service = Service::start().await;
    let body = json!({
        "channels": {"sw_a": {"read": true}, "b": {}, "c/d": {"read": "x", "push": true}, "e": null},
        "ttl": 1, "state": {"name": "Mallory", "status": "ok", "vip": true},
        "member_id": "bob", "mode": "wide", "scope": "all",
    });
    let faults = service.faults("all", &session("alice", &["agent"]), body.to_string()).await;
    let expected = [
        ("/channels/b", "channel_has_missing_properties"),
        ("/channels/c~1d/push", "unknown_member"),
        ("/channels/c~1d/read", "wrong_type"),
        ("/channels/e", "wrong_type"),
        ("/channels/sw_a", "channel_name_is_reserved"),
        ("/member_id", "member_id_mismatch"),
        ("/mode", "out_of_range"),
        ("/scope", "unknown_member"),
        ("/state/name", "state_key_not_allowed"),
        ("/state/vip", "state_key_not_allowed"),
        ("/ttl", "ttl_too_small"),
    ];
    let faults: Vec<_> = faults.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
    assert_eq!(faults, expected);
}

#[tokio::test]
async fn at_most_100_faults_are_listed_and_then_one_that_says_so() {
    let service = Service::start().await;
    let alice = session("alice", &["agent"]);
    let faulty = |count: usize| {
        let members = (0..count).map(|index| (format!("member-{index:03}"), json!(1)));
        Value::Object(members.collect()).to_string()
    };
    let hundred = service.faults("100", &alice, faulty(100)).await;
    assert_eq!(hundred.len(), 100);
    assert!(hundred.iter().all(|(_, code)| code == "unknown_member"));
    for count in [101, 900] {
        let (_, answer) = service.post_text(&alice, faulty(count)).await.read();
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 101, "{count}");
        assert_eq!((&errors[100]["code"], &errors[100]["pointer"]), (&json!("more_errors"), &json!("")), "{count}");
        assert!(errors[..100].iter().all(|error| error["code"] == "unknown_member"), "{count}");
    }
}
