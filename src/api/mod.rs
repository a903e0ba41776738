//! The public listener: router, one handler a route, problems. Must not know the credentials, nor how a policy file is
//! written.
//!
//! ```text
//! routes.rs         which routes there are
//! layers.rs         what every request passes: id, log line, problems, panics, the limit of time
//! cors.rs           who may read the answers, in a browser
//! origin.rs         the origins that may, as an operator writes them
//! credential.rs     headers → a Session, or a guest
//! cookie.rs         the session's cookie, and what guards it
//! address.rs        where a request comes from
//! admission.rs      who may ask now
//! body.rs           a body → a Draft of a request
//! shedding.rs       part of the requests is refused while there are too many
//! chat_token.rs     POST /chat-token, the whole story
//! finishing.rs      what has begun ends, whoever waits for it
//! grants.rs         GET /chat-token/grants
//! health.rs         GET /live, GET /ready
//! code.rs           every problem, in one table
//! problem.rs        one of them, and what leads to it
//! problems_page.rs  GET /problems, for people
//! openapi.rs        GET /openapi.json, for programs
//! ```

mod address;
mod admission;
mod body;
mod chat_token;
mod code;
mod cookie;
mod cors;
mod credential;
mod finishing;
mod grants;
mod health;
mod layers;
mod openapi;
mod origin;
mod problem;
mod problems_page;
mod routes;
mod shedding;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chat::Timestamp;
use crate::limits::Limits;
use crate::ops::{Status, clock};
use crate::policy::Policy;
use crate::session::Verifier;
use crate::signalwire::Client;

pub use address::TrustedProxies;
pub use code::{Code, Row};
pub use cookie::{CookieFault, CookieSettings};
pub use layers::{Front, Guard, Quiet, guarded};
pub use origin::{AllowedOrigin, AllowedOrigins, OriginFault};
pub use problem::Problem;
pub use routes::{MetricSeries, metric_series};
pub use shedding::Shedding;

/// Routes beside those of the service.
pub type Routes = Router;

/// The service: what every request needs, shared.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// What a service is put together from.
#[derive(Debug)]
pub struct Parts {
    /// The policy in force; a request takes it once.
    pub policy: ArcSwap<Policy>,
    /// Whose sessions are taken.
    pub verifier: Arc<Verifier>,
    /// How often they may ask, and who is revoked.
    pub limits: Arc<Limits>,
    /// Who mints.
    pub signalwire: Arc<Client>,
    /// Whether a client may ask for mode `narrow`.
    pub narrow: bool,
    /// The largest request body, in bytes.
    pub max_body: usize,
    /// The whole request.
    pub request_timeout: Duration,
    /// The proxies that are believed where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// The origins whose pages may read answers.
    pub origins: AllowedOrigins,
    /// The session's cookie, if there is one.
    pub cookie: Option<CookieSettings>,
    /// What the operator can ask.
    pub status: Arc<Status>,
    /// How much is refused while there is more to do than can be done.
    pub shedding: Arc<Shedding>,
    /// Decisions that have begun.
    pub decisions: Decisions,
}

/// Decisions that have begun, each in a task of its own. Whoever stops the service waits for them, or cuts them off.
#[derive(Debug, Default)]
pub struct Decisions {
    tasks: TaskTracker,
    cut: CancellationToken,
}

/// What is known of a request before anything of it is looked at.
#[derive(Clone, Debug)]
struct Context {
    request_id: Arc<str>,
    address: Option<IpAddr>,
    deadline: Instant,
    /// What is recorded of it, where traces are.
    trace: tracing::Span,
}

impl App {
    /// A service from its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The routes, and `more` of them, with all that is around them: problems, headers, a line in the log. `guard` looks at
    /// each request first, where there is one.
    #[must_use]
    pub fn front(&self, more: Routes, guard: Option<Guard>) -> Front {
        Front::new(routes::routes(self, more), self, guard)
    }

    /// The same without more routes, as a router.
    pub fn router(&self, guard: Option<Guard>) -> Router {
        Router::new().fallback_service(self.front(Routes::new(), guard))
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.0.policy.load_full()
    }

    /// From now on this policy is in force; requests that have begun keep the one that they began with.
    pub fn replace_policy(&self, policy: Policy) {
        let policy = Arc::new(policy);
        self.0.policy.store(Arc::clone(&policy));
        self.0.status.policy_loaded(policy.sha256());
    }

    /// Whose sessions are taken.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    /// How often they may ask, and who is revoked.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Who mints.
    #[must_use]
    pub fn signalwire(&self) -> &Client {
        &self.0.signalwire
    }

    /// How much is refused while there is more to do than can be done.
    #[must_use]
    pub fn shedding(&self) -> &Shedding {
        &self.0.shedding
    }

    /// What the operator can ask.
    #[must_use]
    pub fn status(&self) -> &Arc<Status> {
        &self.0.status
    }

    /// Whether nothing is in flight: no request is being answered, no decision waits for its token.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.status.requests_in_flight() == 0 && self.0.decisions.tasks.is_empty()
    }

    /// Waits until every decision that has begun is minted and audited.
    pub async fn finish(&self) {
        self.0.decisions.tasks.close();
        self.0.decisions.tasks.wait().await;
    }

    /// Waits for SignalWire no longer: every decision that has begun is audited as failed.
    pub async fn cut_off(&self) {
        self.0.decisions.cut.cancel();
        self.finish().await;
    }
}

impl Context {
    /// The latest moment at which SignalWire may still mint for this request.
    fn latest_mint(&self) -> Timestamp {
        let left = self.deadline.saturating_duration_since(Instant::now());
        clock::now().plus_millis(i64::try_from(left.as_millis()).unwrap_or(i64::MAX))
    }
}
