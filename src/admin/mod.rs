//! The admin listener, for operators only: `/metrics`, `/live`, `/ready` with reasons, `/policy`. Shows no secret.

mod status;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tower_http::set_header::SetResponseHeaderLayer;

pub use status::{InFlight, PolicyStatus, Readiness, Status};

/// The Prometheus text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes.
pub fn router(status: Arc<Status>) -> Router {
    let header = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::new()
        .route("/metrics", get(metrics))
        .route("/live", get(async || Json(json!({"status": "live"}))))
        .route("/ready", get(ready))
        .route("/policy", get(async |State(status): State<Arc<Status>>| Json(status.policy())))
        .fallback(async || {
            let paths = ["/metrics", "/live", "/ready", "/policy"];
            (StatusCode::NOT_FOUND, Json(json!({"error": "not found", "paths": paths})))
        })
        .layer(header(CACHE_CONTROL, "no-store"))
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .with_state(status)
}

async fn metrics(State(status): State<Arc<Status>>) -> Response {
    ([(CONTENT_TYPE, PROMETHEUS_TEXT)], status.metrics_text()).into_response()
}

/// `{"status": "ready" | "not_ready", "reasons": ["…"]}`: of a service that is ready the reasons say what does not work
/// all the same.
async fn ready(State(status): State<Arc<Status>>) -> (StatusCode, Json<Value>) {
    let Readiness { is_ready, reasons } = status.readiness();
    let (code, word) =
        if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (code, Json(json!({"status": word, "reasons": reasons})))
}
