//! Refuses part of the requests while this process has more to do than it can, so that the others are answered in time. Must not
//! know what a request asks for.
//!
//! What is looked at is a *turn*: how long it takes until everything that is ready to run has run once. A request is answered within a
//! few of them (read, sent on, its token received, answered), so turns that stay long are latency for everybody. While they do, only so
//! many requests are let in each turn as make it as long as it may be, and what else comes is refused at once. As with `CoDel`
//! (RFC 8289 §3.2), what counts is that the delay stays, and for how long; a burst is none of it; and how much of it may be depends on
//! how long the way is: who waits for `SignalWire` anyway does not feel what is short beside that.
//!
//! Nobody is refused while so few are on their way that all are answered soon, however long turns are. Clients that come back at once
//! when they are refused would else take the time of those that are let in, and the fewer these were the more so. And where nearly all
//! that come are refused, refusing is most of the work: then more are let in, until it is not.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a turn may be where `SignalWire` takes no time, and at most. The RFC has 5 ms for a queue that is met once (§4.2); a request
/// here meets about five turns.
const LEAST_TARGET: Duration = Duration::from_millis(2);
const MOST_TARGET: Duration = Duration::from_millis(20);
/// Which part of the shortest call to `SignalWire` a turn may take. What is measured of a call has two turns in it, so that it must be less
/// than a half, or longer turns would allow for longer ones.
const PART: f64 = 0.25;
/// How often it is looked at how long calls take.
const WINDOW: Duration = Duration::from_millis(100);
/// Longer turns for less than this are a burst and no overload, and it is over when there was none for as long.
const BURST: Duration = Duration::from_millis(150);
/// What is a burst so soon after an overload: that it begins again is likelier.
const NEXT_BURST: Duration = Duration::from_millis(30);
const SOON: Duration = Duration::from_secs(2);
/// While so few are being answered nobody is refused, however long turns are: it is a neighbour that takes the time, or the
/// requests are dear, and a refusal would help nobody.
const FEW: usize = 64;
/// Nor while no more are being answered than wait for this process so many times as long as for `SignalWire`, within these bounds.
const PATIENCE: f64 = 2.5;
const LEAST_PATIENCE: Duration = LEAST_TARGET;
const MOST_PATIENCE: Duration = Duration::from_millis(100);
/// Where a greater share than this of what comes is refused, twice as many are let in, up to so many; and a hundredth less after each
/// [`WINDOW`] in which it is not so.
const STORM: f64 = 0.8;
const MOST: f64 = 65_536.0;
const CALMING: f64 = 0.99;
/// How much is left of what was known of capacity and calls from one [`WINDOW`] to the next: 1 % is forgotten in a second.
const KEPT: f64 = 0.999;
/// So many are let in each turn, however long it is.
const LEAST_BUDGET: f64 = 16.0;
/// How often turns are looked at while all is well, and while it is not but they are short. Long ones are looked at one by one.
const CALM: Duration = Duration::from_millis(15);
const ALERT: Duration = Duration::from_millis(1);
/// By how much more are let in after a turn that was not long and still had to refuse some.
const GROWTH: f64 = 1.1;
/// How often it is told what was refused.
const TELL: Duration = Duration::from_secs(1);

/// How many may still be let in, and what became of those that came.
#[derive(Debug)]
pub struct Shedding {
    /// How many are let in before the next look.
    budget: AtomicU64,
    /// How many have come since the last look, and how many of these were refused.
    come: AtomicU64,
    refused: AtomicU64,
    /// The last turn in microseconds.
    turn: AtomicU64,
    /// The calls to `SignalWire` of this window: how many, and the shortest in microseconds.
    calls: AtomicU64,
    shortest_call: AtomicU64,
    /// While no more than so many are being answered nobody is refused.
    few: AtomicUsize,
    /// The share that was refused in the last second, as the bits of a double.
    ratio: AtomicU64,
}

impl Default for Shedding {
    fn default() -> Self {
        Self {
            budget: u64::MAX.into(),
            come: 0.into(),
            refused: 0.into(),
            turn: 0.into(),
            calls: 0.into(),
            shortest_call: u64::MAX.into(),
            few: FEW.into(),
            ratio: 0.into(),
        }
    }
}

