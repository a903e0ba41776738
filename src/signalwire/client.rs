//! The one call to SignalWire: `POST /api/chat/tokens`. Sends what a [`Grant`] says and nothing else.

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::SignalWireSettings;
use super::fault::{BuildFault, MintFault};
use crate::files;
use crate::limits::Admitted;
use crate::policy::Grant;

/// The largest answer that is read.
const MAX_ANSWER: usize = 2 << 20;

/// A request that asks for nothing.
const PROBE: &[u8] = b"{}";

/// A client of one SignalWire project. `Debug` shows no credential.
pub struct Client {
    http: reqwest::Client,
    tokens: Url,
    authorization: HeaderValue,
    timeout: Duration,
}

/// A chat token. Whoever has it can chat with it until it expires, so it is never shown.
pub struct ChatToken(SecretString);

/// A token as SignalWire minted it.
#[derive(Debug)]
pub struct Minted {
    /// The token.
    pub token: ChatToken,
    /// 200 or 201.
    pub status: u16,
}

#[derive(Deserialize)]
struct Answer {
    token: SecretString,
}

impl Client {
    /// A client with its own connection pool; connects to nothing yet.
    ///
    /// # Errors
    /// Where the CA file, the credentials or the machine's certificates are of no use.
    pub fn new(settings: &SignalWireSettings) -> Result<Self, BuildFault> {
        let credentials = format!("{}:{}", settings.project_id, settings.api_token.expose_secret());
        let authorization = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials)));
        let mut authorization = authorization.map_err(|_| BuildFault::Credentials)?;
        authorization.set_sensitive(true);

        let builder = reqwest::ClientBuilder::new()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(settings.connect_timeout);
        let builder = match &settings.ca_file {
            Some(path) => builder.tls_certs_only(certificates(path)?),
            // Without TLS no CA bundle is needed, and none has to be there.
            None if settings.space.scheme() == "http" => builder.tls_certs_only([]),
            None => builder,
        };
        let mut tokens = settings.space.clone();
        tokens.set_path("/api/chat/tokens");
        Ok(Self { http: builder.build().map_err(BuildFault::Tls)?, tokens, authorization, timeout: settings.timeout })
    }

    /// Has SignalWire mint a token with exactly the terms of `grant`, within its own time-out and before `deadline`.
    ///
    /// # Errors
    /// By what it means: unreachable, failing, limiting us, too slow, refusing us, or nonsense.
    pub async fn mint(&self, grant: &Grant, admitted: &Admitted, deadline: Instant) -> Result<Minted, MintFault> {
        // INVARIANT: nothing is minted for a member who was not admitted.
        if grant.terms().member_id != *admitted.member() {
            return Err(MintFault::OtherMember);
        }
        let body =
            serde_json::to_vec(grant.terms()).map_err(|_| MintFault::Nonsense("a request of ours is no JSON"))?;
        let left = deadline.saturating_duration_since(Instant::now());
        tokio::time::timeout(left.min(self.timeout), self.post(body)).await.unwrap_or(Err(MintFault::Timeout))
    }

    /// Asks whether the credentials and their scope are accepted. It mints nothing: an empty request is a 422 to whoever
    /// may ask at all.
    ///
    /// # Errors
    /// As [`Client::mint`]; a 422 is the answer that is hoped for.
    pub async fn probe(&self) -> Result<(), MintFault> {
        match tokio::time::timeout(self.timeout, self.post(PROBE.to_vec())).await.unwrap_or(Err(MintFault::Timeout)) {
            Err(MintFault::Refused(_)) => Ok(()),
            Err(fault) => Err(fault),
            Ok(_) => Err(MintFault::Nonsense("it took a request that asks for nothing")),
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<Minted, MintFault> {
        let request = self
            .http
            .post(self.tokens.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body);
        let answer = request.send().await.map_err(sort)?;
        match answer.status().as_u16() {
            status @ (200 | 201) => {
                let token = token(&read(answer).await?).map_err(|why| MintFault::NoToken { status, why })?;
                Ok(Minted { token, status })
            }
            status @ (401 | 403) => Err(MintFault::Credentials(status)),
            422 => Err(MintFault::Refused(codes(&read(answer).await.unwrap_or_default()))),
            429 => Err(MintFault::RateLimited { retry_after: retry_after(&answer) }),
            status @ 500..=599 => Err(MintFault::Failing(status)),
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

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("tokens", &self.tokens.as_str()).finish_non_exhaustive()
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

fn retry_after(answer: &reqwest::Response) -> Option<u64> {
    answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
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

/// The certificates of a private CA, as PEM.
///
/// # Errors
/// Where the file cannot be read or holds none.
pub fn certificates(path: &std::path::Path) -> Result<Vec<reqwest::Certificate>, BuildFault> {
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
