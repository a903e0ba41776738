//! A background task that fails: the service is not ready, drains, and ends with an error.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use usher::api::Code;
use usher::service::{Lifetime, Listeners, RunError, Signals};

use crate::support::service::build;
use crate::support::{Client, Setup, session};

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
    let listener = || TcpListener::bind("127.0.0.1:0");
    let (public, admin) = (listener().await.unwrap(), listener().await.unwrap());
    let client = |listener: &TcpListener| Client::new(format!("http://{}", listener.local_addr().unwrap()));
    let (client, admin_client) = (client(&public), client(&admin));
    let signals = Signals::none();
    let running = tokio::spawn(service.run(Listeners { public, admin: Some(admin) }, signals));
    assert_eq!(client.get("/ready").await.status, 200);

    end.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.get("/ready").await.assert_problem("a task has failed", Code::NotReady);
    let reasons = admin_client.get("/ready").await.body;
    assert!(reasons.contains("background task `task of the test` has failed"), "{reasons}");
    // Requests are still served until the delay is over.
    assert_eq!(client.grants(&session("alice", &["customer"])).await.status, 200);
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
