//! An answer as it came over the socket, and what holds for each: a problem's form, the headers that are everywhere.

use http::HeaderMap;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use usher::api::Code;

/// Status, headers and body.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// A header that is there once.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().unwrap();
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        Some(first)
    }

    /// What every answer has, whatever it says.
    pub(super) fn assert_guarded(&self, case: &str) {
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

    /// That this is exactly this problem (RFC 9457), in the form that all of them have.
    pub(super) fn assert_problem(&self, case: &str, code: Code) {
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

/// Sends these bytes over a connection of their own and reads until the other side closes it.
pub(super) async fn raw(url: &str, request: impl AsRef<[u8]>) -> Seen {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    parse(&String::from_utf8(answer).unwrap())
}

pub(super) fn parse(answer: &str) -> Seen {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.map(|line| line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""))) {
        headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    Seen { status, headers, body: body.to_owned() }
}
