//! Claims that are no JSON object, or whose text two readers would read differently (RFC 7519 §4, RFC 8725 §3.7). Each
//! signature is genuine.

use usher::session::Cause;

use super::Forgery;
use super::header_as_text::odd_texts;
use super::issuers::Issuer;
use crate::support::keys::b64;

pub(super) fn forgeries() -> Vec<Forgery> {
    let of = Issuer::Secret;
    let (header, claims) = (of.header().to_string(), of.claims().to_string());
    let sign = |claims: &[u8]| of.signer().sign_parts(&b64(&header), &b64(claims));
    let mut all = Vec::new();
    for (name, bytes) in odd_texts(&claims) {
        all.push(Forgery::of(of, name, sign(&bytes), Cause::Claims));
    }
    let inside = &claims[1..claims.len() - 1];
    for (name, more) in [
        ("sub twice, the same", r#""sub":"alice""#),
        ("sub twice, another last", r#""sub":"admin""#),
        ("sub twice, another last and escaped", r#""s\u0075b":"admin""#),
        ("iss twice", r#""iss":"https://evil.example/""#),
        ("aud twice", r#""aud":"https://other.example.com""#),
        ("exp twice, a later one last", r#""exp":9999999999"#),
        ("exp twice, a later one last and escaped", r#""\u0065xp":9999999999"#),
        ("iat twice", r#""iat":0"#),
        ("nbf twice", r#""nbf":0,"nbf":1"#),
        ("roles twice", r#""roles":["agent"]"#),
        ("a name twice in roles", r#""realm_access":{"roles":["customer"],"roles":["agent"]}"#),
    ] {
        all.push(Forgery::of(of, name, sign(format!("{{{inside},{more}}}").as_bytes()), Cause::Claims));
        let first = format!("{name}, the other way round");
        // Names that come twice among themselves are the same either way.
        if !name.starts_with("nbf") && !name.starts_with("a name") {
            all.push(Forgery::of(of, first, sign(format!("{{{more},{inside}}}").as_bytes()), Cause::Claims));
        }
    }
    all
}
