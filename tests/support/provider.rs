//! An identity provider on a socket of its own, whose answers a test chooses, and which counts who asked for what.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What is at a path.
type Answer = Arc<dyn Fn() -> Response + Send + Sync>;

/// A provider; its answers can be changed while it runs.
pub(crate) struct Provider {
    pub(crate) url: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Inner {
    answers: Mutex<BTreeMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
}

impl Provider {
    /// One that knows nothing yet: every path is a 404.
    pub(crate) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn on(listener: TcpListener) -> Self {
        let inner = Arc::new(Inner::default());
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, task }
    }

    /// From now on this is what is at `path`.
    pub(crate) fn at(&self, path: &str, answer: impl Fn() -> Response + Send + Sync + 'static) {
        self.inner.answers.lock().unwrap().insert(path.to_owned(), Arc::new(answer));
    }

    /// This JSON.
    pub(crate) fn json(&self, path: &str, body: Value) {
        self.at(path, move || axum::Json(body.clone()).into_response());
    }

    /// A JWK Set of these keys at `/jwks.json`.
    pub(crate) fn keys(&self, keys: &[Value]) {
        self.json("/jwks.json", json!({"keys": keys}));
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.inner.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }

    /// Everything that was asked for, in order.
    pub(crate) fn all_asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let answer = inner.answers.lock().unwrap().get(&path).cloned();
    inner.asked.lock().unwrap().push(path);
    answer.map_or_else(|| http::StatusCode::NOT_FOUND.into_response(), |answer| answer())
}
