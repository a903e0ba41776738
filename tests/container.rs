//! The image and the composition as an operator uses them: really built, really run, asked from outside.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::keys::{Signer, claims};

/// The name that docker-compose.yml gives the image.
const IMAGE: &str = "usher";
/// The replicas of the scaled profile.
const REPLICAS: [&str; 2] = ["usher-1", "usher-2"];
/// How many requests of one member its limit lets through at once.
const BURST: usize = 15;
/// How many requests there are at least while both replicas are restarted.
const REQUESTS: usize = 20_000;
/// The most that the image may have, in bytes.
const MAX_BYTES: u64 = 20_000_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Exit code, and standard output and standard error together.
fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn docker(arguments: &[&str]) -> (Option<i32>, String) {
    run(Command::new("docker").args(arguments).env("DOCKER_BUILDKIT", "1").current_dir(root()))
}

fn docker_ok(arguments: &[&str]) -> String {
    let (code, text) = docker(arguments);
    assert_eq!(code, Some(0), "docker {arguments:?}: {text}");
    text.trim().to_owned()
}

/// Builds the image, once for all tests.
fn build() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| drop(docker_ok(&["build", "-t", IMAGE, "."])));
}

/// `docker compose`, or the program of its own that it was before.
fn compose(directory: &Path, project: &str) -> Command {
    let has_plugin = docker(&["compose", "version"]).0 == Some(0);
    let mut command = Command::new(if has_plugin { "docker" } else { "docker-compose" });
    command.args(if has_plugin { &["compose"][..] } else { &[] }).args(["-p", project]).current_dir(directory);
    command
}

/// The composition in a directory of its own, so that its policy can be edited; taken down when dropped.
struct Composition {
    directory: tempfile::TempDir,
    project: String,
    port: u16,
    variable: &'static str,
}

impl Composition {
    fn up() -> Self {
        Self::up_with(&["up", "-d", "--no-build"], "USHER_PORT", str::to_owned)
    }

    /// Two replicas that share a store, behind a proxy. A member may ask as often as by default, but so slowly that nothing
    /// comes back to it while a test runs.
    fn scaled() -> Self {
        let arguments = ["--profile", "scaled", "up", "-d", "--no-build", "proxy"];
        Self::up_with(&arguments, "USHER_SCALED_PORT", |settings| {
            let line = settings.lines().find(|line| line.starts_with("per_member = ")).unwrap();
            settings.replace(line, &format!("per_member = {{ rate = \"1/d\", burst = {BURST} }}"))
        })
    }

