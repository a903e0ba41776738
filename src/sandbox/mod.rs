//! SignalWire's stand-in: the chat-token endpoint over a real socket, with faults on demand, and the relay that chats with
//! the tokens. It is written from the published rules and the SDK's sources alone, and shares no code with the rest of
//! this crate: two sides that share a validator agree on its bugs.
//!
//! What the published rules leave open is decided here, and said where it is: see [`Sandbox::router`], [`Fault`], the table
//! of codes in `rules.rs`, and `relay/`.

mod fault;
mod received;
mod relay;
mod rules;
mod token;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::routing::any;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub use self::fault::{Fault, Times};
use self::fault::{Faults, Upset};
pub use self::received::Received;
use self::received::{Credentials, Recent};
use self::relay::{Doors, Relay};
use self::token::Mint;
use self::wire::{Response, json_response};

/// Where the tokens are had.
const TOKENS: &str = "/api/chat/tokens";

/// The most bytes of a request's body that are read: well above the largest valid body, 500 names of 250 characters,
/// even with every character escaped as `\uXXXX\uXXXX`.
const BODY_LIMIT: usize = 2 * 1024 * 1024;
/// How long a request's body may take to come.
const BODY_FOR: Duration = Duration::from_secs(10);

/// A stand-in for one SignalWire project. Cheap to clone: all clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
    /// Whether only requests that name this machine as their `Host` are answered.
    is_for_this_machine: bool,
    /// Where it serves, for the tokens to name; nowhere yet.
    relay_at: Option<Arc<str>>,
    doors: Doors,
}

struct Inner {
    project_id: String,
    credentials: Credentials,
    mint: Arc<Mint>,
    relay: Relay,
    faults: Faults,
    recent: Recent,
    clock: fn() -> u64,
}

impl Sandbox {
    /// A sandbox that takes these credentials; `clock` gives the time in seconds since 1970, for a token's `iat` and its end.
    ///
    /// The API token is not kept, only its hash. The secret that tokens are signed with is random and new.
    #[must_use]
    pub fn new(project_id: impl Into<String>, api_token: impl Into<String>, clock: fn() -> u64) -> Self {
        let project_id = project_id.into();
        let credentials = Credentials::new(&project_id, &api_token.into());
        let mint = Arc::new(Mint::with_random_secret());
        let relay = Relay::new(project_id.clone(), Arc::clone(&mint), clock);
        Self {
            inner: Arc::new(Inner {
                project_id,
                credentials,
                mint,
                relay,
                faults: Faults::default(),
                recent: Recent::default(),
                clock,
            }),
            is_for_this_machine: false,
            relay_at: None,
            doors: Doors::default(),
        }
    }

    /// Refuses requests whose `Host` is another than `localhost`, `127.0.0.1` or `[::1]` with a 403, so that a page elsewhere
    /// which gives its name the address of this machine (DNS rebinding) gets nothing; and a WebSocket of pages of any other
    /// `Origin` than `http://` and one of these, on any port, so that no such page tries the relay. Programs send none.
    #[must_use]
    pub fn for_this_machine_alone(self) -> Self {
        Self { is_for_this_machine: true, ..self }
    }

    /// `POST /api/chat/tokens`, and the relay's WebSocket at `/`; everything else is a 404 with `{"error":"Not Found"}`, whatever
    /// the credentials.
    ///
    /// The published rules do not ask for a content type, so none is asked for. They do not bound the body either:
    /// one over 2 MiB, that breaks off, or that takes over 10 s, is "not JSON". [`Fault::Cut`] needs the socket and works with
    /// [`Sandbox::serve`] only: without it, it is an empty 502. So do tokens that name the relay in their header (`ch`).
    pub fn router(&self) -> Router {
        let router = Router::new().route(TOKENS, any(tokens)).route("/", any(at_the_root));
        let router = router.fallback(elsewhere).with_state(self.clone());
        if self.is_for_this_machine { router.layer(middleware::from_fn(refuse_other_hosts)) } else { router }
    }

    /// Serves HTTP/1.1 and the relay on `listener` until `stop` is done; then connections are cut, not drained, but each client
    /// of the relay is told (`signalwire.disconnect`, then a close with 1001), which takes 3 s at most.
    ///
    /// # Errors
    /// When the listener has no address. What cannot be accepted for a while is no error: it is tried again.
    pub async fn serve(mut self, listener: TcpListener, stop: impl Future<Output = ()> + Send) -> std::io::Result<()> {
        self.relay_at = Some(relay::address(listener.local_addr()?).into());
        self.doors = Doors::default();
        let _told_when_dropped = self.doors.guard();
        wire::serve(self.router(), listener, wire::IDLE_FOR, stop).await;
        self.doors.close().await;
        Ok(())
    }

