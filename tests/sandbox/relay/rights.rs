//! Who may what: the token says.

use serde_json::{Value, json};

use super::{Outcome, Peer, clock, done, named, refused};

/// Every request that takes a right, to a channel.
fn requests(channel: &str) -> Vec<(&'static str, &'static str, Value)> {
    let one = named(&[channel]);
    vec![
        ("r", "chat.subscribe", json!({"channels": one})),
        ("r", "chat.messages.get", json!({"channel": channel})),
        ("r", "chat.members.get", json!({"channel": channel})),
        ("r", "chat.member.get_state", json!({"member_id": "alice", "channels": one})),
        ("w", "chat.publish", json!({"channel": channel, "content": 1})),
        ("w", "chat.member.set_state", json!({"member_id": "alice", "channels": one, "state": {}})),
        ("", "chat.unsubscribe", json!({"channels": one})),
    ]
}

#[tokio::test]
async fn each_request_takes_its_right_and_says_what_is_missing() {
    let running = clock!().sandbox().await;
    let mut alice = running.peer("alice", &[("rw", "rw"), ("r", "r"), ("w", "w"), ("-", "")]).await;
    for channel in ["rw", "r", "w", "-", "unknown"] {
        for (right, method, params) in requests(channel) {
            let outcome = alice.call(method, params).await;
            if right.is_empty() || channel.contains(right) && channel != "unknown" {
                assert_eq!(outcome.unwrap()["code"], "200", "{method} in {channel}");
                continue;
            }
            let word = if right == "r" { "the right to read" } else { "the right to write" };
            let instead = match channel {
                "unknown" => "(not in the token: a channel that a wildcard grants must be asked for by name)",
                "-" => "(it has neither read nor write)",
                "w" => "(it has write alone)",
                _ => "(it has read alone)",
            };
            refused(outcome, -32_003, &[word, &format!("`{channel}` {instead}")]);
        }
    }
}

#[tokio::test]
async fn one_channel_too_many_refuses_the_request_as_a_whole() {
    let running = clock!().sandbox().await;
    let mut alice = running.peer("alice", &[("a", "rw"), ("b", "w")]).await;
    let outcome = alice.call("chat.subscribe", json!({"channels": named(&["a", "b", "c"])})).await;
    refused(outcome, -32_003, &["`b` (it has write alone)", "`c` (not in the token"]);
    alice.publish("a", 1).await;
    assert!(alice.heard().await.is_empty(), "not even a is subscribed");
}

#[tokio::test]
async fn a_state_is_set_by_its_own_member_alone() {
    let running = clock!().sandbox().await;
    let mut alice = running.peer("alice", &[("a", "rw")]).await;
    let _bob = running.peer("bob", &[("a", "rw")]).await;
    let set = json!({"member_id": "bob", "channels": named(&["a"]), "state": {"x": 1}});
    refused(alice.call("chat.member.set_state", set).await, -32_003, &["own member alone, `alice`"]);
}

#[tokio::test]
async fn without_a_good_token_nothing_is_done() {
    let running = clock!().sandbox().await;
    let other = clock!().sandbox().await;
    let mut stranger = running.stranger().await;
    for (_, method, params) in requests("a") {
        refused(stranger.call(method, params).await, -32_002, &["signalwire.connect"]);
    }
    let good = running.token("alice", &[("a", "rw")]).await;
    refused(stranger.renew(&good).await, -32_002, &["signalwire.connect"]);
    let parts: Vec<&str> = good.split('.').collect();
    let richer = other.token("alice", &[("a", "rw"), ("b", "rw")]).await;
    let bad = [
        String::new(),
        "x".to_owned(),
        "a.b.c".to_owned(),
        richer.clone(),
        format!("{}.{}.{}", parts[0], richer.split('.').nth(1).unwrap(), parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
    ];
    for token in bad {
        refused(stranger.connect(&token).await, -32_002, &["ask usher for a new one"]);
    }
    let of_another = json!({"authentication": {"jwt_token": good, "project": "another"}});
    refused(stranger.call("signalwire.connect", of_another).await, -32_002, &["project"]);
    stranger.connect(&good).await.unwrap();
    stranger.subscribe(&["a"]).await;
}

async fn publish(peer: &mut Peer, channel: &str) -> Outcome {
    peer.call("chat.publish", json!({"channel": channel, "content": 1})).await
}

#[tokio::test]
async fn another_token_brings_its_rights_and_ends_what_it_lacks_without_a_word() {
    let running = clock!().sandbox().await;
    let mut alice = running.peer("alice", &[("a", "rw"), ("b", "rw")]).await;
    let mut bob = running.peer("bob", &[("a", "rw"), ("b", "rw")]).await;
    alice.subscribe(&["a", "b"]).await;
    bob.subscribe(&["a", "b"]).await;
    alice.heard().await;
    bob.heard().await;
    let narrower = running.token("alice", &[("a", "r"), ("b", "w"), ("c", "rw")]).await;
    let answer = alice.renew(&narrower).await.unwrap();
    assert_eq!(answer["authorization"]["channels"], super::rights(&[("a", "r"), ("b", "w"), ("c", "rw")]));
    assert_eq!(bob.heard().await, ["left alice in b"]);
    assert!(alice.heard().await.is_empty(), "not a word");
    refused(publish(&mut alice, "a").await, -32_003, &["`a` (it has read alone)"]);
    assert_eq!((publish(&mut alice, "b").await, publish(&mut alice, "c").await), (done(), done()));
    bob.publish("b", 2).await;
    bob.publish("a", 3).await;
    assert_eq!(alice.heard().await, ["bob said 3 in a"]);

    let other = running.token("bob", &[("a", "rw")]).await;
    refused(alice.renew(&other).await, -32_002, &["another member's"]);
    refused(alice.renew("forged").await, -32_002, &["ask usher"]);
    bob.publish("a", 4).await;
    assert_eq!(alice.heard().await, ["bob said 4 in a"], "the token before is still good");
}
