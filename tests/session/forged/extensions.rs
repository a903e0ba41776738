//! Headers that change what the payload is: `crit` (RFC 7515 §4.1.11), `b64` (RFC 7797) and `zip` (RFC 7516 §4.1.3).
//! Each signature is genuine.

use serde_json::{Value, json};
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;
use crate::support::keys::b64;

/// RFC 1951 §3.2.4: one block, stored as it is.
fn deflated(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let head = [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
    [&head, text.as_bytes()].concat()
}

/// Each with the header that is told as the cause.
fn headers() -> Vec<(&'static str, Value)> {
    let crit = [
        json!({"crit": []}),
        json!({"crit": ["exp"], "exp": 1}),
        json!({"crit": ["exp"]}),
        json!({"crit": ["alg"]}),
        json!({"crit": ["typ", "alg"]}),
        json!({"crit": ["crit"]}),
        json!({"crit": ["b64"]}),
        json!({"crit": ["b64"], "b64": true}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": ["urn:example:unknown"], "urn:example:unknown": true}),
        json!({"crit": ["exp", "exp"]}),
        json!({"crit": [""]}),
        json!({"crit": [null]}),
        json!({"crit": "exp"}),
        json!({"crit": ""}),
        json!({"crit": {}}),
        json!({"crit": {"exp": true}}),
        json!({"crit": 0}),
        json!({"crit": false}),
        json!({"crit": null}),
    ];
    let b64 = [json!(true), json!(false), json!("false"), json!(null), json!(0), json!([])];
    let zip = [json!("DEF"), json!("def"), json!("GZ"), json!(""), json!(null), json!(false), json!(["DEF"])];
    let crit = crit.into_iter().map(|header| ("crit", header));
    let b64 = b64.into_iter().map(|value| ("b64", json!({"b64": value})));
    let zip = zip.into_iter().map(|value| ("zip", json!({"zip": value})));
    crit.chain(b64).chain(zip).collect()
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let of = Issuer::Secret;
    let mut all = Vec::new();
    for (told, header) in headers() {
        all.push(Forgery::of(of, header.to_string(), of.by_header(&header), Cause::Extension(told)));
    }
    let (signer, claims) = (of.signer(), of.claims().to_string());
    let header = |more: Value| b64(of.header_with(&more).to_string());
    let zipped = signer.sign_parts(&header(json!({"zip": "DEF"})), &b64(deflated(&claims)));
    all.push(Forgery::of(of, "claims that are deflated", zipped, Cause::Extension("zip")));
    let secretly = signer.sign_parts(&header(json!({})), &b64(deflated(&claims)));
    all.push(Forgery::of(of, "claims that are deflated, and no zip", secretly, Cause::Claims));
    // RFC 7797 §5.2: a payload that is not encoded has no dot, nor has this issuer's.
    let of = Issuer::Anyone;
    let bare = b64(of.header_with(&json!({"b64": false, "crit": ["b64"]})).to_string());
    let payload =
        json!({"iss": of.iss(), "sub": "alice", "roles": ["customer"], "exp": of.claims()["exp"]}).to_string();
    assert!(!payload.contains('.'));
    let twin = of.signer().sign_text(&of.header().to_string(), &payload);
    let mut beside_it = |name, token, cause| all.push(Forgery::of(of, name, token, cause).beside(twin.clone()));
    let unencoded = of.signer().sign_parts(&bare, &payload);
    let (_, signature) = unencoded.rsplit_once('.').unwrap();
    beside_it("claims that are elsewhere", format!("{bare}..{signature}"), Cause::Extension("crit"));
    beside_it("claims that are not encoded", unencoded, Cause::Extension("crit"));
    let secretly = of.signer().sign_parts(&b64(of.header().to_string()), &payload);
    beside_it("claims that are not encoded, and no b64", secretly, Cause::Claims);
    all
}
