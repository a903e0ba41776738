//! What SignalWire does, and what a client is told of it: the documented problem, and not one word of SignalWire's.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use usher::api::Code;
use usher::sandbox::{Fault, Times};

use crate::support::Response;
use crate::support::service::{Service, Setup};
use crate::support::session;

/// What SignalWire's answers hold and ours must not.
const MARK: &str = "UPSTREAMS-OWN-WORDS";

async fn asked(service: &Service) -> Response {
    service.post(&session("alice", &["customer"]), None).await
}

fn body(status: u16, body: impl Into<String>) -> Fault {
    Fault::Body { status, body: body.into() }
}

fn with_header(status: u16, name: &str, value: &str) -> Fault {
    let headers = vec![(name.to_owned(), value.to_owned()), ("x-mark".to_owned(), MARK.to_owned())];
    Fault::StatusWith { status, headers, body: MARK.to_owned() }
}

/// That a request meets this problem where SignalWire does this, and that the next one is served.
async fn meets(service: &Service, case: &str, fault: Fault, code: Code) -> Response {
    service.sandbox.fail(fault, Times::Always);
    let seen = asked(service).await;
    service.sandbox.heal();
    seen.assert_problem(case, code);
    assert!(!format!("{seen:?}").contains(MARK), "{case}: {seen:?}");
    assert_eq!(asked(service).await.status, 200, "{case}: the next one");
    seen
}

#[tokio::test]
async fn both_200_and_201_are_taken() {
    let service = Service::start().await;
    assert_eq!(asked(&service).await.status, 200);
    service.sandbox.fail(Fault::Created, Times::Once);
    let created = asked(&service).await;
    assert_eq!(created.status, 200);
    assert_eq!(service.payload(&created.json())["m"], "alice");
    for (case, status, text) in [
        ("more members", 200, "{\"token\": \"a.b.c\", \"more\": 1}"),
        ("white space", 201, " {\"token\": \"a.b.c\"}\n"),
        ("no JWT at all", 200, "{\"token\": \"a.b.c\"}"),
    ] {
        service.sandbox.fail(body(status, text), Times::Once);
        let seen = asked(&service).await;
        assert_eq!((seen.status, &seen.json()["token"]), (200, &json!("a.b.c")), "{case}");
    }
}

#[tokio::test]
async fn what_is_not_an_answer_is_a_502() {
    let service = Service::start().await;
    let failed = Code::UpstreamFailed;
    for status in [401, 403, 404, 405, 409, 410, 415, 400, 422, 418, 202, 203, 206, 300, 304] {
        meets(&service, &status.to_string(), Fault::Status(status), failed).await;
        meets(&service, &status.to_string(), body(status, format!("{{\"token\": \"{MARK}\"}}")), failed).await;
    }
    for (case, fault) in [
        ("no content", Fault::StatusWith { status: 204, headers: Vec::new(), body: String::new() }),
        ("HTML", Fault::Html(200)),
        ("a 404 page", Fault::Html(404)),
        ("no JSON", body(200, MARK)),
        ("half of JSON", body(200, format!("{{\"token\": \"{MARK}"))),
        ("text after JSON", body(200, format!("{{\"token\": \"{MARK}\"}} x"))),
        ("nothing", body(200, "")),
        ("no token", body(200, format!("{{\"tokens\": \"{MARK}\"}}"))),
        ("an empty token", body(200, "{\"token\": \"\"}")),
        ("a token that is a number", body(200, "{\"token\": 5}")),
        ("a token that is null", body(201, "{\"token\": null}")),
        ("a token that is a list", body(200, format!("{{\"token\": [\"{MARK}\"]}}"))),
        ("a token twice", body(200, format!("{{\"token\": \"{MARK}\", \"token\": \"{MARK}\"}}"))),
        ("a list", body(200, format!("[\"{MARK}\"]"))),
        ("a string", body(200, format!("\"{MARK}\""))),
        ("not UTF-8", with_header(200, "content-encoding", "gzip")),
        ("over 2 MiB", Fault::Oversize(2 << 20)),
        ("errors of another shape", body(422, format!("{{\"message\": \"{MARK}\"}}"))),
        ("errors with our words for theirs", body(422, format!("{{\"errors\": [{{\"code\": \"{MARK}\"}}]}}"))),
    ] {
        meets(&service, case, fault, failed).await;
    }
}

#[tokio::test]
async fn an_answer_just_under_2_mib_is_taken() {
    let service = Service::start().await;
    let padded = |bytes: usize| body(200, format!("{{\"token\": \"a.b.c\"}}{}", " ".repeat(bytes - 18)));
    service.sandbox.fail(padded(2 << 20), Times::Once);
    assert_eq!(asked(&service).await.status, 200);
    meets(&service, "one byte more", padded((2 << 20) + 1), Code::UpstreamFailed).await;
}

