//! The store that replicas share, as they and their operator see it: a real `redis-server` that is started, stopped, frozen
//! and started again under the real binary.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::service::POLICY;
use crate::support::{
    Client, CommandLine, Load, Response, RunningSandbox, Server, complete, send, session, wait_for, with,
};

const PASSWORD: &str = "a-password-of-the-store";

/// A server of the test's own, killed when dropped.
struct Redis {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Redis {
    fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        let child = Self::spawn(port, directory.path());
        let redis = Self { child, port, directory };
        redis.wait();
        redis
    }

    fn spawn(port: u16, directory: &std::path::Path) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--requirepass", PASSWORD]).arg("--dir").arg(directory);
        command.stdout(Stdio::null()).spawn().unwrap()
    }

    fn wait(&self) {
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}/2", self.port)
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As it was at first: it keeps nothing.
    fn start_again(&mut self) {
        self.child = Self::spawn(self.port, self.directory.path());
        self.wait();
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// What another program asks of it.
    fn query<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        let mut asked = redis::cmd(command[0]);
        command[1..].iter().for_each(|argument| {
            asked.arg(*argument);
        });
        asked.query(&mut connection).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A replica, and the place that it runs in.
async fn replica(url: &str, more: &[(&str, &str)]) -> (CommandLine, Server) {
    let place = CommandLine::with_policy();
    let store = [("USHER__LIMITS__STORE", url), ("USHER__OPS__LISTEN", "127.0.0.1:0")];
    let serving = Server::with(&place, &[&store[..], more].concat()).await;
    (place, serving)
}

/// Two of them.
async fn two_replicas(url: &str, more: (&str, &str)) -> ([CommandLine; 2], [Arc<Server>; 2]) {
    let ((one, first), (other, second)) = (replica(url, &[more]).await, replica(url, &[more]).await);
    ([one, other], [Arc::new(first), Arc::new(second)])
}

/// 60 requests, at both replicas at once: their statuses.
async fn at_once<F>(replicas: &[Arc<Server>; 2], ask: impl Fn(Arc<Server>) -> F) -> Vec<u16>
where
    F: Future<Output = u16> + Send + 'static,
{
    let asked = (0..60).map(|at| tokio::spawn(ask(Arc::clone(&replicas[at % 2]))));
    let mut statuses = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        statuses.push(asked.await.unwrap());
    }
    statuses
}

async fn ask(client: &Client, member: &str) -> Response {
    client.post_as(member, &json!({})).await
}

/// Waits until a member is answered so.
async fn until(serving: &Server, member: &str, status: u16, within: Duration) {
    wait_for(within, async || {
        let response = ask(serving, member).await;
        if response.status == status { Ok(()) } else { Err((response, serving.running.stderr())) }
    })
    .await;
}

async fn metric(serving: &Server, series: &str) -> f64 {
    let ops = serving.ops();
    assert!(!ops.get("/metrics").await.body.contains(PASSWORD));
    ops.metric(series).await
}

fn revoke(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let ended = CommandLine::empty().run(&[&["revoke"], arguments].concat(), &[("USHER__LIMITS__STORE", url)]);
    assert!(!format!("{ended:?}").contains(PASSWORD), "{ended:?}");
    ended
}

