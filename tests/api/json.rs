//! A body is one proper JSON document, or a 400; each with its twin that is one.

use serde_json::json;

use crate::support::service::Service;
use crate::support::session;

/// `status` nested so deep, within the two levels of the body and the state.
fn nested(levels: usize) -> String {
    let inner = levels - 2;
    format!("{{\"state\": {{\"status\": {}1{}}}}}", "[".repeat(inner), "]".repeat(inner))
}

fn is_malformed(case: &str, (status, answer): &(u16, serde_json::Value)) {
    assert_eq!((*status, &answer["code"]), (400, &json!("malformed_request")), "{case}: {answer}");
}

#[tokio::test]
async fn what_is_not_one_utf8_json_document_is_malformed() {
    let service = Service::start().await;
    let alice = session("alice", &["customer"]);
    let good: [(&str, &[u8]); 8] = [
        ("white space around it", b" \r\n\t{ } \n"),
        ("UTF-8", "{\"state\": {\"status\": \"é\u{feff}😀\"}}".as_bytes()),
        ("escapes", br#"{"state": {"status": "\u00e9\ud83d\ude00\n"}}"#),
        ("an escaped name", br#"{"\u0074tl": 5}"#),
        ("the largest double", br#"{"state": {"status": 1.7976931348623157e308}}"#),
        ("the smallest double", br#"{"state": {"status": -1.7976931348623157E+308}}"#),
        ("an integer past 64 bits", br#"{"state": {"status": 123456789012345678901234567890}}"#),
        ("the same name in two objects", br#"{"state": {"status": [{"a": 1}, {"a": 2, "b": {"a": 3}}]}}"#),
    ];
    for (case, body) in good {
        service.taken(case, &alice, body.to_vec()).await;
    }
    let bad: [(&str, &[u8]); 33] = [
        ("nothing but white space", b" \n"),
        ("half of one", b"{\"ttl\": 5"),
        ("text after it", b"{} x"),
        ("two documents", b"{}{}"),
        ("a comma after it", b"{},"),
        ("NUL after it", b"{}\0"),
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("UTF-16", b"{\0}\0"),
        ("Latin-1", b"{\"state\": {\"status\": \"\xe9\"}}"),
        ("overlong UTF-8", b"{\"state\": {\"status\": \"\xc0\xaf\"}}"),
        ("a surrogate as UTF-8", b"{\"state\": {\"status\": \"\xed\xa0\x80\"}}"),
        ("a comment", b"{} // ttl"),
        ("a trailing comma", b"{\"ttl\": 5,}"),
        ("single quotes", b"{'ttl': 5}"),
        ("no quotes", b"{ttl: 5}"),
        ("NaN", b"{\"ttl\": NaN}"),
        ("a leading zero", b"{\"ttl\": 05}"),
        ("a plus", b"{\"ttl\": +5}"),
        ("hexadecimal", b"{\"ttl\": 0x5}"),
        ("a control character in a string", b"{\"state\": {\"status\": \"a\nb\"}}"),
        ("a high surrogate alone", br#"{"state": {"status": "\ud83d"}}"#),
        ("a low surrogate alone", br#"{"state": {"status": "\ude00"}}"#),
        ("a pair the wrong way round", br#"{"state": {"status": "\ude00\ud83d"}}"#),
        ("half a pair in a name", br#"{"state": {"status": {"\ud83d": 1}}}"#),
        ("no double holds it", br#"{"state": {"status": 1e400}}"#),
        ("nor this", br#"{"ttl": -1e400}"#),
        ("nor this in an unknown member", br#"{"x": [1e309]}"#),
        ("a name twice", br#"{"ttl": 5, "ttl": 5}"#),
        ("a name twice, once escaped", br#"{"ttl": 5, "\u0074tl": 6}"#),
        ("an unknown name twice", br#"{"x": 5, "x": 5}"#),
        ("a channel twice", br#"{"channels": {"a": {"read": true}, "a": {"read": true}}}"#),
        ("a right twice", br#"{"channels": {"a": {"read": true, "read": false}}}"#),
        ("a name twice deep in the state", br#"{"state": {"status": [[{"b": {"a": 1, "a": 1}}]]}}"#),
    ];
    for (case, body) in bad {
        is_malformed(case, &service.post_text(&alice, body.to_vec()).await.read());
    }
}

#[tokio::test]
async fn a_body_is_nested_less_than_128_deep() {
    let service = Service::start().await;
    let alice = session("alice", &["customer"]);
    service.taken("127", &alice, nested(127)).await;
    is_malformed("128", &service.post_text(&alice, nested(128)).await.read());
    let list = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    service.one_fault("a list of 127", &alice, list(127), "", "wrong_type").await;
    is_malformed("a list of 128", &service.post_text(&alice, list(128)).await.read());
    is_malformed("a list of 100000", &service.post_text(&alice, list(100_000)).await.read());
}

#[tokio::test]
async fn what_is_wrong_with_a_document_is_said_without_its_text() {
    let service = Service::start().await;
    let (_, answer) = service.post_text(&session("alice", &["customer"]), "{\"ttl\": \"PRIVATE\" \"x\"}").await.read();
    assert!(!answer.to_string().contains("PRIVATE"), "{answer}");
}
