//! The image and the composition as an operator uses them: really built, really run, asked from outside.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::Command;
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The name that docker-compose.yml gives the image.
const IMAGE: &str = "usher";
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
}

impl Composition {
    fn up() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for file in [
            "docker-compose.yml",
            "config/usher.toml",
            "config/policy.toml",
            "config/compose/session.sh",
            "config/compose/signalwire_api_token",
            "config/compose/session_secret",
            // Of the profile that is not up here; without it there are warnings.
            "config/compose/store_url",
        ] {
            let target = directory.path().join(file);
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(root().join(file), target).unwrap();
        }
        // The container's user is not the one that runs this.
        let is_open = Command::new("chmod").args(["-R", "a+rX"]).arg(directory.path()).status().unwrap();
        assert!(is_open.success());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let composition = Self { directory, project: format!("usher-test-{port}"), port };
        let (code, text) = composition.compose(&["up", "-d", "--no-build"]);
        assert_eq!(code, Some(0), "{text}");
        composition
    }

    /// Exit code and all that was said.
    fn compose(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = compose(self.directory.path(), &self.project);
        run(command.args(arguments).env("USHER_PORT", self.port.to_string()))
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
        let mut command = Command::new("curl");
        command.args(["-sS", "-X", "POST", "-w", "\n%{http_code}"]);
        command.arg(format!("http://127.0.0.1:{}/chat-token", self.port));
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
        self.compose(&["down", "-v", "-t", "5"]);
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
