//! How many calls to SignalWire there are at once, and who waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use usher::api::Code;
use usher::sandbox::{Fault, Times};

use super::seen::Seen;
use crate::support::keys::session;
use crate::support::service::{Service, Setup};

async fn service(request_timeout: Duration) -> Arc<Service> {
    let setup = Setup { max_in_flight: 2, max_queued: 1, request_timeout, ..Setup::default() };
    Arc::new(Service::with(setup).await)
}

fn ask(service: &Arc<Service>) -> JoinHandle<Seen> {
    let service = Arc::clone(service);
    tokio::spawn(async move { Seen::of(service.post(&session("alice", &["customer"]), None).await).await })
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
    let service = service(Duration::from_secs(1)).await;
    service.sandbox.fail(Fault::Hang, Times::Always);
    let first = [ask(&service), ask(&service)];
    calls(&service, 2).await;
    tokio::time::sleep(A_MOMENT).await;
    // The others' time is up before its own, so a place is free: SignalWire must not be asked for it without time for an answer.
    let waits = ask(&service).await.unwrap();
    assert!([503, 504].contains(&waits.status), "{waits:?}");
    for answer in first {
        answer.await.unwrap().assert_problem("hang", Code::UpstreamTimeout);
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
