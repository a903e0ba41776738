//! Which algorithm a key verifies: one, and never the one that a token would like.

use jsonwebtoken::Algorithm as A;
use secrecy::SecretSlice;
use serde_json::{Value, json};
use usher::session::{Algorithm, Cause, KeySettings, Verifier};

use super::{ED25519, P256, P384, RSA, fault, good, open, pem, refused, set, taken, try_set, with_keys};
use crate::support::keys::{Signer, b64};
use crate::support::{ISSUER, SECRET};

fn secret(algorithms: &[&str]) -> Verifier {
    open(with_keys(KeySettings::Secret(SecretSlice::from(SECRET.as_bytes().to_vec())), algorithms))
}

/// Who signs by each algorithm.
fn signer(name: &str) -> Signer {
    let algorithm: A = name.parse().unwrap();
    match algorithm {
        A::HS256 | A::HS384 | A::HS512 => Signer::secret_of(SECRET, algorithm),
        A::ES256 => P256.by(algorithm),
        A::ES384 => P384.by(algorithm),
        A::EdDSA => ED25519.by(algorithm),
        _ => RSA.by(algorithm),
    }
}

fn is_hmac(name: &str) -> bool {
    name.starts_with("HS")
}

/// The only key of the issuer is pinned to the algorithm `name`: a token by it is taken, and by no other.
fn takes_only(verifier: &Verifier, name: &str) {
    let own = signer(name);
    let kid = json!({"kid": name});
    taken(verifier, &own.sign_with(&kid, &good()), name);
    for other in Algorithm::NAMES.into_iter().filter(|other| *other != name) {
        let case = format!("a key for {name}, a token by {other}");
        let header = json!({"alg": other, "kid": name});
        // With a signature by the key's own algorithm, which would verify if the header were only looked at.
        refused(verifier, &own.sign_with(&header, &good()), Cause::NoKeyFits, &case);
        // With one by the other algorithm, of the same key where that can sign it.
        refused(verifier, &signer(other).sign_with(&header, &good()), Cause::NoKeyFits, &case);
    }
}

#[test]
fn each_algorithm_is_taken_with_its_own_key_and_no_other_is() {
    for name in Algorithm::NAMES {
        if is_hmac(name) {
            takes_only(&secret(&[name]), name);
        } else {
            takes_only(&pem(&signer(name), &[name]), name);
        }
    }
}

#[test]
fn a_jwk_is_pinned_to_its_own_alg() {
    for name in Algorithm::NAMES.into_iter().filter(|name| !is_hmac(name)) {
        takes_only(&set(&[signer(name).jwk(&json!({"kid": name, "alg": name}))], &[]), name);
    }
}

#[test]
fn a_jwk_without_alg_is_pinned_to_the_listed_algorithm_that_fits() {
    for name in Algorithm::NAMES.into_iter().filter(|name| !is_hmac(name)) {
        takes_only(&set(&[signer(name).jwk(&json!({"kid": name}))], &[name]), name);
    }
    // One that fits no key of the set stands beside it for those that it does fit.
    takes_only(&set(&[P256.jwk(&json!({"kid": "ES256"}))], &["PS512", "ES256"]), "ES256");
}

#[test]
fn without_any_algorithm_listed_a_key_has_the_usual_one_of_its_type() {
    takes_only(&secret(&[]), "HS256");
    for (usual, key) in [("RS256", &RSA), ("ES256", &P256), ("ES384", &P384), ("EdDSA", &ED25519)] {
        takes_only(&pem(key, &[]), usual);
        takes_only(&set(&[key.jwk(&json!({"kid": usual}))], &[]), usual);
    }
}

#[test]
fn a_jwk_whose_own_alg_is_not_listed_is_left_out() {
    let listed = RSA.jwk(&json!({"kid": "a", "alg": "RS256"}));
    let unlisted = RSA.jwk(&json!({"kid": "b", "alg": "PS256"}));
    let verifier = set(&[listed.clone(), unlisted.clone()], &["RS256"]);
    taken(&verifier, &RSA.sign_with(&json!({"kid": "a"}), &good()), "listed");
    refused(&verifier, &RSA.by(A::PS256).sign_with(&json!({"kid": "b"}), &good()), Cause::NoKeyFits, "unlisted");
    let both = set(&[listed, unlisted], &["RS256", "PS256"]);
    taken(&both, &RSA.by(A::PS256).sign_with(&json!({"kid": "b"}), &good()), "listed now");
}

