//! The client of one SignalWire project: what a [`Grant`] says is minted, with one more try where that can help, for as many
//! at once as may be, and not at all while SignalWire keeps failing. Must not know what travels on the wire.

use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng as _;
use tracing::{Instrument as _, Span};

use super::circuit::{Circuit, CircuitState, Pass};
use super::fault::{BuildFault, MintFault};
use super::permits::Permits;
use super::wire::Wire;
use super::{ChatToken, SignalWireSettings, trace};
use crate::limits::Admitted;
use crate::policy::Grant;

/// A request that asks for nothing.
const PROBE: &[u8] = b"{}";
/// The shortest pause before the second try; up to twice as long, at random, so that not all come back at once.
const PAUSE: Duration = Duration::from_millis(100);
/// A call for which less than this would be left, after a queue or a first try, is not begun.
const LEAST_TIME: Duration = Duration::from_millis(250);

/// A client of one SignalWire project. `Debug` shows no credential.
pub struct Client {
    wire: Wire,
    permits: Permits,
    circuit: Circuit,
    timeout: Duration,
}

/// A token as SignalWire minted it.
#[derive(Debug)]
pub struct Minted {
    /// The token.
    pub token: ChatToken,
    /// 200 or 201.
    pub status: u16,
    /// How long after it was asked for the request that gave it was sent: after a queue, or a first try that failed.
    pub sent_after: Duration,
}

/// One call to SignalWire, as it ended.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// [`MintFault::kind`], or nothing where it gave a token.
    pub failed: Option<&'static str>,
    /// From sending it to its end.
    pub took: Duration,
}

/// How much there is to do just now.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Calls that are under way.
    pub in_flight: usize,
    /// Requests that wait until one of them has ended.
    pub queued: usize,
    /// Whether SignalWire is asked at all.
    pub circuit: CircuitState,
}

/// A try that gave no token.
struct Failed {
    fault: MintFault,
    /// Whether another one makes sense: not after the one that was to find out.
    is_last: bool,
    /// Whether it says anything of SignalWire: not where nothing was sent, nor where no time was left for an answer.
    is_telling: bool,
}

impl Failed {
    /// How long to wait until another try, where one makes sense and leaves SignalWire time for an answer.
    fn pause(&self, deadline: Instant) -> Option<Duration> {
        let least = self.fault.second_try().filter(|_| !self.is_last)?;
        let pause = least.saturating_add(PAUSE.mul_f64(rand::rng().random_range(1.0..2.0)));
        let left = deadline.saturating_duration_since(Instant::now());
        (pause.saturating_add(LEAST_TIME) <= left).then_some(pause)
    }
}

impl Client {
    /// A client with its own connection pool; connects to nothing yet.
    ///
    /// # Errors
    /// Where the CA file, the credentials or the machine's certificates are of no use.
    pub fn new(settings: &SignalWireSettings) -> Result<Self, BuildFault> {
        Ok(Self {
            wire: Wire::new(settings)?,
            permits: Permits::new(settings.max_in_flight, settings.max_wait),
            circuit: Circuit::new(Instant::now()),
            timeout: settings.timeout,
        })
    }

    /// Has SignalWire mint a token with exactly the terms of `grant`, before `deadline`. `seen` is told of each call.
    ///
    /// What can help is tried once more, after a short pause or what SignalWire's `Retry-After` says, where the deadline
    /// lets it: where SignalWire could not be reached, was failing, or was limiting our rate and said for how long.
    ///
    /// # Errors
    /// By what it means: unreachable, failing, limiting us, too slow, refusing us, nonsense; or not asked, for want of a
    /// place or because it kept failing.
    pub async fn mint(
        &self,
        grant: &Grant,
        admitted: &Admitted,
        deadline: Instant,
        seen: impl Fn(Call),
    ) -> Result<Minted, MintFault> {
        // INVARIANT: nothing is minted for a member who was not admitted.
        if grant.terms().member_id != *admitted.member() {
            return Err(MintFault::OtherMember);
        }
        let body =
            serde_json::to_vec(grant.terms()).map_err(|_| MintFault::Nonsense("a request of ours is no JSON"))?;
        let (asked, body) = (Instant::now(), Bytes::from(body));
        let mut result = self.attempt(&body, asked, deadline, &seen).await;
        let mut failed_before = 0;
        if let Err(failed) = &result
            && let Some(pause) = failed.pause(deadline)
        {
            failed_before = u32::from(failed.is_telling);
            tokio::time::sleep(pause).await;
            result = self.attempt(&body, asked, deadline, &seen).await;
        }
        self.record(&result, failed_before);
        result.map_err(|failed| failed.fault)
    }

