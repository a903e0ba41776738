//! API token, session secret, JWK Set, policy and certificate, all rotated while requests come, as docs/operating.md says
//! ("Rotating"): none fails, and each answer is what a policy of its time grants to who asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::IntoResponse as _;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::tls;
use crate::support::keys::{Signer, claims};
use crate::support::provider::Provider;
use crate::support::tls::{Certificate, builder};
use crate::support::{API_TOKEN, AUDIENCE, Client, CommandLine, Load, Server, wait_for};

const CLIENTS: usize = 6;
/// For how many requests a client keeps a session.
const SESSION: usize = 10;
/// How often each of the five is rotated at least.
const ROTATIONS: usize = 2;

/// A policy that differs from that of any other number in everything that a token shows.
fn policy(number: usize) -> String {
    let rights = if number.is_multiple_of(2) { "\"read\"" } else { "\"read\", \"write\"" };
    format!(
        "version = 1\n[ttl]\ndefault = \"{}m\"\n[member]\nid = \"{number}:{{issuer}}:{{sub}}\"\nstate = {{ of = \"{number}\" }}\n\
         [roles.customer]\nissuers = [\"app\", \"web\"]\n[roles.customer.channels]\n\
         \"news{number}\" = [{rights}]\n\"own{number}:{{issuer}}:{{sub}}\" = [{rights}]\n",
        20 + number
    )
}

/// What that policy grants this customer, as a token has it.
fn granted(number: usize, (alias, sub): (&str, &str)) -> Value {
    let rights = json!({"read": true, "write": !number.is_multiple_of(2)});
    let channels = json!({format!("news{number}"): rights, format!("own{number}:{alias}:{sub}"): rights});
    json!({"m": format!("{number}:{alias}:{sub}"), "t": 20 + number, "stt": {"of": number.to_string()}, "chls": channels})
}

/// What an issuer signs with: held by whoever has a session of it.
struct Signing {
    iss: String,
    header: Value,
    signer: Signer,
}

impl Signing {
    fn session(&self, sub: &str) -> String {
        self.signer.sign_with(&self.header, &claims(sub, &["customer"], 3_600, &json!({"iss": self.iss})))
    }
}

/// An issuer: what it signs with now.
struct Issuer(Mutex<Arc<Signing>>);

impl Issuer {
    fn new(signing: Signing) -> Self {
        Self(Mutex::new(Arc::new(signing)))
    }

    fn now(&self) -> Arc<Signing> {
        Arc::clone(&self.0.lock().unwrap())
    }

    /// Signs with another from now on, and waits until the last session of the one before has ended: a session of it.
    async fn sign_with(&self, signing: Signing) -> String {
        let before = std::mem::replace(&mut *self.0.lock().unwrap(), Arc::new(signing));
        wait_for(Duration::from_secs(30), async || {
            if Arc::strong_count(&before) > 1 { Err("sessions of before are still in use") } else { Ok(()) }
        })
        .await;
        before.session("somebody")
    }
}

/// A client's session, what it is signed with, and for how many more requests it is kept.
type Held = (Arc<Signing>, String, usize);

/// All that the clients share with those who rotate.
struct Context {
    place: CommandLine,
    app: Issuer,
    web: Issuer,
    held: [Mutex<Option<Held>>; CLIENTS],
    /// One connection a request.
    hasty: Client,
    /// The latest policy that may be in force, and the latest that the log has told of.
    written: AtomicUsize,
    loaded: AtomicUsize,
    /// What was rotated, in this order.
    rotated: Mutex<Vec<&'static str>>,
}

impl Context {
    /// Who a client is.
    fn who(number: usize) -> (&'static str, String) {
        (["app", "web"][number % 2], format!("user{number}"))
    }

    /// The session that a client has now.
    fn session(&self, number: usize) -> String {
        let (alias, sub) = Self::who(number);
        let mut held = self.held[number].lock().unwrap();
        if let Some((_, token, left)) = held.as_mut().filter(|(.., left)| *left > 0) {
            *left -= 1;
            return token.clone();
        }
        let signing = if alias == "app" { &self.app } else { &self.web }.now();
        let token = signing.session(&sub);
        *held = Some((signing, token.clone(), SESSION - 1));
        token
    }