#[test]
fn a_jwk_whose_alg_is_of_another_type_of_key_or_no_signature_is_left_out() {
    let good = RSA.jwk(&json!({"alg": "RS256"}));
    assert!(try_set(&[good], &[]).is_ok());
    let odd = [
        (&RSA, "HS256"),
        (&RSA, "ES256"),
        (&RSA, "EdDSA"),
        (&RSA, "RSA-OAEP"),
        (&RSA, "none"),
        (&RSA, "rs256"),
        (&P256, "ES384"),
        (&P256, "RS256"),
        (&P384, "ES256"),
        (&ED25519, "ES256"),
        (&P256, "ECDH-ES"),
    ];
    for (key, alg) in odd {
        let fault = fault(try_set(&[key.jwk(&json!({"alg": alg}))], &[]));
        assert!(fault.message.contains("none of the algorithms"), "{alg}: {fault}");
    }
}

#[test]
fn none_is_no_algorithm_in_any_spelling_nor_is_anything_unknown() {
    let spellings: Vec<Value> = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        "",
        "hs256",
        "Hs256",
        "HS256 ",
        "HS1",
        "HS512/256",
        "ES512",
        "ES256K",
        "Ed25519",
        "eddsa",
        "RSA-OAEP",
        "A128GCM",
        "dir",
    ]
    .into_iter()
    .map(Value::from)
    .chain([json!(null), json!(0), json!(["HS256"]), json!({"HS256": 1}), json!(true)])
    .collect();
    let verifier = secret(&[]);
    let own = Signer::secret();
    taken(&verifier, &own.sign(&good()), "the twin");
    for alg in spellings {
        let signed = own.sign_with(&json!({"alg": alg}), &good());
        refused(&verifier, &signed, Cause::UnknownAlgorithm, &alg);
        let (input, _) = signed.rsplit_once('.').unwrap();
        refused(&verifier, &format!("{input}."), Cause::UnknownAlgorithm, &alg);
    }
    let absent = own.sign_text(r#"{"typ":"JWT"}"#, &good().to_string());
    refused(&verifier, &absent, Cause::UnknownAlgorithm, "absent");
}

#[test]
fn a_public_key_is_never_a_shared_secret() {
    let public = RSA.public_pem.clone().unwrap();
    let jwk = RSA.jwk(&json!({}));
    let verifiers = [("a PEM file", pem(&RSA, &[])), ("a JWK Set", set(std::slice::from_ref(&jwk), &[]))];
    let der: String = public.lines().filter(|line| !line.starts_with('-')).collect();
    let n = jwk["n"].as_str().unwrap();
    let secrets = [&public, public.trim_end(), &der, n, &jwk.to_string()];
    for (place, verifier) in &verifiers {
        taken(verifier, &RSA.sign(&good()), place);
        for secret in secrets {
            for algorithm in [A::HS256, A::HS384, A::HS512] {
                let token = Signer::secret_of(secret, algorithm).sign(&good());
                refused(verifier, &token, Cause::NoKeyFits, (place, secret));
            }
        }
    }
}

#[test]
fn nothing_in_a_header_brings_a_key_along() {
    let verifier = pem(&RSA, &[]);
    let theirs = &super::OTHER_RSA;
    let jwk = theirs.jwk(&json!({"kid": "theirs"}));
    for header in [
        json!({"jwk": jwk, "kid": "theirs"}),
        json!({"jku": format!("{ISSUER}jwks.json")}),
        json!({"x5u": format!("{ISSUER}x5u.pem")}),
        json!({"x5c": [b64("a certificate")]}),
    ] {
        taken(&verifier, &RSA.sign_with(&header, &good()), &header);
        refused(&verifier, &theirs.sign_with(&header, &good()), Cause::Signature, &header);
    }
}
