//! Whatever SignalWire does, once, for a while or always: the documented answer, as many calls as are promised, in time, and
//! not one word of SignalWire's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use usher::api::Code;
use usher::sandbox::{Fault, Times};

use crate::support::Response;
use crate::support::service::{Service, Setup};
use crate::support::session;

/// What SignalWire's answers hold and ours must not.
const MARK: &str = "UPSTREAMS-OWN-WORDS";
/// The whole request, and each call.
const DEADLINE: Duration = Duration::from_secs(4);
const CALL: Duration = Duration::from_millis(600);

/// What is promised of a fault: the problem, and whether it is tried once more.
struct Promise {
    name: &'static str,
    fault: Fault,
    code: Code,
    second_try: bool,
}

fn with_header(status: u16, name: &str, value: &str) -> Fault {
    let headers = vec![(name.to_owned(), value.to_owned()), ("x-mark".to_owned(), MARK.to_owned())];
    Fault::StatusWith { status, headers, body: MARK.to_owned() }
}

fn body(status: u16, body: &str) -> Fault {
    Fault::Body { status, body: body.replace("MARK", MARK) }
}

fn promises() -> Vec<Promise> {
    let (failed, away, late) = (Code::UpstreamFailed, Code::UpstreamUnavailable, Code::UpstreamTimeout);
    let row = |name, fault, code, second_try| Promise { name, fault, code, second_try };
    vec![
        row("hang", Fault::Hang, late, false),
        row("slow drip", Fault::Drip(Duration::from_millis(100)), late, false),
        row("cut before an answer", Fault::Cut, away, true),
        row("cut within the body", Fault::CutMidBody, away, true),
        row("401", Fault::Status(401), failed, false),
        row("403", body(403, "{\"error\": \"MARK\"}"), failed, false),
        row("404", body(404, "MARK"), failed, false),
        row("422", body(422, "{\"errors\": [{\"code\": \"MARK\"}]}"), failed, false),
        row("429", body(429, "MARK"), away, false),
        row("429, soon", with_header(429, "retry-after", "1"), away, true),
        row("429, in five minutes", with_header(429, "retry-after", "300"), away, false),
        row("500", body(500, "{\"token\": \"MARK\"}"), away, true),
        row("502", Fault::Html(502), away, true),
        row("503", body(503, "MARK"), away, true),
        row("503, soon", with_header(503, "retry-after", "1"), away, true),
        row("503, in five minutes", with_header(503, "retry-after", "300"), away, false),
        row("HTML", Fault::Html(200), failed, false),
        row("bad JSON", body(200, "{\"token\": \"MARK"), failed, false),
        row("10 MB", Fault::Oversize(10 << 20), failed, false),
        row("no token in it", body(200, "{\"tokens\": \"MARK\"}"), failed, false),
        row("a redirect", Fault::Redirect(format!("http://127.0.0.1:9/{MARK}")), failed, false),
    ]
}

async fn service(space: Option<String>) -> Service {
    let setup = Setup { request_timeout: DEADLINE, upstream_timeout: CALL, space, ..Setup::default() };
    Service::with(setup).await
}

/// An answer, in time and without a word of SignalWire's.
async fn asked(case: &str, service: &Service) -> Response {
    let begun = Instant::now();
    let seen = service.post(&session("alice", &["customer"]), None).await;
    assert!(begun.elapsed() < DEADLINE + Duration::from_secs(1), "{case}: {:?}", begun.elapsed());
    assert!(!format!("{seen:?}").contains(MARK), "{case}: {seen:?}");
    seen
}

#[tokio::test]
async fn every_fault_once_for_a_while_and_always() {
    for Promise { name, fault, code, second_try } in promises() {
        let tries = if second_try { 2 } else { 1 };
        // Once: the second try makes it good, where there is one.
        let once = service(None).await;
        once.sandbox.fail(fault.clone(), Times::Once);
        let seen = asked(name, &once).await;
        if second_try {
            assert_eq!(seen.status, 200, "{name}, once: {seen:?}");
        } else {
            seen.assert_problem(name, code);
        }
        assert_eq!(once.sandbox.received().len(), tries, "{name}, once");

        // For a while: whoever comes after it is served.
        let while_it_lasts = service(None).await;
        while_it_lasts.sandbox.fail(fault.clone(), Times::Exactly(3));
        let mut statuses = Vec::new();
        while statuses.last() != Some(&200) {
            assert!(statuses.len() < 5, "{name}, for a while: {statuses:?}");
            statuses.push(asked(name, &while_it_lasts).await.status);
        }
        let (requests, calls) = if second_try { (2, 4) } else { (4, 4) };
        assert_eq!(statuses.len(), requests, "{name}, for a while: {statuses:?}");
        assert_eq!(while_it_lasts.sandbox.received().len(), calls, "{name}, for a while");

        let always = service(None).await;
        always.sandbox.fail(fault, Times::Always);
        for request in 1..=2 {
            asked(name, &always).await.assert_problem(name, code);
            assert_eq!(always.sandbox.received().len(), request * tries, "{name}, always");
        }
    }
}

