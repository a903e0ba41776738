//! The public listener: router, one handler a route, problems. Must not know the credentials, nor how a policy file is
//! written.
//!
//! ```text
//! listener.rs    connections: accepted, served, drained
//! layers.rs      what every request passes: id, log line, problems, panics, the limit of time
//! credential.rs  headers → a Session, or a guest
//! body.rs        a body → a Draft of a request
//! chat_token.rs  POST /chat-token, the whole story
//! grants.rs      GET /chat-token/grants
//! code.rs        every problem, in one table
//! problem.rs     one of them, and what leads to it
//! ```

mod body;
mod chat_token;
mod code;
mod credential;
mod grants;
mod layers;
mod listener;
mod problem;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::routing::{get, post};
use tokio_util::task::TaskTracker;

use crate::chat::Timestamp;
use crate::limits::Limits;
use crate::ops::clock;
use crate::policy::Policy;
use crate::session::Verifier;
use crate::signalwire::Client;

pub use code::Code;
pub use layers::Guard;
pub use listener::serve;
pub use problem::Problem;

/// The service: what every request needs, shared.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// What a service is put together from.
#[derive(Debug)]
pub struct Parts {
    /// The policy in force; a request takes it once.
    pub policy: ArcSwap<Policy>,
    /// Whose sessions are taken.
    pub verifier: Verifier,
    /// How often they may ask.
    pub limits: Limits,
    /// Who mints.
    pub signalwire: Client,
    /// Whether a client may ask for mode `narrow`.
    pub narrow: bool,
    /// The largest request body, in bytes.
    pub max_body: usize,
    /// The whole request.
    pub request_timeout: Duration,
    /// Decisions that have begun; whoever drains waits for them.
    pub decisions: TaskTracker,
}

/// What is known of a request before anything of it is looked at.
#[derive(Clone, Debug)]
struct Context {
    request_id: Arc<str>,
    address: Option<IpAddr>,
    deadline: Instant,
}

impl App {
    /// A service from its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The routes with all that is around them. `guard` looks at each request first, where there is one.
    pub fn router(&self, guard: Option<Guard>) -> Router {
        let routes = Router::new()
            .route("/chat-token", post(chat_token::post))
            .route("/chat-token/grants", get(grants::get))
            .fallback(async || Problem::new(Code::NotFound))
            .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed))
            .with_state(self.clone());
        layers::around(routes, self, guard)
    }

    /// Waits until every decision that has begun is minted and audited.
    pub async fn finish(&self) {
        self.0.decisions.close();
        self.0.decisions.wait().await;
    }
}

impl Context {
    /// The latest moment at which SignalWire may still mint for this request.
    fn latest_mint(&self) -> Timestamp {
        let left = self.deadline.saturating_duration_since(Instant::now());
        clock::now().plus_millis(i64::try_from(left.as_millis()).unwrap_or(i64::MAX))
    }
}
