//! The issuers of the corpus: keys of every sort and their good tokens. No two share a key, except that `Pss` has
//! `Rsa`'s by another algorithm.

use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Value, json};
use usher::session::IssuerSettings;
use usher::settings::Settings;

use super::START;
use crate::session::{ED25519, OTHER_RSA, P256, P384, RSA};
use crate::support::keys::{Signer, b64};
use crate::support::{AUDIENCE, CommandLine, ISSUER, SECRET, complete, with};

static A: LazyLock<Signer> = LazyLock::new(|| Signer::pair(Algorithm::ES256));
static B: LazyLock<Signer> = LazyLock::new(|| Signer::pair(Algorithm::ES256));
static SHARED: LazyLock<Signer> = LazyLock::new(|| Signer::pair(Algorithm::ES256));
static Z: LazyLock<Signer> = LazyLock::new(|| Signer::pair(Algorithm::ES256));
static OTHER_SHARED: LazyLock<Signer> = LazyLock::new(|| Signer::pair(Algorithm::ES256));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// HS256; the usual issuer of the tests.
    Secret,
    /// HS512.
    LongSecret,
    /// RS256, its public key as PEM.
    Rsa,
    /// PS256 with the same key.
    Pss,
    /// ES256, its public key as PEM.
    P256,
    /// ES384, its public key as PEM.
    P384,
    /// `EdDSA`, its public key as PEM.
    Ed25519,
    /// A JWK Set: `a`, `b` and `shared` for ES256, `c` for RS256. It signs with `a`.
    Set,
    /// Another: `z` and `shared` for ES256. It signs with `z`.
    OtherSet,
    /// HS256; its `azp` names the audience.
    Party,
    /// HS256; its tokens are for whomever they like.
    Anyone,
    /// HS256; its sessions are at most ten minutes old.
    Aged,
}

impl Issuer {
    pub(super) const ALL: [Self; 12] = [
        Self::Secret,
        Self::LongSecret,
        Self::Rsa,
        Self::Pss,
        Self::P256,
        Self::P384,
        Self::Ed25519,
        Self::Set,
        Self::OtherSet,
        Self::Party,
        Self::Anyone,
        Self::Aged,
    ];

    pub(super) fn alias(self) -> &'static str {
        match self {
            Self::Secret => "app",
            Self::LongSecret => "longsecret",
            Self::Rsa => "rsa",
            Self::Pss => "pss",
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
            Self::Set => "set",
            Self::OtherSet => "otherset",
            Self::Party => "party",
            Self::Anyone => "anyone",
            Self::Aged => "aged",
        }
    }

    pub(super) fn iss(self) -> String {
        match self {
            Self::Secret => ISSUER.to_owned(),
            // Without a dot, so that the claims can stand in a token as they are.
            Self::Anyone => "urn:example:anyone".to_owned(),
            _ => format!("https://{}.example.com/", self.alias()),
        }
    }

    /// Long enough for each HMAC.
    pub(super) fn secret(self) -> String {
        if self == Self::Secret { SECRET.to_owned() } else { format!("{:.<64}", format!("the secret of {self:?}")) }
    }

    /// Who signs its tokens.
    pub(super) fn signer(self) -> Signer {
        match self {
            Self::LongSecret => Signer::secret_of(&self.secret(), Algorithm::HS512),
            Self::Secret | Self::Party | Self::Anyone | Self::Aged => {
                Signer::secret_of(&self.secret(), Algorithm::HS256)
            }
            Self::Rsa => RSA.by(Algorithm::RS256),
            Self::Pss => RSA.by(Algorithm::PS256),
            Self::P256 => P256.by(Algorithm::ES256),
            Self::P384 => P384.by(Algorithm::ES384),
            Self::Ed25519 => ED25519.by(Algorithm::EdDSA),
            Self::Set => A.by(Algorithm::ES256),
            Self::OtherSet => Z.by(Algorithm::ES256),
        }
    }

    /// Its keys by `kid`; one without where it has one alone.
    pub(super) fn keys(self) -> Vec<(&'static str, Signer)> {
        match self {
            Self::Set => vec![
                ("a", A.by(Algorithm::ES256)),
                ("b", B.by(Algorithm::ES256)),
                ("shared", SHARED.by(Algorithm::ES256)),
                ("c", OTHER_RSA.by(Algorithm::RS256)),
            ],
            Self::OtherSet => vec![("z", Z.by(Algorithm::ES256)), ("shared", OTHER_SHARED.by(Algorithm::ES256))],
            _ => vec![("", self.signer())],
        }
    }

    /// The key of this `kid`.
    pub(super) fn key(self, kid: &str) -> Signer {
        self.keys().into_iter().find_map(|(own, signer)| (own == kid).then_some(signer)).unwrap()
    }

    /// Its public key as PEM, with line feeds.
    pub(super) fn public_pem(self) -> String {
        self.signer().public_pem.unwrap().replace("\r\n", "\n")
    }

    /// The header of its good tokens.
    pub(super) fn header(self) -> Value {
        let mut header = json!({"alg": format!("{:?}", self.signer().algorithm), "typ": "JWT"});
        if matches!(self, Self::Set | Self::OtherSet) {
            header["kid"] = json!(self.keys()[0].0);
        }
        header
    }

    /// The same with these on top; `null` stays `null`.
    pub(super) fn header_with(self, more: &Value) -> Value {
        on_top(self.header(), more)
    }

    /// The claims of its good tokens.
    pub(super) fn claims(self) -> Value {
        json!({
            "iss": self.iss(), "aud": AUDIENCE, "azp": AUDIENCE, "sub": "alice", "roles": ["customer"],
            "iat": *START, "exp": *START + 3_600,
        })
    }

    /// The same with these on top; `null` stays `null`.
    pub(super) fn claims_with(self, more: &Value) -> Value {
        on_top(self.claims(), more)
    }

    /// A token that nothing is wrong with.
    pub(super) fn token(self) -> String {
        self.sign(&self.header(), &self.claims())
    }

    /// Its genuine signature over the good claims and a header with these on top.
    pub(super) fn by_header(self, more: &Value) -> String {
        self.sign(&self.header_with(more), &self.claims())
    }

    /// Its genuine signature over the good header and claims with these on top.
    pub(super) fn by_claims(self, more: &Value) -> String {
        self.sign(&self.header(), &self.claims_with(more))
    }

    /// Its genuine signature over claims that lack one.
    pub(super) fn without(self, name: &str) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name).unwrap();
        self.sign(&self.header(), &claims)
    }

    pub(super) fn sign(self, header: &Value, claims: &Value) -> String {
        self.signer().sign_text(&header.to_string(), &claims.to_string())
    }

    /// The good claims under an HMAC with this as the secret, as the header says.
    pub(super) fn by_hmac(self, secret: &[u8], algorithm: Algorithm) -> String {
        let header = self.header_with(&json!({"alg": format!("{algorithm:?}")}));
        let input = format!("{}.{}", b64(header.to_string()), b64(self.claims().to_string()));
        let key = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &key, algorithm).unwrap();
        format!("{input}.{signature}")
    }

    /// Its settings as an inline table of TOML, with its keys in a file of this directory.
    fn settings(self, directory: &CommandLine) -> String {
        let write = |text: String| -> String {
            directory.write(self.alias(), text);
            format!("\"{}\"", directory.path().join(self.alias()).display())
        };
        let keys = match self {
            Self::Set | Self::OtherSet => {
                let keys = self.keys().into_iter().map(|(kid, key)| key.jwk(&json!({"kid": kid}))).collect::<Vec<_>>();
                format!("jwks_file = {}", write(json!({"keys": keys}).to_string()))
            }
            Self::Secret | Self::LongSecret | Self::Party | Self::Anyone | Self::Aged => {
                format!("secret = {:?}, algorithms = [\"{:?}\"]", self.secret(), self.signer().algorithm)
            }
            Self::Rsa | Self::Pss | Self::P256 | Self::P384 | Self::Ed25519 => {
                let (file, algorithm) = (write(self.public_pem()), self.signer().algorithm);
                format!("public_key_file = {file}, algorithms = [\"{algorithm:?}\"]")
            }
        };
        let audiences = if self == Self::Anyone { "any" } else { AUDIENCE };
        let more = match self {
            Self::Party => ", audience_claim = \"azp\"",
            Self::Aged => ", max_age = \"10m\"",
            _ => "",
        };
        let (alias, iss) = (self.alias(), self.iss());
        format!("{{name = {alias:?}, issuer = {iss:?}, audiences = [{audiences:?}], {keys}{more}}}")
    }
}