/// How a connection is reset.
#[derive(Clone, Copy, Debug)]
enum Reset {
    AtOnce,
    WithTheRequestRead,
}

/// A SignalWire that resets its first so many connections and answers on the others; how many there were.
async fn resetting(reset: Reset, first: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let space = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::<AtomicUsize>::default();
    tokio::spawn(answer(listener, reset, first, Arc::clone(&count)));
    (space, count)
}

async fn answer(listener: TcpListener, reset: Reset, first: usize, count: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let is_reset = count.fetch_add(1, Ordering::Relaxed) < first;
        if matches!(reset, Reset::WithTheRequestRead) || !is_reset {
            let _ = stream.read(&mut vec![0; 64 * 1024]).await;
        }
        if is_reset {
            // With a linger of nothing it is no orderly end.
            stream.set_zero_linger().unwrap();
        } else {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"token\":\"a.b.c\"}").await;
        }
    }
}

#[tokio::test]
async fn a_reset_once_for_a_while_and_always() {
    let away = Code::UpstreamUnavailable.status().as_u16();
    for reset in [Reset::AtOnce, Reset::WithTheRequestRead] {
        for (first, statuses, calls) in
            [(1, vec![200, 200], 3), (3, vec![away, 200, 200], 5), (usize::MAX, vec![away, away], 4)]
        {
            let case = format!("{reset:?}, {first} times");
            let (space, count) = resetting(reset, first).await;
            let service = service(Some(space)).await;
            for status in statuses {
                let seen = asked(&case, &service).await;
                assert_eq!(seen.status, status, "{case}: {seen:?}");
                if status == away {
                    seen.assert_problem(&case, Code::UpstreamUnavailable);
                }
            }
            assert_eq!(count.load(Ordering::Relaxed), calls, "{case}");
        }
    }
}

#[tokio::test]
async fn refused_until_somebody_listens() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let service = service(Some(format!("http://{address}"))).await;
    for _ in 0..2 {
        asked("refused", &service).await.assert_problem("refused", Code::UpstreamUnavailable);
    }
    let listener = TcpListener::bind(address).await.unwrap();
    let serving = tokio::spawn(answer(listener, Reset::AtOnce, 0, Arc::default()));
    assert_eq!(asked("listening", &service).await.status, 200);
    serving.abort();
}

#[tokio::test]
async fn the_second_try_keeps_retry_after_and_the_deadline() {
    for status in [429, 503] {
        let service = service(None).await;
        service.sandbox.fail(with_header(status, "retry-after", "1"), Times::Once);
        let begun = Instant::now();
        assert_eq!(asked("kept", &service).await.status, 200);
        assert!(begun.elapsed() >= Duration::from_secs(1), "{status}: {:?}", begun.elapsed());
    }
    // Far under the time-out of a call.
    let deadline = Duration::from_secs(1);
    let short = || async {
        let upstream_timeout = Duration::from_mins(1);
        Service::with(Setup { request_timeout: deadline, upstream_timeout, ..Setup::default() }).await
    };
    for status in [429, 503] {
        let service = short().await;
        service.sandbox.fail(with_header(status, "retry-after", "1"), Times::Always);
        let begun = Instant::now();
        asked("does not fit", &service).await.assert_problem("does not fit", Code::UpstreamUnavailable);
        assert!(begun.elapsed() < deadline, "{status}: told at once: {:?}", begun.elapsed());
        assert_eq!(service.sandbox.received().len(), 1, "{status}");
    }
    let service = short().await;
    service.sandbox.fail(Fault::Status(500), Times::Once);
    service.sandbox.fail(Fault::Hang, Times::Always);
    let begun = Instant::now();
    asked("then silence", &service).await.assert_problem("then silence", Code::UpstreamTimeout);
    assert!((deadline..2 * deadline).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(service.sandbox.received().len(), 2);
}

#[tokio::test]
async fn a_server_that_closes_kept_connections_opens_no_circuit() {
    // Every other call fails, and every request is served all the same.
    let service = service(None).await;
    for request in 0..40 {
        service.sandbox.fail(Fault::Cut, Times::Once);
        assert_eq!(asked("closed", &service).await.status, 200, "{request}");
    }
    assert_eq!(service.sandbox.received().len(), 80);
}
