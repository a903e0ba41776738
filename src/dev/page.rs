//! The page to try `usher dev` on, at `/`: its files, and the routes under `/dev/` that it alone needs. Never a part of `serve`;
//! must not know how a policy decides.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, InvalidHeaderValue, ORIGIN};
use http::{HeaderMap, HeaderValue};
use itertools::Itertools as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::issuer::{DevIssuer, NewSession};
use crate::analysis::{Asked, Explained, Question, document, in_words, why_nothing};
use crate::api::{AllowedOrigins, App, Code, Problem, Quiet, Routes};
use crate::chat::{Facts, Object, json as strict_json};
use crate::telemetry::clock;

/// Path, media type and content of each file.
const FILES: [(&str, &str, &str); 9] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/page/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/page/main.js", SCRIPT, include_str!("page/main.js")),
    ("/page/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/page/usher.js", SCRIPT, include_str!("page/usher.js")),
    ("/page/answer.js", SCRIPT, include_str!("page/answer.js")),
    ("/page/chat.js", SCRIPT, include_str!("page/chat.js")),
    ("/page/relay.js", SCRIPT, include_str!("page/relay.js")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// The largest body that is read, in bytes: a session of 16 KiB and what is asked for.
const MAX_BODY: usize = 64 * 1024;
/// How long a session lasts where nothing else is wanted, and the longest where no claim says otherwise, in seconds.
const USUAL_LIFE: i64 = 3_600;
const LONGEST_LIFE: i64 = 30 * 86_400;

/// What the page's routes need.
pub(super) struct Page {
    app: App,
    issuer: DevIssuer,
    relay: String,
    /// Whether the policy is a file, which is looked at again and again.
    is_file: bool,
    content_security_policy: HeaderValue,
}

impl Page {
    pub(super) fn new(app: App, issuer: DevIssuer, sandbox: &Url, is_file: bool) -> Result<Self, InvalidHeaderValue> {
        let relay = sandbox.as_str().trim_end_matches('/').replacen("http://", "ws://", 1);
        // A Content-Security-Policy cannot name an IPv6 address (CSP 3 §2.3.1).
        let is_nameable = !matches!(sandbox.host(), Some(url::Host::Ipv6(_)));
        let source = if is_nameable { relay.as_str() } else { "ws:" };
        let content_security_policy = HeaderValue::try_from(format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {source}; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        ))?;
        Ok(Self { app, issuer, relay, is_file, content_security_policy })
    }

    pub(super) fn routes(self) -> Routes {
        let files = FILES.into_iter().fold(Router::new(), |router, (path, media_type, text)| {
            let security = self.content_security_policy.clone();
            let headers = [(CONTENT_TYPE, HeaderValue::from_static(media_type)), (CONTENT_SECURITY_POLICY, security)];
            router.route(path, get(async move || (headers, text)))
        });
        let asked = Router::new()
            .route("/dev/world", get(world))
            .route("/dev/session", post(session))
            .route("/dev/explain", post(explain))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .route_layer(middleware::from_fn(refuse_other_origins));
        files.merge(asked.with_state(Arc::new(self)))
    }
}

/// INVARIANT: no page of elsewhere is given a session, even one whose browser asks nobody before it posts. With `--allow-remote` only
/// by its own word: a name that leads here (DNS rebinding) is not told from one that was given to this machine.
async fn refuse_other_origins(request: Request, next: Next) -> Response {
    if is_from_here(request.headers()) {
        next.run(request).await
    } else {
        Problem::new(Code::OriginRefused).into_response()
    }
}

/// Whether the page that asks, if one does, is of this machine, or is this one.
fn is_from_here(headers: &HeaderMap) -> bool {
    let origin = match headers.get_all(ORIGIN).iter().at_most_one() {
        Ok(None) => return true,
        Ok(Some(origin)) => origin.to_str().unwrap_or_default(),
        Err(_) => return false,
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    AllowedOrigins::loopback().allow(origin) || host.is_some_and(|host| origin.strip_prefix("http://") == Some(host))
}

/// `GET /dev/world`: the policy in force, what became of its file, and what there is to choose from.
async fn world(State(page): State<Arc<Page>>) -> Response {
    let policy = page.app.policy();
    let (default, max, min) = policy.ttl_bounds();
    let world = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "policy": page.app.status().policy(),
        "is_file": page.is_file,
        "roles": policy.claimable(),
        "admits_guests": policy.admits_guests(),
        "ttl": {"default": default, "max": max, "min": min},
        "relay": page.relay,
    });
    (Extension(Quiet), Json(world)).into_response()
}

/// A session that the page wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionWanted {
    /// Needed where the claims have none.
    sub: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    /// They win over everything.
    #[serde(default)]
    claims: Object,
    /// In seconds.
    lives_for: Option<i64>,
}

/// `POST /dev/session`: a session of the throw-away issuer, for anybody.
async fn session(State(page): State<Arc<Page>>, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Problem> {
    let SessionWanted { sub, roles, claims, lives_for } = read(&headers, &body)?;
    let sub = sub.as_deref().or_else(|| claims.get("sub")?.as_str());
    let sub =
        sub.ok_or_else(|| invalid("say who it is for: `sub`, or a `sub` among the `claims`, is a string"))?.to_owned();
    let lives_for = lives_for.unwrap_or(USUAL_LIFE);
    if !(1..=LONGEST_LIFE).contains(&lives_for) {
        return Err(invalid(format!("`lives_for` is from 1 to {LONGEST_LIFE} seconds")));
    }
    let session = NewSession { sub: &sub, roles: &roles, claims, lives_for };
    let token = page.issuer.sign(&session, clock::now()).map_err(|_| Problem::new(Code::InternalError))?;
    Ok(Json(json!({"token": token})))
}

/// A decision that the page wants explained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplanationWanted {
    /// None: a guest.
    session: Option<String>,
    /// The body of the request, as it would be sent.
    #[serde(default)]
    ask: String,
}

/// `POST /dev/explain`: what `usher explain --json` says, and why each right is as it is (or why there is none) in words.
async fn explain(State(page): State<Arc<Page>>, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Problem> {
    let ExplanationWanted { session, ask } = read(&headers, &body)?;
    let now = clock::now();
    let facts = match session {
        Some(token) => page.app.verifier().authenticate(&token, now).await?.facts().clone(),
        None => Facts::guest(Uuid::new_v4()),
    };
    let policy = page.app.policy();
    let explained =
        Explained::of(Question { facts, ask: Asked::Body(ask.into_bytes()), now, recorded: None }, &policy, true);
    let file = page.app.status().policy().path().to_owned();
    let facts = &explained.question.facts;
    let rights = explained.account().map(|account| &*account.rights).unwrap_or_default();
    let words = match rights {
        [] if explained.account().is_some() => why_nothing(&policy, facts, &file),
        rights => rights.iter().map(|right| in_words(&policy, facts, right, &file)).collect(),
    };
    Ok(Json(json!({"explanation": document(&explained, &policy, &file), "words": words})))
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Problem> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    let document = strict_json::parse(body)?;
    serde_json::from_value(document).map_err(|error| invalid(format!("the body is not as it should be: {error}")))
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidRequest).with_detail(detail)
}
