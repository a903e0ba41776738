//! Connections under TLS, in the clear of which nothing is said: what holds for others holds for these, the handshake
//! included.

use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use usher::api::Code;
use usher::listener::ConnectionSettings;

use super::connections::asks_and_never_reads;
use crate::support::Response;
use crate::support::service::{Service, Setup};
use crate::support::session;
use crate::support::tls::{Certificate, address, builder, client_hello, config, connect, connect_with};

const HEADER_TIMEOUT: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(3);
const LIVE: &str = "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn service(max_connections: usize) -> (Service, Certificate) {
    let certificate = Certificate::new();
    let connections = ConnectionSettings { header_timeout: HEADER_TIMEOUT, keep_alive: KEEP_ALIVE, max_connections };
    let service = Service::with(Setup { connections, tls: Some(certificate.tls()), ..Setup::default() }).await;
    (service, certificate)
}

async fn plain(service: &Service) -> TcpStream {
    TcpStream::connect(address(&service.url)).await.unwrap()
}

/// All that comes until the other side closes, and how long that took.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, Duration) {
    let started = Instant::now();
    let mut answer = Vec::new();
    // A reset is an end too.
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stays open");
    (answer, started.elapsed())
}

/// Whether this took about so long.
fn assert_about(case: &str, took: Duration, wanted: Duration) {
    assert!(took > wanted * 3 / 4 && took < wanted + Duration::from_secs(2), "{case}: {took:?}, not {wanted:?}");
}

/// One answer that has a body, from a connection that stays open.
async fn one_answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        let count = stream.read_buf(&mut read).await.unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&read));
    }
    String::from_utf8(read).unwrap()
}

