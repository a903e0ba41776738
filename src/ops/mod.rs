//! What an operator sees: the audit event, the log, metrics, the operator's listener, and the clock that all are dated by.
//! Must not know the credentials, sessions, or how a request is answered.
//!
//! ```text
//! clock.rs     the one place that reads the clock
//! log.rs       standard error, escaped; which events are told there
//! lines.rs     such an event as one line
//! writer.rs    the thread that writes it
//! audit.rs     one event for every decision
//! metrics.rs   what is counted and measured
//! traces/      what of a request is recorded for a collector, and the way there
//! status.rs    ready or not, which policy: what the service tells and the listeners ask
//! listener.rs  the operator's listener
//! ```

pub mod audit;
pub mod clock;
mod lines;
mod listener;
pub mod log;
mod metrics;
mod status;
pub mod traces;
mod writer;

pub use listener::router;
pub use metrics::{Metrics, Series};
pub use status::{
    InFlight, IssuerKeys, LimitsLoad, PolicyStatus, Readiness, SheddingLoad, Source, Sources, Status, UpstreamLoad,
};
