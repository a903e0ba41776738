//! When a session begins and ends: `exp`, `nbf`, `iat`, the leeway, the greatest age, and what may outlive it.

use std::time::Duration;

use serde_json::{Value, json};
use usher::chat::Timestamp;
use usher::session::{Cause, IssuerSettings, Refusal, Verifier};

use super::{NOW, facts_at, good, open, ours, refused, taken, with, without};
use crate::support::keys::{Signer, at};

const NOW_MS: i64 = NOW * 1_000;

fn signed(claims: &Value) -> String {
    Signer::secret().sign(claims)
}

fn outcome(verifier: &Verifier, claims: &Value, now_ms: i64) -> Option<Refusal> {
    facts_at(verifier, &signed(claims), Timestamp::from_millis(now_ms)).err()
}

/// The usual issuer with these, in seconds.
fn issuer(leeway: u64, max_age: Option<u64>, outlive: u64) -> Verifier {
    let seconds = Duration::from_secs;
    open(IssuerSettings { leeway: seconds(leeway), max_age: max_age.map(seconds), outlive: seconds(outlive), ..ours() })
}

/// What is no `NumericDate`.
fn no_dates() -> Vec<Value> {
    let past_9999 = [json!(253_402_300_800_u64), json!(253_402_300_800.0), json!(u64::MAX), json!(1e300)];
    let odd = [json!(null), json!(""), json!("1900000000"), json!(true), json!([]), json!([NOW]), json!({"t": NOW})];
    past_9999.into_iter().chain(odd).collect()
}

#[test]
fn exp_is_required_and_a_date_up_to_the_year_9999() {
    let verifier = open(ours());
    refused(&verifier, &signed(&without("exp")), Cause::Time("exp"), "missing");
    for exp in no_dates() {
        refused(&verifier, &signed(&with(&json!({"exp": exp}))), Cause::Time("exp"), &exp);
    }
    let last = json!({"exp": 253_402_300_799_i64});
    assert_eq!(taken(&verifier, &signed(&with(&last)), "the last").ends, Some(at(253_402_300_799)));
}

#[test]
fn at_its_exp_a_session_is_over_and_no_leeway_prolongs_it() {
    for leeway in [0, 30, 86_400] {
        let verifier = issuer(leeway, None, 0);
        let claims = with(&json!({"exp": NOW + 10}));
        assert_eq!(outcome(&verifier, &claims, NOW_MS + 9_999), None, "{leeway}");
        assert_eq!(outcome(&verifier, &claims, NOW_MS + 10_000), Some(Refusal::Expired), "{leeway}");
        assert_eq!(outcome(&verifier, &claims, NOW_MS + 10_001), Some(Refusal::Expired), "{leeway}");
    }
}

