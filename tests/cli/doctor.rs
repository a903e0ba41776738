//! `usher doctor`: the real things, asked line by line; a session check by check; nothing is minted.

use axum::response::IntoResponse as _;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::keys::{Signer, claims};
use crate::support::provider::Provider;
use crate::support::tls::Certificate;
use crate::support::{API_TOKEN, CommandLine, ISSUER, RunningSandbox, SECRET, complete, issuer_of, session, with};

/// Exit code and lines, in a place of its own, with these further variables.
fn doctor(place: &CommandLine, space: &str, more: &[(&str, &str)], options: &[&str]) -> (i32, String) {
    let variables = more.iter().fold(complete(space), |all, (name, value)| with(all, name, value));
    let (code, stdout, stderr) = place.run(&[&["doctor"], options].concat(), &variables);
    assert!(!(stdout.clone() + &stderr).contains(API_TOKEN), "{stdout}{stderr}");
    (code, stdout + &stderr)
}

fn line<'a>(told: &'a str, start: &str) -> &'a str {
    told.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} is not in:\n{told}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well() {
    let stand_in = RunningSandbox::start().await;
    let space = stand_in.url.clone();
    let provider = Provider::start().await;
    let signer = Signer::pair(Algorithm::ES256);
    let odd = json!({"kty": "oct", "k": "AAAA", "kid": "odd"});
    provider.keys(&[signer.jwk(&json!({"kid": "one"})), odd]);
    let issuers = format!("[{}]", issuer_of(&format!("jwks_url = \"{}/jwks.json\"", provider.url)));
    let (code, told) = doctor(&CommandLine::with_policy(), &space, &[("USHER__SESSION__ISSUERS", &issuers)], &[]);
    assert_eq!(code, 0, "{told}");
    assert!(line(&told, "ok    keys of `app`").contains("ES256 (kid one)"), "{told}");
    assert!(line(&told, "note  keys of `app`").contains("odd"), "{told}");
    line(&told, "ok    clock of `app`");
    assert!(line(&told, "ok    signalwire").contains(&space), "{told}");
    line(&told, "ok    policy: [ttl] default 15m, max 60m, min 3m");
    let asked = stand_in.received();
    assert_eq!(asked.iter().map(|request| request.body.as_str()).collect::<Vec<_>>(), ["{}"], "nothing was minted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_told_with_what_to_do() {
    let stand_in = RunningSandbox::with_token("PT-another-token").await;
    let space = stand_in.url.clone();
    let (code, told) = doctor(&CommandLine::with_policy(), &space, &[], &[]);
    assert_eq!(code, 1);
    let failed = told.split("FAIL  signalwire").nth(1).unwrap();
    assert!(failed.contains("401") && failed.contains("Chat scope"), "{told}");

    let stand_in = RunningSandbox::start().await;
    let space = stand_in.url.clone();
    let (code, told) = doctor(&CommandLine::with_policy(), "http://127.0.0.1:9", &[], &[]);
    assert!(code == 1 && told.contains("FAIL  signalwire") && told.contains("the way there"), "{told}");

    let provider = Provider::start().await;
    let signer = Signer::pair(Algorithm::RS256);
    let set = json!({"keys": [signer.jwk(&json!({"kid": "one"}))]});
    let issuers = |path: &str| format!("[{}]", issuer_of(&format!("jwks_url = \"{}{path}\"", provider.url)));
    provider.at("/late.json", move || {
        ([("date", "Tue, 15 Nov 1994 08:12:31 GMT")], axum::Json(set.clone())).into_response()
    });
    provider.json("/empty.json", json!({"keys": []}));
    for (path, start, said) in [
        ("/gone.json", "FAIL  keys of `app`", "answered 404"),
        ("/empty.json", "FAIL  keys of `app`", "no key that can be used"),
        ("/late.json", "FAIL  clock of `app`", "s from ours"),
    ] {
        let (code, told) =
            doctor(&CommandLine::with_policy(), &space, &[("USHER__SESSION__ISSUERS", &issuers(path))], &[]);
        assert_eq!(code, 1, "{path}: {told}");
        assert!(line(&told, start).contains(said), "{path}: {told}");
        line(&told, "ok    signalwire");
    }

    let place = CommandLine::empty();
    place.write("config/policy.toml", "version = 1\n[ttl]\nmin = \"1m\"\n[roles.a.channels]\n\"x\" = [\"read\"]\n");
    let (code, told) = doctor(&place, &space, &[], &[]);
    assert!(code == 1 && told.contains("FAIL  policy") && told.contains("two minutes"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ca_certificates_there_is_no_https_and_http_does_not_care() {
    let none = [("SSL_CERT_FILE", "/nowhere.pem"), ("SSL_CERT_DIR", "/nowhere")];
    let (code, told) = doctor(&CommandLine::with_policy(), "https://127.0.0.1:9", &none, &[]);
    assert!(code != 0 && told.contains("no HTTPS client can be had"), "{told}");
    // With a CA of its own it needs none of the machine's.
    let place = CommandLine::with_policy();
    place.write("ca.pem", Certificate::new().pem);
    let own = [none[0], none[1], ("USHER__SIGNALWIRE__CA_FILE", "ca.pem")];
    let (_, told) = doctor(&place, "https://127.0.0.1:9", &own, &[]);
    assert!(!told.contains("no HTTPS client can be had") && told.contains("the way there"), "{told}");
    let stand_in = RunningSandbox::start().await;
    let space = stand_in.url.clone();
    let (code, told) = doctor(&CommandLine::with_policy(), &space, &none, &[]);
    assert_eq!(code, 0, "{told}");
}

/// Where a token stops, and what is told of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_gone_through_check_by_check() {
    let stand_in = RunningSandbox::start().await;
    let space = stand_in.url.clone();
    let secret = Signer::secret();
    let signed = |more: &Value| secret.sign(&claims("alice", &["customer"], 3_600, more));
    let other = Signer::secret_of(&"x".repeat(64), Algorithm::HS256).sign(&claims("alice", &[], 3_600, &json!({})));
    for (case, token, code, stops, said) in [
        ("good", session("alice", &["customer"]), 0, "", ""),
        ("no token", "nonsense".to_owned(), 1, "form", "three parts"),
        (
            "its header",
            secret.sign_with(&json!({"typ": "logout+jwt"}), &claims("a", &[], 60, &json!({}))),
            1,
            "form",
            "typ",
        ),
        (
            "a slash less",
            signed(&json!({"iss": ISSUER.trim_end_matches('/')})),
            1,
            "issuer",
            "iss \"https://login.example.com\"",
        ),
        (
            "another algorithm",
            Signer::secret_of(SECRET, Algorithm::HS512).sign(&claims("a", &[], 60, &json!({}))),
            1,
            "key",
            "HS512",
        ),
        ("another secret", other, 1, "signature", "not its issuer's"),
        (
            "for somebody else",
            signed(&json!({"aud": "https://other.example.com"})),
            1,
            "audience",
            "https://other.example.com",
        ),
        ("nobody's", signed(&json!({"sub": ""})), 1, "subject", "sub \"\""),
        ("over", secret.sign(&claims("alice", &[], -60, &json!({}))), 1, "dates", "expired"),
    ] {
        let place = CommandLine::with_policy();
        place.write("session", token.clone() + "\n");
        let (status, told) = doctor(&place, &space, &[], &["--session", "session"]);
        assert_eq!(status, code, "{case}: {told}");
        if stops.is_empty() {
            for check in ["form", "issuer", "key", "signature", "audience", "subject", "dates"] {
                line(&told, &format!("ok    session, {check}"));
            }
            line(&told, "ok    session, member: alice");
            assert!(line(&told, "ok    session, policy").contains("customer"), "{told}");
        } else {
            assert!(line(&told, &format!("FAIL  session, {stops}")).contains(said), "{case}: {told}");
            assert_eq!(told.matches("FAIL").count(), 1, "{case}: {told}");
        }
        let signature = token.rsplit('.').next().unwrap();
        assert!(!told.contains(signature) || signature == "nonsense", "{case}: the token itself is not shown");
    }
}

#[test]
fn what_it_needs_is_told_with_3() {
    let place = CommandLine::with_policy();
    assert_eq!(place.run::<&str, &str>(&["doctor"], &[]).0, 3, "no settings");
    let (code, _, stderr) = place.run(&["doctor", "--session", "gone"], &complete("http://127.0.0.1:9"));
    assert!(code == 3 && stderr.contains("--session gone"), "{stderr}");
}
