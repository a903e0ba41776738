//! When an issuer's keys are fetched: before they are needed, again after a failure, and at once for an unknown `kid`, one
//! fetch however many wait. Must not know HTTP or tokens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::fetch::Fetcher;
use super::keys::tell_left_out;
use super::store::{KeyStore, Staleness};
use crate::chat::{Timestamp, causes};

/// How long after a failure to try again.
const RETRY: Duration = Duration::from_secs(10);
/// How often an unknown `kid` may cause a fetch, an issuer.
const ASKED_AT_MOST_EVERY: Duration = Duration::from_secs(30);
/// How long a request waits for such a fetch.
const WAIT: Duration = Duration::from_secs(6);

/// Keeps one issuer's keys fresh.
pub(super) struct Refresher {
    pub(super) alias: String,
    pub(super) fetcher: Fetcher,
    pub(super) store: Arc<KeyStore>,
    pub(super) asking: Arc<Asking>,
    pub(super) clock: fn() -> Timestamp,
    /// When a failure was found the last time.
    pub(super) last_failure: Option<Timestamp>,
    /// The keys of no use that were told last.
    pub(super) left_out: Vec<String>,
}

/// The way to ask for a fetch at once.
#[derive(Debug)]
pub(super) struct Asking {
    flight: Mutex<Flight>,
    asked: Notify,
    /// How many fetches there were.
    fetches: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Flight {
    asked_at: Option<Instant>,
    is_under_way: bool,
}

impl Default for Asking {
    fn default() -> Self {
        Self { flight: Mutex::default(), asked: Notify::new(), fetches: watch::Sender::new(0) }
    }
}

impl Asking {
    /// Has the keys fetched now and waits for it, or for the fetch that somebody else has asked for; does nothing where the
    /// last that was asked for began less than 30 s ago and is over.
    pub(super) async fn fetch(&self) {
        // Before looking at the flight, so that its end is not missed.
        let mut fetches = self.fetches.subscribe();
        {
            let mut flight = self.flight.lock().unwrap_or_else(PoisonError::into_inner);
            let is_early = flight.asked_at.is_some_and(|at| at.elapsed() < ASKED_AT_MOST_EVERY);
            if is_early && !flight.is_under_way {
                return;
            }
            if !flight.is_under_way {
                *flight = Flight { asked_at: Some(Instant::now()), is_under_way: true };
                self.asked.notify_one();
            }
        }
        let over = async {
            // A fetch that had begun before may have been answered before there was a new key: its end is not this one's.
            while self.is_under_way() && fetches.changed().await.is_ok() {}
        };
        let _ = timeout(WAIT, over).await;
    }

    fn is_under_way(&self) -> bool {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner).is_under_way
    }

    /// Waits for the first fetch.
    pub(super) async fn fetched_once(&self) {
        // The sender is ours, so there is no error.
        let _ = self.fetches.subscribe().wait_for(|count| *count > 0).await;
    }

    /// A fetch is over; `was_asked_for`: it began after somebody had asked.
    fn over(&self, was_asked_for: bool) {
        if was_asked_for {
            self.flight.lock().unwrap_or_else(PoisonError::into_inner).is_under_way = false;
        }
        self.fetches.send_modify(|count| *count += 1);
    }
}

impl Refresher {
    /// Fetches for ever.
    pub(super) async fn run(mut self) {
        let mut was_asked_for = false;
        loop {
            let wait = self.refresh().await;
            self.asking.over(was_asked_for);
            was_asked_for = tokio::select! {
                () = tokio::time::sleep(wait) => false,
                () = self.asking.asked.notified() => true,
            };
        }
    }

    /// Fetches once; how long to wait until the next time. A failure keeps what was, as long as that may be.
    async fn refresh(&mut self) -> Duration {
        let issuer = self.alias.as_str();
        match self.fetcher.fetch().await {
            Ok(fetched) => {
                // Some providers always publish keys for something else: told once, and again when that changes.
                if fetched.left_out != self.left_out {
                    tell_left_out(issuer, &fetched.left_out);
                }
                if let Some(error) = fetched.undiscovered {
                    tracing::warn!(issuer, "the keys were fetched from where they were before: {}", causes(&error));
                }
                self.left_out = fetched.left_out;
                let keys = fetched.keys.len();
                let had_failed = self.store.replace(fetched.keys);
                self.last_failure = None;
                if had_failed {
                    tracing::info!(issuer, keys, "session keys can be had again");
                } else {
                    tracing::info!(issuer, keys, "session keys fetched");
                }
                fetched.fresh_for
            }
            Err(error) => {
                let now = (self.clock)();
                let causes = causes(&error);
                match self.store.failed(now, self.last_failure) {
                    Staleness::Begins => {
                        tracing::error!(
                            issuer,
                            cause = causes,
                            "session keys cannot be had; the last good ones serve on, if there are any"
                        );
                    }
                    Staleness::Over => {
                        tracing::error!(
                            issuer,
                            cause = causes,
                            "session keys could not be had for keys_max_stale: none serve any more"
                        );
                    }
                    Staleness::GoesOn => tracing::debug!(issuer, cause = causes, "session keys still cannot be had"),
                }
                self.last_failure = Some(now);
                RETRY
            }
        }
    }
}