fn on_top(mut object: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

/// Their keys whose signatures are others each time, with a name, by each algorithm of that sort.
pub(super) fn keys_that_never_sign_alike() -> Vec<(String, DecodingKey, Algorithm)> {
    let pss = [Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
    let mut all: Vec<_> = pss
        .into_iter()
        .map(|algorithm| {
            let key = DecodingKey::from_rsa_pem(Issuer::Pss.public_pem().as_bytes()).unwrap();
            (format!("{algorithm:?}"), key, algorithm)
        })
        .collect();
    for of in [Issuer::P256, Issuer::P384, Issuer::Set, Issuer::OtherSet] {
        for (kid, signer) in of.keys().into_iter().filter(|(_, signer)| signer.algorithm != Algorithm::RS256) {
            let pem = signer.public_pem.unwrap();
            all.push((format!("{of:?} {kid}"), DecodingKey::from_ec_pem(pem.as_bytes()).unwrap(), signer.algorithm));
        }
    }
    all
}

/// All of them, and the files that their keys are in.
pub(crate) struct IssuerSet {
    /// The value of `USHER__SESSION__ISSUERS`.
    pub(crate) variable: String,
    files: CommandLine,
}

impl IssuerSet {
    pub(crate) fn new() -> Self {
        let files = CommandLine::with_files([("policy.toml", &Self::policy())]);
        let settings = Issuer::ALL.map(|issuer| issuer.settings(&files));
        Self { variable: format!("[{}]", settings.join(", ")), files }
    }

    /// The settings, as the service loads them.
    pub(super) fn settings(&self) -> Vec<IssuerSettings> {
        let policy = self.files.path().join("policy.toml");
        let variables = with(complete("example"), "USHER__POLICY__FILE", policy.to_str().unwrap());
        let variables = with(variables, "USHER__SESSION__ISSUERS", &self.variable);
        Settings::load(&[], &variables.into_iter().collect()).unwrap_or_else(|faults| panic!("{faults}")).issuers
    }

    /// A policy that grants customers of each of them something.
    pub(crate) fn policy() -> String {
        let aliases: Vec<&str> = Issuer::ALL.into_iter().map(Issuer::alias).collect();
        format!(
            "version = 1\n[member]\nid = \"{{issuer}}:{{sub}}\"\n[roles.customer]\nissuers = {aliases:?}\n\
             [roles.customer.channels]\n\"announcements\" = [\"read\"]\n"
        )
    }
}