#[test]
fn times_may_have_fractions() {
    let verifier = issuer(30, Some(3_600), 0);
    let at_half = |name: &str, seconds: i64| {
        let text = good().to_string();
        let mut claims: Value = serde_json::from_str(&text).unwrap();
        claims[name] = serde_json::from_str(&format!("{seconds}.5")).unwrap();
        claims
    };
    for (name, claims, good_at, bad_at, why) in [
        ("exp", at_half("exp", NOW), NOW_MS + 499, NOW_MS + 500, Refusal::Expired),
        ("nbf", at_half("nbf", NOW + 30), NOW_MS + 500, NOW_MS + 499, Cause::Early("nbf").into()),
        ("iat", at_half("iat", NOW + 30), NOW_MS + 500, NOW_MS + 499, Cause::Early("iat").into()),
        ("max_age", at_half("iat", NOW - 3_600), NOW_MS + 499, NOW_MS + 500, Refusal::Expired),
    ] {
        assert_eq!(outcome(&verifier, &claims, good_at), None, "{name}");
        assert_eq!(outcome(&verifier, &claims, bad_at), Some(why), "{name}");
    }
    let exponent = signed(&good()).len();
    assert!(exponent > 0);
    let text = good().to_string().replace(&format!("\"exp\":{}", NOW + 3_600), "\"exp\":1.8000036e9");
    let facts = taken(&verifier, &Signer::secret().sign_text(r#"{"alg":"HS256"}"#, &text), "an exponent");
    assert_eq!(facts.ends, Some(at(NOW + 3_600)));
}

#[test]
fn an_exp_before_1970_is_a_date_and_long_over() {
    let verifier = open(ours());
    for exp in [json!(0), json!(-1), json!(-1.5), json!(i64::MIN), json!(-1e300)] {
        assert_eq!(outcome(&verifier, &with(&json!({"exp": exp})), NOW_MS), Some(Refusal::Expired), "{exp}");
    }
}

#[test]
fn nbf_and_iat_may_be_ahead_by_the_leeway_and_no_more() {
    for name in ["nbf", "iat"] {
        for leeway in [0_i64, 30] {
            let verifier = issuer(leeway.unsigned_abs(), None, 0);
            let claims = with(&json!({name: NOW}));
            let earliest = NOW_MS - leeway * 1_000;
            assert_eq!(outcome(&verifier, &claims, earliest), None, "{name} {leeway}");
            let early = Some(Cause::Early(if name == "nbf" { "nbf" } else { "iat" }).into());
            let mut claims = with(&json!({"iat": NOW - 3_600}));
            claims[name] = json!(NOW);
            assert_eq!(outcome(&verifier, &claims, earliest - 1), early, "{name} {leeway}");
            assert_eq!(outcome(&verifier, &claims, earliest - 1_000), early, "{name} {leeway}");
        }
    }
}

#[test]
fn nbf_and_iat_may_be_absent_and_are_dates_where_they_are_there() {
    let verifier = open(ours());
    taken(&verifier, &signed(&good()), "no nbf");
    taken(&verifier, &signed(&without("iat")), "no iat");
    for name in ["nbf", "iat"] {
        for past in [json!(0), json!(-1), json!(-1e300), json!(NOW - 1)] {
            taken(&verifier, &signed(&with(&json!({name: past}))), (name, past));
        }
        for odd in no_dates() {
            refused(&verifier, &signed(&with(&json!({name: odd}))), Cause::Time(name), (name, &odd));
        }
    }
}

#[test]
fn a_session_that_is_wrong_and_over_is_wrong_and_not_told_that_it_is_over() {
    let verifier = issuer(30, Some(3_600), 0);
    let over = |more: &Value| {
        let mut claims = with(&json!({"exp": NOW - 10}));
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    assert_eq!(outcome(&verifier, &over(&json!({})), NOW_MS), Some(Refusal::Expired), "the twin");
    for (wrong, cause) in [
        (json!({"iss": "https://other.example.com/"}), Cause::Issuer),
        (json!({"aud": "x"}), Cause::Audience),
        (json!({"aud": null}), Cause::Audience),
        (json!({"sub": ""}), Cause::Subject),
        (json!({"nbf": NOW + 31}), Cause::Early("nbf")),
        (json!({"nbf": null}), Cause::Time("nbf")),
        (json!({"iat": NOW + 31}), Cause::Early("iat")),
        (json!({"iat": null}), Cause::Time("iat")),
    ] {
        refused(&verifier, &signed(&over(&wrong)), cause, &wrong);
    }
    let claims = over(&json!({}));
    let own = Signer::secret();
    refused(&verifier, &own.sign_with(&json!({"typ": "id+jwt"}), &claims), Cause::Type, "typ");
    refused(&verifier, &own.sign_with(&json!({"alg": "RS256"}), &claims), Cause::NoKeyFits, "alg");
    let other = Signer::secret_of("another secret that is long enough to be one", own.algorithm);
    refused(&verifier, &other.sign(&claims), Cause::Signature, "signature");
    let mut no_iat = claims;
    no_iat.as_object_mut().unwrap().remove("iat");
    refused(&verifier, &own.sign(&no_iat), Cause::Time("iat"), "no iat where there is a greatest age");
}

#[test]
fn a_session_is_over_at_its_greatest_age_by_an_iat_that_is_then_required() {
    let verifier = issuer(30, Some(600), 0);
    assert_eq!(outcome(&verifier, &good(), NOW_MS + 599_999), None);
    assert_eq!(outcome(&verifier, &good(), NOW_MS + 600_000), Some(Refusal::Expired));
    refused(&verifier, &signed(&without("iat")), Cause::Time("iat"), "missing");
    for iat in [json!(-1), json!(i64::MIN), json!(-1e300)] {
        assert_eq!(outcome(&verifier, &with(&json!({"iat": iat})), NOW_MS), Some(Refusal::Expired), "{iat}");
    }
    let unlimited = issuer(30, None, 0);
    assert_eq!(outcome(&unlimited, &good(), NOW_MS + 3_599_999), None, "without one only exp counts");
    assert_eq!(outcome(&unlimited, &without("iat"), NOW_MS), None);
}

#[test]
fn what_a_session_allows_ends_at_the_sooner_of_both_ends_and_outlives_it_as_the_issuer_may() {
    for (max_age, outlive, ends) in [
        (None, 0, NOW + 3_600),
        (None, 60, NOW + 3_660),
        (Some(600), 0, NOW + 600),
        (Some(600), 60, NOW + 660),
        (Some(3_600), 0, NOW + 3_600),
        (Some(7_200), 0, NOW + 3_600),
        (Some(7_200), 900, NOW + 4_500),
    ] {
        let facts = taken(&issuer(30, max_age, outlive), &signed(&good()), (max_age, outlive));
        assert_eq!(facts.ends, Some(at(ends)), "{max_age:?} {outlive}");
    }
    let endless = taken(&issuer(30, Some(u64::MAX), u64::MAX), &signed(&good()), "the longest");
    assert_eq!(endless.ends, Some(Timestamp::from_millis(i64::MAX)), "no overflow");
}

#[test]
fn what_may_outlive_a_session_does_not_prolong_the_session() {
    let verifier = issuer(30, Some(600), 86_400);
    assert_eq!(outcome(&verifier, &good(), NOW_MS + 599_999), None);
    assert_eq!(outcome(&verifier, &good(), NOW_MS + 600_000), Some(Refusal::Expired));
    let verifier = issuer(30, None, 86_400);
    assert_eq!(outcome(&verifier, &good(), NOW_MS + 3_599_999), None);
    assert_eq!(outcome(&verifier, &good(), NOW_MS + 3_600_000), Some(Refusal::Expired));
}
