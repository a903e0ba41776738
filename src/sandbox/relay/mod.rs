//! The WebSocket side of SignalWire Chat, as far as `@signalwire/js` uses it, so that the unmodified SDK chats with a token of
//! the sandbox's. Must not know anything of this crate but the sandbox.
//!
//! ```text
//! a GET to upgrade ─▶ here: Host, Origin, a place ─▶ connection.rs: frames, pings, farewell
//!                                                      │ text          ▲ answers        ▲ pushes
//!                                                    standing.rs: rpc.rs, calls.rs     outbox.rs
//!                                                      ▼ a typed Call  │                │
//!                                  rights.rs: Pass ─▶ seat.rs: may it? do it ─▶ hub.rs ─▶ rooms.rs, history.rs
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
mod rooms;
mod rpc;
mod seat;
mod standing;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::calls::Authentication;
use self::connection::Connection;
use self::hub::Hub;
use self::rights::Pass;
use self::rpc::{Refusal, TOKEN};
use super::token::Mint;
use super::{Response, json_response};

/// The most connections at once; the next is refused with a 503.
const MAX_CONNECTIONS: usize = 256;
/// The largest frame that is read, in bytes; a larger one closes the connection.
const MAX_FRAME: usize = 1024 * 1024;
/// How long connections may take to end when the sandbox stops, in all.
const STOP: Duration = Duration::from_secs(3);

/// All that connections share.
pub(super) struct Relay {
    hub: Arc<Hub>,
    mint: Arc<Mint>,
    project_id: String,
    clock: fn() -> u64,
    places: Arc<Semaphore>,
}

impl Relay {
    pub(super) fn new(project_id: String, mint: Arc<Mint>, clock: fn() -> u64) -> Self {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { hub: Arc::default(), mint, project_id, clock, places }
    }

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

    /// Takes a connection over; refuses it where it comes from a page that is not this machine's.
    pub(super) fn upgrade(
        self: Arc<Self>,
        headers: &HeaderMap,
        upgrade: WebSocketUpgrade,
        doors: &Doors,
        is_for_this_machine: bool,
    ) -> Response {
        if is_for_this_machine && !is_from_this_machine(headers) {
            let error =
                "the relay answers pages of http://localhost, http://127.0.0.1 and http://[::1] alone, on any port";
            return json_response(StatusCode::FORBIDDEN, &json!({"error": error}));
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let error = format!("the sandbox has {MAX_CONNECTIONS} connections, which is as many as it takes");
            return json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": error}));
        };
        let (stopping, counted) = (doors.stopping.clone(), doors.connections.token());
        upgrade.max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME).on_upgrade(async move |socket| {
            let _held = (place, counted);
            Connection::serve(socket, self, stopping).await;
        })
    }
}

/// Whether the page, if it is a page that asks, is one of this machine. `null` is not: every page of the web can have that
/// origin, in a frame of its own.
fn is_from_this_machine(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        // A program.
        (None, _) => return true,
        (Some(origin), None) => origin.to_str().unwrap_or_default(),
        _ => return false,
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    origin.strip_prefix("http://").is_some_and(|authority| {
        ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| {
            let rest = authority.strip_prefix(host);
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
        })
    })
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
