//! The faults that a test can request, and what each does to a response.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use super::wire::{CutUnanswered, Pieces, Response, json_response, text_response};

/// What goes wrong. Nothing of the request is checked first, credentials included, except for those that change the
/// sandbox's own answer: [`Fault::Delay`], [`Fault::Created`] and [`Fault::Drip`].
///
/// A status, header or address that HTTP does not allow gives a 500 whose text says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with the body that the published rules give it, else with `{"error": "<the status's name>"}`.
    Status(u16),
    /// Just this answer. Without a `Content-Type` among the headers it has none.
    StatusWith {
        /// The status code.
        status: u16,
        /// Names and values; a name that is there twice is sent twice.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: String,
    },
    /// The sandbox's own answer, but this much later.
    Delay(Duration),
    /// No answer, ever; the connection stays open.
    Hang,
    /// The request is read, then the connection closed without an answer.
    Cut,
    /// A 200 that announces 4,096 bytes of JSON and closes the connection within the first few.
    CutMidBody,
    /// A gateway's HTML page with this status.
    Html(u16),
    /// A 200 with a well-formed `{"token": …}` of more bytes than this, and no `Content-Length` to tell by.
    Oversize(usize),
    /// A 307 to this address: a client that follows it repeats the body, and perhaps the credentials.
    Redirect(String),
    /// Any body under any status, called JSON whether it is or not.
    Body {
        /// The status code.
        status: u16,
        /// The whole body.
        body: String,
    },
    /// The sandbox's own answer, but 201 where it is 200.
    Created,
    /// The sandbox's own answer, but each byte of its body this much after the one before, and no `Content-Length`.
    Drip(Duration),
}

/// How many requests meet a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// The next one.
    Once,
    /// The next so many.
    Exactly(usize),
    /// All, until [`Sandbox::heal`](super::Sandbox::heal).
    Always,
}

impl Fault {
    /// What happens before, or instead of, the sandbox's own answer.
    pub(super) async fn before(self) -> Upset {
        Upset::Instead(match self {
            Self::Created => return Upset::After(Change::Created),
            Self::Drip(pause) => return Upset::After(Change::Drip(pause)),
            Self::Delay(time) => {
                tokio::time::sleep(time).await;
                return Upset::After(Change::Nothing);
            }
            Self::Hang => std::future::pending().await,
            Self::Cut => cut_unanswered(),
            Self::CutMidBody => cut_mid_body(),
            Self::Status(code) => with_status(code, of_status),
            Self::Html(code) => with_status(code, gateway_page),
            Self::Body { status, body } => {
                with_status(status, |status| text_response(status, "application/json", body))
            }
            Self::StatusWith { status, headers, body } => with_status(status, |status| exactly(status, &headers, body)),
            Self::Redirect(address) => {
                exactly(StatusCode::TEMPORARY_REDIRECT, &[("location".to_owned(), address)], String::new())
            }
            Self::Oversize(bytes) => oversize(bytes),
        })
    }
}

/// What a fault does to the sandbox's own answer.
pub(super) enum Upset {
    Instead(Response),
    After(Change),
}

pub(super) enum Change {
    Nothing,
    Created,
    Drip(Duration),
}

impl Change {
    pub(super) async fn apply(self, mut response: Response) -> Response {
        match self {
            Self::Nothing => response,
            Self::Created => {
                if response.status() == StatusCode::OK {
                    *response.status_mut() = StatusCode::CREATED;
                }
                response
            }
            Self::Drip(pause) => {
                let (head, body) = response.into_parts();
                let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
                let bytes = (0..whole.len()).map(|at| whole.slice(at..=at));
                let body = Pieces::new(bytes).every(pause);
                Response::from_parts(head, Body::new(body))
            }
        }
    }
}

/// The faults that wait for a request.
#[derive(Default)]
pub(super) struct Faults {
    queue: Mutex<VecDeque<(Fault, Times)>>,
}

impl Faults {
    pub(super) fn push(&self, fault: Fault, times: Times) {
        if times != Times::Exactly(0) {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.push_back((fault, times));
        }
    }

    pub(super) fn clear(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.clear();
    }

    /// The fault for the request that is here now.
    pub(super) fn take(&self) -> Option<Fault> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        match queue.front_mut()? {
            (fault, Times::Always) => return Some(fault.clone()),
            (fault, Times::Exactly(left)) if *left > 1 => {
                *left -= 1;
                return Some(fault.clone());
            }
            _ => {}
        }
        queue.pop_front().map(|(fault, _)| fault)
    }
}

fn with_status(code: u16, answer: impl FnOnce(StatusCode) -> Response) -> Response {
    StatusCode::from_u16(code).map_or_else(|_| not_http(), answer)
}

/// The published body of a status.
fn of_status(status: StatusCode) -> Response {
    let body = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => json!({"error": "Unauthorized"}),
        StatusCode::UNPROCESSABLE_ENTITY => error_list("missing_required_parameter", Some("ttl")),
        StatusCode::TOO_MANY_REQUESTS => error_list("rate_limit_exceeded", None),
        other => json!({"error": other.canonical_reason().unwrap_or("Unknown")}),
    };
    json_response(status, &body)
}

fn error_list(code: &str, attribute: Option<&str>) -> serde_json::Value {
    json!({"errors": [{
        "type": "sandbox_fault",
        "code": code,
        "message": "asked for by a test",
        "attribute": attribute,
        "url": format!("https://developer.signalwire.com/rest/overview/error-codes/#{code}"),
    }]})
}

fn gateway_page(status: StatusCode) -> Response {
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or(""));
    text_response(
        status,
        "text/html",
        format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>gateway</center>\r\n</body>\r\n</html>\r\n"
        ),
    )
}

fn exactly(status: StatusCode, headers: &[(String, String)], body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in headers {
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) else {
            return not_http();
        };
        response.headers_mut().append(name, value);
    }
    response
}

fn not_http() -> Response {
    text_response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "sandbox: this fault is not valid HTTP".to_owned())
}

fn cut_unanswered() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.extensions_mut().insert(CutUnanswered);
    response
}

fn cut_mid_body() -> Response {
    let start = Bytes::from_static(br#"{"token":"half"#);
    // hyper closes the connection where a body ends short of what was announced; the pause lets the start be sent.
    let body = Pieces::new([start]).every(Duration::from_millis(20));
    let mut response = as_json(Body::new(body));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("4096"));
    response
}

fn oversize(bytes: usize) -> Response {
    const PIECE: &[u8] = &[b'A'; 16 * 1024];
    let padding = std::iter::repeat_n(Bytes::from_static(PIECE), bytes / PIECE.len() + 1);
    let start = std::iter::once(Bytes::from_static(br#"{"token":""#));
    let end = std::iter::once(Bytes::from_static(br#""}"#));
    as_json(Body::new(Pieces::new(start.chain(padding).chain(end))))
}

fn as_json(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
