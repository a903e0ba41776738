//! The messages of one channel, newest first in pages; bounded. Must not know who may read them.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use super::calls::Cursor;
use super::events::Message;
use super::rpc::{PARAMS, Refusal};

/// The most messages of a channel that are kept.
const MAX_MESSAGES: usize = 500;
/// How many a page has.
const PAGE: usize = 50;

/// A message and its number: the later, the higher, in all channels.
struct Kept {
    number: u64,
    bytes: usize,
    message: Arc<Message>,
}

/// What is kept of a channel's messages.
#[derive(Default)]
pub(super) struct History {
    /// Oldest first.
    kept: VecDeque<Kept>,
}

/// An answer to `chat.messages.get`.
#[derive(Serialize)]
pub(super) struct Page {
    /// Newest first.
    messages: Vec<Arc<Message>>,
    cursor: Onward,
}

/// The way to what is older (`after`, as it stands after this page in the list) and newer.
#[derive(Serialize)]
struct Onward {
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

impl History {
    /// Keeps one more, and tells how many bytes were forgotten for it.
    pub(super) fn push(&mut self, number: u64, bytes: usize, message: Arc<Message>) -> usize {
        let freed = if self.kept.len() >= MAX_MESSAGES { self.forget_oldest() } else { 0 };
        self.kept.push_back(Kept { number, bytes, message });
        freed
    }

    pub(super) fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.bytes).sum()
    }

    /// The number of the oldest.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.kept.front().map(|kept| kept.number)
    }

    /// Forgets the oldest, and tells how many bytes that were.
    pub(super) fn forget_oldest(&mut self) -> usize {
        self.kept.pop_front().map_or(0, |kept| kept.bytes)
    }

    /// The newest, or those that stand after or before a place in the list that is newest first.
    pub(super) fn page(&self, cursor: Option<&Cursor>) -> Result<Page, Refusal> {
        let (after, before) = cursor.map_or((None, None), |cursor| (cursor.after.as_deref(), cursor.before.as_deref()));
        let (after, before) = (after.map(number_of).transpose()?, before.map(number_of).transpose()?);
        let numbered = |number: u64| self.kept.partition_point(|kept| kept.number < number);
        let (from, to) = match (after, before) {
            (None, None) => (self.kept.len().saturating_sub(PAGE), self.kept.len()),
            (Some(number), None) => {
                let to = numbered(number);
                (to.saturating_sub(PAGE), to)
            }
            (None, Some(number)) => {
                let from = numbered(number.saturating_add(1));
                (from, self.kept.len().min(from.saturating_add(PAGE)))
            }
            (Some(_), Some(_)) => return Err(Refusal::new(PARAMS, "a cursor has `after` or `before`, not both")),
        };
        let found = || self.kept.range(from..to);
        let name = |kept: Option<&Kept>| kept.map(|kept| format!("{:x}", kept.number));
        Ok(Page {
            messages: found().rev().map(|kept| Arc::clone(&kept.message)).collect(),
            cursor: Onward {
                after: name(found().next()).filter(|_| from > 0),
                before: name(found().next_back()).filter(|_| to < self.kept.len()),
            },
        })
    }
}

fn number_of(cursor: &str) -> Result<u64, Refusal> {
    u64::from_str_radix(cursor, 16)
        .map_err(|_| Refusal::new(PARAMS, format!("`{cursor}` is no cursor of an earlier answer: begin without one")))
}
