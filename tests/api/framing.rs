//! How a body comes: its framing, its media type, its size.

use std::time::Duration;

use usher::api::Code;

use crate::support::service::{Service, Setup};
use crate::support::session;
use crate::support::{Response, raw};

const TYPES: [&str; 7] = [
    "",
    "Content-Type: application/json\r\n",
    "Content-Type: text/plain\r\n",
    "Content-Type: multipart/form-data; boundary=x\r\n",
    "Content-Type: nonsense\r\n",
    "Content-Type: application/json\r\nContent-Type: application/json\r\n",
    "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
];

/// `POST /chat-token` with a good session, these further header lines, and these bytes after the head.
async fn post(service: &Service, lines: &str, after: &str) -> Response {
    let session = session("alice", &["customer"]);
    let head = format!(
        "POST /chat-token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {session}\r\n{lines}\r\n"
    );
    raw(&service.url, head + after).await
}

fn chunked(body: &str) -> String {
    let pieces: Vec<String> = body
        .as_bytes()
        .chunks(50_000)
        .map(|piece| format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap()))
        .collect();
    pieces.concat() + "0\r\n\r\n"
}

/// A JSON document of exactly so many bytes.
fn padded(bytes: usize) -> String {
    format!("{{{}}}", " ".repeat(bytes - 2))
}

#[tokio::test]
async fn no_bytes_at_all_are_an_empty_request_however_framed_and_typed() {
    let service = Service::start().await;
    for lines in TYPES {
        for (framing, after) in
            [("", ""), ("Content-Length: 0\r\n", ""), ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n")]
        {
            let case = format!("{lines:?} {framing:?}");
            let seen = post(&service, &format!("{lines}{framing}"), after).await;
            assert_eq!(seen.status, 200, "{case}: {seen:?}");
            let granted = seen.json()["channels"].as_object().unwrap().len();
            assert_eq!(granted, 2, "{case}");
        }
    }
}

#[tokio::test]
async fn bytes_are_application_json_whatever_its_parameters() {
    let service = Service::start().await;
    for good in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=latin1",
        "application/json ; x=\"y;z\"",
    ] {
        for (framing, after) in [("Content-Length: 2", "{}"), ("Transfer-Encoding: chunked", &*chunked("{}"))] {
            let seen = post(&service, &format!("Content-Type: {good}\r\n{framing}\r\n"), after).await;
            assert_eq!(seen.status, 200, "{good}, {framing}: {seen:?}");
        }
    }
    for bad in [
        "",
        "Content-Type: \r\n",
        "Content-Type: text/plain\r\n",
        "Content-Type: text/json\r\n",
        "Content-Type: application/jsonp\r\n",
        "Content-Type: application/problem+json\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/json, text/plain\r\n",
        "Content-Type: text/plain; application/json\r\n",
        "Content-Type: application/json\r\nContent-Type: application/json\r\n",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
        "Content-Type: application/json\r\nContent-Encoding: identity\r\n",
    ] {
        for (framing, after) in [("Content-Length: 2", "{}"), ("Transfer-Encoding: chunked", &*chunked("{}"))] {
            let case = format!("{bad:?}, {framing}");
            post(&service, &format!("{bad}{framing}\r\n"), after)
                .await
                .assert_problem(&case, Code::UnsupportedMediaType);
        }
    }
    assert!(service.sandbox.received().len() == 10, "only what was taken was minted");
}

#[tokio::test]
async fn a_body_has_at_most_so_many_bytes_announced_or_not() {
    for (service, max) in
        [(Service::start().await, 256 * 1_024), (Service::with(Setup { max_body: 100, ..Setup::default() }).await, 100)]
    {
        let json = "Content-Type: application/json\r\n";
        for (bytes, status) in [(max, 200), (max + 1, 413)] {
            let body = padded(bytes);
            let announced = post(&service, &format!("{json}Content-Length: {bytes}\r\n"), &body).await;
            let in_chunks = post(&service, &format!("{json}Transfer-Encoding: chunked\r\n"), &chunked(&body)).await;
            for (case, seen) in [("announced", announced), ("in chunks", in_chunks)] {
                assert_eq!(seen.status, status, "{case}, {bytes}: {seen:?}");
                if status == 413 {
                    seen.assert_problem(case, Code::BodyTooLarge);
                }
            }
        }
    }
}

#[tokio::test]
async fn an_announced_size_is_refused_before_a_byte_of_it_came() {
    let service = Service::start().await;
    let waiting = post(&service, "Content-Type: application/json\r\nContent-Length: 262145\r\n", "");
    let seen = tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("it waits for the body");
    seen.assert_problem("announced", Code::BodyTooLarge);
    let waiting = post(&service, "Content-Length: 5\r\n", "");
    let seen = tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("it waits for the body");
    seen.assert_problem("no type", Code::UnsupportedMediaType);
}

#[tokio::test]
async fn an_ordinary_client_that_sends_too_much_is_told_so() {
    let service = Service::start().await;
    for bytes in [300_000, 4 << 20] {
        let answer = service.post_text(&session("alice", &["customer"]), padded(bytes)).await.read();
        assert_eq!((answer.0, &answer.1["code"]), (413, &serde_json::json!("body_too_large")), "{bytes}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_mints_nothing() {
    let service = Service::start().await;
    let session = session("alice", &["customer"]);
    let head = format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {session}\r\n");
    let head = format!("{head}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{{}}");
    let mut stream = tokio::net::TcpStream::connect(service.url.strip_prefix("http://").unwrap()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await.unwrap();
    assert!(!String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 200"));
    assert!(service.sandbox.received().is_empty());
}

#[tokio::test]
async fn http_1_0_is_served_too() {
    let service = Service::start().await;
    let session = session("alice", &["customer"]);
    let request = format!("POST /chat-token HTTP/1.0\r\nAuthorization: Bearer {session}\r\n\r\n");
    assert_eq!(raw(&service.url, request).await.status, 200);
}
