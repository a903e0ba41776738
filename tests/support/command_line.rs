//! The real binary: a directory for it, commands that run to their end, processes that keep running, and `usher serve`.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::Client;
use super::sandbox::RunningSandbox;
use super::service::POLICY;
use super::{API_TOKEN, AUDIENCE, ISSUER, PROJECT, SECRET, wait_for};

/// A working directory for commands. Their environment is empty but for what a test gives.
pub(crate) struct CommandLine {
    directory: Arc<TempDir>,
}

impl CommandLine {
    /// An empty directory.
    pub(crate) fn empty() -> Self {
        Self { directory: Arc::new(tempfile::tempdir().unwrap()) }
    }

    /// A directory with the tests' policy at its default path, and nothing else.
    pub(crate) fn with_policy() -> Self {
        Self::with_files([("config/policy.toml", POLICY)])
    }

    pub(crate) fn with_files<const N: usize>(files: [(&str, &str); N]) -> Self {
        let context = Self::empty();
        for (name, text) in files {
            context.write(name, text);
        }
        context
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The names of the directory's entries, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.env_clear().current_dir(self.path()).stdin(Stdio::null()).args(arguments);
        command
    }

    /// Runs a command to its end with these variables alone: exit code, standard output, standard error.
    pub(crate) fn run<N: AsRef<str>, V: AsRef<str>>(
        &self,
        arguments: &[&str],
        variables: &[(N, V)],
    ) -> (i32, String, String) {
        let variables = variables.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        run(self.command(arguments).envs(variables))
    }
}

