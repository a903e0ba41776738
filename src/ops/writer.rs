//! The thread that writes to standard error, so that nobody who has something to say waits for whoever reads it. Must not
//! know what the lines say.
//!
//! A reader that stops reading, or is gone, costs log lines and nothing else. Audit events are never lost: where 16,384 lines
//! wait already, whoever has one waits for room, and with it the thread that it runs on.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// How many lines may wait to be written.
const QUEUE: usize = 16_384;
/// How many bytes are written at once, about.
const BATCH: usize = 64 * 1024;
/// How long lines are collected for after a batch was written: who has one need not wake the thread for it.
const PAUSE: Duration = Duration::from_millis(2);
/// How long the last lines may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The way to the thread, once it is there.
static QUEUED: OnceLock<SyncSender<Message>> = OnceLock::new();
/// Lines that found no room.
static LOST: AtomicU64 = AtomicU64::new(0);

enum Message {
    Line(String),
    /// Everything before this is to be written, and then said so.
    Finish(SyncSender<()>),
}

/// Starts the thread, once a process. Without it lines are written by whoever has them.
pub(super) fn start() {
    let (sender, receiver) = sync_channel(QUEUE);
    if QUEUED.set(sender).is_ok() {
        // Where no thread can be had, nothing receives, and lines are written at once.
        let _ = std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&receiver));
    }
}

/// Has a line written, its end included. One that `must_not_be_lost` waits for room.
pub(super) fn write(line: String, must_not_be_lost: bool) {
    let Some(queued) = QUEUED.get() else { return write_now(line.as_bytes()) };
    match queued.try_send(Message::Line(line)) {
        Ok(()) | Err(TrySendError::Disconnected(Message::Finish(_))) => {}
        Err(TrySendError::Full(message)) if must_not_be_lost => drop(queued.send(message)),
        Err(TrySendError::Full(_)) => drop(LOST.fetch_add(1, Ordering::Relaxed)),
        Err(TrySendError::Disconnected(Message::Line(line))) => write_now(line.as_bytes()),
    }
}

/// Waits, but not for long, until everything that was said is written.
pub(super) fn finish() {
    let (done, is_done) = sync_channel(1);
    if QUEUED.get().is_some_and(|queued| queued.try_send(Message::Finish(done)).is_ok()) {
        let _ = is_done.recv_timeout(LAST_WORDS);
    }
}

fn write_all(receiver: &Receiver<Message>) {
    while let Ok(first) = receiver.recv() {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => batch.extend_from_slice(line.as_bytes()),
                Message::Finish(done) => {
                    write_now(&batch);
                    batch.clear();
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
            }
            next = if batch.len() < BATCH { receiver.try_recv().ok() } else { None };
        }
        write_now(&batch);
        std::thread::sleep(PAUSE);
        let lost = LOST.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "log lines were lost: standard error is not read as fast as it is written");
        }
    }
}

/// Nobody is left to be told that standard error is gone.
fn write_now(bytes: &[u8]) {
    let _ = std::io::stderr().lock().write_all(bytes);
}