/// What follows from one turn after another.
#[derive(Debug)]
struct Controller {
    /// How long a turn may be.
    target: Duration,
    /// How many are let in at once; none where all are.
    budget: Option<f64>,
    /// For how long turns have been long, up to a burst.
    long: Duration,
    /// For how long they have been short since, with nobody refused.
    short: Duration,
    /// For how long all have been let in.
    calm: Duration,
}

impl Default for Controller {
    fn default() -> Self {
        Self { target: LEAST_TARGET, budget: None, long: Duration::ZERO, short: Duration::ZERO, calm: SOON }
    }
}

impl Shedding {
    /// Whether this request is refused, as one of so many that are being answered.
    pub(super) fn sheds(&self, in_flight: usize) -> bool {
        let come = self.come.fetch_add(1, Ordering::Relaxed);
        let sheds = come >= self.budget.load(Ordering::Relaxed) && in_flight > self.few.load(Ordering::Relaxed);
        if sheds {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        sheds
    }

    /// A call to `SignalWire` brought a token, and took so long.
    pub(super) fn called(&self, took: Duration) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.shortest_call.fetch_min(micros(took), Ordering::Relaxed);
    }

    /// The share of requests that was refused in the last second, from 0 to 1.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        f64::from_bits(self.ratio.load(Ordering::Relaxed))
    }

    /// How long a task that was ready had to wait until it ran, when that was last looked at.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_micros(self.turn.load(Ordering::Relaxed))
    }

    /// Looks at turns for ever, and tells what was refused. `most`: how many can be answered at once or wait for it; those beyond
    /// would be refused all the same, after most of the work.
    pub async fn watch(&self, most: usize) {
        let (mut controller, mut room) = (Controller::default(), Room::default());
        let (mut told, mut all, mut refused) = (Instant::now(), 0, 0);
        let (mut look, mut window) = (told, told);
        let (mut window_all, mut window_refused) = (0, 0);
        loop {
            if controller.budget.is_none() {
                tokio::time::sleep(CALM).await;
                // What one turn brings is wanted, not all that came meanwhile.
                all += self.come.swap(0, Ordering::Relaxed);
            } else if self.delay() < controller.target / 2 {
                tokio::time::sleep(ALERT).await;
            }
            // Not how late a sleep is: the runtime's timers are no finer than a millisecond.
            let ready = Instant::now();
            tokio::task::yield_now().await;
            let turn = ready.elapsed();
            let (come, not) = (self.come.swap(0, Ordering::Relaxed), self.refused.swap(0, Ordering::Relaxed));
            controller.turned(turn, look.elapsed(), number(come.saturating_sub(not)), not > 0);
            look = Instant::now();
            self.budget.store(controller.admits(), Ordering::Relaxed);
            self.turn.store(micros(turn), Ordering::Relaxed);
            (all, refused) = (all + come, refused + not);
            (window_all, window_refused) = (window_all + come, window_refused + not);
            if look - window >= WINDOW {
                let calls = self.calls.swap(0, Ordering::Relaxed);
                let shortest = self.shortest_call.swap(u64::MAX, Ordering::Relaxed);
                let shortest = (shortest < u64::MAX).then(|| Duration::from_micros(shortest));
                if let Some(shortest) = shortest {
                    controller.calls_take(shortest);
                }
                room.looked(number(calls) / (look - window).as_secs_f64(), shortest);
                room.refused(number(window_refused) / number(window_all.max(1)));
                (window_all, window_refused) = (0, 0);
                self.few.store(room.holds().min(most.max(FEW)), Ordering::Relaxed);
                window = look;
            }
            if look - told >= TELL {
                self.tell(all, refused);
                (told, all, refused) = (look, 0, 0);
            }
        }
    }

    fn tell(&self, all: u64, refused: u64) {
        self.ratio.store((number(refused) / number(all.max(1))).to_bits(), Ordering::Relaxed);
        if refused > 0 {
            tracing::warn!(
                refused,
                of = all,
                "more has come than this process can do: requests were refused (overloaded)"
            );
        }
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "there are never so many")]
fn number(count: u64) -> f64 {
    count as f64
}

