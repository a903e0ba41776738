//! An OTLP collector on a socket of its own, which keeps what it was sent and answers as a test chooses.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Takes,
    Answers(u16),
    /// Takes the batch, and says that it rejects so many spans of it.
    Rejects(i64),
    Hangs,
}

/// A collector; clones are the same.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    mode: Mutex<Mode>,
    /// Every request, whatever it was answered: its path, its content type, its body.
    received: Mutex<Vec<(String, String, Vec<u8>)>>,
}

impl Collector {
    pub(crate) fn start(mode: Mode) -> Self {
        Self::at("127.0.0.1:0", mode)
    }

    /// On a thread of its own, so that it answers while a test waits.
    pub(crate) fn at(address: &str, mode: Mode) -> Self {
        let inner = Arc::new(Inner { mode: Mutex::new(mode), received: Mutex::default() });
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let serve = async { axum::serve(TcpListener::from_std(listener).unwrap(), router).await };
            runtime.block_on(serve).unwrap();
        });
        Self { url, inner }
    }

    pub(crate) fn turn(&self, mode: Mode) {
        *self.inner.mode.lock().unwrap() = mode;
    }

    /// Path and content type of each request.
    pub(crate) fn requests(&self) -> Vec<(String, String)> {
        self.inner.received.lock().unwrap().iter().map(|(path, kind, _)| (path.clone(), kind.clone())).collect()
    }

    /// All bytes of all bodies.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.inner.received.lock().unwrap().iter().flat_map(|(_, _, body)| body.clone()).collect()
    }

    /// Each span, with its resource's attributes, in the order of their start.
    pub(crate) fn spans(&self) -> Vec<Value> {
        let mut spans = Vec::new();
        for (_, _, body) in self.inner.received.lock().unwrap().iter() {
            for of_resource in ExportTraceServiceRequest::decode(body.as_slice()).unwrap().resource_spans {
                let resource = attributes(&of_resource.resource.unwrap().attributes);
                let own = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.extend(own.map(|span| (span.start_time_unix_nano, shown(&span, &resource))));
            }
        }
        spans.sort_by_key(|(start, _)| *start);
        spans.into_iter().map(|(_, span)| span).collect()
    }

    /// Waits until there are so many requests' spans, at most 10 s, and for those below them; gives all.
    pub(crate) async fn wait_for(&self, requests: usize) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let spans = self.spans();
            if spans.iter().filter(|span| span["kind"] == 2).count() >= requests {
                return spans;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{spans:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn take(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    let kind = head.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap());
    inner.received.lock().unwrap().push((head.uri.to_string(), kind.to_owned(), body.to_vec()));
    let mode = *inner.mode.lock().unwrap();
    match mode {
        Mode::Takes => StatusCode::OK.into_response(),
        Mode::Answers(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Mode::Rejects(rejected_spans) => {
            let mut answer = ExportTraceServiceResponse::default();
            answer.partial_success.get_or_insert_default().rejected_spans = rejected_spans;
            answer.encode_to_vec().into_response()
        }
        Mode::Hangs => std::future::pending().await,
    }
}

fn shown(span: &Span, resource: &Value) -> Value {
    assert!(span.events.is_empty() && span.links.is_empty(), "{span:?}");
    let hex = |id: &[u8]| id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    json!({
        "name": span.name, "kind": span.kind, "resource": resource, "attributes": attributes(&span.attributes),
        "trace": hex(&span.trace_id), "id": hex(&span.span_id), "parent": hex(&span.parent_span_id),
        "state": span.trace_state, "flags": span.flags, "status": span.status.as_ref().map_or(0, |status| status.code),
        "took_ns": span.end_time_unix_nano - span.start_time_unix_nano,
    })
}

fn attributes(of: &[KeyValue]) -> Value {
    let mut all = Map::new();
    for KeyValue { key, value, .. } in of {
        let Some(AnyValue { value: Some(value) }) = value else { panic!("{key} has no value") };
        let value = match value {
            Any::StringValue(text) => json!(text),
            Any::IntValue(integer) => json!(integer),
            Any::BoolValue(boolean) => json!(boolean),
            other => panic!("{key}: {other:?}"),
        };
        assert!(all.insert(key.clone(), value).is_none(), "{key} is there twice");
    }
    Value::Object(all)
}
