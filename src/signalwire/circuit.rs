//! The circuit: whether SignalWire is asked at all. Open after too many failures, it lets one call through now and then to
//! find out. Must not know what a call is; the time is an argument.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For how many seconds what happened counts.
const WINDOW: usize = 10;
/// With fewer calls nothing is concluded.
const ENOUGH: u32 = 20;
/// How long after it has opened one call is let through.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// How long at most, after each of those has failed.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// When to ask again while one call is finding out.
const SOON: Duration = Duration::from_secs(1);

/// How the circuit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// Every call goes through.
    Closed,
    /// None does.
    Open,
    /// One is on its way, to find out.
    Probing,
}

impl CircuitState {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::Probing];

    /// In one word, for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Probing => "probing",
        }
    }
}

pub(super) struct Circuit {
    since: Instant,
    state: Mutex<State>,
}

struct State {
    door: Door,
    seconds: [Second; WINDOW],
}

enum Door {
    Closed,
    /// Until then; and after how long it was to open.
    Open(Instant, Duration),
    /// Since it was open for so long.
    Probing(Duration),
}

/// What happened within one second.
#[derive(Clone, Copy, Default)]
struct Second {
    number: u64,
    calls: u32,
    failed: u32,
}

/// Leave to call.
pub(super) enum Pass<'a> {
    /// One of many.
    Free,
    /// The one that finds out. What became of it is to be told; dropped untold, another may find out.
    Probe(Probe<'a>),
}

pub(super) struct Probe<'a> {
    circuit: &'a Circuit,
    is_told: bool,
}

