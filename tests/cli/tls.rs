//! TLS of the service's own: its files at the start and while it runs, what tells of it, and how it stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{KeyPair, date_time_ymd};
use reqwest::Method;
use rustls::{ClientConfig, HandshakeKind};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use usher::sandbox::{Fault, Times};

use crate::support::tls::{Certificate, address, builder, client_hello, config, connect, connect_with, presented};
use crate::support::{Client, CommandLine, Load, Server, complete, keys, wait_for, with};

const FILES: [(&str, &str); 2] =
    [("USHER__SERVER__TLS__CERT_FILE", "tls/cert.pem"), ("USHER__SERVER__TLS__KEY_FILE", "tls/key.pem")];
const LIVE: &[u8] = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// What is promised, and a little for a busy machine.
const SOON: Duration = Duration::from_secs(8);

pub(super) fn place(certificate: &Certificate) -> CommandLine {
    let place = CommandLine::with_policy();
    place.write("tls/cert.pem", &certificate.pem);
    place.write("tls/key.pem", &certificate.key);
    place
}

/// Serving under TLS, asked by a client that trusts these.
pub(super) async fn serving(place: &CommandLine, trusted: &[&Certificate], more: &[(&str, &str)]) -> Server {
    let ours = [("USHER__OPS__LISTEN", "127.0.0.1:0"), ("USHER__LIMITS__PER_MEMBER", "off")];
    let mut serving = Server::with(place, &[&FILES, &ours, more].concat()).await;
    serving.client = Client::with(serving.url.replace("http://", "https://"), builder(trusted));
    serving
}

async fn failures(serving: &Server) -> usize {
    serving.ops().metric("usher_tls_certificate_reload_failures_total").await
}

/// Waits until new connections are greeted with this certificate; how long that took.
pub(super) async fn until(serving: &Server, trusted: &[&Certificate], wanted: &Certificate) -> Duration {
    let started = Instant::now();
    wait_for(SOON, async || {
        if presented(&serving.url, trusted).await == wanted.der { Ok(()) } else { Err(serving.running.stderr()) }
    })
    .await;
    started.elapsed()
}

fn told(stderr: &str) -> usize {
    stderr.matches("no certificate to load; the one in use stays").count()
}

