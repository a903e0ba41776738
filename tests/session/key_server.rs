//! Keys behind a URL on good days and bad ones: rotation, outages, answers of no use, and what a token can make us fetch.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use usher::chat::Timestamp;
use usher::session::{Cause, IssuerSettings, KeySettings, Refusal, Verifier};
use usher::telemetry::clock;

use super::{OTHER_RSA, P256, RSA, ours};
use crate::support::keys::{Signer, claims};
use crate::support::provider::Provider;
use crate::support::service::issuer;
use crate::support::wait_for;

const PATIENCE: Duration = Duration::from_secs(10);
const HOUR: i64 = 3_600_000;

fn at(provider: &Provider) -> IssuerSettings {
    let url = format!("{}/jwks.json", provider.url).parse().unwrap();
    IssuerSettings { keys: KeySettings::JwksUrl(url), ..ours() }
}

/// A verifier of these issuers that has fetched once, and what keeps its keys fresh.
async fn fetched(issuers: Vec<IssuerSettings>) -> (Verifier, JoinSet<()>) {
    let verifier = Verifier::open(issuers).unwrap();
    let kept_fresh = verifier.fetch_keys(clock::now, PATIENCE).await.unwrap();
    (verifier, kept_fresh)
}

fn token(signer: &Signer, kid: &str) -> String {
    signer.sign_with(&json!({"kid": kid}), &claims("alice", &["customer"], 30 * 24 * 3_600, &json!({})))
}

/// What a token proves, now; keys may be fetched for it.
async fn tried(verifier: &Verifier, token: &str) -> Result<(), Refusal> {
    verifier.authenticate(token, clock::now()).await.map(drop)
}

fn tried_at(verifier: &Verifier, token: &str, now: Timestamp) -> Result<(), Refusal> {
    verifier.verify(token, now).map(drop)
}

fn none_fits() -> Result<(), Refusal> {
    Err(Refusal::Invalid(Cause::NoKeyFits))
}

#[tokio::test]
async fn a_new_kid_is_fetched_at_once_one_fetch_however_many_wait() {
    let provider = Provider::start().await;
    provider.keys(&[RSA.jwk(&json!({"kid": "old"}))]);
    let (verifier, _fresh) = fetched(vec![at(&provider)]).await;
    assert_eq!(tried(&verifier, &token(&RSA, "old")).await, Ok(()));
    provider.keys(&[RSA.jwk(&json!({"kid": "old"})), OTHER_RSA.jwk(&json!({"kid": "new"}))]);
    assert_eq!(provider.asked("/jwks.json"), 1, "a kid that is known costs nothing");

    let new = token(&OTHER_RSA, "new");
    let tries = (0..100).map(|_| tried(&verifier, &new));
    let results = futures_all(tries).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(provider.asked("/jwks.json"), 2);
    assert_eq!(tried(&verifier, &token(&RSA, "old")).await, Ok(()), "the old one is still there");
}

/// All of them at once.
async fn futures_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_done = true;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(ready) => *output = Some(ready),
                    std::task::Poll::Pending => is_done = false,
                }
            }
        }
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pending.into_iter().map(|(_, output)| output.unwrap()).collect()
}

#[tokio::test]
async fn a_thousand_unknown_kids_cause_one_fetch() {
    let provider = Provider::start().await;
    provider.keys(&[RSA.jwk(&json!({"kid": "a"}))]);
    let (verifier, _fresh) = fetched(vec![at(&provider)]).await;
    for number in 0..1_000 {
        assert_eq!(tried(&verifier, &token(&RSA, &format!("random-{number}"))).await, none_fits());
    }
    assert_eq!(provider.asked("/jwks.json"), 2, "one at the start, and one for all of these");
    assert_eq!(tried(&verifier, &token(&RSA, "a")).await, Ok(()));
}

#[tokio::test]
async fn nothing_else_in_a_token_makes_us_fetch_anything() {
    let provider = Provider::start().await;
    let evil = Provider::start().await;
    evil.keys(&[OTHER_RSA.jwk(&json!({"kid": "a"}))]);
    provider.keys(&[RSA.jwk(&json!({"kid": "a"}))]);
    let (verifier, _fresh) = fetched(vec![at(&provider)]).await;
    let there = format!("{}/jwks.json", evil.url);
    let own = claims("alice", &["customer"], 3_600, &json!({}));
    for (case, header, claims, cause) in [
        ("jku", json!({"kid": "a", "jku": there}), own.clone(), Cause::Signature),
        ("x5u", json!({"kid": "a", "x5u": there}), own.clone(), Cause::Signature),
        ("jwk", json!({"kid": "a", "jwk": OTHER_RSA.jwk(&json!({}))}), own.clone(), Cause::Signature),
        ("x5c", json!({"kid": "a", "x5c": ["MIIB"]}), own.clone(), Cause::Signature),
        ("a kid that is a URL", json!({"kid": there}), own.clone(), Cause::NoKeyFits),
        ("iss", json!({"kid": "a"}), super::with(&json!({"iss": evil.url})), Cause::Issuer),
        ("no kid and another algorithm", json!({"alg": "RS512"}), own, Cause::NoKeyFits),
    ] {
        let forged = OTHER_RSA.sign_with(&header, &claims);
        assert_eq!(tried(&verifier, &forged).await, Err(Refusal::Invalid(cause)), "{case}");
    }
    assert_eq!(evil.all_asked(), Vec::<String>::new());
    assert_eq!(provider.asked("/jwks.json"), 2, "the unknown kid alone");
}

