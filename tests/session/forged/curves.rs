//! Signatures on curves at the edges of their arithmetic (CVE-2022-21449 and its kin), or written otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;
use crate::support::keys::{Signer, b64};

/// The orders of the groups (SP 800-186, RFC 8032 §5.1).
const N_P256: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const N_P384: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
const L_ED25519: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The order of this issuer's curve, big-endian.
pub(super) fn order(of: Issuer) -> Vec<u8> {
    hex(match of {
        Issuer::P384 => N_P384,
        Issuer::Ed25519 => L_ED25519,
        _ => N_P256,
    })
}

/// Big-endian, both of the same length, `a` not the smaller.
pub(super) fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (mut borrow, mut digits) = (0_i16, Vec::new());
    for (a, b) in a.iter().rev().zip(b.iter().rev()) {
        let digit = i16::from(*a) - i16::from(*b) - borrow;
        borrow = i16::from(digit < 0);
        digits.push(digit.rem_euclid(256).to_le_bytes()[0]);
    }
    digits.into_iter().rev().collect()
}

/// ASN.1's INTEGER of a number that is not negative.
fn integer(number: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = number.iter().copied().skip_while(|digit| *digit == 0).collect();
    if digits.first().is_none_or(|first| *first >= 0x80) {
        digits.insert(0, 0);
    }
    [&[2, u8::try_from(digits.len()).unwrap()][..], &digits].concat()
}

/// RFC 3279 §2.2.3, as TLS and most tools write it.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()][..], &both].concat()
}

/// What may stand in the place of r and s.
fn ecdsa(of: Issuer, r: &[u8], s: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let n = order(of);
    let zero = vec![0; n.len()];
    let mut one = zero.clone();
    *one.last_mut().unwrap() = 1;
    let less = difference(&n, &one);
    let pair = |r: &[u8], s: &[u8]| [r, s].concat();
    let backwards = |number: &[u8]| number.iter().rev().copied().collect::<Vec<_>>();
    vec![
        ("r and s zero", pair(&zero, &zero)),
        ("r zero", pair(&zero, s)),
        ("s zero", pair(r, &zero)),
        ("r and s one", pair(&one, &one)),
        ("r one", pair(&one, s)),
        ("s one", pair(r, &one)),
        ("r and s the order", pair(&n, &n)),
        ("r the order", pair(&n, s)),
        ("s the order", pair(r, &n)),
        ("r zero and s the order", pair(&zero, &n)),
        ("r and s the order less one", pair(&less, &less)),
        ("r for s", pair(s, r)),
        ("r twice", pair(r, r)),
        ("s twice", pair(s, s)),
        ("r negated", pair(&difference(&n, r), s)),
        ("r and s negated", pair(&difference(&n, r), &difference(&n, s))),
        ("r and s each with a zero before", [&[0], r, &[0], s].concat()),
        ("r and s backwards", pair(&backwards(r), &backwards(s))),
        ("in DER", der(r, s)),
        ("zeros in DER", der(&zero, &zero)),
        ("a format's byte before", [&[4], r, s].concat()),
    ]
}

/// The same of Ed25519: a point R and a number S, little-endian.
fn ed25519(r: &[u8], s: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let order: Vec<u8> = order(Issuer::Ed25519).into_iter().rev().collect();
    let zero = vec![0; 32];
    // The neutral point, and one of small order.
    let mut neutral = zero.clone();
    neutral[0] = 1;
    let flipped = |number: &[u8], bit: u8| {
        let mut number = number.to_vec();
        number[31] ^= bit;
        number
    };
    let mut carry = 0;
    let plus_order: Vec<u8> = s
        .iter()
        .zip(&order)
        .map(|(a, b)| {
            let digit = u16::from(*a) + u16::from(*b) + carry;
            carry = digit >> 8;
            digit.to_le_bytes()[0]
        })
        .collect();
    let pair = |r: &[u8], s: &[u8]| [r, s].concat();
    vec![
        ("S and the order", pair(r, &plus_order)),
        ("S the order", pair(r, &order)),
        ("S zero", pair(r, &zero)),
        ("R neutral and S zero", pair(&neutral, &zero)),
        ("R of small order and S zero", pair(&zero, &zero)),
        ("R no point", pair(&[0xff; 32], s)),
        ("R on the other side", pair(&flipped(r, 0x80), s)),
        ("S with its first bit", pair(r, &flipped(s, 0x80))),
        ("S with its third bit", pair(r, &flipped(s, 0x20))),
        ("S for R", pair(s, r)),
        ("R twice", pair(r, r)),
    ]
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let mut all = Vec::new();
    for of in [Issuer::P256, Issuer::P384, Issuer::Ed25519] {
        let twin = of.token();
        let (input, signature) = twin.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (r, s) = signature.split_at(signature.len() / 2);
        let odd = if of == Issuer::Ed25519 { ed25519(r, s) } else { ecdsa(of, r, s) };
        for (name, bytes) in odd {
            let token = format!("{input}.{}", b64(bytes));
            all.push(Forgery::of(of, format!("{name}, of {of:?}"), token, Cause::Signature).beside(twin.clone()));
        }
        // A key on another curve under a header that names the right algorithm.
        for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
            if algorithm != of.signer().algorithm {
                let token = Signer::pair(algorithm).sign_with(&of.header(), &of.claims());
                let name = format!("a signature by {algorithm:?} under {of:?}'s header");
                all.push(Forgery::of(of, name, token, Cause::Signature));
            }
        }
    }
    all
}
