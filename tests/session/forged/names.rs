//! `iss` and `sub` that are missing, of another kind, or almost the right ones. Each signature is genuine.

use serde_json::{Value, json};
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;
use crate::support::ISSUER;

/// Texts that are not quite the issuer.
fn near() -> Vec<(&'static str, String)> {
    let of = |text: &str| text.to_owned();
    let bare = ISSUER.trim_end_matches('/');
    vec![
        ("empty", String::new()),
        ("a slash less", of(bare)),
        ("a slash more", format!("{ISSUER}/")),
        ("its host in capitals", ISSUER.replace("login", "LOGIN")),
        ("its scheme in capitals", ISSUER.replace("https", "HTTPS")),
        ("all in capitals", ISSUER.to_uppercase()),
        ("without its scheme", of("login.example.com/")),
        ("http", ISSUER.replace("https", "http")),
        ("its port", format!("{bare}:443/")),
        ("a dot after its host", format!("{bare}./")),
        ("a dot as its path", format!("{ISSUER}.")),
        ("a path that comes back", format!("{ISSUER}x/../")),
        ("a tenant", format!("{ISSUER}tenant")),
        ("a query", format!("{ISSUER}?")),
        ("a fragment", format!("{ISSUER}#")),
        ("a user", of("https://login@login.example.com/")),
        ("as the user of another", of("https://login.example.com@evil.example/")),
        ("as the start of another", of("https://login.example.com.evil.example/")),
        ("as the end of another", of("https://evil-login.example.com/")),
        ("as the query of another", format!("https://evil.example/?{ISSUER}")),
        ("a back-slash", ISSUER.replace("m/", "m\\")),
        ("a space before", format!(" {ISSUER}")),
        ("a space after", format!("{ISSUER} ")),
        ("a tab after", format!("{ISSUER}\t")),
        ("a line feed after", format!("{ISSUER}\n")),
        ("a NUL after", format!("{ISSUER}\0")),
        ("a NUL and more after", format!("{ISSUER}\0.evil.example")),
        ("a byte order mark before", format!("\u{feff}{ISSUER}")),
        ("a Cyrillic letter", ISSUER.replace('o', "\u{43e}")),
        ("a Greek letter", ISSUER.replace('o', "\u{3bf}")),
        ("a digit for a letter", ISSUER.replace("login", "l0gin")),
        ("letters of full width", ISSUER.replace("login", "\u{ff4c}\u{ff4f}\u{ff47}\u{ff49}\u{ff4e}")),
        ("a slash that is none", ISSUER.replace("m/", "m\u{2215}")),
        ("a space that has no width", ISSUER.replace("login", "log\u{200b}in")),
        ("a soft hyphen", ISSUER.replace("login", "log\u{ad}in")),
        ("a letter with an accent", ISSUER.replace("login", "log\u{131}n")),
        ("in percent", ISSUER.replace("login", "%6cogin")),
        ("twice", format!("{ISSUER} {ISSUER}")),
        ("in quotation marks", format!("\"{ISSUER}\"")),
        ("its alias", of("app")),
        ("a pattern", of("*")),
        ("a pattern of its host", of("https://*.example.com/")),
        ("null as text", of("null")),
    ]
}

/// What no name is, and what would be one inside.
fn odd(good: &str) -> Vec<Value> {
    vec![
        json!(null),
        json!(0),
        json!(1),
        json!(1.5),
        json!(true),
        json!(false),
        json!([]),
        json!([good]),
        json!([[good]]),
        json!({}),
        json!({"id": good}),
    ]
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let of = Issuer::Secret;
    let mut all = Vec::new();
    for (name, iss) in near() {
        assert!(Issuer::ALL.into_iter().all(|issuer| issuer.iss() != iss), "{name} is another's");
        all.push(Forgery::of(of, format!("iss: {name}"), of.by_claims(&json!({"iss": iss})), Cause::Issuer));
    }
    for iss in odd(ISSUER) {
        all.push(Forgery::of(of, format!("iss: {iss}"), of.by_claims(&json!({"iss": iss})), Cause::Issuer));
    }
    for sub in odd("alice").into_iter().chain([json!(""), json!(["alice", "admin"])]) {
        all.push(Forgery::of(of, format!("sub: {sub}"), of.by_claims(&json!({"sub": sub})), Cause::Subject));
    }
    all.push(Forgery::of(of, "iss: missing", of.without("iss"), Cause::Issuer));
    // In another case it is another claim, and the one that counts is missing.
    for (claim, other, cause) in [("iss", "ISS", Cause::Issuer), ("sub", "Sub", Cause::Subject)] {
        let mut claims = of.claims();
        let value = claims.as_object_mut().unwrap().remove(claim).unwrap();
        claims[other] = value;
        all.push(Forgery::of(of, format!("{claim}: as {other}"), of.sign(&of.header(), &claims), cause));
    }
    for of in [Issuer::Secret, Issuer::Party, Issuer::Anyone, Issuer::Aged, Issuer::Set] {
        all.push(Forgery::of(of, format!("sub: missing, of {of:?}"), of.without("sub"), Cause::Subject));
    }
    let token = Issuer::Anyone.by_claims(&json!({"sub": ""}));
    all.push(Forgery::of(Issuer::Anyone, "sub: empty, where the audience does not matter", token, Cause::Subject));
    all
}
