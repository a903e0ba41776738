//! `GET /openapi.json`: the public listener for programs (`OpenAPI` 3.1). What is fixed stands in `openapi.json`; which problems
//! a route answers with comes from the endpoints, what they say from the table of codes.

use std::collections::BTreeMap;

use axum::handler::Handler;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::code::Code;
use super::cookie::CookieSettings;
use super::endpoint::{Endpoint, PROBLEMS_OF_ANY};
use super::problem::Problem;
use crate::chat::{ChannelName, ChannelNameFault, Fault, FaultCode, Object, Rights};
use crate::policy::{Denial, Refused};

const FIXED: &str = include_str!("openapi.json");
/// The request's id in the examples.
const AN_ID: &str = "2fc3ec3e-9d5c-4b07-8f0e-6f1f0f6d8a11";

/// The handler, with the document, made once.
pub(super) fn handler<S: Clone + Send + Sync + 'static>(
    cookie: Option<&CookieSettings>,
) -> impl Handler<((),), S> + use<S> {
    let document = Bytes::from(document(cookie).to_string());
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=3600")];
    async move || (headers, document).into_response()
}

fn document(cookie: Option<&CookieSettings>) -> Value {
    let mut document: Value = serde_json::from_str(FIXED).unwrap_or_default();
    insert(&mut document, "/info", "version", env!("CARGO_PKG_VERSION"));
    insert(&mut document, "/components/schemas/Problem/properties/code", "enum", json!(Code::ALL.map(Code::as_str)));
    let faults = FaultCode::ALL.map(|fault| fault.about().0);
    insert(&mut document, "/components/schemas/Fault/properties/code", "enum", json!(faults));
    insert(&mut document, "/components", "examples", Code::ALL.map(example).into_iter().collect::<Object>());
    for endpoint in Endpoint::ALL {
        let paths = document.get_mut("paths");
        if let Some(path) = paths.and_then(|paths| paths.get_mut(endpoint.path())?.as_object_mut()) {
            complete(path, endpoint);
        }
    }
    if let Some(cookie) = cookie {
        allow_cookie(&mut document, cookie);
    }
    document
}

/// Gives the operations of a path the problems that they answer with, and the path the methods that every one has.
fn complete(path: &mut Object, endpoint: Endpoint) {
    for operation in path.values_mut().filter_map(Value::as_object_mut) {
        let problems = responses(endpoint.problems().filter(|code| *code != Code::MethodNotAllowed));
        if let Some(all) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            for answer in all.values_mut().filter_map(Value::as_object_mut) {
                answer.insert("headers".to_owned(), headers(200));
            }
            all.extend(problems);
        }
    }
    if let Some(mut head) = path.get("get").and_then(Value::as_object).cloned() {
        if let Some(answers) = head.get_mut("responses").and_then(Value::as_object_mut) {
            answers.values_mut().filter_map(Value::as_object_mut).for_each(|answer| drop(answer.remove("content")));
        }
        let id = head.get("operationId").and_then(Value::as_str).unwrap_or_default().replacen("get", "head", 1);
        head.insert("operationId".to_owned(), json!(id));
        head.insert("description".to_owned(), json!("As `GET`, without the body."));
        path.insert("head".to_owned(), Value::Object(head));
    }
    // An `OPTIONS` that is no preflight is a method that it does not have.
    let mut answers = responses(PROBLEMS_OF_ANY.into_iter());
    let preflight = "The answer to a preflight (a request with `Origin` and `Access-Control-Request-Method`). To an origin that is \
        allowed it has `Access-Control-Allow-Origin`, `-Methods` (`GET, POST`), `-Headers` (`Authorization`, `Content-Type`, \
        `X-Request-Id`, `traceparent`, `tracestate`, and the cookie's guard header where there is one) and `-Max-Age`.";
    answers.insert("204".to_owned(), json!({"description": preflight, "headers": headers(204)}));
    let options = json!({
        "operationId": format!("options{}", endpoint.path().replace(['/', '-', '.'], "_")),
        "tags": ["machinery"],
        "summary": "CORS",
        "description": "Browsers ask this before a request from another origin. Any other `OPTIONS` is a 405.",
        "security": [],
        "responses": answers,
    });
    path.insert("options".to_owned(), options);
    path.insert("parameters".to_owned(), json!([{"$ref": "#/components/parameters/RequestId"}]));
}

