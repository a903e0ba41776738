//! What a token is written as: three parts of strict base64url, two of them JSON objects without a name twice, at most 16 KiB.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};
use serde_json::json;
use usher::session::{Cause, MAX_TOKEN_BYTES};

use super::{good, open, ours, refused, taken, with};
use crate::support::keys::{Signer, b64};

const HEADER: &str = r#"{"alg":"HS256"}"#;

#[test]
fn a_token_has_exactly_three_parts() {
    let (verifier, token) = (open(ours()), Signer::secret().sign(&good()));
    taken(&verifier, &token, "the twin");
    let parts: Vec<&str> = token.split('.').collect();
    let odd = [
        String::new(),
        parts[0].to_owned(),
        parts[..2].join("."),
        format!("{token}."),
        format!("{token}.{}", parts[2]),
        format!("{token}.a.b"),
        format!("{token}.{token}"),
        format!("{token}...."),
        ".".to_owned(),
        "not a token".to_owned(),
    ];
    for token in odd {
        refused(&verifier, &token, Cause::NotThreeParts, &token);
    }
    refused(&verifier, &format!(".{}.{}", parts[1], parts[2]), Cause::Header, "an empty header");
    refused(&verifier, &format!("{}..{}", parts[0], parts[2]), Cause::Claims, "no claims, as in a detached JWS");
    refused(&verifier, "..", Cause::Header, "three empty parts");
}

#[test]
fn header_and_claims_are_each_one_json_object() {
    let (verifier, own, claims) = (open(ours()), Signer::secret(), good().to_string());
    taken(&verifier, &own.sign_text(&format!(" {HEADER}\n"), &format!("\t{claims} ")), "white space around is JSON's");
    let deep = |levels: usize| format!("{{\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let odd = [
        String::new(),
        "[]".to_owned(),
        "\"text\"".to_owned(),
        "1".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        "{".to_owned(),
        "{}{}".to_owned(),
        "{'x':1}".to_owned(),
        "{\"x\":1,}".to_owned(),
        "{\"x\":NaN}".to_owned(),
        "{\"x\":1e999}".to_owned(),
        "{\"x\":\"\\ud800\"}".to_owned(),
        "\u{feff}{}".to_owned(),
        "{\"x\":1}//".to_owned(),
        deep(127),
    ];
    for text in &odd {
        refused(&verifier, &own.sign_text(text, &claims), Cause::Header, text);
        refused(&verifier, &own.sign_text(HEADER, text), Cause::Claims, text);
    }
    for object in [HEADER, &claims] {
        let (cause, parts) = if object == HEADER { (Cause::Header, 0) } else { (Cause::Claims, 1) };
        let mut both = [HEADER.to_owned(), claims.clone()];
        both[parts] = format!("{object}{{}}");
        refused(&verifier, &own.sign_text(&both[0], &both[1]), cause, "two documents");
    }
    let mut bytes = claims.clone().into_bytes();
    bytes.truncate(bytes.len() - 1);
    bytes.extend_from_slice(b",\"x\":\"\xff\"}");
    refused(&verifier, &own.sign_parts(&b64(HEADER), &b64(&bytes)), Cause::Claims, "no UTF-8");
    let nested =
        |levels| format!("{},\"x\":{}{}}}", &claims[..claims.len() - 1], "[".repeat(levels), "]".repeat(levels));
    taken(&verifier, &own.sign_text(HEADER, &nested(126)), "127 levels");
    refused(&verifier, &own.sign_text(HEADER, &nested(127)), Cause::Claims, "128 levels");
}