async fn live(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(LIVE.as_bytes()).await.unwrap();
    assert!(one_answer(stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn both_versions_and_http_1_1_alone() {
    let (service, certificate) = service(100).await;
    for (case, versions, protocols, expected) in [
        ("TLS 1.3", &[&TLS13], &["http/1.1"][..], Some(b"http/1.1".as_slice())),
        ("TLS 1.2", &[&TLS12], &["http/1.1"], Some(b"http/1.1")),
        ("several", &[&TLS13], &["h2", "http/1.1"], Some(b"http/1.1")),
        ("none", &[&TLS13], &[], None),
    ] {
        let config = config(&[&certificate], versions, protocols);
        let mut stream = connect_with(&service.url, config).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), expected, "{case}");
        live(&mut stream).await;
    }
    let refused = connect_with(&service.url, config(&[&certificate], &[&TLS13], &["h2"])).await;
    assert!(refused.unwrap_err().to_string().contains("NoApplicationProtocol"));
    // A client without any.
    let (mut stream, mut answer) = (connect(&service.url, &[&certificate]).await.unwrap(), String::new());
    stream.write_all(b"GET /live HTTP/1.0\r\n\r\n").await.unwrap();
    stream.read_to_string(&mut answer).await.expect("it ends as TLS ends (RFC 8446 §6.1), not by being cut");
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[tokio::test]
async fn what_is_no_handshake_is_told_nothing_and_does_not_hang() {
    let (service, _) = service(100).await;
    let post = format!(
        "POST /chat-token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        session("alice", &["customer"])
    );
    for (case, request) in
        [("plain", LIVE), ("plain, with a session", &post), ("HTTP/1.0", "GET /live HTTP/1.0\r\n\r\n")]
    {
        let mut stream = plain(&service).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let (answer, took) = until_closed(&mut stream).await;
        // An alert at most (RFC 8446 §6).
        assert!(answer.is_empty() || answer.len() == 7 && answer[0] == 0x15, "{case}: {answer:?}");
        assert!(took < HEADER_TIMEOUT * 3 / 4, "{case}: {took:?}");
    }
    assert!(service.sandbox.received().is_empty());
}

#[tokio::test]
async fn a_handshake_and_the_first_head_have_together_as_long_as_a_head() {
    let (service, certificate) = service(100).await;
    let hello = client_hello();
    let half = hello.len() / 2;
    for (case, sent) in
        [("nothing", &hello[..0]), ("one byte", &hello[..1]), ("half", &hello[..half]), ("no answer to ours", &hello)]
    {
        let mut stream = plain(&service).await;
        stream.write_all(sent).await.unwrap();
        let (_, took) = until_closed(&mut stream).await;
        assert_about(case, took, HEADER_TIMEOUT);
    }
    // Byte by byte, however busy it looks.
    let (mut stream, started) = (plain(&service).await, Instant::now());
    let endless = async {
        for byte in &hello {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(HEADER_TIMEOUT / 20).await;
        }
    };
    timeout(Duration::from_secs(10), endless).await.expect("it is kept open by a byte now and then");
    assert_about("byte by byte", started.elapsed(), HEADER_TIMEOUT);

    // A slow handshake leaves less for the head.
    for (case, sent) in [("no head", ""), ("half a head", "GET /live HT")] {
        let tcp = plain(&service).await;
        sleep(HEADER_TIMEOUT / 2).await;
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(config(&[&certificate], rustls::ALL_VERSIONS, &[]));
        let mut stream = connector.connect(name, tcp).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let (answer, took) = until_closed(&mut stream).await;
        assert!(answer.is_empty(), "{case}: {answer:?}");
        assert!(took < HEADER_TIMEOUT * 3 / 4, "{case}: {took:?} more");
    }
}

#[tokio::test]
async fn an_idle_connection_is_kept_longer_than_a_head_may_take() {
    let (service, certificate) = service(100).await;
    let mut stream = connect(&service.url, &[&certificate]).await.unwrap();
    for _ in 0..2 {
        live(&mut stream).await;
        sleep(HEADER_TIMEOUT * 3 / 2).await;
    }
    stream.write_all(b"GET /live HTTP/1.1\r\n").await.unwrap();
    let (answer, took) = until_closed(&mut stream).await;
    assert!(answer.is_empty(), "{answer:?}");
    assert_about("half a second head", took, HEADER_TIMEOUT);

    let mut stream = connect(&service.url, &[&certificate]).await.unwrap();
    live(&mut stream).await;
    // Half a record (RFC 8446 §5.1) is not even half a head.
    stream.get_mut().0.write_all(&[0x17, 3, 3, 0, 99, 1, 2, 3]).await.unwrap();
    let (_, took) = until_closed(&mut stream).await;
    assert_about("half a record", took, HEADER_TIMEOUT);

    let mut stream = connect(&service.url, &[&certificate]).await.unwrap();
    live(&mut stream).await;
    let (answer, took) = until_closed(&mut stream).await;
    assert!(answer.is_empty(), "{answer:?}");
    assert_about("idle", took, KEEP_ALIVE);
}

#[tokio::test]
async fn who_takes_no_answer_keeps_no_place() {
    let (service, certificate) = service(1).await;
    let sending = asks_and_never_reads(connect(&service.url, &[&certificate]).await.unwrap());
    sleep(HEADER_TIMEOUT / 2).await;
    let next = timeout(KEEP_ALIVE + Duration::from_secs(5), connect(&service.url, &[&certificate])).await;
    let mut next = next.expect("the place is never given up").unwrap();
    live(&mut next).await;
    sending.abort();
}

#[tokio::test]
async fn a_handshake_that_is_not_ended_keeps_its_own_place_alone() {
    let (service, certificate) = service(2).await;
    let mut held = plain(&service).await;
    held.write_all(&client_hello()[..5]).await.unwrap();
    let started = Instant::now();
    for _ in 0..3 {
        live(&mut connect(&service.url, &[&certificate]).await.unwrap()).await;
    }
    assert!(started.elapsed() < HEADER_TIMEOUT * 3 / 4, "nobody waits for it: {:?}", started.elapsed());
    // And gives it up in time.
    let _other = plain(&service).await;
    let started = Instant::now();
    live(&mut connect(&service.url, &[&certificate]).await.unwrap()).await;
    assert!(started.elapsed() < HEADER_TIMEOUT + Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn bodies_that_nobody_wants_and_bodies_that_stop() {
    let (service, certificate) = service(100).await;
    let http = builder(&[&certificate]).build().unwrap();
    let good = session("alice", &["customer"]);
    for _ in 0..10 {
        let request = http.post(format!("{}/chat-token", service.url)).bearer_auth(&good);
        let large = "x".repeat(20 << 20);
        let answer = request.header("content-type", "application/json").body(large).send().await.unwrap();
        assert_eq!(answer.status(), 413, "however much comes, the client sees why it was refused");
    }
    // It is read away for a while, so that who sends on is not reset before the answer is read.
    let mut stream = connect(&service.url, &[&certificate]).await.unwrap();
    stream.write_all(b"POST /chat-token HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n").await.unwrap();
    for _ in 0..10 {
        sleep(Duration::from_millis(100)).await;
        stream.write_all(&[b'x'; 10_000]).await.unwrap();
        stream.flush().await.unwrap();
    }
    let answer = one_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close"), "{answer}");

    let mut stream = connect(&service.url, &[&certificate]).await.unwrap();
    let head = "POST /chat-token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(20)).await;
    stream.write_all(&[b'x'; 100]).await.unwrap();
    let answer = one_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("connection: close"), "{answer}");
    live(&mut stream).await;

    let request_timeout = Duration::from_millis(500);
    let setup = Setup { request_timeout, tls: Some(certificate.tls()), ..Setup::default() };
    let service = Service::with(setup).await;
    let mut stream = connect(&service.url, &[&certificate]).await.unwrap();
    let head = format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {good}\r\n");
    let head = format!("{head}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{{\"ttl\"");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (answer, _) = until_closed(&mut stream).await;
    Response::parse(&String::from_utf8(answer).unwrap()).assert_problem("half a body", Code::RequestTimeout);
}
