//! The real `usher serve` as a process, what it says, and how much memory it has.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{API_TOKEN, Findings, PROJECT, REDIS_PASSWORD, SECRET};

/// A policy file that was written: which one it is, and the SHA-256 of its bytes.
pub(crate) struct Epoch {
    pub(crate) letter: char,
    pub(crate) sha256: String,
}

/// The policy files in the order in which they were written, each unlike any other.
#[derive(Default)]
pub(crate) struct Epochs {
    all: Mutex<Vec<Epoch>>,
    loaded: AtomicUsize,
}

impl Epochs {
    /// This text is about to be written; its number.
    pub(crate) fn write(&self, letter: char, text: &str) -> usize {
        let mut all = self.all.lock().unwrap();
        all.push(Epoch { letter, sha256: format!("{:x}", Sha256::digest(text)) });
        all.len() - 1
    }

    /// The latest that the log has told of.
    pub(crate) fn loaded(&self) -> usize {
        self.loaded.load(Ordering::SeqCst)
    }

    /// The letters of those that may have been in force since that one was, until now.
    pub(crate) fn since(&self, loaded: usize) -> Vec<char> {
        let mut letters: Vec<char> = self.all.lock().unwrap()[loaded..].iter().map(|epoch| epoch.letter).collect();
        letters.sort_unstable();
        letters.dedup();
        letters
    }

    /// Whose bytes these are.
    pub(crate) fn letter(&self, sha256: &str) -> Option<char> {
        self.all.lock().unwrap().iter().find(|epoch| epoch.sha256 == sha256).map(|epoch| epoch.letter)
    }

    fn told(&self, sha256: &str) -> bool {
        let number = self.all.lock().unwrap().iter().position(|epoch| epoch.sha256 == sha256);
        number.is_some_and(|number| self.loaded.fetch_max(number, Ordering::SeqCst) <= number)
    }
}

/// An audit event, as far as it is kept.
pub(crate) struct Event {
    pub(crate) outcome: String,
    pub(crate) code: Option<String>,
    pub(crate) member: Option<String>,
    pub(crate) policy: String,
    pub(crate) token_sha256: Option<String>,
}

/// The line in the log of a request that was answered.
pub(crate) struct Line {
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
}

/// What the service has said.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) events: HashMap<String, Vec<Event>>,
    pub(crate) lines: HashMap<String, Vec<Line>>,
    /// While the store was away: since when, and until when.
    pub(crate) away: Vec<(Instant, Option<Instant>)>,
    /// How often each other thing was said.
    pub(crate) said: BTreeMap<String, usize>,
    pub(crate) lost: usize,
}

impl Log {
    /// A period in which the store was away, or might have been, that has to do with this time.
    pub(crate) fn away_between(&self, from: Instant, to: Instant) -> Option<Instant> {
        let slack = Duration::from_secs(1);
        let overlaps = |(since, until): &&(Instant, Option<Instant>)| {
            *since <= to + slack && until.is_none_or(|until| until + slack >= from)
        };
        self.away.iter().find(overlaps).map(|(since, _)| *since)
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.said.get(what).copied().unwrap_or_default()
    }
}

pub(crate) struct Service {
    process: Child,
    reader: Option<JoinHandle<()>>,
    pub(crate) log: Arc<Mutex<Log>>,
    pub(crate) url: String,
    pub(crate) ops: String,
}

/// The binary, with no environment but this.
pub(crate) fn usher(directory: &Path, arguments: &[&str], variables: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(arguments).env_clear().current_dir(directory).stdin(Stdio::null());
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    command
}

impl Service {
    pub(crate) fn start(
        directory: &Path,
        variables: &[(&str, String)],
        epochs: &Arc<Epochs>,
        findings: &Arc<Findings>,
    ) -> Self {
        let mut command = usher(directory, &["serve"], variables);
        // Else glibc keeps what it was given back, once SignalWire has answered with megabytes, and that is measured too
        // (mallopt(3), `M_MMAP_THRESHOLD`: "dynamic").
        command.env("MALLOC_MMAP_THRESHOLD_", "131072").env("MALLOC_TRIM_THRESHOLD_", "131072");
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let (address, addresses) = std::sync::mpsc::channel();
        let reader = std::thread::spawn({
            let (stderr, log) = (process.stderr.take().unwrap(), Arc::clone(&log));
            let (epochs, findings) = (Arc::clone(epochs), Arc::clone(findings));
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if let Some(opened) = read(&line, &log, &epochs, &findings) {
                        let _ = address.send(opened);
                    }
                }
            }
        });
        let opened = || addresses.recv_timeout(Duration::from_secs(20)).expect("usher does not start");
        let mut both = [opened(), opened()];
        both.sort_unstable_by_key(|(is_ops, _)| *is_ops);
        let [(_, url), (_, ops)] = both;
        Self { process, reader: Some(reader), log, url, ops }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.process.id(), name);
    }

    /// Resident memory in KiB (proc(5), `statm`).
    pub(crate) fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.process.id())).unwrap_or_default();
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).map_or(0, |pages| pages * 4)
    }

    /// Asks it to stop; how it did, once all that it said is read.
    pub(crate) fn stop(mut self) -> (Option<i32>, Arc<Mutex<Log>>) {
        self.signal("TERM");
        let ended = self.process.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (ended.code(), Arc::clone(&self.log))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
}

