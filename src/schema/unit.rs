//! Durations and sizes as a person writes them, and what one that is not so written probably means.

/// The longest duration, in seconds: ten years.
const MAX_SECONDS: i64 = 3_650 * 86_400;

/// A duration in seconds: a positive integer and one of `s m h d`; zero only where `zero` says so.
#[must_use]
pub fn seconds(text: &str, zero: bool) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number = positive_integer(text.get(..text.len() - 1)?)?;
    // Past ten years no clock of ours can reckon with it.
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds <= MAX_SECONDS)?;
    (seconds > 0 || (zero && text == "0s")).then_some(seconds)
}

/// A size in bytes: a positive integer and one of `B KiB MiB`.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let (number, unit) = [("KiB", 1 << 10), ("MiB", 1 << 20), ("B", 1)]
        .into_iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, unit)))?;
    positive_integer(number)?.checked_mul(unit).filter(|bytes| *bytes > 0)
}

/// What to write in place of a text that is no duration.
pub(super) fn instead_of_duration(text: &str) -> Option<String> {
    if positive_integer(text).is_some_and(|number| number > 0) {
        return Some(format!("write its unit too: \"{text}s\", \"{text}m\", \"{text}h\" or \"{text}d\""));
    }
    match milliseconds_meant(text)? {
        0 => None,
        long if long > MAX_SECONDS * 1_000 => Some(format!("write at most \"{}d\"", MAX_SECONDS / 86_400)),
        milliseconds => shown(milliseconds).map(|shown| format!("did you mean \"{shown}\"?")),
    }
}

/// `8 hours`, `1h30m`, `1.5h`, `900000ms`, and ISO 8601's `PT15M`.
fn milliseconds_meant(text: &str) -> Option<i64> {
    let text = text.trim().to_lowercase();
    let mut rest = text.trim_start_matches('p').trim_start_matches('t');
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, behind) = rest.split_at(end);
        let behind = behind.trim_start();
        let end = behind.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (word, behind) = behind.split_at(end);
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let parts = 10_i64.checked_pow(u32::try_from(part.len()).ok()?)?;
        let number = positive_integer(&format!("{whole}{part}"))?;
        let product = number.checked_mul(unit_in_words(word)?).filter(|product| product % parts == 0)?;
        sum = sum.checked_add(product / parts)?;
        rest = behind.trim_start();
    }
    Some(sum)
}

fn unit_in_words(word: &str) -> Option<i64> {
    Some(match word {
        "ms" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        "w" | "week" | "weeks" => 604_800_000,
        _ => return None,
    })
}

/// In the largest unit that leaves nothing over.
fn shown(milliseconds: i64) -> Option<String> {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let (unit, length) = units.into_iter().find(|(_, length)| milliseconds % length == 0)?;
    Some(format!("{}{unit}", milliseconds / length))
}

fn positive_integer(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
