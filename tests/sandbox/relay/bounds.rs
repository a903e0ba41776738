//! How much there is at most, of everything.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio_tungstenite::tungstenite::Error;

use super::{Peer, clock, done, named, refused};

/// Names of channels, and all rights in them.
fn many(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}

async fn with_all(running: &super::Running, member: &str, names: &[String]) -> Peer {
    let channels: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "rw")).collect();
    running.peer(member, &channels).await
}

fn list(names: &[String]) -> Value {
    named(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn the_257th_connection_is_refused_until_another_ends() {
    let running = clock!().sandbox().await;
    let mut peers = Vec::new();
    for _ in 0..256 {
        peers.push(running.stranger().await);
    }
    let Err(Error::Http(answer)) = running.open(None, None).await else { panic!("it was let in") };
    assert_eq!(answer.status(), 503);
    assert!(String::from_utf8_lossy(answer.body().as_ref().unwrap()).contains("256 connections"));
    peers.pop().unwrap().socket.close(None).await.unwrap();
    while running.open(None, None).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_message_has_32_kib_and_a_state_2000_characters() {
    let running = clock!().sandbox().await;
    let mut alice = running.peer("alice", &[("a", "rw")]).await;
    // Two quotes, and the meta.
    let meta = json!({"k": "v"});
    let fits = "x".repeat(32 * 1024 - 2 - meta.to_string().len());
    assert_eq!(alice.call("chat.publish", json!({"channel": "a", "content": fits, "meta": meta})).await, done());
    let too_much = json!({"channel": "a", "content": fits + "x", "meta": meta});
    refused(alice.call("chat.publish", too_much).await, -32_602, &["32768 bytes", "32769"]);
    let state = |characters: usize| {
        // {"s":""} are 8.
        json!({"member_id": "alice", "channels": named(&["a"]), "state": {"s": "\u{1F600}".repeat(characters - 8)}})
    };
    assert_eq!(alice.call("chat.member.set_state", state(2_000)).await, done());
    refused(alice.call("chat.member.set_state", state(2_001)).await, -32_602, &["2000 characters", "2001"]);
}

#[tokio::test]
async fn a_frame_over_1_mib_closes_the_connection() {
    let running = clock!().sandbox().await;
    let mut alice = running.peer("alice", &[("a", "rw")]).await;
    let frame = |bytes: usize| {
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": "chat.publish", "params": {"channel": "a", "content": ""}});
        let request = request.to_string();
        request.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - request.len())))
    };
    alice.say(frame(1024 * 1024)).await;
    assert_eq!(alice.answer().await["error"]["code"], -32_602);
    alice.say(frame(1024 * 1024 + 1)).await;
    assert_eq!(alice.closed().await, (1_009, "a frame has at most 1 MiB".to_owned()));
}

#[tokio::test]
async fn a_thousand_channels_are_kept_and_those_without_subscribers_make_room() {
    let running = clock!().sandbox().await;
    let (first, second) = (many("first", 500), many("second", 500));
    let mut alice = with_all(&running, "alice", &first).await;
    let mut bob = with_all(&running, "bob", &second).await;
    let mut carol = running.peer("carol", &[("extra", "rw"), ("more", "rw")]).await;
    carol.publish("extra", "forgotten").await;
    assert_eq!(alice.call("chat.subscribe", json!({"channels": list(&first)})).await, done());
    assert_eq!(bob.call("chat.subscribe", json!({"channels": list(&second)})).await, done());
    assert!(carol.messages("extra", Value::Null).await.0.is_empty(), "nobody was subscribed to it");
    let said = json!({"channel": "extra", "content": 1});
    refused(carol.call("chat.publish", said).await, -32_000, &["1000 channels"]);
    refused(carol.call("chat.subscribe", json!({"channels": named(&["extra"])})).await, -32_000, &["1000 channels"]);
    assert_eq!(alice.call("chat.unsubscribe", json!({"channels": named(&["first7"])})).await, done());
    carol.subscribe(&["extra"]).await;
    refused(carol.call("chat.subscribe", json!({"channels": named(&["more"])})).await, -32_000, &["1000 channels"]);
}

