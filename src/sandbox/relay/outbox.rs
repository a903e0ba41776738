//! What is pushed to one connection and not yet sent: bounded, so that a client which does not read costs nobody else
//! anything. Must not know what a frame says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

/// The most bytes that wait; frames are shared between the connections that they go to. It is for whoever reads, and is
/// behind after a burst: 500 channels joined or left in one request are some 6 MiB, with the longest names and states.
/// Who does not read at all is given up for that alone, a little later (`connection.rs`).
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The end that frames are put in.
#[derive(Clone)]
pub(super) struct Outbox {
    frames: UnboundedSender<Utf8Bytes>,
    bytes: Arc<AtomicUsize>,
    overflown: CancellationToken,
}

/// The end that they are sent from.
pub(super) struct Waiting {
    frames: UnboundedReceiver<Utf8Bytes>,
    bytes: Arc<AtomicUsize>,
    /// Done once something did not fit: the connection is then to be closed.
    pub(super) overflown: CancellationToken,
}

pub(super) fn outbox() -> (Outbox, Waiting) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (bytes, overflown) = (Arc::<AtomicUsize>::default(), CancellationToken::new());
    let outbox = Outbox { frames: sender, bytes: Arc::clone(&bytes), overflown: overflown.clone() };
    (outbox, Waiting { frames: receiver, bytes, overflown })
}

impl Outbox {
    /// Puts a frame in, without waiting. Where it does not fit, the connection has missed something and is given up.
    pub(super) fn put(&self, frame: Utf8Bytes) {
        let length = frame.len();
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        if before.saturating_add(length) > MAX_BYTES || self.frames.send(frame).is_err() {
            self.overflown.cancel();
        }
    }
}

impl Waiting {
    /// The next frame; never, where there can come none any more.
    pub(super) async fn next(&mut self) -> Utf8Bytes {
        match self.frames.recv().await {
            Some(frame) => {
                self.bytes.fetch_sub(frame.len(), Ordering::Relaxed);
                frame
            }
            None => std::future::pending().await,
        }
    }

    /// Drops what waits.
    pub(super) fn clear(&mut self) {
        while let Ok(frame) = self.frames.try_recv() {
            self.bytes.fetch_sub(frame.len(), Ordering::Relaxed);
        }
    }
}
