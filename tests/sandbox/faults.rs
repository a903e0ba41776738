//! The faults on demand: what of each a client sees, and which requests meet it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt as _;
use usher::sandbox::{Fault, Times};

use super::{API_TOKEN, PROJECT, Running, valid_but};

const SOON: Duration = Duration::from_secs(10);

impl Running {
    /// A valid request's answer: status, content type, body.
    async fn ask(&self) -> (u16, String, String) {
        let response = self.try_send(valid_but(json!({})).to_string()).await.unwrap();
        let status = response.status().as_u16();
        let content_type =
            response.headers().get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
        (status, content_type, response.text().await.unwrap())
    }

    /// All that comes over the socket for a valid request, until the sandbox closes it.
    async fn raw(&self) -> String {
        let address = self.url.trim_start_matches("http://").split('/').next().unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "POST /api/chat/tokens HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(SOON, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }
}

#[tokio::test]
async fn a_status_comes_with_its_published_body() {
    let running = Running::start().await;
    for (status, body) in [
        (400, json!({"error": "Bad Request"})),
        (401, json!({"error": "Unauthorized"})),
        (403, json!({"error": "Unauthorized"})),
        (404, json!({"error": "Not Found"})),
        (500, json!({"error": "Internal Server Error"})),
        (503, json!({"error": "Service Unavailable"})),
    ] {
        running.sandbox.fail(Fault::Status(status), Times::Once);
        let (got, content_type, text) = running.ask().await;
        assert_eq!(got, status);
        assert!(content_type.starts_with("application/json"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), body);
    }
    for (status, code) in [(422, "missing_required_parameter"), (429, "rate_limit_exceeded")] {
        running.sandbox.fail(Fault::Status(status), Times::Once);
        let (got, _, text) = running.ask().await;
        assert_eq!(got, status);
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["errors"][0]["code"], code);
    }
}

#[tokio::test]
async fn a_status_comes_with_the_headers_and_body_asked_for() {
    let running = Running::start().await;
    running.sandbox.fail(
        Fault::StatusWith {
            status: 429,
            headers: vec![
                ("Retry-After".to_owned(), "7".to_owned()),
                ("x-a".to_owned(), "1".to_owned()),
                ("x-a".to_owned(), "2".to_owned()),
            ],
            body: "slow down".to_owned(),
        },
        Times::Once,
    );
    let response = running.try_send("{}").await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "7");
    let twice: Vec<_> = response.headers().get_all("x-a").iter().collect();
    assert_eq!(twice, ["1", "2"]);
    assert!(!response.headers().contains_key("content-type"));
    assert_eq!(response.text().await.unwrap(), "slow down");
}

#[tokio::test]
async fn a_fault_that_http_does_not_allow_says_so() {
    let running = Running::start().await;
    for fault in [
        Fault::Status(99),
        Fault::Html(1_000),
        Fault::Redirect("a\nb".to_owned()),
        Fault::StatusWith { status: 200, headers: vec![("a b".to_owned(), String::new())], body: String::new() },
    ] {
        running.sandbox.fail(fault.clone(), Times::Once);
        let (status, _, text) = running.ask().await;
        assert_eq!((status, text.contains("not valid HTTP")), (500, true), "{fault:?}");
    }
}

#[tokio::test]
async fn a_delay_comes_before_the_normal_answer() {
    let running = Running::start().await;
    let delay = Duration::from_millis(300);
    running.sandbox.fail(Fault::Delay(delay), Times::Exactly(2));
    let start = Instant::now();
    let (status, _, text) = running.ask().await;
    assert!(start.elapsed() >= delay);
    assert_eq!(status, 200);
    running.decoded(&serde_json::from_str(&text).unwrap());
    assert_eq!(running.send("{}").await.0, 422);
}

#[tokio::test]
async fn a_hang_never_answers_but_was_received() {
    let running = Running::start().await;
    running.sandbox.fail(Fault::Hang, Times::Once);
    let waited = timeout(Duration::from_millis(300), running.try_send("{}")).await;
    assert!(waited.is_err(), "{waited:?}");
    assert_eq!(running.sandbox.received().len(), 1);
    assert_eq!(running.ask().await.0, 200, "the next one is served");
}

#[tokio::test]
async fn a_cut_connection_gives_not_one_byte() {
    let running = Running::start().await;
    running.sandbox.fail(Fault::Cut, Times::Exactly(2));
    assert_eq!(running.raw().await, "");
    let error = running.try_send("{}").await.unwrap_err();
    assert!(!error.is_timeout() && !error.is_connect(), "{error:?}");
    assert_eq!(running.sandbox.received().len(), 2, "after it was read");
}