    async fn ask(&self, serving: &Server, number: usize) {
        let (alias, sub) = Self::who(number);
        let client = if number < CLIENTS / 2 { &serving.client } else { &self.hasty };
        let session = self.session(number);
        let since = self.loaded.load(Ordering::SeqCst);
        let (status, answer) = client.post(&session, Some(&json!({}))).await.read();
        let until = self.written.load(Ordering::SeqCst);
        assert_eq!(status, 200, "{alias} {sub}: {answer}");
        let given = serving.granted(&answer);
        let one_of_them = (since..=until).any(|policy| given == granted(policy, (alias, &sub)));
        assert!(one_of_them, "of no policy from {since} to {until}, or not for {alias} {sub}: {given}");
    }

    fn done(&self, what: &'static str) {
        self.rotated.lock().unwrap().push(what);
    }

    fn count(&self, what: &str) -> usize {
        self.rotated.lock().unwrap().iter().filter(|done| **done == what).count()
    }

    /// Whether each of the five was rotated often enough.
    fn is_over(&self) -> bool {
        ["api token", "secret", "keys", "policy", "certificate"].iter().all(|what| self.count(what) >= ROTATIONS)
    }
}

/// The new one in the file, then the old one revoked.
async fn rotate_api_token(context: &Context, serving: &Server) {
    for number in 1.. {
        let (token, mark) = (format!("PT-the-new-api-token-{number}-must-not-be-seen"), serving.running.mark());
        context.place.write("secrets/token", format!("{token}\n"));
        serving.sandbox.set_api_token(&token);
        serving.running.says(mark, |line| line.contains("what this file holds now is in use")).await;
        context.done("api token");
        if context.is_over() {
            return;
        }
    }
}

fn secret(number: usize) -> String {
    format!("secret number {number} of the app, which is never to be seen by anybody")
}

/// Where the app is when it signs with the secret of this number: two issuers of one name, which take turns.
fn turn(number: usize) -> (String, String) {
    (format!("https://app.example.com/{}", number % 2), format!("secrets/app{}", number % 2))
}

fn signing(number: usize) -> Signing {
    let signer = Signer::secret_of(&secret(number), Algorithm::HS256);
    Signing { iss: turn(number).0, header: json!({"typ": "JWT"}), signer }
}

/// The new one in the file of the issuer that rests; once it is read the app signs by that one, and the other rests when its
/// sessions are over. These.
async fn rotate_secret(context: &Context, serving: &Server) -> Vec<String> {
    let mut over = Vec::new();
    for number in 1.. {
        put(context, serving, number, secret(number)).await;
        over.push(context.app.sign_with(signing(number)).await);
        put(context, serving, number - 1, nobodys()).await;
        context.done("secret");
        if context.is_over() {
            break;
        }
    }
    over
}

/// A secret that nobody knows, for who rests.
fn nobodys() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// This secret in the file of whose turn it is, and read.
async fn put(context: &Context, serving: &Server, number: usize, secret: String) {
    let ((_, file), mark) = (turn(number), serving.running.mark());
    context.place.write(&file, secret);
    serving.running.says(mark, |line| line.contains("session keys read again") && line.contains(&file)).await;
}

fn pair(iss: &str, number: usize) -> (Signing, Value) {
    let algorithm = if number.is_multiple_of(2) { Algorithm::ES256 } else { Algorithm::EdDSA };
    let (signer, kid) = (Signer::pair(algorithm), json!({"kid": format!("key{number}")}));
    let jwk = signer.jwk(&kid);
    (Signing { iss: iss.to_owned(), header: kid, signer }, jwk)
}

fn publish(provider: &Provider, keys: &[&Value]) {
    let set = json!({"keys": keys});
    provider.at("/jwks.json", move || ([("cache-control", "max-age=30")], axum::Json(set.clone())).into_response());
}

/// The new key beside the old one, then signed with, and the old one withdrawn when its sessions are over. These.
async fn rotate_keys(context: &Context, serving: &Server, provider: &Provider, mut old: Value) -> Vec<String> {
    let mut over = Vec::new();
    for number in 1..=ROTATIONS {
        let ((signing, new), mark) = (pair(&provider.url, number), serving.running.mark());
        publish(provider, &[&old, &new]);
        let fetched = serving.running.says(mark, |line| line.contains("session keys fetched"));
        // The first time it is signed with at once: whoever asks with it has the keys fetched.
        if number == 1 {
            let ((), session) = tokio::join!(fetched, context.web.sign_with(signing));
            over.push(session);
        } else {
            fetched.await;
            over.push(context.web.sign_with(signing).await);
        }
        publish(provider, &[&new]);
        old = new;
        context.done("keys");
    }
    // The last withdrawal is seen with the next fetch, which is not waited for.
    over.pop();
    over
}

