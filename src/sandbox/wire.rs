//! HTTP on a socket: connections that can be cut, bodies that come in pieces, responses, and where a
//! request comes from.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Interval;
use tower::ServiceExt as _;

pub(super) type Response = http::Response<Body>;

/// Marks a response that must not be sent: its connection is closed instead.
#[derive(Clone, Copy)]
pub(super) struct CutUnanswered;

/// The most connections at once, beside those that the relay has taken over; the next one waits to be accepted.
const MAX_CONNECTIONS: usize = 1_024;
/// How long a connection may have no request, or a part of a head. hyper counts both as one, so it is more than what
/// clients keep an idle connection for (reqwest: 90 s): none is closed under a request.
pub(super) const IDLE_FOR: Duration = Duration::from_secs(100);
/// How long to wait when no more connections can be accepted (`EMFILE` and its like).
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves until `stop` is done, whatever cannot be accepted meanwhile.
pub(super) async fn serve(router: Router, listener: TcpListener, idle_for: Duration, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    // Dropping the set at the end cuts what is still open.
    let mut connections = JoinSet::new();
    let mut was_refused = false;
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                was_refused = false;
                connections.spawn(connection(router.clone(), stream, idle_for));
            }
            // The one connection failed before it was accepted, not the listener.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !std::mem::replace(&mut was_refused, true) {
                    tracing::warn!("the sandbox cannot accept connections for now: {error}");
                }
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// One connection, to its end. How it ends is the client's to see, so the result is not kept.
async fn connection(router: Router, stream: TcpStream, idle_for: Duration) {
    // Without it a dripping body would be gathered into fewer packets.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(router.clone(), request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(idle_for);
    let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
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

/// The names of this machine that pages and programs on it use.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// A header that must be there at most once, and must be visible ASCII: another value is empty.
///
/// Returns `None` if the request has no header of this name.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    Some(if values.next().is_none() { value.to_str().unwrap_or_default() } else { "" })
}

/// Whether the request's `Host` names this machine, with any port.
pub(super) fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let host = only(headers, header::HOST).unwrap_or_default();
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    LOOPBACK_HOSTS.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Whether the request comes from a program, or from a page of this machine. The origin `null` is
/// neither: any page of the web can have it, in a frame.
pub(super) fn is_from_this_machine(headers: &HeaderMap) -> bool {
    let Some(origin) = only(headers, header::ORIGIN) else { return true };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    origin.strip_prefix("http://").is_some_and(|authority| {
        LOOPBACK_HOSTS.iter().any(|host| {
            let rest = authority.strip_prefix(host);
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
        })
    })
}

pub(super) fn json_response(status: StatusCode, body: &Value) -> Response {
    text_response(status, "application/json; charset=utf-8", body.to_string())
}

pub(super) fn text_response(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Here, as nobody outside can wait for the real time.
    #[tokio::test]
    async fn a_connection_without_a_whole_request_ends_when_its_time_is_up() {
        const IDLE_FOR: Duration = Duration::from_millis(300);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "here"));
        let serving = tokio::spawn(serve(router, listener, IDLE_FOR, std::future::pending()));
        for (said, answers) in [("", 0), ("GET / HTTP/1.1\r\nHost: x\r\n", 0), ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1)]
        {
            let begun = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            let mut all = String::new();
            let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut all)).await;
            ended.expect("it is held for ever").unwrap();
            assert!(begun.elapsed() >= IDLE_FOR, "{said:?}: after {:?}", begun.elapsed());
            assert_eq!(all.matches("HTTP/1.1 200 OK").count(), answers, "{said:?}: {all}");
        }
        serving.abort();
    }
}