#[tokio::test]
async fn what_is_failing_or_away_is_a_503() {
    for (case, fault) in [
        ("500", Fault::Status(500)),
        ("501", Fault::Status(501)),
        ("502", Fault::Status(502)),
        ("503", Fault::Status(503)),
        ("504", Fault::Status(504)),
        ("599", body(599, MARK)),
        ("a gateway's page", Fault::Html(502)),
        ("a token under 500", body(500, format!("{{\"token\": \"{MARK}\"}}"))),
        ("cut", Fault::Cut),
        ("cut within the body", Fault::CutMidBody),
    ] {
        // Each with a circuit of its own.
        meets(&Service::start().await, case, fault, Code::UpstreamUnavailable).await;
    }
}

#[tokio::test]
async fn nobody_listening_is_a_503() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let space = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let service = Service::with(Setup { space: Some(space), ..Setup::default() }).await;
    let seen = asked(&service).await;
    seen.assert_problem("refused", Code::UpstreamUnavailable);
    assert!(!seen.body.contains("127.0.0.1"), "{seen:?}");
}

/// A SignalWire that answers whatever it is asked with these bytes and hangs up.
async fn answering(bytes: &'static [u8]) -> Response {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let space = format!("http://{}", listener.local_addr().unwrap());
    let there = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await;
        }
    });
    let service = Service::with(Setup { space: Some(space), ..Setup::default() }).await;
    let seen = asked(&service).await;
    there.abort();
    seen
}

#[tokio::test]
async fn broken_http_is_a_502_and_a_broken_connection_a_503() {
    let good =
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n{\"token\":\"abc\"}\r\n0\r\n\r\n").await;
    assert_eq!((good.status, &good.json()["token"]), (200, &json!("abc")));
    let (failed, away) = (Code::UpstreamFailed, Code::UpstreamUnavailable);
    let cases: [(&str, &[u8], Code); 7] = [
        ("another protocol", b"220 mail.example.com ESMTP\r\n\r\n", failed),
        ("no status", b"HTTP/1.1 OK\r\n\r\n", failed),
        ("no chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{\"token\":\"abc\"}", failed),
        ("a chunk without an end", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{{{\r\n", failed),
        ("hung up at once", b"", away),
        ("hung up within the head", b"HTTP/1.1 200 OK\r\nContent-", away),
        ("hung up within a chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"token", away),
    ];
    for (case, bytes, code) in cases {
        answering(bytes).await.assert_problem(case, code);
    }
}

#[tokio::test]
async fn a_429_is_a_503_whose_retry_after_is_at_most_300() {
    for (theirs, ours) in [
        ("17", "17"),
        ("300", "300"),
        ("301", "300"),
        ("86400", "300"),
        ("18446744073709551615", "300"),
        ("99999999999999999999999", "5"),
        ("-5", "5"),
        ("1.5", "5"),
        ("soon", "5"),
        ("", "5"),
        ("Wed, 21 Oct 2099 07:28:00 GMT", "300"),
    ] {
        let seen =
            meets(&Service::start().await, theirs, with_header(429, "retry-after", theirs), Code::UpstreamUnavailable)
                .await;
        assert_eq!(seen.header("retry-after"), Some(ours), "{theirs:?}");
    }
    let seen = meets(&Service::start().await, "none", Fault::Status(429), Code::UpstreamUnavailable).await;
    assert_eq!(seen.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn no_answer_in_time_is_a_504() {
    let service = Service::with(Setup { upstream_timeout: Duration::from_millis(500), ..Setup::default() }).await;
    for (case, fault) in [
        ("silence", Fault::Hang),
        ("too late", Fault::Delay(Duration::from_secs(20))),
        ("drop by drop", Fault::Drip(Duration::from_millis(100))),
    ] {
        meets(&service, case, fault, Code::UpstreamTimeout).await;
    }
    service.sandbox.fail(Fault::Delay(Duration::from_millis(50)), Times::Once);
    assert_eq!(asked(&service).await.status, 200, "late, and in time");
}

#[tokio::test]
async fn a_redirect_is_not_followed_so_the_credentials_stay() {
    let (service, elsewhere) = (Service::start().await, Service::start().await);
    // The sandbox of another service: it takes the same credentials.
    let there = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/api/chat/tokens", there.local_addr().unwrap());
    let serving = tokio::spawn(elsewhere.sandbox.clone().serve(there, std::future::pending()));
    meets(&service, "307", Fault::Redirect(address.clone()), Code::UpstreamFailed).await;
    for status in [301, 302, 303, 307, 308] {
        meets(&service, "by header", with_header(status, "location", &address), Code::UpstreamFailed).await;
    }
    assert!(elsewhere.sandbox.received().is_empty(), "something was sent elsewhere");
    assert_eq!(
        reqwest::ClientBuilder::new().no_proxy().build().unwrap().post(&address).send().await.unwrap().status(),
        401
    );
    assert_eq!(elsewhere.sandbox.received().len(), 1, "it would have been seen");
    serving.abort();
}
