//! A compact JWS (RFC 7515 §7.1) as it came: split, decoded, its header checked, nothing of it verified. Must not know
//! keys or issuers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::MAX_TOKEN_BYTES;
use super::key::Algorithm;
use super::refusal::Cause;
use crate::chat::{Object, json};

/// A token in its parts. Whoever made it could write anything into them.
pub(super) struct UnverifiedJws<'a> {
    /// The algorithm that the header names, if it is one that we know.
    pub(super) unverified_algorithm: Algorithm,
    /// The header's `kid`.
    pub(super) unverified_kid: Option<String>,
    pub(super) unverified_claims: Object,
    /// The ASCII text that the signature is over.
    pub(super) signing_input: &'a str,
    /// Base64url, not decoded.
    pub(super) signature: &'a str,
}

impl<'a> UnverifiedJws<'a> {
    /// Splits and decodes a token and checks its header.
    pub(super) fn parse(token: &'a str) -> Result<Self, Cause> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Cause::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Cause::NotThreeParts);
        };
        let header_object = object(header).ok_or(Cause::Header)?;
        check_header(&header_object)?;
        let unverified_algorithm = match header_object.get("alg") {
            Some(Value::String(name)) => Algorithm::parse(name).ok_or(Cause::UnknownAlgorithm)?,
            _ => return Err(Cause::UnknownAlgorithm),
        };
        let unverified_kid = match header_object.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(Cause::Header),
        };
        let unverified_claims = object(payload).ok_or(Cause::Claims)?;
        let signing_input = token.get(..header.len() + 1 + payload.len()).ok_or(Cause::NotThreeParts)?;
        Ok(Self { unverified_algorithm, unverified_kid, unverified_claims, signing_input, signature })
    }
}

/// Base64url without padding (RFC 7515 §2) of one JSON object in which no name is there twice (RFC 7515 §4, RFC 7519 §4).
fn object(part: &str) -> Option<Object> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    match json::parse(&bytes).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn check_header(header: &Object) -> Result<(), Cause> {
    // RFC 7515 §4.1.11: a `crit` that is not understood must be refused, and none is. `b64` (RFC 7797) and `zip`
    // (RFC 7516) change what the payload is, and are refused with or without it.
    for name in ["crit", "b64", "zip"] {
        if header.contains_key(name) {
            return Err(Cause::Extension(name));
        }
    }
    // RFC 7519 §5.1 and RFC 9068 §2.1; other types are other tokens (RFC 8725 §3.11).
    match header.get("typ") {
        None => Ok(()),
        Some(Value::String(typ)) => {
            let typ = typ.to_ascii_lowercase();
            let typ = typ.strip_prefix("application/").unwrap_or(&typ);
            if matches!(typ, "jwt" | "at+jwt") { Ok(()) } else { Err(Cause::Type) }
        }
        Some(_) => Err(Cause::Type),
    }
}
