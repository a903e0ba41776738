//! Signatures that were verified before: nothing that is remembered prolongs, widens or confuses a session.

use serde_json::{Value, json};
use usher::chat::Facts;
use usher::session::{Cause, IssuerSettings, KeySettings, Refusal, Verifier};

use super::{NOW, OTHER_RSA, P256, RSA, facts_at, good, ours, with, with_keys};
use crate::support::ISSUER;
use crate::support::keys::{Signer, at, b64};
use crate::support::service::issuer;

fn remembering(settings: Vec<IssuerSettings>) -> Verifier {
    Verifier::open(settings).unwrap_or_else(|faults| panic!("{faults:?}")).remembering()
}

/// What a token proves after so many seconds.
fn after(verifier: &Verifier, token: &str, seconds: i64) -> Result<Facts, Refusal> {
    facts_at(verifier, token, at(NOW + seconds))
}

#[test]
fn it_proves_the_same_as_the_first_time() {
    let verifier = remembering(vec![ours()]);
    let token = Signer::secret().sign(&with(&json!({"name": "Ä", "deep": {"list": [1, {"a": null}]}})));
    let first = after(&verifier, &token, 0).unwrap();
    for seconds in [0, 1, 3_599] {
        assert_eq!(after(&verifier, &token, seconds), Ok(first.clone()));
    }
}

#[test]
fn time_goes_on() {
    let aged = IssuerSettings { max_age: Some(std::time::Duration::from_mins(10)), ..ours() };
    for (case, settings, claims, last) in [
        ("exp", ours(), good(), 3_599),
        ("max_age", aged, good(), 599),
        ("a fraction", ours(), with(&json!({"exp": f64::from(u32::try_from(NOW).unwrap()) + 10.5})), 10),
    ] {
        let verifier = remembering(vec![settings]);
        let token = Signer::secret().sign(&claims);
        assert!(after(&verifier, &token, 0).is_ok(), "{case}");
        assert!(after(&verifier, &token, last).is_ok(), "{case}");
        for seconds in [last + 1, last + 2, 1_000_000] {
            assert_eq!(after(&verifier, &token, seconds), Err(Refusal::Expired), "{case}: {seconds}");
        }
        assert!(after(&verifier, &token, 0).is_ok(), "{case}: it is the time that counts, and no memory of an end");
    }
    // A clock that is set back: not before is not before.
    let verifier = remembering(vec![ours()]);
    let token = Signer::secret().sign(&with(&json!({"nbf": NOW, "iat": NOW})));
    assert!(after(&verifier, &token, 0).is_ok());
    assert_eq!(after(&verifier, &token, -31), Err(Refusal::Invalid(Cause::Early("nbf"))));
}

#[test]
fn a_failure_is_not_remembered() {
    let verifier = remembering(vec![ours()]);
    let token = Signer::secret().sign(&with(&json!({"nbf": NOW + 100})));
    for _ in 0..3 {
        assert_eq!(after(&verifier, &token, 0), Err(Refusal::Invalid(Cause::Early("nbf"))));
    }
    assert!(after(&verifier, &token, 100).is_ok());
}

#[test]
fn another_token_is_another_token() {
    let verifier =
        remembering(vec![with_keys(KeySettings::Secret(crate::support::SECRET.as_bytes().to_vec().into()), &[])]);
    let token = Signer::secret().sign(&good());
    assert!(after(&verifier, &token, 0).is_ok());
    let parts: Vec<&str> = token.split('.').collect();
    let promoted = b64(with(&json!({"sub": "admin", "roles": ["agent"]})).to_string());
    for (case, forged, cause) in [
        ("other claims under its signature", format!("{}.{promoted}.{}", parts[0], parts[2]), Cause::Signature),
        ("without its signature", format!("{}.{}.", parts[0], parts[1]), Cause::Signature),
        ("a space more", format!("{token} "), Cause::Signature),
        ("a part more", format!("{token}.x"), Cause::NotThreeParts),
        (
            "another signature",
            Signer::secret_of(&"x".repeat(64), jsonwebtoken::Algorithm::HS256).sign(&good()),
            Cause::Signature,
        ),
    ] {
        assert_eq!(after(&verifier, &forged, 0).err(), Some(Refusal::Invalid(cause)), "{case}");
    }
    assert!(after(&verifier, &token, 0).is_ok(), "and it is still itself");
}

/// A file that verifies by this one key.
fn key_file(directory: &tempfile::TempDir, jwks: &[Value]) -> std::path::PathBuf {
    let path = directory.path().join("jwks.json");
    std::fs::write(&path, json!({"keys": jwks}).to_string()).unwrap();
    path
}

#[test]
fn when_its_key_is_withdrawn_it_counts_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let a = RSA.jwk(&json!({"kid": "a"}));
    let path = key_file(&directory, &[a.clone(), P256.jwk(&json!({"kid": "b"}))]);
    let verifier = remembering(vec![with_keys(KeySettings::JwksFile(path.clone()), &[])]);
    let token = RSA.sign_with(&json!({"kid": "a"}), &good());
    let other = P256.sign_with(&json!({"kid": "b"}), &good());
    assert!(after(&verifier, &token, 0).is_ok() && after(&verifier, &other, 0).is_ok());
    for (case, keys, cause) in [
        ("gone", vec![P256.jwk(&json!({"kid": "b"})), OTHER_RSA.jwk(&json!({"kid": "c"}))], Cause::NoKeyFits),
        (
            "another of its name",
            vec![OTHER_RSA.jwk(&json!({"kid": "a"})), P256.jwk(&json!({"kid": "b"}))],
            Cause::Signature,
        ),
        (
            "for another algorithm",
            vec![RSA.jwk(&json!({"kid": "a", "alg": "PS256"})), P256.jwk(&json!({"kid": "b"}))],
            Cause::NoKeyFits,
        ),
        ("of another name", vec![RSA.jwk(&json!({"kid": "z"})), P256.jwk(&json!({"kid": "b"}))], Cause::NoKeyFits),
    ] {
        key_file(&directory, &keys);
        verifier.reread(&path).unwrap();
        assert_eq!(after(&verifier, &token, 0).err(), Some(Refusal::Invalid(cause)), "{case}");
        key_file(&directory, &[P256.jwk(&json!({"kid": "b"})), a.clone()]);
        verifier.reread(&path).unwrap();
        assert!(after(&verifier, &token, 0).is_ok(), "{case}: it is back");
        assert!(after(&verifier, &other, 0).is_ok(), "{case}: the other key was never touched");
    }
}

#[test]
fn it_is_its_issuers_and_no_others() {
    let corp = IssuerSettings { keys: ours().keys, ..issuer("corp", "https://corp.example.com/") };
    let verifier = remembering(vec![ours(), corp]);
    let token = |iss: &str| Signer::secret().sign(&with(&json!({"iss": iss})));
    for iss in [ISSUER, "https://corp.example.com/", ISSUER] {
        let facts = after(&verifier, &token(iss), 0).unwrap();
        assert_eq!(facts.issuer(), Some(if iss == ISSUER { "app" } else { "corp" }));
    }
}

#[test]
fn however_many_come_each_is_still_verified() {
    let verifier = remembering(vec![ours()]);
    let padding = "x".repeat(8_000);
    // Twice what fits, by size.
    for number in 0..2_000 {
        let token = Signer::secret().sign(&with(&json!({"sub": format!("member-{number}"), "padding": padding})));
        assert_eq!(after(&verifier, &token, 0).unwrap().claims["sub"], format!("member-{number}"));
        assert_eq!(after(&verifier, &token, 0).unwrap().claims["sub"], format!("member-{number}"));
    }
}
