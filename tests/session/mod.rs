//! Sessions: the verifier with the time as an argument for what is refused and why, the service for what a client sees.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod algorithms;
mod audience;
mod credentials;
mod discovery;
mod entries;
mod fetched;
pub(crate) mod forged;
mod form;
mod header;
mod issuers;
mod key_server;
mod kid;
mod opening;
mod remembered;
mod roles;
mod signature;
mod times;

use std::sync::LazyLock;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use usher::chat::{Facts, Timestamp};
use usher::session::{Cause, IssuerSettings, KeyFault, KeySettings, Refusal, Verifier};

use crate::support::keys::{Signer, at};
use crate::support::service::issuer;
use crate::support::{AUDIENCE, ISSUER};

/// The time of every test that does not say another.
const NOW: i64 = 1_800_000_000;

static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::pair(Algorithm::RS256));
static OTHER_RSA: LazyLock<Signer> = LazyLock::new(|| Signer::pair(Algorithm::RS256));
static P256: LazyLock<Signer> = LazyLock::new(|| Signer::pair(Algorithm::ES256));
static P384: LazyLock<Signer> = LazyLock::new(|| Signer::pair(Algorithm::ES384));
static ED25519: LazyLock<Signer> = LazyLock::new(|| Signer::pair(Algorithm::EdDSA));

/// The claims of a good session, an hour long.
fn good() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "roles": ["customer"], "iat": NOW, "exp": NOW + 3_600})
}

/// The same with these on top; `null` stays `null`.
fn with(more: &Value) -> Value {
    let mut claims = good();
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// The same without one of them.
fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

/// The usual issuer, with the shared secret.
fn ours() -> IssuerSettings {
    issuer("app", ISSUER)
}

/// A verifier of this one issuer.
fn open(settings: IssuerSettings) -> Verifier {
    Verifier::open(vec![settings]).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// The usual issuer with the keys of these files' settings, and these algorithms.
fn with_keys(keys: KeySettings, algorithms: &[&str]) -> IssuerSettings {
    let algorithms = algorithms.iter().map(|name| usher::session::Algorithm::parse(name).unwrap()).collect();
    IssuerSettings { keys, algorithms, ..ours() }
}

/// What opening gives where a JWK Set of these keys is in a file.
fn try_set(keys: &[Value], algorithms: &[&str]) -> Result<Verifier, Vec<KeyFault>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({"keys": keys}).to_string()).unwrap();
    Verifier::open(vec![with_keys(KeySettings::JwksFile(file.path().to_owned()), algorithms)])
}

fn set(keys: &[Value], algorithms: &[&str]) -> Verifier {
    try_set(keys, algorithms).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// What opening gives where this is the file of the public key.
fn try_pem(pem: &str, algorithms: &[&str]) -> Result<Verifier, Vec<KeyFault>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    Verifier::open(vec![with_keys(KeySettings::PublicKeyFile(file.path().to_owned()), algorithms)])
}

fn pem(signer: &Signer, algorithms: &[&str]) -> Verifier {
    try_pem(signer.public_pem.as_deref().unwrap(), algorithms).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// The one fault of opening.
fn fault(opened: Result<Verifier, Vec<KeyFault>>) -> KeyFault {
    let mut faults = opened.err().unwrap();
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

/// What a token proves at this time.
fn facts_at(verifier: &Verifier, token: &str, now: Timestamp) -> Result<Facts, Refusal> {
    verifier.verify(token, now).map(|session| session.facts().clone())
}

fn facts(verifier: &Verifier, token: &str) -> Result<Facts, Refusal> {
    facts_at(verifier, token, at(NOW))
}

/// That a token is taken, now.
#[track_caller]
fn taken(verifier: &Verifier, token: &str, case: impl std::fmt::Debug) -> Facts {
    facts(verifier, token).unwrap_or_else(|refusal| panic!("{case:?}: {refusal}"))
}

/// That a token is refused, now, for exactly this.
#[track_caller]
fn refused(verifier: &Verifier, token: &str, why: Cause, case: impl std::fmt::Debug) {
    assert_eq!(facts(verifier, token).err(), Some(Refusal::Invalid(why)), "{case:?}");
}
