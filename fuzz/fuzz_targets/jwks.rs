//! Whatever stands in the file of a JWK Set: it opens to its public keys or to faults, and no key that is not in it verifies
//! anything.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tempfile::NamedTempFile;
use usher::chat::Timestamp;
use usher::session::{IssuerSettings, KeySettings, Verifier};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const ISSUER: &str = "https://keys.example/";
/// Tokens of an RSA and of a P-256 key, and the public halves.
const GENUINE: [&str; 2] = [include_str!("../keys/rsa.jwt"), include_str!("../keys/ec.jwt")];
const SET: &str = include_str!("../keys/jwks.json");

static FILE: LazyLock<NamedTempFile> = LazyLock::new(|| NamedTempFile::new().unwrap());

fn open() -> Option<Verifier> {
    let keys = KeySettings::JwksFile(FILE.path().to_owned());
    let settings = IssuerSettings {
        leeway: Duration::ZERO,
        keys_max_stale: Duration::from_hours(1),
        ..IssuerSettings::new("keys", ISSUER, "usher-fuzz", keys)
    };
    match Verifier::open(vec![settings]) {
        Ok(verifier) => Some(verifier),
        Err(faults) => {
            assert!(faults.len() == 1 && !faults[0].to_string().is_empty());
            None
        }
    }
}

fuzz_target!(|data: &[u8]| {
    std::fs::write(FILE.path(), data).unwrap();
    let Some(verifier) = open() else { return };
    let again = open().expect("the same file opens again");
    assert_eq!(verifier.key_status(NOW), again.key_status(NOW));
    assert_eq!(verifier.reread(FILE.path()).map_err(|_| ()), Ok(()));

    let set: Value = serde_json::from_slice(data).expect("what is no JSON is no JWK Set");
    let keys = set["keys"].as_array().expect("what has no list `keys` is no JWK Set");
    let usable = verifier.key_status(NOW)[0].usable;
    let public = keys.iter().filter(|key| key.get("d").is_none() && key["kty"] != "oct").count();
    assert!((1..=public).contains(&usable), "{usable} keys of {public}");

    let ours: Value = serde_json::from_str(SET).unwrap();
    for (token, own, parts) in [(GENUINE[0], &ours["keys"][0], ["n", "e"]), (GENUINE[1], &ours["keys"][1], ["x", "y"])]
    {
        if verifier.verify(token, NOW).is_ok() {
            // A single key of a file may have another `kid`, or none.
            let is_own = |key: &Value| {
                (usable == 1 || key["kid"] == own["kid"])
                    && parts.iter().all(|part| number(&key[part]) == number(&own[part]))
            };
            assert!(keys.iter().any(is_own), "another's key verifies {token}");
        }
    }
    for forged in forged(data, keys) {
        assert!(verifier.verify(&forged, NOW).is_err(), "a forged token is taken: {forged}");
    }
});

/// A big-endian number in base64url, without the zeros that it begins with.
fn number(part: &Value) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(part.as_str()?.trim_end_matches('=')).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

/// Tokens without a signature, and with one by HMAC whose secret is what everybody can read.
fn forged(file: &[u8], keys: &[Value]) -> Vec<String> {
    let genuine: Vec<&str> = GENUINE[0].split('.').collect();
    let claims = genuine[1];
    let mut secrets = vec![file.to_vec(), Vec::new()];
    for key in keys.iter().take(4) {
        for part in ["n", "x", "y", "k"] {
            secrets.extend(number(&key[part]));
            secrets.extend(key[part].as_str().map(|text| text.as_bytes().to_vec()));
        }
    }
    let kids = keys.iter().take(4).filter_map(|key| key["kid"].as_str());
    let mut tokens = Vec::new();
    for kid in kids.map(Some).chain([None]) {
        let header = |alg: &str| {
            let mut header = serde_json::json!({"alg": alg});
            if let Some(kid) = kid {
                header["kid"] = kid.into();
            }
            format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header.to_string()))
        };
        for alg in ["none", "RS256", "ES256", "EdDSA"] {
            tokens.push(format!("{}.", header(alg)));
        }
        let input = header("HS256");
        for secret in &secrets {
            let key = EncodingKey::from_secret(secret);
            let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &key, Algorithm::HS256).unwrap();
            tokens.push(format!("{input}.{signature}"));
        }
    }
    tokens
}
