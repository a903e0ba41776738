//! The endpoints of the public listener: the path of each, its method, the problems it can respond with, and the labels of
//! its metrics.

use std::collections::BTreeSet;

use axum::routing::MethodFilter;

use super::code::Code;
use crate::limits::Refused;
use crate::signalwire::MintFault;
use crate::telemetry::MetricSeries;
use crate::telemetry::audit::Outcome;

/// The `route` label of a request for any other path. The path itself is recorded nowhere: it can hold anything that was
/// pasted by mistake.
const OTHER: &str = "other";
/// The `outcome` label of a call to SignalWire that returned a token.
pub(super) const MINTED: &str = "minted";
/// The `limit` labels.
pub(super) const MEMBER: &str = "member";
pub(super) const ADDRESS: &str = "address";
/// The `decision` label of a request within its limit.
pub(super) const ADMITTED: &str = "admitted";

/// An endpoint of the public listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    ChatToken,
    Grants,
    Live,
    Ready,
    Problems,
    OpenApi,
}

impl Endpoint {
    pub(super) const ALL: [Self; 6] =
        [Self::ChatToken, Self::Grants, Self::Live, Self::Ready, Self::Problems, Self::OpenApi];

    /// Its path; paths are exact, byte for byte.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::ChatToken => "/chat-token",
            Self::Grants => "/chat-token/grants",
            Self::Live => "/live",
            Self::Ready => "/ready",
            Self::Problems => "/problems",
            Self::OpenApi => "/openapi.json",
        }
    }

    /// Its method; `GET` includes `HEAD`.
    pub(super) const fn method(self) -> MethodFilter {
        match self {
            Self::ChatToken => MethodFilter::POST,
            Self::Grants | Self::Live | Self::Ready | Self::Problems | Self::OpenApi => MethodFilter::GET,
        }
    }

    pub(super) fn from_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }

    /// The problems that it can respond with, whatever the method.
    pub(super) fn problems(self) -> impl Iterator<Item = Code> {
        let is_own = move |code: &Code| match self {
            Self::ChatToken => !matches!(code, Code::NotFound | Code::NotReady),
            Self::Grants => matches!(
                code,
                Code::SessionMissing
                    | Code::SessionInvalid
                    | Code::SessionExpired
                    | Code::SessionExpiring
                    | Code::NothingGranted
                    | Code::SessionRevoked
                    | Code::InvalidRequest
                    | Code::RateLimited
                    | Code::LimitsUnavailable
                    | Code::SessionKeysUnavailable
            ),
            Self::Ready => *code == Code::NotReady,
            Self::Live | Self::Problems | Self::OpenApi => false,
        };
        Code::ALL.into_iter().filter(move |code| is_own(code) || PROBLEMS_OF_ANY.contains(code))
    }
}

/// The problems of any method of any path: a method that it does not have, a guard, a bug.
pub(super) const PROBLEMS_OF_ANY: [Code; 3] = [Code::OriginRefused, Code::MethodNotAllowed, Code::InternalError];

/// The `route` label of a request for this endpoint.
pub(super) fn route_label(endpoint: Option<Endpoint>) -> &'static str {
    endpoint.map_or(OTHER, Endpoint::path)
}

/// Every label of every series that exists from the start.
#[must_use]
pub fn metric_series() -> MetricSeries {
    let route = |endpoint: Option<Endpoint>| {
        let problems: Vec<_> = match endpoint {
            Some(endpoint) => endpoint.problems().collect(),
            None => PROBLEMS_OF_ANY.into_iter().chain([Code::NotFound]).collect(),
        };
        let problems = problems.into_iter().map(|code| (code.row().status, code.as_str()));
        // A success, and the response to a preflight.
        let all: BTreeSet<_> = problems.chain([(200, ""), (204, "")]).collect();
        (route_label(endpoint), all.into_iter().collect())
    };
    MetricSeries {
        requests: Endpoint::ALL.into_iter().map(Some).chain([None]).map(route).collect(),
        upstream: std::iter::once(MINTED).chain(MintFault::KINDS).collect(),
        decisions: Outcome::ALL.map(Outcome::as_str).to_vec(),
        limits: vec![MEMBER, ADDRESS],
        limit_decisions: std::iter::once(ADMITTED).chain(Refused::KINDS).collect(),
    }
}
