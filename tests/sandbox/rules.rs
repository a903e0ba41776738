//! The rules for a body: each at its limit and past it.

use serde_json::{Map, Value, json};

use super::{Running, valid_but, with_channel};

/// Characters of one, two, three and four bytes, of which `count` are many more bytes.
fn wide(count: usize) -> String {
    "é漢🦀a".chars().cycle().take(count).collect()
}

fn state_of(characters: usize) -> Value {
    let state = json!({"k": wide(characters - r#"{"k":""}"#.len())});
    assert_eq!(state.to_string().chars().count(), characters);
    state
}

fn channels(count: usize) -> Value {
    let channels: Map<String, Value> = (0..count).map(|n| (format!("c{n}"), json!({"write": true}))).collect();
    Value::Object(channels)
}

#[tokio::test]
async fn an_empty_object_lacks_ttl_and_channels() {
    let running = Running::start().await;
    let missing = "missing_required_parameter".to_owned();
    assert_eq!(
        running.errors(&json!({})).await,
        [(missing.clone(), "channels".to_owned()), (missing, "ttl".to_owned())]
    );
}

#[tokio::test]
async fn a_body_that_is_json_but_no_object_is_not_a_hash() {
    let running = Running::start().await;
    for body in [json!([]), json!("ttl"), json!(1), json!(null), json!(true)] {
        running.one_error(body, "not_a_hash", "").await;
    }
}

#[tokio::test]
async fn ttl_is_required() {
    let running = Running::start().await;
    let body = json!({"channels": {"a": {"read": true}}});
    running.one_error(body, "missing_required_parameter", "ttl").await;
}

#[tokio::test]
async fn ttl_is_from_1_to_43_200() {
    let running = Running::start().await;
    for ttl in [1, 43_200] {
        running.taken(valid_but(json!({"ttl": ttl}))).await;
    }
    for ttl in [0, -1, i64::MIN, 43_201, i64::MAX] {
        let body = valid_but(json!({"ttl": ttl}));
        running.one_error(body, "ttl_out_of_range", "ttl").await;
    }
}

#[tokio::test]
async fn ttl_is_an_integer() {
    let running = Running::start().await;
    for ttl in [json!(60.0), json!(1.5), json!("60"), json!(null), json!(true), json!([60])] {
        let body = valid_but(json!({"ttl": ttl}));
        running.one_error(body, "not_an_integer", "ttl").await;
    }
}

#[tokio::test]
async fn channels_are_required_and_at_least_one() {
    let running = Running::start().await;
    let code = "missing_required_parameter";
    running.one_error(json!({"ttl": 1}), code, "channels").await;
    let none = valid_but(json!({"channels": {}}));
    running.one_error(none, code, "channels").await;
}

#[tokio::test]
async fn channels_are_an_object() {
    let running = Running::start().await;
    for channels in [json!(["a"]), json!("a"), json!(null), json!(7)] {
        let body = valid_but(json!({"channels": channels}));
        running.one_error(body, "not_a_hash", "channels").await;
    }
}

#[tokio::test]
async fn channels_are_at_most_500() {
    let running = Running::start().await;
    running.taken(valid_but(json!({"channels": channels(500)}))).await;
    let over = valid_but(json!({"channels": channels(501)}));
    running.one_error(over, "channel_size_limit_exceeded", "channels").await;
}

#[tokio::test]
async fn the_largest_body_is_read_whole_even_when_it_is_all_escapes() {
    let running = Running::start().await;
    let escaped: Vec<String> = (0..500)
        .map(|n| {
            let name = r"\ud83e\udd80".repeat(247);
            format!(r#""{n:03}{name}":{{"read":true,"write":true}}"#)
        })
        .collect();
    let body = format!(r#"{{"ttl":60,"channels":{{{}}}}}"#, escaped.join(","));
    assert!(body.len() > 1_400_000);
    let (status, answer) = running.send(body).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn a_channel_name_has_1_to_250_characters_not_bytes() {
    let running = Running::start().await;
    for length in [1, 250] {
        running.taken(with_channel(&wide(length))).await;
    }
    for length in [0, 251, 2_000] {
        let name = wide(length);
        running.one_error(with_channel(&name), "channel_name_size_limit_exceeded", &format!("channels.{name}")).await;
    }
}

#[tokio::test]
async fn a_channel_name_does_not_start_with_sw_() {
    let running = Running::start().await;
    for name in ["sw_", "sw_support", "sw__"] {
        running.one_error(with_channel(name), "channel_name_is_reserved", &format!("channels.{name}")).await;
    }
    for name in ["sw", "sw-a", "SW_a", "a.sw_b", " sw_a"] {
        running.taken(with_channel(name)).await;
    }
}

#[tokio::test]
async fn a_channel_name_has_any_characters() {
    let running = Running::start().await;
    for name in [" ", "a b", "a*b", "../x", "\u{0}", "\"", "\u{202e}", "__proto__"] {
        running.taken(with_channel(name)).await;
    }
}

#[tokio::test]
async fn a_channel_is_an_object() {
    let running = Running::start().await;
    for channel in [json!(true), json!("read"), json!(["read"]), json!(null)] {
        let body = valid_but(json!({"channels": {"a": channel}}));
        running.one_error(body, "not_a_hash", "channels.a").await;
    }
}

#[tokio::test]
async fn a_channel_has_read_or_write() {
    let running = Running::start().await;
    for channel in
        [json!({"read": true}), json!({"write": true}), json!({"read": false}), json!({"read": false, "write": false})]
    {
        running.taken(valid_but(json!({"channels": {"a": channel}}))).await;
    }
    let neither = valid_but(json!({"channels": {"a": {}}}));
    running.one_error(neither, "channel_has_missing_properties", "channels.a").await;
}

#[tokio::test]
async fn a_channel_has_no_other_key() {
    let running = Running::start().await;
    for key in ["Read", "delete", ""] {
        let mut body = with_channel("a");
        body["channels"]["a"][key] = json!(true);
        let attribute = format!("channels.a.{key}");
        running.one_error(body, "unknown_parameter", &attribute).await;
    }
}

#[tokio::test]
async fn read_and_write_are_booleans() {
    let running = Running::start().await;
    for property in ["read", "write"] {
        for value in [json!("true"), json!(1), json!(null), json!({}), json!([true])] {
            let mut body = valid_but(json!({"channels": {"a": {}}}));
            body["channels"]["a"][property] = value;
            let attribute = format!("channels.a.{property}");
            running.one_error(body, "not_a_boolean", &attribute).await;
        }
    }
}

#[tokio::test]
async fn member_id_has_at_most_250_characters_not_bytes() {
    let running = Running::start().await;
    for length in [0, 1, 250] {
        running.taken(valid_but(json!({"member_id": wide(length)}))).await;
    }
    let over = valid_but(json!({"member_id": wide(251)}));
    running.one_error(over, "member_id_size_limit_exceeded", "member_id").await;
}

#[tokio::test]
async fn member_id_is_a_string() {
    let running = Running::start().await;
    for member_id in [json!(7), json!(null), json!({}), json!(["a"])] {
        let body = valid_but(json!({"member_id": member_id}));
        running.one_error(body, "not_a_string", "member_id").await;
    }
}

#[tokio::test]
async fn state_is_an_object() {
    let running = Running::start().await;
    for state in [json!("{}"), json!([]), json!(null), json!(1)] {
        let body = valid_but(json!({"state": state}));
        running.one_error(body, "not_a_hash", "state").await;
    }
}

#[tokio::test]
async fn state_has_at_most_2_000_characters_not_bytes_once_serialized() {
    let running = Running::start().await;
    running.taken(valid_but(json!({"state": state_of(2_000)}))).await;
    let over = valid_but(json!({"state": state_of(2_001)}));
    running.one_error(over, "state_size_limit_exceeded", "state").await;
}

#[tokio::test]
async fn state_is_measured_as_compact_json_however_it_was_sent() {
    let running = Running::start().await;
    let state = state_of(2_000).to_string();
    let spaced = state.replacen(':', &format!(":{}", " ".repeat(500)), 1);
    let escaped = state.replace('é', r"\u00e9");
    for state in [spaced, escaped] {
        assert!(state.chars().count() > 2_000);
        let body = format!(r#"{{"ttl":1,"channels":{{"a":{{"read":true}}}},"state":{state}}}"#);
        assert_eq!(running.send(body).await.0, 200);
    }
}

#[tokio::test]
async fn no_other_field_is_taken() {
    let running = Running::start().await;
    for field in ["TTL", "memberId", "expires_at", ""] {
        let body = valid_but(json!({field: 1}));
        running.one_error(body, "unknown_parameter", field).await;
    }
}

#[tokio::test]
async fn all_errors_come_at_once() {
    let running = Running::start().await;
    let long = "sw_".repeat(84);
    let mut body = json!({
        "ttl": 0,
        "channels": {
            "a": {},
            "b": {"read": "yes", "other": 1},
            "c": 7,
            "fine": {"read": true},
        },
        "member_id": wide(251),
        "state": state_of(2_001),
        "extra": null,
    });
    body["channels"][&long] = json!({"write": true});
    let expected = [
        ("channel_has_missing_properties", "channels.a".to_owned()),
        ("unknown_parameter", "channels.b.other".to_owned()),
        ("not_a_boolean", "channels.b.read".to_owned()),
        ("not_a_hash", "channels.c".to_owned()),
        ("channel_name_is_reserved", format!("channels.{long}")),
        ("channel_name_size_limit_exceeded", format!("channels.{long}")),
        ("unknown_parameter", "extra".to_owned()),
        ("member_id_size_limit_exceeded", "member_id".to_owned()),
        ("state_size_limit_exceeded", "state".to_owned()),
        ("ttl_out_of_range", "ttl".to_owned()),
    ]
    .map(|(code, attribute)| (code.to_owned(), attribute));
    assert_eq!(running.errors(&body).await, expected);
}
