//! Where spans go: an OTLP collector, by HTTP, from the thread of the batch processor. Must not know what a span says.
//!
//! A collector that is away, slow or refusing costs its batches and nothing else. There is no second try: it would hold up
//! the spans behind it.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message as _;
use reqwest::blocking::{Client, ClientBuilder};
use url::Url;

use crate::chat::causes;

/// To have a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For one batch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most of an answer that is read.
const MAX_ANSWER: u64 = 64 * 1024;

/// Why no traces can be recorded.
#[derive(Debug, thiserror::Error)]
pub enum TracesFault {
    /// No TLS, mostly for want of CA certificates.
    #[error(
        "no HTTPS client for telemetry.otlp_endpoint can be had; on a machine without CA certificates, install them"
    )]
    Tls(#[source] reqwest::Error),
}

/// The way to the collector.
#[derive(Debug)]
pub(super) struct Collector {
    http: Client,
    endpoint: Url,
    resource: ResourceAttributesWithSchema,
    is_failing: AtomicBool,
}

impl Collector {
    /// Connects to nothing yet. Not to be called where async code runs: reqwest's blocking client cannot be made there.
    pub(super) fn new(endpoint: &Url) -> Result<Self, TracesFault> {
        let builder = ClientBuilder::new()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("usher/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        // Without TLS no CA bundle is needed, and none has to be there.
        let builder = if endpoint.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        let http = builder.build().map_err(TracesFault::Tls)?;
        let (endpoint, resource) = (endpoint.clone(), ResourceAttributesWithSchema::default());
        Ok(Self { http, endpoint, resource, is_failing: AtomicBool::new(false) })
    }

    fn send(&self, batch: Vec<SpanData>) -> Result<(), String> {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let request = self.http.post(self.endpoint.clone()).header(CONTENT_TYPE, "application/x-protobuf").body(body);
        let answer = request.send().map_err(|error| causes(&error.without_url()))?;
        if !answer.status().is_success() {
            return Err(format!("it answered HTTP {}", answer.status().as_u16()));
        }
        let mut body = Vec::new();
        answer.take(MAX_ANSWER).read_to_end(&mut body).map_err(|error| causes(&error))?;
        // What is no such answer came with a status that says enough.
        let answer = ExportTraceServiceResponse::decode(body.as_slice()).unwrap_or_default();
        match answer.partial_success.map_or(0, |partial| partial.rejected_spans) {
            0 => Ok(()),
            rejected => Err(format!("it rejected {rejected} spans")),
        }
    }

    /// Once when it begins to fail, once when it works again.
    fn tell(&self, sent: &Result<(), String>) {
        let endpoint = self.endpoint.as_str();
        let was_failing = self.is_failing.swap(sent.is_err(), Ordering::Relaxed);
        match sent {
            Err(cause) if !was_failing => {
                tracing::warn!(endpoint, cause, "traces cannot be delivered: spans are lost, and nothing else");
            }
            Ok(()) if was_failing => tracing::info!(endpoint, "traces are delivered again"),
            Ok(()) | Err(_) => {}
        }
    }
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.send(batch);
        self.tell(&sent);
        sent.map_err(OTelSdkError::InternalFailure)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