const OFF: (&str, &str) = ("USHER__LIMITS__PER_MEMBER", "off");

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn two_replicas_share_one_limit_exactly() {
    let redis = Redis::start();
    let rate = ("USHER__LIMITS__PER_MEMBER", "{rate = \"1/h\", burst = 20}");
    let (_places, replicas) = two_replicas(&redis.url(), rate).await;
    let statuses = at_once(&replicas, |serving| async move { ask(&serving, "alice").await.status }).await;
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    assert_eq!((count(200), count(429)), (20, 40), "{statuses:?}");
    assert_eq!(ask(&replicas[0], "bob").await.status, 200, "another member");
    let limited = "usher_limit_decisions_total{limit=\"member\",decision=\"limited\"}";
    assert!((metric(&replicas[0], limited).await + metric(&replicas[1], limited).await - 40.0).abs() < 0.1);
    let left: i64 = redis.query(&["PTTL", "usher:limit:member:alice"]);
    assert!(left > 19 * 3_600_000 && left <= 20 * 3_600_000, "{left}: it is forgotten when it is forgiven");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn guests_of_one_address_are_counted_for_all_replicas() {
    let redis = Redis::start();
    let rate = ("USHER__LIMITS__PER_ADDRESS", "{rate = \"1/h\", burst = 3}");
    let (_places, [first, second]) = two_replicas(&redis.url(), rate).await;
    let mut statuses = Vec::new();
    for serving in [&first, &second, &first, &second, &first] {
        statuses.push(serving.post("no-session", Some(&json!({}))).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    assert_eq!(ask(&first, "alice").await.status, 200, "a good session is served all the same");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn killed_under_load_it_costs_no_request_where_each_counts_by_itself() {
    let mut redis = Redis::start();
    let (_place, serving) = replica(&redis.url(), &[OFF]).await;
    let serving = Arc::new(serving);
    let load = Load::start(8, {
        let client = serving.client.clone();
        move |who| {
            let client = client.clone();
            async move {
                let response = ask(&client, &format!("user{who}")).await;
                assert_eq!(response.status, 200, "{response:?}");
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    redis.stop();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(metric(&serving, "usher_limit_store_failing_seconds").await > 0.0);
    redis.start_again();
    wait_for(Duration::from_secs(5), async || {
        let failing = metric(&serving, "usher_limit_store_failing_seconds").await;
        if failing > 0.0 { Err((failing, serving.running.stderr())) } else { Ok(()) }
    })
    .await;
    let all = load.stop().await.concat().len();
    assert!(all > 50, "{all}");
    assert!(!serving.running.stderr().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn away_or_frozen_it_is_refused_or_counted_here_as_the_settings_say() {
    let refuse = ("USHER__LIMITS__ON_STORE_FAILURE", "refuse");
    let rate = ("USHER__LIMITS__PER_MEMBER", "{rate = \"1/h\", burst = 2}");
    // Away at the start.
    let (_place, serving) = replica("redis://127.0.0.1:9", &[refuse]).await;
    let (status, answer) = ask(&serving, "alice").await.read();
    assert_eq!((status, answer["code"].as_str()), (503, Some("limits_unavailable")), "{answer}");
    let (_place, serving) = replica("redis://127.0.0.1:9", &[rate]).await;
    let statuses =
        [ask(&serving, "alice").await.status, ask(&serving, "alice").await.status, ask(&serving, "alice").await.status];
    assert_eq!(statuses, [200, 200, 429]);

    let redis = Redis::start();
    let (_place, serving) = replica(&redis.url(), &[rate]).await;
    assert_eq!(ask(&serving, "alice").await.status, 200);
    redis.signal("STOP");
    let begun = Instant::now();
    assert_eq!(ask(&serving, "bob").await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // Told by the request that found it out.
    serving.running.wait_for(|_, stderr| stderr.contains("limits.on_store_failure says"));
    let stderr = serving.running.stderr();
    let line = stderr.lines().find(|line| line.contains("limits.on_store_failure says")).unwrap();
    assert!(line.contains("\"level\":\"ERROR\"") && line.contains(",\"request_id\":\""), "{line}");
    let begun = Instant::now();
    for member in ["carol", "dave", "erin"] {
        assert_eq!(ask(&serving, member).await.status, 200);
    }
    assert!(begun.elapsed() < Duration::from_millis(600), "{:?}: once is enough to find out", begun.elapsed());
    redis.signal("CONT");
    serving.running.wait_for(|_, stderr| stderr.contains("the store answers again"));
    assert_eq!((ask(&serving, "alice").await.status, ask(&serving, "alice").await.status), (200, 429), "it counts on");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn frozen_nobody_waits_for_it_where_the_settings_say_refuse() {
    let redis = Redis::start();
    let (_place, serving) = replica(&redis.url(), &[("USHER__LIMITS__ON_STORE_FAILURE", "refuse")]).await;
    assert_eq!(ask(&serving, "alice").await.status, 200);
    redis.signal("STOP");
    let begun = Instant::now();
    for member in ["alice", "bob", "carol", "dave"] {
        let (status, answer) = ask(&serving, member).await.read();
        assert_eq!((status, answer["code"].as_str()), (503, Some("limits_unavailable")), "{answer}");
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    redis.signal("CONT");
    until(&serving, "alice", 200, Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn while_it_is_away_guests_are_counted_here_or_refused_and_no_session_stays_a_401() {
    let rate = ("USHER__LIMITS__PER_ADDRESS", "{rate = \"1/h\", burst = 2}");
    let statuses = async |on_failure: &str| {
        let place = CommandLine::with_policy();
        place.write("config/policy.toml", format!("{POLICY}[guest]\nrole = \"customer\"\n"));
        let store = ("USHER__LIMITS__STORE", "redis://127.0.0.1:9");
        let serving = Server::with(&place, &[store, rate, ("USHER__LIMITS__ON_STORE_FAILURE", on_failure)]).await;
        let guest = async || send(serving.request(Method::POST, "/chat-token")).await.status;
        let mut statuses = vec![guest().await, guest().await, guest().await];
        statuses.push(serving.post("no-session", Some(&json!({}))).await.status);
        statuses
    };
    assert_eq!(statuses("local").await, [200, 200, 429, 429]);
    assert_eq!(statuses("refuse").await, [503, 503, 503, 401]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_revocation_reaches_every_replica_and_outlasts_the_store() {
    let mut redis = Redis::start();
    let url = redis.url();
    let (_places, [first, second]) = two_replicas(&url, OFF).await;
    assert_eq!(ask(&first, "alice").await.status, 200);
    let (code, stdout, _) = revoke(&url, &["--member", "alice", "--for", "24h"]);
    assert!(code == 0 && stdout.starts_with("alice is refused until "), "{stdout}");
    for serving in [&first, &second] {
        let (status, answer) = ask(serving, "alice").await.read();
        assert_eq!((status, answer["code"].as_str()), (403, Some("session_revoked")), "{answer}");
        assert_eq!(ask(serving, "bob").await.status, 200);
    }
    let (code, stdout, _) = revoke(&url, &["--list"]);
    assert!(code == 0 && stdout.ends_with("Z\talice\n") && stdout.lines().count() == 1, "{stdout}");

    // One that nobody has asked for, by another program: known from the list alone.
    redis.query::<String>(&["SET", "usher:revoked:carol", "because", "EX", "3600"]);
    // The list is read every 5 s.
    wait_for(Duration::from_secs(7), async || {
        let known = metric(&first, "usher_revocations").await;
        if known < 2.0 { Err(known) } else { Ok(()) }
    })
    .await;
    redis.stop();
    // The other one finds out by itself too.
    assert_eq!(ask(&second, "bob").await.status, 200);
    for member in ["alice", "carol"] {
        assert_eq!(ask(&first, member).await.status, 403, "{member}, while it is away");
    }
    assert_eq!(ask(&first, "bob").await.status, 200);
    assert_eq!(revoke(&url, &["--list"]).0, 1, "unreachable");

    redis.start_again();
    // Each gives back what it knows, so an undo before the last one has is undone with it.
    for serving in [&first, &second] {
        serving.running.wait_for(|_, stderr| stderr.contains("the store answers again"));
    }
    let (_, stdout, _) = revoke(&url, &["--list"]);
    assert!(stdout.contains("\talice\n") && stdout.contains("\tcarol\n"), "it is given them back: {stdout}");
    assert_eq!(ask(&first, "carol").await.status, 403);

    let (code, stdout, _) = revoke(&url, &["--member", "alice", "--undo"]);
    assert!(code == 0 && stdout.starts_with("alice is refused no more"), "{stdout}");
    for serving in [&first, &second] {
        until(serving, "alice", 200, Duration::from_secs(7)).await;
    }
    assert_eq!(revoke(&url, &["--member", "alice", "--undo"]).1, "alice was not refused\n");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn doctor_asks_it_and_a_rotated_url_is_taken() {
    let (old, new) = (Redis::start(), Redis::start());
    let place = CommandLine::with_policy();
    place.write("store", old.url());
    let serving = Server::with(&place, &[("USHER__LIMITS__STORE_FILE", "store"), OFF]).await;
    assert_eq!(ask(&serving, "alice").await.status, 200);
    place.write("store", new.url() + "\n");
    serving.running.wait_for(|_, stderr| stderr.matches("what this file holds now is in use").count() == 1);
    assert_eq!(revoke(&new.url(), &["--member", "alice", "--for", "1h"]).0, 0);
    until(&serving, "alice", 403, Duration::from_secs(1)).await;
    assert!(!serving.running.stderr().contains(PASSWORD));

    for (url, code, said) in [
        (new.url(), 0, "ok    limits.store: counts, in "),
        (new.url().replace(PASSWORD, "wrong"), 1, "FAIL  limits.store: "),
        (
            "redis://127.0.0.1:9".to_owned(),
            1,
            "FAIL  limits.store: the store cannot be used: the connection is refused",
        ),
    ] {
        let sandbox = RunningSandbox::start().await;
        let variables = with(complete(&sandbox.url), "USHER__LIMITS__STORE", &url);
        let ended =
            tokio::task::spawn_blocking(move || CommandLine::with_policy().run(&["doctor"], &variables)).await.unwrap();
        assert!(ended.0 == code && ended.1.contains(said), "{url}: {ended:?}");
        assert!(!format!("{ended:?}").contains(PASSWORD), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn by_tls_it_must_be_the_one_that_its_certificate_names() {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--tls-port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--tls-cert-file", &path("cert.pem"), "--tls-key-file", &path("key.pem")]);
    command.args(["--tls-auth-clients", "no", "--requirepass", PASSWORD]).stdout(Stdio::null());
    let redis = Redis { child: command.spawn().unwrap(), port, directory };
    redis.wait();
    let url = redis.url().replace("redis://", "rediss://");
    let arguments = ["revoke", "--member", "alice", "--for", "1h"];
    let trusted = [
        ("USHER__LIMITS__STORE", url.clone()),
        ("SSL_CERT_FILE", redis.directory.path().join("cert.pem").display().to_string()),
    ];
    let (code, stdout, stderr) = CommandLine::empty().run(&arguments, &trusted);
    assert_eq!(code, 0, "{stdout}{stderr}");
    for (case, url) in [("nobody vouches for it", url.clone()), ("not by TLS", redis.url())] {
        let (code, stdout, stderr) = revoke(&url, &["--list"]);
        assert_eq!(code, 1, "{case}: {stdout}{stderr}");
    }
    let (_place, serving) = replica(&url, &[OFF, ("SSL_CERT_FILE", &trusted[1].1)]).await;
    assert_eq!((ask(&serving, "alice").await.status, ask(&serving, "bob").await.status), (403, 200));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn one_address_at_two_replicas_at_once_is_counted_exactly() {
    let redis = Redis::start();
    let rate = ("USHER__LIMITS__PER_ADDRESS", "{rate = \"1/h\", burst = 20}");
    let (_places, replicas) = two_replicas(&redis.url(), rate).await;
    let statuses =
        at_once(&replicas, |serving| async move { serving.post("no-session", Some(&json!({}))).await.status }).await;
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    assert_eq!((count(401), count(429)), (20, 40), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn killed_under_load_nobody_is_admitted_uncounted_where_the_settings_say_refuse() {
    let mut redis = Redis::start();
    let refuse = ("USHER__LIMITS__ON_STORE_FAILURE", "refuse");
    let (_place, serving) = replica(&redis.url(), &[OFF, refuse]).await;
    let serving = Arc::new(serving);
    let load = Load::start(8, {
        let client = serving.client.clone();
        move |who| {
            let client = client.clone();
            async move {
                let begun = Instant::now();
                let response = client.grants(&session(&format!("user{who}"), &["customer"])).await;
                assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
                if response.status == 503 {
                    let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
                    assert!((1..=300).contains(&wait), "{wait}");
                    assert_eq!(response.json()["code"], "limits_unavailable");
                }
                response.status
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    redis.stop();
    until(&serving, "bob", 503, Duration::from_secs(1)).await;
    for _ in 0..5 {
        assert_eq!(ask(&serving, "bob").await.status, 503);
    }
    let unavailable = "usher_limit_decisions_total{limit=\"member\",decision=\"unavailable\"}";
    assert!(metric(&serving, unavailable).await > 5.0);
    // Who has no session is told so all the same.
    assert_eq!(serving.post("no-session", Some(&json!({}))).await.status, 401);
    redis.start_again();
    until(&serving, "bob", 200, Duration::from_secs(5)).await;
    for mut runs in load.stop().await {
        runs.dedup();
        assert!([&[200, 503, 200][..], &[200, 503]].contains(&&runs[..]), "never in between: {runs:?}");
    }
    assert!(!serving.running.stderr().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_key_that_another_program_has_set_is_in_force_at_once_and_for_its_time_alone() {
    let redis = Redis::start();
    let (_place, serving) = replica(&redis.url(), &[OFF]).await;
    redis.query::<String>(&["SET", "usher:revoked:bob", "1", "EX", "2"]);
    let begun = Instant::now();
    let (status, answer) = ask(&serving, "bob").await.read();
    assert_eq!((status, answer["code"].as_str()), (403, Some("session_revoked")), "{answer}");
    let revoked = "usher_limit_decisions_total{limit=\"member\",decision=\"revoked\"}";
    assert!((metric(&serving, revoked).await - 1.0).abs() < 0.1);
    assert!((metric(&serving, "usher_revocations").await - 1.0).abs() < 0.1);
    until(&serving, "bob", 200, Duration::from_secs(4)).await;
    assert!(begun.elapsed() > Duration::from_millis(1_900), "too soon: {:?}", begun.elapsed());
    assert!(metric(&serving, "usher_revocations").await.abs() < 0.1);

    // One without an end is refused until somebody deletes it.
    redis.query::<String>(&["SET", "usher:revoked:bob", ""]);
    assert_eq!(ask(&serving, "bob").await.status, 403);
    assert_eq!(revoke(&redis.url(), &["--list"]).1, "for ever\tbob\n");
    assert_eq!(redis.query::<i64>(&["DEL", "usher:revoked:bob"]), 1);
    until(&serving, "bob", 200, Duration::from_secs(7)).await;
}

#[test]
fn check_asks_no_store_and_shows_no_password() {
    let url = format!("redis://:{PASSWORD}@127.0.0.1:9/2");
    let variables = with(complete("http://127.0.0.1:9"), "USHER__LIMITS__STORE", &url);
    let (code, stdout, stderr) = CommandLine::with_policy().run(&["check"], &variables);
    let told = stdout + &stderr;
    assert!(code == 0 && !told.contains(PASSWORD), "{told}");
}

#[test]
fn without_a_shared_store_nobody_can_be_revoked() {
    let (code, _, stderr) = revoke("memory", &["--member", "alice", "--for", "24h"]);
    assert!(code == 3 && stderr.contains("limits.store is \"memory\""), "{stderr}");
    for arguments in [
        &[][..],
        &["--member", "alice"],
        &["--for", "24h"],
        &["--member", "alice", "--for", "24h", "--undo"],
        &["--member", "alice", "--for", "24"],
        &["--member", "", "--for", "24h"],
        &["--list", "--member", "alice"],
    ] {
        assert_eq!(revoke("redis://127.0.0.1:9", arguments).0, 64, "{arguments:?}");
    }
    assert_eq!(revoke("redis://127.0.0.1:9", &["--list"]).0, 1);
}
