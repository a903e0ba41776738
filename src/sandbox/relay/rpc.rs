//! JSON-RPC 2.0 as frames of text: requests read strictly, answers and refusals written. Must not know any method.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// A frame that is not JSON.
pub(super) const PARSE: i32 = -32_700;
/// JSON, but no request that is taken now.
pub(super) const REQUEST: i32 = -32_600;
/// No such method.
pub(super) const METHOD: i32 = -32_601;
/// A method's `params` are not as it wants them.
pub(super) const PARAMS: i32 = -32_602;
/// Something of the sandbox's own is full, or failed.
pub(super) const FULL: i32 = -32_000;
/// The token is none of this sandbox's, or at its end: the SDK makes an `AuthError` of it.
pub(super) const TOKEN: i32 = -32_002;
/// The token does not have the right; the sandbox's own choice of a number, as none is published.
pub(super) const RIGHT: i32 = -32_003;

/// Why a request is not done: for a person to read, and a code for the client.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    code: i32,
    message: String,
}

impl Refusal {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What names a request: a string or a number, given back as it came.
pub(super) type Id = Box<RawValue>;

/// A frame that is taken.
pub(super) enum Frame<'a> {
    Request {
        id: Id,
        method: String,
        /// `{}` where there are none.
        params: &'a str,
    },
    /// The client's answer to something that was pushed.
    Response { id: Option<Id> },
}

#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A member that is there also where it is `null`, as the result of what gives nothing may be.
fn even_null<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

/// Reads one frame, or says what is wrong with it, and which request it was where that can be told.
pub(super) fn read(text: &str) -> Result<Frame<'_>, (Option<Id>, Refusal)> {
    if text.trim_start().starts_with('[') {
        return Err((None, Refusal::new(REQUEST, "batches are not taken: send each request in a frame of its own")));
    }
    let parts: Parts<'_> = serde_json::from_str(text).map_err(|error| {
        let refusal = match error.classify() {
            Category::Data => Refusal::new(REQUEST, format!("a request is an object with each member once: {error}")),
            _ => Refusal::new(PARSE, format!("the frame is not JSON: {error}")),
        };
        (None, refusal)
    })?;
    let id = parts.id.filter(|id| names_a_request(id.get())).map(ToOwned::to_owned);
    let refuse = |id: Option<Id>, message: &str| Err((id, Refusal::new(REQUEST, message)));
    if parts.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
        return refuse(id, "write \"jsonrpc\":\"2.0\"");
    }
    let Some(method) = parts.method else {
        if parts.result.is_some() || parts.error.is_some() {
            return Ok(Frame::Response { id });
        }
        return refuse(id, "a request has a \"method\"");
    };
    let Ok(method) = serde_json::from_str::<String>(method.get()) else {
        return refuse(id, "a \"method\" is a string");
    };
    let Some(id) = id else {
        return refuse(None, "a request has an \"id\", a string or a number, by which its answer is known");
    };
    Ok(Frame::Request { id, method, params: parts.params.map_or("{}", RawValue::get) })
}

fn names_a_request(id: &str) -> bool {
    id.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit())
}

#[derive(Serialize)]
struct Answer<'a, R> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    result: R,
}

#[derive(Serialize)]
struct Failed<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    error: &'a Refusal,
}

#[derive(Serialize)]
struct Asked<'a, P> {
    jsonrpc: &'static str,
    id: &'a str,
    method: &'a str,
    params: P,
}

/// The answer to a request that was done.
pub(super) fn answer(id: &Id, result: impl Serialize) -> String {
    written(&Answer { jsonrpc: "2.0", id: Some(id), result })
}

/// The answer to one that was not.
pub(super) fn failed(id: Option<&Id>, error: &Refusal) -> String {
    written(&Failed { jsonrpc: "2.0", id: id.map(AsRef::as_ref), error })
}

/// A request of the server's own.
pub(super) fn request(id: &str, method: &str, params: impl Serialize) -> String {
    written(&Asked { jsonrpc: "2.0", id, method, params })
}

fn written(frame: &impl Serialize) -> String {
    // Only a map whose keys are no strings could fail, and there is none.
    serde_json::to_string(frame).unwrap_or_default()
}
