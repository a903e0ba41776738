//! Whose token it is, whom it is for and of whom it speaks: `iss`, `aud` and `sub`.

use serde_json::{Value, json};
use usher::session::{AudiencesSettings, Cause, IssuerSettings, Verifier};

use super::{facts, good, open, ours, refused, taken, with, without};
use crate::support::keys::Signer;
use crate::support::{AUDIENCE, ISSUER};

fn signed(claims: &Value) -> String {
    Signer::secret().sign(claims)
}

/// What no string claim may be.
fn odd() -> Vec<Value> {
    vec![Value::Null, json!(""), json!(1), json!(1.5), json!(true), json!({"a": 1}), json!([])]
}

#[test]
fn iss_is_required_and_exactly_the_configured_one() {
    let verifier = open(ours());
    taken(&verifier, &signed(&good()), "the twin");
    refused(&verifier, &signed(&without("iss")), Cause::Issuer, "missing");
    let others = [
        json!([ISSUER]),
        json!("https://login.example.com"),
        json!("https://login.example.com//"),
        json!("https://LOGIN.example.com/"),
        json!("HTTPS://login.example.com/"),
        json!("https://login.example.com:443/"),
        json!(" https://login.example.com/"),
        json!("https://login.example.com/ "),
        json!("https://login.example.com/\u{0}"),
        json!("https://login.example.org/"),
        json!("app"),
    ];
    for iss in odd().into_iter().chain(others) {
        refused(&verifier, &signed(&with(&json!({"iss": iss}))), Cause::Issuer, &iss);
    }
}

#[test]
fn sub_is_required_and_a_string_that_is_not_empty() {
    let verifier = open(ours());
    for sub in ["alice", " ", "auth0|1", "é", "0"] {
        let facts = taken(&verifier, &signed(&with(&json!({"sub": sub}))), sub);
        assert_eq!(facts.claims["sub"], sub);
    }
    refused(&verifier, &signed(&without("sub")), Cause::Subject, "missing");
    for sub in odd().into_iter().chain([json!(["alice"])]) {
        refused(&verifier, &signed(&with(&json!({"sub": sub}))), Cause::Subject, &sub);
    }
}

#[test]
fn aud_is_one_of_ours_or_a_list_of_strings_with_one_of_ours() {
    let two = vec!["https://other.example.com".to_owned(), AUDIENCE.to_owned()];
    let verifier = open(IssuerSettings { audiences: AudiencesSettings::OneOf(two), ..ours() });
    let ours = [
        json!(AUDIENCE),
        json!("https://other.example.com"),
        json!([AUDIENCE]),
        json!(["x", AUDIENCE]),
        json!([AUDIENCE, "x"]),
        json!([AUDIENCE, AUDIENCE]),
        json!(["https://other.example.com", AUDIENCE]),
        json!(["", AUDIENCE]),
    ];
    for aud in ours {
        taken(&verifier, &signed(&with(&json!({"aud": aud}))), &aud);
    }
    refused(&verifier, &signed(&without("aud")), Cause::Audience, "missing");
    let others = [
        json!("x"),
        json!(["x", "y"]),
        json!("https://api.example.com/"),
        json!("https://API.example.com"),
        json!(" https://api.example.com"),
        json!("https://api.example.com https://other.example.com"),
        json!("any"),
        json!(["any"]),
        json!([[AUDIENCE]]),
        json!([AUDIENCE, 1]),
        json!([AUDIENCE, null]),
        json!([{"aud": AUDIENCE}]),
        json!({AUDIENCE: AUDIENCE}),
    ];
    for aud in odd().into_iter().chain(others) {
        refused(&verifier, &signed(&with(&json!({"aud": aud}))), Cause::Audience, &aud);
    }
}

#[test]
fn another_claim_may_name_the_audience_and_then_aud_says_nothing() {
    for claim in ["azp", "client_id"] {
        let verifier = open(IssuerSettings { audience_claim: claim.to_owned(), ..ours() });
        taken(&verifier, &signed(&with(&json!({claim: AUDIENCE, "aud": "x"}))), claim);
        taken(&verifier, &signed(&with(&json!({claim: [AUDIENCE], "aud": null}))), claim);
        refused(&verifier, &signed(&good()), Cause::Audience, (claim, "missing, with a good aud"));
        for other in odd().into_iter().chain([json!("x")]) {
            refused(&verifier, &signed(&with(&json!({claim: other}))), Cause::Audience, (claim, other));
        }
    }
}

#[test]
fn any_audience_takes_every_one_and_none() {
    let verifier = open(IssuerSettings { audiences: AudiencesSettings::Any, ..ours() });
    taken(&verifier, &signed(&without("aud")), "none");
    for aud in odd().into_iter().chain([json!("x"), json!(["x", "y"]), json!(AUDIENCE)]) {
        taken(&verifier, &signed(&with(&json!({"aud": aud}))), &aud);
    }
    refused(&verifier, &signed(&without("sub")), Cause::Subject, "the rest is required as ever");
}

#[test]
fn an_issuer_whose_list_of_audiences_is_empty_takes_nobody() {
    let verifier = open(IssuerSettings { audiences: AudiencesSettings::OneOf(Vec::new()), ..ours() });
    for claims in [good(), without("aud"), with(&json!({"aud": []})), with(&json!({"aud": ""}))] {
        refused(&verifier, &signed(&claims), Cause::Audience, &claims);
    }
}

fn holds_what_it_says(verifier: &Verifier, claims: &Value) {
    let facts = facts(verifier, &signed(claims)).unwrap();
    assert_eq!(Value::Object(usher::chat::Object::clone(&facts.claims)), *claims);
    assert_eq!(facts.issuer(), Some("app"));
}

#[test]
fn a_session_holds_the_claims_of_its_token_and_the_alias_of_the_settings() {
    let verifier = open(ours());
    holds_what_it_says(&verifier, &good());
    holds_what_it_says(
        &verifier,
        &with(&json!({
            "issuer": "other", "name": "José", "n": 18_446_744_073_709_551_615_u64, "i": -1, "f": 1.5, "b": true, "z": null,
            "https://example.com/org": {"id": ["a", {"b": "c"}]}, "": "empty", "who": {"guest": true}, "ends": null,
        })),
    );
}