/// The answers of these codes, by status.
fn responses(codes: impl Iterator<Item = Code>) -> Object {
    let mut by_status = BTreeMap::<u16, Vec<Code>>::new();
    for code in codes {
        by_status.entry(code.row().status).or_default().push(code);
    }
    let answer = |(status, codes): (u16, Vec<Code>)| {
        let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
        let about: Vec<_> = codes.iter().map(|code| format!("- `{}`: {}", code.as_str(), code.row().means)).collect();
        let examples: Object = names
            .iter()
            .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/examples/{name}")})))
            .collect();
        let schema = json!({
            "allOf": [{"$ref": "#/components/schemas/Problem"}],
            "properties": {"status": {"const": status}, "code": {"enum": names}},
        });
        let answer = json!({
            "description": about.join("\n"),
            "headers": headers(status),
            "content": {"application/problem+json": {"schema": schema, "examples": examples}},
        });
        (status.to_string(), answer)
    };
    by_status.into_iter().map(answer).collect()
}

/// The headers of an answer of this status, as far as they are more than words.
fn headers(status: u16) -> Value {
    let more = match status {
        401 => Some(("WWW-Authenticate", "Challenge")),
        405 => Some(("Allow", "Allow")),
        429 | 503 => Some(("Retry-After", "RetryAfter")),
        _ => None,
    };
    let all = [("X-Request-Id", "RequestId")].into_iter().chain(more);
    all.map(|(name, of)| (name.to_owned(), json!({"$ref": format!("#/components/headers/{of}")}))).collect()
}

/// A problem as a client gets it.
fn example(code: Code) -> (String, Value) {
    let problem = match code {
        Code::ChannelsDenied => {
            let refused = ChannelName::parse("support:bob")
                .map(|channel| Refused { channel, rights: Rights { read: true, write: false } });
            Problem::from(Denial::ChannelsDenied(refused.into_iter().collect()))
        }
        Code::InvalidRequest => Problem::from(vec![Fault {
            pointer: "/channels/sw_x".to_owned(),
            code: FaultCode::ChannelNameIsReserved,
            detail: ChannelNameFault::Reserved.to_string(),
        }]),
        _ => Problem::new(code),
    };
    let body: Value = serde_json::from_slice(&problem.body(AN_ID)).unwrap_or_default();
    (code.as_str().to_owned(), json!({"summary": code.row().title, "value": body}))
}

/// The session may come in this cookie too.
fn allow_cookie(document: &mut Value, cookie: &CookieSettings) {
    let guard = cookie.guard_header().map(|name| format!(" or the header `{name}` (any value)")).unwrap_or_default();
    let scheme = json!({
        "type": "apiKey",
        "in": "cookie",
        "name": cookie.name(),
        "description": format!(
            "The session in a cookie. It counts only from an allowed `Origin`, or with `Sec-Fetch-Site: same-origin`, and with \
             `Content-Type: application/json` (with or without a body; not on a `GET`){guard}; else it is a 403 \
             `origin_refused`. A Bearer wins over it."
        ),
    });
    insert(document, "/components/securitySchemes", "cookie", scheme);
    let operations = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    for operation in operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let security = operation.get_mut("security").and_then(Value::as_array_mut);
        if let Some(ways) = security.filter(|ways| !ways.is_empty()) {
            ways.push(json!({"cookie": []}));
        }
    }
}

fn insert(document: &mut Value, at: &str, name: &str, value: impl Into<Value>) {
    if let Some(object) = document.pointer_mut(at).and_then(Value::as_object_mut) {
        object.insert(name.to_owned(), value.into());
    }
}
