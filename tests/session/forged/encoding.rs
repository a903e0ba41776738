//! Base64url that is not quite that (RFC 7515 §2): padded, of the other alphabet, with bits left over, with white
//! space. What the issuer's key can sign is signed as it is written.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::json;
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;
use crate::support::keys::b64;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A text whose encoding has both characters in which the alphabets differ, and whose last character has bits left
/// over.
fn telling(object: &serde_json::Value) -> String {
    let mut object = object.clone();
    object["x"] = json!("???>>>~~~");
    let text = object.to_string();
    let spaces = (4 - text.len() % 3) % 3;
    let text = format!("{text}{}", " ".repeat(spaces));
    assert!(b64(&text).contains('_') && b64(&text).contains('-') && text.len() % 3 == 1);
    text
}

/// The same bytes, if bits that carry nothing may be anything: all texts but the one that is base64url.
fn other_spellings(encoded: &str) -> Vec<String> {
    let (rest, last) = encoded.split_at(encoded.len() - 1);
    let value = ALPHABET.iter().position(|character| *character == last.as_bytes()[0]).unwrap();
    let spare = match encoded.len() % 4 {
        2 => 16,
        3 => 4,
        _ => panic!("{encoded} has no bits left over"),
    };
    assert_eq!(value % spare, 0, "{encoded}");
    (1..spare).map(|more| format!("{rest}{}", char::from(ALPHABET[value + more]))).collect()
}

/// A part, written otherwise.
fn odd(encoded: &str) -> Vec<(&'static str, String)> {
    let standard = STANDARD_NO_PAD.encode(URL_SAFE_NO_PAD.decode(encoded).unwrap());
    let padding = "=".repeat((4 - encoded.len() % 4) % 4);
    let (start, end) = encoded.split_at(8);
    let mut odd = vec![
        ("padded", format!("{encoded}{padding}")),
        ("padded too much", format!("{encoded}{padding}=")),
        ("padded in percent", format!("{encoded}%3D")),
        ("padding in it", format!("{start}={end}")),
        ("a space before", format!(" {encoded}")),
        ("a space after", format!("{encoded} ")),
        ("a space in it", format!("{start} {end}")),
        ("a tab in it", format!("{start}\t{end}")),
        ("a line feed in it", format!("{start}\n{end}")),
        ("a line feed after", format!("{encoded}\n")),
        ("a carriage return and a line feed in it", format!("{start}\r\n{end}")),
        ("a NUL after", format!("{encoded}\0")),
        ("a letter in percent", format!("%{:02X}{}", encoded.as_bytes()[0], &encoded[1..])),
        ("a character of another alphabet", format!("{start}!{end}")),
        ("a letter that is no ASCII", format!("{start}\u{e9}{end}")),
        ("a letter of full width", format!("{start}\u{ff21}{end}")),
        ("a character more than can be", format!("{encoded}{}", &"AAAA"[..(5 - encoded.len() % 4) % 4])),
    ];
    if standard != encoded {
        odd.push(("the standard alphabet", standard));
    }
    odd
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let of = Issuer::Secret;
    let (header, claims) = (b64(telling(&of.header())), b64(telling(&of.claims())));
    let sign = |header: &str, claims: &str| of.signer().sign_parts(header, claims);
    let twin = sign(&header, &claims);
    let mut all = Vec::new();
    let mut beside_it = |name: String, token: String, cause: Cause| {
        all.push(Forgery::of(of, name, token, cause).beside(twin.clone()));
    };
    for (name, part) in odd(&header) {
        beside_it(format!("the header: {name}"), sign(&part, &claims), Cause::Header);
    }
    for (name, part) in odd(&claims) {
        beside_it(format!("the claims: {name}"), sign(&header, &part), Cause::Claims);
    }
    for (number, part) in other_spellings(&header).into_iter().enumerate() {
        beside_it(format!("the header: bits left over, {}", number + 1), sign(&part, &claims), Cause::Header);
    }
    for (number, part) in other_spellings(&claims).into_iter().enumerate() {
        beside_it(format!("the claims: bits left over, {}", number + 1), sign(&header, &part), Cause::Claims);
    }
    for (name, token, cause) in [
        ("a byte order mark before", format!("\u{feff}{twin}"), Cause::Header),
        ("quotation marks around", format!("\"{twin}\""), Cause::Header),
        ("angle brackets around", format!("<{twin}>"), Cause::Header),
        ("a scheme before", format!("Bearer {twin}"), Cause::Header),
        ("a comma after", format!("{twin},"), Cause::Signature),
        ("a semicolon after", format!("{twin};"), Cause::Signature),
        ("a joiner after", format!("{twin}\u{200d}"), Cause::Signature),
        ("in small letters", twin.to_ascii_lowercase(), Cause::Header),
    ] {
        beside_it(format!("the token: {name}"), token, cause);
    }
    // The signature, each of whose spellings would be as good as its own where a library is lax.
    for of in [Issuer::Secret, Issuer::Rsa, Issuer::P256, Issuer::Ed25519] {
        // Of some keys no two signatures are alike, and of the others no two with another `jti`.
        let twins = (0..).map(|jti| of.by_claims(&json!({"jti": jti})));
        let differs = |token: &String| token.rsplit_once('.').unwrap().1.contains(['-', '_']);
        let twin = twins.into_iter().find(differs).unwrap();
        let (input, signature) = twin.rsplit_once('.').unwrap();
        let odd = odd(signature).into_iter().map(|(name, part)| (name.to_owned(), part));
        let bits = other_spellings(signature).into_iter().enumerate();
        let bits = bits.map(|(number, part)| (format!("bits left over, {}", number + 1), part));
        for (name, part) in odd.chain(bits) {
            let name = format!("the signature of {of:?}: {name}");
            let forgery = Forgery::of(of, name, format!("{input}.{part}"), Cause::Signature);
            all.push(forgery.beside(twin.clone()));
        }
    }
    all
}
