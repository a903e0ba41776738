//! What a token's header may say: no other kind of token, nothing that changes what the claims are.

use serde_json::{Value, json};
use usher::session::Cause;

use super::{good, open, ours, refused, taken};
use crate::support::keys::Signer;

#[test]
fn a_token_is_of_no_type_or_that_of_a_session() {
    let (verifier, own) = (open(ours()), Signer::secret());
    taken(&verifier, &own.sign_text(r#"{"alg":"HS256"}"#, &good().to_string()), "no typ");
    for typ in [
        "JWT",
        "jwt",
        "Jwt",
        "at+jwt",
        "AT+JWT",
        "at+JWT",
        "application/jwt",
        "application/at+jwt",
        "APPLICATION/AT+JWT",
        "Application/JWT",
    ] {
        taken(&verifier, &own.sign_with(&json!({"typ": typ}), &good()), typ);
    }
}

#[test]
fn a_token_of_another_type_is_refused() {
    let (verifier, own) = (open(ours()), Signer::secret());
    let others = [
        "",
        " ",
        "JWS",
        "JOSE",
        "JWE",
        "id+jwt",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "vc+sd-jwt",
        "at+jwt ",
        " JWT",
        "JWT;v=1",
        "text/jwt",
        "application/",
        "application",
        "application/application/jwt",
        "jwt/application",
        "application/json",
    ];
    let odd = [Value::Null, json!(1), json!(true), json!(["JWT"]), json!({"JWT": 1})];
    for typ in others.into_iter().map(Value::from).chain(odd) {
        refused(&verifier, &own.sign_with(&json!({"typ": typ}), &good()), Cause::Type, &typ);
    }
    taken(&verifier, &own.sign(&good()), "the twin");
}

#[test]
fn crit_zip_and_b64_are_refused_whatever_they_say() {
    let (verifier, own) = (open(ours()), Signer::secret());
    for name in ["crit", "zip", "b64"] {
        for value in [json!(["exp"]), json!([]), json!("DEF"), json!(""), json!(true), json!(false), Value::Null] {
            let token = own.sign_with(&json!({name: value}), &good());
            refused(&verifier, &token, Cause::Extension(name), (name, value));
        }
    }
    let rfc7797 = json!({"b64": false, "crit": ["b64"]});
    refused(&verifier, &own.sign_with(&rfc7797, &good()), Cause::Extension("crit"), "RFC 7797");
    taken(&verifier, &own.sign_with(&json!({"cty": "x", "CRIT": ["exp"], "Zip": "DEF"}), &good()), "other names");
}
