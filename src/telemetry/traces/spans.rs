//! The spans of a request: what is said of it in a trace. No member, channel, claim, token or raw path is ever part of one.
//! Must not know where spans go.

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{TARGET, parent};

/// The span of one request, below the client's where it names one. `method` and `route` are names of ours; none: it is
/// something else. Where no traces are recorded it is disabled, and so are all below it.
#[must_use]
pub fn request(
    method: Option<&'static str>,
    route: Option<&'static str>,
    request_id: &str,
    headers: &HeaderMap,
) -> Span {
    // OpenTelemetry's conventions for HTTP: the name has the route if there is one, and never the path.
    let verb = method.unwrap_or("HTTP");
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = route.map_or_else(|| verb.to_owned(), |route| format!("{verb} {route}")),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method.unwrap_or("_OTHER"),
        http.route = route,
        http.response.status_code = Empty,
        "error.type" = Empty,
        usher.code = Empty,
        usher.request_id = request_id,
    );
    if !span.is_disabled()
        && let Some(parent) = parent::of(headers)
    {
        // Fails only where there is nothing to set it on.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
    span
}

/// The request was answered so, with this problem if there was one. Only a 5xx is an error of ours.
pub fn answered(span: &Span, status: u16, code: Option<&'static str>) {
    span.record("http.response.status_code", i64::from(status));
    if let Some(code) = code {
        span.record("error.type", code);
        span.record("usher.code", code);
    }
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// One step of a request, below whatever is going on.
#[must_use]
pub fn step(name: &'static str) -> Span {
    tracing::info_span!(target: TARGET, "step", otel.name = name)
}
