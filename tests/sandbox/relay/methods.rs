//! Each method, as the SDK calls it, and who is told what.

use serde_json::{Value, json};

use super::super::{NOW, PROJECT};
use super::{clock, done, named, refused};

#[tokio::test]
async fn connecting_gives_what_the_sdk_wants_to_know() {
    let running = clock!().sandbox().await;
    let mut peer = running.stranger().await;
    let token = running.token("alice", &[("a", "rw"), ("b", "r")]).await;
    let mut result = peer.connect(&token).await.unwrap();
    let authorization = result["authorization"].take();
    assert_eq!(
        (&authorization["type"], &authorization["member_id"], &authorization["project_id"]),
        (&json!("chat"), &json!("alice"), &json!(PROJECT))
    );
    assert_eq!(authorization["channels"], super::rights(&[("a", "rw"), ("b", "r")]));
    assert_eq!((&authorization["expires_at"], &authorization["ttl"]), (&json!(NOW + 3_600), &json!(60)));
    // By this the SDK holds that it is the same session.
    let protocol = result["protocol"].as_str().unwrap();
    assert_eq!(protocol.split('_').nth(1), authorization["signature"].as_str());
    assert!(protocol.starts_with("signalwire_") && result["identity"].is_string());

    let again = peer.renew(&token).await.unwrap();
    assert_eq!(again["protocol"], protocol, "it is the same session still");
    refused(peer.connect(&token).await, -32_600, &["signalwire.reauthenticate"]);
}

#[tokio::test]
async fn a_ping_is_answered_with_its_time() {
    let running = clock!().sandbox().await;
    let mut peer = running.stranger().await;
    assert_eq!(peer.call("signalwire.ping", json!({"timestamp": 12.5})).await, Ok(json!({"timestamp": 12.5})));
    assert_eq!(peer.call("signalwire.ping", json!({})).await, Ok(json!({})));
}

#[tokio::test]
async fn what_is_published_reaches_every_subscriber_once_and_the_one_who_said_it() {
    let running = clock!().sandbox().await;
    let (mut alice, mut bob) = (running.peer("alice", &[("a", "rw")]).await, running.peer("bob", &[("a", "rw")]).await);
    let mut carol = running.peer("carol", &[("a", "rw"), ("b", "rw")]).await;
    for peer in [&mut alice, &mut bob] {
        peer.subscribe(&["a"]).await;
        // Again, and twice in one request: nothing more.
        peer.subscribe(&["a", "a"]).await;
    }
    carol.subscribe(&["b"]).await;
    alice.heard().await;
    bob.heard().await;
    assert_eq!(carol.heard().await, ["joined carol in b"]);

    let content = json!({"text": "hi", "snake_case": [1, null, "\u{1F600}"], "big": 1e300});
    let said = json!({"channel": "a", "content": content, "meta": {"k": [1.50]}});
    assert_eq!(carol.call("chat.publish", said).await, done(), "who is not subscribed may publish");
    for peer in [&mut alice, &mut bob] {
        let (kind, params) = peer.event().await;
        assert_eq!((kind.as_str(), &params["channel"]), ("chat.channel.message", &json!("a")));
        let message = &params["message"];
        assert_eq!((&message["content"], &message["meta"]), (&content, &json!({"k": [1.5]})));
        assert_eq!(message["member"], json!({"id": "carol", "channel": "a", "state": {}}));
        let at = message["published_at"].as_f64().unwrap() - 1.8e9;
        assert!(message["id"].is_string() && (0.0..1.0).contains(&at), "{message}");
    }
    alice.publish("a", "own").await;
    assert_eq!(alice.heard().await, ["alice said \"own\" in a"]);
    assert_eq!(bob.heard().await, ["alice said \"own\" in a"]);
    assert!(carol.heard().await.is_empty());
}

