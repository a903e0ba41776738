//! What a connection may: nothing without a token, then what its token says, and nothing again from the token's end on.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::super::token::Mint;
use super::calls::{Authentication, Call, Channels};
use super::hub::Hub;
use super::outbox::{Outbox, Waiting, outbox};
use super::rights::Pass;
use super::rpc::{self, Frame, Id, REQUEST, Refusal, TOKEN};
use super::seat::{Nothing, Seat};

/// How long a connection may be without a token, in the sandbox's seconds.
const UNKNOWN_FOR: u64 = 10;
/// How long a connection stays whose token has ended, in the sandbox's seconds: what it asks for is refused meanwhile.
const ENDED_FOR: u64 = 5;

/// What all connections of a relay share.
pub(super) struct Shared {
    pub(super) hub: Arc<Hub>,
    pub(super) mint: Arc<Mint>,
    pub(super) project_id: String,
    /// Returns the time in seconds since 1970.
    pub(super) clock: fn() -> u64,
}

impl Shared {
    fn now(&self) -> u64 {
        (self.clock)()
    }

    fn pass(&self, authentication: &Authentication) -> Result<Pass, Refusal> {
        let Authentication { jwt_token, project } = authentication;
        if project.as_ref().is_some_and(|project| *project != self.project_id) {
            return Err(Refusal::new(TOKEN, "the project is another than this sandbox's"));
        }
        Pass::of(jwt_token, &self.mint, self.now())
    }
}

/// Where a connection is, and what was pushed to it.
pub(super) struct Standing {
    shared: Arc<Shared>,
    stage: Stage,
    outbox: Outbox,
    waiting: Waiting,
}

enum Stage {
    /// No good token yet.
    Unknown {
        until: u64,
    },
    Seated(Seat),
    /// The token has ended, and so has everything that it allowed.
    Ended {
        until: u64,
    },
}

impl Standing {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (outbox, waiting) = outbox();
        let stage = Stage::Unknown { until: shared.now().saturating_add(UNKNOWN_FOR) };
        Self { shared, stage, outbox, waiting }
    }

    /// What the time does to it; the reason to close the connection, where it is up.
    pub(super) fn look(&mut self) -> Result<(), &'static str> {
        let now = self.shared.now();
        match &self.stage {
            Stage::Unknown { until } if now >= *until => Err("no good token in time: send signalwire.connect"),
            Stage::Ended { until } if now >= *until => Err("the token has ended"),
            Stage::Seated(seat) if now >= seat.ends() => {
                self.end(seat.ends().saturating_add(ENDED_FOR));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The connection ends, or is about to: nobody waits for what its member still had to say or to hear.
    pub(super) fn leave(&mut self) {
        self.end(0);
    }

    fn end(&mut self, until: u64) {
        // The seat is left by this, so that nothing more is pushed.
        self.stage = Stage::Ended { until };
        self.waiting.clear();
    }

    /// The next frame that was pushed.
    pub(super) async fn pushed(&mut self) -> Utf8Bytes {
        self.waiting.next().await
    }

    /// Done once something that was pushed did not fit.
    pub(super) fn overflown(&self) -> CancellationToken {
        self.waiting.overflown.clone()
    }

    /// The answer to a frame, if there is one.
    pub(super) fn take(&mut self, text: &str) -> Option<String> {
        let (id, answered) = match rpc::read(text) {
            Ok(Frame::Request { id, method, params }) => {
                let answered = Call::read(&method, params).and_then(|call| self.answer(&id, call));
                (Some(id), answered)
            }
            Ok(Frame::Response { .. }) => return None,
            Err((id, refusal)) => (id, Err(refusal)),
        };
        Some(answered.unwrap_or_else(|refusal| rpc::failed(id.as_ref(), &refusal)))
    }

    fn answer(&mut self, id: &Id, call: Call) -> Result<String, Refusal> {
        if let Call::Ping(ping) = call {
            return Ok(rpc::answer(id, ping));
        }
        match (&mut self.stage, call) {
            (Stage::Ended { .. }, _) => {
                Err(Refusal::new(TOKEN, "the token of this connection has ended: connect anew with another"))
            }
            (Stage::Unknown { .. }, Call::Connect(authentication)) => {
                let pass = self.shared.pass(&authentication)?;
                let (hub, clock) = (Arc::clone(&self.shared.hub), self.shared.clock);
                let seat = Seat::take(hub, clock, pass, self.outbox.clone());
                let answer = rpc::answer(id, seat.connected());
                self.stage = Stage::Seated(seat);
                Ok(answer)
            }
            (Stage::Unknown { .. }, _) => {
                Err(Refusal::new(TOKEN, "no token yet: send signalwire.connect before anything else"))
            }
            (Stage::Seated(_), Call::Connect(_)) => {
                Err(Refusal::new(REQUEST, "already connected: another token is sent by signalwire.reauthenticate"))
            }
            (Stage::Seated(seat), Call::Reauthenticate(authentication)) => {
                seat.renew(self.shared.pass(&authentication)?)?;
                Ok(rpc::answer(id, seat.connected()))
            }
            (Stage::Seated(seat), call) => asked(seat, id, call),
        }
    }
}

fn asked(seat: &Seat, id: &Id, call: Call) -> Result<String, Refusal> {
    Ok(match call {
        Call::Subscribe(asked) => rpc::answer(id, seat.subscribe(&asked)?),
        Call::Unsubscribe(Channels { channels }) => rpc::answer(id, seat.unsubscribe(&channels)),
        Call::Publish(asked) => rpc::answer(id, seat.publish(asked)?),
        Call::Messages(asked) => rpc::answer(id, seat.messages(&asked)?),
        Call::Members(asked) => rpc::answer(id, seat.members(&asked)?),
        Call::GetState(asked) => rpc::answer(id, seat.state(&asked)?),
        Call::SetState(asked) => rpc::answer(id, seat.set_state(&asked)?),
        // Those are answered before.
        Call::Connect(_) | Call::Reauthenticate(_) | Call::Ping(_) => rpc::answer(id, Nothing {}),
    })
}
