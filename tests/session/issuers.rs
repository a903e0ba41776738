//! Several issuers: each with its own keys, and nobody's token is another's.

use jsonwebtoken::Algorithm;
use serde_json::json;
use usher::chat::Who;
use usher::session::{Cause, Verifier};

use super::{RSA, facts, good, ours, refused, taken, with};
use crate::support::keys::Signer;
use crate::support::service::issuer;
use usher::session::KeySettings;

const CORP: &str = "https://corp.example.com/";
const CORP_SECRET: &str = "another secret that is 32 bytes long or more";

fn both() -> Verifier {
    let corp = KeySettings::Secret(CORP_SECRET.as_bytes().to_vec().into());
    let corp = usher::session::IssuerSettings { keys: corp, ..issuer("corp", CORP) };
    Verifier::open(vec![ours(), corp]).unwrap()
}

#[test]
fn each_issuers_sessions_are_verified_with_its_own_keys() {
    let verifier = both();
    let corp = Signer::secret_of(CORP_SECRET, Algorithm::HS256);
    let of_corp = with(&json!({"iss": CORP}));
    let ours = taken(&verifier, &Signer::secret().sign(&good()), "ours");
    assert_eq!(ours.who, Who::Known { issuer: "app".to_owned() });
    assert_eq!(taken(&verifier, &corp.sign(&of_corp), "corp").who, Who::Known { issuer: "corp".to_owned() });
    refused(&verifier, &Signer::secret().sign(&of_corp), Cause::Signature, "corp's by our key");
    refused(&verifier, &corp.sign(&good()), Cause::Signature, "ours by corp's key");
}

#[test]
fn an_issuer_that_is_not_configured_is_nobody() {
    let verifier = both();
    for iss in ["https://login.example.com", "https://LOGIN.example.com/", "https://evil.example/", ""] {
        refused(&verifier, &Signer::secret().sign(&with(&json!({"iss": iss}))), Cause::Issuer, iss);
    }
    for iss in [json!(null), json!(7), json!([crate::support::ISSUER]), json!({})] {
        refused(&verifier, &Signer::secret().sign(&with(&json!({"iss": iss}))), Cause::Issuer, iss);
    }
    refused(&verifier, &Signer::secret().sign(&super::without("iss")), Cause::Issuer, "none");
}

#[test]
fn a_session_holds_what_was_verified_and_nothing_else() {
    let claims = with(&json!({"tenant": {"id": 7}, "name": "Alice"}));
    let facts = facts(&both(), &Signer::secret().sign(&claims)).unwrap();
    assert_eq!(serde_json::Value::Object(usher::chat::Object::clone(&facts.claims)), claims);
    assert_eq!(facts.roles, usher::chat::ClaimedRoles::Names(vec!["customer".to_owned()]));
    assert_eq!(facts.ends.unwrap().seconds(), super::NOW + 3_600);
}

#[test]
fn keys_that_a_token_brings_along_are_not_looked_at() {
    let header =
        json!({"typ": "JWT", "jwk": RSA.jwk(&json!({})), "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"});
    refused(&both(), &RSA.sign_with(&header, &good()), Cause::NoKeyFits, "an embedded key");
    taken(&both(), &Signer::secret().sign_with(&header, &good()), "they are ignored where the signature is good");
}
