//! Which handler serves which endpoint.

use axum::extract::State;
use axum::routing::on;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::code::Code;
use super::cors::Guard;
use super::endpoint::Endpoint;
use super::layers::Front;
use super::problem::Problem;
use super::state::App;
use super::{chat_token, grants, openapi, problems_page};

/// Routes in addition to the endpoints.
pub type Routes = Router;

/// The service as a listener serves it: the endpoints and `more` routes behind the layers. `guard` checks each request
/// first, if there is one.
#[must_use]
pub fn front(app: &App, more: Routes, guard: Option<Guard>) -> Front {
    let routes = Endpoint::ALL.into_iter().fold(Router::new(), |router, endpoint| {
        let method = endpoint.method();
        let handler = match endpoint {
            Endpoint::ChatToken => on(method, chat_token::post),
            Endpoint::Grants => on(method, grants::get),
            Endpoint::Live => on(method, async || Json(json!({"status": "live"}))),
            Endpoint::Ready => on(method, ready),
            Endpoint::Problems => on(method, problems_page::get),
            Endpoint::OpenApi => on(method, openapi::handler(app.settings().cookie.as_ref())),
        };
        router.route(endpoint.path(), handler)
    });
    let routes = routes
        .with_state(app.clone())
        .merge(more)
        .fallback(async || Problem::new(Code::NotFound))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed));
    Front::new(routes, app, guard)
}

/// `GET /ready`: whether requests should be sent here. The admin listener says why not.
async fn ready(State(app): State<App>) -> Result<Json<Value>, Problem> {
    if app.status().readiness().is_ready {
        Ok(Json(json!({"status": "ready"})))
    } else {
        Err(Problem::new(Code::NotReady))
    }
}
