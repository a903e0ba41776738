//! Traces by OTLP: what of a request is recorded, and where it goes. Must not know how a request is answered.
//!
//! ```text
//! spans.rs      the spans of a request
//! parent.rs     the span that a client names as a request's parent
//! collector.rs  where spans go
//! ```
//!
//! They are spans of `tracing` of a target of their own ([`TARGET`]), which the log does not see: its lines are the same
//! with traces and without. Where no collector is set nobody sees them, and each costs one look at a flag.

mod collector;
mod parent;
mod spans;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanLimits};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::registry::LookupSpan;
use url::{Host, Url};

use self::collector::Collector;

pub use collector::TracesFault;
pub use spans::{answered, request, step};

/// The target of all spans that are for traces, and of nothing else.
pub const TARGET: &str = "usher::traces";

/// How many spans may wait for the collector; those beyond are lost.
const QUEUE: usize = 4_096;
/// How many of them go at once.
const BATCH: usize = 1_024;
/// The longest that one waits for others.
const DELAY: Duration = Duration::from_secs(1);
/// How long the last ones may take.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracesSettings {
    endpoint: Url,
}

/// Traces that are recorded.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

/// Why a text names no collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    /// No URL, one of another scheme, or one of no host.
    #[error("it is no URL of a host that begins with `http://` or `https://`")]
    Unreadable,
    /// User or password.
    #[error("a URL here has no user and no password")]
    Credentials,
    /// Query or fragment.
    #[error("a URL here has no query and no fragment")]
    TooMuch,
}

impl TracesSettings {
    /// Reads a collector's base URL, which gets OTLP's own path `/v1/traces`, or a URL with a path of its own.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(text: &str) -> Result<Self, EndpointFault> {
        let is_http = |url: &Url| ["http", "https"].contains(&url.scheme()) && text.contains("://");
        let mut endpoint = Url::parse(text).ok().filter(is_http).ok_or(EndpointFault::Unreadable)?;
        // Quotes and `$` come from variables that nobody expanded; nothing listens on port 0.
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if matches!(endpoint.host(), Some(Host::Domain(name)) if !is_name(name)) || endpoint.port() == Some(0) {
            return Err(EndpointFault::Unreadable);
        }
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(EndpointFault::Credentials);
        }
        if endpoint.query().is_some() || endpoint.fragment().is_some() {
            return Err(EndpointFault::TooMuch);
        }
        if endpoint.path() == "/" {
            endpoint.set_path("/v1/traces");
        }
        Ok(Self { endpoint })
    }

    /// Where spans are posted to.
    #[must_use]
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }
}

impl Traces {
    /// Records from now on, as soon as [`log::start`](super::log::start) has these. Not to be called where async code runs.
    /// All that OpenTelemetry's own environment variables could say is said here: settings have one place.
    ///
    /// # Errors
    /// Where no client for the collector can be had.
    pub fn start(settings: &TracesSettings) -> Result<Self, TracesFault> {
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY);
        let collector = Collector::new(&settings.endpoint)?;
        let processor = BatchSpanProcessor::builder(collector).with_batch_config(batches.build()).build();
        let resource = Resource::builder_empty()
            .with_service_name("usher")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource.build())
            .with_span_limits(SpanLimits::default())
            // INVARIANT: whether a request is recorded is ours to say; no client can hide one, or have one recorded.
            .with_sampler(Sampler::AlwaysOn);
        Ok(Self { provider: provider.build() })
    }

    /// What sees the spans.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let is_ours = FilterFn::new(|metadata| metadata.is_span() && metadata.target() == TARGET);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("usher"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(is_ours.with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends what there is, for at most a second.
    pub async fn finish(self) {
        // It waits for the thread that sends.
        let flush = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST_SPANS));
        if !matches!(tokio::time::timeout(LAST_SPANS, flush).await, Ok(Ok(Ok(())))) {
            tracing::warn!("the last spans could not be delivered in time");
        }
    }
}
