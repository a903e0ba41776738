//! Tokens of too few or too many parts, with empty ones, and tokens of another form: JWE, JSON, nested, too long.

use serde_json::{Value, json};
use usher::session::{Cause, MAX_TOKEN_BYTES};

use super::Forgery;
use super::issuers::Issuer;
use crate::session::form::token_of;
use crate::support::keys::b64;

/// RFC 7515 §7.2: the same signature, as JSON.
fn as_json(twin: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = twin.split('.').collect();
    let signature = json!({"protected": parts[0], "signature": parts[2]});
    let unprotected = json!({"protected": parts[0], "header": {"kid": "a"}, "signature": parts[2]});
    let flattened = json!({"payload": parts[1], "protected": parts[0], "signature": parts[2]});
    let general = |signatures: Value| json!({"payload": parts[1], "signatures": signatures}).to_string();
    vec![
        ("flattened JSON", flattened.to_string()),
        ("flattened JSON in base64url", b64(flattened.to_string())),
        ("general JSON", general(json!([signature]))),
        ("general JSON with two signatures", general(json!([signature, signature]))),
        ("general JSON with an unprotected header", general(json!([unprotected]))),
        ("general JSON without a signature", general(json!([]))),
        ("a list of the parts", json!(parts).to_string()),
    ]
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let of = Issuer::Secret;
    let twin = of.token();
    let parts: Vec<&str> = twin.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let mut all: Vec<Forgery> = [
        ("nothing", String::new()),
        ("the header alone", header.to_owned()),
        ("two parts, no signature", format!("{header}.{claims}")),
        ("two parts, no header", format!("{claims}.{signature}")),
        ("two parts, no claims", format!("{header}.{signature}")),
        ("without its first dot", format!("{header}{claims}.{signature}")),
        ("without its second dot", format!("{header}.{claims}{signature}")),
        ("without a dot", format!("{header}{claims}{signature}")),
        ("four parts, the last empty", format!("{twin}.")),
        ("four parts, the first empty", format!(".{twin}")),
        ("four parts, the signature twice", format!("{twin}.{signature}")),
        ("four parts, the claims twice", format!("{header}.{claims}.{claims}.{signature}")),
        ("two dots after the header", format!("{header}..{claims}.{signature}")),
        ("two dots before the signature", format!("{header}.{claims}..{signature}")),
        ("five parts", format!("{twin}.{claims}.{signature}")),
        ("five parts, the last two empty", format!("{twin}..")),
        ("six parts, the token twice", format!("{twin}.{twin}")),
        ("commas for dots", twin.replace('.', ",")),
        ("dots in percent", twin.replace('.', "%2E")),
        ("dots of full width", twin.replace('.', "\u{ff0e}")),
        ("many dots", ".".repeat(4_096)),
    ]
    .into_iter()
    .chain(as_json(&twin))
    .map(|(name, token)| Forgery::of(of, name, token, Cause::NotThreeParts))
    .collect();

    for (name, token, cause) in [
        ("an empty header", format!(".{claims}.{signature}"), Cause::Header),
        ("empty claims, as where they are elsewhere", format!("{header}..{signature}"), Cause::Claims),
        ("three empty parts", "..".to_owned(), Cause::Header),
        ("signature and header in each other's place", format!("{signature}.{claims}.{header}"), Cause::Header),
        ("claims and header in each other's place", format!("{claims}.{header}.{signature}"), Cause::UnknownAlgorithm),
        // RFC 9901: disclosures follow after a tilde.
        ("a tilde after it, as of an SD-JWT", format!("{twin}~"), Cause::Signature),
        ("a disclosure after it", format!("{twin}~{}~", b64(r#"["s","sub","admin"]"#)), Cause::Signature),
        ("a fragment after it", format!("{twin}#admin"), Cause::Signature),
    ] {
        all.push(Forgery::of(of, name, token, cause));
    }
    // RFC 7516 §7.1: five parts, of which the header is the first.
    for (name, more) in [
        ("JWE, a direct key", json!({"alg": "dir", "enc": "A128GCM"})),
        ("JWE, by the public key", json!({"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT"})),
        ("JWE, by a password", json!({"alg": "PBES2-HS256+A128KW", "enc": "A128CBC-HS256", "p2c": 2_000_000_000})),
    ] {
        let jwe = format!("{}.{}.{}.{claims}.{signature}", b64(more.to_string()), b64([0; 16]), b64([0; 12]));
        all.push(Forgery::of(of, name, jwe, Cause::NotThreeParts));
    }
    // RFC 7519 §5.2: a token in a token.
    let nested = of.header_with(&json!({"cty": "JWT"})).to_string();
    for (name, payload, cause) in [
        ("nested", twin.clone(), Cause::Claims),
        ("nested, as JSON text", json!(twin).to_string(), Cause::Claims),
        ("nested, in a claim", json!({"jwt": twin}).to_string(), Cause::Issuer),
        ("nested claims", json!({"claims": of.claims()}).to_string(), Cause::Issuer),
    ] {
        all.push(Forgery::of(of, name, of.signer().sign_text(&nested, &payload), cause));
    }
    let longest = token_of(MAX_TOKEN_BYTES, &of.claims());
    let longer = token_of(MAX_TOKEN_BYTES + 1, &of.claims());
    all.push(Forgery::of(of, "16 KiB and a byte", longer, Cause::TooLong).beside(longest.clone()));
    let padded = format!("{longest}{}", "=".repeat(4));
    all.push(Forgery::of(of, "16 KiB and padding", padded, Cause::TooLong).beside(longest));
    all
}
