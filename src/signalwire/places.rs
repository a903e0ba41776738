//! How many calls there are at once, and how many requests wait for one to end. Must not know what a call is.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// A bounded number of places and a bounded queue for them, first come, first served.
#[derive(Debug)]
pub(super) struct Places {
    free: Semaphore,
    all: usize,
    queued: AtomicUsize,
    max_queued: usize,
}

/// The queue is full.
#[derive(Debug)]
pub(super) struct Full;

/// Somebody in the queue, for as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Places {
    pub(super) fn new(all: usize, max_queued: usize) -> Self {
        let all = all.min(Semaphore::MAX_PERMITS);
        Self { free: Semaphore::new(all), all, queued: AtomicUsize::new(0), max_queued }
    }

    /// Takes a place, after those who asked before; it is free again when it is dropped.
    ///
    /// # Errors
    /// Where as many wait already as may.
    pub(super) async fn take(&self) -> Result<SemaphorePermit<'_>, Full> {
        // With anybody in the queue there is none to be had so.
        if let Ok(place) = self.free.try_acquire() {
            return Ok(place);
        }
        let _waiting = self.join()?;
        self.free.acquire().await.map_err(|_| Full)
    }

    /// How many can be taken or wait.
    pub(super) fn most(&self) -> usize {
        self.all.saturating_add(self.max_queued)
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.all.saturating_sub(self.free.available_permits())
    }

    /// How many wait.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    fn join(&self) -> Result<Waiting<'_>, Full> {
        let one_more = |queued| (queued < self.max_queued).then_some(queued + 1);
        let joined = self.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        joined.map(|_| Waiting(&self.queued)).map_err(|_| Full)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