/// An answer of no use.
type Bad = (&'static str, fn() -> Response);

#[tokio::test]
async fn an_answer_of_no_use_changes_nothing() {
    let garbage: [Bad; 9] = [
        ("an error", || http::StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        ("gone", || http::StatusCode::NOT_FOUND.into_response()),
        ("no JSON", || "<html>".into_response()),
        ("no set", || axum::Json(json!([])).into_response()),
        ("an empty set", || axum::Json(json!({"keys": []})).into_response()),
        ("a set of secrets", || axum::Json(json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "b"}]})).into_response()),
        ("a name twice", || "{\"keys\": [], \"keys\": [{}]}".into_response()),
        ("100 MB", || {
            let chunk = bytes::Bytes::from(vec![b' '; 1 << 20]);
            Body::from_stream(endless(chunk, 100)).into_response()
        }),
        ("a redirect", || Redirect::temporary("/elsewhere.json").into_response()),
    ];
    for (case, answer) in garbage {
        let provider = Provider::start().await;
        provider.keys(&[RSA.jwk(&json!({"kid": "a"}))]);
        provider.json("/elsewhere.json", json!({"keys": [OTHER_RSA.jwk(&json!({"kid": "b"}))]}));
        let (verifier, _fresh) = fetched(vec![at(&provider)]).await;
        provider.at("/jwks.json", answer);
        assert_eq!(tried(&verifier, &token(&OTHER_RSA, "b")).await, none_fits(), "{case}");
        assert_eq!(provider.asked("/jwks.json"), 2, "{case}");
        assert_eq!(provider.asked("/elsewhere.json"), 0, "{case}: redirects are not followed");
        assert_eq!(tried(&verifier, &token(&RSA, "a")).await, Ok(()), "{case}: the last good keys serve on");
        assert_eq!(verifier.key_status(clock::now())[0].usable, 1, "{case}");
    }
}

/// A body of `count` such pieces.
fn endless(
    piece: bytes::Bytes,
    count: usize,
) -> impl tokio_stream::Stream<Item = Result<bytes::Bytes, std::io::Error>> {
    tokio_stream::iter((0..count).map(move |_| Ok(piece.clone())))
}

