//! A request's id: the client's own where it fits, else one of ours.

use std::collections::HashSet;

use axum_test::TestServer;

use crate::support::raw;
use crate::support::service::{Service, Setup, router};
use crate::support::session;

fn is_made(id: &str) -> bool {
    uuid::Uuid::parse_str(id).is_ok()
}

#[tokio::test]
async fn an_id_of_1_to_128_plain_characters_is_taken_and_any_other_replaced() {
    let server = TestServer::builder().http_transport().build(router(Setup::default(), "http://127.0.0.1:9"));
    let longest = "x".repeat(128);
    for id in ["a", "0", "AZaz09._:-", "::", longest.as_str()] {
        let response = server.get("/nowhere").add_header("x-request-id", id).await;
        assert_eq!(response.header("x-request-id"), id);
        assert_eq!(response.json::<serde_json::Value>()["request_id"], id);
    }
    let too_long = "x".repeat(129);
    for id in
        ["", "a b", "a/b", "a,b", "a;b", "<a>", "a\"b", "a{b", "a~b", "a@b", "a+b", "a=b", "a\tb", too_long.as_str()]
    {
        let response = server.get("/nowhere").add_header("x-request-id", id).await;
        let made = response.header("x-request-id").to_str().unwrap().to_owned();
        assert!(is_made(&made), "{id:?} became {made:?}");
        assert_eq!(response.json::<serde_json::Value>()["request_id"], made);
    }
}

#[tokio::test]
async fn two_ids_or_one_that_is_not_ascii_are_none() {
    let service = Service::start().await;
    for lines in
        ["X-Request-Id: a\r\nX-Request-Id: b\r\n", "X-Request-Id: a\r\nX-Request-Id: a\r\n", "X-Request-Id: é\r\n", ""]
    {
        let seen = raw(&service.url, format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n")).await;
        assert!(is_made(seen.header("x-request-id").unwrap()), "{lines:?}: {seen:?}");
    }
    let seen = raw(&service.url, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-ReQuest-ID: a\r\n\r\n").await;
    assert_eq!(seen.header("x-request-id"), Some("a"));
}

#[tokio::test]
async fn every_answer_has_an_id_and_each_its_own() {
    let service = Service::start().await;
    let alice = session("alice", &["customer"]);
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let answer = service.post(&alice, None).await;
        assert_eq!(answer.status, 200);
        ids.insert(answer.headers["x-request-id"].to_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 3);
    let request = service.mint_request(&alice).header("x-request-id", "mine");
    assert_eq!(request.send().await.unwrap().headers()["x-request-id"], "mine");
}
