//! `usher dev` and `usher session`, as a newcomer runs them.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{CommandLine, Process, run};

/// A running `usher dev` in a place of its own, its files for `usher session` there too.
pub(super) struct Dev {
    pub(super) place: CommandLine,
    running: Process,
}

impl Dev {
    pub(super) fn start(place: CommandLine, more: &[&str]) -> Self {
        let runtime = place.path().join("run");
        std::fs::create_dir_all(&runtime).unwrap();
        let mut command = place.command(&["dev"]);
        let running = Process::start(command.args(more).env("XDG_RUNTIME_DIR", runtime));
        running.wait_for(|stdout, _| stdout.lines().last().is_some_and(|line| line.starts_with("curl ")));
        Self { place, running }
    }

    fn curls(&self) -> Vec<String> {
        self.running.stdout().lines().filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
    }

    pub(super) fn url(&self) -> String {
        let stdout = self.running.stdout();
        let line = stdout.lines().find(|line| line.starts_with("  usher ")).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    }

    fn port(&self) -> String {
        self.url().rsplit(':').next().unwrap().to_owned()
    }

    fn session(&self, more: &[&str]) -> (i32, String, String) {
        let mut command = self.place.command(&["session"]);
        run(command.args(more).env("XDG_RUNTIME_DIR", self.place.path().join("run")))
    }

    fn left_behind(&self) -> Vec<std::path::PathBuf> {
        std::fs::read_dir(self.place.path().join("run")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

/// Status and JSON of a line, pasted.
fn paste(line: &str) -> (u16, Value) {
    let (code, stdout, stderr) = run(Command::new("bash").arg("-c").arg(format!("{line} -w '\\n%{{http_code}}'")));
    assert_eq!(code, 0, "{stderr}");
    let (body, status) = stdout.trim_end().rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap())
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn the_last_line_pasted_gives_a_token_of_the_real_shape_that_is_visibly_not_real() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let stdout = dev.running.stdout();
    assert!(stdout.contains("sandbox ") && stdout.contains("built-in policy"), "{stdout}");
    let (status, answer) = paste(stdout.lines().last().unwrap());
    assert_eq!((status, answer["member_id"].as_str()), (200, Some("alice")), "{answer}");
    let token = answer["token"].as_str().unwrap();
    let (header, payload) = (part(token, 0), part(token, 1));
    let sandbox = stdout.lines().find_map(|line| line.trim().strip_prefix("sandbox   http://")).unwrap();
    let relay = format!("ws://{}", sandbox.split(' ').next().unwrap());
    assert_eq!(header, json!({"typ": "CRT", "alg": "HS512", "sandbox": true, "ch": relay}));
    assert_eq!(
        (&payload["m"], &payload["t"], &payload["stt"]),
        (&json!("alice"), &json!(15), &json!({"name": "alice"}))
    );
    assert_eq!(payload["chls"], answer["channels"]);
    assert_eq!(payload["chls"]["support:alice"], json!({"read": true, "write": true}));
    assert!(payload["iat"].is_u64() && payload["jti"].is_string() && payload["sub"].is_string());
    assert!(payload.get("exp").is_none() && payload.as_object().unwrap().len() == 7, "{payload}");
}

#[tokio::test]
async fn the_token_leads_to_a_relay_that_is_told_to_go_when_dev_stops() {
    let mut dev = Dev::start(CommandLine::empty(), &[]);
    let (_, answer) = paste(dev.curls().last().unwrap());
    let token = answer["token"].as_str().unwrap();
    let relay = part(token, 0)["ch"].as_str().unwrap().to_owned();
    for (origin, wanted) in [("https://app.example.com", 403), ("null", 403), ("http://localhost:3000", 101)] {
        let mut request = relay.as_str().into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        let status = match tokio_tungstenite::connect_async(request).await {
            Ok((_, response)) => response.status().as_u16(),
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(status, wanted, "{origin}");
    }
    let (mut socket, _) = tokio_tungstenite::connect_async(relay).await.unwrap();
    let connect = json!({"jsonrpc": "2.0", "id": 1, "method": "signalwire.connect",
        "params": {"authentication": {"jwt_token": token}}});
    socket.send(Message::text(connect.to_string())).await.unwrap();
    let mut next = async || match timeout(Duration::from_secs(10), socket.next()).await.unwrap().unwrap().unwrap() {
        Message::Text(text) => serde_json::from_str::<Value>(&text).unwrap(),
        Message::Close(Some(frame)) => json!(u16::from(frame.code)),
        other => panic!("{other:?}"),
    };
    let connected = next().await;
    assert_eq!(connected["result"]["authorization"]["channels"], answer["channels"], "{connected}");
    dev.running.signal("TERM");
    assert_eq!(next().await["method"], "signalwire.disconnect");
    assert_eq!(next().await, 1_001);
    assert_eq!(dev.running.exit_code(), Some(0), "{}", dev.running.stderr());
}

#[test]
fn what_is_printed_above_it_does_what_it_says() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let [agent, refused, grants, _] = dev.curls().try_into().unwrap();
    let (status, answer) = paste(&agent);
    assert_eq!((status, &answer["channels"]["desk"]), (200, &json!({"read": true, "write": true})));
    let (status, problem) = paste(&refused);
    let row = json!([{"channel": "not-granted", "permissions": ["read"], "reason": "not_allowed"}]);
    assert_eq!((status, &problem["code"], &problem["denied"]), (403, &json!("channels_denied"), &row));
    let (status, answer) = paste(&grants);
    assert_eq!((status, &answer["roles"]), (200, &json!(["customer"])));
}

#[test]
fn a_session_is_for_whom_it_says_and_the_token_alone_on_standard_output() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let grants = |more: &[&str]| {
        let (code, stdout, stderr) = dev.session(more);
        assert_eq!((code, stdout.lines().count()), (0, 1), "{stderr}");
        let session = stdout.trim_end();
        paste(&format!("curl -sS {}/chat-token/grants -H 'Authorization: Bearer {session}'", dev.url())).1
    };
    let bob = grants(&["--sub", "bob", "--role", "agent"]);
    assert_eq!((&bob["member_id"], &bob["roles"]), (&json!("bob"), &json!(["agent", "customer"])));
    let port = dev.port();
    let more = grants(&[
        "--sub",
        "bob",
        "--role",
        "customer",
        "--role",
        "muted",
        "--port",
        &port,
        "--claim",
        "projects=[\"x\"]",
    ]);
    assert_eq!(more["roles"], json!(["customer", "muted"]));
    assert_eq!(more["channels"]["project:x"], json!({"read": true, "write": false}));

    let (code, stdout, stderr) = dev.session(&["--sub", "bob", "--port", "1"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("no `usher dev` of yours listens on port 1"), "{stderr}");
    let nobody = CommandLine::empty();
    let (code, _, stderr) =
        nobody.run(&["session", "--sub", "bob"], &[("XDG_RUNTIME_DIR", nobody.path().to_str().unwrap())]);
    assert!(code == 1 && stderr.contains("no `usher dev` of yours is running"), "{stderr}");
}

#[test]
fn it_leaves_one_file_for_its_user_alone_and_takes_it_away_at_the_end() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut dev = Dev::start(CommandLine::empty(), &[]);
        let files = dev.left_behind();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].file_name().unwrap().to_str().unwrap(), format!("usher-dev-{}.json", dev.port()));
        assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
        dev.running.signal(signal);
        assert_eq!(dev.running.exit_code(), Some(0), "{signal}: {}", dev.running.stderr());
        assert!(dev.left_behind().is_empty(), "{signal}");
        assert_eq!(dev.place.files(), ["run"], "and it writes nothing else");
    }
}

