//! The issuer's own key by an algorithm that it is not for (RFC 8725 §3.1), and algorithms that a session cannot have.

use jsonwebtoken::Algorithm;
use serde_json::json;
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;

/// Algorithms that each issuer's key can sign by, besides its own.
const SWAPS: [(Issuer, &[Algorithm]); 5] = [
    (Issuer::Secret, &[Algorithm::HS384, Algorithm::HS512]),
    (Issuer::LongSecret, &[Algorithm::HS256, Algorithm::HS384]),
    (Issuer::Rsa, &[Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512]),
    (Issuer::Pss, &[Algorithm::PS384, Algorithm::PS512, Algorithm::RS256, Algorithm::RS384, Algorithm::RS512]),
    (Issuer::Anyone, &[Algorithm::HS384, Algorithm::HS512]),
];

/// Algorithms that each issuer's key cannot sign by: the header alone says so.
const CLAIMED: [(Issuer, &[&str]); 7] = [
    (Issuer::Secret, &["RS256", "ES256", "EdDSA"]),
    (Issuer::Rsa, &["ES256", "EdDSA"]),
    (Issuer::P256, &["ES384", "RS256", "EdDSA", "HS256"]),
    (Issuer::P384, &["ES256", "HS384"]),
    (Issuer::Ed25519, &["ES256", "HS512"]),
    // Its other keys are for RS256, under another kid.
    (Issuer::Set, &["RS256", "ES384"]),
    (Issuer::OtherSet, &["RS256"]),
];

/// Names that no key of a session has, some of which libraries take for HS256 or ES256.
const UNKNOWN: [(Issuer, &[&str]); 4] = [
    (
        Issuer::Secret,
        &[
            "hs256",
            "Hs256",
            "HS256 ",
            " HS256",
            "HS256\u{0}",
            "HS257",
            "HS1",
            "HS256/64",
            "HS512/256",
            "HMACSHA256",
            "HmacSHA256",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "A128GCM",
            "A256KW",
            "dir",
            "PBES2-HS256+A128KW",
        ],
    ),
    (Issuer::Rsa, &["rs256", "RS1", "SHA256withRSA", "RSA-OAEP", "RSA1_5"]),
    (Issuer::P256, &["es256", "ES256K", "ES512", "ECDH-ES", "ESP256"]),
    (Issuer::Ed25519, &["eddsa", "EDDSA", "Ed25519", "Ed448", "ML-DSA-44"]),
];

pub(super) fn forgeries() -> Vec<Forgery> {
    let mut all = Vec::new();
    for (of, algorithms) in SWAPS {
        for algorithm in algorithms {
            let header = of.header_with(&json!({"alg": format!("{algorithm:?}")}));
            let token = of.signer().by(*algorithm).sign_with(&header, &of.claims());
            all.push(Forgery::of(of, format!("{of:?}'s key by {algorithm:?}"), token, Cause::NoKeyFits));
        }
    }
    for (of, names) in CLAIMED {
        for name in names {
            let token = of.by_header(&json!({"alg": name}));
            all.push(Forgery::of(of, format!("{of:?}'s signature said to be {name}"), token, Cause::NoKeyFits));
        }
    }
    for (of, names) in UNKNOWN {
        for name in names {
            let token = of.by_header(&json!({"alg": name}));
            all.push(Forgery::of(of, format!("{name:?} of {of:?}"), token, Cause::UnknownAlgorithm));
        }
    }
    all
}
