//! What SignalWire's answer holds: a token, or its own words for why there is none. Must not know how the answer came.

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A chat token. Whoever has it can chat with it until it expires, so it is never shown.
pub struct ChatToken(SecretString);

#[derive(Deserialize)]
struct Answer {
    token: SecretString,
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

/// The token in the body of a good answer, or why there is none.
pub(super) fn token(body: &[u8]) -> Result<ChatToken, &'static str> {
    // serde takes a struct from a list too.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    let answer: Option<Answer> = if is_object { serde_json::from_slice(body).ok() } else { None };
    let answer = answer.ok_or("it is no JSON object with a `token`")?;
    if answer.token.expose_secret().is_empty() {
        return Err("its `token` is empty");
    }
    Ok(ChatToken(answer.token))
}

/// SignalWire's own error codes, for the operator's log; nothing else of a body that anybody could have written.
pub(super) fn codes(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors = document.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let codes = errors.iter().filter_map(|error| error.get("code").and_then(Value::as_str));
    let is_code = |code: &&str| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let codes: Vec<_> = codes.filter(is_code).take(10).collect();
    if codes.is_empty() { "no code".to_owned() } else { codes.join(", ") }
}

/// `Retry-After` (RFC 9110 §10.2.3) in seconds; a date is reckoned from the answer's own, so that no clock of ours matters.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let after = text(RETRY_AFTER)?;
    if let Ok(seconds) = after.parse() {
        return Some(seconds);
    }
    let [after, now] = [after, text(DATE)?].map(httpdate::parse_http_date);
    Some(after.ok()?.duration_since(now.ok()?).unwrap_or_default().as_secs())
}