/// Takes in a line; an address that it tells of, and whether it is the operator's.
fn read(line: &str, log: &Mutex<Log>, epochs: &Epochs, findings: &Findings) -> Option<(bool, String)> {
    for secret in [API_TOKEN, SECRET, REDIS_PASSWORD, "eyJ", &super::credentials()] {
        if line.contains(secret) {
            findings.add("secret said", || format!("{secret} in {line}"));
        }
    }
    let Ok(said) = serde_json::from_str::<Value>(line) else {
        findings.add("no JSON", || line.to_owned());
        return None;
    };
    let text = |name: &str| said[name].as_str().map(str::to_owned);
    let mut log = log.lock().unwrap();
    if said["event"] == "audit" {
        let event = Event {
            outcome: text("outcome").unwrap_or_default(),
            code: text("code"),
            member: text("member_id"),
            policy: text("policy_sha256").unwrap_or_default(),
            token_sha256: text("token_sha256"),
        };
        log.events.entry(text("request_id").unwrap_or_default()).or_default().push(event);
        return None;
    }
    let message = text("message").unwrap_or_default();
    match message.as_str() {
        "answered" => {
            let status = said["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
            let line = Line { status, code: text("code") };
            log.lines.entry(text("request_id").unwrap_or_default()).or_default().push(line);
            return None;
        }
        "policy loaded" if !epochs.told(said["sha256"].as_str().unwrap_or_default()) => {
            findings.add("a policy in force that must not be", || line.to_owned());
        }
        "limits.store: the store answers again" => {
            if let Some((_, until)) = log.away.last_mut() {
                *until = Some(Instant::now());
            }
        }
        _ if message.ends_with("limits.on_store_failure says what is done meanwhile") => {
            log.away.push((Instant::now(), None));
        }
        _ if message.contains("a bug, please report it") => findings.add("a bug", || line.to_owned()),
        _ if message.starts_with("log lines were lost") => log.lost += 1,
        _ => {}
    }
    let short =
        if message.starts_with("limits.store: ") { message.split("; ").next().unwrap_or_default() } else { &message };
    *log.said.entry(short.to_owned()).or_default() += 1;
    let address = text("address").map(|address| format!("http://{address}"))?;
    match message.as_str() {
        "listening" => Some((false, address)),
        "the operator's listener is open" => Some((true, address)),
        _ => None,
    }
}

/// The variables that every run has.
pub(crate) fn variables(space: &str, store: Option<&str>) -> Vec<(&'static str, String)> {
    let issuers = format!(
        "[{{name = \"app\", issuer = {:?}, audiences = [{:?}], secret = {SECRET:?}}}]",
        super::ISSUER,
        super::AUDIENCE
    );
    let mut variables = vec![
        ("SIGNALWIRE_SPACE", space.to_owned()),
        ("SIGNALWIRE_PROJECT_ID", PROJECT.to_owned()),
        ("SIGNALWIRE_API_TOKEN", API_TOKEN.to_owned()),
        ("USHER__SIGNALWIRE__TIMEOUT", "2s".to_owned()),
        ("USHER__SIGNALWIRE__MAX_IN_FLIGHT", "16".to_owned()),
        ("USHER__SIGNALWIRE__MAX_WAIT", "1s".to_owned()),
        ("USHER__SERVER__REQUEST_TIMEOUT", "5s".to_owned()),
        ("USHER__SERVER__LISTEN", "127.0.0.1:0".to_owned()),
        ("USHER__SERVER__TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("USHER__OPS__LISTEN", "127.0.0.1:0".to_owned()),
        ("USHER__POLICY__FILE", "policy.toml".to_owned()),
        ("USHER__SESSION__ISSUERS", issuers),
        ("USHER__LIMITS__PER_MEMBER", "{rate = \"2/s\", burst = 30}".to_owned()),
        ("USHER__LIMITS__PER_ADDRESS", "{rate = \"2/s\", burst = 30}".to_owned()),
    ];
    if let Some(store) = store {
        variables.push(("USHER__LIMITS__STORE", store.to_owned()));
    }
    variables
}
