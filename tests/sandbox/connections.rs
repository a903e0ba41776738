//! Connections that are too many, or whose requests do not come.

use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{API_TOKEN, PROJECT, Running};
use crate::support::{Client, Process, send};

const ELSEWHERE: &str = "GET /elsewhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

impl Running {
    async fn stream(&self) -> TcpStream {
        let address = self.url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        TcpStream::connect(address).await.unwrap()
    }
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// `usher sandbox` under `ulimit` with these options.
fn limited(limit: &str) -> Process {
    let line = format!("ulimit {limit}; exec {} sandbox --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_usher"));
    let process = Process::start(Command::new("sh").args(["-c", &line]).env_clear().env("HOME", "/"));
    process.wait_for(|stdout, _| stdout.lines().count() == 3);
    process
}

fn hold_80_connections(sandbox: &Process) -> Vec<std::net::TcpStream> {
    let client = Client::new(sandbox.printed("SIGNALWIRE_SPACE"));
    (0..80).map(|_| std::net::TcpStream::connect(client.address()).unwrap()).collect()
}

async fn mints(sandbox: &Process) {
    let request = Client::new(sandbox.printed("SIGNALWIRE_SPACE")).request(Method::POST, "/api/chat/tokens");
    let (project, token) = (sandbox.printed("SIGNALWIRE_PROJECT_ID"), sandbox.printed("SIGNALWIRE_API_TOKEN"));
    let body = json!({"ttl": 5, "channels": {"a": {"read": true}}});
    assert_eq!(send(request.basic_auth(project, Some(token)).json(&body)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_accepted_for_a_while_does_not_end_it() {
    let sandbox = limited("-n 64");
    let held = hold_80_connections(&sandbox);
    sandbox.wait_for(|_, stderr| stderr.contains("cannot accept connections for now"));
    drop(held);
    mints(&sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_files_are_opened_as_the_system_gives() {
    let sandbox = limited("-S -n 64");
    let _held = hold_80_connections(&sandbox);
    mints(&sandbox).await;
    assert_eq!(sandbox.stderr(), "");
}

#[tokio::test]
async fn the_1025th_connection_waits_until_another_ends() {
    usher::service::raise_open_files(4_096);
    let running = Running::start().await;
    let mut held = Vec::new();
    for _ in 0..1_024 {
        held.push(running.stream().await);
    }
    let mut next = running.stream().await;
    next.write_all(ELSEWHERE.as_bytes()).await.unwrap();
    let early = timeout(Duration::from_millis(500), next.read_u8()).await;
    assert!(early.is_err(), "{early:?}");
    held.pop();
    assert!(answer(&mut next).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_relays_connection_is_none_of_those() {
    usher::service::raise_open_files(4_096);
    let running = Running::start().await;
    let url = running.url.replace("http://", "ws://").replace("/api/chat/tokens", "/");
    let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..1_023 {
        held.push(running.stream().await);
    }
    let mut next = running.stream().await;
    next.write_all(ELSEWHERE.as_bytes()).await.unwrap();
    assert!(answer(&mut next).await.starts_with("HTTP/1.1 404 "));
    drop(socket);
}

#[tokio::test]
async fn a_body_has_10_s_to_come() {
    let running = Running::start().await;
    let mut stream = running.stream().await;
    let credentials = STANDARD.encode(format!("{PROJECT}:{API_TOKEN}"));
    let half = format!(
        "POST /api/chat/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\nContent-Length: 50\r\n\r\n{{"
    );
    let begun = Instant::now();
    stream.write_all(half.as_bytes()).await.unwrap();
    let answer = answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!((10..12).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}