#[tokio::test]
async fn only_the_events_that_were_asked_for_are_pushed() {
    let running = clock!().sandbox().await;
    let mut quiet = running.peer("quiet", &[("a", "rw")]).await;
    // As a PubSub client does.
    let params = json!({"channels": named(&["a"]), "events": ["chat.message", "chat.typing"]});
    assert_eq!(quiet.call("chat.subscribe", params).await, done());
    let mut alice = running.peer("alice", &[("a", "rw")]).await;
    alice.subscribe(&["a"]).await;
    alice.publish("a", 1).await;
    assert_eq!(quiet.heard().await, ["alice said 1 in a"]);
    let more = json!({"channels": named(&["a"]), "events": ["chat.member.left"]});
    assert_eq!(quiet.call("chat.subscribe", more).await, done());
    alice.publish("a", 2).await;
    drop(alice);
    assert_eq!(quiet.hears().await, "alice said 2 in a");
    assert_eq!(quiet.hears().await, "left alice in a", "the events of both");
}

#[tokio::test]
async fn who_comes_and_goes_is_told_by_member_not_by_connection() {
    let running = clock!().sandbox().await;
    let rights = &[("a", "rw")][..];
    let mut watcher = running.peer("watcher", rights).await;
    watcher.subscribe(&["a"]).await;
    assert_eq!(watcher.heard().await, ["joined watcher in a"], "its own too");
    let (mut one, mut two) = (running.peer("alice", rights).await, running.peer("alice", rights).await);
    one.subscribe(&["a"]).await;
    two.subscribe(&["a"]).await;
    assert_eq!(watcher.heard().await, ["joined alice in a"]);
    let members = async |peer: &mut super::Peer| {
        let members = peer.call("chat.members.get", json!({"channel": "a"})).await.unwrap()["members"].take();
        members.as_array().unwrap().iter().map(|member| member["id"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(members(&mut watcher).await, ["alice", "watcher"], "each once");

    one.publish("a", 1).await;
    assert_eq!((one.hears().await, two.hears().await).0, "joined alice in a");
    assert_eq!(one.heard().await, ["alice said 1 in a"]);
    assert_eq!(two.heard().await, [] as [&str; 0], "heard above");

    one.socket.close(None).await.unwrap();
    drop(one);
    two.publish("a", 2).await;
    assert_eq!(watcher.hears().await, "alice said 1 in a");
    assert_eq!(watcher.hears().await, "alice said 2 in a", "there is another connection of alice");
    assert_eq!(two.call("chat.unsubscribe", json!({"channels": named(&["a"])})).await, done());
    assert_eq!(watcher.hears().await, "left alice in a");
    assert_eq!(two.heard().await.last().unwrap(), "left alice in a", "the one who leaves too");
    assert_eq!(members(&mut watcher).await, ["watcher"]);
    assert_eq!(two.call("chat.unsubscribe", json!({"channels": named(&["a", "nowhere"])})).await, done(), "of nothing");
    assert!(watcher.heard().await.is_empty());
}

#[tokio::test]
async fn states_are_the_tokens_until_they_are_set_and_for_as_long_as_the_member_is_there() {
    let running = clock!().sandbox().await;
    let state =
        json!({"member_id": "alice", "channels": super::rights(&[("a", "rw"), ("b", "rw")]), "state": {"n": 1}});
    let token = running.token_of(&state).await;
    let mut alice = running.peer_with(&token).await;
    let mut bob = running.peer("bob", &[("a", "r")]).await;
    bob.subscribe(&["a"]).await;
    bob.heard().await;
    let of_alice = async |peer: &mut super::Peer, channels: Value| {
        let params = json!({"member_id": "alice", "channels": channels});
        peer.call("chat.member.get_state", params).await.unwrap()["channels"].take()
    };
    assert_eq!(of_alice(&mut alice, named(&["a"])).await, json!({"a": {"state": {"n": 1}}}), "not subscribed yet");
    alice.subscribe(&["a"]).await;
    let (_, joined) = bob.event().await;
    assert_eq!(joined["member"], json!({"id": "alice", "channel": "a", "state": {"n": 1}}));

    let set = json!({"member_id": "alice", "channels": named(&["a"]), "state": {"typing": true}});
    assert_eq!(alice.call("chat.member.set_state", set).await, done());
    let (kind, updated) = bob.event().await;
    assert_eq!(kind, "chat.member.updated");
    assert_eq!(updated["member"], json!({"id": "alice", "channel": "a", "state": {"typing": true}}));
    assert_eq!(of_alice(&mut bob, named(&["a"])).await, json!({"a": {"state": {"typing": true}}}));
    let all = json!({"a": {"state": {"typing": true}}, "b": {"state": {"n": 1}}});
    assert_eq!(of_alice(&mut alice, Value::Null).await, all, "of every channel that may be read");
    alice.publish("a", 0).await;
    let (_, said) = bob.event().await;
    assert_eq!(said["message"]["member"]["state"], json!({"typing": true}));

    drop(alice);
    assert_eq!(bob.hears().await, "left alice in a");
    assert_eq!(of_alice(&mut bob, named(&["a"])).await, json!({"a": {"state": {}}}), "gone with its last connection");
    let mut alice = running.peer_with(&token).await;
    assert_eq!(of_alice(&mut alice, named(&["a"])).await, json!({"a": {"state": {"n": 1}}}));
}

#[tokio::test]
async fn what_a_token_says_of_a_member_is_told_where_that_member_is() {
    let running = clock!().sandbox().await;
    let rights = &[("a", "rw"), ("b", "rw")][..];
    let alice = json!({"member_id": "alice", "channels": super::rights(rights), "state": {"n": 1}});
    let mut alice = running.peer_with(&running.token_of(&alice).await).await;
    let mut bob = running.peer("bob", rights).await;
    let of_alice = async |peer: &mut super::Peer| {
        let params = json!({"member_id": "alice", "channels": named(&["a", "b"])});
        let channels = peer.call("chat.member.get_state", params).await.unwrap()["channels"].take();
        (channels["a"]["state"].clone(), channels["b"]["state"].clone())
    };
    assert_eq!(of_alice(&mut bob).await, (json!({}), json!({})), "connected, but nowhere");
    alice.subscribe(&["a"]).await;
    assert_eq!(of_alice(&mut bob).await, (json!({"n": 1}), json!({})));
    assert_eq!(of_alice(&mut alice).await, (json!({"n": 1}), json!({"n": 1})), "it may know its own");
    let set = json!({"member_id": "alice", "channels": named(&["b"]), "state": {"m": 2}});
    assert_eq!(alice.call("chat.member.set_state", set).await, done());
    assert_eq!(of_alice(&mut bob).await, (json!({"n": 1}), json!({"m": 2})), "that was told to the channel");
    assert_eq!(alice.call("chat.unsubscribe", json!({"channels": named(&["a"])})).await, done());
    assert_eq!(of_alice(&mut bob).await, (json!({}), json!({"m": 2})));
}

#[tokio::test]
async fn the_history_is_paged_both_ways() {
    let running = clock!().sandbox().await;
    let mut peer = running.peer("alice", &[("a", "rw"), ("b", "rw"), ("c", "r")]).await;
    for number in 0..120 {
        peer.publish("a", number).await;
        peer.publish("b", "between").await;
    }
    let numbers = |range: std::ops::Range<i32>| range.rev().map(Value::from).collect::<Vec<_>>();
    let (first, cursor) = peer.messages("a", Value::Null).await;
    assert_eq!((first, cursor.get("before")), (numbers(70..120), None));
    peer.publish("a", 120).await;
    let (second, cursor) = peer.messages("a", json!({"after": cursor["after"]})).await;
    assert_eq!(second, numbers(20..70), "where the first ended, whatever has been said since");
    let (third, end) = peer.messages("a", json!({"after": cursor["after"]})).await;
    assert_eq!((third, end.get("after")), (numbers(0..20), None), "nothing is older");
    assert_eq!(peer.messages("a", json!({"before": end["before"]})).await.0, second, "and back");
    let (newest, top) = peer.messages("a", json!({"before": cursor["before"]})).await;
    assert_eq!((newest, top["before"].is_string()), (numbers(70..120), true), "one came since");
    assert_eq!(peer.messages("a", json!({"before": top["before"]})).await.0, numbers(120..121));
    assert_eq!(peer.messages("c", Value::Null).await, (vec![], json!({})), "where nothing was said");
    for cursor in
        [json!({"after": "not-a-cursor"}), json!({"after": "1", "before": "2"}), json!({"after": 1}), json!("1")]
    {
        refused(peer.call("chat.messages.get", json!({"channel": "a", "cursor": cursor})).await, -32_602, &["cursor"]);
    }
}
