//! `request_timeout`: the whole request, past it 408 while the body is awaited, else 504.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use usher::api::Code;
use usher::sandbox::{Fault, Times};

use crate::support::raw;
use crate::support::service::{Service, Setup};
use crate::support::session;

/// Far under the time-out of the call to SignalWire.
const DEADLINE: Duration = Duration::from_secs(1);

async fn service() -> Service {
    let upstream_timeout = Duration::from_mins(1);
    Service::with(Setup { request_timeout: DEADLINE, upstream_timeout, ..Setup::default() }).await
}

fn head(lines: &str) -> String {
    let session = session("alice", &["customer"]);
    let head =
        format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {session}\r\n");
    format!("{head}Content-Type: application/json\r\n{lines}\r\n")
}

fn assert_in_time(case: &str, started: Instant) {
    let took = started.elapsed();
    assert!((DEADLINE..DEADLINE * 5).contains(&took), "{case}: {took:?}");
}

#[tokio::test]
async fn signalwire_is_waited_for_until_the_requests_deadline() {
    let service = service().await;
    for (case, fault) in [("silence", Fault::Hang), ("drop by drop", Fault::Drip(Duration::from_millis(100)))] {
        service.sandbox.fail(fault, Times::Once);
        let started = Instant::now();
        let seen = service.post(&session("alice", &["customer"]), None).await;
        seen.assert_problem(case, Code::UpstreamTimeout);
        assert_in_time(case, started);
    }
    assert_eq!(service.post(&session("alice", &["customer"]), None).await.status, 200, "in time");
}

#[tokio::test]
async fn calls_that_were_left_no_time_do_not_open_the_circuit() {
    // As a client has it who sends the end of its body at the last moment.
    let service = service().await;
    service.sandbox.fail(Fault::Hang, Times::Always);
    let session = session("alice", &["customer"]);
    let late = (0..25).map(|_| service.mint_request(&session).send());
    for late in late.map(tokio::spawn).collect::<Vec<_>>() {
        assert_eq!(late.await.unwrap().unwrap().status(), 504);
    }
    service.sandbox.heal();
    assert_eq!(service.post(&session, None).await.status, 200);
}

#[tokio::test]
async fn a_body_is_waited_for_until_the_requests_deadline() {
    let service = service().await;
    for (case, lines, after) in [
        ("announced, none came", "Content-Length: 2\r\n", ""),
        ("announced, half came", "Content-Length: 2\r\n", "{"),
        ("in chunks, none came", "Transfer-Encoding: chunked\r\n", ""),
        ("in chunks, without an end", "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n"),
    ] {
        let started = Instant::now();
        let seen = raw(&service.url, head(lines) + after).await;
        seen.assert_problem(case, Code::RequestTimeout);
        assert_in_time(case, started);
    }
    assert!(service.sandbox.received().is_empty());
}

#[tokio::test]
async fn a_slow_body_that_comes_in_time_is_taken() {
    let service = service().await;
    let mut stream = TcpStream::connect(service.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(head("Content-Length: 2\r\n").as_bytes()).await.unwrap();
    for byte in [b"{", b"}"] {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(byte).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn what_the_body_took_is_not_there_for_signalwire() {
    let service = service().await;
    service.sandbox.fail(Fault::Hang, Times::Once);
    let started = Instant::now();
    let mut stream = TcpStream::connect(service.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(head("Content-Length: 2\r\n").as_bytes()).await.unwrap();
    tokio::time::sleep(DEADLINE / 2).await;
    stream.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    let took = started.elapsed();
    assert!(took < DEADLINE + DEADLINE / 2, "one deadline for both: {took:?}");
}
