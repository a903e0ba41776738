//! CORS (the Fetch standard, §3.2): who may read answers. It is no authorization: a Bearer from elsewhere is served,
//! without these headers. tower-http's layer answers every OPTIONS as a preflight, so this is ours. Must not know routes.

use axum::extract::Request;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

use super::code::Code;
use super::cookie::CookieSettings;
use super::origin::{AllowedOrigins, single_header};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const HEADERS: &str = "Authorization, Content-Type, X-Request-Id, traceparent, tracestate";
const EXPOSED: HeaderValue = HeaderValue::from_static("X-Request-Id, Retry-After");
/// How long a browser keeps a preflight's answer, in seconds: Chromium keeps none for longer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// A check of each request's headers before anything else: an error is its response.
pub type Guard = fn(&HeaderMap) -> Result<(), Code>;

/// Who may read answers, and what they may send.
pub(super) struct Sharing {
    origins: AllowedOrigins,
    headers: HeaderValue,
    /// Whether a browser may send the session's cookie along.
    credentials: bool,
    /// What it refuses is no preflight either.
    guard: Option<Guard>,
}

/// What one request asks of it.
pub(super) struct Asked {
    /// Its one origin, where that is allowed.
    origin: Option<HeaderValue>,
    /// Whether it only asks what it might send: its answer is an empty 204.
    pub(super) is_preflight: bool,
}

impl Sharing {
    pub(super) fn new(origins: AllowedOrigins, cookie: Option<&CookieSettings>, guard: Option<Guard>) -> Self {
        let guard_header = cookie.and_then(CookieSettings::guard_header);
        let headers = guard_header.map(|name| HeaderValue::try_from(format!("{HEADERS}, {name}")));
        let headers = headers.and_then(Result::ok).unwrap_or(HeaderValue::from_static(HEADERS));
        Self { origins, headers, credentials: cookie.is_some(), guard }
    }

    pub(super) fn asked(&self, request: &Request) -> Asked {
        let is_let_in = || self.guard.is_none_or(|guard| guard(request.headers()).is_ok());
        Asked {
            origin: allowed_origin(request.headers(), &self.origins),
            is_preflight: is_preflight(request) && is_let_in(),
        }
    }

    /// Says in an answer who may read it.
    pub(super) fn mark(&self, headers: &mut HeaderMap, asked: Asked) {
        // Whether there is an origin or not: a cache must not give the one the answer to the other.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = asked.origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if asked.is_preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        } else {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// An `OPTIONS` without these two is a question like any other.
fn is_preflight(request: &Request) -> bool {
    let has = |name| request.headers().contains_key(name);
    request.method() == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The request's one origin, if it is allowed.
fn allowed_origin(headers: &HeaderMap, origins: &AllowedOrigins) -> Option<HeaderValue> {
    let is_allowed = single_header(headers, &ORIGIN).is_some_and(|origin| origins.allow(origin));
    headers.get(ORIGIN).filter(|_| is_allowed).cloned()
}
