//! `POST /chat-token`: the whole story, in the order of the checks. What it takes at each step only the step before can
//! give, so leaving one out does not compile.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use rand::Rng as _;
use serde::Serialize;
use tracing::Instrument as _;

use super::code::Code;
use super::endpoint::MINTED;
use super::finishing::{self, Finishing};
use super::problem::{DeniedRow, Problem, denied_rows};
use super::state::{App, Context};
use super::{body, layers};
use crate::chat::{Channels, MemberId, Terms, Timestamp, json, millis};
use crate::limits::Admitted;
use crate::policy::{Grant, LimitedBy, Policy, Refused};
use crate::session::Session;
use crate::signalwire::{Call, MintFault};
use crate::telemetry::audit::{AuditEvent, Outcome};
use crate::telemetry::traces::step;
use crate::telemetry::{clock, log};

/// The seconds before a token's end that the browser SDK spends on refreshing it.
const REFRESH_WINDOW: i64 = 120;
/// The soonest that anybody is told to come back, in seconds.
const SOONEST_REFRESH: i64 = 30;

/// How many bytes an answer has beside its token, about.
const USUAL_REST: usize = 512;
/// How an answer begins.
const OF_TOKEN: &[u8] = b"{\"token\":\"";

pub(super) async fn post(
    State(app): State<App>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let policy = app.policy(); // one policy for the whole request
    let session = pin!(app.session(&head, &policy, &context)).instrument(step("session")).await?;
    let mut audit = begin_audit(&app, &context, &policy, &session);
    match decide(&app, &context, &policy, &session, &head, body, &mut audit).await {
        Ok(granted) => mint(app, context, granted, audit).await,
        Err(problem) => {
            let outcome = if problem.code().status().is_server_error() { Outcome::Failed } else { Outcome::Denied };
            audit.write(outcome, Some(problem.code().as_str()));
            Err(problem)
        }
    }
}

/// What is decided, and who may have it.
struct Granted {
    grant: Grant,
    admitted: Admitted,
    limited_by: Option<LimitedBy>,
    /// What was asked for and is not granted, in mode `narrow`.
    refused: Vec<Refused>,
}

async fn decide(
    app: &App,
    context: &Context,
    policy: &Policy,
    session: &Session,
    head: &Parts,
    body: Body,
    audit: &mut AuditEvent,
) -> Result<Granted, Problem> {
    let member = policy.member_id(session.facts()).inspect_err(|denial| audit.denied_for(denial))?;
    audit.member(&member);
    policy.refuse_blocked(&member)?;
    let admitted = pin!(app.admit(&member)).instrument(step("limits")).await?;
    let draft = body::read(&head.headers, body, app.settings().max_body, context.deadline).await?;
    let ask = draft.accept(&policy.conditions(session.facts(), &member, app.settings().narrow))?;
    let decision = step("policy").in_scope(|| policy.decide(session, &ask, context.latest_mint()));
    audit.decided(&ask, &decision.account);
    let grant = decision.grant.inspect_err(|denial| audit.denied_for(denial))?;
    let refused = if ask.channels.is_some() { decision.account.refused() } else { Vec::new() };
    Ok(Granted { grant, admitted, limited_by: decision.account.ttl.map(|ttl| ttl.limited_by), refused })
}

/// What became of a decision, and its audit event.
struct Ended {
    request_id: Arc<str>,
    answer: Result<Response, Problem>,
    outcome: Outcome,
    audit: AuditEvent,
}

impl finishing::Outcome for Ended {
    type Answer = Result<Response, Problem>;

    fn tell(self, is_awaited: bool) -> Result<Response, Problem> {
        let Self { request_id, answer, outcome, audit } = self;
        let problem = answer.as_ref().err();
        let code = problem.map(|problem| problem.code().as_str());
        audit.write(if is_awaited { outcome } else { Outcome::Abandoned }, code);
        // Who hung up is not answered, so what went wrong is logged here.
        if let Some(problem) = problem.filter(|_| !is_awaited) {
            let (request_id, cause) = (&*request_id, problem.cause());
            tracing::error!(request_id, code, cause, "failed, and nobody waits for the answer");
        }
        answer
    }
}

/// From the decision to the audit event, which a client's hanging up does not end.
async fn mint(app: App, context: Context, granted: Granted, audit: AuditEvent) -> Result<Response, Problem> {
    let (tasks, trace) = (app.mints().tasks.clone(), context.trace.clone());
    let request_id = Arc::clone(&context.request_id);
    let work = Box::pin(ask_signalwire(app, context, granted, audit));
    let work = log::within(request_id, work).instrument(trace);
    Finishing::new(&tasks, work).await
}

