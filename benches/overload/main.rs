//! Overload: more clients, or more requests, than one core or SignalWire can serve at once. The real binary runs on a core of
//! its own; the sandbox and the clients run on another.
//!
//! `cargo bench --bench overload -- --seconds 10` prints three tables, which docs/performance.md explains:
//!
//! 1. Clients that send their next request when they have the response to the last (a closed loop), over 64, 1,024 and 9,000
//!    connections, with SignalWire taking 0 and 20 ms.
//! 2. 1.5 times the load that fits into 100 concurrent calls of 150 ms (an open loop).
//! 3. 1,000 slow clients next to others.

#![expect(clippy::print_stdout, clippy::panic, clippy::unwrap_used, reason = "a benchmark prints, and may fail loudly")]

mod generator;
#[path = "../support/service.rs"]
mod service;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::serve::ListenerExt as _;
use jsonwebtoken::Algorithm;
use tokio::net::TcpListener;
use usher::sandbox::Sandbox;

use self::generator::{Load, Outcome};
use self::service::{API_TOKEN, Keys, PROJECT, Service};

const MEMBERS: usize = 20_000;
/// Not counted: connections are opened, caches filled, and the rate of SignalWire becomes known.
const WARM_UP: Duration = Duration::from_secs(5);
/// `signalwire.max_wait` by default.
const MAX_WAIT: Duration = Duration::from_secs(1);

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let seconds = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--seconds"), Some(seconds)) => seconds.parse().unwrap(),
        _ => return println!("overload: not run; it takes minutes: cargo bench --bench overload -- --seconds 10"),
    };
    pin("-cp", "1", &std::process::id().to_string());
    usher::service::raise_open_files(20_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        closed_loops(seconds).await;
        limited_upstream(seconds).await;
        slow_clients(seconds).await;
    });
}

/// `taskset` for this process: threads that come after inherit it.
fn pin(option: &str, core: &str, process: &str) {
    let status = Command::new("taskset").args([option, core, process]).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "needs taskset (util-linux) and two cores");
}

async fn closed_loops(seconds: u64) {
    println!("## Clients that wait for their response\n");
    println!(
        "| SignalWire takes | connections | 200/s | of 1,024 | 503 | other | p50 | p99 | usher's core | the other |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for latency in [Duration::ZERO, Duration::from_millis(20)] {
        let mut at_1_024 = None;
        for connections in [64, 1_024, 9_000] {
            let bench = Bench::start(latency, &[]).await;
            let (outcome, usher, own) = bench.run(Load::Closed { connections }, seconds).await;
            let good = outcome.rate(200);
            let share = at_1_024.map_or_else(String::new, |base: f64| format!("{:.0} %", 100.0 * good / base));
            if connections == 1_024 {
                at_1_024 = Some(good);
            }
            println!(
                "| {latency:?} | {connections} | {good:.0} | {share} | {} | {} | {} | {} | {:.0} % | {:.0} % |",
                outcome.count(|status| status == 503),
                outcome.count(|status| ![200, 503].contains(&status)),
                ms(outcome.percentile(200, 50)),
                ms(outcome.percentile(200, 99)),
                usher * 100.0,
                own * 100.0,
            );
            bench.service.stop();
        }
    }
}

async fn limited_upstream(seconds: u64) {
    const CALLS: u32 = 100;
    const LATENCY: Duration = Duration::from_millis(150);
    let limit = f64::from(CALLS) / LATENCY.as_secs_f64();
    let calls = CALLS.to_string();
    let bench = Bench::start(LATENCY, &[("USHER__SIGNALWIRE__MAX_IN_FLIGHT", &calls)]).await;
    let (outcome, ..) = bench.run(Load::Open { rate: 1.5 * limit, connections: 4_000 }, seconds).await;
    bench.service.stop();
    let rejections = outcome.count(|status| status == 503);
    let at_once = outcome.share_within(503, Duration::from_millis(20));
    println!("\n## {CALLS} concurrent calls of {LATENCY:?}, 1.5 times that load\n");
    println!("| | wanted | seen |\n|---|---|---|");
    println!("| goodput, of {limit:.0} a second | at least 95 % | {:.1} % |", 100.0 * outcome.rate(200) / limit);
    let bound = LATENCY + MAX_WAIT + Duration::from_millis(100);
    println!("| p99 of the 200s | at most {} | {} |", ms(bound), ms(outcome.percentile(200, 99)));
    println!("| 503s within 20 ms, of {rejections} | at least 95 % | {:.1} % |", 100.0 * at_once);
    let bound = MAX_WAIT + Duration::from_millis(50);
    println!("| the slowest 503 | at most {} | {} |", ms(bound), ms(outcome.percentile(503, 100)));
    println!("| other responses | 0 | {} |", outcome.count(|status| ![200, 503].contains(&status)));
}

async fn slow_clients(seconds: u64) {
    let bench = Bench::start(Duration::from_millis(20), &[]).await;
    let load = Load::Open { rate: 4_000.0, connections: 1_000 };
    let (alone, ..) = bench.run(load, seconds).await;
    let slow = generator::slow_clients(bench.service.address, 1_000);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (beside, ..) = bench.run(load, seconds).await;
    drop(slow);
    bench.service.stop();
    println!("\n## 4,000 requests a second, SignalWire takes 20 ms\n");
    println!("| | p50 | p99 | other than 200 |\n|---|---|---|---|");
    for (name, outcome) in [("alone", &alone), ("next to 1,000 slow clients", &beside)] {
        let other = outcome.count(|status| status != 200);
        println!("| {name} | {} | {} | {other} |", ms(outcome.percentile(200, 50)), ms(outcome.percentile(200, 99)));
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

/// A running service and the SignalWire that it calls.
struct Bench {
    service: Service,
    requests: Arc<Vec<Vec<u8>>>,
}

impl Bench {
    /// `latency`: how long SignalWire takes; `settings`: variables of the service.
    async fn start(latency: Duration, settings: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::new(PROJECT, API_TOKEN, || usher::telemetry::clock::now().seconds().unsigned_abs());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let space = format!("http://{}", listener.local_addr().unwrap());
        let delay = move |request: Request, next: Next| async move {
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            next.run(request).await
        };
        let signalwire = sandbox.router().layer(middleware::from_fn(delay));
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        tokio::spawn(async move { drop(axum::serve(listener, signalwire).await) });
        let keys = Keys::new(Algorithm::HS256);
        let service = Service::start(&["taskset", "-c", "0"], &space, &keys, settings);
        Self { service, requests: Arc::new(requests(keys.tokens(MEMBERS))) }
    }

    /// The outcome, and the share of its core that the service and this process used.
    async fn run(&self, load: Load, seconds: u64) -> (Outcome, f64, f64) {
        let (service, own) = (self.service.process.id(), std::process::id());
        let (before, started) = ((cpu(service), cpu(own)), Instant::now());
        let requests = Arc::clone(&self.requests);
        let outcome = generator::run(self.service.address, requests, load, WARM_UP, Duration::from_secs(seconds)).await;
        let wall = started.elapsed().as_secs_f64();
        (outcome, (cpu(service) - before.0) / wall, (cpu(own) - before.1) / wall)
    }
}

/// A request with each token.
fn requests(tokens: Vec<String>) -> Vec<Vec<u8>> {
    let head = "POST /chat-token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: Bearer ";
    tokens.into_iter().map(|token| format!("{head}{token}\r\n\r\n").into_bytes()).collect()
}

/// The processor time of a process until now, in seconds.
fn cpu(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}
