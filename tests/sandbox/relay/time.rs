//! A token's end, by a clock that is moved.

use serde_json::json;

use super::{clock, refused};

#[tokio::test]
async fn a_token_is_good_until_its_last_second() {
    let clock = clock!();
    let running = clock.sandbox().await;
    let token = running.token_of(&json!({"ttl": 3})).await;
    clock.move_on(179);
    running.stranger().await.connect(&token).await.unwrap();
    clock.move_on(1);
    refused(running.stranger().await.connect(&token).await, -32_002, &["ended 0 s ago", "ask usher"]);
}

#[tokio::test]
async fn when_a_token_ends_pushes_stop_requests_are_refused_and_the_connection_is_closed() {
    let clock = clock!();
    let running = clock.sandbox().await;
    let channels = super::rights(&[("a", "rw")]);
    let short = running.token_of(&json!({"ttl": 3, "member_id": "short", "channels": channels})).await;
    let mut short = running.peer_with(&short).await;
    let mut long = running.peer("long", &[("a", "rw")]).await;
    short.subscribe(&["a"]).await;
    long.subscribe(&["a"]).await;
    assert_eq!(short.heard().await, ["joined short in a", "joined long in a"]);
    long.heard().await;

    clock.move_on(180);
    long.publish("a", "late").await;
    assert!(long.heard().await.contains(&"long said \"late\" in a".to_owned()));
    refused(short.call("chat.messages.get", json!({"channel": "a"})).await, -32_002, &["has ended", "connect anew"]);
    let new = running.token("short", &[("a", "rw")]).await;
    refused(short.renew(&new).await, -32_002, &["has ended"]);
    assert!(short.pushed.is_empty(), "{:?}", short.pushed);
    clock.move_on(5);
    assert_eq!(short.closed().await, (1_008, "the token has ended".to_owned()));
    let members = long.call("chat.members.get", json!({"channel": "a"})).await.unwrap();
    assert_eq!(members["members"].as_array().unwrap().len(), 1);
    running.peer_with(&new).await.subscribe(&["a"]).await;
}

#[tokio::test]
async fn the_others_are_told_without_anybody_asking() {
    let clock = clock!();
    let running = clock.sandbox().await;
    let channels = super::rights(&[("a", "rw")]);
    let short = running.token_of(&json!({"ttl": 1, "member_id": "short", "channels": channels})).await;
    let mut short = running.peer_with(&short).await;
    let mut long = running.peer("long", &[("a", "rw")]).await;
    long.subscribe(&["a"]).await;
    short.subscribe(&["a"]).await;
    clock.move_on(60);
    let heard = [long.hears().await, long.hears().await, long.hears().await];
    assert_eq!(heard, ["joined long in a", "joined short in a", "left short in a"]);
    clock.move_on(5);
    assert_eq!(short.closed().await.0, 1_008);
}

#[tokio::test]
async fn a_session_that_is_renewed_in_time_goes_on() {
    let clock = clock!();
    let running = clock.sandbox().await;
    let grant = json!({"ttl": 3, "member_id": "alice", "channels": super::rights(&[("a", "rw")])});
    let mut alice = running.peer_with(&running.token_of(&grant).await).await;
    alice.subscribe(&["a"]).await;
    for _ in 0..3 {
        clock.move_on(179);
        alice.renew(&running.token_of(&grant).await).await.unwrap();
    }
    clock.move_on(179);
    alice.publish("a", "still here").await;
    assert_eq!(alice.heard().await, ["joined alice in a", "alice said \"still here\" in a"]);
    let old = running.token_of(&grant).await;
    clock.move_on(1);
    assert_eq!(alice.closed_after(&clock).await.0, 1_008);
    clock.move_on(180);
    refused(running.stranger().await.connect(&old).await, -32_002, &["ended"]);
}

#[tokio::test]
async fn an_expired_token_renews_nothing_and_ends_nothing() {
    let clock = clock!();
    let running = clock.sandbox().await;
    let old = running.token_of(&json!({"ttl": 1, "member_id": "alice"})).await;
    let mut alice = running.peer("alice", &[("a", "rw")]).await;
    clock.move_on(60);
    refused(alice.renew(&old).await, -32_002, &["ended 0 s ago"]);
    alice.subscribe(&["a"]).await;
}

#[tokio::test]
async fn who_shows_no_token_is_not_waited_for() {
    let clock = clock!();
    let running = clock.sandbox().await;
    let mut stranger = running.stranger().await;
    stranger.call("signalwire.ping", json!({})).await.unwrap();
    clock.move_on(10);
    let (code, reason) = stranger.closed().await;
    assert_eq!(code, 1_008);
    assert!(reason.contains("signalwire.connect"), "{reason}");
}

impl super::Peer {
    /// As [`super::Peer::closed`], once the connection has been seen to have ended.
    async fn closed_after(&mut self, clock: &super::Clock) -> (u16, String) {
        refused(self.call("chat.members.get", json!({"channel": "a"})).await, -32_002, &["has ended"]);
        clock.move_on(5);
        self.closed().await
    }
}
