//! The settings for identity providers (`config/providers`) as they are shipped, with keys of ours in place of the
//! provider's, against tokens of the shapes that the provider documents.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod auth0;
mod clerk;
mod cognito;
mod docs;
mod entra;
mod firebase;
mod home_made;
mod keycloak;
mod okta;
mod shipped;
mod supabase;

use std::path::{Path, PathBuf};

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use usher::chat::{ClaimedRoles, Facts};
use usher::session::{Refusal, Verifier};
use usher::settings::{Environment, Settings};
use usher::telemetry::clock;

use crate::support::keys::{Signer, now};
use crate::support::{API_TOKEN, CommandLine, PROJECT, SECRET, Server, Service, Setup, with};

/// The shipped example, which everything here is decided by.
const POLICY: &str = include_str!("../../config/policy.toml");
/// The settings that say where keys come from, of which each file has one.
const KEY_SOURCES: [&str; 3] = ["discovery", "jwks_url", "secret_file"];

/// What stands in for a provider's keys.
enum Keys {
    /// A JWK Set of these.
    Set(Vec<Value>),
    /// The tests' shared secret, in a file.
    Secret,
}

/// A provider's settings, read from its file by the loader itself.
struct Loaded {
    settings: Settings,
    /// Has the file as `usher.toml`, and its keys.
    context: CommandLine,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/providers")
}

/// A provider's file, as it is shipped.
fn shipped(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap()
}

/// The names of all of them.
fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = files.map(|file| file.strip_suffix(".toml").unwrap().to_owned()).collect();
    names.sort();
    assert!(names.len() >= 10, "{names:?}");
    names
}

/// The setting that a line sets, commented out or not.
fn setting(line: &str) -> Option<&str> {
    let (key, _) = line.strip_prefix('#').unwrap_or(line).split_once(" = ")?;
    (!key.contains(' ')).then_some(key)
}

/// The lines of a file that are commented out, without the `#`.
fn optional(name: &str) -> Vec<String> {
    let text = shipped(name);
    let lines = text.lines().filter(|line| line.starts_with('#') && setting(line).is_some());
    lines.map(|line| line.trim_start_matches('#').to_owned()).collect()
}

/// The one line of a file that is commented out and sets this.
fn option(name: &str, key: &str) -> String {
    let lines: Vec<_> = optional(name).into_iter().filter(|line| setting(line) == Some(key)).collect();
    let [line] = lines.as_slice() else { panic!("{name} has {lines:?} for {key}") };
    line.clone()
}

/// A provider's file with its keys where ours are, and these lines instead of the first that sets the same.
fn edited(name: &str, keys: &str, instead: &[&str]) -> String {
    let mut left = instead.to_vec();
    let mut sources = 0;
    let text = shipped(name);
    let lines = text.lines().map(|line| match setting(line).filter(|_| !line.starts_with('#')) {
        Some(key) if KEY_SOURCES.contains(&key) => {
            sources += 1;
            keys
        }
        Some(key) => match left.iter().position(|other| setting(other) == Some(key)) {
            Some(index) => left.remove(index),
            None => line,
        },
        None => line,
    });
    let lines: Vec<&str> = lines.collect();
    assert_eq!(sources, 1, "{name}");
    assert!(left.is_empty(), "{name} sets nothing that these could be instead of: {left:?}");
    lines.join("\n")
}

/// What the loader makes of a provider's file.
fn try_load(name: &str, keys: &Keys, instead: &[&str]) -> Result<Loaded, String> {
    let context = CommandLine::empty();
    let write = |file: &str, text: &str| {
        context.write(file, text);
        context.path().join(file)
    };
    let source = |key: &str, file: &str, text: &str| format!("{key} = \"{}\"", write(file, text).display());
    let source = match keys {
        Keys::Set(keys) => source("jwks_file", "jwks.json", &json!({"keys": keys}).to_string()),
        Keys::Secret => source("secret_file", "secret", &format!("{SECRET}\n")),
    };
    let file = write("usher.toml", &edited(name, &source, instead));
    let environment: Environment = credentials("example").into_iter().collect();
    let settings = Settings::load(&[file], &environment).map_err(|faults| faults.to_string())?;
    assert_eq!(settings.issuers.len(), 1, "{name}");
    Ok(Loaded { settings, context })
}

