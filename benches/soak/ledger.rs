//! What became of each request on the clients' side, and at the end whether the service's log and audit events say the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use super::service::{Epochs, Event, Log};
use super::{Findings, truth};

/// One request, as its client saw it.
pub(crate) struct Record {
    /// Whether it is a `POST /chat-token` with a good session, or a guest's.
    pub(crate) may_be_audited: bool,
    /// Whether it is a guest's, or one without a good session, whose limit comes before the session.
    pub(crate) is_limited_by_address: bool,
    /// Status and code; none where the client hung up.
    pub(crate) answer: Option<(u16, Option<String>)>,
    pub(crate) member: Option<String>,
    /// The policies that may have been in force.
    pub(crate) letters: Vec<char>,
    pub(crate) token_sha256: Option<String>,
}

/// Every request, by its id.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) records: Mutex<HashMap<String, Record>>,
    /// The requests that SignalWire was asked for.
    pub(crate) minted: Mutex<HashSet<String>>,
}

impl Ledger {
    pub(crate) fn add(&self, id: &str, record: Record) {
        self.records.lock().unwrap().insert(id.to_owned(), record);
    }

    /// Compares both sides; how many requests of each sort there were.
    pub(crate) fn balance(&self, log: &Log, epochs: &Epochs, findings: &Findings) -> BTreeMap<&'static str, usize> {
        let (records, minted) = (self.records.lock().unwrap(), self.minted.lock().unwrap());
        let mut sums = BTreeMap::<&'static str, usize>::new();
        for (id, record) in records.iter() {
            let events = log.events.get(id).map_or(&[][..], Vec::as_slice);
            let lines = log.lines.get(id).map_or(&[][..], Vec::as_slice);
            *sums.entry("audit events").or_default() += events.len();
            let wanted = if let Some((status, code)) = &record.answer {
                let is_told = lines.len() == 1 && lines.iter().all(|line| line.status == *status && line.code == *code);
                if !is_told && log.lost == 0 {
                    findings.add("an answer that the log does not have so", || {
                        format!("{id}: {status} {code:?}, {} lines", lines.len())
                    });
                }
                let before = *status == 401 || (record.is_limited_by_address && *status == 429);
                let sort = if !record.may_be_audited || before {
                    "answered, not past the session"
                } else {
                    "answered past the session"
                };
                *sums.entry(sort).or_default() += 1;
                usize::from(record.may_be_audited && !before)
            } else {
                // What is answered to somebody who is gone, or was asked of SignalWire, is past the session too.
                let is_past = lines.iter().any(|line| line.status != 401) || minted.contains(id);
                let sort = match (events.len(), is_past) {
                    (0, _) => "hung up, without an event",
                    _ => "hung up, with an event",
                };
                *sums.entry(sort).or_default() += 1;
                if is_past && record.may_be_audited { 1 } else { events.len().min(usize::from(record.may_be_audited)) }
            };
            if events.len() != wanted {
                findings.add("audit events that are not as many as there should be", || {
                    format!("{id}: {} instead of {wanted}; {:?}", events.len(), record.answer)
                });
            }
            for event in events {
                if let Some(fault) = differs(record, event, epochs) {
                    findings.add("an audit event that says something else", || format!("{id}: {fault}"));
                }
                if event.outcome == "abandoned" {
                    *sums.entry("of these abandoned").or_default() += 1;
                }
            }
        }
        for id in log.events.keys().filter(|id| !records.contains_key(*id)) {
            findings.add("an audit event of no request", || id.clone());
        }
        sums
    }
}

/// How an event differs from what the client saw.
fn differs(record: &Record, event: &Event, epochs: &Epochs) -> Option<String> {
    let Some(letter) = epochs.letter(&event.policy) else { return Some("by a policy that nobody wrote".to_owned()) };
    if !record.letters.is_empty() && !record.letters.contains(&letter) {
        return Some(format!("by {letter}, which was not in force"));
    }
    if record.member.is_some() && event.member.is_some() && record.member != event.member {
        return Some(format!("of {:?} for {:?}", event.member, record.member));
    }
    let (status, code) = record.answer.as_ref()?;
    let outcomes: &[&str] = match status {
        200 => &["granted", "narrowed"],
        400..=499 => &["denied"],
        _ => &["failed"],
    };
    if !outcomes.contains(&event.outcome.as_str()) || event.code != *code || event.token_sha256 != record.token_sha256 {
        return Some(format!("{} {:?} for {status} {code:?}, or another token", event.outcome, event.code));
    }
    None
}

/// The statuses of the documented problems, by code.
pub(crate) fn documented() -> HashMap<String, u16> {
    let headings = include_str!("../../docs/problems.md").lines().filter_map(|line| line.strip_prefix("## "));
    let problem = |heading: &str| {
        let (status, code) = heading.split_once(' ')?;
        Some((code.trim_matches('`').to_owned(), status.parse().ok()?))
    };
    headings.filter_map(problem).collect()
}

/// Whether some policy of these does so.
pub(crate) fn any(letters: &[char], is_so: impl Fn(char) -> bool) -> bool {
    letters.iter().any(|letter| is_so(*letter))
}

/// Whether a guest may be let in by one of these, and may be refused by one.
pub(crate) fn guests(letters: &[char]) -> (bool, bool) {
    (any(letters, truth::admits_guests), any(letters, |letter| !truth::admits_guests(letter)))
}