impl Circuit {
    /// Closed.
    pub(super) fn new(now: Instant) -> Self {
        let state = State { door: Door::Closed, seconds: [Second::default(); WINDOW] };
        Self { since: now, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.lock().door {
            Door::Closed => CircuitState::Closed,
            Door::Open(..) => CircuitState::Open,
            Door::Probing(_) => CircuitState::Probing,
        }
    }

    /// For how long yet nobody goes through, if so.
    pub(super) fn refuses(&self, now: Instant) -> Option<Duration> {
        match self.lock().door {
            Door::Closed => None,
            Door::Open(until, _) => until.checked_duration_since(now).filter(|left| !left.is_zero()),
            Door::Probing(_) => Some(SOON),
        }
    }

    /// Leave for one call.
    ///
    /// # Errors
    /// For how long yet there is none.
    pub(super) fn enter(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        let mut state = self.lock();
        match state.door {
            Door::Closed => Ok(Pass::Free),
            Door::Open(until, waited) if until <= now => {
                state.door = Door::Probing(waited);
                Ok(Pass::Probe(Probe { circuit: self, is_told: false }))
            }
            Door::Open(until, _) => Err(until - now),
            Door::Probing(_) => Err(SOON),
        }
    }

    /// So many calls were made, and so many of them failed. Whether that has opened the circuit.
    pub(super) fn record(&self, now: Instant, calls: u32, failed: u32) -> bool {
        let number = now.saturating_duration_since(self.since).as_secs();
        let mut state = self.lock();
        if !matches!(state.door, Door::Closed) {
            // Calls that began before it opened.
            return false;
        }
        let at = usize::try_from(number).unwrap_or_default() % WINDOW;
        if let Some(second) = state.seconds.get_mut(at) {
            if second.number != number {
                *second = Second { number, ..Second::default() };
            }
            second.calls = second.calls.saturating_add(calls);
            second.failed = second.failed.saturating_add(failed);
        }
        let window = u64::try_from(WINDOW).unwrap_or_default();
        let recent = state.seconds.iter().filter(|second| second.number + window > number);
        let (calls, failed) = recent.fold((0_u32, 0_u32), |(calls, failed), second| {
            (calls.saturating_add(second.calls), failed.saturating_add(second.failed))
        });
        let opens = calls >= ENOUGH && failed >= calls.div_ceil(2);
        if opens {
            state.door = Door::Open(now + FIRST_WAIT, FIRST_WAIT);
        }
        opens
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probe<'_> {
    /// It found SignalWire well: the circuit is closed, and nothing of before counts.
    pub(super) fn succeeded(mut self) {
        self.is_told = true;
        let mut state = self.circuit.lock();
        *state = State { door: Door::Closed, seconds: [Second::default(); WINDOW] };
    }

    /// It did not: the circuit is open for twice as long as before.
    pub(super) fn failed(mut self, now: Instant) {
        self.is_told = true;
        let mut state = self.circuit.lock();
        if let Door::Probing(waited) = state.door {
            let wait = (waited * 2).min(LONGEST_WAIT);
            state.door = Door::Open(now + wait, wait);
        }
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if self.is_told {
            return;
        }
        let mut state = self.circuit.lock();
        if let Door::Probing(waited) = state.door {
            state.door = Door::Open(Instant::now(), waited);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Circuit, CircuitState, Pass};
    use std::time::{Duration, Instant};

    const SECOND: Duration = Duration::from_secs(1);

    /// A circuit that has just opened, and when.
    fn open() -> (Circuit, Instant) {
        let now = Instant::now();
        let circuit = Circuit::new(now);
        assert!(circuit.record(now, 20, 20));
        (circuit, now)
    }

    fn probe(circuit: &Circuit, now: Instant) -> super::Probe<'_> {
        match circuit.enter(now) {
            Ok(Pass::Probe(probe)) => probe,
            Ok(Pass::Free) => panic!("it is closed"),
            Err(left) => panic!("{left:?} yet"),
        }
    }

    #[test]
    fn half_of_twenty_open_it_and_nineteen_or_a_failure_less_do_not() {
        let now = Instant::now();
        for (calls, failed, opens) in [(20, 10, true), (20, 9, false), (19, 19, false), (21, 10, false), (21, 11, true)]
        {
            let circuit = Circuit::new(now);
            assert_eq!(circuit.record(now, calls, failed), opens, "{failed} of {calls}");
            assert_eq!(circuit.enter(now).is_err(), opens, "{failed} of {calls}");
        }
    }

    #[test]
    fn what_is_over_ten_seconds_old_counts_no_longer() {
        let now = Instant::now();
        let circuit = Circuit::new(now);
        assert!(!circuit.record(now, 19, 19));
        assert!(!circuit.record(now + 10 * SECOND, 1, 1));
        let circuit = Circuit::new(now);
        assert!(!circuit.record(now, 19, 19));
        assert!(circuit.record(now + 9 * SECOND, 1, 1));
        // A second of long ago that has the same place.
        let circuit = Circuit::new(now);
        assert!(!circuit.record(now + 3 * SECOND, 19, 19));
        assert!(!circuit.record(now + 103 * SECOND, 1, 1));
    }

    #[test]
    fn one_goes_through_after_five_seconds_and_the_others_wait_for_it() {
        let (circuit, now) = open();
        assert_eq!(circuit.refuses(now + SECOND), Some(4 * SECOND));
        assert!(circuit.enter(now + 4 * SECOND).is_err());
        assert_eq!(circuit.refuses(now + 5 * SECOND), None);
        let probe = probe(&circuit, now + 5 * SECOND);
        assert_eq!(circuit.state(), CircuitState::Probing);
        assert!(circuit.enter(now + 6 * SECOND).is_err() && circuit.refuses(now + 6 * SECOND).is_some());
        probe.succeeded();
        assert!(matches!(circuit.enter(now + 6 * SECOND), Ok(Pass::Free)));
        assert!(!circuit.record(now + 6 * SECOND, 19, 19), "nothing of before counts");
    }

    #[test]
    fn each_that_fails_doubles_the_wait_up_to_a_minute() {
        let (circuit, now) = open();
        let mut at = now + 5 * SECOND;
        for wait in [10, 20, 40, 60, 60] {
            probe(&circuit, at).failed(at);
            assert_eq!(circuit.refuses(at), Some(wait * SECOND));
            at += wait * SECOND;
        }
        probe(&circuit, at).succeeded();
        assert!(circuit.record(at, 20, 20));
        assert_eq!(circuit.refuses(at), Some(5 * SECOND), "it begins anew");
    }

    #[test]
    fn one_that_is_never_told_of_lets_another_find_out() {
        let (circuit, now) = open();
        drop(probe(&circuit, now + 5 * SECOND));
        probe(&circuit, now + 6 * SECOND).failed(now + 6 * SECOND);
        assert_eq!(circuit.refuses(now + 6 * SECOND), Some(10 * SECOND));
    }

    #[test]
    fn calls_that_began_before_it_opened_change_nothing() {
        let (circuit, now) = open();
        assert!(!circuit.record(now, 100, 0));
        assert!(circuit.enter(now).is_err());
    }
}