#[tokio::test]
async fn a_provider_that_is_slow_is_not_waited_for_for_long_and_keeps_nobody_else_waiting() {
    let slow = Provider::start().await;
    let good = Provider::start().await;
    let good_iss = "https://good.example.com/";
    slow.keys(&[RSA.jwk(&json!({"kid": "a"}))]);
    good.keys(&[P256.jwk(&json!({"kid": "a"}))]);
    let other = IssuerSettings {
        keys: KeySettings::JwksUrl(format!("{}/jwks.json", good.url).parse().unwrap()),
        ..issuer("good", good_iss)
    };
    let (verifier, _fresh) = fetched(vec![at(&slow), other]).await;
    slow.at("/jwks.json", || {
        let drops = tokio_stream::StreamExt::throttle(
            tokio_stream::iter((0..1_000).map(|_| Ok::<_, std::io::Error>(bytes::Bytes::from_static(b" ")))),
            Duration::from_millis(200),
        );
        Body::from_stream(drops).into_response()
    });
    let started = Instant::now();
    let new = token(&OTHER_RSA, "new");
    let waiting = tried(&verifier, &new);
    let meanwhile = async {
        let claims = claims("bob", &["customer"], 3_600, &json!({"iss": good_iss}));
        for _ in 0..100 {
            assert_eq!(tried(&verifier, &P256.sign_with(&json!({"kid": "a"}), &claims)).await, Ok(()));
            assert_eq!(tried(&verifier, &token(&RSA, "a")).await, Ok(()), "nor those of the slow one that have a key");
        }
        started.elapsed()
    };
    let (waited, meanwhile) = tokio::join!(waiting, meanwhile);
    assert_eq!(waited, none_fits());
    assert!(meanwhile < Duration::from_secs(4), "{meanwhile:?}");
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_last_good_keys_serve_for_so_long_and_never_past_it() {
    let provider = Provider::start().await;
    provider.keys(&[RSA.jwk(&json!({"kid": "a"}))]);
    let day = IssuerSettings { keys_max_stale: Duration::from_hours(24), ..at(&provider) };
    let (verifier, _fresh) = fetched(vec![day]).await;
    let good = token(&RSA, "a");
    let now = clock::now();
    let later = |hours: i64| now.plus_millis(hours * HOUR);
    assert_eq!(tried_at(&verifier, &good, later(48)), Ok(()), "while nothing fails, time alone says nothing");

    provider.at("/jwks.json", || http::StatusCode::SERVICE_UNAVAILABLE.into_response());
    assert_eq!(tried(&verifier, &token(&RSA, "unknown")).await, none_fits(), "from here on it fails");
    for (hours, usable) in [(0, 1), (1, 1), (23, 1), (25, 0), (48, 0)] {
        let status = &verifier.key_status(later(hours))[0];
        assert_eq!(status.usable, usable, "{hours}");
        assert!((status.failing_for - hours * 3_600).abs() < 60, "{hours}: {status:?}");
        let expected = if usable == 1 { Ok(()) } else { Err(Refusal::KeysUnavailable("app".to_owned())) };
        assert_eq!(tried_at(&verifier, &good, later(hours)), expected, "{hours}");
    }
}

#[tokio::test]
async fn a_remembered_session_does_not_outlive_its_keys() {
    let provider = Provider::start().await;
    provider.keys(&[RSA.jwk(&json!({"kid": "a"}))]);
    let verifier = Verifier::open(vec![at(&provider)]).unwrap().remembering();
    let _fresh = verifier.fetch_keys(clock::now, PATIENCE).await.unwrap();
    let good = token(&RSA, "a");
    assert_eq!(tried(&verifier, &good).await, Ok(()));
    // Withdrawn: another key has its place and its name.
    provider.keys(&[OTHER_RSA.jwk(&json!({"kid": "a"})), P256.jwk(&json!({"kid": "b"}))]);
    assert_eq!(tried(&verifier, &token(&P256, "b")).await, Ok(()), "fetched");
    assert_eq!(tried(&verifier, &good).await, Err(Refusal::Invalid(Cause::Signature)));
    let stale = clock::now().plus_millis(25 * HOUR);
    provider.at("/jwks.json", || http::StatusCode::SERVICE_UNAVAILABLE.into_response());
    let other = token(&OTHER_RSA, "a");
    assert_eq!(tried(&verifier, &other).await, Ok(()));
    assert_eq!(tried_at(&verifier, &other, stale), Ok(()), "nothing has failed yet");
}

#[tokio::test]
async fn a_provider_that_was_down_at_the_start_is_asked_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/jwks.json").parse().unwrap();
    let (verifier, _fresh) = fetched(vec![IssuerSettings { keys: KeySettings::JwksUrl(url), ..ours() }]).await;
    let good = token(&RSA, "a");
    assert_eq!(tried(&verifier, &good).await, Err(Refusal::KeysUnavailable("app".to_owned())));
    let provider = Provider::on(tokio::net::TcpListener::bind(address).await.unwrap());
    provider.keys(&[RSA.jwk(&json!({"kid": "a"}))]);
    // It is tried again every 10 s.
    wait_for(Duration::from_secs(20), async || tried(&verifier, &good).await).await;
    assert_eq!(provider.asked("/jwks.json"), 1);
}

#[tokio::test]
async fn one_key_of_no_use_does_not_spoil_the_set_and_a_kid_twice_is_tried_twice() {
    let provider = Provider::start().await;
    let odd: [Value; 6] = [
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}),
        json!({"kty": "future", "kid": "a"}),
        json!("no key at all"),
        OTHER_RSA.jwk(&json!({"kid": "a", "use": "enc"})),
        OTHER_RSA.jwk(&json!({"kid": "a", "key_ops": ["encrypt"]})),
        OTHER_RSA.jwk(&json!({"kid": "a", "alg": "RSA-OAEP"})),
    ];
    let good = [P256.jwk(&json!({"kid": "a"})), RSA.jwk(&json!({"kid": "a"}))];
    provider.keys(&[&odd[..], &good[..]].concat());
    let (verifier, _fresh) = fetched(vec![at(&provider)]).await;
    for (signer, expected) in
        [(&*RSA, Ok(())), (&*P256, Ok(())), (&*OTHER_RSA, Err(Refusal::Invalid(Cause::Signature)))]
    {
        assert_eq!(tried(&verifier, &token(signer, "a")).await, expected);
    }
    provider.keys(&[OTHER_RSA.jwk(&json!({"kid": "twice"})), RSA.jwk(&json!({"kid": "twice"}))]);
    for signer in [&*RSA, &*OTHER_RSA] {
        assert_eq!(tried(&verifier, &token(signer, "twice")).await, Ok(()));
    }
}
