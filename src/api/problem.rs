//! A problem (RFC 9457) on its way to a client, and how each module's errors become one. A problem carries what the client asked for and nothing that it did not: no pattern, role, key, upstream text.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use rand::Rng as _;
use serde::Serialize;

use super::code::{Code, Row};
use crate::chat::{Fault, FaultCode, causes, json::NotJson};
use crate::limits::{Limited, Refused as NotAdmitted};
use crate::policy::{Denial, Refused};
use crate::session::Refusal;
use crate::signalwire::MintFault;

/// The most faults of one request that are listed.
const MAX_FAULTS: usize = 100;
/// How long a client is told to wait where nothing better is known, in seconds.
const USUAL_RETRY_AFTER: u64 = 5;
/// The longest, in seconds.
const MAX_RETRY_AFTER: u64 = 300;
/// The longest after an overload, which is mostly over soon, in seconds.
const LONGEST_OVERLOAD: u64 = 5;

/// One problem, before it knows its request's id.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: Option<String>,
    denied: Vec<DeniedRow>,
    errors: Vec<Fault>,
    retry_after: Option<u64>,
    /// For the log alone.
    cause: Option<String>,
}

/// What was answered, left with the answer for whoever logs it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) code: Code,
    pub(super) cause: Option<String>,
}

/// What one channel was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct DeniedRow {
    channel: String,
    permissions: Vec<&'static str>,
    reason: &'static str,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    denied: &'a [DeniedRow],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Fault],
}

impl Problem {
    /// The problem as the table has it.
    #[must_use]
    pub fn new(code: Code) -> Self {
        // Every 429 and 503 says when to come back.
        let retry_after = matches!(code.row().status, 429 | 503).then_some(USUAL_RETRY_AFTER);
        Self { code, detail: None, denied: Vec::new(), errors: Vec::new(), retry_after, cause: None }
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The faults that it lists.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.errors
    }

    /// The same, with what there is to say of this one; the client reads it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// What led to it, with its causes: for the operator's log, never for the client.
    pub(super) fn because(mut self, cause: &impl ToString) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// What led to it, for the operator.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.clamp(1, MAX_RETRY_AFTER));
        self
    }

    /// More at once than can be taken. Not all that are refused come back in the same second.
    pub(super) fn overloaded() -> Self {
        Self::new(Code::Overloaded).retry_after(rand::rng().random_range(1..=LONGEST_OVERLOAD))
    }

    /// The problem that an answer from outside of the handlers stands for.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let code = Code::ALL.into_iter().find(|code| code.status() == status && status.is_client_error());
        Self::new(code.unwrap_or(Code::InternalError))
    }

    /// What it says to a client.
    pub(super) fn body(&self, request_id: &str) -> Vec<u8> {
        let Row { status, code, title, means, client, .. } = self.code.row();
        let detail = self.detail.clone().unwrap_or_else(|| format!("{means} {client}"));
        let body = Body {
            r#type: format!("/problems#{code}"),
            title,
            status,
            detail: &detail,
            code,
            request_id,
            denied: &self.denied,
            errors: &self.errors,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The answer, with the headers that `from` had (`Allow`).
    pub(super) fn into_answer(self, request_id: &str, from: HeaderMap) -> Response {
        let status = self.code.row().status;
        let body = self.body(request_id);
        let mut answer = (self.code.status(), body).into_response();
        *answer.headers_mut() = from;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // RFC 6750 §3: no error code where there was no credential.
        let challenge = match self.code {
            Code::SessionMissing => Some("Bearer"),
            _ if status == 401 => Some("Bearer error=\"invalid_token\""),
            _ => None,
        };
        if let Some(challenge) = challenge {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        answer.extensions_mut().insert(Told { code: self.code, cause: self.cause });
        answer
    }
}

/// The refused rights as a client sees them: sorted by name, `read` before `write`, no reason that tells rules apart.
pub(super) fn denied_rows(refused: &[Refused]) -> Vec<DeniedRow> {
    refused
        .iter()
        .map(|row| DeniedRow {
            channel: row.channel.as_str().to_owned(),
            permissions: row.rights.permissions().map(crate::chat::Permission::as_str).collect(),
            reason: "not_allowed",
        })
        .collect()
}

impl IntoResponse for Problem {
    /// The body is written where the request's id is known, by the layers around it.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = match &refusal {
            Refusal::Invalid(_) => Self::new(Code::SessionInvalid),
            Refusal::Expired => Self::new(Code::SessionExpired),
            Refusal::KeysUnavailable(_) => Self::new(Code::SessionKeysUnavailable).retry_after(10),
        };
        problem.because(&refusal)
    }
}

