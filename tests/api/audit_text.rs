//! When the audit event is written, and what its line cannot hold.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use usher::sandbox::{Fault, Times};

use super::{served, session_of};
use crate::support::service::POLICY;
use crate::support::session;

#[tokio::test]
async fn a_client_that_hangs_up_after_the_decision_leaves_abandoned_and_one_mint() {
    let served = served(POLICY, &[]).await;
    served.sandbox.fail(Fault::Delay(Duration::from_secs(1)), Times::Once);
    let session = session("alice", &["customer"]);
    let mut stream = tokio::net::TcpStream::connect(served.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST /chat-token HTTP/1.1\r\nHost: x\r\nX-Request-Id: gone\r\nAuthorization: Bearer {session}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    served.sandbox.wait_for_calls(1).await;
    drop(stream);
    let event = served.running.event("gone").await;
    assert_eq!((&event["outcome"], &event["upstream_status"]), (&json!("abandoned"), &json!(200)), "{event}");
    assert_eq!(event["token_sha256"].as_str().unwrap().len(), 64, "{event}");
    assert_eq!(served.sandbox.received().len(), 1);
    assert_eq!(served.post_with_id("stays", &session, &json!({})).await.status, 200);
    assert_eq!(served.running.event("stays").await["outcome"], "granted");
}

#[tokio::test]
async fn the_event_is_written_at_any_level_and_is_one_line() {
    for level in ["error", "warn", "trace"] {
        let served = served(POLICY, &[("USHER__LOG__LEVEL", level)]).await;
        assert_eq!(
            served.post_with_id("one", &session("alice", &["customer"]), &json!({})).await.status,
            200,
            "{level}"
        );
        served.running.event("one").await;
        let (stdout, stderr) = served.stop();
        assert_eq!(stdout, "", "{level}: results only");
        let about = stderr.lines().filter(|line| line.contains("\"event\":\"audit\"")).count();
        assert_eq!(about, 1, "{level}: {stderr}");
        if level == "error" {
            assert_eq!(stderr.lines().count(), 1, "nothing else is worth this level: {stderr}");
        }
    }
}

#[tokio::test]
async fn the_cause_of_a_failure_is_in_the_log_once_under_the_requests_id_at_any_level() {
    for level in ["error", "info"] {
        for format in ["json", "pretty"] {
            let served = served(POLICY, &[("USHER__LOG__LEVEL", level), ("USHER__LOG__FORMAT", format)]).await;
            served.sandbox.fail(Fault::Status(401), Times::Always);
            assert_eq!(served.post_with_id("failed-1", &session("alice", &["customer"]), &json!({})).await.status, 502);
            served.running.event("failed-1").await;
            let (_, stderr) = served.stop();
            let causes: Vec<_> = stderr.lines().filter(|line| line.contains("refuses our credentials")).collect();
            assert_eq!(causes.len(), 1, "{level}, {format}: {stderr}");
            assert!(causes[0].contains("failed-1"), "{level}, {format}: {}", causes[0]);
        }
    }
}

#[tokio::test]
async fn nothing_is_written_for_what_fails_at_the_session_or_is_no_request_for_a_token() {
    let served = served(POLICY, &[]).await;
    let good = session("alice", &["customer"]);
    let expired = session_of("alice", &["customer"], -5, &json!({}));
    for session in ["nonsense", expired.as_str()] {
        assert_eq!(served.post_with_id("bad", session, &json!({})).await.status, 401);
    }
    assert_eq!(served.request(reqwest::Method::POST, "/chat-token").send().await.unwrap().status(), 401);
    assert_eq!(
        served.request(reqwest::Method::GET, "/chat-token").bearer_auth(&good).send().await.unwrap().status(),
        405
    );
    assert_eq!(served.grants(&good).await.status, 200);
    assert_eq!(served.post_with_id("good", &good, &json!({})).await.status, 200);
    served.running.event("good").await;
    let (_, stderr) = served.stop();
    assert_eq!(stderr.matches("\"event\":\"audit\"").count(), 1, "{stderr}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_neither_answered_nor_granted() {
    let served = served(POLICY, &[]).await;
    let session = session("alice", &["customer"]);
    let mut stream = tokio::net::TcpStream::connect(served.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head =
        format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nX-Request-Id: gone\r\nAuthorization: Bearer {session}\r\n");
    stream
        .write_all((head + "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{}").as_bytes())
        .await
        .unwrap();
    drop(stream);
    assert_eq!(served.post_with_id("good", &session, &json!({})).await.status, 200);
    let (_, stderr) = served.stop();
    let events = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let granted: Vec<_> = events.filter(|event| event["outcome"] == "granted").collect();
    assert_eq!(granted.len(), 1, "{stderr}");
    assert_eq!(granted[0]["request_id"], "good");
}

/// Every category that can forge a line, reach a terminal or turn a text round.
#[tokio::test]
async fn invisible_characters_are_escaped_in_all_that_is_logged() {
    const NAME: &str =
        "A\u{202e}B\u{2028}C\u{2029}D\u{85}E\u{e0001}F\u{feff}G\u{7f}H\n{\"event\":\"audit\"}\r\u{1b}[31mI";
    for format in ["json", "pretty"] {
        let served = served(POLICY, &[("USHER__LOG__FORMAT", format), ("USHER__LOG__LEVEL", "trace")]).await;
        let more = json!({"name": NAME, "exotic": NAME});
        let session = session_of("alice", &["agent", NAME], 3_600, &more);
        let asked = "support:a\u{202e}b\u{e0001}c";
        let body = json!({"channels": {asked: {"read": true, "write": false}}});
        assert_eq!(served.post_with_id("odd", &session, &body).await.status, 200, "{format}");
        let event = served.running.event("odd").await;
        assert_eq!(event["claims"]["name"], NAME, "{format}: it reads back as it was");
        assert_eq!(event["roles_claimed"], json!(["agent", NAME]), "{format}");
        assert_eq!(event["asked"], body["channels"], "{format}");
        let (_, stderr) = served.stop();
        for character in stderr.chars() {
            let visible = !usher::telemetry::log::is_invisible(character) || character == '\n';
            assert!(visible, "{format}: {:x} in {stderr}", u32::from(character));
        }
        assert!(!stderr.contains([
            '\u{202e}',
            '\u{2028}',
            '\u{2029}',
            '\u{85}',
            '\u{e0001}',
            '\u{feff}',
            '\u{7f}',
            '\u{1b}'
        ]));
        for escape in ["\\u202e", "\\u2028", "\\u2029", "\\u0085", "\\udb40\\udc01", "\\ufeff"] {
            assert!(stderr.contains(escape), "{format}: {escape} in {stderr}");
        }
        let forged = stderr.lines().filter(|line| line.starts_with("{\"event\":\"audit\"")).count();
        assert_eq!(forged, 1, "{format}: {stderr}");
    }
}
