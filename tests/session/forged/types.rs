//! Tokens of another kind (RFC 8725 §3.11), which the same issuer signs with the same key.

use serde_json::{Value, json};
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;

fn types() -> Vec<Value> {
    let kinds = [
        // Other tokens that are JWTs.
        "id+jwt",
        "ID+JWT",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "rt+jwt",
        "refresh+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "oauth-authz-req+jwt",
        "jwt-bearer+jwt",
        "vc+sd-jwt",
        "dc+sd-jwt",
        "kb+jwt",
        "statuslist+jwt",
        "entity-statement+jwt",
        "passport",
        "application/dpop+jwt",
        // And that are none.
        "JWS",
        "JWE",
        "JOSE",
        "JOSE+JSON",
        "JWK",
        "JWT+JWE",
        "text/html",
        // Almost the right ones.
        "at+jwtx",
        "at-jwt",
        "at_jwt",
        "at jwt",
        "atjwt",
        "at+ jwt",
        "at+jwt ",
        "at+jwt;charset=utf-8",
        "+jwt",
        "at+",
        "JWT ",
        " JWT",
        "JWT\u{0}",
        "JWT\u{200b}",
        "\u{408}WT",
        "application/",
        "application/application/jwt",
        "application /jwt",
        "applications/jwt",
        "image/jwt",
        "/jwt",
        "",
    ];
    let odd = [
        json!(null),
        json!(0),
        json!(1.5),
        json!(true),
        json!(false),
        json!([]),
        json!(["JWT"]),
        json!({}),
        json!({"typ": "JWT"}),
    ];
    kinds.into_iter().map(Value::from).chain(odd).collect()
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let of = Issuer::Secret;
    let forged = |typ: Value| Forgery::of(of, typ.to_string(), of.by_header(&json!({"typ": typ})), Cause::Type);
    let mut all: Vec<Forgery> = types().into_iter().map(forged).collect();
    // Of keys that an identity provider uses for all of its tokens.
    for of in [Issuer::Rsa, Issuer::Set] {
        let token = of.by_header(&json!({"typ": "logout+jwt"}));
        all.push(Forgery::of(of, format!("logout+jwt of {of:?}"), token, Cause::Type));
    }
    all
}
