//! How many calls to SignalWire there are at once, and who waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use usher::api::Code;
use usher::sandbox::{Fault, Times};

use crate::support::Response;
use crate::support::service::{Service, Setup};
use crate::support::session;

async fn service(request_timeout: Duration) -> Arc<Service> {
    let setup = Setup { max_in_flight: 2, max_queued: 1, request_timeout, ..Setup::default() };
    Arc::new(Service::with(setup).await)
}

fn ask(service: &Arc<Service>) -> JoinHandle<Response> {
    let service = Arc::clone(service);
    tokio::spawn(async move { service.post(&session("alice", &["customer"]), None).await })
}

/// Waits until so many calls have come to SignalWire.
async fn calls(service: &Service, count: usize) {
    let begun = Instant::now();
    while service.sandbox.received().len() < count {
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", service.sandbox.received());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const A_MOMENT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn one_too_many_is_refused_at_once_and_who_waits_is_served() {
    let service = service(Duration::from_secs(15)).await;
    service.sandbox.fail(Fault::Delay(Duration::from_secs(2)), Times::Exactly(2));
    let first = [ask(&service), ask(&service)];
    calls(&service, 2).await;
    let waits = ask(&service);
    tokio::time::sleep(A_MOMENT).await;
    let begun = Instant::now();
    let refused = ask(&service).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    refused.assert_problem("one too many", Code::Overloaded);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    assert_eq!(service.sandbox.received().len(), 2, "nothing was sent for it, nor yet for who waits");
    for answer in first.into_iter().chain([waits]) {
        assert_eq!(answer.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn who_waits_until_its_time_is_up_was_never_sent() {
    let service = service(Duration::from_secs(2)).await;
    service.sandbox.fail(Fault::Hang, Times::Always);
    // Its head comes before the others and its body after them: it waits, and its time is up before theirs.
    let session = session("alice", &["customer"]);
    let begun = Instant::now();
    let mut late = TcpStream::connect(service.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST /chat-token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {session}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    );
    late.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(2 * A_MOMENT).await;
    let first = [ask(&service), ask(&service)];
    calls(&service, 2).await;
    late.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).await.unwrap();
    let took = begun.elapsed();
    assert!((Duration::from_millis(1_900)..Duration::from_millis(2_500)).contains(&took), "{took:?}");
    let refused = Response::parse(&answer);
    refused.assert_problem("its time is up", Code::Overloaded);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    for answer in first {
        answer.await.unwrap().assert_problem("hang", Code::UpstreamTimeout);
    }
    assert_eq!(service.sandbox.received().len(), 2, "it was sent after all");
    service.sandbox.heal();
    for answer in [ask(&service), ask(&service), ask(&service)] {
        assert_eq!(answer.await.unwrap().status, 200, "it has left its place");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_its_call_and_its_event_but_no_place_is_lost() {
    let service = service(Duration::from_secs(15)).await;
    service.sandbox.fail(Fault::Delay(Duration::from_secs(1)), Times::Exactly(3));
    let all = [ask(&service), ask(&service), ask(&service)];
    calls(&service, 2).await;
    tokio::time::sleep(A_MOMENT).await;
    all.iter().for_each(JoinHandle::abort);
    // What was decided is minted all the same.
    calls(&service, 3).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    for _ in 0..3 {
        assert_eq!(ask(&service).await.unwrap().status, 200);
    }
}
