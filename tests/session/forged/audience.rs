//! Tokens for somebody else (RFC 8725 §3.9). Each signature is genuine.

use serde_json::{Value, json};
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;
use crate::support::AUDIENCE;

/// What is not our audience.
fn others() -> Vec<(&'static str, Value)> {
    let host = AUDIENCE.strip_prefix("https://").unwrap();
    vec![
        ("another", json!("https://other.example.com")),
        ("empty", json!("")),
        ("a space", json!(" ")),
        ("null", json!(null)),
        ("null as text", json!("null")),
        ("zero", json!(0)),
        ("true", json!(true)),
        ("false", json!(false)),
        ("a pattern", json!("*")),
        ("the word any", json!("any")),
        ("ours without its last letter", json!(AUDIENCE[..AUDIENCE.len() - 1])),
        ("ours without its scheme", json!(host)),
        ("ours and a slash", json!(format!("{AUDIENCE}/"))),
        ("ours and a path", json!(format!("{AUDIENCE}/chat"))),
        ("ours and a port", json!(format!("{AUDIENCE}:443"))),
        ("ours as the start of another", json!(format!("{AUDIENCE}.evil.example"))),
        ("ours as the end of another", json!(format!("evil-{AUDIENCE}"))),
        ("ours with http", json!(AUDIENCE.replace("https", "http"))),
        ("ours in capitals", json!(AUDIENCE.to_uppercase())),
        ("ours with its host in capitals", json!(AUDIENCE.replace("api", "API"))),
        ("a space before ours", json!(format!(" {AUDIENCE}"))),
        ("a space after ours", json!(format!("{AUDIENCE} "))),
        ("a line feed after ours", json!(format!("{AUDIENCE}\n"))),
        ("a NUL after ours", json!(format!("{AUDIENCE}\0"))),
        ("a letter like one of ours", json!(AUDIENCE.replace('a', "\u{430}"))),
        ("ours and another in a text", json!(format!("{AUDIENCE} https://other.example.com"))),
        ("ours and another with a comma", json!(format!("https://other.example.com,{AUDIENCE}"))),
        ("a list as text", json!(json!([AUDIENCE]).to_string())),
        ("an empty list", json!([])),
        ("a list of others", json!(["https://other.example.com", "https://third.example.com"])),
        ("a list of an empty text", json!([""])),
        ("a list of null", json!([null])),
        ("a list of ours and null", json!([AUDIENCE, null])),
        ("a list of ours and a number", json!([AUDIENCE, 1])),
        ("a list of true and ours", json!([true, AUDIENCE])),
        ("a list of ours and an object", json!([AUDIENCE, {}])),
        ("a list of ours and a list", json!([AUDIENCE, ["https://other.example.com"]])),
        ("a list in a list", json!([[AUDIENCE]])),
        ("a list of ours and a slash", json!([format!("{AUDIENCE}/")])),
        ("an object with our name", json!({AUDIENCE: true})),
        ("an object with our value", json!({"aud": AUDIENCE})),
        ("an empty object", json!({})),
        ("the issuer", json!(crate::support::ISSUER)),
    ]
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let mut all = Vec::new();
    for (of, claim) in [(Issuer::Secret, "aud"), (Issuer::Party, "azp")] {
        for (name, value) in others() {
            let token = of.by_claims(&json!({claim: value}));
            all.push(Forgery::of(of, format!("{claim}: {name}"), token, Cause::Audience));
        }
        all.push(Forgery::of(of, format!("{claim}: missing"), of.without(claim), Cause::Audience));
        let mut claims = of.claims();
        claims[claim.to_uppercase()] = claims.as_object_mut().unwrap().remove(claim).unwrap();
        let token = of.sign(&of.header(), &claims);
        all.push(Forgery::of(of, format!("{claim}: in capitals"), token, Cause::Audience));
    }
    // The other claim is good in each of these, and says nothing.
    for of in [Issuer::Rsa, Issuer::Set] {
        let token = of.by_claims(&json!({"aud": "https://other.example.com"}));
        all.push(Forgery::of(of, format!("aud: another, of {of:?}"), token, Cause::Audience));
    }
    all
}