/// Runs any command to its end: exit code, standard output, standard error.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The variables that are all that `serve` needs in a directory with a policy.
pub(crate) fn complete(space: &str) -> Vec<(String, String)> {
    let issuers = format!("[{}]", issuer_of(&format!("secret = {SECRET:?}")));
    let variables = [
        ("SIGNALWIRE_SPACE", space),
        ("SIGNALWIRE_PROJECT_ID", PROJECT),
        ("SIGNALWIRE_API_TOKEN", API_TOKEN),
        ("USHER__SESSION__ISSUERS", &issuers),
        ("USHER__SERVER__LISTEN", "127.0.0.1:0"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// The tests' issuer as an inline table, with its keys.
pub(crate) fn issuer_of(keys: &str) -> String {
    format!("{{name = \"app\", issuer = {ISSUER:?}, audiences = [{AUDIENCE:?}], {keys}}}")
}

/// `variables` with one more, or with another value for it.
pub(crate) fn with(mut variables: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    variables.retain(|(known, _)| known != name);
    variables.push((name.to_owned(), value.to_owned()));
    variables
}

/// `variables` without one.
pub(crate) fn without(mut variables: Vec<(String, String)>, name: &str) -> Vec<(String, String)> {
    variables.retain(|(known, _)| known != name);
    variables
}

/// An address on loopback that was free a moment ago, for a server that must be at a known port.
pub(crate) fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A command that keeps running; killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, first) = read_lines(child.stdout.take().unwrap());
        let (stderr, second) = read_lines(child.stderr.take().unwrap());
        Self { child, stdout, stderr, readers: vec![first, second] }
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until this holds of standard output and standard error, at most 20 s.
    pub(crate) fn wait_for(&self, what: impl Fn(&str, &str) -> bool) {
        let started = Instant::now();
        while !what(&self.stdout(), &self.stderr()) {
            assert!(started.elapsed() < Duration::from_secs(20), "{}\n{}", self.stdout(), self.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where standard error ends now, for [`Process::says`].
    pub(crate) fn mark(&self) -> usize {
        self.stderr.lock().unwrap().len()
    }

    /// Waits for a line of standard error after `mark` of which this holds, at most 60 s, without blocking the thread.
    pub(crate) async fn says(&self, mut mark: usize, what: impl Fn(&str) -> bool) {
        wait_for(Duration::from_mins(1), async || {
            let new = self.stderr.lock().unwrap()[mark..].to_owned();
            // Only whole lines are appended.
            mark += new.len();
            new.lines().any(&what).then_some(()).ok_or(new)
        })
        .await;
    }

    /// The address in the first line of the JSON log that contains this, as a URL.
    pub(crate) fn logged_url(&self, message: &str) -> String {
        let stderr = self.stderr();
        let line = stderr.lines().find(|line| line.contains(message)).unwrap_or_else(|| panic!("{stderr}"));
        format!("http://{}", serde_json::from_str::<Value>(line).unwrap()["address"].as_str().unwrap())
    }

    /// The value of a line `name=value` of standard output.
    pub(crate) fn printed(&self, name: &str) -> String {
        let stdout = self.stdout();
        let value = stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("{name}: {stdout}")).to_owned()
    }

    /// Sends a signal, as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end, at most 20 s, and for all output until then.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let ended = Instant::now();
                // Another process may hold the pipes open.
                while !self.readers.iter().all(JoinHandle::is_finished) && ended.elapsed().as_secs() < 2 {
                    std::thread::sleep(Duration::from_millis(5));
                }
                return status.code();
            }
            assert!(started.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The audit events so far.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let lines = self.stderr();
        let events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["event"] == "audit").collect()
    }

    /// Waits for the one audit event of a request.
    pub(crate) async fn event(&self, request_id: &str) -> Value {
        wait_for(Duration::from_secs(20), async || {
            let mut events = self.audit();
            events.retain(|event| event["request_id"] == request_id);
            assert!(events.len() < 2, "more than one event: {events:?}");
            events.pop().ok_or_else(|| format!("no event for {request_id}: {}", self.stderr()))
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stream: impl std::io::Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&text);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            sink.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    (text, reader)
}

/// `usher serve`, listening, and the sandbox at which it mints. Its [`Client`]'s methods are its own.
pub(crate) struct Server {
    pub(crate) running: Process,
    pub(crate) client: Client,
    pub(crate) sandbox: RunningSandbox,
    ops: OnceLock<Client>,
    _directory: Arc<TempDir>,
}

impl Server {
    /// With [`complete`] variables, and these on top.
    pub(crate) async fn with(context: &CommandLine, more: &[(&str, &str)]) -> Self {
        Self::start(context, &["serve"], |space| {
            more.iter().fold(complete(space), |variables, (name, value)| with(variables, name, value))
        })
        .await
    }

    /// With the variables for the sandbox's address.
    pub(crate) async fn start(
        context: &CommandLine,
        arguments: &[&str],
        variables: impl Fn(&str) -> Vec<(String, String)>,
    ) -> Self {
        Self::start_at(RunningSandbox::start().await, context, arguments, variables)
    }

    /// The same with another sandbox.
    ///
    /// The address is read from the log. Where that has no such line, or is not JSON, the variables name a port
    /// ([`free_address`]).
    pub(crate) fn start_at(
        sandbox: RunningSandbox,
        context: &CommandLine,
        arguments: &[&str],
        variables: impl Fn(&str) -> Vec<(String, String)>,
    ) -> Self {
        let variables = variables(&sandbox.url);
        let listen = variables.iter().rev().find(|(name, _)| name == "USHER__SERVER__LISTEN");
        let known = listen.map(|(_, address)| address.clone()).filter(|address| !address.ends_with(":0"));
        let running = Process::start(context.command(arguments).envs(variables));
        let url = if let Some(address) = known {
            running.wait_for(|_, _| std::net::TcpStream::connect(&address).is_ok());
            format!("http://{address}")
        } else {
            running.wait_for(|_, stderr| stderr.contains("\"listening\""));
            running.logged_url("\"listening\"")
        };
        Self {
            running,
            client: Client::new(url),
            sandbox,
            ops: OnceLock::new(),
            _directory: Arc::clone(&context.directory),
        }
    }

    /// A client of the admin listener.
    pub(crate) fn ops(&self) -> &Client {
        self.ops.get_or_init(|| Client::new(self.running.logged_url("the operator's listener is open")))
    }

    /// Mints for alice, a customer, without naming a channel: the payload of the token.
    pub(crate) async fn payload(&self) -> Value {
        let response = self.post_as("alice", &json!({})).await;
        assert_eq!(response.status, 200, "{response:?}\n{}", self.running.stderr());
        self.sandbox.payload(&response.json())
    }

    /// The payload of a response's token without `iat`, `jti` and `sub`. Asserts that the response says the same.
    pub(crate) fn granted(&self, response: &Value) -> Value {
        let mut token = self.sandbox.payload(response);
        for other in ["iat", "jti", "sub"] {
            token.as_object_mut().unwrap().remove(other);
        }
        assert_eq!((&response["member_id"], &response["channels"]), (&token["m"], &token["chls"]));
        token
    }

    /// Stops it in good order: everything that it printed to standard output and standard error.
    pub(crate) fn stop(mut self) -> (String, String) {
        self.running.signal("TERM");
        assert_eq!(self.running.exit_code(), Some(0), "{}", self.running.stderr());
        (self.running.stdout(), self.running.stderr())
    }
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
