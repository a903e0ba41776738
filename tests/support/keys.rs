//! Keys of every kind and tokens signed with them, also such as nobody should sign.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use usher::chat::Timestamp;

use super::{AUDIENCE, ISSUER, SECRET};

/// A key that signs, and how the other side is told of it.
pub(crate) struct Signer {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: EncodingKey,
    /// The public half; none for a secret.
    pub(crate) public_pem: Option<String>,
    /// The same as it is, which for Ed25519 is what a JWK holds.
    public_raw: Vec<u8>,
}

impl Signer {
    /// The tests' shared secret.
    pub(crate) fn secret() -> Self {
        Self::secret_of(SECRET, Algorithm::HS256)
    }

    pub(crate) fn secret_of(secret: &str, algorithm: Algorithm) -> Self {
        Self { algorithm, key: EncodingKey::from_secret(secret.as_bytes()), public_pem: None, public_raw: Vec::new() }
    }

    /// A new key pair that fits the algorithm.
    pub(crate) fn pair(algorithm: Algorithm) -> Self {
        let (kind, read): (_, fn(&[u8]) -> _) = match algorithm {
            Algorithm::ES256 => (&rcgen::PKCS_ECDSA_P256_SHA256, EncodingKey::from_ec_pem),
            Algorithm::ES384 => (&rcgen::PKCS_ECDSA_P384_SHA384, EncodingKey::from_ec_pem),
            Algorithm::EdDSA => (&rcgen::PKCS_ED25519, EncodingKey::from_ed_pem),
            _ => (&rcgen::PKCS_RSA_SHA256, EncodingKey::from_rsa_pem),
        };
        let pair = rcgen::KeyPair::generate_for(kind).unwrap();
        let key = read(pair.serialize_pem().as_bytes()).unwrap();
        Self { algorithm, key, public_pem: Some(pair.public_key_pem()), public_raw: pair.public_key_raw().to_vec() }
    }

    /// The same key, signing by another algorithm.
    pub(crate) fn by(&self, algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            key: self.key.clone(),
            public_pem: self.public_pem.clone(),
            public_raw: self.public_raw.clone(),
        }
    }

    /// The public half as a JWK, with more members.
    pub(crate) fn jwk(&self, more: &Value) -> Value {
        let mut jwk = if self.algorithm == Algorithm::EdDSA {
            // RFC 8037 §2.
            json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&self.public_raw)})
        } else {
            serde_json::to_value(jsonwebtoken::jwk::Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap()
        };
        jwk.as_object_mut().unwrap().remove("alg");
        for (name, value) in more.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    /// A token with the usual header.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({"typ": "JWT"}), claims)
    }

    /// A token whose header has `alg` and these members; `null` takes one out.
    pub(crate) fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let mut whole = json!({"alg": format!("{:?}", self.algorithm)});
        for (name, value) in header.as_object().unwrap() {
            whole[name] = value.clone();
        }
        self.sign_text(&whole.to_string(), &claims.to_string())
    }

    /// A token of exactly this header and these claims, whatever they are.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        self.sign_parts(&b64(header), &b64(claims))
    }

    /// A token of exactly these two parts, already encoded, or not.
    pub(crate) fn sign_parts(&self, header: &str, claims: &str) -> String {
        let input = format!("{header}.{claims}");
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{input}.{signature}")
    }
}

pub(crate) fn b64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Now, in whole seconds.
pub(crate) fn now() -> i64 {
    usher::telemetry::clock::now().seconds()
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

/// The claims of a good session that ends in `lives_for` seconds, with more (or others) on top; a claim set to `null` here
/// is left out.
pub(crate) fn claims(sub: &str, roles: &[&str], lives_for: i64, more: &Value) -> Value {
    let now = now();
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": sub, "roles": roles, "iat": now, "exp": now + lives_for,
    });
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// A good session for an hour, signed with the shared secret.
pub(crate) fn session(sub: &str, roles: &[&str]) -> String {
    Signer::secret().sign(&claims(sub, roles, 3_600, &json!({})))
}
