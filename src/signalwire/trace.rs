//! A call in a trace: its span, and how SignalWire is told of it (W3C Trace Context). Must not know what is asked, nor what
//! the answer holds. Where no traces are recorded none of it does anything.

use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::fault::MintFault;

/// The span of one call to this address, below whatever is going on.
pub(super) fn call(address: &str) -> Span {
    tracing::info_span!(
        // The target of all spans that are for traces.
        target: "usher::traces",
        "call",
        otel.name = "POST",
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = "POST",
        http.response.status_code = Empty,
        url.full = address,
        "error.type" = Empty,
        usher.outcome = Empty,
    )
}

/// What of the current span goes on with a request.
pub(super) fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let context = Span::current().context();
    let current = context.span();
    let current = current.span_context();
    if current.is_valid() {
        let (trace, span, flags) = (current.trace_id(), current.span_id(), current.trace_flags());
        let parent = HeaderValue::try_from(format!("00-{trace}-{span}-{:02x}", flags.to_u8()));
        let state = HeaderValue::try_from(current.trace_state().header());
        headers.extend(parent.ok().map(|parent| (http::HeaderName::from_static("traceparent"), parent)));
        let state = state.ok().filter(|state| !state.is_empty());
        headers.extend(state.map(|state| (http::HeaderName::from_static("tracestate"), state)));
    }
    headers
}

/// The call has ended: with a token and this status, or with a fault.
pub(super) fn ended(span: &Span, answer: Result<u16, &MintFault>) {
    let (status, outcome) = match answer {
        Ok(status) => (Some(status), "minted"),
        Err(fault) => {
            span.record("error.type", fault.kind());
            span.record("otel.status_code", "ERROR");
            (fault.upstream_status(), fault.kind())
        }
    };
    span.record("usher.outcome", outcome);
    if let Some(status) = status {
        span.record("http.response.status_code", i64::from(status));
    }
}
