//! A request's body that nobody wanted to the end: what is left of it is read away, if it is little and there at once, so
//! that the connection can be used again. Must not know what a body holds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// How long a rest is waited for.
const WAIT: Duration = Duration::from_millis(100);
/// The largest rest that is read away, in bytes.
const MAX_REST: u64 = 256 * 1024;

/// Where the rest of a body is left.
#[derive(Clone, Default)]
pub(super) struct Rest(Arc<Mutex<Option<Incoming>>>);

/// A body on loan: what its reader does not read is left behind.
pub(super) struct Lent {
    body: Option<Incoming>,
    rest: Rest,
}

impl Rest {
    pub(super) fn lend(&self, body: Incoming) -> Lent {
        Lent { body: Some(body), rest: self.clone() }
    }

    /// Reads away what was left, if that is soon done. Whether nothing is left.
    pub(super) async fn is_read_away(&self, is_expected: bool) -> bool {
        let rest = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut rest) = rest else { return true };
        // Who waits to be told to continue has sent nothing, and need not.
        if is_expected || rest.size_hint().lower() > MAX_REST {
            return false;
        }
        let read = async {
            let mut bytes = 0;
            while let Some(Ok(frame)) = rest.frame().await {
                bytes += frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                if bytes > MAX_REST {
                    return false;
                }
            }
            true
        };
        timeout(WAIT, read).await.unwrap_or(false)
    }
}

/// Whether the client waits to be told to send its body (RFC 9110 §10.1.1).
pub(super) fn is_expected(headers: &HeaderMap) -> bool {
    headers.contains_key(EXPECT)
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.rest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl Body for Lent {
    type Data = <Incoming as Body>::Data;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
