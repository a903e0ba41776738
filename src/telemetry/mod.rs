//! What a running service reports: log lines, audit events, metrics and traces, and the clock that dates them.
//!
//! ```text
//! clock.rs     the only code that reads the system clock
//! log.rs       the log on standard error: levels, escaping, the request's id
//! lines.rs     an event of the log as one line
//! writer.rs    the thread that writes lines
//! audit.rs     one audit event for every decision
//! metrics.rs   counters, gauges and histograms as Prometheus text
//! traces/      the spans of a request, and their export by OTLP
//! ```

pub mod audit;
pub mod clock;
mod lines;
pub mod log;
mod metrics;
pub mod traces;
mod writer;

pub use metrics::{MetricSeries, Metrics, Series};
