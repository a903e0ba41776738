//! Signatures that are stripped, cut, lengthened, altered, taken from elsewhere or made over something else.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::json;
use sha2::{Digest, Sha256};
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;
use crate::support::keys::{Signer, b64};

/// One of each kind of key.
const KINDS: [Issuer; 6] = [Issuer::Secret, Issuer::Rsa, Issuer::Pss, Issuer::P256, Issuer::P384, Issuer::Ed25519];

/// A signature's text, altered.
fn altered(signature: &str) -> Vec<(&'static str, String)> {
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let flipped = |index: usize, bit: u8| {
        let mut bytes = bytes.clone();
        bytes[index] ^= bit;
        b64(bytes)
    };
    let last = bytes.len() - 1;
    let hex = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from_digit(digit.into(), 16));
    vec![
        ("empty", String::new()),
        ("one byte", b64(&bytes[..1])),
        ("half", b64(&bytes[..bytes.len() / 2])),
        ("without its first byte", b64(&bytes[1..])),
        ("without its last byte", b64(&bytes[..last])),
        ("with a zero before", b64([&[0], &bytes[..]].concat())),
        ("with a zero after", b64([&bytes[..], &[0]].concat())),
        ("twice", b64([&bytes[..], &bytes[..]].concat())),
        ("backwards", b64(bytes.iter().rev().copied().collect::<Vec<_>>())),
        ("the first bit flipped", flipped(0, 0x80)),
        ("the last bit flipped", flipped(last, 1)),
        ("a bit in the middle flipped", flipped(bytes.len() / 2, 0x10)),
        ("zeros", b64(vec![0; bytes.len()])),
        ("ones", b64(vec![0xff; bytes.len()])),
        ("in hexadecimal", hex.map(Option::unwrap).collect()),
        ("in base64url twice", b64(signature)),
        ("null", "null".to_owned()),
    ]
}

/// Genuine signatures of the issuer's that are over something else.
fn elsewhere(of: Issuer) -> Vec<(&'static str, String)> {
    let (twin, signer) = (of.token(), of.signer());
    let parts: Vec<&str> = twin.split('.').collect();
    let over = |header: &str, claims: &str| signer.sign_parts(header, claims).rsplit_once('.').unwrap().1.to_owned();
    let (header, claims) = (of.header().to_string(), of.claims().to_string());
    let with = |signature: String| format!("{}.{}.{signature}", parts[0], parts[1]);
    let promoted = b64(of.claims_with(&json!({"sub": "admin"})).to_string());
    let prolonged = b64(of.claims_with(&json!({"exp": 9_999_999_999_i64})).to_string());
    let typed = b64(of.header_with(&json!({"typ": "at+jwt"})).to_string());
    vec![
        ("over another subject", with(over(parts[0], &promoted))),
        ("over another header", with(over(&typed, parts[1]))),
        ("over the texts that are not encoded", with(over(&header, &claims))),
        ("over the header twice", with(over(parts[0], parts[0]))),
        ("over the claims first", with(over(parts[1], parts[0]))),
        ("over the claims and a dot more", with(over(parts[0], &format!("{}.", parts[1])))),
        ("under other claims", format!("{}.{promoted}.{}", parts[0], parts[2])),
        ("under a later end", format!("{}.{prolonged}.{}", parts[0], parts[2])),
        ("under another header", format!("{typed}.{}.{}", parts[1], parts[2])),
        ("under claims with a space more", format!("{}.{}.{}", parts[0], b64(format!("{claims} ")), parts[2])),
        ("under a header with a space more", format!("{}.{}.{}", b64(format!("{header} ")), parts[1], parts[2])),
    ]
}

