//! Frames that are wrong, and what is said about each.

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{clock, done, named, refused};

#[tokio::test]
async fn a_frame_that_is_no_request_is_told_why_and_the_connection_goes_on() {
    let running = clock!().sandbox().await;
    let mut peer = running.peer("alice", &[("a", "rw")]).await;
    let deep = "[".repeat(200) + &"]".repeat(200);
    for (frame, id, code, word) in [
        ("", Value::Null, -32_700, "not JSON"),
        ("hello", Value::Null, -32_700, "not JSON"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"#, Value::Null, -32_700, "not JSON"),
        (
            &format!(r#"{{"jsonrpc":"2.0","id":1,"method":"chat.publish","params":{deep}}}"#),
            json!(1),
            -32_602,
            "no object",
        ),
        ("[]", Value::Null, -32_600, "batches"),
        (r#" [{"jsonrpc":"2.0","id":1,"method":"signalwire.ping"}]"#, Value::Null, -32_600, "batches"),
        ("null", Value::Null, -32_600, "object"),
        ("7", Value::Null, -32_600, "object"),
        ("{}", Value::Null, -32_600, "jsonrpc"),
        (r#"{"jsonrpc":"1.0","id":"x","method":"signalwire.ping"}"#, json!("x"), -32_600, "2.0"),
        (r#"{"jsonrpc":2.0,"id":3,"method":"signalwire.ping"}"#, json!(3), -32_600, "2.0"),
        (r#"{"jsonrpc":"2.0","id":3}"#, json!(3), -32_600, "\"method\""),
        (r#"{"jsonrpc":"2.0","id":3,"method":7}"#, json!(3), -32_600, "string"),
        (r#"{"jsonrpc":"2.0","method":"signalwire.ping"}"#, Value::Null, -32_600, "\"id\""),
        (r#"{"jsonrpc":"2.0","id":null,"method":"signalwire.ping"}"#, Value::Null, -32_600, "\"id\""),
        (r#"{"jsonrpc":"2.0","id":{},"method":"signalwire.ping"}"#, Value::Null, -32_600, "\"id\""),
        (r#"{"jsonrpc":"2.0","id":true,"method":"signalwire.ping"}"#, Value::Null, -32_600, "\"id\""),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"signalwire.ping"}"#, Value::Null, -32_600, "once"),
        (r#"{"jsonrpc":"2.0","id":4,"method":"chat.shout"}"#, json!(4), -32_601, "chat.publish"),
        (r#"{"jsonrpc":"2.0","id":-4.5,"method":""}"#, json!(-4.5), -32_601, "chat.publish"),
    ] {
        peer.say(frame).await;
        let answer = peer.answer().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{frame} gave {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(word), "{frame} gave {answer}");
    }
    peer.socket.send(Message::binary(b"{}".to_vec())).await.unwrap();
    let answer = peer.answer().await;
    assert_eq!(answer["error"]["code"], -32_600, "{answer}");
    // What answers something that was never pushed is nobody's.
    peer.say(r#"{"jsonrpc":"2.0","id":"unknown","result":{}}"#).await;
    peer.say(r#"{"jsonrpc":"2.0","id":"unknown","result":null}"#).await;
    peer.say(r#"{"jsonrpc":"2.0","id":9,"error":{"code":1,"message":"no"}}"#).await;
    peer.publish("a", "after all that").await;
}

#[tokio::test]
async fn params_of_another_shape_are_told_the_right_one() {
    let running = clock!().sandbox().await;
    let mut peer = running.peer("alice", &[("a", "rw")]).await;
    let none: &[&str] = &[];
    for (method, params, word) in [
        ("signalwire.reauthenticate", json!({"jwt_token": "x"}), "authentication"),
        ("signalwire.reauthenticate", json!({"authentication": {"jwt_token": 7}}), "jwt_token"),
        ("signalwire.ping", json!({"timestamp": "now"}), "timestamp"),
        ("chat.subscribe", json!({}), "channels"),
        ("chat.subscribe", json!([]), "no object"),
        ("chat.subscribe", json!({"channels": "a"}), "channels"),
        ("chat.subscribe", json!({"channels": ["a"]}), "channels"),
        ("chat.subscribe", json!({"channels": [{"name": 1}]}), "channels"),
        ("chat.subscribe", json!({"channels": named(none)}), "from 1 to 500 channels"),
        ("chat.subscribe", json!({"channels": named(&["a"; 501])}), "not 501"),
        ("chat.subscribe", json!({"channels": named(&["a"]), "events": "chat.message"}), "events"),
        ("chat.unsubscribe", json!({"channels": named(none)}), "from 1 to 500 channels"),
        ("chat.publish", json!({"channel": "a"}), "content"),
        ("chat.publish", json!({"content": "a"}), "channel"),
        ("chat.publish", json!({"channel": ["a"], "content": 1}), "channel"),
        ("chat.publish", json!({"channel": "a", "content": 1, "meta": []}), "`meta` is an object"),
        ("chat.messages.get", json!({}), "channel"),
        ("chat.members.get", json!({"channel": null}), "channel"),
        ("chat.member.get_state", json!({"channels": named(&["a"])}), "member_id"),
        ("chat.member.get_state", json!({"member_id": "alice", "channels": named(none)}), "from 1 to 500 channels"),
        ("chat.member.set_state", json!({"member_id": "alice", "state": {}}), "channels"),
        ("chat.member.set_state", json!({"member_id": "alice", "channels": named(&["a"]), "state": []}), "state"),
        ("chat.member.set_state", json!({"member_id": "alice", "channels": named(none), "state": {}}), "from 1 to 500"),
    ] {
        refused(peer.call(method, params).await, -32_602, &[word]);
    }
    let with_more = json!({"channel": "a", "content": null, "meta": null, "color": "blue"});
    assert_eq!(peer.call("chat.publish", with_more).await, done(), "members that nobody knows are passed over");
}
