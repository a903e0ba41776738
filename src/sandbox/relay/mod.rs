//! The WebSocket side of SignalWire Chat, as far as `@signalwire/js` uses it, so that the unmodified SDK chats with a token of
//! the sandbox's.
//!
//! ```text
//! a GET to upgrade ─▶ here: Host, Origin, a place ─▶ connection.rs: frames, pings, farewell
//!                                                      │ text          ▲ answers        ▲ pushes
//!                                                    standing.rs: rpc.rs, calls.rs     outbox.rs
//!                                                      ▼ a typed Call  │                │
//!                                  rights.rs: Pass ─▶ seat.rs: may it? do it ─▶ hub.rs ─▶ history.rs
//! ```
//!
//! What SignalWire does not publish is decided in these places, and told in `docs/sandbox.md`: rights of members and states
//! (`rights.rs`), pages of the history (`history.rs`), what becomes of a connection whose token ends (`standing.rs`).

mod calls;
mod connection;
mod events;
mod history;
mod hub;
mod outbox;
mod rights;
mod rpc;
mod seat;
mod standing;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::connection::Connection;
use self::standing::Shared;
use super::token::Mint;
use super::wire::{self, Response, json_response};

/// The most connections at once; the next is refused with a 503.
const MAX_CONNECTIONS: usize = 256;
/// The largest frame that is read, in bytes; a larger one closes the connection.
const MAX_FRAME: usize = 1024 * 1024;
/// How long connections may take to end when the sandbox stops, in all.
const STOP: Duration = Duration::from_secs(3);

/// The relay of one sandbox.
pub(super) struct Relay {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

impl Relay {
    pub(super) fn new(project_id: String, mint: Arc<Mint>, clock: fn() -> u64) -> Self {
        let shared = Arc::new(Shared { hub: Arc::default(), mint, project_id, clock });
        Self { shared, places: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }

    /// Takes a connection over; refuses it where it comes from a page that is not this machine's.
    pub(super) fn upgrade(
        &self,
        headers: &HeaderMap,
        upgrade: WebSocketUpgrade,
        doors: &Doors,
        is_for_this_machine: bool,
    ) -> Response {
        if is_for_this_machine && !wire::is_from_this_machine(headers) {
            let error =
                "the relay answers pages of http://localhost, http://127.0.0.1 and http://[::1] alone, on any port";
            return json_response(StatusCode::FORBIDDEN, &json!({"error": error}));
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let error = format!("the sandbox has {MAX_CONNECTIONS} connections, which is as many as it takes");
            return json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": error}));
        };
        let shared = Arc::clone(&self.shared);
        let (stopping, counted) = (doors.stopping.clone(), doors.connections.token());
        upgrade.max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME).on_upgrade(async move |socket| {
            let _held = (place, counted);
            Connection::serve(socket, shared, stopping).await;
        })
    }
}

/// The connections of one listener, which end with it.
#[derive(Clone, Default)]
pub(super) struct Doors {
    stopping: CancellationToken,
    connections: TaskTracker,
}

impl Doors {
    /// Where this is dropped the connections are told to go, waited for or not.
    pub(super) fn guard(&self) -> DropGuard {
        self.stopping.clone().drop_guard()
    }

    /// Ends the connections in good order, and waits for that a while.
    pub(super) async fn close(&self) {
        self.stopping.cancel();
        self.connections.close();
        let _ = tokio::time::timeout(STOP, self.connections.wait()).await;
    }
}

/// Where the SDK finds the relay of a sandbox that listens here, for a token's `ch`: a named address is that one; where it is
/// "all of them", the one that certainly reaches this machine from itself.
pub(super) fn address(listening: SocketAddr) -> String {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("ws://{}", SocketAddr::new(ip, listening.port()))
}
