//! Bad days, one after another, and whether anything is wrong after them: the real binary against the sandbox with faults at
//! random, a `redis-server` that is killed and frozen, policies that come and go, members that are revoked, clients that make
//! mistakes and hang up. `cargo bench --bench soak -- --minutes 10`; what it checks is in docs/operating.md.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a script prints, and may fail loudly"
)]

mod clients;
mod ledger;
mod operator;
mod service;
mod store;
mod truth;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::sleep;
use usher::sandbox::Sandbox;

use self::ledger::Ledger;
use self::operator::Revocations;
use self::service::{Epochs, Service};
use self::store::Redis;

const PROJECT: &str = "11111111-2222-3333-4444-555555555555";
const API_TOKEN: &str = "PT-of-the-soak-that-must-never-be-seen";
const SECRET: &str = "thirty-two bytes of a shared secret of the soak, or a few more";
const REDIS_PASSWORD: &str = "password-of-the-store-of-the-soak";
const ISSUER: &str = "https://login.example.com/";
const AUDIENCE: &str = "https://api.example.com";
const CLIENTS: usize = 24;
/// Enough to fill what sessions are remembered in (32 MiB).
const WARM_UP: usize = 24_000;
/// How much more memory the last minute may have than the second, in percent. The first fills what is bounded; what leaks
/// grows by a multiple of this: 1 KiB a request would be over it within 2 minutes.
const GROWTH: u64 = 10;

/// What is wrong: each kind, how often, and the first of it.
#[derive(Default)]
pub(crate) struct Findings(Mutex<BTreeMap<String, (usize, String)>>);

impl Findings {
    pub(crate) fn add(&self, what: &str, example: impl FnOnce() -> String) {
        let mut all = self.0.lock().unwrap();
        all.entry(what.to_owned()).or_insert_with(|| (0, example())).0 += 1;
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().values().map(|(count, _)| count).sum()
    }
}

/// All that goes on.
pub(crate) struct World {
    directory: PathBuf,
    service: Service,
    sandbox: Sandbox,
    client: reqwest::Client,
    epochs: Arc<Epochs>,
    findings: Arc<Findings>,
    ledger: Ledger,
    revocations: Revocations,
    documented: HashMap<String, u16>,
    sessions: Vec<Mutex<Option<String>>>,
    counts: Mutex<BTreeMap<String, u64>>,
    ids: AtomicU64,
    over: AtomicBool,
}

impl World {
    fn count(&self, what: &str) {
        let mut counts = self.counts.lock().unwrap();
        *counts.entry(what.to_owned()).or_default() += 1;
    }

