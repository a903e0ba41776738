//! Whatever comes as a token: bytes as they are, or a header and claims that somebody signed with the genuine secret. What is
//! taken is held against a reading of the rules that shares no code with ours.
//!
//! An input is `r` and a token, or `s`, a header, a newline and claims.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretSlice;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use usher::chat::{ClaimedRoles, Facts, Timestamp, Who};
use usher::session::{IssuerSettings, KeySettings, Refusal, Verifier};

const NOW: i64 = 1_800_000_000;
const LEEWAY: i64 = 30;
const HMAC: &str = "https://hmac.example/";
const KEYS: &str = "https://keys.example/";
const AUDIENCE: &str = "usher-fuzz";
const SECRET: &[u8] = b"a secret of exactly 32 bytes yes";
const GOOD_HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The only tokens that whoever sends bytes has from an issuer; the private keys are gone.
const GENUINE: [&str; 3] =
    [include_str!("../keys/hmac.jwt"), include_str!("../keys/rsa.jwt"), include_str!("../keys/ec.jwt")];

static SIGNING: LazyLock<EncodingKey> = LazyLock::new(|| EncodingKey::from_secret(SECRET));
static VERIFIER: LazyLock<Verifier> = LazyLock::new(verifier);
static REMEMBERING: LazyLock<Verifier> = LazyLock::new(|| verifier().remembering());

fn verifier() -> Verifier {
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys/jwks.json");
    let issuers = [
        ("hmac", HMAC, KeySettings::Secret(SecretSlice::from(SECRET.to_vec()))),
        ("keys", KEYS, KeySettings::JwksFile(set)),
    ];
    let verifier = Verifier::open(issuers.map(|(name, issuer, keys)| settings(name, issuer, keys)).to_vec()).unwrap();
    for token in GENUINE {
        verifier.verify(token, Timestamp::from_seconds(NOW)).unwrap();
    }
    verifier
}

fn settings(name: &str, issuer: &str, keys: KeySettings) -> IssuerSettings {
    IssuerSettings {
        leeway: Duration::from_secs(LEEWAY.unsigned_abs()),
        keys_max_stale: Duration::from_hours(1),
        ..IssuerSettings::new(name, issuer, AUDIENCE, keys)
    }
}

fn at(verifier: &Verifier, token: &str, now: Timestamp) -> Result<Facts, Refusal> {
    verifier.verify(token, now).map(|session| session.facts().clone())
}

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((b'r', token)) => raw(token),
        Some((b's', parts)) => signed(parts),
        _ => {}
    }
});

/// Nobody without a key makes a token of his own.
fn raw(token: &[u8]) {
    let token = String::from_utf8_lossy(token);
    let input = |token: &str| token.rsplit_once('.').map(|(input, _)| input.to_owned());
    if at(&VERIFIER, &token, Timestamp::from_seconds(NOW)).is_ok() {
        assert!(GENUINE.iter().any(|genuine| input(genuine) == input(&token)), "a forged token is taken: {token}");
    }
}

/// What an issuer signs is taken if, and only if, it says the right things.
fn signed(parts: &[u8]) {
    let Some(end) = parts.iter().position(|byte| *byte == b'\n') else { return };
    let (header, claims) = (&parts[..end], &parts[end + 1..]);
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &SIGNING, Algorithm::HS256).unwrap();
    let token = format!("{input}.{signature}");

    let now = Timestamp::from_seconds(NOW);
    let found = at(&VERIFIER, &token, now);
    for time in ["first", "second"] {
        assert_eq!(at(&REMEMBERING, &token, now), found, "remembering signatures, the {time} time");
    }
    match (found, object(claims)) {
        (Ok(facts), Some(object)) => {
            assert!(is_good_header(header), "its header is no good");
            assert!(is_good(&object), "its claims are no good");
            assert_eq!(facts.who, Who::Known { issuer: "hmac".to_owned() });
            assert_eq!(*facts.claims, object, "claims are what was signed");
            if let (Some(Value::Array(list)), ClaimedRoles::Names(names)) = (object.get("roles"), &facts.roles) {
                assert!(list.iter().filter_map(Value::as_str).eq(names), "roles are what was signed");
            }
            // It ends when it says, to the millisecond.
            let ends = facts.ends.unwrap();
            assert_eq!(in_millis(&object["exp"]), Some(ends.millis()));
            assert!(at(&VERIFIER, &token, ends.plus_millis(-1)).is_ok() || ends.plus_millis(-1) < now);
            assert_eq!(at(&VERIFIER, &token, ends), Err(Refusal::Expired));
            assert_eq!(at(&REMEMBERING, &token, ends), Err(Refusal::Expired));
        }
        (Ok(_), None) => panic!("its claims are no object, or have a name twice"),
        (Err(why), Some(object)) => {
            // What is written as anybody would write it, with nothing wrong, must be taken.
            let is_plain = header == GOOD_HEADER.as_bytes() && serde_json::to_vec(&object).unwrap() == claims;
            assert!(!(is_plain && token.len() <= 16 * 1_024 && is_good(&object)), "a good token is refused: {why}");
        }
        (Err(_), None) => {}
    }
}

/// RFC 7515 §4, RFC 7519 §5, RFC 8725 §3.11.
fn is_good_header(header: &[u8]) -> bool {
    let Some(header) = object(header) else { return false };
    let typ = match header.get("typ") {
        None => true,
        Some(Value::String(typ)) => ["jwt", "at+jwt", "application/jwt", "application/at+jwt"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(typ)),
        Some(_) => false,
    };
    let changes = ["crit", "b64", "zip"].iter().any(|name| header.contains_key(*name));
    let kid = header.get("kid").is_none_or(Value::is_string);
    header.get("alg") == Some(&Value::from("HS256")) && typ && kid && !changes
}

/// RFC 7519 §4.1, for the issuer of the secret.
fn is_good(claims: &Map<String, Value>) -> bool {
    let audience = match claims.get("aud") {
        Some(Value::String(audience)) => audience == AUDIENCE,
        Some(Value::Array(list)) => list.iter().all(Value::is_string) && list.contains(&Value::from(AUDIENCE)),
        _ => false,
    };
    let subject = claims.get("sub").and_then(Value::as_str).is_some_and(|sub| !sub.is_empty());
    let begun = |name| match claims.get(name) {
        None => true,
        Some(value) => in_millis(value).is_some_and(|millis| millis <= (NOW + LEEWAY) * 1_000),
    };
    let alive = claims.get("exp").and_then(in_millis).is_some_and(|end| end > NOW * 1_000 && end < 253_402_300_800_000);
    claims.get("iss") == Some(&Value::from(HMAC)) && audience && subject && alive && begun("nbf") && begun("iat")
}

/// Seconds as whole milliseconds, down.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and nobody cares which end of time it is")]
fn in_millis(seconds: &Value) -> Option<i64> {
    Some((seconds.as_f64()? * 1_000.0).floor() as i64)
}

/// One JSON object, none of whose own names is there twice.
fn object(text: &[u8]) -> Option<Map<String, Value>> {
    let names = serde_json::Deserializer::from_slice(text).deserialize_map(Names).ok()?;
    let object: Map<String, Value> = serde_json::from_slice(text).ok()?;
    (names == object.len()).then_some(object)
}

/// How many members an object has, whatever their names.
struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = usize;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}
