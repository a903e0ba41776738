//! Which of an issuer's keys may have signed: by `kid`, or the only one that fits.

use serde_json::{Value, json};
use usher::session::{Cause, Verifier};

use super::{OTHER_RSA, P256, RSA, good, open, ours, pem, refused, set, taken};
use crate::support::keys::Signer;

fn signed(signer: &Signer, kid: &str) -> String {
    signer.sign_with(&json!({"kid": kid}), &good())
}

/// Two RSA keys and one of another type.
fn three() -> Verifier {
    set(&[RSA.jwk(&json!({"kid": "a"})), OTHER_RSA.jwk(&json!({"kid": "b"})), P256.jwk(&json!({"kid": "c"}))], &[])
}

#[test]
fn the_key_of_the_tokens_kid_is_the_one_that_verifies() {
    let verifier = three();
    taken(&verifier, &signed(&RSA, "a"), "a");
    taken(&verifier, &signed(&OTHER_RSA, "b"), "b");
    taken(&verifier, &signed(&P256, "c"), "c");
    refused(&verifier, &signed(&RSA, "b"), Cause::Signature, "a's signature with b's kid");
    refused(&verifier, &signed(&RSA, "c"), Cause::NoKeyFits, "a kid of a key for another algorithm");
}

#[test]
fn an_unknown_kid_is_refused_even_where_one_key_would_fit() {
    let verifier = three();
    for kid in ["d", "A", "a ", "", "../a"] {
        refused(&verifier, &signed(&RSA, kid), Cause::NoKeyFits, kid);
        refused(&verifier, &signed(&P256, kid), Cause::NoKeyFits, kid);
    }
    taken(&verifier, &signed(&RSA, "a"), "the twin");
}

#[test]
fn without_a_kid_exactly_one_key_must_fit_the_algorithm() {
    let verifier = three();
    taken(&verifier, &P256.sign(&good()), "one of three is for ES256");
    refused(&verifier, &RSA.sign(&good()), Cause::NoKeyFits, "two of three are for RS256");
    refused(&verifier, &OTHER_RSA.sign(&good()), Cause::NoKeyFits, "two of three are for RS256");
    let ps = OTHER_RSA.jwk(&json!({"kid": "b", "alg": "PS256"}));
    let verifier = set(&[RSA.jwk(&json!({"kid": "a"})), ps], &[]);
    taken(&verifier, &RSA.sign(&good()), "one is for RS256, one for PS256");
    let none = P256.sign(&good());
    refused(&verifier, &none, Cause::NoKeyFits, "none is for ES256");
}

#[test]
fn a_single_key_from_a_file_or_the_settings_ignores_kid() {
    let single = [
        ("a secret", open(ours()), Signer::secret()),
        ("a PEM file", pem(&RSA, &[]), RSA.by(RSA.algorithm)),
        ("a JWK Set with kid", set(&[RSA.jwk(&json!({"kid": "a"}))], &[]), RSA.by(RSA.algorithm)),
        ("a JWK Set without", set(&[RSA.jwk(&json!({}))], &[]), RSA.by(RSA.algorithm)),
    ];
    for (case, verifier, signer) in single {
        taken(&verifier, &signer.sign(&good()), case);
        for kid in ["a", "another", ""] {
            taken(&verifier, &signed(&signer, kid), (case, kid));
        }
    }
}

#[test]
fn every_key_of_a_kid_is_tried() {
    let verifier = set(&[RSA.jwk(&json!({"kid": "a"})), OTHER_RSA.jwk(&json!({"kid": "a"}))], &[]);
    taken(&verifier, &signed(&RSA, "a"), "the first");
    taken(&verifier, &signed(&OTHER_RSA, "a"), "the second");
    refused(&verifier, &RSA.sign(&good()), Cause::NoKeyFits, "no kid, and two that fit");
    let third = Signer::pair(jsonwebtoken::Algorithm::RS256);
    refused(&verifier, &signed(&third, "a"), Cause::Signature, "neither");
}

#[test]
fn a_key_without_kid_is_only_for_tokens_without_kid() {
    let verifier = set(&[RSA.jwk(&json!({})), P256.jwk(&json!({"kid": "c"}))], &[]);
    taken(&verifier, &RSA.sign(&good()), "no kid");
    refused(&verifier, &signed(&RSA, "a"), Cause::NoKeyFits, "a kid");
    refused(&verifier, &signed(&RSA, ""), Cause::NoKeyFits, "an empty kid");
}

#[test]
fn a_kid_is_a_string() {
    let verifier = open(ours());
    let own = Signer::secret();
    taken(&verifier, &signed(&own, "1"), "a string");
    for kid in [Value::Null, json!(1), json!(true), json!(["1"]), json!({"1": 1})] {
        refused(&verifier, &own.sign_with(&json!({"kid": kid}), &good()), Cause::Header, &kid);
    }
}
