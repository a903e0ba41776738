//! Keys behind a URL: fetched at the start, and what is served while they cannot be had.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use usher::session::{KeySettings, Refusal, Verifier};

use super::{RSA, facts, good, ours, taken};
use crate::support::keys::{Signer, claims};
use crate::support::service::{Service, Setup, issuer};
use usher::session::IssuerSettings;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What a provider answers.
type Answer = Box<dyn Fn() -> Response + Send + Sync>;

/// A provider whose key set is this answer, and how often it was asked.
async fn provider(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> (url::Url, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let jwks = get(move || {
        count.fetch_add(1, Ordering::SeqCst);
        let answer = answer();
        async move { answer }
    });
    let elsewhere = RSA.jwk(&json!({}));
    let elsewhere = get(move || async move { axum::Json(json!({"keys": [elsewhere]})) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap()).parse().unwrap();
    let router = Router::new().route("/jwks.json", jwks).route("/elsewhere.json", elsewhere);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

fn at(url: url::Url) -> IssuerSettings {
    IssuerSettings { keys: KeySettings::JwksUrl(url), ..ours() }
}

#[tokio::test]
async fn keys_are_fetched_at_the_start() {
    let (url, asked) = provider(|| axum::Json(json!({"keys": [RSA.jwk(&json!({"kid": "k"}))]})).into_response()).await;
    let verifier = Verifier::open(vec![at(url)]).unwrap();
    let token = RSA.sign_with(&json!({"kid": "k"}), &good());
    let unavailable = Refusal::KeysUnavailable("app".to_owned());
    assert_eq!(facts(&verifier, &token).unwrap_err(), unavailable, "nothing is fetched by opening");
    let kept_fresh = verifier.fetch_keys(usher::telemetry::clock::now, PATIENCE).await.unwrap();
    taken(&verifier, &token, "fetched");
    for _ in 0..20 {
        let _ = facts(&verifier, &RSA.sign_with(&json!({"kid": "unknown", "jku": "http://127.0.0.1:1/"}), &good()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "and not because a token says so");
    assert_eq!(kept_fresh.len(), 1);
}

#[tokio::test]
async fn a_set_that_cannot_be_had_leaves_no_key() {
    let good_set = || json!({"keys": [RSA.jwk(&json!({}))]}).to_string();
    let answers: Vec<(&str, Answer)> = vec![
        ("an error", Box::new(|| http::StatusCode::INTERNAL_SERVER_ERROR.into_response())),
        ("an error with a set", Box::new(move || (http::StatusCode::NOT_FOUND, good_set()).into_response())),
        ("a redirect", Box::new(|| Redirect::temporary("/elsewhere.json").into_response())),
        ("garbage", Box::new(|| "<html>".into_response())),
        ("no set", Box::new(|| axum::Json(json!({"key": []})).into_response())),
        ("an empty set", Box::new(|| axum::Json(json!({"keys": []})).into_response())),
        ("over 1 MiB", Box::new(move || format!("{}{}", good_set(), " ".repeat(1 << 20)).into_response())),
    ];
    for (case, answer) in answers {
        let answer = Arc::new(answer);
        let (url, asked) = provider(move || answer()).await;
        let verifier = Verifier::open(vec![at(url)]).unwrap();
        let _kept_fresh = verifier.fetch_keys(usher::telemetry::clock::now, PATIENCE).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{case}");
        let refusal = facts(&verifier, &RSA.sign(&good())).unwrap_err();
        assert_eq!(refusal, Refusal::KeysUnavailable("app".to_owned()), "{case}");
    }
}

#[tokio::test]
async fn an_issuer_without_keys_is_a_503_and_touches_no_other() {
    let corp = IssuerSettings {
        issuer: "https://corp.example.com/".to_owned(),
        name: "corp".to_owned(),
        ..at("http://127.0.0.1:1/jwks".parse().unwrap())
    };
    let policy = "version = 1\n[member]\nid = \"{issuer}:{sub}\"\n[roles.customer]\nissuers = [\"app\", \"corp\"]\n\
                  [roles.customer.channels]\n\"a\" = [\"read\"]\n";
    let issuers = vec![issuer("app", crate::support::ISSUER), corp];
    let service = Service::with(Setup { policy: policy.to_owned(), issuers, ..Setup::default() }).await;
    let session = |iss: &str| Signer::secret().sign(&claims("alice", &["customer"], 3_600, &json!({"iss": iss})));
    let answer = service.post(&session("https://corp.example.com/"), None).await;
    let retry: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=300).contains(&retry));
    let (status, problem) = answer.read();
    assert_eq!((status, problem["code"].as_str()), (503, Some("session_keys_unavailable")));
    assert_eq!(service.post(&session(crate::support::ISSUER), None).await.status, 200);
}
