//! `GET /live` and `GET /ready`, for whoever keeps the process running and sends requests to it. They say yes or no; why is
//! for the operator's listener.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{App, Code, Problem};

/// The process is up.
pub(super) async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// Requests should be sent here: a policy, an issuer with keys, and not draining.
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Value>, Problem> {
    if app.status().readiness().is_ready {
        Ok(Json(json!({"status": "ready"})))
    } else {
        Err(Problem::new(Code::NotReady))
    }
}
