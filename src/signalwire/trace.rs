//! A call in a trace: its span, and how SignalWire is told of it (W3C Trace Context). Must not know what is asked, nor what
//! the answer holds. Where no traces are recorded none of it does anything.

use http::{HeaderMap, HeaderName, HeaderValue};
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

/// Tells SignalWire of this span, where it is one that is recorded.
pub(super) fn tell(span: &Span, headers: &mut HeaderMap) {
    if span.is_disabled() {
        return;
    }
    let context = span.context();
    let span = context.span();
    let span = span.span_context();
    if !span.is_valid() {
        return;
    }
    let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags().to_u8());
    if let Ok(parent) = HeaderValue::try_from(format!("00-{trace}-{id}-{flags:02x}")) {
        headers.insert(HeaderName::from_static("traceparent"), parent);
    }
    if let Ok(state) = HeaderValue::try_from(span.trace_state().header())
        && !state.is_empty()
    {
        headers.insert(HeaderName::from_static("tracestate"), state);
    }
}

/// The call has ended: with a token and this status, or with a fault.
pub(super) fn ended(span: &Span, answer: Result<u16, &MintFault>) {
    if span.is_disabled() {
        return;
    }
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
