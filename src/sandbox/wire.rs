//! The socket side: connections that can be cut, and bodies that come in pieces; must not know why.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::Request;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Interval;
use tower::ServiceExt as _;

use super::Response;

/// Marks a response that must not be sent: its connection is closed instead.
#[derive(Clone, Copy)]
pub(super) struct CutUnanswered;

pub(super) async fn serve(router: Router, listener: TcpListener, stop: impl Future<Output = ()>) -> io::Result<()> {
    let mut stop = pin!(stop);
    // Dropping the set at the end cuts what is still open.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return Ok(()),
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(router.clone(), stream));
            }
            // The one connection failed before it was accepted, not the listener.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

/// One connection, to its end. How it ends is the client's to see, so the result is not kept.
async fn connection(router: Router, stream: TcpStream) {
    // Without it a dripping body would be gathered into fewer packets.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(router.clone(), request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// hyper closes the connection without a word when this is an error.
async fn respond(router: Router, request: Request<Incoming>) -> Result<Response, io::Error> {
    let answered: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
    let Ok(response) = answered;
    if response.extensions().get::<CutUnanswered>().is_some() {
        return Err(io::Error::other("cut on demand"));
    }
    Ok(response)
}

/// A body in pieces, of a length that is not announced.
pub(super) struct Pieces {
    left: VecDeque<Bytes>,
    pace: Option<Interval>,
}

impl Pieces {
    pub(super) fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self { left: pieces.into_iter().collect(), pace: None }
    }

    /// The first piece at once, each other, and the end, this much after the one before.
    pub(super) fn every(mut self, pause: Duration) -> Self {
        // An interval of nothing panics.
        self.pace = Some(tokio::time::interval(pause.max(Duration::from_millis(1))));
        self
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_tick(context));
        }
        Poll::Ready(self.left.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}
