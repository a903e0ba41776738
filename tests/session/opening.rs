//! Keys and secrets that are of no use stop the start, each with the setting and what to do.

use jsonwebtoken::Algorithm;
use serde_json::json;
use usher::session::{KeySettings, Verifier};

use super::{RSA, fault, good, taken, try_pem, try_set, with_keys};
use crate::support::keys::Signer;

fn secret(bytes: usize, algorithms: &[&str]) -> Result<Verifier, Vec<usher::session::KeyFault>> {
    let secret = KeySettings::Secret("x".repeat(bytes).into_bytes().into());
    Verifier::open(vec![with_keys(secret, algorithms)])
}

#[test]
fn a_secret_is_at_least_as_long_as_the_hash() {
    for (algorithms, least, algorithm) in [
        (&[][..], 32, Algorithm::HS256),
        (&["HS256"], 32, Algorithm::HS256),
        (&["HS384"], 48, Algorithm::HS384),
        (&["HS512"], 64, Algorithm::HS512),
    ] {
        let short = fault(secret(least - 1, algorithms));
        assert_eq!((short.issuer.as_str(), short.setting), ("app", "secret"));
        assert!(short.message.contains(&format!("at least {least} bytes")), "{short}");
        let verifier = secret(least, algorithms).unwrap();
        taken(&verifier, &Signer::secret_of(&"x".repeat(least), algorithm).sign(&good()), algorithms);
    }
    assert!(fault(secret(0, &[])).message.contains("has 0"));
}

#[test]
fn a_single_key_has_one_algorithm_that_fits_it() {
    assert!(fault(secret(64, &["HS256", "HS512"])).message.contains("a single key has one algorithm"));
    assert!(fault(secret(64, &["RS256"])).message.contains("none of the algorithms RS256 fits it"));
    let pem = RSA.public_pem.as_deref().unwrap();
    assert!(fault(try_pem(pem, &["RS256", "PS256"])).message.contains("a single key has one algorithm"));
    assert!(fault(try_pem(pem, &["ES256"])).message.contains("none of the algorithms ES256 fits it"));
    assert!(try_pem(pem, &["ES256", "PS256"]).is_ok(), "one of those that are listed fits");
}

#[test]
fn what_is_no_public_key_as_pem_is_told() {
    let private = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let told = fault(try_pem(&private, &[]));
    assert!(told.setting == "public_key_file" && told.message.contains("it is a private key"), "{told}");
    for text in ["", "no PEM", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
        assert!(fault(try_pem(text, &[])).message.contains("no key that can be read"), "{text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let nowhere = std::path::PathBuf::from("/nowhere/key");
    for (keys, setting) in [
        (KeySettings::JwksFile(nowhere.clone()), "jwks_file"),
        (KeySettings::PublicKeyFile(nowhere), "public_key_file"),
    ] {
        let told = fault(Verifier::open(vec![with_keys(keys, &[])]));
        assert!(told.setting == setting && told.message.contains("/nowhere/key cannot be read"), "{told}");
    }
}

#[test]
fn a_set_without_a_key_that_can_be_used_is_told_with_the_reason_for_each() {
    assert!(fault(try_set(&[], &[])).message.contains("holds no key that can be used"));
    let told = fault(try_set(&[json!({"kty": "oct", "k": "eHh4", "kid": "s"}), RSA.jwk(&json!({"use": "enc"}))], &[]));
    assert!(told.message.contains("key 1 (s): symmetric keys come by `secret` only"), "{told}");
    assert!(told.message.contains("key 2 (no kid): its `use` is not `sig`"), "{told}");
}

#[test]
fn every_issuers_fault_is_told() {
    let short = || KeySettings::Secret(b"short".to_vec().into());
    let faults = Verifier::open(vec![with_keys(short(), &[]), with_keys(short(), &[])]).unwrap_err();
    assert_eq!(faults.len(), 2);
}