#[tokio::test]
async fn a_cut_is_an_empty_502_where_the_router_has_no_socket_of_ours() {
    let running = Running::start().await;
    running.sandbox.fail(Fault::Cut, Times::Once);
    let request = axum::extract::Request::post("/api/chat/tokens").body(axum::body::Body::empty()).unwrap();
    let response = running.sandbox.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 502);
    assert!(axum::body::to_bytes(response.into_body(), 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_cut_mid_body_gives_a_200_and_a_part_of_the_body() {
    let running = Running::start().await;
    running.sandbox.fail(Fault::CutMidBody, Times::Exactly(2));
    let raw = running.raw().await;
    assert!(raw.starts_with("HTTP/1.1 200 OK\r\n"), "{raw}");
    assert!(raw.contains("content-length: 4096\r\n"), "{raw}");
    assert!(raw.ends_with("\r\n\r\n{\"token\":\"half"), "{raw}");

    let response = running.try_send("{}").await.unwrap();
    assert_eq!(response.status(), 200);
    let error = response.bytes().await.unwrap_err();
    assert!(!error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn html_is_a_gateways_page() {
    let running = Running::start().await;
    for status in [502, 200] {
        running.sandbox.fail(Fault::Html(status), Times::Once);
        let (got, content_type, text) = running.ask().await;
        assert_eq!((got, content_type.as_str()), (status, "text/html"));
        assert!(text.starts_with("<html>"), "{text}");
    }
}

#[tokio::test]
async fn oversize_is_a_well_formed_token_over_the_limit_of_no_announced_length() {
    let running = Running::start().await;
    for limit in [0, 2 * 1024 * 1024] {
        running.sandbox.fail(Fault::Oversize(limit), Times::Once);
        let response = running.try_send("{}").await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.content_length(), None);
        let body = response.bytes().await.unwrap();
        assert!(body.len() > limit);
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert!(answer["token"].as_str().unwrap().len() > limit);
    }
}

#[tokio::test]
async fn a_redirect_keeps_the_method() {
    let running = Running::start().await;
    let address = format!("{}/elsewhere", running.url);
    running.sandbox.fail(Fault::Redirect(address.clone()), Times::Once);
    let response = running.try_send("{}").await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"], address.as_str());
    assert_eq!(running.sandbox.received().len(), 1);
}

#[tokio::test]
async fn a_body_is_sent_as_it_is_and_called_json() {
    let running = Running::start().await;
    for (status, body) in
        [(200, "{}"), (200, r#"{"token":""}"#), (201, r#"{"token":7}"#), (200, ""), (422, "<not json")]
    {
        let fault = Fault::Body { status, body: body.to_owned() };
        running.sandbox.fail(fault, Times::Once);
        let expected = (status, "application/json".to_owned(), body.to_owned());
        assert_eq!(running.ask().await, expected);
    }
}

#[tokio::test]
async fn created_is_a_201_with_a_token_and_leaves_errors_alone() {
    let running = Running::start().await;
    running.sandbox.fail(Fault::Created, Times::Always);
    let (status, answer) = running.send(valid_but(json!({})).to_string()).await;
    assert_eq!(status, 201);
    running.decoded(&answer);
    assert_eq!(running.send("{}").await.0, 422);
}

#[tokio::test]
async fn a_drip_gives_the_normal_body_a_byte_at_a_time() {
    let running = Running::start().await;
    let pause = Duration::from_millis(2);
    running.sandbox.fail(Fault::Drip(pause), Times::Once);
    let start = Instant::now();
    let mut response = running.try_send(valid_but(json!({})).to_string()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.content_length(), None);
    let mut body = Vec::new();
    let mut chunks = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        body.extend(chunk);
        chunks += 1;
    }
    let bytes = u32::try_from(body.len()).unwrap();
    assert!(start.elapsed() >= pause * (bytes - 1));
    assert!(chunks > 50, "{chunks} chunks of {bytes} bytes");
    running.decoded(&serde_json::from_slice(&body).unwrap());
}

#[tokio::test]
async fn a_drip_without_a_pause_is_served_too() {
    let running = Running::start().await;
    running.sandbox.fail(Fault::Drip(Duration::ZERO), Times::Once);
    assert_eq!(running.ask().await.0, 200);
}

#[tokio::test]
async fn faults_come_in_the_order_and_as_often_as_asked_for() {
    let running = Running::start().await;
    running.sandbox.fail(Fault::Status(500), Times::Once);
    running.sandbox.fail(Fault::Status(501), Times::Exactly(0));
    running.sandbox.fail(Fault::Status(502), Times::Exactly(1));
    running.sandbox.fail(Fault::Status(503), Times::Exactly(3));
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(running.ask().await.0);
    }
    assert_eq!(statuses, [500, 502, 503, 503, 503, 200, 200]);
}

#[tokio::test]
async fn always_lasts_until_healed() {
    let running = Running::start().await;
    running.sandbox.fail(Fault::Status(500), Times::Always);
    running.sandbox.fail(Fault::Status(502), Times::Once);
    for _ in 0..5 {
        assert_eq!(running.ask().await.0, 500);
    }
    running.sandbox.heal();
    assert_eq!(running.ask().await.0, 200, "what was behind it is gone too");
}

#[tokio::test]
async fn faults_come_before_the_credentials_and_on_the_token_path_alone() {
    let running = Running::start().await;
    running.sandbox.fail(Fault::Status(503), Times::Once);
    let elsewhere = format!("{}/elsewhere", running.url);
    let response = running.client.post(elsewhere).send().await.unwrap();
    assert_eq!(response.status(), 404);
    let response = running.client.post(&running.url).send().await.unwrap();
    assert_eq!(response.status(), 503);
    let received = running.sandbox.received();
    assert_eq!(received.len(), 2);
    assert!(received.iter().all(|request| !request.authorized));
}

#[tokio::test]
async fn stopping_cuts_what_is_open_and_closes_the_port() {
    let mut running = Running::start().await;
    running.sandbox.fail(Fault::Hang, Times::Once);
    let sandbox = running.sandbox.clone();
    let request = running.client.post(&running.url).basic_auth(PROJECT, Some(API_TOKEN)).send();
    let hanging = tokio::spawn(request);
    while sandbox.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.stop.take().unwrap().send(()).unwrap();
    timeout(SOON, &mut running.served).await.unwrap().unwrap().unwrap();
    let error = timeout(SOON, hanging).await.unwrap().unwrap().unwrap_err();
    assert!(!error.is_timeout(), "{error:?}");
    assert!(running.try_send("{}").await.unwrap_err().is_connect());
}
