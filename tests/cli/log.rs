//! The log on standard error: one line a request, and nothing that anybody sends can forge a line or reach the terminal.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use usher::sandbox::{Fault, Times};
use usher::telemetry::clock;

use crate::support::collector::{Collector, Mode};
use crate::support::keys::{self, Signer};
use crate::support::{
    Client, CommandLine, Process, RunningSandbox, SECRET, Server, complete, free_address, issuer_of, send, with,
};

const POLICY: &str = "version = 1\n[member]\nid = \"{sub|sha256}\"\nstate = { name = \"{name}\" }\n\
                      client_state = [\"status\"]\n[roles.customer.channels]\n\"a:**\" = [\"read\"]\n";

/// What could end a line, hide one, or speak to a terminal (categories Cc, Cf, Zl, Zp).
const EVIL: &str = "x\r\n{\"event\":\"audit\",\"forged\":1}\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{85}\u{2028}\u{2029}\u{202e}\u{200b}\u{ad}\u{feff}\u{e0001}";

fn place() -> CommandLine {
    CommandLine::with_files([("config/policy.toml", POLICY)])
}

/// Bytes over a connection of their own, until it is closed.
async fn send_bytes(url: &str, request: &[u8]) {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
}

/// Everything that a client can put something evil into.
async fn be_evil(client: &Client) {
    let url = &client.url;
    let more = json!({"name": EVIL, "sub": EVIL, "roles": ["customer", EVIL], "jti": EVIL, EVIL: EVIL});
    let session = Signer::secret().sign(&keys::claims("alice", &["customer"], 3_600, &more));
    for body in [
        json!({}),
        json!({"channels": {"a:b": {"read": true}}, "state": {"status": EVIL}}),
        json!({"channels": {EVIL: {"read": true}}}),
        json!({"channels": {format!("a:{}", "\u{202e}\u{200b}\u{ad}y"): {"read": true}}}),
        json!({EVIL: EVIL, "mode": EVIL, "member_id": EVIL}),
    ] {
        client.post(&session, Some(&body)).await;
    }
    let unknown = Signer::secret().sign_with(&json!({"kid": EVIL, "alg": EVIL, "typ": EVIL}), &json!({"iss": EVIL}));
    client.post(&unknown, None).await;
    // Header values may hold tabs and bytes over 127, which are a terminal's too (U+009B).
    for line in [
        &b"X-Request-Id: a\tb"[..],
        b"X-Request-Id: \xc2\x9b31m",
        b"X-Request-Id: <script>",
        b"Authorization: Bearer \xc2\x9b31m\t",
        b"Origin: \xe2\x80\xae\xc2\x9b",
        b"User-Agent: \xc2\x9b2J",
        b"Content-Type: \xe2\x80\xa8",
    ] {
        let head = [b"POST /chat-token?\x7e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", line, b"\r\n\r\n"].concat();
        send_bytes(url, &head).await;
    }
    send_bytes(url, "GET /%1b%0a\u{9b}\u{2028} HTTP/1.1\r\nHost: \u{9b}\r\nConnection: close\r\n\r\n".as_bytes()).await;
    send_bytes(url, b"X-EVIL~!#$ /chat-token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
}

/// That every character is one that a terminal shows as it is.
fn assert_visible(stderr: &str) {
    for line in stderr.lines() {
        let hidden = line.chars().find(|character| usher::telemetry::log::is_invisible(*character));
        assert_eq!(hidden, None, "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_one_json_object_and_each_request_has_one() {
    let serving = Server::with(&place(), &[]).await;
    be_evil(&serving).await;
    let (status, _) = serving.post_as("alice", &json!({"channels": {"a:b": {"read": true}}})).await.read();
    assert_eq!(status, 200);
    serving.running.wait_for(|_, stderr| stderr.matches("\"answered\"").count() >= 16);
    let stderr = serving.running.stderr();
    assert_visible(&stderr);
    let lines: Vec<Value> = stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(lines.iter().all(Value::is_object));
    assert!(!lines.iter().any(|line| line.get("forged").is_some()), "{stderr}");
    let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "answered").collect();
    assert_eq!(answered.len(), 16, "one a request: {stderr}");
    let mut ids: Vec<_> = answered.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 16);
    for line in answered {
        for member in ["timestamp", "level", "method", "route", "status", "took_ms", "address"] {
            assert!(!line[member].is_null(), "{member}: {line}");
        }
        let is_problem = line["status"].as_u64().unwrap() >= 400;
        assert_eq!(line["code"].is_string(), is_problem, "{line}");
        assert!(["/chat-token", "other"].contains(&line["route"].as_str().unwrap()), "{line}");
    }
    // What was escaped is still what it was.
    let evil = lines.iter().find(|line| line["subject"] == EVIL);
    assert!(evil.is_some(), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_person_it_is_one_line_a_request_too() {
    let more = [("USHER__LOG__FORMAT", "pretty"), ("USHER__SERVER__LISTEN", &*free_address())];
    let serving = Server::with(&place(), &more).await;
    be_evil(&serving).await;
    serving.running.wait_for(|_, stderr| stderr.matches(" answered ").count() >= 15);
    let stderr = serving.running.stderr();
    assert_visible(&stderr);
    assert_eq!(stderr.matches(" answered ").count(), 15, "{stderr}");
    let line_starts = |line: &str| line.starts_with("20") || line.starts_with("{\"event\":\"audit\",\"time\"");
    assert!(stderr.lines().all(line_starts), "{stderr}");
}

/// Its reader is gone, or takes nothing: requests are answered, signals heeded, and nothing panics.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_keeps_nobody_waiting() {
    for reader in ["2>/dev/full", "2> >(sleep 0.2)", "2> >(sleep 60)"] {
        let sandbox = RunningSandbox::start().await;
        let address = free_address();
        let place = place();
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &format!("exec {} serve {reader}", env!("CARGO_BIN_EXE_usher"))]);
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(place.path());
        command.envs(with(complete(&sandbox.url), "USHER__SERVER__LISTEN", &address));
        let mut running = Process::start(&mut command);
        running.wait_for(|_, _| std::net::TcpStream::connect(&address).is_ok());
        // So that the second reader is gone.
        tokio::time::sleep(Duration::from_millis(400)).await;
        let client = Client::new(format!("http://{address}"));
        // More lines than a pipe holds.
        for _ in 0..500 {
            assert_eq!(client.get("/nowhere").await.status, 404, "{reader}");
        }
        let body = json!({"channels": {"a:b": {"read": true}}});
        assert_eq!(client.post_as("alice", &body).await.status, 200, "{reader}");
        running.signal("TERM");
        assert_eq!(running.exit_code(), Some(0), "{reader}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_once_with_its_causes_and_at_its_level() {
    let serving = Server::with(&place(), &[("SIGNALWIRE_SPACE", "http://127.0.0.1:9")]).await;
    let body = json!({"channels": {"a:b": {"read": true}}});
    assert_eq!(serving.post_as("alice", &body).await.status, 503);
    let stranger = serving.mint_request("a.b.c");
    assert_eq!(send(stranger).await.status, 401);
    serving.running.wait_for(|_, stderr| stderr.matches("\"answered\"").count() == 2);
    let stderr = serving.running.stderr();
    let lines: Vec<Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |code: &str| lines.iter().find(|line| line["message"] == "answered" && line["code"] == code).unwrap();
    let failed = line("upstream_unavailable");
    assert_eq!(failed["level"], "ERROR");
    let cause = failed["cause"].as_str().unwrap();
    assert!(cause.starts_with("SignalWire cannot be reached: ") && cause.contains("refused"), "{cause}");
    assert_eq!(stderr.matches("cannot be reached").count(), 1, "once: {stderr}");
    let refused = line("session_invalid");
    assert_eq!(refused["level"], "INFO");
    assert!(refused["cause"].as_str().unwrap().contains("header cannot be read"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_has_its_members_in_their_order_and_no_others() {
    let serving = Server::with(&place(), &[]).await;
    let request = serving.request(Method::GET, "/chat-token/grants").header("x-request-id", "mine");
    assert_eq!(send(request.bearer_auth("a.b.c")).await.status, 401);
    serving.running.wait_for(|_, stderr| stderr.contains("\"answered\""));
    let stderr = serving.running.stderr();
    let line = stderr.lines().find(|line| line.contains("\"answered\"")).unwrap();
    let of: Value = serde_json::from_str(line).unwrap();
    let wanted = format!(
        "{{\"timestamp\":{},\"level\":\"INFO\",\"message\":\"answered\",\"request_id\":\"mine\",\"method\":\"GET\",\
         \"route\":\"/chat-token/grants\",\"status\":401,\"code\":\"session_invalid\",\"cause\":{},\"took_ms\":{},\
         \"address\":\"127.0.0.1\",\"target\":\"usher::api::layers\"}}",
        of["timestamp"], of["cause"], of["took_ms"]
    );
    assert_eq!(line, wanted);
    assert!(of["cause"].is_string() && of["took_ms"].is_u64(), "{line}");
    let timestamp = of["timestamp"].as_str().unwrap();
    let ago = clock::parse_rfc3339(timestamp).unwrap().millis_until(clock::now());
    assert!((0..60_000).contains(&ago) && timestamp.len() == "2026-11-24T14:36:42.574585Z".len(), "{timestamp}");
    // What is of no request tells of none.
    let listening = stderr.lines().find(|line| line.contains("\"listening\"")).unwrap();
    assert!(!listening.contains("request_id") && !listening.contains("span"), "{listening}");
}

/// A name is no text of ours, and stands in a line as a value.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_invisible_in_a_value_is_escaped_and_stays_what_it_is() {
    const NAME: &str = "config/\u{1b}[2J\u{9b}\u{202e}\u{2028}\u{e0001}\"\\é😀.toml";
    let place = CommandLine::empty();
    place.write(NAME, POLICY);
    let serving = Server::with(&place, &[("USHER__POLICY__FILE", NAME)]).await;
    serving.running.signal("HUP");
    serving.running.wait_for(|_, stderr| stderr.contains("policy loaded"));
    let stderr = serving.running.stderr();
    assert_visible(&stderr);
    let line = stderr.lines().find(|line| line.contains("policy loaded")).unwrap();
    let path = "\"path\":\"config/\\u001b[2J\\u009b\\u202e\\u2028\\udb40\\udc01\\\"\\\\é😀.toml\"";
    assert!(line.contains(path), "{line}");
    assert_eq!(serde_json::from_str::<Value>(line).unwrap()["path"], NAME);
}

/// From within one that somebody waits for, by a library, and one that nobody does any more; and its own line tells it once.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_from_within_a_request_tells_its_id() {
    for (format, within) in
        [("json", "\"request_id\":\"hasty\""), ("pretty", "request{request_id=\"hasty\"}: connecting to")]
    {
        let more = [
            ("USHER__LOG__FORMAT", format),
            ("USHER__LOG__LEVEL", "debug"),
            ("USHER__SIGNALWIRE__TIMEOUT", "1s"),
            ("USHER__SERVER__LISTEN", &*free_address()),
        ];
        let serving = Server::with(&CommandLine::with_policy(), &more).await;
        serving.sandbox.fail(Fault::Hang, Times::Once);
        let hasty = serving.mint_request(keys::session("alice", &["customer"])).header("x-request-id", "hasty");
        assert!(hasty.timeout(Duration::from_millis(300)).send().await.unwrap_err().is_timeout());
        serving.running.wait_for(|_, stderr| stderr.contains("nobody waits for the answer"));
        let patient = serving.request(Method::GET, "/live").header("x-request-id", "patient");
        assert_eq!(send(patient).await.status, 200);
        serving.running.wait_for(|_, stderr| stderr.contains("patient"));
        let stderr = serving.running.stderr();
        let line = |said: &str| stderr.lines().find(|line| line.contains(said)).unwrap();
        let (connecting, late, answered) =
            (line("connecting to"), line("nobody waits for the answer"), line("patient"));
        assert!(connecting.contains("DEBUG") && connecting.contains(within), "{connecting}");
        assert!(late.contains("ERROR") && late.contains("hasty"), "{late}");
        assert!(answered.contains("answered"), "{answered}");
        for own in [late, answered] {
            assert_eq!(own.matches("request_id").count(), 1, "{own}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_lines_from_its_level_on_with_traces_and_without() {
    const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
    let collector = Collector::start(Mode::Takes);
    // Whoever fetches keys speaks by the crate `log`.
    let remote = "{name = \"app\", issuer = \"https://b/\", audiences = [\"b\"], jwks_url = \"http://127.0.0.1:9/\"}";
    let issuers = format!("[{}, {remote}]", issuer_of(&format!("secret = {SECRET:?}")));
    for traces in [None, Some(("USHER__TELEMETRY__OTLP_ENDPOINT", &*collector.url))] {
        for level in ["error", "info", "debug", "trace"] {
            let all = [
                ("USHER__LOG__LEVEL", level),
                ("USHER__SESSION__ISSUERS", &*issuers),
                ("SIGNALWIRE_SPACE", "http://127.0.0.1:9"),
                ("USHER__SERVER__LISTEN", &*free_address()),
            ];
            let all: Vec<_> = traces.into_iter().chain(all).collect();
            let serving = Server::with(&CommandLine::with_policy(), &all).await;
            let running = &serving.running;
            assert_eq!(serving.post(&keys::session("alice", &["customer"]), None).await.status, 503);
            assert_eq!(serving.get("/live").await.status, 200);
            running.wait_for(|_, stderr| stderr.contains("\"answered\"") && stderr.contains("\"audit\""));
            let least = level.to_uppercase();
            running.wait_for(|_, stderr| stderr.contains(&format!("\"level\":\"{least}\"")));
            let stderr = running.stderr();
            let lines = stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let lines: Vec<_> = lines.filter(|line| line["event"].is_null()).collect();
            let seen: BTreeSet<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
            let wanted = LEVELS.iter().position(|level| *level == least).unwrap();
            assert!(seen.iter().all(|level| LEVELS[..=wanted].contains(level)), "{level}: {seen:?}");
            // Libraries that speak by the crate `log` are heard, by their own names.
            let by_log = lines.iter().filter(|line| !line["log.target"].is_null());
            let by_log: Vec<_> = by_log.map(|line| (&line["target"], &line["log.target"])).collect();
            assert_eq!(by_log.is_empty(), ["error", "info"].contains(&level), "{level}: {stderr}");
            assert!(by_log.iter().all(|(target, own)| target == own), "{by_log:?}");
        }
    }
}
