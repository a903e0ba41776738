//! Tokens without an algorithm (RFC 7519 §6, RFC 8725 §2.1), in every spelling and shape.

use serde_json::{Value, json};
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;
use crate::support::keys::b64;

/// What may stand in `alg` and is no algorithm.
fn spellings() -> Vec<Value> {
    vec![
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!("none "),
        json!(" none"),
        json!("none\u{0}"),
        json!("none\u{200b}"),
        json!("n\u{43e}ne"),
        json!("null"),
        json!("undefined"),
        json!(""),
        json!(null),
        json!(false),
        json!(0),
        json!(["none"]),
        json!([]),
        json!({"alg": "none"}),
    ]
}

/// A token's text up to its last dot, which goes with it.
fn input(token: &str) -> &str {
    token.rsplit_once('.').unwrap().0
}

/// Without its signature, but with its last dot.
fn stripped(token: &str) -> String {
    format!("{}.", input(token))
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let refused = |of, name: String, token| Forgery::of(of, name, token, Cause::UnknownAlgorithm);
    let mut all = Vec::new();
    for alg in spellings() {
        let token = Issuer::Secret.by_header(&json!({"alg": alg}));
        all.push(refused(Issuer::Secret, format!("{alg}, genuinely signed all the same"), token.clone()));
        all.push(refused(Issuer::Secret, format!("{alg}, no signature"), stripped(&token)));
    }
    // Whatever the issuer's keys are.
    for of in Issuer::ALL.into_iter().filter(|of| *of != Issuer::Secret) {
        all.push(refused(of, format!("none, of {of:?}"), stripped(&of.by_header(&json!({"alg": "none"})))));
    }
    let claims = Issuer::Secret.claims().to_string();
    let of_text = |header: &str| format!("{}.{}.", b64(header), b64(&claims));
    for (name, token) in [
        ("the header of RFC 7519 §6.1", of_text(r#"{"alg":"none"}"#)),
        ("escaped", of_text(r#"{"alg":"\u006eone","typ":"JWT"}"#)),
        ("no alg at all", of_text(r#"{"typ":"JWT"}"#)),
        ("an empty header", of_text("{}")),
        ("Alg in another case", of_text(r#"{"Alg":"HS256","typ":"JWT"}"#)),
        ("alg inside of another member", of_text(r#"{"header":{"alg":"HS256"},"typ":"JWT"}"#)),
    ] {
        all.push(refused(Issuer::Secret, name.to_owned(), token));
    }
    let none = Issuer::Secret.by_header(&json!({"alg": "none"}));
    let twin = Issuer::Secret.token();
    for (name, signature) in [
        ("none, and the twin's signature", twin.rsplit_once('.').unwrap().1),
        ("none, and a signature of zeros", &"A".repeat(43)),
        ("none, and one character", "A"),
        ("none, and the text none", "none"),
        ("none, and padding", "="),
    ] {
        all.push(refused(Issuer::Secret, name.to_owned(), format!("{}.{signature}", input(&none))));
    }
    all.push(Forgery::of(Issuer::Secret, "none, and no last dot", input(&none).to_owned(), Cause::NotThreeParts));
    all
}
