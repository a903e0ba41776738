//! A background task that fails: the service is not ready, drains, and ends with an error.

use std::time::Duration;

use tokio::sync::oneshot;
use usher::service::{Lifetime, Listeners, RunError, Signals};

use crate::support::keys::session;
use crate::support::service::{Setup, build};

/// The task panics if told so, else it ends.
async fn run_until_task_ends(panics: bool) {
    let lifetime = Lifetime { shutdown_delay: Duration::from_millis(700), ..Lifetime::default() };
    let mut service = build(Setup { lifetime, ..Setup::default() }, "http://127.0.0.1:9");
    let (end, ended) = oneshot::channel::<()>();
    service.supervise("task of the test", async move {
        ended.await.unwrap();
        assert!(!panics, "a panic of the test's own");
    });
    service.start().await.unwrap();
    let public = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = |listener: &tokio::net::TcpListener, path| format!("http://{}{path}", listener.local_addr().unwrap());
    let (ready, reasons, grants) = (url(&public, "/ready"), url(&admin, "/ready"), url(&public, "/chat-token/grants"));
    let signals = Signals::of_service().unwrap();
    let running = tokio::spawn(service.run(Listeners { public, admin: Some(admin) }, signals));
    let client = reqwest::ClientBuilder::new().no_proxy().build().unwrap();
    assert_eq!(client.get(&ready).send().await.unwrap().status(), 200);

    end.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(client.get(&ready).send().await.unwrap().status(), 503);
    let reasons = client.get(&reasons).send().await.unwrap().text().await.unwrap();
    assert!(reasons.contains("background task `task of the test` has failed"), "{reasons}");
    // Requests are still served until the delay is over.
    let served = client.get(&grants).bearer_auth(session("alice", &["customer"])).send().await.unwrap();
    assert_eq!(served.status(), 200);
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
    assert_eq!(ended, Err(RunError::BackgroundTask("task of the test")));
}

#[tokio::test]
async fn a_panic_in_a_background_task_stops_the_service() {
    run_until_task_ends(true).await;
}

#[tokio::test]
async fn the_end_of_a_background_task_stops_the_service() {
    run_until_task_ends(false).await;
}
