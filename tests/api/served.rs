//! `usher serve` as an operator runs it: the real binary, its standard error, a sandbox for SignalWire.

use std::net::TcpListener as Reserved;
use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use usher::sandbox::Sandbox;

use crate::support::binary::{Running, usher};
use crate::support::{API_TOKEN, AUDIENCE, ISSUER, PROJECT, SECRET};

/// The running binary and its sandbox.
pub(super) struct Served {
    pub(super) running: Running,
    pub(super) sandbox: Sandbox,
    pub(super) url: String,
    client: reqwest::Client,
    task: JoinHandle<()>,
    _directory: TempDir,
}

impl Served {
    /// With this policy, and with more of the environment.
    pub(super) async fn start(policy: &str, more: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::new(PROJECT, API_TOKEN, || usher::telemetry::clock::now().seconds().unsigned_abs());
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let space = format!("http://{}", upstream.local_addr().unwrap());
        let serving = sandbox.clone().serve(upstream, std::future::pending());
        let task = tokio::spawn(async move { drop(serving.await) });

        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("policy.toml"), policy).unwrap();
        // At log level `error` nothing says which port it is, so it is chosen here.
        let address = Reserved::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let issuers =
            format!("[{{name = \"app\", issuer = \"{ISSUER}\", audiences = [\"{AUDIENCE}\"], secret = \"{SECRET}\"}}]");
        let mut command = usher(directory.path());
        command.arg("serve").envs([
            ("SIGNALWIRE_SPACE", space.as_str()),
            ("SIGNALWIRE_PROJECT_ID", PROJECT),
            ("SIGNALWIRE_API_TOKEN", API_TOKEN),
            ("USHER__SESSION__ISSUERS", &issuers),
            ("USHER__POLICY__FILE", "policy.toml"),
            ("USHER__SERVER__LISTEN", &address),
        ]);
        let running = Running::start(command.envs(more.iter().copied()));
        let started = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "it does not listen: {}", running.stderr());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let client = reqwest::ClientBuilder::new().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        Self { running, sandbox, url: format!("http://{address}"), client, task, _directory: directory }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// `POST /chat-token` with this body, under this id.
    pub(super) async fn post(&self, id: &str, session: &str, body: &Value) -> Response {
        let request = self.request(Method::POST, "/chat-token").bearer_auth(session).header("x-request-id", id);
        request.json(body).send().await.unwrap()
    }

    /// The one audit event of a request, once it is there.
    pub(super) async fn event(&self, id: &str) -> Value {
        let started = Instant::now();
        loop {
            let mut events = self.running.audit();
            events.retain(|event| event["request_id"] == id);
            assert!(events.len() < 2, "more than one event: {events:?}");
            if let Some(event) = events.pop() {
                return event;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "no event for {id}: {}", self.running.stderr());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends it in good order, so that everything it had to say is said: standard output, standard error.
    pub(super) fn end(mut self) -> (String, String) {
        self.running.signal("TERM");
        assert_eq!(self.running.exit_code(), Some(0), "{}", self.running.stderr());
        (self.running.stdout(), self.running.stderr())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}
