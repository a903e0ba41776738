//! One WebSocket from its opening to its end: frames in, answers and pushes out, and when to end it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, interval_at, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::rpc::{self, Frame, REQUEST, Refusal};
use super::standing::{Shared, Standing};

/// How often the time is looked at, by the clock which tests can move too.
const LOOK: Duration = Duration::from_millis(250);
/// How long it may take until the other side has taken a frame.
const UNREAD_FOR: Duration = Duration::from_secs(10);
/// How long a farewell is waited for, each part of it.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a close is waited for otherwise: a page that nobody looks at is slow.
const CLOSE: Duration = Duration::from_secs(5);
/// How often the other side is asked for a sign of life (RFC 6455 §5.5.2).
const PING: Duration = Duration::from_secs(30);
/// How long it may give none.
const SILENT_FOR: Duration = Duration::from_secs(90);

pub(super) struct Connection {
    socket: WebSocket,
    standing: Standing,
    looks: Interval,
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
    pub(super) async fn serve(socket: WebSocket, shared: Arc<Shared>, stopping: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut connection = Self { socket, standing: Standing::new(shared), looks, heard: Instant::now() };
        let end = tokio::select! {
            end = connection.run() => end,
            () = stopping.cancelled() => End::Stop,
        };
        connection.standing.leave();
        match end {
            End::Gone => {}
            End::Close(code, reason) => connection.close(code, reason, CLOSE).await,
            End::Stop => connection.farewell().await,
        }
    }

    async fn run(&mut self) -> End {
        let mut pings = interval_at(Instant::now() + PING, PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let overflown = self.standing.overflown();
        loop {
            let doing = async {
                // Each time, so that nothing which was pushed is sent after the token's end.
                self.look()?;
                tokio::select! {
                    biased;
                    _ = self.looks.tick() => Ok(()),
                    _ = pings.tick() => self.send(Message::Ping(Bytes::new())).await,
                    // What was pushed before a request came goes out before its answer.
                    frame = self.standing.pushed() => self.send(Message::Text(frame)).await,
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

    /// What the time does to the connection.
    fn look(&mut self) -> Result<(), End> {
        if self.heard.elapsed() >= SILENT_FOR {
            return Err(End::Gone);
        }
        looked(&mut self.standing)
    }

    /// Sends. The time goes on meanwhile: who does not read is in its channels no longer than its token says.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        let Self { socket, standing, looks, .. } = self;
        let mut sending = pin!(timeout(UNREAD_FOR, socket.send(message)));
        loop {
            tokio::select! {
                biased;
                sent = &mut sending => return if matches!(sent, Ok(Ok(()))) { Ok(()) } else { Err(End::Gone) },
                _ = looks.tick() => looked(standing)?,
            }
        }
    }

    async fn receive(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        match received {
            Some(Ok(Message::Text(text))) => {
                self.look()?;
                match self.standing.take(&text) {
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
            Some(Err(error)) => Err(fault(error)),
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

fn looked(standing: &mut Standing) -> Result<(), End> {
    standing.look().map_err(|reason| End::Close(close_code::POLICY, reason))
}

/// A frame that breaks the rules of WebSocket, or is too large.
fn fault(error: axum::Error) -> End {
    match error.into_inner().downcast_ref() {
        Some(tungstenite::Error::Capacity(_)) => End::Close(close_code::SIZE, "a frame has at most 1 MiB"),
        Some(tungstenite::Error::Utf8(_)) => End::Close(close_code::INVALID, "text is UTF-8"),
        _ => End::Close(close_code::PROTOCOL, "the frame is not valid"),
    }
}
