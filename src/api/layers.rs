//! What every request passes on its way to a route, and every answer on its way back: the request's id and its line in the
//! log, security headers, CORS, problems, panics, the limit of time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tower::{Service, ServiceExt as _};
use tracing::Instrument as _;
use uuid::Uuid;

use super::code::Code;
use super::cors::{Guard, Sharing};
use super::endpoint::{Endpoint, route_label};
use super::origin::single_header;
use super::problem::{Problem, Told};
use super::state::{App, Context};
use crate::chat::millis;
use crate::telemetry::{log, traces};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A method that is none, in the log.
const OTHER_METHOD: &str = "other";
/// How much longer than its deadline a request may take to say so itself.
const GRACE: Duration = Duration::from_millis(500);

/// How many headers an answer has, about.
pub(super) const USUAL_HEADERS: usize = 12;

/// What every answer has, unless it has its own.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Left with an answer that is asked for again and again: its line in the log is one for looking closely.
#[derive(Clone, Copy, Debug)]
pub struct Quiet;

/// The routes with all that is around them: what a listener serves.
#[derive(Clone)]
pub struct Front(Arc<Around>);

struct Around {
    app: App,
    sharing: Sharing,
    /// Looks at each request first, where there is one.
    guard: Option<Guard>,
    routes: Router,
}

impl Front {
    pub(super) fn new(routes: Router, app: &App, guard: Option<Guard>) -> Self {
        let sharing = Sharing::new(app.settings().origins.clone(), app.settings().cookie.as_ref(), guard);
        Self(Arc::new(Around { app: app.clone(), sharing, guard, routes }))
    }
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let around = Arc::clone(&self.0);
        Box::pin(async move { Ok(around.answer(request).await) })
    }
}

impl Around {
    /// Gives the request its id, and its answer what every answer has; counts it, and says so in the log.
    async fn answer(&self, mut request: Request) -> Response {
        let Self { app, sharing, .. } = self;
        let started = Instant::now();
        let request_id = request_id(request.headers());
        let endpoint = Endpoint::from_path(request.uri().path());
        let asked = sharing.asked(&request);
        let _in_flight = app.status().request_begins();
        let line = Line::begin(app, &request, &request_id, endpoint, started);
        request.extensions_mut().insert(line.context.clone());
        let is_preflight = asked.is_preflight;
        let work =
            async { if is_preflight { StatusCode::NO_CONTENT.into_response() } else { self.work(request).await } };
        let work = pin!(work);
        let worked = log::within(Arc::clone(&request_id), work).instrument(line.context.trace.clone()).await;
        let mut response = as_problem(worked, &request_id);
        line.write(app, &response);
        let headers = response.headers_mut();
        sharing.mark(headers, asked);
        for (name, value) in SECURITY {
            headers.entry(name).or_insert(value);
        }
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            headers.insert(REQUEST_ID, value);
        }
        response
    }

    /// The guard's look, the route, and a limit of time: a backstop, as whatever awaits something keeps to the deadline by
    /// itself. A panic is a bug of ours and costs this one answer.
    async fn work(&self, request: Request) -> Response {
        let deadline = request.extensions().get::<Context>().map(|context| context.deadline + GRACE);
        let answer = pin!(async {
            match self.guard.map_or(Ok(()), |guard| guard(request.headers())) {
                Ok(()) => self.routes.clone().oneshot(request).await.into_response(),
                Err(code) => Problem::new(code).into_response(),
            }
        });
        let answer = AssertUnwindSafe(answer).catch_unwind();
        let answer = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), answer).await,
            None => Ok(answer.await),
        };
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Problem::new(Code::InternalError).into_response(),
            Err(_) => Problem::new(Code::UpstreamTimeout).into_response(),
        }
    }
}

/// What is said of a request in the log: one line.
struct Line {
    method: &'static str,
    route: &'static str,
    context: Context,
    started: Instant,
}

impl Line {
    fn begin(
        app: &App,
        request: &Request,
        request_id: &Arc<str>,
        endpoint: Option<Endpoint>,
        started: Instant,
    ) -> Self {
        let method = known(request.method());
        let peer = request.extensions().get::<SocketAddr>().map(SocketAddr::ip);
        let context = Context {
            request_id: Arc::clone(request_id),
            address: peer.map(|peer| app.settings().trusted_proxies.client(peer, request.headers())),
            deadline: started + app.settings().request_timeout,
            trace: traces::request(method, endpoint.map(Endpoint::path), request_id, request.headers()),
        };
        Self { method: method.unwrap_or(OTHER_METHOD), route: route_label(endpoint), context, started }
    }

    fn write(self, app: &App, response: &Response) {
        let Self { method, route, context, started } = self;
        let (status, took) = (response.status(), started.elapsed());
        let told = response.extensions().get::<Told>();
        let code = told.map(|told| told.code.as_str());
        app.status().metrics.answered(route, status.as_u16(), code.unwrap_or_default(), took);

        traces::answered(&context.trace, status.as_u16(), code);

        let request_id = &*context.request_id;
        let (address, cause) =
            (context.address.map(tracing::field::display), told.and_then(|told| told.cause.as_deref()));
        let took_ms = millis(took);
        let status = status.as_u16();
        if status >= 500 {
            tracing::error!(request_id, method, route, status, code, cause, took_ms, address, "answered");
        } else if response.extensions().get::<Quiet>().is_some() {
            tracing::debug!(request_id, method, route, status, code, cause, took_ms, address, "answered");
        } else {
            tracing::info!(request_id, method, route, status, code, cause, took_ms, address, "answered");
        }
    }
}

/// A method's name, if it is one: another could be anything that somebody has pasted.
fn known(method: &Method) -> Option<&'static str> {
    const NAMES: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    NAMES.into_iter().find(|name| *name == method.as_str())
}

/// The client's own id if it is one header of `[A-Za-z0-9._:-]{1,128}`, else a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let given = single_header(headers, &REQUEST_ID);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    match given.filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(fits)) {
        Some(id) => Arc::from(id),
        None => Arc::from(Uuid::new_v4().to_string()),
    }
}

/// Whatever comes out of 400 and above takes a problem's form.
fn as_problem(mut response: Response, request_id: &str) -> Response {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>();
    let problem = problem.unwrap_or_else(|| Problem::of_status(response.status()));
    let mut headers = HeaderMap::new();
    if let Some(allow) = response.headers().get(ALLOW).filter(|_| problem.code() == Code::MethodNotAllowed) {
        headers.insert(ALLOW, allow.clone());
    }
    problem.into_answer(request_id, headers)
}

/// Another router behind the same look at each request.
pub fn guarded(router: Router, guard: Guard) -> Router {
    let refuse = move |request: Request, next: Next| async move {
        match guard(request.headers()) {
            Ok(()) => next.run(request).await,
            Err(code) => Problem::new(code).into_answer("", HeaderMap::new()),
        }
    };
    router.layer(middleware::from_fn(refuse))
}
