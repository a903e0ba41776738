//! Keys that a token brings along or points to (RFC 8725 §3.10), signed with them. The twin has the same header, and
//! its issuer's signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::CertifiedKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use usher::session::Cause;

use super::issuers::Issuer;
use super::{Forgery, wire};
use crate::support::Client;
use crate::support::keys::{Signer, b64};
use crate::support::provider::Provider;

/// A key of the attacker's, its certificate, and how a header tells of them.
struct Attacker {
    signer: Signer,
    certificate: Vec<u8>,
}

impl Attacker {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["login.example.com".to_owned()]).unwrap();
        let key = EncodingKey::from_ec_pem(signing_key.serialize_pem().as_bytes()).unwrap();
        let mut signer = Signer::pair(Algorithm::ES256);
        signer.key = key;
        Self { signer, certificate: cert.der().to_vec() }
    }

    fn headers(&self) -> Vec<(&'static str, Value)> {
        let jwk = self.signer.jwk(&json!({}));
        let print = b64(Sha256::digest(&self.certificate));
        let chain = json!([STANDARD.encode(&self.certificate)]);
        let places = "https://evil.example/jwks.json";
        vec![
            ("jwk", json!({"jwk": jwk})),
            ("jwk with a use", json!({"jwk": self.signer.jwk(&json!({"use": "sig", "alg": "ES256"}))})),
            ("jwk with a known kid", json!({"jwk": self.signer.jwk(&json!({"kid": "a"}))})),
            ("jwk as a list", json!({"jwk": [jwk]})),
            ("jwk as text", json!({"jwk": jwk.to_string()})),
            ("a key set", json!({"jwks": {"keys": [jwk]}})),
            ("jku", json!({"jku": places})),
            ("jku under the issuer", json!({"jku": "https://p256.example.com/../evil.example/jwks.json"})),
            ("jku with the issuer as a user", json!({"jku": "https://p256.example.com@evil.example/jwks.json"})),
            ("jku that is the key", json!({"jku": format!("data:application/json,{}", json!({"keys": [jwk]}))})),
            ("x5u", json!({"x5u": "https://evil.example/chain.pem"})),
            ("x5c", json!({"x5c": chain})),
            ("x5t", json!({"x5t": b64(&Sha256::digest(&self.certificate)[..20])})),
            ("x5t#S256", json!({"x5t#S256": print})),
            ("all of them", json!({"jwk": jwk, "jku": places, "x5u": places, "x5c": chain, "x5t#S256": print})),
        ]
    }

    /// A token of the issuer's with these in its header, and the attacker's signature.
    fn sign(&self, of: Issuer, more: &Value) -> String {
        self.signer.sign_with(&of.header_with(more), &of.claims())
    }
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let attacker = Attacker::new();
    let mut all = Vec::new();
    for of in [Issuer::P256, Issuer::Set] {
        for (name, header) in attacker.headers() {
            let forgery = Forgery::of(of, format!("{name}, for {of:?}"), attacker.sign(of, &header), Cause::Signature);
            all.push(forgery.beside(of.by_header(&header)));
        }
    }
    let theirs = json!({"jwk": attacker.signer.jwk(&json!({"kid": "theirs"})), "kid": "theirs"});
    let token = attacker.sign(Issuer::Set, &theirs);
    all.push(Forgery::of(Issuer::Set, "jwk and kid of the attacker's", token, Cause::NoKeyFits));
    // The issuer's own public key, with somebody else's signature.
    let own = json!({"jwk": Issuer::P256.signer().jwk(&json!({}))});
    let forgery =
        Forgery::of(Issuer::P256, "the issuer's own key", attacker.sign(Issuer::P256, &own), Cause::Signature);
    all.push(forgery.beside(Issuer::P256.by_header(&own)));
    // Keys of other kinds, each where the issuer has one of the kind.
    for (of, signer) in [
        (Issuer::Rsa, Signer::pair(Algorithm::RS256)),
        (Issuer::P384, Signer::pair(Algorithm::ES384)),
        (Issuer::Ed25519, Signer::pair(Algorithm::EdDSA)),
    ] {
        let header = json!({"jwk": signer.jwk(&json!({}))});
        let token = signer.sign_with(&of.header_with(&header), &of.claims());
        all.push(
            Forgery::of(of, format!("jwk of {of:?}'s kind"), token, Cause::Signature).beside(of.by_header(&header)),
        );
    }
    // A secret: RFC 7517's `oct`.
    let oct = json!({"jwk": {"kty": "oct", "k": b64("their own secret, which is long enough to be one")}});
    let signer = Signer::secret_of("their own secret, which is long enough to be one", Algorithm::HS256);
    let token = signer.sign_with(&oct, &Issuer::Secret.claims());
    let twin = Issuer::Secret.signer().sign_with(&oct, &Issuer::Secret.claims());
    all.push(Forgery::of(Issuer::Secret, "jwk that is a secret", token, Cause::Signature).beside(twin));
    all
}

#[tokio::test]
async fn no_place_that_a_token_names_is_asked() {
    let (attacker, provider, service) = (Attacker::new(), Provider::start().await, wire::service().await);
    provider.keys(&[attacker.signer.jwk(&json!({"kid": "theirs"}))]);
    let place = format!("{}/jwks.json", provider.url);
    let iss = json!({"iss": provider.url});
    for name in ["jku", "x5u", "kid", "iss", "url"] {
        for of in [Issuer::P256, Issuer::Set] {
            let token = attacker.sign(of, &json!({name: place, "kid": "theirs"}));
            assert_eq!(wire::told(&service, &token).await.0, 401, "{name}");
        }
    }
    let token = attacker.signer.sign_with(&json!({"kid": "theirs"}), &Issuer::P256.claims_with(&iss));
    assert_eq!(wire::told(&service, &token).await.0, 401, "an issuer that would be discovered");
    assert_eq!(provider.all_asked(), Vec::<String>::new());
    let asked = Client::new(&provider.url).get("/jwks.json").await;
    assert_eq!((asked.status, provider.all_asked().len()), (200, 1), "it would have answered");
}