/// HMACs and hashes that are not the one of HS256 with the issuer's secret.
fn not_the_hmac() -> Vec<(&'static str, String)> {
    let of = Issuer::Secret;
    let (twin, secret) = (of.token(), of.secret());
    let (input, signature) = twin.rsplit_once('.').unwrap();
    let hash = |texts: &[&str]| b64(Sha256::digest(texts.concat()));
    let hmac = |secret: &[u8], algorithm| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        jsonwebtoken::crypto::sign(input.as_bytes(), &key, algorithm).unwrap()
    };
    let cut = |signature: String| b64(&URL_SAFE_NO_PAD.decode(signature).unwrap()[..32]);
    let own = secret.as_bytes();
    let signatures = [
        ("HS384 said to be HS256", hmac(own, Algorithm::HS384)),
        ("HS512 said to be HS256", hmac(own, Algorithm::HS512)),
        ("HS384 cut to 32 bytes", cut(hmac(own, Algorithm::HS384))),
        ("HS512 cut to 32 bytes", cut(hmac(own, Algorithm::HS512))),
        ("SHA-256 of the text", hash(&[input])),
        ("SHA-256 of secret and text", hash(&[&secret, input])),
        ("SHA-256 of text and secret", hash(&[input, &secret])),
        ("HMAC with an empty secret", hmac(b"", Algorithm::HS256)),
        ("HMAC with a byte less of the secret", hmac(&own[..own.len() - 1], Algorithm::HS256)),
        ("HMAC with a line feed more of the secret", hmac(format!("{secret}\n").as_bytes(), Algorithm::HS256)),
        ("HMAC with the secret in base64", hmac(STANDARD_NO_PAD.encode(own).as_bytes(), Algorithm::HS256)),
        ("HMAC with a well-known secret", hmac(b"your-256-bit-secret", Algorithm::HS256)),
        ("in capitals", signature.to_ascii_uppercase()),
    ];
    signatures.into_iter().map(|(name, signature)| (name, format!("{input}.{signature}"))).collect()
}

/// Big-endian; as long as the longer one, or a byte longer.
fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (mut carry, mut digits) = (0_u16, Vec::new());
    for (a, b) in a.iter().rev().zip(b.iter().rev()) {
        let digit = u16::from(*a) + u16::from(*b) + carry;
        digits.push(digit.to_le_bytes()[0]);
        carry = digit >> 8;
    }
    digits.extend((carry > 0).then_some(1));
    digits.into_iter().rev().collect()
}

/// Numbers that are no RSA signature of the text.
fn not_the_root() -> Vec<(&'static str, String)> {
    let of = Issuer::Rsa;
    let (twin, key) = (of.token(), of.signer());
    let (input, signature) = twin.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(key.jwk(&json!({}))["n"].as_str().unwrap()).unwrap();
    assert_eq!((signature.len(), modulus.len()), (256, 256));
    // The modulus is odd.
    let mut less = modulus.clone();
    less[255] -= 1;
    let mut one = vec![0; 256];
    one[255] = 1;
    let by = |algorithm: Algorithm| {
        let token = key.by(algorithm).sign_parts(input.split_once('.').unwrap().0, input.split_once('.').unwrap().1);
        URL_SAFE_NO_PAD.decode(token.rsplit_once('.').unwrap().1).unwrap()
    };
    let signatures = [
        ("the number one", one),
        ("the modulus", modulus.clone()),
        ("the modulus less one", less),
        ("the signature and the modulus", sum(&signature, &modulus)),
        ("RS384 said to be RS256", by(Algorithm::RS384)),
        ("PS256 said to be RS256", by(Algorithm::PS256)),
    ];
    signatures.into_iter().map(|(name, bytes)| (name, format!("{input}.{}", b64(bytes)))).collect()
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let refused = |of, name: String, token| Forgery::of(of, name, token, Cause::Signature);
    let mut all = Vec::new();
    for of in KINDS {
        let twin = of.token();
        let (input, signature) = twin.rsplit_once('.').unwrap();
        // Zeros have a meaning on curves, and are told of there.
        let is_curve = matches!(of, Issuer::P256 | Issuer::P384 | Issuer::Ed25519);
        for (name, altered) in altered(signature).into_iter().filter(|(name, _)| !is_curve || *name != "zeros") {
            let forgery = refused(of, format!("{name}, of {of:?}"), format!("{input}.{altered}"));
            all.push(forgery.beside(twin.clone()));
        }
        for (name, token) in elsewhere(of) {
            all.push(refused(of, format!("{name}, of {of:?}"), token));
        }
        let stranger = match of {
            Issuer::Secret => Signer::secret_of("a stranger's secret, which is long enough", Algorithm::HS256),
            Issuer::Pss => Signer::pair(Algorithm::RS256).by(Algorithm::PS256),
            _ => Signer::pair(of.signer().algorithm),
        };
        let token = stranger.sign_with(&of.header(), &of.claims());
        all.push(refused(of, format!("a stranger's, for {of:?}"), token));
    }
    all.extend(not_the_hmac().into_iter().map(|(name, token)| refused(Issuer::Secret, name.to_owned(), token)));
    all.extend(not_the_root().into_iter().map(|(name, token)| refused(Issuer::Rsa, name.to_owned(), token)));
    all
}
