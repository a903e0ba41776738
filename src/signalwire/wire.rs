//! One call to SignalWire: `POST /api/chat/tokens`, and what its answer means. Must not know grants, nor whether it is the
//! first try.

use std::error::Error as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::credentials::Credentials;
use super::fault::{BuildFault, MintFault};
use super::{SignalWireSettings, trace};
use crate::files;

/// The largest answer that is read.
const MAX_ANSWER: usize = 2 << 20;

/// The settings that name files.
const TOKEN_FILE: &str = "signalwire.api_token_file";
const CA_FILE: &str = "signalwire.ca_file";

/// The way to one SignalWire project.
pub(super) struct Wire {
    /// With a connection pool of its own; another one when the CA file changes.
    http: ArcSwap<reqwest::Client>,
    tokens: Url,
    credentials: Arc<Credentials>,
    connect_timeout: Duration,
    ca_file: Option<PathBuf>,
}

/// A chat token. Whoever has it can chat with it until it expires, so it is never shown.
pub struct ChatToken(SecretString);

#[derive(Deserialize)]
struct Answer {
    token: SecretString,
}

impl Wire {
    /// Connects to nothing yet.
    pub(super) fn new(settings: &SignalWireSettings) -> Result<Self, BuildFault> {
        let credentials = Arc::new(Credentials::new(settings)?);
        let mut tokens = settings.space.clone();
        tokens.set_path("/api/chat/tokens");
        let ca_file = settings.ca_file.clone();
        let http = ArcSwap::from_pointee(http_client(&tokens, settings.connect_timeout, ca_file.as_deref())?);
        Ok(Self { http, tokens, credentials, connect_timeout: settings.connect_timeout, ca_file })
    }

    /// Where it leads.
    pub(super) fn address(&self) -> &str {
        self.tokens.as_str()
    }

    /// The files that it was made of: the setting that names each, and its path.
    pub(super) fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let token = self.credentials.file().map(|path| (TOKEN_FILE, path.to_owned()));
        let ca = self.ca_file.as_ref().map(|path| (CA_FILE, path.clone()));
        token.into_iter().chain(ca).collect()
    }

    /// Reads what this setting names again. What is of no use leaves what was.
    pub(super) fn reread(&self, setting: &str) -> Result<(), BuildFault> {
        if setting == TOKEN_FILE {
            return self.credentials.reread();
        }
        let http = http_client(&self.tokens, self.connect_timeout, self.ca_file.as_deref())?;
        self.http.store(Arc::new(http));
        Ok(())
    }

    /// One call, with the credentials that are in force; again with new ones where those have just changed. The token, and
    /// the status that it came with: 200 or 201.
    pub(super) async fn post(&self, body: Bytes) -> Result<(ChatToken, u16), MintFault> {
        let authorization = self.credentials.header();
        let answer = self.send(body.clone(), &authorization).await;
        if matches!(answer, Err(MintFault::Credentials(_)))
            && let Some(other) = self.credentials.other_than(&authorization).await
        {
            return self.send(body, &other).await;
        }
        answer
    }

    async fn send(&self, body: Bytes, authorization: &HeaderValue) -> Result<(ChatToken, u16), MintFault> {
        let http = self.http.load();
        let request = http
            .post(self.tokens.clone())
            .header(AUTHORIZATION, authorization.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .headers(trace::headers())
            .body(body);
        let answer = request.send().await.map_err(sort)?;
        match answer.status().as_u16() {
            status @ (200 | 201) => {
                let token = token(&read(answer).await?).map_err(|why| MintFault::NoToken { status, why })?;
                Ok((token, status))
            }
            status @ (401 | 403) => Err(MintFault::Credentials(status)),
            422 => Err(MintFault::Refused(codes(&read(answer).await.unwrap_or_default()))),
            429 => Err(MintFault::RateLimited { retry_after: retry_after(&answer) }),
            status @ 500..=599 => Err(MintFault::Failing { status, retry_after: retry_after(&answer) }),
            status => Err(MintFault::Unexpected(status)),
        }
    }
}

impl ChatToken {
    /// The token itself, for the one who asked for it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Its SHA-256 in lower-case hex: says which token it was without being one.
    #[must_use]
    pub fn sha256(&self) -> String {
        format!("{:x}", Sha256::digest(self.expose()))
    }
}

impl std::fmt::Debug for ChatToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ChatToken(…)")
    }
}

/// The body, as far as it may go.
async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, MintFault> {
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(sort)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(MintFault::NoToken { status, why: "it is over 2 MiB" });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn token(body: &[u8]) -> Result<ChatToken, &'static str> {
    // serde takes a struct from a list too.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    let answer: Option<Answer> = serde_json::from_slice(body).ok().filter(|_| is_object);
    let answer = answer.ok_or("it is no JSON object with a `token`")?;
    if answer.token.expose_secret().is_empty() {
        return Err("its `token` is empty");
    }
    Ok(ChatToken(answer.token))
}

/// SignalWire's own error codes, for the operator's log; nothing else of a body that anybody could have written.
fn codes(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors = document.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let codes = errors.iter().filter_map(|error| error.get("code").and_then(Value::as_str));
    let is_code = |code: &&str| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let codes: Vec<_> = codes.filter(is_code).take(10).collect();
    if codes.is_empty() { "no code".to_owned() } else { codes.join(", ") }
}

/// `Retry-After` (RFC 9110 §10.2.3) in seconds; a date is reckoned from the answer's own, so that no clock of ours matters.
fn retry_after(answer: &reqwest::Response) -> Option<u64> {
    let text = |name| answer.headers().get(name)?.to_str().ok().map(str::trim);
    let after = text(RETRY_AFTER)?;
    if let Ok(seconds) = after.parse() {
        return Some(seconds);
    }
    let [after, now] = [after, text(DATE)?].map(httpdate::parse_http_date);
    Some(after.ok()?.duration_since(now.ok()?).unwrap_or_default().as_secs())
}

/// What a failure of the wire means. Its text names no URL: that is in the settings.
fn sort(error: reqwest::Error) -> MintFault {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return MintFault::Nonsense("it is not HTTP");
        }
        // What reqwest calls a decoding error may just as well be a connection that was cut within the body.
        let kind = inner.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if error.is_decode() && matches!(kind, Some(ErrorKind::InvalidInput | ErrorKind::InvalidData)) {
            return MintFault::Nonsense("its chunks are broken");
        }
        cause = inner.source();
    }
    MintFault::Unreachable(error.without_url())
}

/// A client that goes nowhere else than it is told to.
fn http_client(
    address: &Url,
    connect_timeout: Duration,
    ca_file: Option<&Path>,
) -> Result<reqwest::Client, BuildFault> {
    let builder = reqwest::ClientBuilder::new()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(connect_timeout);
    let builder = match ca_file {
        Some(path) => builder.tls_certs_only(certificates(path)?),
        // Without TLS no CA bundle is needed, and none has to be there.
        None if address.scheme() == "http" => builder.tls_certs_only([]),
        None => builder,
    };
    builder.build().map_err(BuildFault::Tls)
}

/// The certificates of a private CA, as PEM.
///
/// # Errors
/// Where the file cannot be read or holds none.
pub fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, BuildFault> {
    let shown = path.display().to_string();
    let pem = files::read(path).map_err(|why| BuildFault::CaFile { path: shown.clone(), why })?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
    // What is in the PEM is looked at when a client is built, and not before.
    let builder = reqwest::ClientBuilder::new().tls_certs_only(certificates.clone());
    if certificates.is_empty() || builder.build().is_err() {
        return Err(BuildFault::NoCertificate { path: shown });
    }
    Ok(certificates)
}
