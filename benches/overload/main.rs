//! What becomes of the requests that one core can answer when more come than it can: the real binary on a core of its own, the sandbox
//! and an open loop of clients on another. `cargo bench --bench overload -- --seconds 10`; with `--upstream-ms 20` `SignalWire` takes 20 ms;
//! the tables are in docs/performance.md.

#![expect(clippy::print_stdout, clippy::panic, clippy::unwrap_used, reason = "a benchmark prints, and may fail loudly")]

mod generator;
#[path = "../support/service.rs"]
mod service;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::serve::ListenerExt as _;
use jsonwebtoken::Algorithm;
use usher::sandbox::Sandbox;

use self::generator::{Outcome, Pace};
use self::service::{API_TOKEN, Keys, PROJECT, Service};

const CONNECTIONS: usize = 1_000;
const MEMBERS: usize = 20_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (mut seconds, mut algorithm, mut upstream) = (None, Algorithm::HS256, Duration::ZERO);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut number = || rest.next().unwrap().parse().unwrap();
        match argument.as_str() {
            "--seconds" => seconds = Some(number()),
            "--upstream-ms" => upstream = Duration::from_millis(number()),
            "--es256" => algorithm = Algorithm::ES256,
            unknown => panic!("{unknown}?"),
        }
    }
    let Some(seconds) = seconds else {
        println!(
            "overload: not run; it takes minutes: cargo bench --bench overload -- --seconds 10 [--upstream-ms 20] [--es256]"
        );
        return;
    };
    pin("-cp", "1", &std::process::id().to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure(algorithm, upstream, seconds));
}

/// `taskset` for this process: threads that come after inherit it.
fn pin(option: &str, core: &str, process: &str) {
    let status = Command::new("taskset").args([option, core, process]).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "needs taskset (util-linux) and two cores");
}

async fn measure(algorithm: Algorithm, takes: Duration, seconds: u64) {
    let sandbox = Sandbox::new(PROJECT, API_TOKEN, || usher::telemetry::clock::now().seconds().unsigned_abs());
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let space = format!("http://{}", upstream.local_addr().unwrap());
    let late = move |request: Request, next: Next| async move {
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        next.run(request).await
    };
    let signalwire = sandbox.router().layer(middleware::from_fn(late));
    let upstream = upstream.tap_io(|stream| drop(stream.set_nodelay(true)));
    tokio::spawn(async move { drop(axum::serve(upstream, signalwire).await) });

    let keys = Keys::new(algorithm);
    let mut service = Service::start(&["taskset", "-c", "0"], &space, &keys);
    let requests = Arc::new(requests(keys.tokens(MEMBERS)));
    println!(
        "{algorithm:?}, {MEMBERS} members, SignalWire takes {takes:?}; {seconds} s a row; one core for usher, one for the sandbox and the \
         clients\n"
    );
    let row = async |name: &str, pace: Pace, base: Option<f64>| -> Row {
        let before = (cpu(service.process.id()), cpu(std::process::id()));
        let started = std::time::Instant::now();
        let outcome = generator::run(service.address, Arc::clone(&requests), pace, seconds).await;
        let wall = started.elapsed().as_secs_f64();
        let own = (cpu(std::process::id()) - before.1) / wall;
        let row = Row::new(&outcome, (cpu(service.process.id()) - before.0) / wall);
        row.print(name, base, own);
        row
    };
    println!(
        "| load | asked/s | 200/s | of the peak | 503/s | other/s | 200: p50 | p99 | 503: p99 | usher's core | the other |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    // Enough that all of the core could be at work while SignalWire takes its time.
    let clients = 64 + 8 * usize::try_from(takes.as_millis()).unwrap();
    let closed = row(&format!("{clients} clients, one request after another"), Pace::Closed(clients), None).await.good;
    // With so many connections a request costs more: the peak is the most that is answered of what they send.
    let mut peak: f64 = 0.0;
    for part in [0.6, 0.7, 0.8, 0.9, 1.0, 1.1] {
        let name = format!("{part} of that, over {CONNECTIONS} connections");
        let tried = row(&name, Pace::Open(part * closed, CONNECTIONS), None).await;
        peak = peak.max(tried.good);
        if tried.core > 0.97 {
            break;
        }
    }
    let half = row("0.5 ×", Pace::Open(0.5 * peak, CONNECTIONS), Some(peak)).await;
    row("1 ×: the peak", Pace::Open(peak, CONNECTIONS), Some(peak)).await;
    let over = row("1.2 ×", Pace::Open(1.2 * peak, CONNECTIONS), Some(peak)).await;
    let double = row("2 ×", Pace::Open(2.0 * peak, CONNECTIONS), Some(peak)).await;
    let slow = generator::slow_clients(service.address, 1_000);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let beside = row("0.5 ×, beside 1,000 slow clients", Pace::Open(0.5 * peak, CONNECTIONS), Some(peak)).await;
    drop(slow);

    // By the time that the core was at work, and so whatever else the machine does: two overloads, two unknowns.
    let refusal =
        (over.good * double.core - double.good * over.core) / (over.good * double.refused - double.good * over.refused);
    let answer = (double.core - double.refused * refusal) / double.good;
    let leaves = (double.core - (double.good + double.refused) * refusal) / (answer - refusal) / peak;
    println!(
        "\na 200 costs {:.0} µs, a 503 {:.0} µs: at 2 × that leaves {:.0} % of the peak",
        1e6 * answer,
        1e6 * refusal,
        100.0 * leaves
    );
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    println!(
        "p99 of the 200s: at 1.2 × {:.1} times, at 2 × {:.1} times that at half load",
        ratio(over.p99, half.p99),
        ratio(double.p99, half.p99)
    );
    println!(
        "beside slow clients: p50 {:.2} times, p99 {:.2} times",
        ratio(beside.p50, half.p50),
        ratio(beside.p99, half.p99)
    );
    service.stop();
}

/// What is kept of a run.
struct Row {
    good: f64,
    refused: f64,
    other: f64,
    p50: Duration,
    p99: Duration,
    refusal_p99: Duration,
    core: f64,
}

impl Row {
    fn new(outcome: &Outcome, core: f64) -> Self {
        Self {
            good: outcome.rate(|status| status == 200),
            refused: outcome.rate(|status| status == 503),
            other: outcome.rate(|status| status != 200 && status != 503),
            p50: outcome.percentile(200, 50),
            p99: outcome.percentile(200, 99),
            refusal_p99: outcome.percentile(503, 99),
            core,
        }
    }

    fn print(&self, name: &str, peak: Option<f64>, own: f64) {
        let of_peak = peak.map_or_else(String::new, |peak| format!("{:.0} %", 100.0 * self.good / peak));
        let ms = |took: Duration| format!("{:.1} ms", took.as_secs_f64() * 1e3);
        println!(
            "| {name} | {:.0} | {:.0} | {of_peak} | {:.0} | {:.0} | {} | {} | {} | {:.0} % | {:.0} % |",
            self.good + self.refused + self.other,
            self.good,
            self.refused,
            self.other,
            ms(self.p50),
            ms(self.p99),
            ms(self.refusal_p99),
            self.core * 100.0,
            own * 100.0,
        );
    }
}

/// A request with each token.
fn requests(tokens: Vec<String>) -> Vec<Vec<u8>> {
    let head = "POST /chat-token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: Bearer ";
    tokens.into_iter().map(|token| format!("{head}{token}\r\n\r\n").into_bytes()).collect()
}

/// How long a process had a core until now, in seconds.
fn cpu(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}
