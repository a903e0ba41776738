//! A bounded number of concurrent calls, and a queue for them that is bounded by time.
//!
//! A request that finds no free permit joins the queue, which is first come, first served. It is rejected
//!
//! - immediately, if the requests ahead of it will take longer than it may wait, or
//! - when its time is up.
//!
//! How long the requests ahead will take follows from the rate at which permits were handed to waiting
//! requests. It is first measured by a request that has waited for half of `max_wait`, which knows how
//! many permits were handed out meanwhile. A queue that drains sooner needs no measurement, since no
//! request in it waits too long; so a burst on a quiet service is never rejected. An empty queue forgets
//! the rate.
//!
//! While this process is saturated, requests wait for the processor rather than for SignalWire, and may
//! wait twice as long. A rejection costs half as much as a response, so rejecting would spend the
//! capacity that is scarce, and clients that retry at once would take all of it.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

/// The share of `max_wait` that the requests ahead may take. The rest is for the unevenness with which
/// permits come free: without it, half of the requests at the end of a full queue would time out there.
const QUEUE_SHARE: f64 = 0.9;

/// How many times `max_wait` a request may wait while the process is saturated.
const SATURATED_FACTOR: u32 = 2;

/// A bounded number of permits and the queue for them.
#[derive(Debug)]
pub(super) struct Permits {
    semaphore: Semaphore,
    count: usize,
    max_wait: Duration,
    queued: AtomicUsize,
    /// How many permits were handed to requests that had waited for one.
    handed_out: AtomicU64,
    /// The time between two of these, in nanoseconds; [`UNKNOWN`] until it was measured.
    interval: AtomicU64,
    is_saturated: AtomicBool,
}

/// A queue that has emptied, or in which no request has waited for long.
const UNKNOWN: u64 = 0;

/// The request would have to wait for too long, or has.
#[derive(Debug)]
pub(super) struct QueueTimeout;

/// A request in the queue.
struct Waiting<'a> {
    permits: &'a Permits,
    since: Instant,
    handed_out_before: u64,
}

impl Permits {
    /// `count` permits, each of which a request waits for at most `max_wait`.
    pub(super) fn new(count: usize, max_wait: Duration) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        Self {
            semaphore: Semaphore::new(count),
            count,
            max_wait,
            queued: AtomicUsize::new(0),
            handed_out: AtomicU64::new(0),
            interval: AtomicU64::new(UNKNOWN),
            is_saturated: AtomicBool::new(false),
        }
    }

    /// Takes a permit, after the requests that came before; dropping it frees it.
    ///
    /// # Errors
    /// If the request would wait beyond `max_wait` (twice that, while the process is saturated) or `deadline`, or has.
    pub(super) async fn acquire(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, QueueTimeout> {
        // A semaphore is fair: this fails while others wait.
        if let Ok(permit) = self.semaphore.try_acquire() {
            return Ok(permit);
        }
        let now = Instant::now();
        let waiting = Waiting::join(self, now);
        let allowed = deadline.saturating_duration_since(now).min(self.longest_wait());
        if self.expected_wait() > allowed.mul_f64(QUEUE_SHARE) {
            return Err(QueueTimeout);
        }
        let mut acquire = pin!(self.semaphore.acquire());
        let until = |longest_wait| tokio::time::Instant::from_std(deadline.min(now + longest_wait));
        let mut permit = timeout_at(until(self.max_wait), &mut acquire).await;
        if permit.is_err() && self.is_saturated() {
            permit = timeout_at(until(self.longest_wait()), &mut acquire).await;
        }
        let permit = permit.map_err(|_| QueueTimeout).and_then(|permit| permit.map_err(|_| QueueTimeout));
        waiting.leave(permit.is_ok());
        permit
    }

    /// Whether this process has no time left, so that its requests wait for the processor.
    pub(super) fn set_saturated(&self, is_saturated: bool) {
        self.is_saturated.store(is_saturated, Ordering::Relaxed);
    }

    fn is_saturated(&self) -> bool {
        self.is_saturated.load(Ordering::Relaxed)
    }

    fn longest_wait(&self) -> Duration {
        if self.is_saturated() { self.max_wait.saturating_mul(SATURATED_FACTOR) } else { self.max_wait }
    }

    /// How many calls are under way.
    pub(super) fn in_use(&self) -> usize {
        self.count.saturating_sub(self.semaphore.available_permits())
    }

    /// How many requests wait.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// How long all that are in the queue will take; zero if that is unknown.
    fn expected_wait(&self) -> Duration {
        let queued = u64::try_from(self.queued()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.interval.load(Ordering::Relaxed).saturating_mul(queued))
    }
}

