//! What can go wrong with SignalWire, by what it means for whoever waits. Must not know HTTP's server side.

use std::error::Error;
use std::time::Duration;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum MintFault {
    /// The grant is somebody else's than the admission: a bug of ours, and nothing is sent.
    #[error("the grant and the admission are not the same member's")]
    OtherMember,
    /// Refused, reset, cut, DNS, TLS, a connect time-out.
    #[error("SignalWire cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// Its 5xx.
    #[error("SignalWire is failing (HTTP {status})")]
    Failing {
        /// Which.
        status: u16,
        /// Its `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// Its 429.
    #[error("SignalWire is limiting our rate")]
    RateLimited {
        /// Its `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// It kept failing, so it was not asked.
    #[error("SignalWire kept failing, so it is not asked for another {retry_after} s")]
    CircuitOpen {
        /// Until somebody may find out whether it does still, in whole seconds.
        retry_after: u64,
    },
    /// All calls are in use, and waiting for one would take, or has taken, longer than a request may wait.
    #[error("all of signalwire.max_in_flight calls are in use, and none comes free within signalwire.max_wait")]
    Overloaded,
    /// No answer in time.
    #[error("SignalWire did not answer in time")]
    Timeout,
    /// The service was told to stop and cut off what it waited for.
    #[error("the service stopped before SignalWire answered")]
    Stopped,
    /// Its 401 and 403: our credentials are wrong or lack the *Chat* scope.
    #[error("SignalWire refuses our credentials (HTTP {0}): check project_id, api_token and the token's Chat scope")]
    Credentials(u16),
    /// Its 422: a request of ours that it does not take.
    #[error("SignalWire refuses the request (HTTP 422, {0})")]
    Refused(String),
    /// Any other status.
    #[error("SignalWire answered HTTP {0}, which is no answer to this request")]
    Unexpected(u16),
    /// 200 or 201 without a token: not JSON, no `token` in it, too large.
    #[error("SignalWire's answer (HTTP {status}) holds no token: {why}")]
    NoToken {
        /// 200 or 201.
        status: u16,
        /// In words of ours.
        why: &'static str,
    },
    /// Not HTTP.
    #[error("SignalWire's answer is not one: {0}")]
    Nonsense(&'static str),
}

impl MintFault {
    /// Every word that [`MintFault::kind`] gives for a call.
    pub const KINDS: [&str; 7] =
        ["unreachable", "failing", "rate_limited", "timeout", "refused", "nonsense", "stopped"];

    /// The circuit is open for so long yet.
    pub(super) fn circuit_open(left: Duration) -> Self {
        Self::CircuitOpen { retry_after: left.as_secs() + u64::from(left.subsec_nanos() > 0) }
    }

    /// How long to wait at least before it is worth to try once more; none where it is not.
    pub(super) fn second_try(&self) -> Option<Duration> {
        match self {
            Self::Unreachable(_) => Some(Duration::ZERO),
            Self::Failing { retry_after, .. } => Some(Duration::from_secs(retry_after.unwrap_or_default())),
            Self::RateLimited { retry_after } => retry_after.map(Duration::from_secs),
            _ => None,
        }
    }

    /// Whether it speaks against SignalWire as such.
    pub(super) fn counts(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Failing { .. } | Self::RateLimited { .. } | Self::Timeout)
    }

    /// In one word, for metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Failing { .. } => "failing",
            Self::RateLimited { .. } => "rate_limited",
            Self::Timeout => "timeout",
            Self::Stopped => "stopped",
            Self::OtherMember => "bug",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::Overloaded => "overloaded",
            Self::Credentials(_) | Self::Refused(_) => "refused",
            Self::Unexpected(_) | Self::NoToken { .. } | Self::Nonsense(_) => "nonsense",
        }
    }

    /// The status that SignalWire answered with, where it did.
    #[must_use]
    pub fn upstream_status(&self) -> Option<u16> {
        match self {
            Self::Failing { status, .. }
            | Self::Credentials(status)
            | Self::Unexpected(status)
            | Self::NoToken { status, .. } => Some(*status),
            Self::RateLimited { .. } => Some(429),
            Self::Refused(_) => Some(422),
            Self::OtherMember
            | Self::Unreachable(_)
            | Self::CircuitOpen { .. }
            | Self::Overloaded
            | Self::Timeout
            | Self::Stopped
            | Self::Nonsense(_) => None,
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum BuildFault {
    /// `ca_file` cannot be read.
    #[error("signalwire.ca_file: {path} cannot be read: {why}")]
    CaFile {
        /// As it was set.
        path: String,
        /// Why.
        why: String,
    },
    /// `ca_file` holds no certificate.
    #[error("signalwire.ca_file: {path} holds no certificate as PEM")]
    NoCertificate {
        /// As it was set.
        path: String,
    },
    /// `api_token_file` cannot be read. Neither its path nor what it holds is shown.
    #[error("signalwire.api_token_file: {0}")]
    TokenFile(String),
    /// The API token holds one, such as a newline.
    #[error("signalwire.api_token: the token holds a control character, such as a newline")]
    ControlCharacter,
    /// The space is no address for a request.
    #[error("signalwire.space: nothing can be sent to this address")]
    Space,
    /// The credentials cannot stand in a header.
    #[error("signalwire.project_id or signalwire.api_token holds what no HTTP header can")]
    Credentials,
    /// No TLS, mostly for want of CA certificates.
    #[error("no HTTPS client can be had; on a machine without CA certificates, install them or set signalwire.ca_file")]
    Tls(#[source] rustls::Error),
}