/// How many may be on their way at once so that nobody waits too long.
#[derive(Debug, Default)]
struct Room {
    /// The most calls a second that were seen of late.
    most: f64,
    /// The shortest call that was seen of late, in seconds.
    call: Option<f64>,
    /// So many are let in because nearly all that came were refused.
    storm: f64,
}

impl Room {
    /// There were so many calls a second in a window, and this was the shortest.
    fn looked(&mut self, calls: f64, shortest: Option<Duration>) {
        self.most = calls.max(self.most * KEPT);
        let known = self.call.map(|call| call / KEPT);
        self.call = known.into_iter().chain(shortest.map(|shortest| shortest.as_secs_f64())).reduce(f64::min);
    }

    /// This share of what came in a window was refused.
    fn refused(&mut self, share: f64) {
        if share > STORM {
            self.storm = (2.0 * f64::from(u32::try_from(self.holds()).unwrap_or(u32::MAX))).min(MOST);
        } else {
            self.storm *= CALMING;
        }
    }

    /// Little's law: as many as can be answered in the time of a call and of what somebody may wait for this process.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is at least 64, and saturates")]
    fn holds(&self) -> usize {
        let time = self.call.map_or(0.0, |call| {
            call + (call * PATIENCE).clamp(LEAST_PATIENCE.as_secs_f64(), MOST_PATIENCE.as_secs_f64())
        });
        FEW.max((self.most * time) as usize).max(self.storm as usize)
    }
}

impl Controller {
    /// The shortest call to `SignalWire` of late took so long.
    fn calls_take(&mut self, shortest: Duration) {
        self.target = shortest.mul_f64(PART).clamp(LEAST_TARGET, MOST_TARGET);
    }

