//! The thread that writes to standard error, so that nobody who has something to say waits for whoever reads it. Must not
//! know what the lines say.
//!
//! Lines are put one behind the other into a buffer, and the thread takes all that there are at once. A reader that stops
//! reading, or is gone, costs log lines and nothing else. Audit events are never lost: where the buffer is full, whoever has
//! one waits for room, and with it the thread that it runs on.

use std::io::Write as _;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// How many lines, and how many bytes, may wait to be written.
const MAX_LINES: usize = 16_384;
const MAX_BYTES: usize = 64 << 20;
/// How large a buffer is kept for the next lines.
const KEPT_BYTES: usize = 1 << 20;
/// How long lines are collected for after some were written: who has one need not wake the thread for it.
const PAUSE: Duration = Duration::from_millis(2);
/// How long the last lines may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The way to the thread, once it is there.
static QUEUE: OnceLock<Queue> = OnceLock::new();

#[derive(Default)]
struct Queue {
    lines: Mutex<Lines>,
    /// Told where the thread sleeps and there is a line.
    has_some: Condvar,
    /// Told when lines were taken, and when they were written.
    moved: Condvar,
}

/// What waits to be written.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    count: usize,
    /// Since the start: those that were put in, and those that were written.
    all: u64,
    written: u64,
    /// Those that found no room.
    lost: u64,
    is_asleep: bool,
}

impl Lines {
    fn is_full(&self) -> bool {
        self.count >= MAX_LINES || self.text.len() >= MAX_BYTES
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &str, must_not_be_lost: bool) {
        let mut lines = self.lock();
        if lines.is_full() {
            if !must_not_be_lost {
                lines.lost += 1;
                return;
            }
            lines = self.moved.wait_while(lines, |lines| lines.is_full()).unwrap_or_else(PoisonError::into_inner);
        }
        lines.text.extend_from_slice(line.as_bytes());
        lines.count += 1;
        lines.all += 1;
        if std::mem::take(&mut lines.is_asleep) {
            self.has_some.notify_one();
        }
    }

    /// All lines, as soon as there are any, in exchange for an empty buffer; and how many they are.
    fn take(&self, empty: Vec<u8>) -> (Vec<u8>, u64, u64) {
        let mut lines = self.lock();
        lines.is_asleep = lines.count == 0;
        lines = self.has_some.wait_while(lines, |lines| lines.count == 0).unwrap_or_else(PoisonError::into_inner);
        lines.count = 0;
        self.moved.notify_all();
        (std::mem::replace(&mut lines.text, empty), lines.all, std::mem::take(&mut lines.lost))
    }

    /// So many of all were written.
    fn written(&self, all: u64) {
        self.lock().written = all;
        self.moved.notify_all();
    }

    fn write_all(&self) {
        let mut empty = Vec::new();
        loop {
            let (mut text, all, lost) = self.take(empty);
            write_now(&text);
            self.written(all);
            text.clear();
            text.shrink_to(KEPT_BYTES);
            empty = text;
            if lost > 0 {
                tracing::warn!(lost, "log lines were lost: standard error is not read as fast as it is written");
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Starts the thread, once a process. Without it lines are written by whoever has them.
pub(super) fn start() {
    if QUEUE.get().is_some() {
        return;
    }
    // It waits until it knows where lines are; where no thread can be had they are written at once.
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn(|| QUEUE.wait().write_all());
    if thread.is_ok() {
        let _ = QUEUE.set(Queue::default());
    }
}

/// Has a line written, its end included. One that `must_not_be_lost` waits for room.
pub(super) fn write(line: &str, must_not_be_lost: bool) {
    match QUEUE.get() {
        Some(queue) => queue.put(line, must_not_be_lost),
        None => write_now(line.as_bytes()),
    }
}

/// Waits, but not for long, until everything that was said is written.
pub(super) fn finish() {
    if let Some(queue) = QUEUE.get() {
        let lines = queue.lock();
        let all = lines.all;
        let _ = queue.moved.wait_timeout_while(lines, LAST_WORDS, |lines| lines.written < all);
    }
}

/// Nobody is left to be told that standard error is gone.
fn write_now(bytes: &[u8]) {
    let _ = std::io::stderr().lock().write_all(bytes);
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINES, Queue};
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn where_there_is_no_room_a_line_is_lost_or_waits_and_all_others_come_in_their_order() {
        let queue = Arc::new(Queue::default());
        for number in 0..MAX_LINES {
            queue.put(&format!("{number}\n"), number % 2 == 0);
        }
        queue.put("lost\n", false);
        let (told, waited) = channel();
        let waiting = {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                queue.put("waited\n", true);
                told.send(()).unwrap();
            })
        };
        assert!(waited.recv_timeout(Duration::from_millis(100)).is_err(), "there is no room for it");
        let (text, all, lost) = queue.take(Vec::new());
        let numbers: Vec<usize> = str::from_utf8(&text).unwrap().lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!((numbers, all, lost), ((0..MAX_LINES).collect(), MAX_LINES as u64, 1));
        waiting.join().unwrap();
        assert_eq!(queue.take(Vec::new()).0, b"waited\n");
    }
}