#[tokio::test]
async fn where_there_is_no_room_nothing_is_forgotten_for_it() {
    let running = clock!().sandbox().await;
    let (first, second) = (many("first", 500), many("second", 499));
    let mut alice = with_all(&running, "alice", &first).await;
    let mut bob = with_all(&running, "bob", &second).await;
    let mut carol = running.peer("carol", &[("extra", "rw"), ("x", "rw"), ("y", "rw")]).await;
    carol.publish("extra", "kept").await;
    assert_eq!(alice.call("chat.subscribe", json!({"channels": list(&first)})).await, done());
    assert_eq!(bob.call("chat.subscribe", json!({"channels": list(&second)})).await, done());
    refused(carol.call("chat.subscribe", json!({"channels": named(&["x", "y"])})).await, -32_000, &["1000 channels"]);
    assert_eq!(carol.messages("extra", Value::Null).await.0, ["kept"], "one of the two would have had room");
    carol.subscribe(&["x"]).await;
    assert!(carol.messages("extra", Value::Null).await.0.is_empty());
}

#[tokio::test]
async fn a_channel_in_which_a_state_is_set_does_not_make_room() {
    let running = clock!().sandbox().await;
    let (first, second) = (many("first", 500), many("second", 499));
    let mut alice = with_all(&running, "alice", &first).await;
    let mut bob = with_all(&running, "bob", &second).await;
    let mut carol = running.peer("carol", &[("extra", "rw"), ("x", "rw")]).await;
    let set = json!({"member_id": "carol", "channels": named(&["extra"]), "state": {"n": 1}});
    assert_eq!(carol.call("chat.member.set_state", set).await, done());
    assert_eq!(alice.call("chat.subscribe", json!({"channels": list(&first)})).await, done());
    assert_eq!(bob.call("chat.subscribe", json!({"channels": list(&second)})).await, done());
    refused(carol.call("chat.subscribe", json!({"channels": named(&["x"])})).await, -32_000, &["1000 channels"]);
    let of_carol = json!({"member_id": "carol", "channels": named(&["extra"])});
    let states = carol.call("chat.member.get_state", of_carol).await.unwrap()["channels"].take();
    assert_eq!(states, json!({"extra": {"state": {"n": 1}}}));
    // It goes with its member.
    drop(carol);
    let mut dora = running.peer("dora", &[("x", "rw")]).await;
    while dora.call("chat.subscribe", json!({"channels": named(&["x"])})).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn five_hundred_messages_of_a_channel_are_kept() {
    let running = clock!().sandbox().await;
    let mut alice = running.peer("alice", &[("a", "rw")]).await;
    for number in 0..510 {
        alice.publish("a", number).await;
    }
    let kept = all(&mut alice, "a").await;
    assert_eq!((kept.len(), kept.last()), (500, Some(&json!(10))));
}

/// All messages that are kept of a channel, newest first.
async fn all(peer: &mut Peer, channel: &str) -> Vec<Value> {
    let (mut kept, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let (page, next) = peer.messages(channel, cursor).await;
        kept.extend(page);
        if next.get("after").is_none() {
            return kept;
        }
        cursor = json!({"after": next["after"]});
    }
}

#[tokio::test]
async fn thirty_two_mib_of_messages_are_kept_and_the_oldest_go_first() {
    let running = clock!().sandbox().await;
    let channels = [("a", "rw"), ("b", "rw"), ("c", "rw")];
    let mut alice = running.peer("alice", &channels).await;
    let long = "x".repeat(32 * 1024 - 100);
    for number in 0..1_200 {
        alice.publish(channels[number % 3].0, json!([number, long])).await;
    }
    let mut numbers = Vec::new();
    for (channel, _) in channels {
        numbers.extend(all(&mut alice, channel).await.iter().map(|content| content[0].as_u64().unwrap()));
    }
    numbers.sort_unstable();
    let oldest = numbers[0];
    // Each is a little over 32 KiB with what is around it.
    assert!((970..=1_024).contains(&numbers.len()), "{}", numbers.len());
    assert_eq!(numbers, (oldest..1_200).collect::<Vec<_>>(), "none is missing between");
}

#[tokio::test]
async fn eight_mib_of_states_are_kept() {
    let running = clock!().sandbox().await;
    let names = many("channel", 500);
    let mut members = Vec::new();
    for member in ["one", "two", "three"] {
        members.push(with_all(&running, member, &names).await);
    }
    let set = |member: &str| json!({"member_id": member, "channels": list(&names), "state": {"s": "\u{1F600}".repeat(1_990)}});
    assert_eq!(members[0].call("chat.member.set_state", set("one")).await, done());
    assert_eq!(members[1].call("chat.member.set_state", set("two")).await, done());
    refused(members[2].call("chat.member.set_state", set("three")).await, -32_000, &["bytes of states"]);
    assert_eq!(
        members[1].call("chat.member.set_state", set("two")).await,
        done(),
        "one that is replaced does not count"
    );
    drop(members.remove(0));
    while members[1].call("chat.member.set_state", set("three")).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_and_holds_up_nobody() {
    let running = clock!().sandbox().await;
    let rights = &[("a", "rw")][..];
    let mut deaf = running.deaf(&running.token("deaf", rights).await, "a").await;
    let (mut alice, mut bob) = (running.peer("alice", rights).await, running.peer("bob", rights).await);
    bob.subscribe(&["a"]).await;
    assert_eq!(bob.heard().await, ["joined bob in a"]);
    let long = "x".repeat(32 * 1024 - 100);
    let mut said = 0;
    let left = loop {
        alice.publish("a", json!([said, long])).await;
        let heard = bob.hears().await;
        if heard.starts_with("left") {
            break heard;
        }
        assert!(heard.contains(&format!("[{said},")), "bob hears all, in order");
        said += 1;
        // 16 MiB here, and the little that the kernel takes.
        assert!(said < 600, "what waits for it has no bound");
    };
    assert_eq!(left, "left deaf in a");
    assert!(bob.hears().await.contains(&format!("[{said},")));
    assert!(said > 480, "less waited than may: {said}");
    assert_eq!(deaf.closed().await, (1_008, "what was pushed was not read".to_owned()));
}

#[tokio::test]
async fn who_reads_is_not_cut_off_however_much_happens_at_once() {
    const MEMBERS: usize = 12;
    const CHANNELS: usize = 400;
    let running = clock!().sandbox().await;
    let names = many("channel", CHANNELS);
    let mut members = Vec::new();
    for member in many("member", MEMBERS) {
        members.push(with_all(&running, &member, &names).await);
    }
    let all = json!({"channels": list(&names)});
    let together = Arc::new(Barrier::new(MEMBERS));
    let each = members.into_iter().enumerate().map(|(number, mut peer)| {
        let (all, together) = (all.clone(), Arc::clone(&together));
        tokio::spawn(async move {
            assert_eq!(peer.call("chat.subscribe", all).await, done());
            together.wait().await;
            // What was pushed before a request comes before its answer.
            peer.call("signalwire.ping", json!({})).await.unwrap();
            let joined = std::mem::take(&mut peer.pushed).len();
            together.wait().await;
            if number < MEMBERS / 2 {
                return joined;
            }
            while peer.pushed.len() < CHANNELS * MEMBERS / 2 {
                let frame = peer.frame().await.unwrap();
                assert_eq!(frame["params"]["event_type"], "chat.member.left", "{frame}");
                peer.pushed.push_back(frame);
            }
            joined
        })
    });
    let each: Vec<_> = each.collect();
    let mut joined = 0;
    for each in each {
        joined += each.await.unwrap();
    }
    // The first hears of all, itself too, the last of itself alone.
    assert_eq!(joined, CHANNELS * MEMBERS * (MEMBERS + 1) / 2);
}