    /// A turn took so long, and the look before was that long ago; so many were let in since, and others were not.
    fn turned(&mut self, turn: Duration, since: Duration, admitted: f64, has_refused: bool) {
        if turn > self.target {
            (self.long, self.short) = ((self.long + since).min(BURST), Duration::ZERO);
        } else if turn < self.target / 2 && !has_refused {
            self.short += since;
            if self.budget.is_none() || self.short >= BURST {
                *self = Self { target: self.target, calm: self.calm, ..Self::default() };
            }
        }
        let burst = if self.calm < SOON { NEXT_BURST } else { BURST };
        if self.budget.is_none() && self.long < burst {
            self.calm = (self.calm + since).min(SOON);
            return;
        }
        self.calm = Duration::ZERO;
        let budget = self.budget.unwrap_or(admitted);
        if turn > self.target {
            // By the root, as half of a turn's work is what earlier ones have let in.
            let less = budget * (self.target.as_secs_f64() / turn.as_secs_f64()).sqrt();
            self.budget = Some(less.max(LEAST_BUDGET));
        } else if has_refused {
            self.budget = Some(budget * GROWTH);
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is at least 16, and saturates")]
    fn admits(&self) -> u64 {
        self.budget.map_or(u64::MAX, |budget| budget as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, Controller, FEW, LEAST_BUDGET, LEAST_TARGET, MOST_TARGET, NEXT_BURST, Room, SOON};
    use std::collections::VecDeque;
    use std::time::Duration;

    /// A process for which an answer takes 75 µs, part of it a turn later, and a refusal 20 µs.
    #[derive(Default)]
    struct Process {
        controller: Controller,
        /// When it is, in seconds.
        now: f64,
        /// How many were let in a turn ago.
        before: f64,
        answered: f64,
    }

    impl Process {
        /// Runs for so long while so many come a second; gives how many were answered a second, and the longest turn in the second
        /// half of it.
        fn run(&mut self, seconds: f64, rate: f64) -> (f64, f64) {
            let (end, answered, mut longest, mut turn) = (self.now + seconds, self.answered, 0_f64, 0.000_3);
            while self.now < end {
                let come = (rate * turn).round();
                let admitted = come.min(self.controller.budget.map_or(f64::MAX, f64::floor));
                turn = (admitted * 45e-6 + self.before * 30e-6 + (come - admitted) * 20e-6).max(0.000_3);
                self.before = admitted;
                self.now += turn;
                self.answered += admitted;
                if self.now > end - seconds / 2.0 {
                    longest = longest.max(turn);
                }
                let turn = Duration::from_secs_f64(turn);
                self.controller.turned(turn, turn, admitted, come > admitted);
            }
            ((self.answered - answered) / seconds, longest)
        }
    }

    #[test]
    fn what_can_be_done_is_done() {
        let (answered, _) = Process::default().run(5.0, 10_000.0);
        assert!(answered > 9_900.0, "{answered}");
    }

    #[test]
    fn beyond_it_as_much_is_answered_as_refusals_leave_and_turns_stay_short() {
        for (rate, best) in [(16_000.0, 12_363.0), (27_000.0, 8_363.0), (30_000.0, 7_272.0)] {
            let (answered, longest) = Process::default().run(5.0, rate);
            assert!(answered > best * 0.95, "{answered} of {rate}");
            assert!(longest < 2.0 * LEAST_TARGET.as_secs_f64(), "{longest} at {rate}");
        }
    }

    #[test]
    fn it_is_over_when_it_is_over() {
        let mut process = Process::default();
        process.run(2.0, 27_000.0);
        assert!(process.controller.budget.is_some());
        let (answered, _) = process.run(2.0, 10_000.0);
        assert!(answered > 9_800.0, "{answered}");
        assert!(process.controller.budget.is_none());
    }

    #[test]
    fn a_burst_is_let_in() {
        let mut controller = Controller::default();
        let turns = |controller: &mut Controller, turn| {
            let turn = Duration::from_millis(turn);
            controller.turned(turn, turn, 500.0, false);
            controller.budget
        };
        for _ in 0..100 {
            assert_eq!(turns(&mut controller, 70), None, "one turn");
            assert_eq!(turns(&mut controller, 70), None, "two turns, together less than {BURST:?}");
            assert_eq!(turns(&mut controller, 0), None);
        }
    }

    #[test]
    fn soon_after_an_overload_a_short_burst_is_the_next() {
        let long = Duration::from_millis(10);
        let until_it_begins = |controller: &mut Controller| {
            let mut waited = Duration::ZERO;
            while controller.budget.is_none() {
                controller.turned(long, long, 500.0, false);
                waited += long;
            }
            waited
        };
        let ease = |controller: &mut Controller, lasts: Duration| {
            for _ in 0..lasts.as_millis() {
                controller.turned(Duration::ZERO, Duration::from_millis(1), 1.0, false);
            }
            assert!(controller.budget.is_none());
        };
        let mut controller = Controller::default();
        assert_eq!(until_it_begins(&mut controller), BURST);
        ease(&mut controller, BURST + Duration::from_millis(1));
        assert_eq!(until_it_begins(&mut controller), NEXT_BURST);
        ease(&mut controller, BURST + SOON);
        assert_eq!(until_it_begins(&mut controller), BURST);
    }

    #[test]
    fn turns_may_be_longer_where_calls_take_long() {
        let mut controller = Controller::default();
        for (call, target) in [(0, 2_000), (1_000, 2_000), (20_000, 5_000), (60_000, 15_000), (5_000_000, 20_000)] {
            controller.calls_take(Duration::from_micros(call));
            assert_eq!(controller.target, Duration::from_micros(target), "{call}");
        }
        controller.calls_take(Duration::from_millis(60));
        for _ in 0..1_000 {
            controller.turned(Duration::from_millis(14), Duration::from_millis(14), 500.0, false);
            assert_eq!(controller.budget, None);
        }
        assert!(controller.target < MOST_TARGET);
    }

    #[test]
    fn longer_turns_do_not_allow_for_longer_ones() {
        let mut controller = Controller::default();
        let call = Duration::from_millis(20);
        for _ in 0..100 {
            controller.calls_take(call + 2 * controller.target);
        }
        assert!(controller.target < Duration::from_millis(11), "{:?}", controller.target);
        for _ in 0..100 {
            controller.calls_take(2 * controller.target);
        }
        assert_eq!(controller.target, LEAST_TARGET);
    }

    /// So many clients, each of which asks as soon as it was answered or refused, of a process for which an answer takes 75 µs and a
    /// refusal 20 µs, where calls take 20 ms: how many are answered a second in the second half of 10 s, and how long they take.
    fn closed_loop(clients: f64, knows_room: bool) -> (f64, f64) {
        let (mut controller, mut room, mut now, mut window) = (Controller::default(), Room::default(), 0.0, 0.0);
        let (mut come, mut calling) = (clients, VecDeque::<(f64, f64)>::new());
        let (mut calls, mut answered, mut in_flight, mut waited) = (0.0, 0.0, 0.0, 0.0);
        let mut few = f64::from(u32::try_from(FEW).unwrap());
        let (mut come_now, mut refused_now) = (0.0, 0.0);
        while now < 10.0 {
            let room_for = (few - in_flight).max(0.0);
            let admitted = come.min(controller.budget.map_or(f64::MAX, f64::floor).max(room_for));
            let mut back = 0.0;
            while let Some((_, ended)) = calling.pop_front_if(|(until, _)| *until <= now) {
                back += ended;
            }
            let turn = (admitted * 45e-6 + back * 30e-6 + (come - admitted) * 20e-6).max(0.000_3);
            now += turn;
            calling.push_back((now + 0.02, admitted));
            (come_now, refused_now) = (come_now + come, refused_now + come - admitted);
            in_flight += admitted - back;
            calls += back;
            if now > 5.0 {
                answered += back;
                waited += in_flight * turn;
            }
            let took = Duration::from_secs_f64(turn);
            controller.turned(took, took, admitted, come > admitted);
            come = come - admitted + back;
            if now - window >= 0.1 {
                controller.calls_take(Duration::from_millis(20));
                room.looked(calls / (now - window), Some(Duration::from_millis(20)));
                room.refused(refused_now / come_now.max(1.0));
                (come_now, refused_now) = (0.0, 0.0);
                if knows_room {
                    few = f64::from(u32::try_from(room.holds()).unwrap());
                }
                (calls, window) = (0.0, now);
            }
        }
        (answered / 5.0, waited / answered)
    }

    #[test]
    fn clients_that_come_back_at_once_do_not_take_the_time_of_those_that_are_let_in() {
        for clients in [256.0, 1_024.0, 2_000.0] {
            let (rate, took) = closed_loop(clients, true);
            let all_let_in = clients / (0.02 + clients * 75e-6);
            // Those that are refused take their part.
            assert!(rate > 0.5 * all_let_in && took < 0.12, "{rate} a second in {took} s of {clients} clients");
        }
        // Too many for the patience of anybody: they are answered all the same, each in its turn.
        let (rate, took) = closed_loop(9_000.0, true);
        assert!(rate > 8_000.0 && took < 1.0, "{rate} a second in {took} s");
        let (collapsed, _) = closed_loop(2_000.0, false);
        assert!(collapsed < 4_000.0, "{collapsed}: it would not be needed");
    }

    #[test]
    fn how_many_there_is_room_for_follows_what_can_be_done_and_how_long_calls_take() {
        let mut room = Room::default();
        assert_eq!(room.holds(), FEW);
        for (rate, call, holds) in [(20_000.0, 20, 1_400), (20_000.0, 150, 5_000), (1_000.0, 1, FEW), (0.0, 150, FEW)] {
            room = Room::default();
            room.looked(rate, Some(Duration::from_millis(call)));
            assert_eq!(room.holds(), holds, "{rate} a second, {call} ms");
        }
        // Where nearly all are refused more are let in, and that is over when it is not so any more.
        room = Room::default();
        let let_in: Vec<_> = [0.9, 0.9, 0.5]
            .map(|share| {
                room.refused(share);
                room.holds()
            })
            .to_vec();
        assert_eq!(let_in, [128, 256, 253]);
        (0..1_000).for_each(|_| room.refused(0.5));
        assert_eq!(room.holds(), FEW);
        // What is known fades: by 1 % a second.
        room = Room::default();
        room.looked(20_000.0, Some(Duration::from_millis(20)));
        for _ in 0..700 {
            room.looked(100.0, Some(Duration::from_millis(200)));
        }
        assert!((9_000.0..11_000.0).contains(&room.most), "{}", room.most);
        assert!(room.call.is_some_and(|call| (0.038..0.042).contains(&call)), "{:?}", room.call);
    }

    #[test]
    fn a_few_are_always_let_in() {
        let mut controller = Controller::default();
        for _ in 0..1_000 {
            controller.turned(Duration::from_secs(1), Duration::from_secs(1), 1_000.0, false);
            assert!(controller.budget.is_none_or(|budget| budget >= LEAST_BUDGET));
        }
    }
}
