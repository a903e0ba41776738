//! One key that verifies, pinned to one algorithm (RFC 8725 §3.1). Must not know tokens or where the key was found.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm as Jwa, DecodingKey};
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The least bits of an RSA key (RFC 7518 §3.3).
const MIN_RSA_BITS: usize = 2_048;

/// A signature algorithm that a session may have (RFC 7518 §3.1, RFC 8037). `none` is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Algorithm(Jwa);

/// A key, and the one algorithm that it verifies.
pub(super) struct Key {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) print: KeyPrint,
    verifying: DecodingKey,
}

/// Says which key it is: the SHA-256 of what it is made of, its algorithm and its `kid` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyPrint([u8; 32]);

/// Why a key is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is no key that can be read")]
    Unreadable,
    #[error("it is a private key: give the public one")]
    Private,
    #[error("symmetric keys come by `secret` only")]
    Symmetric,
    #[error("its `use` is not `sig`")]
    Use,
    #[error("its `key_ops` do not hold `verify`")]
    Operations,
    #[error("its curve or type is not supported")]
    Curve,
    #[error("an RSA key has at least 2048 bits, and this one has {0}")]
    TooFewBits(usize),
    #[error("none of the algorithms {0} fits it")]
    NoAlgorithmFits(String),
    #[error("a single key has one algorithm, and {0} of those that are listed fit it")]
    SeveralAlgorithms(usize),
    #[error("a secret for {0} has at least {1} bytes (RFC 7518 §3.2), and this one has {2}")]
    SecretTooShort(&'static str, usize, usize),
}

/// What sort of key it is, as far as algorithms go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Secret,
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    /// Every one of them.
    const ALL: [Self; 12] = [
        Self(Jwa::HS256),
        Self(Jwa::HS384),
        Self(Jwa::HS512),
        Self(Jwa::RS256),
        Self(Jwa::RS384),
        Self(Jwa::RS512),
        Self(Jwa::PS256),
        Self(Jwa::PS384),
        Self(Jwa::PS512),
        Self(Jwa::ES256),
        Self(Jwa::ES384),
        Self(Jwa::EdDSA),
    ];

    /// The names of all of them.
    #[expect(clippy::indexing_slicing, reason = "a constant: out of bounds does not compile")]
    pub const NAMES: [&str; 12] = {
        let mut names = [""; 12];
        let mut index = 0;
        while index < names.len() {
            names[index] = Self::ALL[index].name();
            index += 1;
        }
        names
    };

    /// By its name, in exactly that case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Its name in RFC 7518 §3.1 or RFC 8037.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Jwa::HS256 => "HS256",
            Jwa::HS384 => "HS384",
            Jwa::HS512 => "HS512",
            Jwa::RS256 => "RS256",
            Jwa::RS384 => "RS384",
            Jwa::RS512 => "RS512",
            Jwa::PS256 => "PS256",
            Jwa::PS384 => "PS384",
            Jwa::PS512 => "PS512",
            Jwa::ES256 => "ES256",
            Jwa::ES384 => "ES384",
            Jwa::EdDSA => "EdDSA",
            // The crate may gain others; none of them is in `ALL`.
            _ => "unknown",
        }
    }

    /// Whether its key is a shared secret.
    #[must_use]
    pub const fn is_hmac(self) -> bool {
        matches!(self.0, Jwa::HS256 | Jwa::HS384 | Jwa::HS512)
    }

    fn fits(self, shape: Shape) -> bool {
        matches!(
            (shape, self.0),
            (Shape::Secret, Jwa::HS256 | Jwa::HS384 | Jwa::HS512)
                | (Shape::Rsa, Jwa::RS256 | Jwa::RS384 | Jwa::RS512 | Jwa::PS256 | Jwa::PS384 | Jwa::PS512)
                | (Shape::P256, Jwa::ES256)
                | (Shape::P384, Jwa::ES384)
                | (Shape::Ed25519, Jwa::EdDSA)
        )
    }

    /// RFC 7518 §3.2: a secret is at least as long as the hash.
    fn least_secret_bytes(self) -> usize {
        match self.0 {
            Jwa::HS384 => 48,
            Jwa::HS512 => 64,
            _ => 32,
        }
    }
}

impl Shape {
    fn usual(self) -> Algorithm {
        Algorithm(match self {
            Self::Secret => Jwa::HS256,
            Self::Rsa => Jwa::RS256,
            Self::P256 => Jwa::ES256,
            Self::P384 => Jwa::ES384,
            Self::Ed25519 => Jwa::EdDSA,
        })
    }
}

impl Key {
    /// A shared secret.
    pub(super) fn from_secret(secret: &SecretSlice<u8>, allowed: &[Algorithm]) -> Result<Self, Unusable> {
        let algorithm = the_one(Shape::Secret, allowed)?;
        let bytes = secret.expose_secret();
        let least = algorithm.least_secret_bytes();
        if bytes.len() < least {
            return Err(Unusable::SecretTooShort(algorithm.name(), least, bytes.len()));
        }
        let print = KeyPrint::of(algorithm, None, bytes);
        Ok(Self { kid: None, algorithm, print, verifying: DecodingKey::from_secret(bytes) })
    }

