//! The one place that reads the clock, and how a time is written (RFC 3339).

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::chat::Timestamp;

/// Now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Whole seconds, `Z`, rounded down: `2026-11-23T19:15:00Z`.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    formatted(time.seconds(), 0)
}

/// With milliseconds: `2026-11-23T19:15:00.25Z`.
#[must_use]
pub fn rfc3339_millis(time: Timestamp) -> String {
    formatted(time.seconds(), time.millis().rem_euclid(1_000))
}

/// A time that RFC 3339 can write, to the millisecond.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let millis = i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
    Some(Timestamp::from_millis(millis))
}

fn formatted(seconds: i64, millis: i64) -> String {
    let nanos = i128::from(seconds) * 1_000_000_000 + i128::from(millis) * 1_000_000;
    let text = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().and_then(|time| time.format(&Rfc3339).ok());
    // Only a year that RFC 3339 cannot write has no text.
    text.unwrap_or_else(|| seconds.to_string())
}
