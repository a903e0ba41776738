//! The real binary: its command line, its settings, `serve`, `check`, `dev` and `session`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bad_environment;
mod bad_files;
mod check;
mod circuit;
mod dev;
mod dev_page;
mod diff;
mod doctor;
mod drain;
mod environment;
mod explain;
mod healthcheck;
mod key_files;
mod layers;
mod lints;
mod log;
mod admin;
mod policy_tests;
mod reload;
mod rotation;
mod rotations;
mod sandbox;
mod schema;
mod secrets;
mod serve;
mod shipped;
mod store;
mod traces;
mod tls;
mod usage;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use usher::sandbox::Sandbox;

use crate::support::binary::{Running, run, usher};
use crate::support::service::{POLICY, read};
use crate::support::{API_TOKEN, AUDIENCE, ISSUER, PROJECT, SECRET, keys};

/// A working directory of its own, for commands with an environment of their own.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    /// An empty one.
    fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// One with a policy where it is looked for, and nothing else.
    pub(crate) fn with_policy() -> Self {
        let place = Self::empty();
        place.write("config/policy.toml", POLICY);
        place
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = usher(self.path());
        command.args(arguments);
        command
    }

    /// Runs a command to its end with these variables alone.
    fn run<N: AsRef<str>, V: AsRef<str>>(&self, arguments: &[&str], variables: &[(N, V)]) -> (i32, String, String) {
        let variables = variables.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        run(self.command(arguments).envs(variables))
    }

    /// The names of all that is here.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Everything that `serve` needs, by environment alone, in a place that has a policy.
fn complete(space: &str) -> Vec<(String, String)> {
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
fn issuer_of(keys: &str) -> String {
    format!("{{name = \"app\", issuer = {ISSUER:?}, audiences = [{AUDIENCE:?}], {keys}}}")
}

/// `variables` with one more, or with another value for it.
fn with(mut variables: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    variables.retain(|(known, _)| known != name);
    variables.push((name.to_owned(), value.to_owned()));
    variables
}

/// `variables` without one.
fn without(mut variables: Vec<(String, String)>, name: &str) -> Vec<(String, String)> {
    variables.retain(|(known, _)| known != name);
    variables
}

/// `usher serve`, serving, and the sandbox that it mints at.
pub(crate) struct Serving {
    pub(crate) running: Running,
    pub(crate) url: String,
    client: reqwest::Client,
    pub(crate) sandbox: Sandbox,
}

impl Serving {
    /// With everything by environment and `more` on top.
    pub(crate) async fn with(place: &Place, more: &[(&str, &str)]) -> Self {
        Self::start(place, &["serve"], |space| {
            more.iter().fold(complete(space), |variables, (name, value)| with(variables, name, value))
        })
        .await
    }

    /// With the variables that the sandbox's address gives.
    async fn start(place: &Place, arguments: &[&str], variables: impl Fn(&str) -> Vec<(String, String)>) -> Self {
        Self::start_at(sandbox(API_TOKEN).await, place, arguments, variables)
    }

    /// The same, with a sandbox of another kind.
    fn start_at(
        (sandbox, space): (Sandbox, String),
        place: &Place,
        arguments: &[&str],
        variables: impl Fn(&str) -> Vec<(String, String)>,
    ) -> Self {
        let running = Running::start(place.command(arguments).envs(variables(&space)));
        running.wait_for(|_, stderr| stderr.contains("listening"));
        let url = opened(&running, "\"listening\"");
        Self { running, url, client: client(), sandbox }
    }

    /// The operator's listener.
    fn ops(&self) -> String {
        opened(&self.running, "the operator's listener is open")
    }

    /// `POST /chat-token` for alice, a customer.
    async fn ask(&self, body: &Value) -> (u16, Value) {
        self.ask_as(&keys::session("alice", &["customer"]), body).await
    }

    /// `POST /chat-token` with this session.
    pub(crate) async fn ask_as(&self, session: &str, body: &Value) -> (u16, Value) {
        self.ask_by(&self.client, session, body).await
    }

    /// The same by another client.
    async fn ask_by(&self, client: &reqwest::Client, session: &str, body: &Value) -> (u16, Value) {
        let request = client.post(format!("{}/chat-token", self.url));
        let request = request.bearer_auth(session);
        read(request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap()).await
    }

    /// Asks for everything, and returns what SignalWire would read in the token.
    async fn payload(&self) -> Value {
        let (status, answer) = self.ask(&serde_json::json!({})).await;
        assert_eq!(status, 200, "{answer}\n{}", self.running.stderr());
        self.sandbox.decode(answer["token"].as_str().unwrap()).unwrap()["payload"].take()
    }

    /// What the token of an answer grants and to whom, which the answer says too; without what each token has for itself.
    fn given(&self, answer: &Value) -> Value {
        let mut token = self.sandbox.decode(answer["token"].as_str().unwrap()).unwrap()["payload"].take();
        for other in ["iat", "jti", "sub"] {
            token.as_object_mut().unwrap().remove(other);
        }
        assert_eq!((&answer["member_id"], &answer["channels"]), (&token["m"], &token["chls"]));
        token
    }
}

/// Requests one after another, by several clients at once, until it is ended.
struct Load<T> {
    stop: watch::Sender<bool>,
    clients: Vec<JoinHandle<Vec<T>>>,
}

impl<T: Send + 'static> Load<T> {
    /// Each client, by its number, asks this again and again.
    fn of<F>(
        clients: usize,
        serving: &Arc<Serving>,
        ask: impl Fn(Arc<Serving>, usize) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let client = |number| {
            let (serving, stopped, ask) = (Arc::clone(serving), stopped.clone(), ask.clone());
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !*stopped.borrow() {
                    seen.push(ask(Arc::clone(&serving), number).await);
                }
                seen
            })
        };
        Self { stop, clients: (0..clients).map(client).collect() }
    }

    /// What each client has seen, in its order; where one has failed, so does this.
    async fn end(self) -> Vec<Vec<T>> {
        self.stop.send(true).unwrap();
        let mut seen = Vec::new();
        for client in self.clients {
            seen.push(client.await.unwrap());
        }
        seen
    }
}

/// The address in the line of the log that says so.
fn opened(running: &Running, said: &str) -> String {
    let stderr = running.stderr();
    let line = stderr.lines().find(|line| line.contains(said)).unwrap_or_else(|| panic!("{stderr}"));
    format!("http://{}", serde_json::from_str::<Value>(line).unwrap()["address"].as_str().unwrap())
}

/// A sandbox that takes the tests' project with this API token, and its address.
async fn sandbox(api_token: &str) -> (Sandbox, String) {
    let sandbox = Sandbox::new(PROJECT, api_token, || keys::now().unsigned_abs());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = sandbox.clone().serve(listener, std::future::pending());
    tokio::spawn(async move { drop(serving.await) });
    (sandbox, address)
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::ClientBuilder::new().no_proxy().timeout(std::time::Duration::from_secs(30)).build().unwrap()
}

/// An address on loopback that nobody listens on, for the moment.
pub(crate) fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
