//! From a request's body to a [`Draft`]: media type, then size, then JSON. Must not know what a request may ask for.

use std::pin::pin;
use std::time::Instant;

use axum::body::Body;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt;

use super::code::Code;
use super::origin::single_header;
use super::problem::Problem;
use crate::chat::Draft;

/// Reads a body of at most `max` bytes, until `deadline`. No bytes at all, however framed, ask for nothing in
/// particular.
pub(super) async fn read(headers: &HeaderMap, body: Body, max: usize, deadline: Instant) -> Result<Draft, Problem> {
    let bytes = pin!(collect(headers, body, max));
    let bytes = tokio::time::timeout_at(deadline.into(), bytes);
    let bytes = bytes.await.unwrap_or_else(|_| Err(Problem::new(Code::RequestTimeout)))?;
    Ok(Draft::read(&bytes)?)
}

async fn collect(headers: &HeaderMap, mut body: Body, max: usize) -> Result<Vec<u8>, Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let is_json = is_json(headers);
    if announced.is_some_and(|length| length > 0) {
        check(is_json, announced, max)?;
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // A body that breaks off has nobody left to tell.
        let frame = frame
            .map_err(|_| Problem::new(Code::MalformedRequest).with_detail("The body broke off before its end."))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.is_empty() {
            continue;
        }
        check(is_json, u64::try_from(bytes.len() + data.len()).ok(), max)?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn check(is_json: bool, length: Option<u64>, max: usize) -> Result<(), Problem> {
    if !is_json {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    if length.is_none_or(|length| usize::try_from(length).map_or(true, |length| length > max)) {
        return Err(Problem::new(Code::BodyTooLarge).with_detail(format!("A body has at most {max} bytes here.")));
    }
    Ok(())
}

/// Exactly one `Content-Type` of `application/json`, parameters ignored, and no `Content-Encoding`.
fn is_json(headers: &HeaderMap) -> bool {
    single_header(headers, &CONTENT_TYPE).is_some_and(is_json_type) && !headers.contains_key(CONTENT_ENCODING)
}

/// `application/json`, parameters ignored.
pub(super) fn is_json_type(text: &str) -> bool {
    text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
