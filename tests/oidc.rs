//! A provider that nobody here has written, npm's certified `oidc-provider` (`tests/oidc/`), and the real binary: a token as
//! an application gets it, keys that change, a provider that goes away or comes late.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, CommandLine, Process, Server, free_address, send, wait_for};

/// The provider as a process of its own; gone when dropped.
struct RealProvider {
    running: Process,
    issuer: String,
}

impl RealProvider {
    /// On this port, or on a free one where it is 0.
    fn start(port: u16) -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc");
        assert!(directory.join("node_modules").is_dir(), "run `npm ci` in tests/oidc");
        let mut command = Command::new("node");
        command.args(["server.mjs", &port.to_string()]).current_dir(directory).stdin(Stdio::null());
        let running = Process::start(&mut command);
        running.wait_for(|stdout, _| stdout.contains('\n'));
        let issuer = running.stdout().lines().next().unwrap().to_owned();
        Self { running, issuer }
    }

    /// A new key signs from now on; the one before it is still published.
    fn rotate(&self) {
        let count = |stdout: &str| stdout.matches("rotated").count();
        let before = count(&self.running.stdout());
        self.running.signal("USR2");
        self.running.wait_for(|stdout, _| count(stdout) > before);
    }

    /// The answer to an application that asks for its own access token by its credentials (RFC 6749 §4.4).
    async fn answer(&self, application: &str, more: &str) -> Value {
        let request = Client::new(&self.issuer).request(Method::POST, "/token");
        let request = request.basic_auth(application, Some(format!("the-secret-of-{application}")));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(format!("grant_type=client_credentials&scope=chat{more}"));
        let (status, answer) = send(request).await.read();
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// An access token for a resource (RFC 8707).
    async fn token_for(&self, resource: &str, application: &str) -> String {
        self.answer(application, &format!("&resource={resource}")).await["access_token"].as_str().unwrap().to_owned()
    }

    /// An access token for us.
    async fn token(&self, application: &str) -> String {
        self.token_for("urn:usher-test", application).await
    }
}

/// `usher serve` that knows of this issuer nothing but its name.
async fn serving(issuer: &str) -> Server {
    let issuers = format!("[{{name = \"app\", issuer = {issuer:?}, audiences = [\"usher-test\"], discovery = true}}]");
    Server::with(&CommandLine::with_policy(), &[("USHER__SESSION__ISSUERS", &issuers)]).await
}

/// The status, and what the answer says: the member, or what went wrong.
async fn asked(serving: &Server, session: &str) -> (u16, String) {
    let (status, answer) = serving.post(session, Some(&json!({}))).await.read();
    let said = answer.get("member_id").or_else(|| answer.get("code"));
    (status, said.and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn got(member: &str) -> (u16, String) {
    (200, member.to_owned())
}

fn refused() -> (u16, String) {
    (401, "session_invalid".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs npm's oidc-provider"]
async fn an_application_gets_a_chat_token_for_its_access_token() {
    let provider = RealProvider::start(0);
    let serving = serving(&provider.issuer).await;
    let (status, answer) = serving.post(&provider.token("alice").await, Some(&json!({}))).await.read();
    assert_eq!((status, &answer["member_id"]), (200, &json!("alice")), "{answer}\n{}", serving.running.stderr());
    let payload = serving.sandbox.payload(&answer);
    assert_eq!(payload["m"], "alice");
    // What a customer has, and nothing else.
    assert_eq!(
        payload["chls"],
        json!({
            "announcements": {"read": true, "write": false}, "support:alice": {"read": true, "write": true}
        })
    );
    // bob is an agent: everybody's support, and no announcements.
    let bob = provider.token("bob").await;
    let support = json!({"channels": {"support:alice": {"read": true, "write": true}}});
    let (status, answer) = serving.post(&bob, Some(&support)).await.read();
    assert_eq!((status, &answer["member_id"]), (200, &json!("bob")), "{answer}");
    let announcements = json!({"channels": {"announcements": {"read": true}}});
    let (status, answer) = serving.post(&bob, Some(&announcements)).await.read();
    assert_eq!((status, &answer["code"]), (403, &json!("channels_denied")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs npm's oidc-provider"]
async fn what_the_provider_issues_for_somebody_else_is_no_session() {
    let provider = RealProvider::start(0);
    let serving = serving(&provider.issuer).await;
    assert_eq!(asked(&serving, &provider.token_for("urn:elsewhere", "alice").await).await, refused(), "its audience");
    let opaque = provider.answer("alice", "").await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(asked(&serving, &opaque).await, refused(), "an opaque token");
    let other = RealProvider::start(0);
    assert_eq!(asked(&serving, &other.token("alice").await).await, refused(), "another issuer");
    assert_eq!(asked(&serving, &provider.token("alice").await).await, got("alice"), "the twin");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs npm's oidc-provider"]
async fn a_new_key_counts_at_once_and_the_old_one_still() {
    let provider = RealProvider::start(0);
    let serving = serving(&provider.issuer).await;
    let (old, unseen) = (provider.token("alice").await, provider.token("bob").await);
    assert_eq!(asked(&serving, &old).await, got("alice"));
    provider.rotate();
    let new = provider.token("alice").await;
    let kid = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(kid(&old), kid(&new), "it is another key");
    assert_eq!(asked(&serving, &new).await, got("alice"), "{}", serving.running.stderr());
    assert_eq!(asked(&serving, &old).await, got("alice"), "a token of the old key, seen before");
    assert_eq!(asked(&serving, &unseen).await.0, 403, "another, never seen: bob, whom nothing is granted by name");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs npm's oidc-provider"]
async fn sessions_outlive_the_provider() {
    let provider = RealProvider::start(0);
    let serving = serving(&provider.issuer).await;
    let (seen, unseen) = (provider.token("alice").await, provider.token("alice").await);
    assert_eq!(asked(&serving, &seen).await, got("alice"));
    let issuer = provider.issuer.clone();
    drop(provider);
    assert!(Client::new(issuer).request(Method::GET, "").send().await.is_err(), "it is gone");
    assert_eq!(asked(&serving, &seen).await, got("alice"));
    assert_eq!(asked(&serving, &unseen).await, got("alice"), "one that was never seen before");
    assert_eq!(serving.get("/ready").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs npm's oidc-provider"]
async fn a_provider_that_comes_late_is_found() {
    let address = free_address();
    let serving = serving(&format!("http://{address}")).await;
    assert_eq!((serving.get("/live").await.status, serving.get("/ready").await.status), (200, 503));

    let provider = RealProvider::start(address.rsplit_once(':').unwrap().1.parse().unwrap());
    let session = provider.token("alice").await;
    // They are asked for again every 10 s.
    wait_for(Duration::from_secs(20), async || {
        let response = serving.get("/ready").await;
        if response.status == 200 { Ok(()) } else { Err((response, serving.running.stderr())) }
    })
    .await;
    assert_eq!(asked(&serving, &session).await, got("alice"));
}