#[test]
fn a_second_one_takes_another_port() {
    let (one, two) = (Dev::start(CommandLine::empty(), &[]), Dev::start(CommandLine::empty(), &[]));
    assert_ne!(one.port(), two.port());
    assert_eq!(paste(one.curls().last().unwrap()).0, 200);
    assert_eq!(paste(two.curls().last().unwrap()).0, 200);
    assert_eq!(paste(&two.curls().last().unwrap().replace(&two.url(), &one.url())).0, 401, "each has its own issuer");
}

#[test]
fn it_refuses_real_credentials_and_other_networks() {
    for name in ["SIGNALWIRE_API_TOKEN", "SIGNALWIRE_SPACE", "USHER__SIGNALWIRE__PROJECT_ID"] {
        let (code, stdout, stderr) = CommandLine::empty().run(&["dev"], &[(name, "x-secret-x")]);
        assert!(code == 3 && stdout.is_empty() && stderr.contains(name) && !stderr.contains("x-secret-x"), "{stderr}");
    }
    let (code, _, stderr) = CommandLine::empty().run::<&str, &str>(&["dev", "--listen", "0.0.0.0:0"], &[]);
    assert!(code == 3 && stderr.contains("--allow-remote"), "{stderr}");
}

#[test]
fn a_host_of_another_name_is_refused() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let port = dev.port();
    let with_host = |host: &str| paste(&format!("{} -H 'Host: {host}'", dev.curls().last().unwrap()));
    for host in ["localhost", "127.0.0.1", "[::1]", "LOCALHOST:1"] {
        assert_eq!(with_host(host).0, 200, "{host}");
    }
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1.evil.example", "localhost.evil.example"] {
        let (status, problem) = with_host(host);
        assert_eq!((status, &problem["code"]), (403, &json!("origin_refused")), "{host}");
        let preflight = format!(
            "curl -sS -X OPTIONS {}/chat-token -H 'Host: {host}' -H 'Origin: http://localhost:1' -H \
             'Access-Control-Request-Method: POST'",
            dev.url()
        );
        assert_eq!(paste(&preflight).0, 403, "{host}");
    }
}