    /// Asks whether the credentials and their scope are accepted. It mints nothing: an empty request is a 422 to whoever
    /// may ask at all.
    ///
    /// # Errors
    /// As [`Client::mint`]; a 422 is the answer that is hoped for.
    pub async fn probe(&self) -> Result<(), MintFault> {
        let answer = tokio::time::timeout(self.timeout, self.wire.post(Bytes::from_static(PROBE), &Span::none())).await;
        match answer.unwrap_or(Err(MintFault::Timeout)) {
            Err(MintFault::Refused(_)) => Ok(()),
            Err(fault) => Err(fault),
            Ok(_) => Err(MintFault::Nonsense("it took a request that asks for nothing")),
        }
    }

    /// Says whether this process has no time left: while that is so, a request may wait twice as long for a call.
    pub fn set_saturated(&self, is_saturated: bool) {
        self.permits.set_saturated(is_saturated);
    }

    /// How much there is to do just now.
    #[must_use]
    pub fn load(&self) -> Load {
        Load { in_flight: self.permits.in_use(), queued: self.permits.queued(), circuit: self.circuit.state() }
    }

    /// The files that it was made of: the setting that names each, and its path.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, PathBuf)> {
        self.wire.files()
    }

    /// Reads what this setting names again, for the calls that begin from now on. What is of no use leaves what was.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn reread(&self, setting: &str) -> Result<(), BuildFault> {
        self.wire.reread(setting)
    }

    /// One try. It has a place while it is on the wire, and none while it waits for another try.
    async fn attempt(
        &self,
        body: &Bytes,
        asked: Instant,
        deadline: Instant,
        seen: &impl Fn(Call),
    ) -> Result<Minted, Failed> {
        let unsent = |fault| Failed { fault, is_last: true, is_telling: false };
        let refused = |left| unsent(MintFault::circuit_open(left));
        // Nobody queues before a closed door.
        self.circuit.refuses(Instant::now()).map_or(Ok(()), |left| Err(refused(left)))?;
        let latest = deadline.checked_sub(LEAST_TIME).unwrap_or(deadline);
        let _permit = self.permits.acquire(latest).await.map_err(|_| unsent(MintFault::Overloaded))?;
        // The circuit may have opened while the request waited.
        let pass = self.circuit.enter(Instant::now()).map_err(refused)?;

        let span = trace::call(self.wire.address());
        let begun = Instant::now();
        let until = (begun + self.timeout).min(deadline);
        // Pinned, as what is around it would move it about.
        let answer = pin!(self.wire.post(body.clone(), &span));
        let answer = tokio::time::timeout_at(until.into(), answer.instrument(span.clone())).await;
        let answer = answer.unwrap_or(Err(MintFault::Timeout));
        trace::ended(&span, answer.as_ref().map(|(_, status)| *status));
        seen(Call { failed: answer.as_ref().err().map(MintFault::kind), took: begun.elapsed() });
        let is_last = matches!(pass, Pass::Probe(_));
        // A client that was slow to ask has left SignalWire no time, and that is no fault of SignalWire's.
        let had_time = until.saturating_duration_since(begun) >= self.timeout / 2;
        let is_telling = had_time || !matches!(answer, Err(MintFault::Timeout));
        // Dropped, it lets the next one find out.
        if let Pass::Probe(probe) = pass
            && is_telling
        {
            if answer.as_ref().is_err_and(MintFault::counts) {
                probe.failed(Instant::now());
            } else {
                probe.succeeded();
                tracing::info!("SignalWire answers again: every request is sent on");
            }
        }
        let minted = |(token, status)| Minted { token, status, sent_after: begun - asked };
        answer.map(minted).map_err(|fault| Failed { fault, is_last, is_telling })
    }

    /// What became of a request, for the circuit. A first try that failed and a second that did not are one success: a
    /// connection that was closed at the wrong moment, and nobody has lost anything by it.
    fn record(&self, result: &Result<Minted, Failed>, failed_before: u32) {
        let (calls, failed) = match result {
            Ok(_) => (1, 0),
            Err(Failed { is_telling: false, .. }) => (failed_before, failed_before),
            Err(Failed { fault, .. }) => (failed_before + 1, failed_before + u32::from(fault.counts())),
        };
        if calls > 0 && self.circuit.record(Instant::now(), calls, failed) {
            tracing::error!(
                "SignalWire keeps failing: for some seconds it is not asked, then by one request at a time"
            );
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("tokens", &self.wire.address()).finish_non_exhaustive()
    }
}
