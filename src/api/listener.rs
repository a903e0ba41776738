//! Connections: accepted, served as HTTP/1, drained. `axum::serve` has no time-outs, so this is our own loop on hyper.
//! Must not know what is served.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long a connection may be without a whole head: idle, silent, or slow.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// The largest head.
const MAX_HEAD: usize = 32 * 1024;
/// How long to wait when no more connections can be accepted (`EMFILE`).
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves until `stop`, then takes no new connection, closes idle ones and finishes what is in flight, for at most `grace`.
///
/// Returns whether everything was finished in time.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>, grace: Duration) -> bool {
    let connections = TaskTracker::new();
    let draining = CancellationToken::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(serve_connection(stream, peer, router.clone(), draining.clone()));
            }
            Err(error) => refused(&error).await,
        }
    }
    drop(listener);
    draining.cancel();
    connections.close();
    tokio::time::timeout(grace, connections.wait()).await.is_ok()
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, router: Router, draining: CancellationToken) {
    // Answers are small and waited for; a socket that will not have it is served all the same.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, "a connection ended early: {error}");
    }
}

async fn refused(error: &io::Error) {
    tracing::warn!("a connection could not be accepted: {error}");
    tokio::time::sleep(BACK_OFF).await;
}