async fn ask_signalwire(app: App, context: Context, granted: Granted, mut audit: AuditEvent) -> Ended {
    let Granted { grant, admitted, limited_by, refused } = granted;
    let request_id = Arc::clone(&context.request_id);
    let metrics = &app.status().metrics;
    let (sent, begun) = (clock::now(), Instant::now());
    let count = |call: Call| metrics.upstream_ended(call.failed.unwrap_or(MINTED), call.took);
    let minting = pin!(app.signalwire().mint(&grant, &admitted, context.deadline, count));
    let minted = tokio::select! {
        // A token that has come is not thrown away.
        biased;
        minted = minting.instrument(step("mint")) => minted,
        () = app.mints().cut.cancelled() => {
            count(Call { failed: Some(MintFault::Stopped.kind()), took: begun.elapsed() });
            Err(MintFault::Stopped)
        }
    };
    let took = millis(begun.elapsed());
    match minted {
        Ok(minted) => {
            audit.minted(minted.status, took, minted.token.sha256());
            let outcome = if refused.is_empty() { Outcome::Granted } else { Outcome::Narrowed };
            let sent = sent.plus(minted.sent_after);
            let answer = Answer::new(grant.terms(), sent, limited_by, &refused).with_token(minted.token.expose());
            Ended { request_id, answer, outcome, audit }
        }
        Err(fault) => {
            audit.not_minted(fault.upstream_status(), took);
            if matches!(fault, MintFault::Stopped) {
                audit.because(&fault);
            }
            Ended { request_id, answer: Err(Problem::from(&fault)), outcome: Outcome::Failed, audit }
        }
    }
}

fn begin_audit(app: &App, context: &Context, policy: &Policy, session: &Session) -> AuditEvent {
    let (facts, metrics) = (session.facts(), &app.status().metrics);
    AuditEvent::begin(metrics, &context.request_id, context.address, facts, policy.claims_of(facts), policy.sha256())
}

/// The answer: the token, and then what a client wants to know of it without reading it.
#[derive(Serialize)]
struct Answer<'a> {
    member_id: &'a MemberId,
    channels: &'a Channels,
    expires_at: String,
    expires_in: i64,
    refresh_in: i64,
    ttl_limited_by: Option<LimitedBy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    denied: Vec<DeniedRow>,
}

impl<'a> Answer<'a> {
    /// `sent`: when the upstream request was; the token cannot have begun to live before.
    fn new(terms: &'a Terms, sent: Timestamp, limited_by: Option<LimitedBy>, refused: &[Refused]) -> Self {
        let expires = Timestamp::from_seconds(sent.plus_ttl(terms.ttl).seconds());
        let expires_in = (clock::now().millis_until(expires).div_euclid(1_000)).max(0);
        Self {
            member_id: &terms.member_id,
            channels: &terms.channels,
            expires_at: clock::rfc3339(expires),
            expires_in,
            refresh_in: refresh_in(expires_in, rand::rng().random_range(800..=1_000)),
            ttl_limited_by: limited_by,
            denied: denied_rows(refused),
        }
    }

    /// `{"token": "…", …}`
    fn with_token(&self, token: &str) -> Result<Response, Problem> {
        let mut rest = Vec::with_capacity(USUAL_REST);
        serde_json::to_writer(&mut rest, self).map_err(|_| Problem::new(Code::InternalError))?;
        let token = json::escaped(token);
        let mut body = Vec::with_capacity(OF_TOKEN.len() + token.len() + "\",".len() + rest.len());
        body.extend_from_slice(OF_TOKEN);
        body.extend_from_slice(token.as_bytes());
        body.extend_from_slice(b"\",");
        body.extend_from_slice(rest.strip_prefix(b"{").unwrap_or_default());
        let mut response = Response::new(Body::from(body));
        *response.headers_mut() = HeaderMap::with_capacity(layers::USUAL_HEADERS);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }
}

/// Where a client should come back: `share` thousandths of what is left before the last two minutes, at least 30 s, so that
/// a thousand clients that started together do not return together.
fn refresh_in(expires_in: i64, share: i64) -> i64 {
    ((expires_in - REFRESH_WINDOW) * share / 1_000).max(SOONEST_REFRESH)
}

#[cfg(test)]
mod tests {
    use super::refresh_in;

    #[test]
    fn a_client_comes_back_in_the_last_fifth_before_the_last_two_minutes() {
        assert_eq!(refresh_in(899, 900), 701);
        assert_eq!(refresh_in(899, 800), 623);
        assert_eq!(refresh_in(899, 1_000), 779);
    }

    #[test]
    fn nobody_comes_back_sooner_than_in_30_s() {
        assert_eq!(refresh_in(180, 800), 48);
        assert_eq!(refresh_in(150, 1_000), 30);
        assert_eq!(refresh_in(10, 800), 30);
    }
}
