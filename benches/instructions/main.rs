//! How many instructions of the processor the parts of a request take, counted by valgrind, so that what other work does on the machine
//! does not matter: `cargo bench --bench instructions`. It fails where one takes over 10 % more than `figures` (beside this file) says;
//! `-- --write` writes that anew. `-- --case NAME COUNT` does the work of a case so many times, and is what valgrind runs.

#![expect(clippy::print_stdout, clippy::panic, clippy::unwrap_used, reason = "a benchmark prints, and may fail loudly")]

#[path = "../support/decisions.rs"]
mod decisions;
#[path = "../support/service.rs"]
mod service;
#[path = "../support/sessions.rs"]
mod sessions;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use jsonwebtoken::Algorithm;
use usher::chat::Ask;
use usher::sandbox::Sandbox;

use self::service::{API_TOKEN, Keys, PROJECT, Service};

/// What is done in this process: the name, and how often to see what once takes.
const PARTS: [(&str, u64); 2] = [("verify-hs256", 2_000), ("decide-10-channels", 2_000)];
/// `POST /chat-token`, by the real binary with everything on, against the sandbox.
const REQUEST: (&str, u64) = ("request", 500);
/// How often each is counted.
const RUNS: usize = 3;
/// How much more is too much.
const TOLERANCE: f64 = 0.1;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => compare(&count()),
        ["--write"] => write(&count()),
        ["--case", name, count] => work(name, count.parse().unwrap()),
        other => panic!("{other:?}?"),
    }
}

/// Instructions, by case.
type Figures = BTreeMap<String, u64>;

fn figures_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/figures")
}

fn count() -> Figures {
    let parts = PARTS.map(|(name, often)| (name.to_owned(), each(often, |count| part(name, count))));
    let request = (REQUEST.0.to_owned(), each(REQUEST.1, requests));
    parts.into_iter().chain([request]).collect()
}

/// What one more costs: the start, which both runs have, is none of it. Other work on the machine makes a run longer, and what
/// a service does by the clock is counted too; it only ever adds, so the least of some runs is taken.
fn each(often: u64, of: impl Fn(u64) -> u64) -> u64 {
    let least = |count| (0..RUNS).map(|_| of(count)).min().unwrap();
    (least(2 * often) - least(often)) / often
}

fn compare(now: &Figures) -> ExitCode {
    let text = std::fs::read_to_string(figures_file()).unwrap();
    let mut is_fine = true;
    for line in text.lines() {
        let (name, before) = line.split_once(' ').unwrap();
        let before: u32 = before.parse().unwrap();
        let now = u32::try_from(*now.get(name).unwrap_or_else(|| panic!("no case is called {name}"))).unwrap();
        let more = f64::from(now) / f64::from(before) - 1.0;
        is_fine &= more <= TOLERANCE;
        println!("{name}: {now} instructions, {before} before ({:+.1} %)", 100.0 * more);
    }
    assert_eq!(text.lines().count(), now.len(), "a case has no figure: write them anew");
    if is_fine {
        println!("instructions: ok, none over {:.0} % more", 100.0 * TOLERANCE);
        return ExitCode::SUCCESS;
    }
    println!("instructions: over {:.0} % more; find out why, or write the figures anew", 100.0 * TOLERANCE);
    ExitCode::FAILURE
}

fn write(now: &Figures) -> ExitCode {
    let mut text = String::new();
    for (name, figure) in now {
        writeln!(text, "{name} {figure}").unwrap();
    }
    print!("{text}");
    std::fs::write(figures_file(), text).unwrap();
    ExitCode::SUCCESS
}

/// Valgrind's command line, and where it will say what it counted.
fn valgrind(directory: &Path) -> (Vec<String>, PathBuf) {
    let log = directory.join("valgrind.log");
    let log_option = format!("--log-file={}", log.display());
    let words = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", &log_option];
    (words.map(str::to_owned).to_vec(), log)
}

/// The instructions that it counted.
fn counted(log: &Path) -> u64 {
    let text = std::fs::read_to_string(log).unwrap();
    let refs = text.lines().find_map(|line| line.split_once("refs:")).unwrap_or_else(|| panic!("{text}")).1;
    refs.trim().replace(',', "").parse().unwrap()
}

fn part(name: &str, count: u64) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let (words, log) = valgrind(directory.path());
    let (program, options) = words.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(options).arg(std::env::current_exe().unwrap()).args(["--case", name, &count.to_string()]);
    let status = command.stdout(Stdio::null()).status().unwrap_or_else(|error| panic!("needs valgrind: {error}"));
    assert!(status.success(), "{name} under valgrind");
    counted(&log)
}

fn work(name: &str, count: u64) -> ExitCode {
    match name {
        "verify-hs256" => {
            let (verifier, token) = sessions::session(Algorithm::HS256);
            for _ in 0..count {
                let _ = black_box(verifier.verify(black_box(&token), sessions::NOW));
            }
        }
        "decide-10-channels" => {
            let (policy, facts, ask) = (decisions::policy(1, 10), decisions::facts(), Ask::default());
            for _ in 0..count {
                let _ = black_box(policy.evaluate(black_box(&facts), black_box(&ask), decisions::NOW));
            }
        }
        other => panic!("no case is called {other}"),
    }
    ExitCode::SUCCESS
}

/// So many requests, one after another, each of another member.
fn requests(count: u64) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (words, log) = valgrind(directory.path());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    runtime.block_on(async {
        let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let space = format!("http://{}", upstream.local_addr().unwrap());
        let sandbox = Sandbox::new(PROJECT, API_TOKEN, || usher::telemetry::clock::now().seconds().unsigned_abs());
        tokio::spawn(async move { drop(sandbox.serve(upstream, std::future::pending()).await) });
        let keys = Keys::new(Algorithm::HS256);
        let service = Service::start(&words, &space, &keys, &[]);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/chat-token", service.address);
        for token in keys.tokens(usize::try_from(count).unwrap()) {
            let answer = client.post(&url).bearer_auth(token).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            drop(answer.bytes().await.unwrap());
        }
        drop(client);
        service.stop();
    });
    counted(&log)
}