    /// The next requests for the token path meet this fault, after those asked for before it.
    ///
    /// [`Times::Always`] stays until [`Sandbox::heal`]: what is queued behind it is not reached.
    pub fn fail(&self, fault: Fault, times: Times) {
        self.inner.faults.push(fault, times);
    }

    /// From now on this API token is taken, and the one before no more.
    pub fn set_api_token(&self, api_token: &str) {
        self.inner.credentials.replace(&self.inner.project_id, api_token);
    }

    /// No more faults. A request that is in one already stays in it.
    pub fn heal(&self) {
        self.inner.faults.clear();
    }

    /// The last 1,000 requests, or as many as fit in 8 MiB, oldest first, to whatever path: also those that met a fault or a
    /// 404, but none for the relay.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.inner.recent.list()
    }

    /// `{"header": …, "payload": …}` of a token that this sandbox signed; nothing for any other.
    #[must_use]
    pub fn decode(&self, token: &str) -> Option<Value> {
        self.inner.mint.decode(token)
    }

    /// The answer when no fault is in the way.
    fn answer(&self, request: &Received, body: &[u8]) -> Response {
        if request.method != Method::POST.as_str() {
            return not_found();
        }
        if !request.authorized {
            return json_response(StatusCode::UNAUTHORIZED, &json!({"error": "Unauthorized"}));
        }
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return json_response(StatusCode::BAD_REQUEST, &json!({"error": "Bad Request"}));
        };
        let asked = match rules::parse(&body) {
            Ok(asked) => asked,
            Err(faults) => {
                let errors: Vec<Value> = faults.iter().map(rules::Invalid::to_json).collect();
                return json_response(StatusCode::UNPROCESSABLE_ENTITY, &json!({"errors": errors}));
            }
        };
        let inner = &self.inner;
        match inner.mint.mint(&inner.project_id, self.relay_at.as_deref(), (inner.clock)(), asked) {
            Some(token) => json_response(StatusCode::OK, &json!({"token": token})),
            None => json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "the sandbox could not sign"})),
        }
    }

    /// Reads and records a request; gives it and the bytes of its body.
    async fn receive(&self, request: Request) -> (Received, Bytes) {
        let (head, body) = request.into_parts();
        let body = tokio::time::timeout(BODY_FOR, axum::body::to_bytes(body, BODY_LIMIT)).await;
        let body = body.map(Result::unwrap_or_default).unwrap_or_default();
        let text = |name: &str| {
            let value = head.headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let received = Received {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            authorized: self.inner.credentials.admit(head.headers.get(header::AUTHORIZATION)),
            content_type: text(header::CONTENT_TYPE.as_str()),
            traceparent: text("traceparent"),
            tracestate: text("tracestate"),
            body: String::new(),
        };
        let kept = if received.authorized { String::from_utf8_lossy(&body).into_owned() } else { String::new() };
        let received = Received { body: kept, ..received };
        self.inner.recent.push(received.clone());
        (received, body)
    }
}

/// Shows the project alone.
impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("project_id", &self.inner.project_id).finish_non_exhaustive()
    }
}

async fn tokens(State(sandbox): State<Sandbox>, request: Request) -> Response {
    let (request, body) = sandbox.receive(request).await;
    match sandbox.inner.faults.take() {
        None => sandbox.answer(&request, &body),
        Some(fault) => match fault.before().await {
            Upset::Instead(response) => response,
            Upset::After(change) => change.apply(sandbox.answer(&request, &body)).await,
        },
    }
}

/// Where the SDK connects.
async fn at_the_root(
    State(sandbox): State<Sandbox>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return elsewhere(State(sandbox), request).await;
    };
    sandbox.inner.relay.upgrade(request.headers(), upgrade, &sandbox.doors, sandbox.is_for_this_machine)
}

async fn elsewhere(State(sandbox): State<Sandbox>, request: Request) -> Response {
    sandbox.receive(request).await;
    not_found()
}

async fn refuse_other_hosts(request: Request, next: Next) -> Response {
    if wire::is_for_this_machine(request.headers()) {
        return next.run(request).await;
    }
    json_response(StatusCode::FORBIDDEN, &json!({"error": "the sandbox answers this machine alone"}))
}

fn not_found() -> Response {
    json_response(StatusCode::NOT_FOUND, &json!({"error": "Not Found"}))
}