async fn live(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin)) -> std::io::Result<()> {
    stream.write_all(LIVE).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_by_https_and_the_log_says_so() {
    let certificate = Certificate::new();
    let place = place(&certificate);
    let serving = serving(&place, &[&certificate], &[]).await;
    let payload = serving.payload().await;
    assert_eq!(payload["m"], "alice");
    let stderr = serving.running.stderr();
    let line = stderr.lines().find(|line| line.contains("\"listening\"")).unwrap();
    assert!(line.contains("\"scheme\":\"https\""), "{line}");
    assert_eq!(failures(&serving).await, 0);
    let plain = Client::new(serving.url.replace("https://", "http://"));
    let plain = plain.request(Method::GET, "/live").send().await;
    assert!(plain.is_err(), "{plain:?}");
    // The operator's listener is for nobody else, and stays plain.
    assert_eq!(serving.ops().get("/ready").await.status, 200);

    let plain = Server::with(&CommandLine::with_policy(), &[]).await;
    assert!(plain.running.stderr().contains("\"scheme\":\"http\""), "{}", plain.running.stderr());
}

/// How a connection of a client that keeps its sessions began.
async fn handshake(serving: &Server, config: &Arc<ClientConfig>) -> HandshakeKind {
    let mut stream = connect_with(&serving.url, Arc::clone(config)).await.unwrap();
    // What can be resumed comes along with the first answer.
    live(&mut stream).await.unwrap();
    stream.get_ref().1.handshake_kind().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_load_costs_nobody_a_request() {
    for order in [["cert.pem", "key.pem"], ["key.pem", "cert.pem"]] {
        let (old, new) = (Certificate::new(), Certificate::new());
        let place = place(&old);
        let serving = serving(&place, &[&old, &new], &[]).await;
        let mut open = connect(&serving.url, &[&old]).await.unwrap();
        live(&mut open).await.unwrap();
        let resuming = config(&[&old, &new], rustls::ALL_VERSIONS, &[]);
        assert_eq!(handshake(&serving, &resuming).await, HandshakeKind::Full);
        assert_eq!(handshake(&serving, &resuming).await, HandshakeKind::Resumed, "as browsers come back");
        let fresh = Load::start(1, {
            let (url, old, new) = (serving.url.clone(), old.clone(), new.clone());
            move |_| {
                let (url, old, new) = (url.clone(), old.clone(), new.clone());
                async move {
                    let connection = connect(&url, &[&old, &new]).await;
                    let sent = async { live(&mut connection?).await };
                    sent.await.map_err(|error: std::io::Error| error.to_string())
                }
            }
        });
        let kept = Load::start(1, {
            let (client, session) = (serving.client.clone(), keys::session("alice", &["customer"]));
            move |_| {
                let request = client.request(Method::GET, "/chat-token/grants").bearer_auth(&session);
                async move {
                    match request.send().await.map(|response| response.status().as_u16()) {
                        Ok(200) => Ok(()),
                        other => Err(format!("{other:?}")),
                    }
                }
            }
        });
        for name in order {
            assert_eq!(presented(&serving.url, &[&old, &new]).await, old.der, "{name}");
            place.write(&format!("tls/{name}"), if name == "cert.pem" { &new.pem } else { &new.key });
            // Longer than a change must stand.
            tokio::time::sleep(Duration::from_secs(if name == order[0] { 3 } else { 0 })).await;
        }
        let took = until(&serving, &[&old, &new], &new).await;
        println!("{order:?}: in use after {took:?}");
        live(&mut open).await.expect("the connection that was there goes on");
        tokio::time::sleep(Duration::from_millis(300)).await;
        for results in [fresh.stop().await.concat(), kept.stop().await.concat()] {
            println!("{order:?}: {} requests", results.len());
            assert!(results.len() > 20 && results.iter().all(Result::is_ok), "{order:?}: {results:?}");
        }
        assert_eq!((told(&serving.running.stderr()), failures(&serving).await), (0, 0), "{order:?}");
        // Nor does a session of before bring the old certificate back.
        assert_eq!(handshake(&serving, &resuming).await, HandshakeKind::Full, "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_of_no_use_changes_nothing_and_is_loud_once_it_has_stood() {
    let (old, new) = (Certificate::new(), Certificate::new());
    let place = place(&old);
    let serving = serving(&place, &[&old], &[]).await;
    place.write("tls/cert.pem", &new.pem);
    let started = Instant::now();
    serving.running.wait_for(|_, stderr| told(stderr) == 1);
    assert!(started.elapsed() > Duration::from_secs(8), "a renewal may take a while: {:?}", started.elapsed());
    assert_eq!(failures(&serving).await, 1);
    let stderr = serving.running.stderr();
    assert!(
        stderr.contains("server.tls.key_file: the file that it names holds a private key that does not"),
        "{stderr}"
    );
    for (count, (case, file, text, said)) in [
        ("cut off", "cert.pem", Some(&old.pem[..80]), "tls/cert.pem holds a certificate that cannot be read"),
        ("empty", "key.pem", Some(""), "tls/cert.pem holds a certificate"),
        ("gone", "cert.pem", None, "tls/cert.pem cannot be read: No such file"),
    ]
    .into_iter()
    .enumerate()
    {
        match text {
            Some(text) => place.write(&format!("tls/{file}"), text),
            None => std::fs::remove_file(place.path().join("tls").join(file)).unwrap(),
        }
        // Who says that it has changed is answered at once.
        serving.running.signal("HUP");
        serving.running.wait_for(|_, stderr| told(stderr) == count + 2);
        assert!(serving.running.stderr().contains(said), "{case}: {}", serving.running.stderr());
        assert_eq!(failures(&serving).await, count + 2, "{case}");
        assert_eq!(presented(&serving.url, &[&old]).await, old.der, "{case}");
    }
    assert_eq!(serving.post_as("alice", &json!({})).await.status, 200);
    // And mended it counts.
    place.write("tls/cert.pem", &new.pem);
    place.write("tls/key.pem", &new.key);
    until(&serving, &[&old, &new], &new).await;
    let stderr = serving.running.stderr();
    assert!(!stderr.contains("PRIVATE KEY") && !stderr.contains(new.key.lines().nth(1).unwrap()), "{stderr}");
    assert!(!stderr.contains("key.pem"), "the path of a secret's file: {stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sighup_they_are_read_at_once() {
    let (old, new) = (Certificate::new(), Certificate::new());
    let place = place(&old);
    let serving = serving(&place, &[&old], &[("USHER__POLICY__WATCH", "false")]).await;
    place.write("tls/cert.pem", &new.pem);
    place.write("tls/key.pem", &new.key);
    serving.running.signal("HUP");
    let took = until(&serving, &[&old, &new], &new).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    let stderr = serving.running.stderr();
    assert!(stderr.contains("\"certificate loaded\"") && told(&stderr) == 0, "{stderr}");
}

/// A Kubernetes secret: both files change in one moment, as a link in their path is swapped.
#[tokio::test(flavor = "multi_thread")]
async fn a_symbolic_link_in_their_path_that_is_swapped_is_a_change() {
    let (old, new) = (Certificate::new(), Certificate::new());
    let place = CommandLine::with_policy();
    for (directory, certificate) in [("..1", &old), ("..2", &new)] {
        place.write(&format!("tls/{directory}/cert.pem"), &certificate.pem);
        place.write(&format!("tls/{directory}/key.pem"), &certificate.key);
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, place.path().join("tls").join(name)).unwrap();
    link("..1", "..data");
    link("..data/cert.pem", "cert.pem");
    link("..data/key.pem", "key.pem");
    let serving = serving(&place, &[&old], &[]).await;
    link("..2", "..data_tmp");
    std::fs::rename(place.path().join("tls/..data_tmp"), place.path().join("tls/..data")).unwrap();
    until(&serving, &[&old, &new], &new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_handshakes_half_done_slow_nobody_down() {
    const HALF_DONE: usize = 1_000;
    usher::service::raise_open_files(HALF_DONE);
    let certificate = Certificate::new();
    let place = place(&certificate);
    let serving = serving(&place, &[&certificate], &[("USHER__SERVER__HEADER_TIMEOUT", "30s")]).await;
    let hello = client_hello();
    let mut held = Vec::with_capacity(HALF_DONE);
    for at in 0..HALF_DONE {
        let connected = tokio::time::timeout(SOON, TcpStream::connect(address(&serving.url))).await;
        let mut stream = connected.expect("connections are not accepted").unwrap();
        // Nothing, a half, all of it and nothing more.
        stream.write_all(&hello[..[0, hello.len() / 2, hello.len()][at % 3]]).await.unwrap();
        held.push(stream);
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let started = Instant::now();
        let asked = async { live(&mut connect(&serving.url, &[&certificate]).await?).await };
        tokio::time::timeout(SOON, asked).await.expect("nobody waits for them").unwrap();
        assert_eq!(serving.post_as("alice", &json!({})).await.status, 200);
        slowest = slowest.max(started.elapsed());
    }
    println!("the slowest of 50, handshake and two requests: {slowest:?}");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    for stream in &held {
        // Nothing to read, or our flight: it is there still.
        assert_ne!(stream.try_read(&mut [0]).ok(), Some(0), "closed before its time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_drains_and_cuts_off_as_in_the_clear() {
    let certificate = Certificate::new();
    let place = place(&certificate);
    let mut serving = serving(&place, &[&certificate], &[]).await;
    let mut idle = connect(&serving.url, &[&certificate]).await.unwrap();
    live(&mut idle).await.unwrap();
    let mut handshake = TcpStream::connect(address(&serving.url)).await.unwrap();
    handshake.write_all(&client_hello()[..9]).await.unwrap();
    serving.sandbox.fail(Fault::Delay(Duration::from_secs(1)), Times::Once);
    let mut stream = connect(&serving.url, &[&certificate]).await.unwrap();
    let session = keys::session("alice", &["customer"]);
    let head = format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {session}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    serving.sandbox.wait_for_calls(1).await;
    let stopping = Instant::now();
    serving.running.signal("TERM");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(serving.running.exit_code(), Some(0), "{}", serving.running.stderr());
    assert!(stopping.elapsed() < Duration::from_secs(3), "a handshake is not waited for: {:?}", stopping.elapsed());
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0, "closed in good order");
    assert_eq!(handshake.read(&mut [0]).await.unwrap_or_default(), 0);

    let more = [("USHER__SERVER__SHUTDOWN_GRACE", "1s"), ("USHER__SIGNALWIRE__TIMEOUT", "10s")];
    let mut serving = self::serving(&place, &[&certificate], &more).await;
    serving.sandbox.fail(Fault::Hang, Times::Once);
    let mut stream = connect(&serving.url, &[&certificate]).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    serving.sandbox.wait_for_calls(1).await;
    serving.running.signal("TERM");
    assert_eq!(serving.running.exit_code(), Some(1));
    assert_eq!(serving.running.audit()[0]["outcome"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_asks_whether_something_is_up_and_reads_no_key() {
    let certificate = Certificate::new();
    let place = place(&certificate);
    let serving = Server::with(&place, &FILES).await;
    let listen = address(&serving.url).to_owned();
    // Neither file is there for it, and nobody vouches for the certificate.
    let empty = CommandLine::empty();
    let variables = [FILES[0], FILES[1], ("USHER__SERVER__LISTEN", &listen)];
    for (arguments, path) in [(&["healthcheck"][..], "/live"), (&["healthcheck", "--ready"], "/ready")] {
        let (code, stdout, stderr) = empty.run(arguments, &variables);
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.contains(&format!("https://{listen}{path}: 200")), "{stdout}");
    }
    let file = format!("[server]\nlisten = {listen:?}\n[server.tls]\ncert_file = \"a\"\nkey_file = \"b\"\n");
    empty.write("config/usher.toml", file);
    let (code, _, stderr) = empty.run::<&str, &str>(&["healthcheck"], &[]);
    assert_eq!(code, 0, "{stderr}");
    let plain = [("USHER__SERVER__LISTEN", &listen)];
    assert_eq!(CommandLine::empty().run(&["healthcheck"], &plain).0, 1, "without TLS there is no answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_fills_no_log() {
    let certificate = Certificate::new();
    let place = place(&certificate);
    for (level, said) in [("info", 0), ("debug", 3)] {
        let serving = serving(&place, &[&certificate], &[("USHER__LOG__LEVEL", level)]).await;
        // An address where a name belongs (RFC 6066 §3), cut off; plain HTTP; another's certificate.
        let hello = client_hello();
        let at = hello.windows(9).position(|part| part == b"localhost").unwrap();
        let odd = [&hello[..at], b"127.0.0.1", &hello[at + 9..]].concat();
        for sent in [&odd, LIVE] {
            let mut stream = TcpStream::connect(address(&serving.url)).await.unwrap();
            stream.write_all(sent).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        connect(&serving.url, &[&Certificate::new()]).await.unwrap_err();
        serving.payload().await;
        let stderr = serving.running.stderr();
        assert!(!stderr.contains("\"WARN\"") && !stderr.contains("\"ERROR\"") || level == "debug", "{stderr}");
        assert!(!stderr.contains("Illegal SNI") || level == "debug", "{stderr}");
        assert_eq!(stderr.matches("a TLS handshake failed").count(), said, "{level}: {stderr}");
    }
}

/// What `check` says of these two files: exit code, standard output, standard error.
fn check(certificate: Option<&str>, key: Option<&str>) -> (i32, String, String) {
    let place = CommandLine::with_policy();
    for (name, text) in [("tls/cert.pem", certificate), ("tls/key.pem", key)] {
        if let Some(text) = text {
            place.write(name, text);
        }
    }
    let settings = "[server.tls]\ncert_file = \"tls/cert.pem\"\nkey_file = \"tls/key.pem\"\n";
    place.write("config/usher.toml", settings);
    let variables = complete("example");
    let (code, stdout, stderr) = place.run(&["check"], &variables);
    if code != 0 {
        assert_eq!(place.run(&["serve"], &variables), (code, stdout.clone(), stderr.clone()), "serve says the same");
    }
    (code, stdout, stderr)
}

#[test]
fn each_file_of_no_use_stops_the_start_and_is_told_by_its_setting() {
    let (good, other) = (Certificate::new(), Certificate::new());
    let both = format!("{}{}", good.pem, good.key);
    let encrypted = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let old_encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
                         -----END RSA PRIVATE KEY-----\n";
    let weak = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let cut = |text: &str| text[..text.len() / 2].to_owned();
    let no_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (cert_at, key_at) =
        ("config/usher.toml:2:13: server.tls.cert_file: ", "config/usher.toml:3:12: server.tls.key_file: ");
    for (case, certificate, key, place, said) in [
        (
            "no certificate's file",
            None,
            Some(good.key.as_str()),
            cert_at,
            "`tls/cert.pem` cannot be read: No such file",
        ),
        ("empty", Some(""), Some(&good.key), cert_at, "`tls/cert.pem` holds no certificate as PEM"),
        (
            "the key in its place",
            Some(&good.key),
            Some(&good.key),
            cert_at,
            "`tls/cert.pem` holds no certificate as PEM",
        ),
        ("cut off", Some(&cut(&good.pem)), Some(&good.key), cert_at, "`tls/cert.pem` holds a certificate that cannot"),
        ("no DER", Some(no_der), Some(&good.key), cert_at, "`tls/cert.pem` holds a certificate that cannot be read"),
        ("no key's file", Some(&good.pem), None, key_at, "the file that it names cannot be read: No such file"),
        ("no key", Some(&good.pem), Some(""), key_at, "the file that it names holds no private key as PEM"),
        (
            "a certificate",
            Some(&good.pem),
            Some(&good.pem),
            key_at,
            "the file that it names holds no private key as PEM",
        ),
        (
            "a key cut off",
            Some(&good.pem),
            Some(&cut(&good.key)),
            key_at,
            "the file that it names holds a private key that",
        ),
        (
            "no key within",
            Some(&good.pem),
            Some(weak),
            key_at,
            "the file that it names holds a private key that cannot be",
        ),
        (
            "encrypted",
            Some(&good.pem),
            Some(&encrypted),
            key_at,
            "the file that it names holds an encrypted private key",
        ),
        ("encrypted of old", Some(&good.pem), Some(old_encrypted), key_at, "the file that it names holds an encrypted"),
        (
            "another's",
            Some(&good.pem),
            Some(&other.key),
            key_at,
            "the file that it names holds a private key that does not",
        ),
        (
            "in the wrong order",
            Some(&format!("{}{}", other.pem, good.pem)),
            Some(&good.key),
            key_at,
            "the file that it names holds a private key that does not belong to the first certificate",
        ),
    ] {
        let (code, stdout, stderr) = check(certificate, key);
        assert_eq!((code, stdout.as_str()), (3, ""), "{case}: {stderr}");
        assert!(stderr.contains(&format!("error: {place}{said}")), "{case}: {stderr}");
        assert!(stderr.contains("\n  = help: ") && stderr.ends_with("1 fault found\n"), "{case}: {stderr}");
        let secret = good.key.lines().nth(1).unwrap();
        assert!(!stderr.contains(secret) && !stderr.contains("key.pem"), "{case}: {stderr}");
    }
    assert_eq!(check(Some(&both), Some(&both)).0, 0, "one file may hold both");
    let chain = format!("{}{}", good.pem, other.pem);
    assert_eq!(check(Some(&chain), Some(&good.key)).0, 0, "and what leads to the CA");
    for kind in [&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let certificate = Certificate::of(&KeyPair::generate_for(kind).unwrap(), |_| {});
        let (code, _, stderr) = check(Some(&certificate.pem), Some(&certificate.key));
        assert_eq!((code, stderr.as_str()), (0, ""));
    }
}

#[test]
fn one_of_the_two_alone_is_a_fault() {
    let certificate = Certificate::new();
    let place = place(&certificate);
    for (given, missing) in [(0, "key_file"), (1, "cert_file")] {
        let (name, value) = FILES[given];
        let (code, _, stderr) = place.run(&["check"], &with(complete("example"), name, value));
        assert!(code == 3 && stderr.contains(&format!("server.tls: `{missing}` is missing")), "{stderr}");
        assert!(stderr.ends_with("1 fault found\n"), "{stderr}");
        place.write("config/usher.toml", format!("[server]\n{}\n", "tls = {}"));
        let (code, _, stderr) = place.run(&["check"], &with(complete("example"), name, value));
        assert!(code == 3 && stderr.contains(&format!("`{missing}` is missing")), "{stderr}");
    }
    // One from a file, the other from the environment.
    place.write("config/usher.toml", "[server.tls]\ncert_file = \"tls/cert.pem\"\n");
    let (code, stdout, stderr) = place.run(&["check"], &with(complete("example"), FILES[1].0, FILES[1].1));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(
        stdout.contains("listen      127.0.0.1:0 with TLS (certificate tls/cert.pem until 4096-01-01T00:00:00Z)\n"),
        "{stdout}"
    );
}

#[test]
fn a_certificate_that_has_expired_is_told_and_stops_nothing() {
    for (case, from, until, said) in [
        ("expired", 2019, 2020, "the certificate has expired: it was valid until 2020-01-01T00:00:00Z"),
        ("of the future", 3000, 3001, "the certificate is valid only from 3000-01-01T00:00:00Z on"),
    ] {
        let certificate = Certificate::of(&KeyPair::generate().unwrap(), |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
        });
        let (code, stdout, stderr) = check(Some(&certificate.pem), Some(&certificate.key));
        assert_eq!(code, 0, "{case}: {stderr}");
        assert!(
            stderr.contains("warning[certificate-dates]: config/usher.toml:2:13: server.tls.cert_file: "),
            "{stderr}"
        );
        assert!(stderr.contains(said), "{case}: {stderr}");
        assert!(stdout.contains(&format!(" until {until}-01-01T00:00:00Z)")), "{case}: {stdout}");
    }
}
