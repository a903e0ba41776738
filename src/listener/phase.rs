//! Where a connection is between two requests, and how long it may stay there. Must not know HTTP's grammar.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Nothing has come yet.
const FRESH: u32 = 0;
/// A head has begun.
const HEAD: u32 = 1;
/// A request is being answered.
const BUSY: u32 = 2;
/// The answer is on its way, and the next request has not begun.
const IDLE: u32 = 3;
/// The bits that say which of these it is; those above them count the changes.
const WHICH: u32 = 0b11;
/// A head after no change but the one from [`FRESH`].
const FIRST_HEAD: u32 = (WHICH + 1) | HEAD;

/// How long the rest of a refused body is read away.
const LINGER: Duration = Duration::from_secs(2);
/// How much of it at most, in bytes.
const MAX_LINGER: usize = 64 << 20;

/// Where a connection is, shared between its stream and whoever serves it. Each change gives another number, so that a
/// change and back is seen too.
#[derive(Clone, Default)]
pub(super) struct Phase(Arc<State>);

#[derive(Default)]
struct State {
    number: AtomicU32,
    /// Whether the connection ends with a request whose body was not read.
    is_unread: AtomicBool,
}

impl Phase {
    pub(super) fn enter_busy(&self) {
        self.enter(BUSY);
    }

    /// The request's body was not read to its end, so the connection closes after the answer.
    pub(super) fn leave_unread(&self) {
        self.0.is_unread.store(true, Ordering::Relaxed);
    }

    fn number(&self) -> u32 {
        self.0.number.load(Ordering::Relaxed)
    }

    fn enter(&self, which: u32) {
        // One task alone changes it: the connection's.
        let changes = (self.number() | WHICH).wrapping_add(1);
        self.0.number.store(changes | which, Ordering::Relaxed);
    }

    fn heard(&self) {
        if matches!(self.number() & WHICH, FRESH | IDLE) {
            self.enter(HEAD);
        }
    }
}

/// A stream that fails with [`io::ErrorKind::TimedOut`] where a head takes too long, no request comes, or an answer is not
/// taken.
pub(super) struct TimedStream<S> {
    stream: S,
    phase: Phase,
    header_timeout: Duration,
    keep_alive: Duration,
    /// The phase's number that `patience` was set for.
    timed: u32,
    patience: Pin<Box<Sleep>>,
    /// Until when the other side may take nothing of an answer; none while it does.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Until when the rest of a body is read away, and how much of it was.
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> TimedStream<S> {
    /// A connection that has just been made.
    pub(super) fn new(stream: S, phase: Phase, header_timeout: Duration, keep_alive: Duration) -> Self {
        let timed = phase.number();
        let patience = Box::pin(tokio::time::sleep(header_timeout));
        Self { stream, phase, header_timeout, keep_alive, timed, patience, stalled: None, lingering: None }
    }

    /// An attempt to send: how long yet, where the other side takes nothing?
    fn sent<T>(&mut self, context: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.stalled = None;
            return sent;
        }
        let keep_alive = self.keep_alive;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(keep_alive)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Nothing more came: how long yet?
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let number = self.phase.number();
        let patience = match number & WHICH {
            BUSY => return Poll::Pending,
            IDLE => self.keep_alive,
            _ => self.header_timeout,
        };
        // The first head's time runs from connecting on.
        if number != self.timed && number != FIRST_HEAD {
            self.timed = number;
            let until = Instant::now() + patience;
            self.patience.as_mut().reset(until);
        }
        ready!(self.patience.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() {
            return self.wait(context);
        }
        if buffer.filled().len() > before {
            self.phase.heard();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.sent(context, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.sent(context, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.stream).poll_flush(context);
        self.sent(context, sent)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            if !self.phase.0.is_unread.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        self.linger(context)
    }
}

impl<S: AsyncRead + Unpin> TimedStream<S> {
    /// Reads away for a while what a client still sends of a body that was refused: closed at once, the connection would be
    /// reset, and the client might never see why.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, lingering, .. } = self;
        let (until, bytes) = lingering.get_or_insert_with(|| (Box::pin(tokio::time::sleep(LINGER)), 0));
        let mut buffer = [0; 16 * 1024];
        while until.as_mut().poll(context).is_pending() && *bytes < MAX_LINGER {
            let mut buffer = ReadBuf::new(&mut buffer);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            *bytes += buffer.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

/// An answer's body; once hyper has taken all of it, or thrown it away, the connection is idle.
pub(super) struct Answering<B> {
    body: B,
    phase: Phase,
}

impl<B> Answering<B> {
    pub(super) fn new(body: B, phase: Phase) -> Self {
        Self { body, phase }
    }
}

impl<B> Drop for Answering<B> {
    fn drop(&mut self) {
        self.phase.enter(IDLE);
    }
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