#[test]
fn no_name_is_twice_in_an_object_of_the_header_or_the_claims_at_any_depth() {
    let (verifier, own, claims) = (open(ours()), Signer::secret(), good().to_string());
    let more = |object: &str, more: &str| format!("{},{more}}}", &object[..object.len() - 1]);
    for once in [r#""x":{"a":1,"b":1}"#, r#""x":[{"a":1},{"a":1}]"#, r#""x":{"x":{"x":1}}"#, r#""a":1,"A":1"#] {
        taken(&verifier, &own.sign_text(&more(HEADER, once), &more(&claims, once)), once);
    }
    let twice = [
        r#""x":{"a":1,"a":1}"#,
        r#""x":{"a":1,"a":2}"#,
        r#""x":[{"a":1,"a":1}]"#,
        r#""x":[[[{"b":{"a":1,"b":2,"a":1}}]]]"#,
        r#""a":1,"a":1"#,
        r#""a":1,"\u0061":1"#,
        r#""":1,"":1"#,
    ];
    for twice in twice {
        refused(&verifier, &own.sign_text(&more(HEADER, twice), &claims), Cause::Header, twice);
        refused(&verifier, &own.sign_text(HEADER, &more(&claims, twice)), Cause::Claims, twice);
    }
    for header in [r#""alg":"HS256""#, r#""alg":"none""#] {
        refused(&verifier, &own.sign_text(&more(HEADER, header), &claims), Cause::Header, header);
    }
    for claim in [r#""sub":"alice""#, r#""sub":"mallory""#, r#""exp":9999999999"#, r#""iss":"x""#, r#""roles":[]"#] {
        refused(&verifier, &own.sign_text(HEADER, &more(&claims, claim)), Cause::Claims, claim);
    }
}

#[test]
fn header_and_claims_are_base64url_without_padding_and_nothing_else() {
    let (verifier, own) = (open(ours()), Signer::secret());
    // Texts whose encoding has both characters in which the alphabets differ, and would be padded.
    let header = r#"{"alg":"HS256","x":"???>>>~~~"}"#;
    let claims = with(&json!({"x": "???>>>~~~"})).to_string();
    let pad_to = |text: &str| format!("{text}{}", " ".repeat((4 - text.len() % 3) % 3));
    let (header, claims) = (pad_to(header), pad_to(&claims));
    taken(&verifier, &own.sign_parts(&b64(&header), &b64(&claims)), "the twin");
    let odd = |text: &str| {
        let (plain, standard, padded) = (b64(text), STANDARD_NO_PAD.encode(text), URL_SAFE.encode(text));
        assert_ne!(plain, padded);
        assert_ne!(plain, standard);
        let (start, end) = plain.split_at(4);
        let bits = format!("{}{}", &plain[..plain.len() - 1], next(&plain));
        [
            ("padded", padded),
            ("the standard alphabet", standard),
            ("a space in it", format!("{start} {end}")),
            ("a space before", format!(" {plain}")),
            ("a line feed in it", format!("{start}\n{end}")),
            ("a line feed after", format!("{plain}\n")),
            ("bits left over", bits),
            ("percent", format!("{start}%3D{end}")),
            ("one character too many", format!("{plain}AAA")),
            ("not ASCII", format!("{start}é{end}")),
        ]
    };
    for (case, part) in odd(&header) {
        refused(&verifier, &own.sign_parts(&part, &b64(&claims)), Cause::Header, case);
    }
    for (case, part) in odd(&claims) {
        refused(&verifier, &own.sign_parts(&b64(&header), &part), Cause::Claims, case);
    }
}

/// The character after the last one of a text, which differs from it in bits that carry nothing.
fn next(text: &str) -> char {
    let last = text.chars().last().unwrap();
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).collect();
    alphabet[alphabet.iter().position(|character| *character == last).unwrap() + 1]
}

/// A token of exactly this length.
pub(super) fn token_of(bytes: usize, claims: &serde_json::Value) -> String {
    let own = Signer::secret();
    // Base64 has no text of every length, so header and claims grow by themselves.
    let sized =
        (0..3).flat_map(|header| (0..4).map(move |claims| (header, claims))).find_map(|(in_header, in_claims)| {
            let header = format!("{HEADER}{}", " ".repeat(in_header));
            let rest = bytes.checked_sub(b64(&header).len() + 2 + b64([0; 32]).len())?;
            let text = claims.to_string();
            let spaces = (rest / 4 * 3 + in_claims).checked_sub(text.len())?;
            let token = own.sign_text(&header, &format!("{text}{}", " ".repeat(spaces)));
            (token.len() == bytes).then_some(token)
        });
    sized.unwrap()
}

#[test]
fn a_token_has_at_most_16_kib() {
    assert_eq!(MAX_TOKEN_BYTES, 16_384);
    let verifier = open(ours());
    taken(&verifier, &token_of(16_383, &good()), "16 KiB - 1");
    taken(&verifier, &token_of(16_384, &good()), "16 KiB");
    refused(&verifier, &token_of(16_385, &good()), Cause::TooLong, "16 KiB + 1");
    refused(&verifier, &"a".repeat(16_385), Cause::TooLong, "nothing of it is looked at");
}
