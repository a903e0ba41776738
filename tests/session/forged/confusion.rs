//! A public key taken for a shared secret (RFC 8725 §2.1): HMAC over every text of it that a library may have in its
//! hands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::Algorithm;
use serde_json::json;
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;
use crate::support::keys::Signer;

/// `SubjectPublicKeyInfo` of an RSA key of 2048 bits has so many bytes before the PKCS #1 key.
const SPKI_HEAD: usize = 24;

/// The lines of a PEM text, without the first and the last.
fn body(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(body(pem)).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8(line.to_vec()).unwrap() + "\n");
    format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", lines.collect::<String>())
}

/// What everybody has of the RSA key.
fn texts_of_rsa() -> Vec<(&'static str, Vec<u8>)> {
    let (text, jwk) = (Issuer::Rsa.public_pem(), Issuer::Rsa.signer().jwk(&json!({})));
    let spki = der(&text);
    let pkcs1 = spki[SPKI_HEAD..].to_vec();
    assert_eq!((spki[0], pkcs1[0]), (0x30, 0x30));
    let modulus = jwk["n"].as_str().unwrap();
    let modulus_bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(modulus).unwrap();
    vec![
        ("PEM", text.clone().into_bytes()),
        ("PEM without the last line feed", text.trim_end().into()),
        ("PEM with two line feeds at its end", format!("{text}\n").into()),
        ("PEM with carriage returns", text.replace('\n', "\r\n").into()),
        ("PEM in one line", text.replace('\n', "").into()),
        ("PEM with its line feeds escaped", text.replace('\n', "\\n").into()),
        ("PEM with a NUL at its end", format!("{text}\0").into()),
        ("PEM of PKCS #1", pem("RSA PUBLIC KEY", &pkcs1).into()),
        ("the base64 of DER", body(&text).into()),
        ("DER", spki),
        ("DER of PKCS #1", pkcs1),
        ("JWK", jwk.to_string().into()),
        ("JWK with a line feed", format!("{jwk}\n").into()),
        ("JWK with indentation", serde_json::to_string_pretty(&jwk).unwrap().into()),
        ("JWK Set", json!({"keys": [jwk]}).to_string().into()),
        ("the modulus in base64url", modulus.into()),
        ("the modulus", modulus_bytes),
        ("nothing", Vec::new()),
    ]
}

/// And of a key on a curve.
fn texts_of_curve(of: Issuer) -> Vec<(&'static str, Vec<u8>)> {
    let (text, jwk) = (of.public_pem(), of.signer().jwk(&json!({})));
    let spki = der(&text);
    // The key is the rest of its SubjectPublicKeyInfo.
    let point = match of {
        Issuer::P256 => spki[spki.len() - 65..].to_vec(),
        Issuer::P384 => spki[spki.len() - 97..].to_vec(),
        _ => spki[spki.len() - 32..].to_vec(),
    };
    vec![
        ("PEM", text.clone().into_bytes()),
        ("PEM without the last line feed", text.trim_end().into()),
        ("DER", spki),
        ("JWK", jwk.to_string().into()),
        ("x in base64url", jwk["x"].as_str().unwrap().into()),
        ("the point", point),
    ]
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let signed = |of: Issuer, what: &str, text: &[u8], algorithm| {
        let name = format!("{algorithm:?} with {what} of {of:?}");
        Forgery::of(of, name, of.by_hmac(text, algorithm), Cause::NoKeyFits)
    };
    let mut all = Vec::new();
    for (what, text) in texts_of_rsa() {
        all.push(signed(Issuer::Rsa, what, &text, Algorithm::HS256));
    }
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        all.push(signed(Issuer::Rsa, "PEM", Issuer::Rsa.public_pem().as_bytes(), algorithm));
    }
    all.push(signed(Issuer::Pss, "PEM", Issuer::Pss.public_pem().as_bytes(), Algorithm::HS256));
    for of in [Issuer::P256, Issuer::P384, Issuer::Ed25519] {
        for (what, text) in texts_of_curve(of) {
            all.push(signed(of, what, &text, Algorithm::HS256));
        }
    }
    // Of a set, whose file is the text, or the entry of the token's own kid.
    let entries: Vec<_> = Issuer::Set.keys().into_iter().map(|(kid, key)| key.jwk(&json!({"kid": kid}))).collect();
    for (what, text) in [
        ("its entry", entries[0].to_string()),
        ("PEM", Issuer::Set.public_pem()),
        ("the whole file", json!({"keys": entries}).to_string()),
        ("its kid", "a".to_owned()),
    ] {
        all.push(signed(Issuer::Set, what, text.as_bytes(), Algorithm::HS256));
    }
    // The other way round: a pair where there is a secret.
    for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
        let token = Signer::pair(algorithm).sign_with(&json!({"typ": "JWT"}), &Issuer::Secret.claims());
        all.push(Forgery::of(
            Issuer::Secret,
            format!("{algorithm:?} where there is a secret"),
            token,
            Cause::NoKeyFits,
        ));
    }
    all
}