impl From<NotAdmitted> for Problem {
    fn from(refused: NotAdmitted) -> Self {
        match refused {
            NotAdmitted::Limited(Limited { retry_after }) => Self::new(Code::RateLimited).retry_after(retry_after),
            NotAdmitted::Revoked => Self::new(Code::SessionRevoked).because(&refused),
            NotAdmitted::StoreAway => Self::new(Code::LimitsUnavailable).because(&refused),
        }
    }
}

impl From<NotJson> for Problem {
    fn from(why: NotJson) -> Self {
        let detail = format!("The body is not one JSON document: {why}.");
        Self::new(Code::MalformedRequest).with_detail(detail).because(&why)
    }
}

impl From<Vec<Fault>> for Problem {
    fn from(mut faults: Vec<Fault>) -> Self {
        let first: Vec<_> =
            faults.iter().take(5).map(|fault| format!("{} {}", fault.code.about().0, fault.pointer)).collect();
        let more = if faults.len() > first.len() { ", …" } else { "" };
        let cause = first.join(", ") + more;
        if faults.len() > MAX_FAULTS {
            let detail = format!("{} more faults are not listed", faults.len() - MAX_FAULTS);
            faults.truncate(MAX_FAULTS);
            faults.push(Fault { pointer: String::new(), code: FaultCode::MoreErrors, detail });
        }
        Self { errors: faults, ..Self::new(Code::InvalidRequest).because(&cause) }
    }
}

impl From<Denial> for Problem {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::GuestsRefused => Self::new(Code::SessionMissing),
            Denial::SessionRevoked => Self::new(Code::SessionRevoked),
            Denial::ChannelsDenied(refused) => {
                Self { denied: denied_rows(&refused), ..Self::new(Code::ChannelsDenied) }
            }
            Denial::NothingGranted(why) => Self::new(Code::NothingGranted).because(&why),
            Denial::SessionExpiring => Self::new(Code::SessionExpiring),
            Denial::TooManyChannels => Self::from(vec![Fault {
                pointer: "/channels".to_owned(),
                code: FaultCode::ChannelSizeLimitExceeded,
                detail: "more than 500 channels are granted: ask for those that are needed by name".to_owned(),
            }]),
        }
    }
}

impl From<&MintFault> for Problem {
    fn from(fault: &MintFault) -> Self {
        let problem = match fault {
            MintFault::Unreachable(_) => Self::new(Code::UpstreamUnavailable),
            MintFault::Failing { retry_after, .. } | MintFault::RateLimited { retry_after } => {
                Self::new(Code::UpstreamUnavailable).retry_after(retry_after.unwrap_or(USUAL_RETRY_AFTER))
            }
            MintFault::CircuitOpen { retry_after } => Self::new(Code::UpstreamUnavailable).retry_after(*retry_after),
            MintFault::Overloaded => Self::overloaded(),
            MintFault::Timeout | MintFault::Stopped => Self::new(Code::UpstreamTimeout),
            MintFault::Credentials(_)
            | MintFault::Refused(_)
            | MintFault::Unexpected(_)
            | MintFault::NoToken { .. }
            | MintFault::Nonsense(_) => Self::new(Code::UpstreamFailed),
            MintFault::OtherMember => Self::new(Code::InternalError),
        };
        problem.because(&causes(fault))
    }
}
