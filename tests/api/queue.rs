//! The queue for a call to SignalWire: bounded by time, first come, first served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use usher::api::Code;
use usher::sandbox::{Fault, Times};

use crate::support::{Response, Service, Setup, session};

const SECOND: Duration = Duration::from_secs(1);

async fn service(max_in_flight: usize, max_wait: Duration) -> Arc<Service> {
    Arc::new(Service::with(Setup { max_in_flight, max_wait, ..Setup::default() }).await)
}

/// A request, and how long its response took.
fn request(service: &Arc<Service>) -> JoinHandle<(Response, Duration)> {
    let service = Arc::clone(service);
    tokio::spawn(async move {
        let begun = Instant::now();
        let response = service.post(&session("alice", &["customer"]), None).await;
        (response, begun.elapsed())
    })
}

/// Waits until SignalWire has received so many calls.
async fn calls(service: &Service, count: usize) {
    let begun = Instant::now();
    while service.sandbox.received().len() < count {
        assert!(begun.elapsed() < 10 * SECOND, "{:?}", service.sandbox.received());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn assert_overloaded(response: &Response) {
    response.assert_problem("overloaded", Code::Overloaded);
    let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_burst_that_drains_in_time_is_served_whole() {
    let service = service(2, 5 * SECOND).await;
    service.sandbox.fail(Fault::Delay(Duration::from_millis(100)), Times::Always);
    let burst: Vec<_> = (0..40).map(|_| request(&service)).collect();
    for response in burst {
        assert_eq!(response.await.unwrap().0.status, 200);
    }
}

#[tokio::test]
async fn a_request_waits_for_max_wait_and_is_never_sent() {
    let service = service(1, SECOND).await;
    service.sandbox.fail(Fault::Delay(3 * SECOND), Times::Exactly(1));
    let first = request(&service);
    calls(&service, 1).await;
    let (response, took) = request(&service).await.unwrap();
    assert_overloaded(&response);
    assert!((SECOND..2 * SECOND).contains(&took), "{took:?}");
    assert_eq!(first.await.unwrap().0.status, 200);
    assert_eq!(service.sandbox.received().len(), 1, "the rejected request was sent after all");
    assert_eq!(request(&service).await.unwrap().0.status, 200, "it has left the queue");
}

#[tokio::test]
async fn a_request_waits_no_longer_than_its_deadline() {
    let setup = Setup { max_in_flight: 1, max_wait: 60 * SECOND, request_timeout: 2 * SECOND, ..Setup::default() };
    let service = Arc::new(Service::with(setup).await);
    service.sandbox.fail(Fault::Hang, Times::Always);
    // Its head arrives before the other request and its body after it, so its deadline is the earlier one.
    let begun = Instant::now();
    let mut late = TcpStream::connect(service.address()).await.unwrap();
    let session = session("alice", &["customer"]);
    let head = format!(
        "POST /chat-token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {session}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    );
    late.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    let first = request(&service);
    calls(&service, 1).await;
    late.write_all(b"{}").await.unwrap();
    let mut response = String::new();
    late.read_to_string(&mut response).await.unwrap();
    let took = begun.elapsed();
    // So early that a call would still have had a quarter of a second.
    assert!((Duration::from_millis(1_700)..2 * SECOND).contains(&took), "{took:?}");
    assert_overloaded(&Response::parse(&response));
    first.await.unwrap().0.assert_problem("hang", Code::UpstreamTimeout);
    assert_eq!(service.sandbox.received().len(), 1, "the rejected request was sent after all");
}

#[tokio::test]
async fn with_no_time_to_wait_a_request_is_rejected_at_once() {
    let service = service(1, Duration::ZERO).await;
    service.sandbox.fail(Fault::Delay(2 * SECOND), Times::Exactly(1));
    let first = request(&service);
    calls(&service, 1).await;
    let (response, took) = request(&service).await.unwrap();
    assert_overloaded(&response);
    assert!(took < SECOND, "{took:?}");
    assert_eq!(first.await.unwrap().0.status, 200);
}

/// 20 calls a second, and two seconds' worth of requests within the first: once the rate is known, the queue holds about one
/// second's worth, and what is beyond that is rejected at once.
#[tokio::test]
async fn once_the_rate_is_known_a_request_without_a_chance_is_rejected_at_once() {
    let service = service(4, SECOND).await;
    service.sandbox.fail(Fault::Delay(Duration::from_millis(200)), Times::Always);
    let first: Vec<_> = (0..40).map(|_| request(&service)).collect();
    tokio::time::sleep(Duration::from_millis(800)).await;
    let (response, took) = request(&service).await.unwrap();
    assert_overloaded(&response);
    assert!(took < Duration::from_millis(300), "{took:?}");
    let mut served = 0;
    for response in first {
        served += usize::from(response.await.unwrap().0.status == 200);
    }
    assert!((20..=28).contains(&served), "{served} of 40 were served, where about 24 can be");
    assert_eq!(request(&service).await.unwrap().0.status, 200, "an empty queue is a quiet service");
}

#[tokio::test]
async fn a_client_that_disconnects_leaves_its_call_and_its_event_but_no_permit_is_lost() {
    let service = service(2, 5 * SECOND).await;
    service.sandbox.fail(Fault::Delay(SECOND), Times::Exactly(3));
    let all = [request(&service), request(&service), request(&service)];
    calls(&service, 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    all.iter().for_each(JoinHandle::abort);
    // What was decided is minted all the same.
    calls(&service, 3).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    for _ in 0..3 {
        assert_eq!(request(&service).await.unwrap().0.status, 200);
    }
}
