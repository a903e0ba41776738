//! A token's end, by a clock that is moved; and who is gone without a word.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{clock, done, named, refused};

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
    // Its acknowledgements are taken, so that from here on it is silent.
    short.heard().await;

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
async fn who_does_not_read_is_there_no_longer_than_its_token_says() {
    let clock = clock!();
    let running = clock.sandbox().await;
    let channels = super::rights(&[("a", "rw")]);
    let short = running.token_of(&json!({"ttl": 3, "member_id": "short", "channels": channels})).await;
    let mut short = running.deaf(&short, "a").await;
    let mut long = running.peer("long", &[("a", "rw")]).await;
    let left = json!({"channels": named(&["a"]), "events": ["chat.member.left"]});
    assert_eq!(long.call("chat.subscribe", left).await, done());
    for _ in 0..200 {
        long.publish("a", "x".repeat(32 * 1024 - 2)).await;
    }
    clock.move_on(180);
    // Well before a frame that is not taken ends the connection.
    let heard = timeout(Duration::from_secs(3), long.hears()).await;
    assert_eq!(heard.expect("it is there still"), "left short in a");
    refused(short.call("chat.messages.get", json!({"channel": "a"})).await, -32_002, &["has ended"]);
    assert!(short.pushed.len() < 100, "{} of 200 came, most after the end", short.pushed.len());
    clock.move_on(5);
    assert_eq!(short.closed().await, (1_008, "the token has ended".to_owned()));
}

#[tokio::test]
async fn who_gives_no_sign_of_life_is_held_for_90_s() {
    let running = clock!().sandbox().await;
    let address = running.relay().trim_start_matches("ws://").trim_end_matches('/').to_owned();
    let mut dead = TcpStream::connect(address).await.unwrap();
    let upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let begun = Instant::now();
    dead.write_all(upgrade.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    timeout(Duration::from_secs(130), dead.read_to_end(&mut all)).await.unwrap().unwrap();
    assert!((90..92).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let pings = all.windows(2).filter(|bytes| *bytes == [0x89, 0]).count();
    assert!((2..=3).contains(&pings), "it was asked {pings} times");
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
