//! How often anybody may ask, and where that is counted: as part of all settings, or the store alone, for whoever revokes.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::layers::{Environment, Layers};
use super::raw::{RawLimits, RawRate, load_part};
use crate::limits::{LimitsSettings, OnStoreFailure, RateSettings, Store};
use crate::schema::{Faults, quoted};

/// The longest that a burst may take to be forgiven: what counts it in nanoseconds must not overflow.
const MAX_RATE_PERIOD: Duration = Duration::from_hours(365 * 24);
/// The store that is none.
const MEMORY: &str = "memory";

/// The URL of the store that replicas share, from the same places as [`Settings`](super::Settings), whatever else is set
/// there, or is not; none where they count in memory.
///
/// # Errors
/// Where a file cannot be read, or what is said of the store is wrong.
pub fn load_store(files: &[PathBuf], environment: &Environment) -> Result<Option<SecretString>, Faults> {
    let pick = |others: &Faults| others.about(&["limits.store", "limits.store_file"]);
    let (raw, layers, mut faults) = load_part(files, environment, pick)?;
    let store = read_store(raw.limits.store, raw.limits.store_file.as_deref(), &layers, &mut faults);
    faults.or(store)
}

pub(super) fn read(raw: RawLimits, layers: &Layers, faults: &mut Faults) -> LimitsSettings {
    let file = raw.store_file.as_ref().filter(|_| raw.store.is_none()).map(PathBuf::from);
    LimitsSettings {
        per_member: read_rate("per_member", &raw.per_member, layers, faults),
        per_address: read_rate("per_address", &raw.per_address, layers, faults),
        store: read_store(raw.store, raw.store_file.as_deref(), layers, faults),
        store_file: file,
        on_store_failure: if raw.on_store_failure == "refuse" { OnStoreFailure::Refuse } else { OnStoreFailure::Local },
    }
}

/// The URL is never shown: it has a password.
fn read_store(
    store: Option<SecretString>,
    file: Option<&str>,
    layers: &Layers,
    faults: &mut Faults,
) -> Option<SecretString> {
    let key = if store.is_some() { "store" } else { "store_file" };
    let store = store.or_else(|| file.and_then(|file| layers.read_secret(file, &["limits", key], faults)))?;
    if store.expose_secret() == MEMORY {
        return None;
    }
    if let Err(fault) = Store::check_url(&store) {
        let advice =
            "write \"memory\", or the store's URL: redis://[user:password@]host:6379[/database], rediss:// for TLS";
        faults.add(&layers.place(&["limits", key]), format!("limits.{key}: {fault}"), advice);
        return None;
    }
    Some(store)
}

fn read_rate(name: &str, raw: &RawRate, layers: &Layers, faults: &mut Faults) -> Option<RateSettings> {
    let (rate, burst) = match raw {
        // INVARIANT: only this very word switches a limit off.
        RawRate::Word(word) if word == "off" => return None,
        RawRate::Rate { rate: Some(rate), burst } => (rate, burst),
        RawRate::Word(_) | RawRate::Rate { rate: None, .. } => {
            let message = format!("limits.{name}: `rate` is missing");
            let advice = format!("write rate = \"30/m\", or {name} = \"off\"");
            faults.add(&layers.place(&["limits", name]), message, advice);
            return None;
        }
    };
    let Some((count, unit)) = parse_rate(rate) else {
        let message = format!("limits.{name}: {} is no rate", quoted(rate));
        let advice = format!("write a positive integer and one of /s, /m, /h, /d, as in \"30/m\", or {name} = \"off\"");
        faults.add(&layers.place(&["limits", name, "rate"]), message, advice);
        return None;
    };
    let burst = burst.and_then(NonZeroU32::new).unwrap_or(count);
    let period = Duration::from_secs(unit) / count.get();
    if period.checked_mul(burst.get()).is_none_or(|all| all > MAX_RATE_PERIOD) {
        let message = format!("limits.{name}: so large a burst is not forgiven within a year");
        faults.add(&layers.place(&["limits", name]), message, "write a smaller burst, or a larger rate");
        return None;
    }
    Some(RateSettings { period, burst })
}

/// How many, in how many seconds. At most a thousand million, so that the period is at least a nanosecond.
fn parse_rate(text: &str) -> Option<(NonZeroU32, u64)> {
    let (count, unit) = text.split_once('/')?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count.parse().ok().filter(|count| is_number && *count <= 1_000_000_000)?;
    Some((NonZeroU32::new(count)?, unit))
}