fn load(name: &str, keys: &Keys) -> Loaded {
    load_with(name, keys, &[])
}

fn load_with(name: &str, keys: &Keys, instead: &[&str]) -> Loaded {
    try_load(name, keys, instead).unwrap_or_else(|faults| panic!("{faults}"))
}

/// All that a provider's file does not have.
fn credentials(space: &str) -> [(&'static str, String); 3] {
    [
        ("SIGNALWIRE_SPACE", space.to_owned()),
        ("SIGNALWIRE_PROJECT_ID", PROJECT.to_owned()),
        ("SIGNALWIRE_API_TOKEN", API_TOKEN.to_owned()),
    ]
}

/// usher, set up for one provider.
struct Usher {
    verifier: Verifier,
    alias: String,
    service: Service,
}

impl Usher {
    /// With the shipped policy.
    async fn of(loaded: &Loaded) -> Self {
        Self::with_policy(loaded, POLICY).await
    }

    /// With the shipped policy, where members are known by this claim and not by `sub`.
    async fn with_member(loaded: &Loaded, claim: &str) -> Self {
        Self::with_policy(loaded, &POLICY.replace("{sub}", claim)).await
    }

    async fn with_policy(loaded: &Loaded, policy: &str) -> Self {
        let issuers = loaded.settings.issuers.clone();
        let verifier = Verifier::open(issuers.clone()).unwrap_or_else(|faults| panic!("{faults:?}"));
        let alias = issuers[0].name.clone();
        let setup = Setup {
            policy: policy.to_owned(),
            issuers,
            origins: loaded.settings.origins.iter().map(ToString::to_string).collect(),
            cookie: loaded.settings.cookie.clone(),
            request_timeout: loaded.settings.server.request_timeout,
            ..Setup::default()
        };
        Self { verifier, alias, service: Service::with(setup).await }
    }

    fn verify(&self, token: &str) -> Result<Facts, Refusal> {
        self.verifier.verify(token, clock::now()).map(|session| session.facts().clone())
    }

    /// That a session is taken: the names in its role claim, the policy's roles that it has, and who its member is.
    async fn takes(&self, case: &str, token: &str, claimed: &[&str], roles: &[&str], member: &str) {
        let facts = self.verify(token).unwrap_or_else(|refusal| panic!("{case}: {refusal}"));
        assert_eq!(facts.issuer(), Some(self.alias.as_str()), "{case}");
        assert_eq!(facts.roles, ClaimedRoles::Names(claimed.iter().map(|&name| name.to_owned()).collect()), "{case}");
        let (status, grants) = self.service.grants(token).await.read();
        assert_eq!((status, &grants["roles"]), (200, &json!(roles)), "{case}: {grants}");
        assert_eq!(grants["member_id"], member, "{case}");
        let (status, answer) = self.service.post(token, None).await.read();
        assert_eq!(status, 200, "{case}: {answer}");
        let payload = self.service.payload(&answer);
        assert_eq!(payload["m"], member, "{case}");
        assert_eq!(payload["chls"].get("desk").is_some(), roles.contains(&"agent"), "{case}: {payload}");
        let own = &payload["chls"][format!("support:{member}")];
        assert_eq!(own, &json!({"read": true, "write": true}), "{case}: {payload}");
    }

    /// That a token is no session, for exactly this, and that nothing is minted.
    async fn refuses(&self, case: &str, token: &str, why: impl Into<Refusal>) {
        let why = why.into();
        assert_eq!(self.verify(token).as_ref(), Err(&why), "{case}");
        self.answers(case, token, 401, code_of(&why)).await;
    }

    /// That a session gets this problem instead of a token.
    async fn answers(&self, case: &str, token: &str, status: u16, code: &str) {
        let minted = self.service.sandbox.received().len();
        let (found, problem) = self.service.post(token, None).await.read();
        assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{case}: {problem}");
        assert_eq!(self.service.sandbox.received().len(), minted, "{case}: something was sent upstream");
    }
}

/// What a client is told of a refusal.
fn code_of(why: &Refusal) -> &'static str {
    if *why == Refusal::Expired { "session_expired" } else { "session_invalid" }
}

