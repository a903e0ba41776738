//! Connections as no ordinary client makes them, byte by byte over raw sockets, and many of them at once.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use usher::api::Code;
use usher::listener::ConnectionSettings;

use super::served;
use crate::support::service::{POLICY, Service, Setup};
use crate::support::session;
use crate::support::{Response, raw};

const HEADER_TIMEOUT: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(3);
const LIVE: &str = "GET /live HTTP/1.1\r\nHost: x\r\n\r\n";

async fn service(max_connections: usize) -> Service {
    let connections = ConnectionSettings { header_timeout: HEADER_TIMEOUT, keep_alive: KEEP_ALIVE, max_connections };
    Service::with(Setup { connections, ..Setup::default() }).await
}

async fn connect(service: &Service) -> TcpStream {
    TcpStream::connect(service.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// All that comes until the other side closes, and how long that took.
async fn until_closed(stream: &mut TcpStream) -> (String, Duration) {
    let started = Instant::now();
    let mut answer = Vec::new();
    // A reset is an end too.
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stays open");
    (String::from_utf8(answer).unwrap(), started.elapsed())
}

/// Whether this took about so long.
fn assert_about(case: &str, took: Duration, wanted: Duration) {
    assert!(took > wanted * 3 / 4 && took < wanted + Duration::from_secs(2), "{case}: {took:?}, not {wanted:?}");
}

/// One answer that has a body, from a connection that stays open.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        let count = stream.read_buf(&mut read).await.unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&read));
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_connection_without_a_whole_head_is_closed_in_time() {
    let service = service(100).await;
    for (case, sent) in [
        ("nothing", ""),
        ("one byte", "G"),
        ("half a line", "POST /chat-token HT"),
        ("half a head", "POST /chat-token HTTP/1.1\r\nHost: x\r\n"),
        ("all but its end", "GET /live HTTP/1.1\r\nHost: x\r\n\r"),
        ("the beginning of HTTP/2", "PRI * HTTP/2.0\r\n"),
        ("an empty line", "\r\n"),
    ] {
        let mut stream = connect(&service).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let (answer, took) = until_closed(&mut stream).await;
        assert!(!answer.contains("\r\n\r\n{"), "{case}: {answer}");
        if case != "the beginning of HTTP/2" {
            assert_about(case, took, HEADER_TIMEOUT);
        }
    }
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_has_as_long_as_any_other() {
    let service = service(100).await;
    let mut stream = connect(&service).await;
    for byte in LIVE.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        sleep(HEADER_TIMEOUT / 100).await;
    }
    assert!(one_answer(&mut stream).await.starts_with("HTTP/1.1 200 "));

    // However busy it looks, the time runs from connecting.
    let mut stream = connect(&service).await;
    let started = Instant::now();
    let endless = async {
        stream.write_all(b"GET /live HTTP/1.1\r\nX: ").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            sleep(HEADER_TIMEOUT / 20).await;
        }
    };
    timeout(Duration::from_secs(10), endless).await.expect("it is kept open by a byte now and then");
    assert_about("endless", started.elapsed(), HEADER_TIMEOUT);
}

#[tokio::test]
async fn an_idle_connection_is_kept_longer_than_a_head_may_take() {
    let service = service(100).await;
    let mut stream = connect(&service).await;
    for _ in 0..2 {
        stream.write_all(LIVE.as_bytes()).await.unwrap();
        assert!(one_answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
        sleep(HEADER_TIMEOUT * 3 / 2).await;
    }
    // The next head's time runs from its first byte.
    stream.write_all(b"GET /live HTTP/1.1\r\n").await.unwrap();
    let (answer, took) = until_closed(&mut stream).await;
    assert_eq!(answer, "");
    assert_about("half a second head", took, HEADER_TIMEOUT);

    let mut stream = connect(&service).await;
    stream.write_all(LIVE.as_bytes()).await.unwrap();
    one_answer(&mut stream).await;
    let (answer, took) = until_closed(&mut stream).await;
    assert_eq!(answer, "");
    assert_about("idle", took, KEEP_ALIVE);
}

#[tokio::test]
async fn half_a_head_behind_a_request_is_closed_too() {
    let service = service(100).await;
    let mut stream = connect(&service).await;
    stream.write_all(format!("{LIVE}GET /live HT").as_bytes()).await.unwrap();
    let (answer, took) = until_closed(&mut stream).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
    assert!(took < HEADER_TIMEOUT + KEEP_ALIVE + Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_request_under_way_is_not_idle() {
    let connections = ConnectionSettings {
        header_timeout: Duration::from_millis(300),
        keep_alive: Duration::from_millis(300),
        max_connections: 10,
    };
    let service = Service::with(Setup { connections, ..Setup::default() }).await;
    service.sandbox.fail(usher::sandbox::Fault::Delay(Duration::from_secs(1)), usher::sandbox::Times::Once);
    let started = Instant::now();
    assert_eq!(service.post(&session("alice", &["customer"]), None).await.status, 200);
    assert!(started.elapsed() > Duration::from_millis(900));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let service = service(100).await;
    let mut stream = connect(&service).await;
    let session = session("alice", &["customer"]);
    let post = |body: &str| {
        let head = format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {session}\r\n");
        format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let all =
        [post("{\"ttl\":5}"), LIVE.to_owned(), post("{\"ttl\":0}"), post("nonsense"), post("{\"ttl\":7}")].concat();
    let last = "GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all((all + last).as_bytes()).await.unwrap();
    let (answers, _) = until_closed(&mut stream).await;
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "422", "400", "200", "404"], "{answers}");
    assert_eq!(service.sandbox.received().len(), 2);
}

#[tokio::test]
async fn who_expects_to_be_told_to_continue_is_told_so_if_the_body_is_wanted() {
    let service = service(100).await;
    let ask = async |session: &str, length: usize, body: &str| {
        let mut stream = connect(&service).await;
        let head = "POST /chat-token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n";
        let head = format!("{head}Authorization: Bearer {session}\r\nContent-Type: application/json\r\n");
        stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n").as_bytes()).await.unwrap();
        let mut first = vec![0; 1_024];
        let count = timeout(Duration::from_secs(5), stream.read(&mut first)).await.unwrap().unwrap();
        first.truncate(count);
        let first = String::from_utf8(first).unwrap();
        if !first.starts_with("HTTP/1.1 100 ") {
            return (first.clone(), first);
        }
        stream.write_all(body.as_bytes()).await.unwrap();
        (first, until_closed(&mut stream).await.0)
    };
    let good = session("alice", &["customer"]);
    let (first, answer) = ask(&good, 9, "{\"ttl\":5}").await;
    assert_eq!(first, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for (session, length, status) in [("nobody", 9, "401"), (good.as_str(), 1 << 20, "413")] {
        let (first, _) = ask(session, length, "").await;
        assert!(first.starts_with(&format!("HTTP/1.1 {status} ")), "not asked for a body in vain: {first}");
    }
}

#[tokio::test]
async fn what_is_not_http_or_has_too_large_a_head_is_closed_with_a_bare_status_line_at_most() {
    let service = service(100).await;
    let fields = |count: usize| "X-Y: z\r\n".repeat(count);
    let padded = |bytes: usize| format!("GET /live HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(bytes));
    for (case, request) in [
        ("not HTTP", "hello\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".to_owned()),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("no version", "GET /live\r\n\r\n".to_owned()),
        ("HTTP/3.0", "GET /live HTTP/3.0\r\nHost: x\r\n\r\n".to_owned()),
        ("a space in a name", "GET /live HTTP/1.1\r\nHo st: x\r\n\r\n".to_owned()),
        ("NUL in a value", "GET /live HTTP/1.1\r\nHost: \0\r\n\r\n".to_owned()),
        ("two lengths", "POST /chat-token HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}".to_owned()),
        ("a negative length", "POST /chat-token HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned()),
        ("101 fields", format!("GET /live HTTP/1.1\r\n{}\r\n", fields(101))),
        ("over 32 KiB", padded(33 * 1_024)),
        ("a long path", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(33 * 1_024))),
    ] {
        let mut stream = connect(&service).await;
        // It may be closed before it has taken everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let (answer, _) = until_closed(&mut stream).await;
        let is_bare = answer.is_empty()
            || answer.starts_with("HTTP/1.") && answer.ends_with("\r\n\r\n") && !answer.contains("content-type");
        assert!(is_bare, "{case}: {answer:?}");
        assert!(!answer.contains(" 200 "), "{case}: {answer:?}");
    }
    for (case, request) in [
        ("100 fields", format!("GET /live HTTP/1.1\r\nConnection: close\r\n{}\r\n", fields(99))),
        ("31 KiB", padded(31 * 1_024).replacen("\r\n", "\r\nConnection: close\r\n", 1)),
    ] {
        assert_eq!(raw(&service.url, request).await.status, 200, "{case}");
    }
}

#[tokio::test]
async fn one_connection_too_many_waits() {
    let service = service(2).await;
    let mut first = connect(&service).await;
    let mut second = connect(&service).await;
    for stream in [&mut first, &mut second] {
        stream.write_all(LIVE.as_bytes()).await.unwrap();
        assert!(one_answer(stream).await.starts_with("HTTP/1.1 200 "));
    }
    let mut third = connect(&service).await;
    third.write_all(LIVE.as_bytes()).await.unwrap();
    let early = timeout(Duration::from_millis(500), one_answer(&mut third)).await;
    assert!(early.is_err(), "two are the most: {early:?}");
    drop(first);
    let answer = timeout(Duration::from_secs(2), one_answer(&mut third)).await.expect("there is a place now");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_reset_in_the_middle_of_anything_costs_nobody_else_anything() {
    let service = service(5).await;
    let session = session("alice", &["customer"]);
    let head = format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {session}\r\n");
    for sent in ["", "POST", &format!("{head}Content-Length: 10\r\n\r\n{{"), &format!("{head}\r\n")] {
        for _ in 0..5 {
            let mut stream = connect(&service).await;
            stream.write_all(sent.as_bytes()).await.unwrap();
            // Dropped after this it is reset rather than closed.
            stream.set_zero_linger().unwrap();
        }
    }
    assert_eq!(service.post(&session, None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_idle_connections_stand_beside_healthy_ones() {
    const IDLE: usize = 5_000;
    usher::service::raise_open_files(IDLE);
    let served = served(POLICY, &[]).await;
    let address = served.url.strip_prefix("http://").unwrap();
    let mut idle = Vec::with_capacity(IDLE);
    for at in 0..IDLE {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Some have asked something and are kept; the others have half a head.
        let sent = if at % 2 == 0 { LIVE } else { "GET /live HTTP/1.1\r\nHost: x\r\n" };
        stream.write_all(sent.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    let mut slowest = Duration::ZERO;
    for at in 0..50 {
        let started = Instant::now();
        let answer = served
            .post_with_id(&format!("beside-{at}"), &session("alice", &["customer"]), &serde_json::json!({}))
            .await;
        // The member's limit is part of a healthy service.
        assert!([200, 429].contains(&answer.status), "{answer:?}");
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    for stream in idle.iter_mut().step_by(2) {
        assert!(one_answer(stream).await.starts_with("HTTP/1.1 200 "), "it was answered");
    }
    for stream in idle.iter_mut().step_by(2) {
        stream.write_all(LIVE.as_bytes()).await.unwrap();
    }
    for stream in idle.iter_mut().step_by(2) {
        assert!(one_answer(stream).await.starts_with("HTTP/1.1 200 "), "it was kept, and is answered again");
    }
}

/// A client that asks for more answers than the kernel keeps for it, and takes none.
pub(super) fn asks_and_never_reads(mut stream: impl AsyncWrite + Unpin + Send + 'static) -> JoinHandle<()> {
    let request = "GET /problems HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2_000);
    tokio::spawn(async move {
        let _ = stream.write_all(request.as_bytes()).await;
        sleep(Duration::from_secs(30)).await;
        drop(stream);
    })
}

#[tokio::test]
async fn who_takes_no_answer_keeps_no_place() {
    let service = service(1).await;
    let sending = asks_and_never_reads(connect(&service).await);
    sleep(HEADER_TIMEOUT / 2).await;
    let mut next = connect(&service).await;
    next.write_all(LIVE.as_bytes()).await.unwrap();
    let answer = timeout(KEEP_ALIVE + Duration::from_secs(5), one_answer(&mut next)).await;
    sending.abort();
    assert!(answer.expect("the place is never given up").starts_with("HTTP/1.1 200 "));
}

/// A request that is refused before its body is read, which comes in a segment of its own.
async fn refused_before_its_body(service: &Service, pause: Duration, length: usize) -> (TcpStream, String) {
    let mut stream = connect(service).await;
    let head = format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    sleep(pause).await;
    let _ = stream.write_all(&vec![b'x'; length]).await;
    let answer = one_answer(&mut stream).await;
    (stream, answer)
}

#[tokio::test]
async fn a_body_that_nobody_wanted_is_read_away_or_the_connection_closes_and_says_so() {
    let service = service(100).await;
    // One that is soon there does not cost the connection.
    let (mut stream, answer) = refused_before_its_body(&service, Duration::from_millis(20), 100).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("connection: close"), "{answer}");
    stream.write_all(LIVE.as_bytes()).await.unwrap();
    assert!(one_answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
    // One that is not, does.
    let (mut stream, answer) = refused_before_its_body(&service, Duration::from_millis(500), 100).await;
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(until_closed(&mut stream).await.0, "");
    // However much comes, the client sees why it was refused.
    for _ in 0..20 {
        let large = "x".repeat(20 << 20);
        let request = service.mint_request(session("alice", &["customer"]));
        let answer = request.header("content-type", "application/json").body(large).send().await.unwrap();
        assert_eq!(answer.status(), 413);
    }
}

#[tokio::test]
async fn a_body_that_stops_half_way_is_a_408_and_the_connection_is_closed() {
    let connections = ConnectionSettings::default();
    let request_timeout = Duration::from_millis(500);
    let service = Service::with(Setup { request_timeout, connections, ..Setup::default() }).await;
    let head =
        format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n", session("a", &["customer"]));
    let head = format!("{head}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{{\"ttl\"");
    let mut stream = connect(&service).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let (answer, _) = until_closed(&mut stream).await;
    Response::parse(&answer).assert_problem("half a body", Code::RequestTimeout);
}
