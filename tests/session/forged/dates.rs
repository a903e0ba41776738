//! `exp`, `nbf` and `iat` that are missing, no dates, or not now (RFC 7519 §4.1). Each signature is genuine.

use serde_json::{Value, json};
use usher::session::{Cause, Refusal};

use super::issuers::Issuer;
use super::{Forgery, START};

/// Beyond the leeway of 30 s for longer than the tests take.
const FAR: i64 = 1_800;

/// What is no `NumericDate`, with its name; the good date is in it.
fn odd(good: i64) -> Vec<(&'static str, Value)> {
    vec![
        ("null", json!(null)),
        ("digits in a text", json!(good.to_string())),
        ("an empty text", json!("")),
        ("a date of RFC 3339", json!("2099-01-01T00:00:00Z")),
        ("a date of RFC 9110", json!("Thu, 01 Jan 2099 00:00:00 GMT")),
        ("true", json!(true)),
        ("false", json!(false)),
        ("an empty list", json!([])),
        ("a list of a date", json!([good])),
        ("an empty object", json!({})),
        ("an object of a date", json!({"$date": good})),
        ("in milliseconds", json!(good * 1_000)),
        ("the first second of the year 10000", json!(253_402_300_800_i64)),
        ("a fraction past the year 9999", json!(253_402_300_799.5)),
        ("the most of 63 bits", json!(i64::MAX)),
        ("the most of 64 bits", json!(u64::MAX)),
        ("almost the largest double", json!(1e308)),
    ]
}

/// Numbers that JSON's text has and this service's numbers have not.
const NO_DOUBLES: [(&str, &str); 3] =
    [("no double", "1e400"), ("no double and negative", "-1e400"), ("a very long number", "1e999999999")];

/// The good claims, with this text for a claim that they have.
fn with_text(of: Issuer, name: &str, number: &str) -> String {
    let claims = of.claims_with(&json!({name: "HERE"})).to_string().replace("\"HERE\"", number);
    of.signer().sign_text(&of.header().to_string(), &claims)
}

pub(super) fn forgeries() -> Vec<Forgery> {
    let of = Issuer::Secret;
    let start = *START;
    let mut all = Vec::new();
    for (claim, good) in [("exp", start + 3_600), ("nbf", start), ("iat", start)] {
        let twin = of.by_claims(&json!({claim: good}));
        let mut beside_it = |name: &str, token: String, why: Cause| {
            all.push(Forgery::of(of, format!("{claim}: {name}"), token, why).beside(twin.clone()));
        };
        for (name, value) in odd(good) {
            beside_it(name, of.by_claims(&json!({claim: value})), Cause::Time(claim));
        }
        for (name, number) in NO_DOUBLES {
            beside_it(name, with_text(of, claim, number), Cause::Claims);
        }
        // A double of 21 digits, as JavaScript would write a sum of texts.
        beside_it("two dates in a row", with_text(of, claim, &format!("{good}{good}")), Cause::Time(claim));
    }
    let aged = Issuer::Aged;
    for (of, name, token) in [
        (of, "exp: missing", of.without("exp")),
        (aged, "iat: missing where there is a greatest age", aged.without("iat")),
    ] {
        all.push(Forgery::of(of, name, token, Cause::Time(if of == aged { "iat" } else { "exp" })));
    }
    for (claim, value) in
        [("nbf", start + FAR), ("nbf", 253_402_300_799), ("iat", start + FAR), ("iat", 253_402_300_799)]
    {
        let token = of.by_claims(&json!({claim: value}));
        let name = format!("{claim}: {} s ahead", value - start);
        all.push(Forgery::of(of, name, token, Cause::Early(claim)).beside(of.by_claims(&json!({claim: start}))));
    }
    all.extend(over());
    all
}

/// Genuine sessions that are over.
fn over() -> Vec<Forgery> {
    let (of, aged, start) = (Issuer::Secret, Issuer::Aged, *START);
    let dates = [
        ("now", json!(start)),
        ("a second ago", json!(start - 1)),
        ("29 s ago, within the leeway", json!(start - 29)),
        ("a fraction of a second ago", json!(f64::from(u32::try_from(start).unwrap()) - 0.25)),
        ("a year ago", json!(start - 31_536_000)),
        ("zero", json!(0)),
        ("zero with a sign", json!(-0.0)),
        ("one", json!(1)),
        ("negative", json!(-1)),
        ("a negative fraction", json!(-0.5)),
        ("the date, negative", json!(-(start + 3_600))),
        ("the least of 64 bits", json!(i64::MIN)),
        ("almost the least double", json!(-1e308)),
        ("hardly a number", json!(5e-324)),
    ];
    let mut all: Vec<Forgery> = dates
        .into_iter()
        .map(|(name, exp)| {
            Forgery::of(of, format!("exp: {name}"), of.by_claims(&json!({"exp": exp})), Refusal::Expired)
        })
        .collect();
    all.push(Forgery::of(of, "exp: so small that it is zero", with_text(of, "exp", "1e-400"), Refusal::Expired));
    for (name, iat) in
        [("its greatest age ago", start - 600), ("a day ago", start - 86_400), ("zero", 0), ("negative", -start)]
    {
        let token = aged.by_claims(&json!({"iat": iat}));
        all.push(Forgery::of(aged, format!("iat: {name}, where there is a greatest age"), token, Refusal::Expired));
    }
    all
}
