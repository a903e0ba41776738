//! The real binary, with an environment of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The binary with an empty environment, in `directory`.
pub(crate) fn usher(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.env_clear().current_dir(directory).stdin(Stdio::null());
    command
}

/// Runs a command to its end: exit code, standard output, standard error.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A command that goes on; killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    collectors: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, first) = collect(child.stdout.take().unwrap());
        let (stderr, second) = collect(child.stderr.take().unwrap());
        Self { child, stdout, stderr, collectors: vec![first, second] }
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits for what standard output or standard error must say; at most 20 s.
    pub(crate) fn wait_for(&self, what: impl Fn(&str, &str) -> bool) {
        let started = Instant::now();
        while !what(&self.stdout(), &self.stderr()) {
            assert!(started.elapsed() < Duration::from_secs(20), "{}\n{}", self.stdout(), self.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where standard error ends now: what is said from here on is told by [`Running::says`].
    pub(crate) fn mark(&self) -> usize {
        self.stderr.lock().unwrap().len()
    }

    /// Waits for a line of standard error after `mark` of which this is true; at most 60 s, and nobody else waits with it.
    pub(crate) async fn says(&self, mut mark: usize, what: impl Fn(&str) -> bool) {
        let started = Instant::now();
        loop {
            let new = self.stderr.lock().unwrap()[mark..].to_owned();
            if new.lines().any(&what) {
                return;
            }
            assert!(started.elapsed() < Duration::from_mins(1), "{new}");
            // Lines come whole.
            mark += new.len();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a signal, as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let killed = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for the end, at most 20 s, and for all that was said until then.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let ended = Instant::now();
                // Somebody else may hold the pipes open.
                while !self.collectors.iter().all(JoinHandle::is_finished) && ended.elapsed().as_secs() < 2 {
                    std::thread::sleep(Duration::from_millis(5));
                }
                return status.code();
            }
            assert!(started.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The audit events so far.
    pub(crate) fn audit(&self) -> Vec<serde_json::Value> {
        let lines = self.stderr();
        let events = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        events.filter(|event| event["event"] == "audit").collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl std::io::Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&text);
    let collector = std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            sink.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    (text, collector)
}
