//! Sessions to verify, one for each algorithm.

use std::io::Write as _;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretSlice;
use serde_json::json;
use usher::chat::Timestamp;
use usher::session::{IssuerSettings, KeySettings, Verifier};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const SECRET: &[u8] = b"thirty-two bytes of a shared secret, or a few more";

/// What verifies the sessions of one issuer, and one of them.
pub(crate) fn session(algorithm: Algorithm) -> (Verifier, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (keys, sign) = match algorithm {
        Algorithm::HS256 => (KeySettings::Secret(SecretSlice::from(SECRET.to_vec())), EncodingKey::from_secret(SECRET)),
        Algorithm::RS256 => pair(&rcgen::PKCS_RSA_SHA256, EncodingKey::from_rsa_pem, &file),
        Algorithm::ES256 => pair(&rcgen::PKCS_ECDSA_P256_SHA256, EncodingKey::from_ec_pem, &file),
        Algorithm::EdDSA => pair(&rcgen::PKCS_ED25519, EncodingKey::from_ed_pem, &file),
        other => panic!("no key for {other:?}"),
    };
    let issuer = IssuerSettings::new("app", "https://login.example.com/", "api", keys);
    let claims = json!({
        "iss": "https://login.example.com/", "aud": "api", "sub": "alice", "iat": NOW.seconds(),
        "exp": NOW.seconds() + 3_600, "roles": ["customer"], "name": "Alice",
    });
    let verifier = Verifier::open(vec![issuer]).unwrap();
    let token = jsonwebtoken::encode(&Header::new(algorithm), &claims, &sign).unwrap();
    assert!(verifier.verify(&token, NOW).is_ok());
    (verifier, token)
}

/// A new pair, its public half in the file.
fn pair(
    kind: &'static rcgen::SignatureAlgorithm,
    read: fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>,
    file: &tempfile::NamedTempFile,
) -> (KeySettings, EncodingKey) {
    let pair = rcgen::KeyPair::generate_for(kind).unwrap();
    file.as_file().write_all(pair.public_key_pem().as_bytes()).unwrap();
    (KeySettings::PublicKeyFile(file.path().to_owned()), read(pair.serialize_pem().as_bytes()).unwrap())
}
