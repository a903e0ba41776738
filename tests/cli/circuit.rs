//! The circuit as an operator sees it: SignalWire keeps failing, is left alone, is found well again. In real seconds.

use std::time::{Duration, Instant};

use usher::sandbox::{Fault, Times};

use crate::support::{CommandLine, Response, Server, session};

async fn ask(serving: &Server, who: usize) -> Response {
    serving.post(&session(&format!("user{who}"), &["customer"]), None).await
}

async fn circuit(serving: &Server) -> String {
    let text = serving.ops().get("/metrics").await.body;
    let lines = text.lines().filter(|line| line.starts_with("usher_upstream_circuit") && line.ends_with(" 1"));
    let states: Vec<_> = lines.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect();
    assert_eq!(states.len(), 1, "{states:?}");
    states[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_opens_lets_one_through_after_five_seconds_and_closes_when_that_does_well() {
    let place = CommandLine::with_policy();
    let serving =
        Server::with(&place, &[("USHER__OPS__LISTEN", "127.0.0.1:0"), ("USHER__LIMITS__PER_MEMBER", "off")]).await;
    serving.sandbox.fail(Fault::Status(500), Times::Always);
    for who in 0..20 {
        assert_eq!(ask(&serving, who).await.status, 503);
    }
    let opened = Instant::now();
    let calls = serving.sandbox.received().len();
    assert_eq!(calls, 20, "two a request, until 20 have failed");
    assert_eq!(circuit(&serving).await, "open");
    serving.running.wait_for(|_, stderr| stderr.contains("SignalWire keeps failing"));

    // Left alone: refused at once, and told when to come back.
    let begun = Instant::now();
    let refused = ask(&serving, 1).await;
    assert_eq!(refused.status, 503);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    assert!(refused.body.contains("\"upstream_unavailable\""));
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(serving.sandbox.received().len(), calls);

    // One finds out that nothing is better: no second try, and twice as long.
    tokio::time::sleep(Duration::from_millis(5_200).saturating_sub(opened.elapsed())).await;
    for who in 0..5 {
        assert_eq!(ask(&serving, who).await.status, 503);
    }
    assert_eq!(serving.sandbox.received().len(), calls + 1, "a single one");
    assert_eq!(circuit(&serving).await, "open");

    serving.sandbox.heal();
    let begun = Instant::now();
    while ask(&serving, 1).await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(12), "{}", serving.running.stderr());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(8), "{:?}: it was to wait for 10 s", begun.elapsed());
    assert_eq!(circuit(&serving).await, "closed");
    for who in 0..5 {
        assert_eq!(ask(&serving, who).await.status, 200);
    }
    serving.running.wait_for(|_, stderr| stderr.contains("SignalWire answers again"));
}
