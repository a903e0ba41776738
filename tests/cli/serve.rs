//! `usher serve` for real, against a sandbox in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use usher::sandbox::{Fault, Times};

use crate::support::keys::{self, Signer};
use crate::support::service::POLICY;
use crate::support::{
    API_TOKEN, AUDIENCE, CommandLine, ISSUER, PROJECT, SECRET, Server, complete, free_address, issuer_of, send, with,
};

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_by_files_and_environment() {
    let place = CommandLine::empty();
    place.write("here/policy.toml", POLICY);
    place.write("here/session_secret", SECRET.to_owned() + "\n");
    place.write("here/api_token", API_TOKEN.to_owned() + "\n");
    let settings = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[policy]\nfile = \"here/policy.toml\"\n\
         [signalwire]\napi_token_file = \"here/api_token\"\n[[session.issuers]]\nname = \"app\"\n\
         issuer = {ISSUER:?}\naudiences = [{AUDIENCE:?}]\nsecret_file = \"here/session_secret\"\n"
    );
    place.write("settings.toml", settings);
    let serving = Server::start(&place, &["serve", "--config", "settings.toml"], |space| {
        [("SIGNALWIRE_SPACE", space), ("USHER__SIGNALWIRE__PROJECT_ID", PROJECT)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    })
    .await;
    let payload = serving.payload().await;
    assert_eq!(payload["m"], "alice");
    assert_eq!(payload["sub"], PROJECT);
    assert_eq!(
        payload["chls"],
        json!({
            "announcements": {"read": true, "write": false}, "support:alice": {"read": true, "write": true}
        })
    );
    assert_eq!(serving.sandbox.received().len(), 1);
    let said = serving.running.stdout() + &serving.running.stderr();
    for secret in [API_TOKEN, SECRET] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_finishes_what_is_in_flight_and_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let mut serving = Server::with(&CommandLine::with_policy(), &[]).await;
        serving.sandbox.fail(Fault::Delay(Duration::from_secs(1)), Times::Once);
        let body = json!({});
        let stopping = async {
            serving.sandbox.wait_for_calls(1).await;
            serving.running.signal(signal);
        };
        let (response, ()) = tokio::join!(serving.post_as("alice", &body), stopping);
        assert_eq!(response.status, 200, "{signal}: {response:?}");
        assert_eq!(serving.running.exit_code(), Some(0), "{signal}: {}", serving.running.stderr());
        assert_eq!(serving.running.audit().len(), 1, "{signal}");
        let address = serving.url.trim_start_matches("http://");
        assert!(TcpStream::connect(address).await.is_err(), "{signal}: nobody is there any more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut serving = Server::with(&CommandLine::with_policy(), &[]).await;
    serving.sandbox.fail(Fault::Hang, Times::Once);
    let asking = tokio::spawn(serving.mint_request(keys::session("alice", &["customer"])).send());
    serving.sandbox.wait_for_calls(1).await;
    serving.running.signal("TERM");
    serving.running.wait_for(|_, stderr| stderr.contains("stopping"));
    let second = Instant::now();
    serving.running.signal("TERM");
    assert_eq!(serving.running.exit_code(), Some(1), "what was in flight is cut off");
    assert!(second.elapsed() < Duration::from_secs(3), "the upstream's time-out is 5 s");
    // There may just be the time to say so.
    let told = asking.await.unwrap().map(|answer| answer.status().as_u16());
    assert!(told.as_ref().map_or(true, |status| *status == 504), "{told:?}");
}

/// A server of one JWK Set, its address, and how often it was asked.
async fn key_server(set: Value) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let answer = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let set = set.to_string();
        async move { set }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let router = Router::new().route("/jwks.json", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_behind_a_url_are_fetched_at_the_start() {
    let signer = Signer::pair(Algorithm::ES256);
    let (url, asked) = key_server(json!({"keys": [signer.jwk(&json!({"kid": "one"}))]})).await;
    let issuers = format!("[{}]", issuer_of(&format!("jwks_url = {url:?}")));
    let serving = Server::with(&CommandLine::with_policy(), &[("USHER__SESSION__ISSUERS", &issuers)]).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1, "before anybody asked");

    let claims = keys::claims("alice", &["customer"], 3_600, &json!({}));
    for (name, signer, status) in [("its key", signer, 200), ("another", Signer::pair(Algorithm::ES256), 401)] {
        let session = signer.sign_with(&json!({"kid": "one"}), &claims);
        assert_eq!(serving.post(&session, None).await.status, status, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_does_not_stop_the_start() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let issuers = format!("[{}]", issuer_of(&format!("jwks_url = \"http://{nobody}/\"")));
    let serving = Server::with(&CommandLine::with_policy(), &[("USHER__SESSION__ISSUERS", &issuers)]).await;
    let (status, answer) = serving.post_as("alice", &json!({})).await.read();
    assert_eq!((status, &answer["code"]), (503, &json!("session_keys_unavailable")), "{answer}");
    assert!(serving.running.stderr().contains("session keys cannot be had"), "{}", serving.running.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_is_spoken_to_by_tls_alone() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let space = format!("https://{}", upstream.local_addr().unwrap());
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let place = CommandLine::with_policy();
    place.write("ca.pem", certificate.cert.pem());
    let heard = tokio::spawn(async move {
        let (mut stream, _) = upstream.accept().await.unwrap();
        let mut heard = vec![0; 64];
        let length = stream.read(&mut heard).await.unwrap();
        heard.truncate(length);
        heard
    });
    let serving = Server::with(&place, &[("SIGNALWIRE_SPACE", &space), ("USHER__SIGNALWIRE__CA_FILE", "ca.pem")]).await;
    let (status, answer) = serving.post_as("alice", &json!({})).await.read();
    assert_eq!((status, &answer["code"]), (503, &json!("upstream_unavailable")), "{answer}");
    let heard = heard.await.unwrap();
    assert_eq!(heard[..2], [0x16, 0x03], "a TLS handshake (RFC 8446 §5.1), and no request in the clear");
}

#[test]
fn the_issuer_of_dev_is_refused() {
    let place = CommandLine::with_policy();
    let issuers =
        format!("[{}]", issuer_of(&format!("secret = {SECRET:?}")).replace(ISSUER, "https://dev.usher.invalid/"));
    let variables = with(complete("http://127.0.0.1:1"), "USHER__SESSION__ISSUERS", &issuers);
    let (code, _, stderr) = place.run(&["serve"], &variables);
    assert_eq!(code, 3);
    assert!(stderr.contains("session.issuers.issuer is the throw-away issuer of `usher dev`"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_event_is_written_at_any_level() {
    let place = CommandLine::with_policy();
    let more = [
        ("SIGNALWIRE_SPACE", "http://127.0.0.1:1"),
        ("USHER__LOG__LEVEL", "error"),
        ("USHER__SERVER__LISTEN", &*free_address()),
    ];
    let serving = Server::with(&place, &more).await;
    let running = &serving.running;
    let ask = async |path: &str| {
        let request = serving.request(Method::POST, path).bearer_auth(keys::session("alice", &["customer"]));
        send(request).await.status
    };
    assert_eq!(ask("/elsewhere").await, 404);
    assert_eq!(running.stderr(), "", "nothing is wrong, so nothing is told");
    assert_eq!(ask("/chat-token").await, 503, "there is no SignalWire");
    running.wait_for(|_, stderr| stderr.contains("\"event\":\"audit\""));
    assert_eq!(running.audit()[0]["outcome"], "failed");
}
