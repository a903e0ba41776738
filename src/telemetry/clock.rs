//! The one place that reads the clock, and how a time is written (RFC 3339).

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::chat::{Timestamp, millis};

/// Now.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_millis(millis(since_epoch()))
}

/// Now, to the microsecond, at the end of a text: `2026-11-23T19:15:00.250000Z`.
pub(super) fn push_now(text: &mut String) {
    push_micros(text, since_epoch());
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn since_epoch() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// By hand, as each line of the log has one: this costs a tenth of what a formatter does.
fn push_micros(text: &mut String, since_epoch: Duration) {
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let ((year, month, day), (hour, minute, second)) = (time.to_calendar_date(), time.to_hms());
    let mut written = *b"0000-00-00T00:00:00.000000Z";
    for (place, mut value) in [
        (0..4, year.unsigned_abs()),
        (5..7, u32::from(u8::from(month))),
        (8..10, u32::from(day)),
        (11..13, u32::from(hour)),
        (14..16, u32::from(minute)),
        (17..19, u32::from(second)),
        (20..26, since_epoch.subsec_micros()),
    ] {
        for digit in written.get_mut(place).unwrap_or_default().iter_mut().rev() {
            *digit += u8::try_from(value % 10).unwrap_or_default();
            value /= 10;
        }
    }
    text.push_str(str::from_utf8(&written).unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_has_the_time_that_rfc_3339_writes(seconds in 0..253_402_300_800_u64, micros in 0..1_000_000_u32) {
            let mut written = "at ".to_owned();
            push_micros(&mut written, Duration::new(seconds, micros * 1_000));
            let of_seconds = formatted(i64::try_from(seconds).unwrap(), 0);
            prop_assert_eq!(written, format!("at {}.{micros:06}Z", of_seconds.trim_end_matches('Z')));
        }
    }
}
