//! Requests at a rate of their own, whether or not those before have been answered (an open loop), so that a service that falls behind
//! shows it: each latency counts from when the request was due, not from when a connection was free for it.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::Rng as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Mutex as Turn, mpsc};

/// How long the first requests are not counted for: the service and its controller find their pace.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long the last ones are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How requests come.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// So many a second, at random times (Poisson), over at most so many connections.
    Open(f64, usize),
    /// Each of so many clients asks again as soon as it is answered.
    Closed(usize),
}

/// One request that was counted.
pub(crate) struct Answer {
    /// Its status; 0 where there was no answer.
    pub(crate) status: u16,
    pub(crate) took: Duration,
}

/// What came of a run, without its first seconds.
pub(crate) struct Outcome {
    pub(crate) answers: Vec<Answer>,
    /// How long requests that are counted were due.
    pub(crate) lasted: Duration,
}

impl Outcome {
    /// Answers a second with a status that `is` so.
    pub(crate) fn rate(&self, is: impl Fn(u16) -> bool) -> f64 {
        let count = self.answers.iter().filter(|answer| is(answer.status)).count();
        u32::try_from(count).map_or(f64::NAN, f64::from) / self.lasted.as_secs_f64()
    }

    /// The latency that so many of a hundred with this status did not exceed.
    pub(crate) fn percentile(&self, status: u16, percent: usize) -> Duration {
        let mut all: Vec<_> =
            self.answers.iter().filter(|answer| answer.status == status).map(|answer| answer.took).collect();
        all.sort_unstable();
        let last = all.len().saturating_sub(1);
        all.get((all.len() * percent / 100).min(last)).copied().unwrap_or_default()
    }
}

/// Sends these requests in turn to `address` for the warm-up and then `seconds`.
pub(crate) async fn run(address: SocketAddr, requests: Arc<Vec<Vec<u8>>>, pace: Pace, seconds: u64) -> Outcome {
    let start = Instant::now();
    let lasted = Duration::from_secs(seconds);
    let counted = start + WARM_UP;
    let until = counted + lasted;
    let answers = Arc::new(Mutex::new(Vec::new()));
    let (dues, clients) = match pace {
        Pace::Open(rate, connections) => (Some(arrivals(start, until, rate)), connections),
        Pace::Closed(clients) => (None, clients),
    };
    let dues = dues.map(|dues| Arc::new(Turn::new(dues)));
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let (answers, requests, dues) = (Arc::clone(&answers), Arc::clone(&requests), dues.clone());
        tasks.spawn(async move {
            let mut connection = Connection { address, stream: None };
            for request in requests.iter().cycle().skip(client * 7 % requests.len()) {
                let due = match &dues {
                    Some(dues) => dues.lock().await.recv().await,
                    None => Some(Instant::now()).filter(|now| *now < until),
                };
                let Some(due) = due else { return };
                let status = connection.ask(request).await.unwrap_or(0);
                if due >= counted
                    && let Ok(mut answers) = answers.lock()
                {
                    answers.push(Answer { status, took: due.elapsed() });
                }
            }
        });
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    let left = until.duration_since(Instant::now()) + PATIENCE;
    let _ = tokio::time::timeout(left, all).await;
    let answers = answers.lock().map(|mut answers| std::mem::take(&mut *answers)).unwrap_or_default();
    Outcome { answers, lasted }
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
    async fn ask(&mut self, request: &[u8]) -> Result<u16> {
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
