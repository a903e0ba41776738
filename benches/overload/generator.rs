//! Clients: in a closed loop each sends its next request when it has the response to the last; in an open loop requests are due at
//! random times whether or not those before them were served, and a latency counts from when its request was due.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::Rng as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

/// How long the last responses are waited for.
const LAST_RESPONSES_TIMEOUT: Duration = Duration::from_secs(5);

/// How requests arrive.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// So many a second, at random times (Poisson), over at most so many connections.
    Open { rate: f64, connections: usize },
    /// One after another on each connection.
    Closed { connections: usize },
}

/// What came of a run, without its warm-up.
pub(crate) struct Outcome {
    /// Status (0: no response) and latency of each request.
    responses: Vec<(u16, Duration)>,
    lasted: Duration,
}

impl Outcome {
    /// Responses a second with this status.
    pub(crate) fn rate(&self, status: u16) -> f64 {
        u32::try_from(self.count(|other| other == status)).map_or(f64::NAN, f64::from) / self.lasted.as_secs_f64()
    }

    pub(crate) fn count(&self, has: impl Fn(u16) -> bool) -> usize {
        self.responses.iter().filter(|(status, _)| has(*status)).count()
    }

    /// The latency that so many of a hundred with this status did not exceed.
    pub(crate) fn percentile(&self, status: u16, percent: usize) -> Duration {
        let mut all = self.latencies(status);
        all.sort_unstable();
        let last = all.len().saturating_sub(1);
        all.get((all.len() * percent / 100).min(last)).copied().unwrap_or_default()
    }

    /// The share of the responses with this status that did not take longer.
    pub(crate) fn share_within(&self, status: u16, bound: Duration) -> f64 {
        let all = self.latencies(status);
        let within = all.iter().filter(|latency| **latency <= bound).count();
        let number = |count| u32::try_from(count).map_or(f64::NAN, f64::from);
        number(within) / number(all.len())
    }

    fn latencies(&self, status: u16) -> Vec<Duration> {
        self.responses.iter().filter(|response| response.0 == status).map(|response| response.1).collect()
    }
}

/// Sends these requests in turn to `address`.
pub(crate) async fn run(
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    load: Load,
    warm_up: Duration,
    lasted: Duration,
) -> Outcome {
    let start = Instant::now();
    let counted = start + warm_up;
    let until = counted + lasted;
    let responses = Arc::new(Mutex::new(Vec::new()));
    let (arrivals, connections) = match load {
        Load::Open { rate, connections } => (Some(arrivals(start, until, rate)), connections),
        Load::Closed { connections } => (None, connections),
    };
    let arrivals = arrivals.map(|arrivals| Arc::new(AsyncMutex::new(arrivals)));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..connections {
        let (responses, requests, arrivals) = (Arc::clone(&responses), Arc::clone(&requests), arrivals.clone());
        clients.spawn(async move {
            let mut connection = Connection { address, stream: None };
            for request in requests.iter().cycle().skip(client * 7 % requests.len()) {
                let due = match &arrivals {
                    Some(arrivals) => arrivals.lock().await.recv().await,
                    None => Some(Instant::now()).filter(|now| *now < until),
                };
                let Some(due) = due else { return };
                let status = connection.send(request).await.unwrap_or(0);
                if due >= counted
                    && let Ok(mut responses) = responses.lock()
                {
                    responses.push((status, due.elapsed()));
                }
            }
        });
    }
    let all = async { while clients.join_next().await.is_some() {} };
    let left = until.duration_since(Instant::now()) + LAST_RESPONSES_TIMEOUT;
    let _ = tokio::time::timeout(left, all).await;
    let responses = responses.lock().map(|mut responses| std::mem::take(&mut *responses)).unwrap_or_default();
    Outcome { responses, lasted }
}

/// The times at which requests are due, each as it comes; from a thread, whose sleep is finer than the runtime's millisecond.
fn arrivals(start: Instant, until: Instant, rate: f64) -> mpsc::UnboundedReceiver<Instant> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut due = start;
        while due < until {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if sender.send(due).is_err() {
                return;
            }
            let uniform: f64 = rand::rng().random();
            due += Duration::from_secs_f64(-(1.0 - uniform).ln() / rate);
        }
    });
    receiver
}

/// A client's connection, opened again where it was closed.
struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Connection {
    /// One request as bytes; gives its answer's status.
    async fn send(&mut self, request: &[u8]) -> Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        stream.set_nodelay(true)?;
        stream.write_all(request).await?;
        let mut bytes = Vec::with_capacity(4_096);
        let head = loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(bytes.get(..head).unwrap_or_default()).to_ascii_lowercase();
        let header = |name: &str| {
            let value = text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.map(str::trim)
        };
        let status = text.get(9..12).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| Error::other("an answer without a status"))?;
        let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while bytes.len() < head + length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        if header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(status)
    }
}

/// Clients that send a byte of their request's head each second, for ever, and come again when they are thrown out. They begin within
/// a second, one after another: in step they would stop this process, whose clock measures the others.
pub(crate) fn slow_clients(address: SocketAddr, count: u32) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..count {
        tasks.spawn(async move {
            tokio::time::sleep(Duration::from_secs(1) * client / count).await;
            loop {
                let Ok(mut stream) = TcpStream::connect(address).await else { continue };
                let _ = stream.write_all(b"POST /chat-token HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
    }
    tasks
}