#[test]
fn no_limits_apply() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let line = dev.curls().pop().unwrap();
    let many = format!("for n in $(seq 40); do {line} -o /dev/null -w '%{{http_code}}\\n'; done | sort | uniq -c");
    let (_, stdout, _) = run(Command::new("bash").arg("-c").arg(many));
    assert_eq!(stdout.split_whitespace().collect::<Vec<_>>(), ["40", "200"]);
}

#[test]
fn the_policy_is_the_one_that_is_named_or_the_working_directorys_or_the_built_in_one() {
    let own = "version = 1\n[roles.customer.channels]\n\"own\" = [\"read\"]\n";
    let channels = |dev: &Dev| paste(dev.curls().last().unwrap()).1["channels"].clone();
    let place = CommandLine::empty();
    place.write("config/policy.toml", own);
    assert_eq!(channels(&Dev::start(place, &[])), json!({"own": {"read": true, "write": false}}));
    let place = CommandLine::empty();
    place.write("config/policy.toml", own);
    place.write("other.toml", own.replace("own", "other"));
    assert_eq!(
        channels(&Dev::start(place, &["--policy", "other.toml"])),
        json!({"other": {"read": true, "write": false}})
    );

    // And the last line works with whatever roles there are.
    let place = CommandLine::empty();
    place.write(
        "odd.toml",
        "version = 1\n[roles.a.channels]\n\"x:*\" = [\"read\"]\n[roles.z.channels]\n\"z\" = [\"read\"]\n",
    );
    assert_eq!(channels(&Dev::start(place, &["--policy", "odd.toml"])), json!({"z": {"read": true, "write": false}}));

    let place = CommandLine::empty();
    place.write("bad.toml", "version = 1\n[roles.a.channels]\n\"x*\" = [\"read\"]\n");
    let (code, stdout, stderr) = place.run::<&str, &str>(&["dev", "--policy", "bad.toml"], &[]);
    assert!(code == 3 && stdout.is_empty() && stderr.contains("bad.toml:3:1"), "{stderr}");
    let (code, _, stderr) = place.run::<&str, &str>(&["dev", "--policy", "none.toml"], &[]);
    assert!(code == 3 && stderr.contains("none.toml cannot be read"), "{stderr}");
}

#[test]
fn where_the_runtime_directory_is_not_there_the_temporary_one_is_used() {
    let place = CommandLine::empty();
    let mut command = place.command(&["dev"]);
    command.envs([("XDG_RUNTIME_DIR", "/nowhere/at/all"), ("TMPDIR", place.path().to_str().unwrap())]);
    let running = Process::start(&mut command);
    running.wait_for(|stdout, _| stdout.lines().last().is_some_and(|line| line.starts_with("curl ")));
    let files = place.files();
    assert!(files.len() == 1 && files[0].starts_with("usher-dev-") && files[0].matches('-').count() == 3, "{files:?}");
}

#[test]
fn pages_of_this_machine_may_read_its_answers_and_no_others() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let headers = |origin: &str| {
        let line = format!("curl -sS -D - -o /dev/null {}/chat-token/grants -H 'Origin: {origin}'", dev.url());
        run(Command::new("bash").arg("-c").arg(line)).1.to_lowercase()
    };
    for origin in ["http://localhost:5173", "http://localhost", "http://127.0.0.1:3000", "http://[::1]:8080"] {
        assert!(headers(origin).contains(&format!("access-control-allow-origin: {origin}\r\n")), "{origin}");
    }
    for origin in [
        "https://localhost:5173",
        "http://localhost.evil.example",
        "http://localhost:80.evil.example",
        "http://evil.example",
        "http://127.0.0.1.evil.example:80",
        "http://localhost:",
        "null",
    ] {
        assert!(!headers(origin).contains("access-control-allow-origin"), "{origin}");
    }
}

#[test]
fn the_operators_listener_is_there_too() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let stdout = dev.running.stdout();
    let line = stdout.lines().find(|line| line.starts_with("  operator ")).unwrap();
    let ops = line.split_whitespace().nth(1).unwrap();
    let (status, words) = paste(&format!("curl -sS {ops}/ready"));
    assert_eq!((status, &words["status"]), (200, &json!("ready")), "{words}");
    assert_eq!(paste(&format!("curl -sS {ops}/policy")).1["path"], "the built-in policy");
    assert_eq!(paste(&format!("curl -sS {ops}/policy -H 'Host: evil.example'")).0, 403);
}

#[test]
fn an_edit_of_the_policy_is_seen() {
    let place = CommandLine::empty();
    let policy = |channel: &str| format!("version = 1\n[roles.customer.channels]\n{channel:?} = [\"read\"]\n");
    place.write("config/policy.toml", policy("before"));
    let dev = Dev::start(place, &[]);
    let line = dev.curls().pop().unwrap();
    assert!(paste(&line).1["channels"]["before"].is_object());
    dev.place.write("config/policy.toml", policy("after"));
    dev.running.wait_for(|_, stderr| stderr.contains("policy loaded"));
    assert!(paste(&line).1["channels"]["after"].is_object());
}