/// Tokens that are almost sessions by a provider's file, and one that is.
struct NearMisses {
    loaded: Loaded,
    policy: String,
    twin: String,
    /// Name, token, and why it is refused.
    tokens: Vec<(String, String, Refusal)>,
}

impl NearMisses {
    fn new(loaded: Loaded, twin: String) -> Self {
        Self { loaded, policy: POLICY.to_owned(), twin, tokens: Vec::new() }
    }

    fn with_policy(self, policy: String) -> Self {
        Self { policy, ..self }
    }

    fn add(&mut self, name: &str, token: &str, why: impl Into<Refusal>) {
        self.tokens.push((name.to_owned(), token.to_owned(), why.into()));
    }

    /// That the verifier and the service refuse each for exactly its fault, and take the twin.
    async fn are_refused(&self) {
        let usher = Usher::with_policy(&self.loaded, &self.policy).await;
        assert_eq!(usher.verify(&self.twin).err(), None, "the twin");
        for (name, token, why) in &self.tokens {
            usher.refuses(name, token, why.clone()).await;
        }
    }
}

/// A file's name, and its near misses.
type OfFile = (&'static str, fn() -> NearMisses);

/// The registry of near misses: each file has some.
const NEAR_MISSES: [OfFile; 10] = [
    ("auth0", auth0::near_misses),
    ("clerk", clerk::near_misses),
    ("cognito", cognito::near_misses),
    ("entra", entra::near_misses),
    ("firebase", firebase::near_misses),
    ("home-made", || home_made::near_misses("home-made")),
    ("home-made-cookie", || home_made::near_misses("home-made-cookie")),
    ("keycloak", keycloak::near_misses),
    ("okta", okta::near_misses),
    ("supabase", supabase::near_misses),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_real_binary_refuses_near_misses_too() {
    assert_eq!(NEAR_MISSES.map(|(name, _)| name).to_vec(), names(), "each file has some");
    for (name, near_misses) in NEAR_MISSES {
        let NearMisses { loaded, policy, twin, tokens } = near_misses();
        loaded.context.write("policy.toml", policy);
        let server = Server::start(&loaded.context, &["serve", "--config", "usher.toml"], |space| {
            let variables = credentials(space).into_iter().map(|(name, value)| (name.to_owned(), value));
            let variables = with(variables.collect(), "USHER__SERVER__LISTEN", "127.0.0.1:0");
            with(variables, "USHER__POLICY__FILE", "policy.toml")
        })
        .await;
        assert_eq!(server.grants(&twin).await.status, 200, "{name}: the twin");
        for (case, token, why) in tokens {
            let response = server.post(&token, None).await;
            assert_eq!(response.problem(), (401, code_of(&why).to_owned()), "{name}: {case}");
            let cause = format!("\"cause\":{}", json!(why.to_string()));
            server.running.wait_for(|_, stderr| stderr.contains(&cause));
        }
        assert_eq!(server.sandbox.received().len(), 0, "{name}: something was minted");
    }
}

/// Claims with these on top; `null` takes one out.
fn but(mut claims: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name).unwrap_or_else(|| panic!("there is no {name} to take out"));
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn rsa() -> Signer {
    Signer::pair(Algorithm::RS256)
}
