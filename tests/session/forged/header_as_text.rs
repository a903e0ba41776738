//! Headers that are no JSON object, or whose text two readers would read differently (RFC 7515 §4). Each signature is
//! genuine.

use serde_json::json;
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;
use crate::support::keys::b64;

/// UTF-16 of a text.
pub(super) fn utf16(text: &str, encode: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(encode).collect()
}

/// What stands in an object's place: no object, or one that can be read in two ways. Each is made of the good object.
pub(super) fn odd_texts(object: &str) -> Vec<(&'static str, Vec<u8>)> {
    let inside = &object[1..object.len() - 1];
    let more = |more: &str| format!("{{{inside},{more}}}").into_bytes();
    let raw = |bytes: &[u8]| [b"{", inside.as_bytes(), b",\"x\":\"", bytes, b"\"}"].concat();
    let deep = |open: &str, close: &str| more(&format!("\"x\":{}0{}", open.repeat(128), close.repeat(128)));
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        // No object.
        ("nothing", Vec::new()),
        ("a space", text(" ")),
        ("null", text("null")),
        ("true", text("true")),
        ("a number", text("1")),
        ("an empty list", text("[]")),
        ("a list of the object", text(&format!("[{object}]"))),
        ("the object as JSON text", text(&json!(object).to_string())),
        ("the object in base64url again", text(&b64(object))),
        ("an empty text", text("\"\"")),
        // No JSON.
        ("without its first bracket", text(&object[1..])),
        ("without its last bracket", text(&object[..object.len() - 1])),
        ("a comma at its end", text(&format!("{{{inside},}}"))),
        ("a comma at its start", text(&format!("{{,{inside}}}"))),
        ("two objects", text(&format!("{object}{object}"))),
        ("an object after a line feed", text(&format!("{object}\n{{}}"))),
        ("a bracket more", text(&format!("{object}}}"))),
        ("a NUL after", text(&format!("{object}\0"))),
        ("a comment", text(&format!("{{/**/{inside}}}"))),
        ("a comment after", text(&format!("{object}//"))),
        ("a semicolon after", text(&format!("{object};"))),
        ("single quotation marks", text(&object.replace('"', "'"))),
        ("names without quotation marks", more("x:1")),
        ("NaN", more("\"x\":NaN")),
        ("infinity", more("\"x\":Infinity")),
        ("a number that no double holds", more("\"x\":1e400")),
        ("a negative number that no double holds", more("\"x\":-1e400")),
        ("a number with a zero before", more("\"x\":01")),
        ("a number with a plus", more("\"x\":+1")),
        ("a hexadecimal number", more("\"x\":0x1")),
        ("a number without its fraction", more("\"x\":1.")),
        ("another word for true", more("\"x\":True")),
        ("deep lists", deep("[", "]")),
        ("deep objects", deep("{\"x\":", "}")),
        // No text.
        ("a byte order mark", text(&format!("\u{feff}{object}"))),
        ("UTF-16, little end first", utf16(object, u16::to_le_bytes)),
        ("UTF-16, big end first", utf16(object, u16::to_be_bytes)),
        ("UTF-16 with a byte order mark", utf16(&format!("\u{feff}{object}"), u16::to_le_bytes)),
        ("UTF-32", object.chars().flat_map(|character| u32::from(character).to_be_bytes()).collect()),
        ("a byte that is no UTF-8", raw(b"\xff")),
        ("half a character", raw(b"\xc3")),
        ("a character that is written too long", raw(b"\xc0\xaf")),
        ("a NUL that is written too long", raw(b"\xc0\x80")),
        ("a surrogate in UTF-8", raw(b"\xed\xa0\x80")),
        ("a character past the last", raw(b"\xf4\x90\x80\x80")),
        ("half a surrogate pair", raw(b"\\ud800")),
        ("the other half", raw(b"\\udc00")),
        ("a surrogate pair the wrong way round", raw(b"\\udc00\\ud800")),
        ("half a surrogate pair and a letter", raw(b"\\ud83dx")),
        ("half a surrogate pair in a name", more("\"\\ud800\":1")),
        ("an escape that is none", raw(b"\\x41")),
        ("a NUL as it is", raw(b"\0")),
        ("a line feed as it is", raw(b"\n")),
        // A name twice.
        ("a new name twice", more("\"x\":1,\"x\":1")),
        ("a name twice, inside", more("\"x\":{\"a\":1,\"a\":2}")),
        ("a name twice, in a list", more("\"x\":[[{\"a\":1,\"b\":0,\"a\":1}]]")),
        ("a name twice, once escaped", more("\"x\":1,\"\\u0078\":2")),
        ("a name twice, inside and escaped", more("\"x\":{\"a\":1,\"\\u0061\":2}")),
        ("an empty name twice", more("\"\":1,\"\":2")),
        ("the object twice", text(&format!("{{{inside},{inside}}}"))),
    ]
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let of = Issuer::Secret;
    let (header, claims) = (of.header().to_string(), of.claims().to_string());
    let sign = |header: &[u8]| of.signer().sign_parts(&b64(header), &b64(&claims));
    let mut all = Vec::new();
    for (name, bytes) in odd_texts(&header) {
        all.push(Forgery::of(of, name, sign(&bytes), Cause::Header));
    }
    let inside = &header[1..header.len() - 1];
    for (name, text) in [
        ("alg twice", format!("{{{inside},\"alg\":\"HS256\"}}")),
        ("alg twice, none last", format!("{{{inside},\"alg\":\"none\"}}")),
        ("alg twice, none first", format!("{{\"alg\":\"none\",{inside}}}")),
        ("alg twice, none last and escaped", format!("{{{inside},\"\\u0061lg\":\"none\"}}")),
        ("typ twice", format!("{{{inside},\"typ\":\"dpop+jwt\"}}")),
        ("kid twice", format!("{{{inside},\"kid\":\"a\",\"kid\":\"b\"}}")),
        ("crit twice", format!("{{{inside},\"crit\":[\"x\"],\"crit\":[]}}")),
    ] {
        all.push(Forgery::of(of, name, sign(text.as_bytes()), Cause::Header));
    }
    all
}
