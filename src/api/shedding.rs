//! Refuses part of the requests while this process has more to do than it can, so that the others are answered in time: a
//! controller after PIE (RFC 8033), with the delay of a task that is ready to run in place of a packet's in a queue. Must not know
//! what a request asks for.
//!
//! That delay is how long it takes until everything that was ready has run once. A request runs a few times until it is answered
//! (read, sent on, its token received), so its latency under an overload is a few times the target.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng as _;

/// How often the delay is looked at (RFC 8033 §4.2).
const TICK: Duration = Duration::from_millis(15);
/// How much of it is fine, in seconds. A third of what the RFC has for routers, as it is met a few times on a request's way.
const TARGET: f64 = 0.005;
/// What lasts for less than this is a burst and not an overload (§4.4).
const BURST: Duration = Duration::from_millis(150);
/// How strongly the ratio follows the delay, and its change, in 1/s: about five times what the RFC has, for delays that are so much
/// shorter, and without its small steps near 0. What is decided here shows at once and not behind a queue, so it stays calm
/// (docs/performance.md has the figures).
const ALPHA: f64 = 0.6;
const BETA: f64 = 6.0;
/// A delay beyond which the ratio grows whatever else is so (§5.5), in seconds.
const FAR_TOO_LONG: f64 = 0.05;
/// The most by which it grows at once (§5.2), each.
const STEP: f64 = 0.1;
/// Some are always let in, so that it shows when it is over.
const MOST: f64 = 0.98;
/// How often the log tells of requests that were refused.
const TELL: Duration = Duration::from_secs(1);

/// How much is refused just now, and why.
#[derive(Debug, Default)]
pub struct Shedding {
    /// The share of requests, as the bits of a double.
    ratio: AtomicU64,
    /// The last delay in microseconds.
    delay: AtomicU64,
    /// How many were refused since the log told of it.
    refused: AtomicU64,
    pie: Mutex<Pie>,
}

/// The controller.
#[derive(Debug, Default)]
struct Pie {
    ratio: f64,
    before: f64,
    /// For how long what happens has been a burst; all of it has to be used up first.
    used: Duration,
}

impl Shedding {
    /// Whether this request is refused.
    pub(super) fn sheds(&self) -> bool {
        let ratio = self.ratio();
        let sheds = ratio > 0.0 && rand::rng().random::<f64>() < ratio;
        if sheds {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        sheds
    }

    /// The share of requests that is refused, from 0 to 1.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        f64::from_bits(self.ratio.load(Ordering::Relaxed))
    }

    /// How long a task that was ready had to wait until it ran, when that was last looked at.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_micros(self.delay.load(Ordering::Relaxed))
    }

    /// Looks at the delay again and again, for ever, and tells of what was refused.
    pub async fn watch(&self) {
        let mut told = Instant::now();
        loop {
            tokio::time::sleep(TICK).await;
            // Not how late the sleep is: the runtime's timers are no finer than a millisecond.
            let ready = Instant::now();
            tokio::task::yield_now().await;
            self.measured(ready.elapsed());
            if told.elapsed() >= TELL {
                told = Instant::now();
                let refused = self.refused.swap(0, Ordering::Relaxed);
                if refused > 0 {
                    tracing::warn!(
                        refused,
                        "more has come than this process can do: requests were refused (overloaded)"
                    );
                }
            }
        }
    }

    fn measured(&self, delay: Duration) {
        let mut pie = self.pie.lock().unwrap_or_else(PoisonError::into_inner);
        let ratio = pie.measured(delay.as_secs_f64());
        self.ratio.store(ratio.to_bits(), Ordering::Relaxed);
        self.delay.store(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Pie {
    /// The share that is refused from now on, with this delay in seconds (§4.2, §4.3, §4.4, §5.5).
    fn measured(&mut self, delay: f64) -> f64 {
        let change = ALPHA * (delay - TARGET) + BETA * (delay - self.before);
        self.ratio += change.min(STEP);
        if delay > FAR_TOO_LONG {
            self.ratio += STEP;
        }
        let is_calm = delay < TARGET / 2.0 && self.before < TARGET / 2.0;
        if is_calm {
            self.ratio *= 0.98;
        }
        self.ratio = self.ratio.clamp(0.0, MOST);
        if is_calm && self.ratio < 1e-4 {
            self.used = Duration::ZERO;
        } else if delay > TARGET {
            self.used = (self.used + TICK).min(BURST);
        }
        self.before = delay;
        if self.used < BURST { 0.0 } else { self.ratio }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Pie};

    /// The ratio after so many ticks with this delay in milliseconds.
    fn after(pie: &mut Pie, ticks: usize, delay: f64) -> f64 {
        (0..ticks).map(|_| pie.measured(delay / 1e3)).last().unwrap()
    }

    #[test]
    fn nothing_is_refused_while_all_is_well_or_for_a_burst() {
        let mut pie = Pie::default();
        assert!(after(&mut pie, 1_000, 2.0) <= 0.0);
        assert!(after(&mut pie, 9, 400.0) <= 0.0, "135 ms are a burst");
        after(&mut pie, 1_000, 0.0);
        assert!(after(&mut pie, 9, 400.0) <= 0.0, "another one");
    }

    #[test]
    fn a_delay_that_lasts_is_answered_within_a_second_and_forgotten_when_it_is_over() {
        let mut pie = Pie::default();
        let ratio = after(&mut pie, 66, 300.0);
        assert!(ratio > 0.3 && ratio <= MOST, "{ratio}");
        assert!(after(&mut pie, 400, 1.0) < 0.001);
        assert!(after(&mut pie, 1_000, 1.0) <= 0.0);
    }

    #[test]
    fn a_delay_as_wanted_changes_nothing() {
        let mut pie = Pie { ratio: 0.3, before: 0.005, used: super::BURST };
        let ratio = after(&mut pie, 100, 5.0);
        assert!((ratio - 0.3).abs() < 0.01, "{ratio}");
    }

    #[test]
    fn some_are_always_let_in() {
        let mut pie = Pie::default();
        assert!(after(&mut pie, 10_000, 5_000.0) <= MOST);
    }
}
