//! An HTTP client of one server, and a response as it arrived.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;

use http::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use usher::api::Code;

use super::keys::session;

/// Sends requests to one server. Requests share connections.
#[derive(Clone)]
pub(crate) struct Client {
    /// Scheme, host and port.
    pub(crate) url: String,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self::with(url, builder())
    }

    /// A client with its own trust or pool.
    pub(crate) fn with(url: impl Into<String>, builder: reqwest::ClientBuilder) -> Self {
        Self { url: url.into(), http: builder.build().unwrap() }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        send(self.request(Method::GET, path)).await
    }

    /// `GET /chat-token/grants`.
    pub(crate) async fn grants(&self, session: &str) -> Response {
        send(self.request(Method::GET, "/chat-token/grants").bearer_auth(session)).await
    }

    /// A request `POST /chat-token` with this session, to be completed and sent.
    pub(crate) fn mint_request(&self, session: impl Display) -> RequestBuilder {
        self.request(Method::POST, "/chat-token").bearer_auth(session)
    }

    /// `POST /chat-token` with this session and, if given, a JSON body.
    pub(crate) async fn post(&self, session: &str, body: Option<&Value>) -> Response {
        let request = self.mint_request(session);
        send(if let Some(body) = body { request.json(body) } else { request }).await
    }

    /// `POST /chat-token` for a customer with this `sub`.
    pub(crate) async fn post_as(&self, sub: &str, body: &Value) -> Response {
        self.post(&session(sub, &["customer"]), Some(body)).await
    }

    /// `POST /chat-token` with this session and body, under this request id.
    pub(crate) async fn post_with_id(&self, id: &str, session: &str, body: &Value) -> Response {
        send(self.mint_request(session).header("x-request-id", id).json(body)).await
    }

    /// `POST /chat-token` with this text as its `application/json`.
    pub(crate) async fn post_text(&self, session: &str, body: impl Into<reqwest::Body>) -> Response {
        send(self.mint_request(session).header("content-type", "application/json").body(body)).await
    }

    /// The value of one series of `/metrics`, as an integer for a counter.
    pub(crate) async fn metric<T: FromStr<Err: Debug>>(&self, series: &str) -> T {
        let Response { status, body, .. } = self.get("/metrics").await;
        assert_eq!(status, 200, "{body}");
        let value = body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{series}: {body}")).parse().unwrap()
    }
}

/// What every client of a test is built from: no proxy, no redirects, and a timeout.
pub(crate) fn builder() -> reqwest::ClientBuilder {
    reqwest::ClientBuilder::new().no_proxy().redirect(Policy::none()).timeout(Duration::from_secs(30))
}

/// Sends a request and reads the whole response.
pub(crate) async fn send(request: RequestBuilder) -> Response {
    Response::of(request.send().await.unwrap()).await
}

/// Status, headers and body of a response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Response {
    /// Reads the body of a response.
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    /// A response as text.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines.map(|line| line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""))) {
            headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        Self { status, headers, body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Status and JSON.
    pub(crate) fn read(&self) -> (u16, Value) {
        (self.status, self.json())
    }

    /// A header that occurs at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().unwrap();
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        Some(first)
    }

    /// Status and code of a problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"), "{self:?}");
        (self.status, body["code"].as_str().unwrap().to_owned())
    }

    /// Asserts the headers that every response has.
    pub(crate) fn assert_guarded(&self, case: &str) {
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'"),
        ] {
            assert_eq!(self.header(name), Some(value), "{case}: {name}");
        }
        let id = self.header("x-request-id").unwrap_or_default();
        assert!(!id.is_empty() && id.len() <= 128, "{case}: {self:?}");
    }

    /// Asserts that this is exactly this problem (RFC 9457), in the form that all of them have.
    pub(crate) fn assert_problem(&self, case: &str, code: Code) {
        let (status, name) = (code.status().as_u16(), code.as_str());
        assert_eq!(self.status, status, "{case}: {self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{case}");
        let body = self.json();
        let with = match code {
            Code::ChannelsDenied => Some("denied"),
            Code::InvalidRequest => Some("errors"),
            _ => None,
        };
        let mut expected = vec!["code", "detail", "request_id", "status", "title", "type"];
        expected.extend(with);
        expected.sort_unstable();
        let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, expected, "{case}");
        assert_eq!(body["code"], name, "{case}");
        assert_eq!(body["type"], format!("/problems#{name}"), "{case}");
        assert_eq!(body["status"], status, "{case}");
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"), "{case}");
        for member in ["title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{case}: {body}");
        }
        let challenge = match code {
            Code::SessionMissing => Some("Bearer"),
            Code::SessionInvalid | Code::SessionExpired | Code::SessionExpiring => {
                Some("Bearer error=\"invalid_token\"")
            }
            _ => None,
        };
        assert_eq!(self.header("www-authenticate"), challenge, "{case}");
        let wait = self.header("retry-after").map(|wait| wait.parse::<u64>().unwrap());
        match status {
            429 | 503 => assert!(wait.is_some_and(|wait| (1..=300).contains(&wait)), "{case}: {wait:?}"),
            _ => assert_eq!(wait, None, "{case}"),
        }
        assert_eq!(self.headers.contains_key("allow"), status == 405, "{case}");
        self.assert_guarded(case);
    }
}

/// Sends these bytes over a new connection and reads until the server closes it.
pub(crate) async fn raw(url: &str, request: impl AsRef<[u8]>) -> Response {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    Response::parse(&String::from_utf8(response).unwrap())
}
