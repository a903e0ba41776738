//! A signature is the issuer's, whole, over exactly this text.

use serde_json::json;
use usher::session::{Cause, Verifier};

use super::{ED25519, OTHER_RSA, P256, P384, RSA, good, open, ours, pem, refused, taken, with};
use crate::support::keys::{Signer, b64};

/// A verifier of each sort of key, and who signs for it.
fn each() -> Vec<(&'static str, Verifier, Signer)> {
    let pair = |signer: &Signer| (pem(signer, &[]), signer.by(signer.algorithm));
    let (rsa, p256, p384, ed) = (pair(&RSA), pair(&P256), pair(&P384), pair(&ED25519));
    vec![
        ("HS256", open(ours()), Signer::secret()),
        ("RS256", rsa.0, rsa.1),
        ("ES256", p256.0, p256.1),
        ("ES384", p384.0, p384.1),
        ("EdDSA", ed.0, ed.1),
    ]
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let others = [
        Signer::secret_of("another secret that is long enough to be one", jsonwebtoken::Algorithm::HS256),
        OTHER_RSA.by(OTHER_RSA.algorithm),
        Signer::pair(jsonwebtoken::Algorithm::ES256),
        Signer::pair(jsonwebtoken::Algorithm::ES384),
        Signer::pair(jsonwebtoken::Algorithm::EdDSA),
    ];
    for ((name, verifier, signer), other) in each().into_iter().zip(others) {
        assert_eq!(signer.algorithm, other.algorithm);
        taken(&verifier, &signer.sign(&good()), name);
        refused(&verifier, &other.sign(&good()), Cause::Signature, name);
    }
}

#[test]
fn a_signature_over_another_text_is_refused() {
    for (name, verifier, signer) in each() {
        let token = signer.sign(&good());
        let other = signer.sign(&with(&json!({"sub": "bob"})));
        taken(&verifier, &token, name);
        taken(&verifier, &other, name);
        let parts: Vec<&str> = token.split('.').collect();
        let theirs: Vec<&str> = other.split('.').collect();
        let grafted = [parts[0], theirs[1], parts[2]].join(".");
        refused(&verifier, &grafted, Cause::Signature, (name, "claims changed"));
        let header = b64(json!({"alg": name, "typ": "at+jwt"}).to_string());
        let grafted = [header.as_str(), parts[1], parts[2]].join(".");
        refused(&verifier, &grafted, Cause::Signature, (name, "header changed"));
        // The same claims in other bytes: the text counts, not what it means.
        let respaced = b64(format!("{} ", good()));
        let grafted = [parts[0], &respaced, parts[2]].join(".");
        refused(&verifier, &grafted, Cause::Signature, (name, "claims respaced"));
    }
}

#[test]
fn a_signature_that_is_stripped_cut_longer_or_written_otherwise_is_refused() {
    for (name, verifier, signer) in each() {
        let token = signer.sign(&good());
        taken(&verifier, &token, name);
        let (input, signature) = token.rsplit_once('.').unwrap();
        let flipped = format!("{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
        let zeros = "A".repeat(signature.len());
        let odd = [
            ("stripped", String::new()),
            ("one character", "A".to_owned()),
            ("two characters", signature[..2].to_owned()),
            ("cut by one character", signature[..signature.len() - 1].to_owned()),
            ("cut by four characters", signature[..signature.len() - 4].to_owned()),
            ("half", signature[..signature.len() / 2].to_owned()),
            ("longer", format!("{signature}AAAA")),
            ("twice", format!("{signature}{signature}")),
            ("a bit flipped", flipped),
            ("zeros", zeros),
            ("padded", format!("{signature}=")),
            ("padded twice", format!("{signature}==")),
            ("space after", format!("{signature} ")),
            ("line feed after", format!("{signature}\n")),
            ("not base64", "!".repeat(signature.len())),
        ];
        for (what, signature) in odd {
            refused(&verifier, &format!("{input}.{signature}"), Cause::Signature, (name, what));
        }
    }
}

#[test]
fn the_last_character_of_a_signature_has_one_spelling() {
    // The last character of 32 bytes carries two bits that say nothing; another spelling would be another token.
    let (verifier, token) = (open(ours()), Signer::secret().sign(&good()));
    taken(&verifier, &token, "the twin");
    let (rest, last) = token.split_at(token.len() - 1);
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).collect();
    let value = alphabet.iter().position(|character| last.starts_with(*character)).unwrap();
    for other in alphabet.iter().skip(value + 1).take(3) {
        refused(&verifier, &format!("{rest}{other}"), Cause::Signature, other);
    }
}
