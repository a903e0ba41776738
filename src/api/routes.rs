//! The public routes: which there are, how each can answer, and by which name it goes in log and metrics. Must not know
//! what a handler does.

use std::collections::BTreeSet;

use axum::Router;
use axum::routing::{get, post};

use super::{App, Code, Problem, admission, chat_token, grants, health, openapi, problems_page};
use crate::ops::Series;
use crate::signalwire::MintFault;

/// A request for a path that is not there. Its path is nowhere told: it can hold what somebody pasted by mistake.
const OTHER: &str = "other";
const CHAT_TOKEN: &str = "/chat-token";
const GRANTS: &str = "/chat-token/grants";
const LIVE: &str = "/live";
const READY: &str = "/ready";
const PROBLEMS: &str = "/problems";
const OPENAPI: &str = "/openapi.json";
/// The outcome of a call to SignalWire that gave a token.
pub(super) const MINTED: &str = "minted";

/// What there is to count beside requests: every word that a label can have.
#[derive(Clone, Debug)]
pub struct MetricSeries {
    /// The routes, and how each can answer.
    pub requests: Vec<Series>,
    /// How a call to SignalWire can end.
    pub upstream: Vec<&'static str>,
    /// The limits.
    pub limits: [&'static str; 2],
    /// What becomes of a request there.
    pub limit_decisions: [&'static str; 4],
}

/// The routes with their handlers, and `more` of them.
pub(super) fn routes(app: &App, more: Router) -> Router {
    Router::new()
        .route(CHAT_TOKEN, post(chat_token::post))
        .route(GRANTS, get(grants::get))
        .route(LIVE, get(health::live))
        .route(READY, get(health::ready))
        .route(PROBLEMS, get(problems_page::get))
        .route(OPENAPI, openapi::route(app.0.cookie.as_ref()))
        .with_state(app.clone())
        .merge(more)
        .fallback(async || Problem::new(Code::NotFound))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed))
}

/// The name of the route that a path leads to: paths are exact.
pub(super) fn name(path: &str) -> &'static str {
    [CHAT_TOKEN, GRANTS, LIVE, READY, PROBLEMS, OPENAPI].into_iter().find(|route| *route == path).unwrap_or(OTHER)
}

/// The route of that name, where it is one.
pub(super) fn known(name: &'static str) -> Option<&'static str> {
    Some(name).filter(|name| *name != OTHER)
}

/// Whether a request for this may be refused for want of room: not what an orchestrator asks.
pub(super) fn may_be_shed(route: &str) -> bool {
    ![LIVE, READY].contains(&route)
}

/// What any method of any route can be answered: what it does not have, a guard's, a bug's.
const OF_ANY: [Code; 3] = [Code::OriginRefused, Code::MethodNotAllowed, Code::InternalError];

/// The problems that any method of this route can be answered.
pub(super) fn of_any_method(route: &str) -> impl Iterator<Item = Code> {
    OF_ANY.into_iter().chain(may_be_shed(route).then_some(Code::Overloaded))
}

/// Every series that there is from the start.
#[must_use]
pub fn metric_series() -> MetricSeries {
    use Code::{
        InvalidRequest, LimitsUnavailable, NotFound, NotReady, NothingGranted, RateLimited, SessionExpired,
        SessionExpiring, SessionInvalid, SessionKeysUnavailable, SessionMissing, SessionRevoked,
    };
    let of = |route: &'static str, codes: &[Code]| {
        let problems = codes.iter().copied().chain(of_any_method(route));
        let problems = problems.map(|code| (code.row().status, code.as_str()));
        // An answer, and one to a preflight.
        let all: BTreeSet<_> = problems.chain([(200, ""), (204, "")]).collect();
        (route, all.into_iter().collect())
    };
    let of_chat_token: Vec<_> = Code::ALL.into_iter().filter(|code| ![NotFound, NotReady].contains(code)).collect();
    let of_grants = [
        SessionMissing,
        SessionInvalid,
        SessionExpired,
        SessionExpiring,
        NothingGranted,
        SessionRevoked,
        InvalidRequest,
        RateLimited,
        LimitsUnavailable,
        SessionKeysUnavailable,
    ];
    let series = vec![
        of(CHAT_TOKEN, &of_chat_token),
        of(GRANTS, &of_grants),
        of(LIVE, &[]),
        of(READY, &[NotReady]),
        of(PROBLEMS, &[]),
        of(OPENAPI, &[]),
        of(OTHER, &[NotFound]),
    ];
    MetricSeries {
        requests: series,
        upstream: std::iter::once(MINTED).chain(MintFault::KINDS).collect(),
        limits: [admission::MEMBER, admission::ADDRESS],
        limit_decisions: admission::DECISIONS,
    }
}