impl<'a> Waiting<'a> {
    fn join(permits: &'a Permits, now: Instant) -> Self {
        permits.queued.fetch_add(1, Ordering::Relaxed);
        Self { permits, since: now, handed_out_before: permits.handed_out.load(Ordering::Relaxed) }
    }

    /// Records what this wait says about the rate at which the queue drains.
    fn leave(self, has_permit: bool) {
        let permits = self.permits;
        let handed_out = permits.handed_out.fetch_add(u64::from(has_permit), Ordering::Relaxed) + u64::from(has_permit);
        let waited = self.since.elapsed();
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        let measured = (nanos / (handed_out - self.handed_out_before).max(1)).max(1);
        let interval = match permits.interval.load(Ordering::Relaxed) {
            _ if waited >= permits.max_wait / 2 => measured,
            UNKNOWN => UNKNOWN,
            // One short wait says little, but many say that the queue drains faster by now.
            known => (known - known / 8 + measured / 8).max(1),
        };
        permits.interval.store(interval, Ordering::Relaxed);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.permits.queued.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.permits.interval.store(UNKNOWN, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Permits;
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    const MAX_WAIT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn in_a_saturated_process_a_request_may_wait_twice_as_long() {
        let permits = Permits::new(1, MAX_WAIT);
        let _permit = permits.acquire(Instant::now() + MAX_WAIT).await.unwrap();
        let waited = async |deadline| {
            let begun = Instant::now();
            assert!(permits.acquire(begun + deadline).await.is_err());
            begun.elapsed()
        };
        assert!((MAX_WAIT..2 * MAX_WAIT).contains(&waited(10 * MAX_WAIT).await));
        permits.set_saturated(true);
        assert!((2 * MAX_WAIT..4 * MAX_WAIT).contains(&waited(10 * MAX_WAIT).await));
        assert!(waited(MAX_WAIT / 2).await < MAX_WAIT, "the deadline holds all the same");
        permits.set_saturated(false);
        assert!((MAX_WAIT..2 * MAX_WAIT).contains(&waited(10 * MAX_WAIT).await));
        assert_eq!(permits.queued(), 0);
    }

    /// A permit comes free each millisecond, where it was one in 20 ms: requests that wait for no long time find that out.
    #[tokio::test]
    async fn a_rate_that_has_risen_becomes_known() {
        let permits = Permits::new(1, MAX_WAIT);
        permits.interval.store(20_000_000, Ordering::Relaxed);
        let end = Instant::now() + 2 * MAX_WAIT;
        let client = || async {
            while Instant::now() < end {
                let permit = permits.acquire(end + MAX_WAIT).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
                drop(permit);
            }
        };
        let last = async {
            // So that the queue is not empty at the end, which would forget the rate.
            tokio::time::sleep(MAX_WAIT * 19 / 10).await;
            permits.interval.load(Ordering::Relaxed)
        };
        let clients = async { tokio::join!(client(), client(), client(), client(), client(), client(), client()) };
        let (interval, _) = tokio::join!(last, clients);
        assert!((1..10_000_000).contains(&interval), "{interval}");
    }
}
