//! Connections: accepted, bounded in number and time, served as HTTP/1, drained. Used for the public and the operator's
//! listener alike; must not know anything of ours, nor what is served.
//!
//! `axum::serve` has no time-outs at all, and hyper's one time-out for a head counts the idle time before it. So this is a
//! loop of our own on hyper, with a stream that knows where its connection is (`phase.rs`).
//!
//! ```text
//! phase.rs   where a connection is, and how long it may stay there
//! tls.rs     certificate and key, and the handshake
//! unread.rs  what was not read of a body
//! ```

mod phase;
mod tls;
mod unread;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt};

use self::phase::{Answering, Phase, TimedStream};
use self::unread::{Rest, is_expected};

pub use tls::{Identity, Tls, Unfit, Validity};

/// The largest head, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// How long to wait when no more connections can be accepted (`EMFILE` and its like).
const BACK_OFF: Duration = Duration::from_millis(100);

/// What a listener's connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// From a head's first byte (of the first head: from connecting) to its end.
    pub header_timeout: Duration,
    /// How long a connection without a request is kept.
    pub keep_alive: Duration,
    /// How many there are at once; the next one waits to be accepted.
    pub max_connections: usize,
}

impl Default for ConnectionSettings {
    /// 5 s, 75 s (above what proxies use) and 10,000.
    fn default() -> Self {
        Self { header_timeout: Duration::from_secs(5), keep_alive: Duration::from_secs(75), max_connections: 10_000 }
    }
}

/// Serves until `draining`, then takes no new connection, closes those without a request, and ends when what is in flight
/// is answered. Dropped before that, it cuts what is left. Where there is `tls`, a connection begins with its handshake,
/// which is a part of its first head's time.
///
/// `connections` tells how many there are. Each request has the peer's [`SocketAddr`] among its extensions.
pub async fn serve<S>(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    service: S,
    settings: ConnectionSettings,
    draining: CancellationToken,
    connections: TaskTracker,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let kill = CancellationToken::new();
    let _kill_when_dropped = kill.clone().drop_guard();
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let mut was_refused = false;
    loop {
        // A place is taken before a connection is accepted: one too many waits in the kernel's queue.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, peer)| (stream, peer, place))
        };
        let accepted = tokio::select! {
            biased;
            () = draining.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                was_refused = false;
                let (draining, kill) = (draining.clone(), kill.clone());
                let connection = Connection { peer, settings, draining, kill, place };
                connections.spawn(connection.serve(stream, tls.clone(), service.clone()));
            }
            // The one connection was gone before it was accepted.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut was_refused, true) {
                    tracing::warn!("connections cannot be accepted for now: {error}");
                }
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Binds an address.
///
/// # Errors
/// Why not, for the one who chose it.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("{address} cannot be listened on: {error}"))
}

/// Binds this port on loopback if it is free, else any.
///
/// # Errors
/// As [`bind`].
pub async fn bind_near(port: u16) -> Result<TcpListener, String> {
    match bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
        Ok(listener) => Ok(listener),
        Err(_) => bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await,
    }
}

/// Where to ask a listener on this machine: what listens on every address listens on loopback too.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    let kinds = [ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable];
    kinds.contains(&error.kind())
}

struct Connection {
    peer: SocketAddr,
    settings: ConnectionSettings,
    draining: CancellationToken,
    kill: CancellationToken,
    place: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve<S>(self, stream: TcpStream, tls: Option<Arc<Tls>>, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
    {
        // Answers are small and waited for; a socket that will not have it is served all the same.
        let _ = stream.set_nodelay(true);
        let phase = Phase::default();
        let stream = TimedStream::new(stream, phase.clone(), self.settings.header_timeout, self.settings.keep_alive);
        let Some(tls) = tls else {
            return self.answer(stream, phase, service).await;
        };
        // The stream would give the other side `keep_alive` to take what we say.
        let handshake = timeout(self.settings.header_timeout, tls.accept(stream));
        // There is no request yet, so none is waited for.
        let shaken = tokio::select! {
            biased;
            shaken = handshake => shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            () = self.kill.cancelled() => return,
            () = self.draining.cancelled() => return,
        };
        match shaken {
            Ok(stream) => self.answer(stream, phase, service).await,
            Err(error) => tracing::debug!(peer = %self.peer, "a TLS handshake failed: {error}"),
        }
    }

    /// Serves what is asked on a stream whose own time-outs know the phase.
    async fn answer<T, S>(self, stream: T, phase: Phase, service: S)
    where
        T: AsyncRead + AsyncWrite + Unpin,
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
    {
        let Self { peer, settings, draining, kill, place: _place } = self;
        // One for all: a connection has one request at a time.
        let rest = Rest::default();
        let service = service_fn(|mut request: Request<Incoming>| {
            phase.enter_busy();
            request.extensions_mut().insert(peer);
            let (service, phase, rest) = (service.clone(), phase.clone(), rest.clone());
            async move {
                let is_expected = is_expected(request.headers());
                let request = request.map(|body| Body::new(rest.lend(body)));
                let mut response = service.oneshot(request).await?;
                if !rest.is_read_away(is_expected).await {
                    // RFC 9112 §9.3: what comes after this answer would be taken for the next request.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    phase.leave_unread();
                }
                Ok::<_, Infallible>(response.map(|body| Answering::new(body, phase)))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            // The stream is stricter. But without any time-out here hyper does not read after an answer until something
            // comes, and the stream would not be asked how long yet.
            .header_read_timeout(settings.keep_alive.saturating_add(settings.header_timeout))
            .max_header_size(MAX_HEAD)
            .max_buf_size(2 * MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = kill.cancelled() => return,
            () = draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = kill.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, "a connection ended early: {error}");
        }
    }
}