    /// One public key as PEM (RFC 7468 §13, or PKCS #1).
    pub(super) fn from_pem(pem: &[u8], allowed: &[Algorithm]) -> Result<Self, Unusable> {
        if String::from_utf8_lossy(pem).contains("PRIVATE KEY-----") {
            return Err(Unusable::Private);
        }
        let readers = [DecodingKey::from_rsa_pem, DecodingKey::from_ec_pem, DecodingKey::from_ed_pem];
        let verifying = readers.iter().find_map(|read| read(pem).ok()).ok_or(Unusable::Unreadable)?;
        let jwk = Jwk::from_decoding_key(&verifying, None).map_err(|_| Unusable::Unreadable)?;
        let algorithm = the_one(shape(&jwk)?, allowed)?;
        let print = KeyPrint::of(algorithm, None, &material(&jwk)?);
        Ok(Self { kid: None, algorithm, print, verifying })
    }

    /// One entry of a JWK Set (RFC 7517 §4).
    pub(super) fn from_jwk(jwk: &Value, allowed: &[Algorithm]) -> Result<Self, Unusable> {
        if jwk.get("kty").and_then(Value::as_str) == Some("oct") {
            return Err(Unusable::Symmetric);
        }
        if jwk.get("d").is_some() {
            return Err(Unusable::Private);
        }
        let own = jwk.get("alg").and_then(Value::as_str);
        let jwk: Jwk = serde_json::from_value(jwk.clone()).map_err(|_| Unusable::Unreadable)?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return Err(Unusable::Use);
        }
        if jwk.common.key_operations.as_ref().is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return Err(Unusable::Operations);
        }
        let shape = shape(&jwk)?;
        let algorithm = match own {
            Some(own) => {
                let fits = |algorithm: &Algorithm| {
                    algorithm.fits(shape) && (allowed.is_empty() || allowed.contains(algorithm))
                };
                Algorithm::parse(own)
                    .filter(fits)
                    .ok_or_else(|| Unusable::NoAlgorithmFits(own.escape_debug().to_string()))?
            }
            None => pinned(shape, allowed)?,
        };
        let verifying = DecodingKey::from_jwk(&jwk).map_err(|_| Unusable::Unreadable)?;
        let print = KeyPrint::of(algorithm, jwk.common.key_id.as_deref(), &material(&jwk)?);
        Ok(Self { kid: jwk.common.key_id, algorithm, print, verifying })
    }

    /// Whether the signature over `signing_input` is this key's, by its one algorithm.
    pub(super) fn verifies(&self, signing_input: &str, signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, signing_input.as_bytes(), &self.verifying, self.algorithm.0)
            .unwrap_or(false)
    }
}

impl KeyPrint {
    fn of(algorithm: Algorithm, kid: Option<&str>, material: &[u8]) -> Self {
        let mut hash = Sha256::new();
        // The lengths keep one part from passing for another's.
        for part in [algorithm.name().as_bytes(), kid.unwrap_or_default().as_bytes(), material] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.update([u8::from(kid.is_some())]);
        Self(hash.finalize().into())
    }
}

/// The public parts of a key, as text.
fn material(jwk: &Jwk) -> Result<Vec<u8>, Unusable> {
    serde_json::to_vec(&jwk.algorithm).map_err(|_| Unusable::Unreadable)
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm.name())
            .finish_non_exhaustive()
    }
}

/// The algorithm of a key that does not say its own: the first allowed one that fits, or the usual one.
fn pinned(shape: Shape, allowed: &[Algorithm]) -> Result<Algorithm, Unusable> {
    if allowed.is_empty() {
        return Ok(shape.usual());
    }
    let names = || allowed.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
    allowed.iter().copied().find(|algorithm| algorithm.fits(shape)).ok_or_else(|| Unusable::NoAlgorithmFits(names()))
}

/// The same for a key that stands alone, where a second algorithm could only be a mistake.
fn the_one(shape: Shape, allowed: &[Algorithm]) -> Result<Algorithm, Unusable> {
    match allowed.iter().filter(|algorithm| algorithm.fits(shape)).count() {
        0 | 1 => pinned(shape, allowed),
        several => Err(Unusable::SeveralAlgorithms(several)),
    }
}

fn shape(jwk: &Jwk) -> Result<Shape, Unusable> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            let bits = bits(&rsa.n).ok_or(Unusable::Unreadable)?;
            if bits < MIN_RSA_BITS { Err(Unusable::TooFewBits(bits)) } else { Ok(Shape::Rsa) }
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => Ok(Shape::P256),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P384 => Ok(Shape::P384),
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Ok(Shape::Ed25519),
        _ => Err(Unusable::Curve),
    }
}

fn bits(modulus: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(modulus.trim_end_matches('=')).ok()?;
    let significant: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    let first = significant.first()?;
    Some(significant.len() * 8 - first.leading_zeros() as usize)
}
