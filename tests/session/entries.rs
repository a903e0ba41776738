//! The entries of a JWK Set: one that is of no use is left out, and spoils none of the others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use usher::session::Cause;

use super::{P256, RSA, good, refused, set, taken};

/// Entries that are of no use, all with the kid and the numbers of the good key.
fn useless() -> Vec<(&'static str, Value)> {
    let kid = json!({"kid": "k"});
    let of = |more: Value| {
        let mut jwk = RSA.jwk(&kid);
        for (name, value) in more.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    };
    vec![
        ("for encryption", of(json!({"use": "enc"}))),
        ("of another use", of(json!({"use": "other"}))),
        ("not to verify with", of(json!({"key_ops": ["encrypt"]}))),
        ("of no operation", of(json!({"key_ops": []}))),
        ("of an algorithm for another kind of key", of(json!({"alg": "ES256"}))),
        ("of an algorithm for a secret", of(json!({"alg": "HS256"}))),
        ("of an algorithm for encryption", of(json!({"alg": "RSA-OAEP"}))),
        ("a private key", of(json!({"d": "AQAB"}))),
        ("of 1024 bits", of(json!({"n": URL_SAFE_NO_PAD.encode([0xff_u8; 128])}))),
        ("without its number", {
            let mut jwk = of(json!({}));
            jwk.as_object_mut().unwrap().remove("n");
            jwk
        }),
        ("symmetric", json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode([7_u8; 64]), "kid": "k"})),
        ("of an unknown type", json!({"kty": "XYZ", "kid": "k"})),
        ("of an unsupported curve", json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "k"})),
        ("no object", json!("key")),
        ("null", json!(null)),
    ]
}

#[test]
fn an_entry_that_is_of_no_use_verifies_nothing_and_spoils_nothing() {
    let token = RSA.sign_with(&json!({"kid": "k"}), &good());
    let other = P256.sign_with(&json!({"kid": "other"}), &good());
    taken(&set(&[RSA.jwk(&json!({"kid": "k"}))], &[]), &token, "the untouched twin");
    for (case, entry) in useless() {
        let verifier = set(&[entry, P256.jwk(&json!({"kid": "other"}))], &[]);
        refused(&verifier, &token, Cause::NoKeyFits, case);
        taken(&verifier, &other, case);
    }
}

#[test]
fn the_uses_that_are_good() {
    let token = RSA.sign_with(&json!({"kid": "k"}), &good());
    for more in [
        json!({"use": "sig"}),
        json!({"key_ops": ["verify"]}),
        json!({"key_ops": ["sign", "verify"]}),
        json!({"alg": "RS256"}),
        json!({"x5t": "abc", "unknown": 7}),
    ] {
        let mut jwk = RSA.jwk(&json!({"kid": "k"}));
        for (name, value) in more.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        taken(&set(&[jwk], &[]), &token, more);
    }
}

#[test]
fn algorithms_leave_out_keys_of_others() {
    let token = P256.sign_with(&json!({"kid": "other"}), &good());
    let keys = [RSA.jwk(&json!({"kid": "k"})), P256.jwk(&json!({"kid": "other"}))];
    taken(&set(&keys, &[]), &token, "any");
    refused(&set(&keys, &["RS256"]), &token, Cause::NoKeyFits, "not listed");
    let own = [RSA.jwk(&json!({"kid": "k", "alg": "RS512"})), P256.jwk(&json!({"kid": "other"}))];
    refused(
        &set(&own, &["RS256", "ES256"]),
        &RSA.sign_with(&json!({"kid": "k"}), &good()),
        Cause::NoKeyFits,
        "its own is not listed",
    );
}
