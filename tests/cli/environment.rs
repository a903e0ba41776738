//! Each kind of setting from the environment, as it shows in what the service does.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher::sandbox::{Fault, Times};
use usher::schema::{Key, Kind};

use crate::support::{AUDIENCE, SECRET, keys};
use crate::support::{CommandLine, Process, Server, complete, issuer_of, with, without};

async fn serving(name: &str, value: &str) -> Server {
    Server::with(&CommandLine::with_policy(), &[(name, value)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_set_up_by_environment_alone() {
    let place = CommandLine::empty();
    place.write("policy.toml", crate::support::service::POLICY);
    let serving = Server::with(&place, &[("USHER__POLICY__FILE", "policy.toml")]).await;
    let payload = serving.payload().await;
    assert_eq!(payload["m"], "alice");
    assert_eq!(payload["chls"]["support:alice"], json!({"read": true, "write": true}));
    assert_eq!(place.files(), ["policy.toml"], "nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boolean() {
    let body = json!({"mode": "narrow"});
    assert_eq!(serving("USHER__POLICY__NARROW", "true").await.post_as("alice", &body).await.status, 200);
    let (status, answer) = serving("USHER__POLICY__NARROW", "false").await.post_as("alice", &body).await.read();
    assert_eq!((status, &answer["errors"][0]["code"]), (422, &json!("mode_not_enabled")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size() {
    let body = json!({"state": {"status": "away"}});
    assert_eq!(serving("USHER__SERVER__MAX_BODY", "1KiB").await.post_as("alice", &body).await.status, 200);
    let (status, answer) = serving("USHER__SERVER__MAX_BODY", "10B").await.post_as("alice", &body).await.read();
    assert_eq!((status, &answer["code"]), (413, &json!("body_too_large")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duration() {
    let serving = serving("USHER__SIGNALWIRE__TIMEOUT", "1s").await;
    serving.payload().await;
    serving.sandbox.fail(Fault::Hang, Times::Once);
    let started = Instant::now();
    let (status, answer) = serving.post_as("alice", &json!({})).await.read();
    assert_eq!((status, &answer["code"]), (504, &json!("upstream_timeout")));
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_request() {
    let serving = serving("USHER__SERVER__REQUEST_TIMEOUT", "1s").await;
    let mut stream = tokio::net::TcpStream::connect(serving.url.trim_start_matches("http://")).await.unwrap();
    let session = keys::session("alice", &["customer"]);
    let head = format!(
        "POST /chat-token HTTP/1.1\r\nHost: usher\r\nAuthorization: Bearer {session}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(Duration::from_secs(8), stream.read_exact(&mut answer)).await;
    read.expect("15 s is the default").unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
}

/// The statuses of so many requests, one after another.
async fn statuses(serving: &Server, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(serving.post_as("alice", &json!({})).await.status);
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_and_an_integer_in_it() {
    let name = "USHER__LIMITS__PER_MEMBER";
    let table = serving(name, "{rate = \"1/h\", burst = 2}").await;
    assert_eq!(statuses(&table, 3).await, [200, 200, 429]);
    let rate_alone = serving(name, "{rate = \"3/h\"}").await;
    assert_eq!(statuses(&rate_alone, 4).await, [200, 200, 200, 429], "the burst is then the rate's number");
    let integer = Server::with(
        &CommandLine::with_policy(),
        &[("USHER__LIMITS__PER_MEMBER__RATE", "1/h"), ("USHER__LIMITS__PER_MEMBER__BURST", "1")],
    )
    .await;
    assert_eq!(statuses(&integer, 2).await, [200, 429]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_off_and_back_again() {
    let name = "USHER__LIMITS__PER_MEMBER";
    let by_default = Server::with(&CommandLine::with_policy(), &[]).await;
    assert_eq!(statuses(&by_default, 16).await[14..], [200, 429], "the default is a burst of 15");
    let off = serving(name, "off").await;
    assert_eq!(statuses(&off, 20).await, [200; 20]);

    let place = CommandLine::with_policy();
    place.write("config/usher.toml", "[limits]\nper_member = \"off\"\n");
    assert_eq!(statuses(&Server::with(&place, &[]).await, 20).await, [200; 20], "of a file");
    let again = Server::with(&place, &[(name, "{rate = \"1/h\"}")]).await;
    assert_eq!(statuses(&again, 2).await, [200, 429], "the environment wins over the file's `off`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_tables_with_lists_of_strings() {
    let issuer = issuer_of(&format!("secret = {SECRET:?}, roles = [\"groups\", \"/realm/roles\"], leeway = \"0s\""));
    let issuer = issuer.replace(&format!("[{AUDIENCE:?}]"), &format!("[\"other\", {AUDIENCE:?}]"));
    let serving = serving("USHER__SESSION__ISSUERS", &format!("[{issuer}]")).await;
    for (name, claims, roles) in [
        ("the first source", json!({"groups": ["agent"], "realm": {"roles": ["customer"]}}), json!(["agent"])),
        ("the second, a pointer", json!({"realm": {"roles": ["customer"]}}), json!(["customer"])),
        ("no other", json!({"roles": ["customer"]}), json!([])),
    ] {
        let claims = [&claims, &json!({"aud": ["other"], "roles": claims["roles"]})].into_iter().fold(
            json!({}),
            |mut all: Value, more| {
                all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                all
            },
        );
        let session = keys::Signer::secret().sign(&keys::claims("alice", &[], 600, &claims));
        let answer = serving.grants(&session).await.json();
        assert_eq!(answer["roles"], roles, "{name}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_for_the_log() {
    let pretty = CommandLine::with_policy();
    let variables = [("USHER__LOG__FORMAT", "pretty")];
    let running = Process::start(pretty.command(&["serve"]).envs(complete("http://127.0.0.1:1")).envs(variables));
    running.wait_for(|_, stderr| stderr.contains(" INFO listening address=127.0.0.1:"));

    let quiet = CommandLine::with_policy();
    let serving = Server::with(&quiet, &[("USHER__LOG__LEVEL", "debug")]).await;
    serving.payload().await;
    serving.running.wait_for(|_, stderr| stderr.contains("\"event\":\"audit\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_may_take() {
    let more = [("USHER__SERVER__KEEP_ALIVE", "2s"), ("USHER__SERVER__MAX_CONNECTIONS", "1")];
    let serving = Server::with(&CommandLine::with_policy(), &more).await;
    let address = serving.url.trim_start_matches("http://").to_owned();
    let ask = async || {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 200");
        stream
    };
    let started = Instant::now();
    let kept = ask().await;
    // The only place is given up when the first one has been idle for so long.
    ask().await;
    let took = started.elapsed();
    assert!(took > Duration::from_millis(1_900) && took < Duration::from_secs(5), "{took:?}");
    drop(kept);
}

#[test]
fn the_defaults_of_the_code_are_those_of_the_settings() {
    let place = CommandLine::with_policy();
    place.write("policy.toml", crate::support::service::POLICY);
    let variables =
        with(complete("example"), "USHER__POLICY__FILE", place.path().join("policy.toml").to_str().unwrap());
    let variables = without(variables, "USHER__SERVER__LISTEN");
    let settings = usher::settings::Settings::load(&[], &variables.into_iter().collect())
        .unwrap_or_else(|faults| panic!("{faults}"));
    let lifetime = usher::service::Lifetime::default();
    assert_eq!(settings.server.connections, lifetime.connections);
    assert_eq!(settings.server.shutdown_delay, lifetime.shutdown_delay);
    assert_eq!(settings.server.shutdown_grace, lifetime.shutdown_grace);
}

#[test]
fn too_few_open_files_are_told() {
    let place = CommandLine::with_policy();
    let line = format!("ulimit -n 64; exec {} serve", env!("CARGO_BIN_EXE_usher"));
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &line]).env_clear().envs(complete("http://127.0.0.1:1")).current_dir(place.path());
    let running = Process::start(&mut command);
    running.wait_for(|_, stderr| stderr.contains("at most 64 files can be open"));
    running.wait_for(|_, stderr| stderr.contains("\"listening\""));
    // More than there can be: those that cannot be accepted wait, and are when others go.
    let address = running.logged_url("\"listening\"").trim_start_matches("http://").to_owned();
    let held: Vec<_> = (0..80).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    running.wait_for(|_, stderr| stderr.contains("connections cannot be accepted for now"));
    drop(held);
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// The dotted names of all settings that a variable of their own can set.
fn names(keys: &'static [Key], prefix: &str, all: &mut Vec<String>) {
    for key in keys {
        let name = format!("{prefix}{}", key.name);
        match &key.kind {
            Kind::Table(keys) => names(keys, &format!("{name}."), all),
            _ => all.push(name),
        }
    }
}

#[test]
fn every_setting_has_a_variable() {
    let place = CommandLine::with_policy();
    place.write("token", crate::support::API_TOKEN);
    place.write("store", "rediss://:password@redis.example.com\n");
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    place.write("ca.pem", certificate.cert.pem());
    place.write("cert.pem", certificate.cert.pem());
    place.write("key.pem", certificate.signing_key.serialize_pem());
    let issuers = format!("[{}]", issuer_of(&format!("secret = {SECRET:?}")));
    let values = [
        ("server.listen", "[::1]:8081"),
        ("server.max_body", "1MiB"),
        ("server.header_timeout", "7s"),
        ("server.keep_alive", "2m"),
        ("server.request_timeout", "9s"),
        ("server.max_connections", "77"),
        ("server.trusted_proxies", "10.0.0.0/8,fd00::/8"),
        ("server.shutdown_delay", "0s"),
        ("server.shutdown_grace", "1m"),
        ("server.tls.cert_file", "cert.pem"),
        ("server.tls.key_file", "key.pem"),
        ("ops.listen", "127.0.0.1:9465"),
        ("cors.allowed_origins", "https://a.example.com,https://*.b.example.com"),
        ("signalwire.space", "other"),
        ("signalwire.project_id", "an-id"),
        ("signalwire.api_token", "PT-x"),
        ("signalwire.api_token_file", "token"),
        ("signalwire.allow_http", "true"),
        ("signalwire.connect_timeout", "1s"),
        ("signalwire.timeout", "2s"),
        ("signalwire.max_in_flight", "7"),
        ("signalwire.max_wait", "0s"),
        ("signalwire.ca_file", "ca.pem"),
        ("session.issuers", &issuers),
        ("session.remember", "false"),
        ("session.cookie.name", "__Host-session"),
        ("session.cookie.guard_header", "X-Guard"),
        ("policy.file", "config/policy.toml"),
        ("policy.narrow", "false"),
        ("policy.watch", "false"),
        ("limits.per_member", "off"),
        ("limits.per_address", "{rate = \"1/s\"}"),
        ("limits.store", "redis://127.0.0.1:6379/3"),
        ("limits.store_file", "store"),
        ("limits.on_store_failure", "refuse"),
        ("log.format", "pretty"),
        ("log.level", "warn"),
        ("telemetry.otlp_endpoint", "http://collector:4318"),
    ];
    let mut all = Vec::new();
    names(usher::settings::KEYS, "", &mut all);
    let given: Vec<_> = values.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(all, given, "a setting without a case");
    for (name, value) in values {
        let variable = format!("USHER__{}", name.replace('.', "__").to_uppercase());
        let complete = without(complete("example"), "SIGNALWIRE_API_TOKEN");
        let complete = if name == "signalwire.api_token_file" {
            complete
        } else {
            with(complete, "USHER__SIGNALWIRE__API_TOKEN", "PT-y")
        };
        // Some are nothing without another: the guard without its cookie, a certificate without its key.
        let beside = [
            ("session.cookie.guard_header", "USHER__SESSION__COOKIE__NAME", "__Host-session"),
            ("server.tls.cert_file", "USHER__SERVER__TLS__KEY_FILE", "key.pem"),
            ("server.tls.key_file", "USHER__SERVER__TLS__CERT_FILE", "cert.pem"),
        ];
        let complete = match beside.iter().find(|(setting, ..)| *setting == name) {
            Some((_, other, value)) => with(complete, other, value),
            None => complete,
        };
        let (code, stdout, stderr) = place.run(&["check"], &with(complete.clone(), &variable, value));
        assert_eq!((code, stderr.as_str()), (0, ""), "{variable}={value}");
        // What `check` tells shows that the value was taken.
        for (told, line) in [
            ("server.listen", "listen      [::1]:8081\n"),
            (
                "server.tls.cert_file",
                "listen      127.0.0.1:0 with TLS (certificate cert.pem until 4096-01-01T00:00:00Z)\n",
            ),
            ("server.tls.key_file", " with TLS (certificate cert.pem until "),
            ("ops.listen", "operator    127.0.0.1:9465\n"),
            ("cors.allowed_origins", "origin      https://a.example.com\norigin      https://*.b.example.com\n"),
            ("signalwire.space", "https://other.signalwire.com/"),
            ("signalwire.project_id", "project an-id\n"),
            ("telemetry.otlp_endpoint", "traces      http://collector:4318/v1/traces\n"),
        ] {
            assert!(name != told || stdout.contains(line), "{variable}: {stdout}");
        }
        // And that it is read as what the setting wants: this is what none of them but a text does.
        if !["signalwire.space", "signalwire.project_id", "signalwire.api_token"].contains(&name) {
            let (code, _, stderr) = place.run(&["check"], &with(complete, &variable, "{"));
            assert_eq!(code, 3, "{variable}={{: {stderr}");
            assert!(stderr.contains(&format!("error: {variable}: ")), "{stderr}");
        }
    }
}

/// Two layers that each say a part: what switches a limit off is one word alone.
#[test]
fn a_limit_is_not_switched_off_by_what_is_no_rate() {
    let place = CommandLine::with_policy();
    place.write("one.toml", "[limits]\nper_member = \"off\"\n");
    place.write("two.toml", "[limits]\nper_member = { burst = 2 }\n");
    let check = |files: &[&str]| {
        let arguments: Vec<_> = files.iter().flat_map(|file| ["--config", *file]).collect();
        place.run(&[&["check"], arguments.as_slice()].concat(), &complete("example"))
    };
    let (code, _, stderr) = check(&["one.toml", "two.toml"]);
    assert!(code == 3 && stderr.contains("limits.per_member: `rate` is missing"), "{stderr}");
    assert_eq!(check(&["two.toml", "one.toml"]).0, 0, "off, and said last");
    assert_eq!(check(&["two.toml"]).0, 0, "the rate is the default's");
}

#[test]
fn an_empty_list_is_one() {
    let place = CommandLine::with_policy();
    for (value, code) in [("", 0), (" ", 0), ("[]", 0), (",", 3)] {
        let variables = with(complete("example"), "USHER__CORS__ALLOWED_ORIGINS", value);
        assert_eq!(place.run(&["check"], &variables).0, code, "{value:?}");
    }
}
