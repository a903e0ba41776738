//! One WebSocket from its opening to its end: frames in, answers and pushes out, and when to end it. Must not know what
//! the methods do.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Relay;
use super::calls::{Call, Channels};
use super::outbox::{Outbox, Waiting, outbox};
use super::rpc::{self, Frame, Id, REQUEST, Refusal, TOKEN};
use super::seat::Seat;

/// How long a connection may be without a token, in the sandbox's seconds.
const UNKNOWN_FOR: u64 = 10;
/// How long a connection stays whose token has ended, in the sandbox's seconds: what it asks for is refused meanwhile.
const ENDED_FOR: u64 = 5;
/// How often the clock is looked at, which tests can move.
const LOOK: Duration = Duration::from_millis(250);
/// How long the other side may take nothing of a frame.
const UNREAD_FOR: Duration = Duration::from_secs(10);
/// How long a farewell is waited for, each part of it.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a close is waited for otherwise: a page that nobody looks at is slow.
const CLOSE: Duration = Duration::from_secs(5);
/// How often the other side is asked for a sign of life (RFC 6455 §5.5.2), and how many may be missed.
const PING: Duration = Duration::from_secs(30);
const MISSED: u32 = 3;

/// Where a connection is.
enum Standing {
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

pub(super) struct Connection {
    socket: WebSocket,
    relay: Arc<Relay>,
    standing: Standing,
    outbox: Outbox,
    heard: Instant,
}

/// Why a connection ends.
enum End {
    /// The other side has closed it, or is gone.
    Gone,
    /// The reason, to be told.
    Close(u16, &'static str),
    /// The sandbox stops.
    Stop,
}

impl Connection {
    pub(super) async fn serve(socket: WebSocket, relay: Arc<Relay>, stopping: CancellationToken) {
        let (outbox, mut waiting) = outbox();
        let standing = Standing::Unknown { until: relay.now().saturating_add(UNKNOWN_FOR) };
        let mut connection = Self { socket, relay, standing, outbox, heard: Instant::now() };
        let end = tokio::select! {
            end = connection.run(&mut waiting) => end,
            () = stopping.cancelled() => End::Stop,
        };
        // Nobody waits for what this member still had to say.
        connection.standing = Standing::Ended { until: 0 };
        match end {
            End::Gone => {}
            End::Close(code, reason) => connection.close(code, reason, CLOSE).await,
            End::Stop => connection.farewell().await,
        }
    }

    async fn run(&mut self, waiting: &mut Waiting) -> End {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut pings = interval_at(Instant::now() + PING, PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let overflown = waiting.overflown.clone();
        loop {
            let doing = async {
                tokio::select! {
                    biased;
                    _ = looks.tick() => self.look(),
                    _ = pings.tick() => self.ping().await,
                    // What was pushed before a request came goes out before its answer.
                    frame = waiting.next() => self.send(Message::Text(frame)).await,
                    received = self.socket.recv() => self.receive(received).await,
                }
            };
            let did = tokio::select! {
                did = doing => did,
                () = overflown.cancelled() => Err(End::Close(close_code::POLICY, "what was pushed was not read")),
            };
            if let Err(end) = did {
                return end;
            }
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(UNREAD_FOR, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > PING * MISSED {
            return Err(End::Gone);
        }
        self.send(Message::Ping(Bytes::new())).await
    }

    /// What the time does to the connection.
    fn look(&mut self) -> Result<(), End> {
        let now = self.relay.now();
        match &self.standing {
            Standing::Unknown { until } if now >= *until => {
                Err(End::Close(close_code::POLICY, "no good token in time: send signalwire.connect"))
            }
            Standing::Ended { until } if now >= *until => Err(End::Close(close_code::POLICY, "the token has ended")),
            Standing::Seated(seat) if now >= seat.ends() => {
                self.standing = Standing::Ended { until: seat.ends().saturating_add(ENDED_FOR) };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn receive(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        match received {
            Some(Ok(Message::Text(text))) => {
                self.look()?;
                match self.take(&text) {
                    Some(answer) => self.send(Message::Text(answer.into())).await,
                    None => Ok(()),
                }
            }
            Some(Ok(Message::Binary(_))) => {
                let refusal = Refusal::new(REQUEST, "binary frames are not taken: send JSON as text");
                self.send(Message::Text(rpc::failed(None, &refusal).into())).await
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(End::Gone),
            Some(Err(error)) => Err(fault(&error)),
        }
    }

    /// The answer to a frame, if there is one.
    fn take(&mut self, text: &str) -> Option<String> {
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
        match (&mut self.standing, call) {
            (Standing::Ended { .. }, _) => {
                Err(Refusal::new(TOKEN, "the token of this connection has ended: connect anew with another"))
            }
            (Standing::Unknown { .. }, Call::Connect(authentication)) => {
                let pass = self.relay.pass(&authentication)?;
                let (hub, clock) = (Arc::clone(&self.relay.hub), self.relay.clock);
                let seat = Seat::take(hub, clock, pass, self.outbox.clone());
                let answer = rpc::answer(id, seat.connected());
                self.standing = Standing::Seated(seat);
                Ok(answer)
            }
            (Standing::Unknown { .. }, _) => {
                Err(Refusal::new(TOKEN, "no token yet: send signalwire.connect before anything else"))
            }
            (Standing::Seated(_), Call::Connect(_)) => {
                Err(Refusal::new(REQUEST, "already connected: another token is sent by signalwire.reauthenticate"))
            }
            (Standing::Seated(seat), Call::Reauthenticate(authentication)) => {
                seat.renew(self.relay.pass(&authentication)?)?;
                Ok(rpc::answer(id, seat.connected()))
            }
            (Standing::Seated(seat), call) => asked(seat, id, call),
        }
    }

    /// As the SDK is told that the server goes away: it keeps back what it has to ask until it is connected again.
    async fn farewell(&mut self) {
        let id = Uuid::new_v4().to_string();
        let until = Instant::now() + FAREWELL;
        let frame = rpc::request(&id, "signalwire.disconnect", super::seat::Nothing {});
        let told = timeout_at(until, self.socket.send(Message::Text(frame.into()))).await;
        if !matches!(told, Ok(Ok(()))) {
            return;
        }
        // A browser complains where a page sends after the close, so its answer is waited for.
        let answered = async {
            let quoted = format!("\"{id}\"");
            while let Some(Ok(message)) = self.socket.recv().await {
                let Message::Text(text) = message else { continue };
                if matches!(rpc::read(&text), Ok(Frame::Response { id: Some(id) }) if id.get() == quoted) {
                    return;
                }
            }
        };
        let _ = timeout_at(until, answered).await;
        self.close(close_code::AWAY, "the sandbox stops", FAREWELL).await;
    }

    /// Closes (RFC 6455 §7) and reads away what still comes, so that the reason is not lost.
    async fn close(&mut self, code: u16, reason: &'static str, wait: Duration) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let closing = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        let _ = timeout(wait, closing).await;
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
        Call::Connect(_) | Call::Reauthenticate(_) | Call::Ping(_) => rpc::answer(id, super::seat::Nothing {}),
    })
}

/// A frame that breaks the rules of WebSocket, or is too large.
fn fault(error: &axum::Error) -> End {
    let text = error.to_string();
    if text.contains("too long") || text.contains("too large") || text.contains("too big") {
        return End::Close(close_code::SIZE, "a frame has at most 1 MiB");
    }
    if text.contains("UTF-8") {
        return End::Close(close_code::INVALID, "text is UTF-8");
    }
    End::Close(close_code::PROTOCOL, "the frame is not valid")
}
