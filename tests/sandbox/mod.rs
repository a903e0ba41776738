//! The sandbox over a real socket, against what SignalWire publishes; must not know anything else of this crate.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod connections;
mod endpoint;
mod faults;
mod relay;
mod rules;

use std::time::Duration;

use reqwest::{Client, Response, StatusCode, redirect};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use usher::sandbox::Sandbox;

const PROJECT: &str = "7a2f0d4c-3a51-4c7e-9d0e-5f1d6c1b2a39";
const API_TOKEN: &str = "PTsecret:with-a-colon";
const NOW: u64 = 1_800_000_000;

/// A sandbox that serves on a port of its own, and a client for it.
struct Running {
    sandbox: Sandbox,
    client: Client,
    url: String,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start() -> Self {
        Self::serve(Sandbox::new(PROJECT, API_TOKEN, || NOW)).await
    }

    async fn serve(sandbox: Sandbox) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/chat/tokens", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = sandbox.clone().serve(listener, async {
            stopped.await.ok();
        });
        Self {
            client: Client::builder()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .timeout(Duration::from_secs(20))
                .build()
                .unwrap(),
            url,
            stop: Some(stop),
            served: tokio::spawn(serving),
            sandbox,
        }
    }

    /// Sends a body with the right credentials.
    async fn try_send(&self, body: impl Into<reqwest::Body>) -> reqwest::Result<Response> {
        self.client
            .post(&self.url)
            .basic_auth(PROJECT, Some(API_TOKEN))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
    }

    async fn send(&self, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
        let response = self.try_send(body).await.unwrap();
        let status = response.status();
        (status, response.json().await.unwrap())
    }

    /// What a valid body's token says.
    async fn payload(&self, body: &Value) -> Value {
        let (status, answer) = self.send(body.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        self.decoded(&answer)["payload"].take()
    }

    fn decoded(&self, answer: &Value) -> Value {
        let token = answer["token"].as_str().unwrap();
        self.sandbox.decode(token).unwrap()
    }

    /// `(code, attribute)` of each error that a body gives, in the order of the attributes.
    async fn errors(&self, body: &Value) -> Vec<(String, String)> {
        let (status, answer) = self.send(body.to_string()).await;
        assert_eq!(status, 422, "{body} gave {answer}");
        assert_eq!(answer.as_object().unwrap().len(), 1);
        let mut errors: Vec<_> = answer["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| {
                let keys: Vec<_> = error.as_object().unwrap().keys().collect();
                assert_eq!(keys, ["attribute", "code", "message", "type", "url"]);
                for key in ["code", "message", "type", "url"] {
                    assert!(!error[key].as_str().unwrap().is_empty(), "{error}");
                }
                let attribute = match &error["attribute"] {
                    Value::Null => String::new(),
                    attribute => attribute.as_str().unwrap().to_owned(),
                };
                (error["code"].as_str().unwrap().to_owned(), attribute)
            })
            .collect();
        errors.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        errors
    }

    /// That a body gives exactly this one error.
    async fn one_error(&self, body: Value, code: &str, attribute: &str) {
        let errors = self.errors(&body).await;
        assert_eq!(errors, [(code.to_owned(), attribute.to_owned())], "of {body}");
    }

    /// That a body gives a token.
    async fn taken(&self, body: Value) {
        self.payload(&body).await;
    }
}

/// A valid body, with some of its fields replaced, or added.
fn valid_but(fields: Value) -> Value {
    let mut body = json!({"ttl": 60, "channels": {"support": {"read": true}}});
    let Value::Object(fields) = fields else {
        panic!("{fields} is no object");
    };
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// A valid body with this one channel name.
fn with_channel(name: &str) -> Value {
    let mut body = valid_but(json!({"channels": {}}));
    body["channels"][name] = json!({"read": true});
    body
}