/// Another file, renamed over the old one.
async fn rotate_policy(context: &Context, serving: &Server) {
    for number in 1.. {
        let (text, mark) = (policy(number), serving.running.mark());
        let sha256 = format!("{:x}", Sha256::digest(&text));
        context.place.write("config/.new", text);
        context.written.store(number, Ordering::SeqCst);
        std::fs::rename(context.place.path().join("config/.new"), context.place.path().join("config/policy.toml"))
            .unwrap();
        serving.running.says(mark, |line| line.contains("\"policy loaded\"") && line.contains(&sha256)).await;
        context.loaded.store(number, Ordering::SeqCst);
        context.done("policy");
        if context.is_over() {
            return;
        }
    }
}

/// Both files, one after the other.
async fn rotate_certificate(context: &Context, serving: &Server, certificates: &[&Certificate; 2]) {
    for number in 1.. {
        let next = certificates[number % 2];
        context.place.write("tls/cert.pem", &next.pem);
        context.place.write("tls/key.pem", &next.key);
        tls::until(serving, certificates, next).await;
        context.done("certificate");
        if context.is_over() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_five_at_once_under_load_and_no_request_fails_or_is_answered_wrongly() {
    let certificates = [Certificate::new(), Certificate::new()];
    let certificates = [&certificates[0], &certificates[1]];
    let provider = Provider::start().await;
    let (first, jwk) = pair(&provider.url, 0);
    publish(&provider, &[&jwk]);
    let place = tls::place(certificates[0]);
    place.write("config/policy.toml", policy(0));
    place.write("secrets/token", API_TOKEN);
    for number in [0, 1] {
        place.write(&turn(number).1, if number == 0 { secret(0) } else { nobodys() });
    }
    let issuer = |name: &str, iss: &str, keys: &str| {
        format!("{{name = {name:?}, issuer = {iss:?}, audiences = [{AUDIENCE:?}], {keys}}}")
    };
    let by_secret = |number| issuer("app", &turn(number).0, &format!("secret_file = {:?}", turn(number).1));
    let by_url = issuer("web", &provider.url, &format!("jwks_url = \"{}/jwks.json\"", provider.url));
    let issuers = format!("[{}, {}, {by_url}]", by_secret(0), by_secret(1));
    let settings =
        [("USHER__SESSION__ISSUERS", issuers.as_str()), ("USHER__SIGNALWIRE__API_TOKEN_FILE", "secrets/token")];
    let serving = Arc::new(tls::serving(&place, &certificates, &settings).await);
    let context = Arc::new(Context {
        place,
        app: Issuer::new(signing(0)),
        web: Issuer::new(first),
        held: Default::default(),
        hasty: Client::with(&serving.url, builder(&certificates).pool_max_idle_per_host(0)),
        written: AtomicUsize::new(0),
        loaded: AtomicUsize::new(0),
        rotated: Mutex::default(),
    });
    let load = Load::start(CLIENTS, {
        let (serving, context) = (Arc::clone(&serving), Arc::clone(&context));
        move |number| {
            let (serving, context) = (Arc::clone(&serving), Arc::clone(&context));
            async move { context.ask(&serving, number).await }
        }
    });
    let ((), secrets, keys, (), ()) = tokio::join!(
        rotate_api_token(&context, &serving),
        rotate_secret(&context, &serving),
        rotate_keys(&context, &serving, &provider, jwk),
        rotate_policy(&context, &serving),
        rotate_certificate(&context, &serving, &certificates),
    );
    let all = load.stop().await.concat().len();
    let rotated = context.rotated.lock().unwrap().clone();
    println!("{all} requests, and rotated in this order: {rotated:?}");
    assert!(all > 500, "{all}");
    for over in secrets.iter().chain(&keys) {
        let (status, answer) = serving.post(over, Some(&json!({}))).await.read();
        assert_eq!(
            (status, answer["code"].as_str()),
            (401, Some("session_invalid")),
            "what is withdrawn opens nothing"
        );
    }
    let events = serving.running.audit();
    assert_eq!(events.len(), all, "an event for each");
    assert!(events.iter().all(|event| event["outcome"] == "granted"));
    let stderr = serving.running.stderr();
    for unsaid in ["PT-the", "which is never to be seen", "PRIVATE KEY"] {
        assert!(!stderr.contains(unsaid), "{unsaid}");
    }
    for loud in ["of no use", "no session keys", "no policy to load", "no certificate to load", "cannot be had"] {
        assert!(!stderr.contains(loud), "{loud}");
    }
}
