//! Who is let in, and how everybody is seen out.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;
use usher::sandbox::Sandbox;

use super::super::{API_TOKEN, NOW, PROJECT, Running};
use super::{Peer, SOON, clock};

fn status(opened: Result<Peer, Error>) -> u16 {
    match opened {
        Ok(_) => 101,
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn pages_and_names_of_this_machine_alone_are_let_in() {
    let running = clock!().sandbox().await;
    for (origin, wanted) in [
        (None, 101),
        (Some("http://localhost"), 101),
        (Some("http://localhost:3000"), 101),
        (Some("http://127.0.0.1:5173"), 101),
        (Some("http://[::1]:8080"), 101),
        (Some("null"), 403),
        (Some(""), 403),
        (Some("https://localhost:3000"), 403),
        (Some("http://localhost:"), 403),
        (Some("http://localhost:3000/"), 403),
        (Some("http://localhost.evil.example"), 403),
        (Some("http://localhost:3000.evil.example"), 403),
        (Some("http://127.0.0.2"), 403),
        (Some("https://app.example.com"), 403),
        (Some("file://"), 403),
    ] {
        assert_eq!(status(running.open(origin, None).await), wanted, "{origin:?}");
    }
    for (host, wanted) in [("localhost:1", 101), ("[::1]", 101), ("evil.example", 403), ("127.0.0.1.evil.example", 403)]
    {
        assert_eq!(status(running.open(Some("http://localhost"), Some(host)).await), wanted, "{host}");
    }
}

#[tokio::test]
async fn whoever_is_meant_to_reach_it_does() {
    let running = Running::serve(Sandbox::new(PROJECT, API_TOKEN, || NOW)).await;
    for (origin, host) in [("http://192.0.2.7:3000", "sandbox:8088"), ("https://app.example.com", "192.0.2.7")] {
        assert_eq!(status(running.open(Some(origin), Some(host)).await), 101, "{origin}");
    }
}

#[tokio::test]
async fn only_the_root_is_a_relay_and_only_for_websockets() {
    let running = clock!().sandbox().await;
    let root = running.relay().replace("ws://", "http://");
    let answer = running.client.get(&root).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap(), json!({"error": "Not Found"}));
    let elsewhere = tokio_tungstenite::connect_async(running.relay() + "chat").await;
    assert!(matches!(elsewhere, Err(Error::Http(answer)) if answer.status() == 404));
}

#[tokio::test]
async fn a_token_names_the_relay_where_the_sandbox_listens() {
    let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
    for (listen, wanted) in [
        ("127.0.0.1:0", "ws://127.0.0.1:"),
        ("[::1]:0", "ws://[::1]:"),
        ("0.0.0.0:0", "ws://127.0.0.1:"),
        ("[::]:0", "ws://[::1]:"),
    ] {
        let Ok(listener) = tokio::net::TcpListener::bind(listen).await else {
            assert!(listen.starts_with('['), "{listen}: only IPv6 may be missing here");
            continue;
        };
        let address = listener.local_addr().unwrap();
        let sandbox = Sandbox::new(PROJECT, API_TOKEN, || NOW);
        let serving = tokio::spawn(sandbox.clone().serve(listener, std::future::pending()));
        let relay = format!("{wanted}{}", address.port());
        let answer = client
            .post(relay.replace("ws://", "http://") + "/api/chat/tokens")
            .basic_auth(PROJECT, Some(API_TOKEN))
            .body(super::super::valid_but(json!({})).to_string());
        let answer: serde_json::Value = answer.send().await.unwrap().json().await.unwrap();
        let token = answer["token"].as_str().unwrap();
        assert_eq!(sandbox.decode(token).unwrap()["header"]["ch"], json!(relay));
        let (mut socket, _) = tokio_tungstenite::connect_async(relay).await.unwrap();
        socket.close(None).await.unwrap();
        serving.abort();
    }
}

#[tokio::test]
async fn when_the_sandbox_stops_each_client_is_told_and_closed() {
    let mut running = clock!().sandbox().await;
    let mut alice = running.peer("alice", &[("a", "rw")]).await;
    let mut silent = running.peer("silent", &[("a", "rw")]).await;
    let mut stranger = running.stranger().await;
    let _never_reads = running.deaf(&running.token("deaf", &[("a", "rw")]).await, "a").await;
    for _ in 0..100 {
        alice.publish("a", "x".repeat(32 * 1024 - 2)).await;
    }
    let begun = Instant::now();
    running.stop.take().unwrap().send(()).unwrap();
    for (peer, answers) in [(&mut alice, true), (&mut silent, false), (&mut stranger, true)] {
        let told = peer.frame().await.unwrap();
        assert_eq!(told["method"], "signalwire.disconnect", "{told}");
        if answers {
            peer.say(json!({"jsonrpc": "2.0", "id": told["id"], "result": {}}).to_string()).await;
        }
    }
    for peer in [&mut alice, &mut silent, &mut stranger] {
        assert_eq!(peer.closed().await, (1_001, "the sandbox stops".to_owned()));
    }
    timeout(SOON, running.served).await.unwrap().unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_millis(3_500), "it took {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_sandbox_that_is_dropped_lets_nobody_hang() {
    let running = clock!().sandbox().await;
    let mut alice = running.peer("alice", &[("a", "rw")]).await;
    running.served.abort();
    assert_eq!(alice.closed().await.0, 1_001);
    // And a new one of the same sandbox takes clients again.
    let again = timeout(Duration::from_secs(10), Running::serve(running.sandbox.clone())).await.unwrap();
    again.peer("alice", &[("a", "rw")]).await.subscribe(&["a"]).await;
}