    fn id(&self) -> String {
        format!("soak-{}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// What SignalWire is sent, as a log might show it.
fn credentials() -> String {
    STANDARD.encode(format!("{PROJECT}:{API_TOKEN}"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (mut minutes, mut seed) = (None, rand::random::<u32>().into());
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--minutes" => minutes = value.parse::<f64>().ok(),
            [name, value] if name == "--seed" => seed = value.parse().unwrap(),
            _ => minutes = None,
        }
    }
    let Some(minutes) = minutes else {
        println!("soak: not run; it takes its time: cargo bench --bench soak -- --minutes 10 [--seed N]");
        return ExitCode::SUCCESS;
    };
    println!("seed {seed}, {minutes} minutes, {CLIENTS} clients, {} members", truth::MEMBERS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if runtime.block_on(soak(Duration::from_secs_f64(minutes * 60.0), seed)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn soak(lasts: Duration, seed: u64) -> bool {
    let mut random = StdRng::seed_from_u64(seed);
    let directory = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(PROJECT, API_TOKEN, || usher::telemetry::clock::now().seconds().unsigned_abs());
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let space = format!("http://{}", upstream.local_addr().unwrap());
    tokio::spawn({
        let sandbox = sandbox.clone();
        async move { drop(sandbox.serve(upstream, std::future::pending()).await) }
    });
    let redis = Redis::start(directory.path());
    if redis.is_none() {
        println!("\n*** THERE IS NO redis-server HERE: no shared store, no revocations ***\n");
    }
    let (epochs, findings) = (Arc::<Epochs>::default(), Arc::<Findings>::default());
    let (letter, text) = truth::POLICIES[0];
    epochs.write(letter, text);
    std::fs::write(directory.path().join("policy.toml"), text).unwrap();
    let variables = service::variables(&space, redis.as_ref().map(Redis::url).as_deref());
    let client = reqwest::ClientBuilder::new().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    let world = Arc::new(World {
        directory: directory.path().to_owned(),
        service: Service::start(directory.path(), &variables, &epochs, &findings),
        sandbox: sandbox.clone(),
        client,
        epochs,
        findings,
        ledger: Ledger::default(),
        revocations: Revocations::default(),
        documented: ledger::documented(),
        sessions: (0..truth::MEMBERS).map(|_| Mutex::default()).collect(),
        counts: Mutex::default(),
        ids: AtomicU64::default(),
        over: AtomicBool::default(),
    });
    let mut next = || StdRng::seed_from_u64(random.random());
    let mut around = tokio::task::JoinSet::new();
    around.spawn(operator::faults(Arc::clone(&world), next()));
    around.spawn(operator::policies(Arc::clone(&world), next()));
    let watcher = tokio::spawn(operator::watch_upstream(Arc::clone(&world), sandbox));
    let has_store = redis.is_some();
    if let Some(redis) = redis {
        around.spawn(operator::store(Arc::clone(&world), redis, next()));
    }
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..4 {
        clients.spawn(clients::warm_up(Arc::clone(&world), next(), WARM_UP / 4));
    }
    for _ in 0..CLIENTS {
        clients.spawn(clients::client(Arc::clone(&world), next()));
    }
    let memory = watch(&world, lasts).await;

    world.over.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    // Whatever is under way is over then: the request's time, and what was hung up on.
    sleep(Duration::from_secs(6)).await;
    if let Some(Err(error)) = around.try_join_next().map(|ended| ended.map(drop)) {
        panic!("{error}");
    }
    around.abort_all();
    while around.join_next().await.is_some() {}
    watcher.abort();
    let _ = watcher.await;
    let decisions = decisions(&world).await;
    let world = Arc::into_inner(world).expect("nobody else is there any more");
    verdict(world, &memory, decisions, has_store)
}

/// Prints a row every 30 s; the memory, each second.
async fn watch(world: &World, lasts: Duration) -> Vec<u64> {
    let (begun, mut memory) = (Instant::now(), Vec::new());
    println!(
        "\n| s | answers | 200 | 4xx | 429 | 502 | 503 | 504 | hung up | faults | policies good, broken | revoked, undone | store killed, frozen | RSS MiB | wrong |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    while begun.elapsed() < lasts {
        ticks.tick().await;
        memory.push(world.service.resident());
        if memory.len() % 30 == 0 {
            row(world, &memory);
        }
    }
    memory
}

fn row(world: &World, memory: &[u64]) {
    let counts = world.counts.lock().unwrap();
    let count = |name: &str| counts.get(name).copied().unwrap_or_default();
    let sum = |is: &dyn Fn(u16) -> bool| -> u64 {
        counts.iter().filter(|(name, _)| name.parse().is_ok_and(is)).map(|(_, count)| count).sum()
    };
    println!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {}, {} | {}, {} | {}, {} | {:.1} | {} |",
        memory.len(),
        sum(&|_| true),
        count("200"),
        sum(&|status| (400..500).contains(&status) && status != 429),
        count("429"),
        count("502"),
        count("503"),
        count("504"),
        count("hung up"),
        count("faults"),
        count("good policies"),
        count("broken policies"),
        count("revocations"),
        count("undos"),
        count("kills"),
        count("freezes"),
        memory.last().map_or(0.0, |kib| f64::from(u32::try_from(*kib).unwrap_or(u32::MAX)) / 1_024.0),
        world.findings.count(),
    );
}

/// How many audit events the service has counted itself.
async fn decisions(world: &World) -> usize {
    let text = world.client.get(format!("{}/metrics", world.service.ops)).send().await.unwrap().text().await.unwrap();
    let series = text.lines().filter(|line| line.starts_with("usher_decisions_total{"));
    series.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn verdict(world: World, memory: &[u64], decisions: usize, has_store: bool) -> bool {
    row(&world, memory);
    let World { service, epochs, findings, ledger, revocations, counts, .. } = world;
    let (code, log) = service.stop();
    if code != Some(0) {
        findings.add("it did not stop in good order", || format!("{code:?}"));
    }
    let log = log.lock().unwrap();
    let sums = ledger.balance(&log, &epochs, &findings);
    let events: usize = log.events.values().map(Vec::len).sum();
    if decisions != events {
        findings.add("audit events that its own metric does not count", || format!("{decisions} and {events}"));
    }
    println!("\nproblems: {}", list(counts.into_inner().unwrap().iter().filter(|(name, _)| name.contains('_'))));
    println!("requests: {}; {events} audit events in all, {decisions} by its own metric", list(&sums));
    let (served, refused) = revocations.judge(&log, &findings);
    if has_store {
        println!(
            "store: away {} times; {served} answers to revoked members while it was, {refused} refusals of members that were let in again",
            log.away.len()
        );
    }
    println!(
        "policies: {} loaded, {} refused",
        log.count("policy loaded"),
        log.count("no policy to load; the one in force stays")
    );
    if memory.len() >= 180 {
        let (second, last) = (median(&memory[60..120]), median(&memory[memory.len() - 60..]));
        println!(
            "memory: {second} KiB in the second minute, {last} KiB in the last (medians); at most {GROWTH} % more are flat"
        );
        if last * 100 > second * (100 + GROWTH) {
            findings.add("memory that grows", || format!("from {second} to {last} KiB"));
        }
    } else {
        println!("memory: not judged in less than 3 minutes");
    }
    if log.lost > 0 {
        println!("log lines were lost {} times, so answers are not held against them", log.lost);
    }
    println!();
    for (what, (count, example)) in findings.0.lock().unwrap().iter() {
        println!("WRONG, {count} times: {what}; the first: {example}");
    }
    let is_good = findings.count() == 0;
    println!("{}", if is_good { "nothing is wrong" } else { "SOMETHING IS WRONG" });
    is_good
}

fn list<N: std::fmt::Display, C: std::fmt::Display>(counts: impl IntoIterator<Item = (N, C)>) -> String {
    counts.into_iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}
