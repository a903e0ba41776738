//! SignalWire's stand-in on a port of its own.

use std::ops::Deref;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use usher::sandbox::Sandbox;

use super::{API_TOKEN, PROJECT, keys, wait_for};

/// A sandbox that serves until it is dropped.
pub(crate) struct RunningSandbox {
    pub(crate) url: String,
    sandbox: Sandbox,
    task: JoinHandle<()>,
}

impl RunningSandbox {
    pub(crate) async fn start() -> Self {
        Self::with_token(API_TOKEN).await
    }

    /// One that accepts this API token of the tests' project.
    pub(crate) async fn with_token(api_token: &str) -> Self {
        let sandbox = Sandbox::new(PROJECT, api_token, || keys::now().unsigned_abs());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = sandbox.clone().serve(listener, std::future::pending());
        Self { url, sandbox, task: tokio::spawn(async move { drop(serving.await) }) }
    }

    /// The payload of the token in a response of the service, as SignalWire reads it.
    pub(crate) fn payload(&self, response: &Value) -> Value {
        self.sandbox.decode(response["token"].as_str().unwrap()).unwrap()["payload"].take()
    }

    /// Waits until it has received so many calls.
    pub(crate) async fn wait_for_calls(&self, count: usize) {
        wait_for(Duration::from_secs(10), async || {
            let received = self.received();
            if received.len() >= count { Ok(()) } else { Err(received) }
        })
        .await;
    }
}

impl Deref for RunningSandbox {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Drop for RunningSandbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}