    /// `variable`: what names the port that is asked; `edit`: the settings file.
    fn up_with(arguments: &[&str], variable: &'static str, edit: impl Fn(&str) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for file in [
            "docker-compose.yml",
            "config/usher.toml",
            "config/policy.toml",
            "config/compose/session.sh",
            "config/compose/signalwire_api_token",
            "config/compose/session_secret",
            "config/compose/store_url",
            "config/compose/Caddyfile",
        ] {
            let target = directory.path().join(file);
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(root().join(file), target).unwrap();
        }
        let settings = directory.path().join("config/usher.toml");
        let edited = edit(&std::fs::read_to_string(&settings).unwrap());
        std::fs::write(settings, edited).unwrap();
        // The container's user is not the one that runs this.
        let is_open = Command::new("chmod").args(["-R", "a+rX"]).arg(directory.path()).status().unwrap();
        assert!(is_open.success());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let composition = Self { directory, project: format!("usher-test-{port}"), port, variable };
        let (code, text) = composition.compose(arguments);
        assert_eq!(code, Some(0), "{text}");
        composition
    }

    /// Exit code and all that was said.
    fn compose(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = compose(self.directory.path(), &self.project);
        run(command
            .args(arguments)
            .env(self.variable, self.port.to_string())
            .env("USHER_PROXY_NETWORK", self.network()))
    }

    /// The proxy's network, so that no two compositions have the same.
    fn network(&self) -> String {
        format!("10.213.{}.0/24", self.port % 256)
    }

    /// A service's container.
    fn container(&self, service: &str) -> String {
        let (code, text) = self.compose(&["ps", "-q", service]);
        assert_eq!(code, Some(0), "{text}");
        text.lines().last().unwrap().trim().to_owned()
    }

    fn inspect(&self, service: &str, format: &str) -> String {
        docker_ok(&["inspect", "--format", format, &self.container(service)])
    }

    fn logs(&self) -> String {
        self.compose(&["logs"]).1
    }

    fn session(&self, arguments: &[&str]) -> String {
        let (code, text) = run(Command::new(self.directory.path().join("config/compose/session.sh")).args(arguments));
        assert_eq!(code, Some(0), "{text}");
        text.trim().to_owned()
    }

    /// `curl` from outside: the status and the JSON.
    fn post(&self, session: Option<&str>) -> (u16, Value) {
        Self::post_to(&format!("127.0.0.1:{}", self.port), session)
    }

    /// Past the proxy, at one replica.
    fn post_at(&self, replica: &str, session: &str) -> (u16, Value) {
        let networks: Value =
            serde_json::from_str(&self.inspect(replica, "{{json .NetworkSettings.Networks}}")).unwrap();
        let address = networks[format!("{}_proxy", self.project)]["IPAddress"].as_str().unwrap().to_owned();
        Self::post_to(&format!("{address}:8080"), Some(session))
    }

    fn post_to(address: &str, session: Option<&str>) -> (u16, Value) {
        let mut command = Command::new("curl");
        command.args(["-sS", "-X", "POST", "-w", "\n%{http_code}"]);
        command.arg(format!("http://{address}/chat-token"));
        if let Some(session) = session {
            command.arg("-H").arg(format!("Authorization: Bearer {session}"));
        }
        let (_, text) = run(&mut command);
        let (body, status) = text.trim_end().rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or_default(), serde_json::from_str(body).unwrap_or_default())
    }

    /// Waits until something holds, at most half a minute.
    fn wait(&self, what: &str, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < Duration::from_secs(30), "not {what}: {}", self.logs());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Composition {
    fn drop(&mut self) {
        self.compose(&["--profile", "scaled", "down", "-v", "-t", "5"]);
    }
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_image_is_small_and_holds_nothing_but_usher() {
    build();
    let size: u64 = docker_ok(&["image", "inspect", "--format", "{{.Size}}", IMAGE]).parse().unwrap();
    assert!(size < MAX_BYTES, "{size} bytes");
    let config: Value =
        serde_json::from_str(&docker_ok(&["image", "inspect", "--format", "{{json .Config}}", IMAGE])).unwrap();
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Healthcheck"]["Test"], json!(["CMD", "/usher", "healthcheck"]));
    assert_eq!((&config["Entrypoint"], &config["Cmd"]), (&json!(["/usher"]), &json!(["serve"])));
    let (code, _) = docker(&["run", "--rm", "--entrypoint", "/bin/sh", IMAGE, "-c", "true"]);
    assert_eq!(code, Some(127), "there is no shell");

    // Set up by environment alone, with the policy that it comes with, and nothing writable.
    let issuers = "[{name = \"app\", issuer = \"https://login.example.com/\", audiences = [\"x\"], \
                   jwks_url = \"https://login.example.com/jwks.json\"}]";
    let run = |more: &[&str], command: &[&str]| {
        docker(&[&["run", "--rm", "--read-only", "--cap-drop", "ALL"], more, &[IMAGE], command].concat())
    };
    let issuers = format!("USHER__SESSION__ISSUERS={issuers}");
    let settings = ["-e", "SIGNALWIRE_SPACE=a", "-e", "SIGNALWIRE_PROJECT_ID=b", "-e", "SIGNALWIRE_API_TOKEN=c"];
    let (code, text) = run(&[&settings[..], &["-e", &issuers]].concat(), &["check"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("listen      0.0.0.0:8080") && text.contains("role        customer"), "{text}");
    let (code, text) = run(&settings, &["serve"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("session.issuers: this setting is required"), "{text}");
    assert_eq!(run(&[], &["healthcheck"]).0, Some(1), "nothing listens in that one");
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_composition_answers_from_outside_follows_its_policy_and_drains() {
    build();
    let composition = Composition::up();
    composition.wait("answering", || composition.post(None).0 == 200);
    let (_, guest) = composition.post(None);
    assert!(guest["member_id"].as_str().unwrap().starts_with("guest-"), "{guest}");
    let alice = composition.session(&["alice", "customer"]);
    let (status, answer) = composition.post(Some(&alice));
    assert_eq!((status, &answer["member_id"]), (200, &json!("alice")), "{answer}");
    assert_eq!(answer["channels"]["support:alice"], json!({"read": true, "write": true}), "{answer}");
    assert_eq!(composition.post(Some(&format!("{alice}x"))).0, 401);

    for service in ["usher", "sandbox"] {
        assert_eq!(composition.inspect(service, "{{.HostConfig.ReadonlyRootfs}}"), "true", "{service}");
        assert_eq!(composition.inspect(service, "{{json .HostConfig.CapDrop}}"), "[\"ALL\"]", "{service}");
    }
    composition.wait("healthy", || composition.inspect("usher", "{{.State.Health.Status}}") == "healthy");

    // Secrets come as files, and are nowhere else.
    let environment = composition.inspect("usher", "{{json .Config.Env}}");
    let logs = composition.logs();
    for secret in ["signalwire_api_token", "session_secret"] {
        let secret = std::fs::read_to_string(root().join("config/compose").join(secret)).unwrap();
        assert!(!environment.contains(&secret), "{environment}");
        assert!(!logs.lines().any(|line| line.starts_with("usher") && line.contains(&secret)), "{logs}");
    }

    // An edit of the mounted policy, as an editor makes it.
    let policy = composition.directory.path().join("config/policy.toml");
    let blocked = std::fs::read_to_string(&policy).unwrap().replace("\"mallory\"", "\"mallory\", \"alice\"");
    let new = composition.directory.path().join("config/policy.toml.new");
    std::fs::write(&new, blocked).unwrap();
    std::fs::rename(&new, &policy).unwrap();
    composition.wait("blocked", || composition.post(Some(&alice)).1["code"] == "session_revoked");

    let usher = composition.container("usher");
    let started = Instant::now();
    docker_ok(&["stop", &usher]);
    assert!(started.elapsed() < Duration::from_secs(8), "it stops by itself and is not killed");
    assert_eq!(docker_ok(&["inspect", "--format", "{{.State.ExitCode}}", &usher]), "0");
    assert!(docker_ok(&["logs", &usher]).contains("draining: finishing what is in flight"));
}

/// A session for the composition, of anybody.
fn signed(secret: &str, sub: &str) -> String {
    let signer = Signer::secret_of(secret.trim_end(), Algorithm::HS256);
    signer.sign(&claims(sub, &["customer"], 3_600, &json!({"aud": "usher"})))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn two_replicas_share_what_counts_and_are_restarted_under_load_without_a_failed_request() {
    build();
    let composition = Arc::new(Composition::scaled());
    composition.wait("answering", || composition.post(None).0 == 200);
    let secret = std::fs::read_to_string(composition.directory.path().join("config/compose/session_secret")).unwrap();

    for service in ["proxy", "redis", "usher-1", "usher-2"] {
        assert_eq!(composition.inspect(service, "{{.HostConfig.ReadonlyRootfs}}"), "true", "{service}");
        assert_eq!(composition.inspect(service, "{{json .HostConfig.CapDrop}}"), "[\"ALL\"]", "{service}");
    }

    // One account, whichever replica is asked.
    let alice = signed(&secret, "alice");
    let statuses: Vec<_> = (0..2 * BURST).map(|number| composition.post_at(REPLICAS[number % 2], &alice).0).collect();
    let (granted, limited) = statuses.split_at(BURST);
    assert!(granted.iter().all(|status| *status == 200), "{statuses:?}");
    assert!(limited.iter().all(|status| *status == 429), "{statuses:?}");
    assert_eq!(composition.post(Some(&alice)).0, 429, "nor is there more behind the proxy");

    // Said to one replica, done by both, at once.
    let bob = signed(&secret, "bob");
    for replica in REPLICAS {
        assert_eq!(composition.post_at(replica, &bob).0, 200, "{replica}");
    }
    let (code, text) =
        composition.compose(&["exec", "-T", "usher-1", "/usher", "revoke", "--member", "bob", "--for", "1h"]);
    assert_eq!(code, Some(0), "{text}");
    for replica in REPLICAS {
        let (status, answer) = composition.post_at(replica, &bob);
        assert_eq!((status, &answer["code"]), (403, &json!("session_revoked")), "{replica}: {answer}");
    }

    let url = format!("http://127.0.0.1:{}/chat-token", composition.port);
    let (asked, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let load: Vec<_> = (0..16)
        .map(|_| {
            let (url, secret, asked, is_over) = (url.clone(), secret.clone(), asked.clone(), is_over.clone());
            tokio::spawn(async move {
                let client = reqwest::ClientBuilder::new().no_proxy().build().unwrap();
                let mut failed = Vec::new();
                loop {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    if number >= REQUESTS && is_over.load(Ordering::Relaxed) {
                        return failed;
                    }
                    let session = signed(&secret, &format!("user{number}"));
                    match client.post(&url).bearer_auth(session).send().await {
                        Ok(answer) if answer.status() == 200 => {}
                        Ok(answer) => failed.push(format!("{} {:?}", answer.status(), answer.text().await)),
                        Err(error) => failed.push(format!("{error:?}")),
                    }
                }
            })
        })
        .collect();
    let restarting = Arc::clone(&composition);
    tokio::task::spawn_blocking(move || {
        for service in REPLICAS {
            std::thread::sleep(Duration::from_secs(1));
            let usher = restarting.container(service);
            docker_ok(&["stop", "-t", "30", &usher]);
            assert_eq!(docker_ok(&["inspect", "--format", "{{.State.ExitCode}}", &usher]), "0");
            docker_ok(&["start", &usher]);
            // As an orchestrator does: the next one when this one is ready.
            restarting.wait("healthy", || restarting.inspect(service, "{{.State.Health.Status}}") == "healthy");
            std::thread::sleep(Duration::from_secs(2));
        }
    })
    .await
    .unwrap();
    is_over.store(true, Ordering::Relaxed);
    let mut failed = Vec::new();
    for load in load {
        failed.extend(load.await.unwrap());
    }
    let asked = asked.load(Ordering::Relaxed);
    assert!(failed.is_empty(), "{} of {asked} failed: {:?}", failed.len(), failed.iter().take(5).collect::<Vec<_>>());
    assert!(asked >= REQUESTS, "{asked}");
}
