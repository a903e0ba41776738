//! How the service stops: SIGTERM and SIGINT, the delay, the grace, a second signal; no decision without its event.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use usher::sandbox::{Fault, Times};

use crate::support::{CommandLine, Server, keys};

async fn connect(serving: &Server) -> TcpStream {
    TcpStream::connect(serving.url.trim_start_matches("http://")).await.unwrap()
}

/// Begins a request and waits until it has reached SignalWire; its connection, on which nothing was read.
async fn in_flight(serving: &Server) -> TcpStream {
    let mut stream = connect(serving).await;
    let session = keys::session("alice", &["customer"]);
    let head = format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {session}\r\n\r\n");
    let before = serving.sandbox.received().len();
    stream.write_all(head.as_bytes()).await.unwrap();
    serving.sandbox.wait_for_calls(before + 1).await;
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn for_the_delay_it_is_not_ready_and_serves_on() {
    let place = CommandLine::with_policy();
    let more = [("USHER__SERVER__SHUTDOWN_DELAY", "2s"), ("USHER__OPS__LISTEN", "127.0.0.1:0")];
    let mut serving = Server::with(&place, &more).await;
    assert_eq!(serving.get("/ready").await.status, 200);
    let (told, ops) = (Instant::now(), serving.ops());
    serving.running.signal("TERM");
    serving.running.wait_for(|_, stderr| stderr.contains("stopping"));
    let (status, problem) = serving.get("/ready").await.read();
    assert_eq!((status, &problem["code"]), (503, &json!("not_ready")));
    assert!(!problem.to_string().contains("drain"), "{problem}");
    assert_eq!(serving.get("/live").await.status, 200);
    let words = ops.get("/ready").await.json();
    assert!(words["reasons"][0].as_str().unwrap().contains("draining"), "{words}");
    connect(&serving).await;
    assert_eq!(serving.post_as("alice", &json!({})).await.status, 200, "load balancers need their time");
    assert_eq!(serving.running.exit_code(), Some(0), "{}", serving.running.stderr());
    assert!(told.elapsed() > Duration::from_millis(1_900), "{:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_request_keep_nobody_waiting() {
    let mut serving = Server::with(&CommandLine::with_policy(), &[]).await;
    let mut fresh = connect(&serving).await;
    let mut idle = connect(&serving).await;
    idle.write_all(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 1_024];
    assert!(idle.read(&mut answer).await.unwrap() > 0);
    let told = Instant::now();
    serving.running.signal("TERM");
    assert_eq!(serving.running.exit_code(), Some(0), "{}", serving.running.stderr());
    assert!(told.elapsed() < Duration::from_secs(3), "the head's time-out is 5 s: {:?}", told.elapsed());
    for stream in [&mut fresh, &mut idle] {
        assert_eq!(stream.read(&mut answer).await.unwrap_or_default(), 0, "closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_is_answered_on_a_connection_that_then_closes() {
    let mut serving = Server::with(&CommandLine::with_policy(), &[]).await;
    serving.sandbox.fail(Fault::Delay(Duration::from_secs(1)), Times::Once);
    let mut stream = in_flight(&serving).await;
    serving.running.signal("INT");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(serving.running.exit_code(), Some(0), "{}", serving.running.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_whose_client_is_gone_is_minted_and_audited_before_the_end() {
    let mut serving = Server::with(&CommandLine::with_policy(), &[]).await;
    serving.sandbox.fail(Fault::Delay(Duration::from_secs(1)), Times::Once);
    drop(in_flight(&serving).await);
    serving.running.signal("TERM");
    assert_eq!(serving.running.exit_code(), Some(0), "{}", serving.running.stderr());
    let events = serving.running.audit();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((&event["outcome"], &event["upstream_status"]), (&json!("abandoned"), &json!(200)), "{event}");
    assert!(event["token_sha256"].is_string(), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_of_the_grace_requests_are_cut_off_and_audited() {
    for (case, grace, second) in [("grace", "1s", false), ("a second signal", "20s", true)] {
        let more = [("USHER__SERVER__SHUTDOWN_GRACE", grace), ("USHER__SIGNALWIRE__TIMEOUT", "10s")];
        let mut serving = Server::with(&CommandLine::with_policy(), &more).await;
        serving.sandbox.fail(Fault::Hang, Times::Once);
        let _waiting = in_flight(&serving).await;
        let told = Instant::now();
        serving.running.signal("TERM");
        if second {
            serving.running.wait_for(|_, stderr| stderr.contains("draining"));
            serving.running.signal("INT");
        }
        assert_eq!(serving.running.exit_code(), Some(1), "{case}");
        assert!(told.elapsed() < Duration::from_secs(5), "{case}: {:?}", told.elapsed());
        let stderr = serving.running.stderr();
        assert!(stderr.contains("cut off"), "{case}: {stderr}");
        let events = serving.running.audit();
        let [event] = events.as_slice() else { panic!("{case}: {events:?}") };
        let expected = (&json!("failed"), &json!("upstream_timeout"), &json!(null));
        assert_eq!((&event["outcome"], &event["code"], &event["token_sha256"]), expected, "{case}: {event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_with_nothing_in_flight_cuts_nothing_off() {
    let more = [("USHER__SERVER__SHUTDOWN_DELAY", "60s")];
    let mut serving = Server::with(&CommandLine::with_policy(), &more).await;
    serving.running.signal("TERM");
    serving.running.wait_for(|_, stderr| stderr.contains("stopping"));
    let second = Instant::now();
    serving.running.signal("TERM");
    assert_eq!(serving.running.exit_code(), Some(0), "{}", serving.running.stderr());
    assert!(second.elapsed() < Duration::from_secs(3), "{:?}", second.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_keeps_the_end_waiting_no_longer_than_a_head_may_take() {
    let more = [("USHER__SERVER__HEADER_TIMEOUT", "1s")];
    let mut serving = Server::with(&CommandLine::with_policy(), &more).await;
    let mut stream = connect(&serving).await;
    stream.write_all(b"POST /chat").await.unwrap();
    // So that its bytes are read before the signal comes.
    assert_eq!(serving.get("/live").await.status, 200);
    let told = Instant::now();
    serving.running.signal("TERM");
    assert_eq!(serving.running.exit_code(), Some(0), "{}", serving.running.stderr());
    assert!(told.elapsed() < Duration::from_secs(4), "{:?}", told.elapsed());
}
