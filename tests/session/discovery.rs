//! Discovery: OpenID Connect's place, then RFC 8414's; only exactly the configured issuer is believed.

use axum::response::{IntoResponse as _, Redirect};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use usher::session::{Cause, IssuerSettings, KeySettings, Refusal, Verifier};
use usher::telemetry::clock;

use super::{OTHER_RSA, RSA, ours};
use crate::support::keys::{Signer, claims};
use crate::support::provider::Provider;

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// A verifier that discovers this issuer's keys, after it did so once.
async fn discovered(issuer: &str) -> (Verifier, JoinSet<()>) {
    let settings = IssuerSettings { issuer: issuer.to_owned(), keys: KeySettings::Discovery, ..ours() };
    let verifier = Verifier::open(vec![settings]).unwrap();
    let fresh = verifier.fetch_keys(clock::now, std::time::Duration::from_secs(10)).await.unwrap();
    (verifier, fresh)
}

fn token(signer: &Signer, issuer: &str, kid: &str) -> String {
    signer.sign_with(&json!({"kid": kid}), &claims("alice", &["customer"], 3_600, &json!({"iss": issuer})))
}

async fn tried(verifier: &Verifier, issuer: &str) -> Result<(), Refusal> {
    verifier.authenticate(&token(&RSA, issuer, "a"), clock::now()).await.map(drop)
}

fn unavailable() -> Result<(), Refusal> {
    Err(Refusal::KeysUnavailable("app".to_owned()))
}

fn with_keys(provider: &Provider) -> Value {
    provider.keys(&[RSA.jwk(&json!({"kid": "a"}))]);
    json!(format!("{}/jwks.json", provider.url))
}

#[tokio::test]
async fn the_keys_are_where_the_issuer_says() {
    for path in ["", "/", "/realms/app", "/realms/app/", "/a//b/"] {
        let provider = Provider::start().await;
        let issuer = format!("{}{path}", provider.url);
        let place = format!("{}{OPENID}", path.strip_suffix('/').unwrap_or(path));
        provider.json(&place, json!({"issuer": issuer, "jwks_uri": with_keys(&provider), "more": [1, 2]}));
        let (verifier, _fresh) = discovered(&issuer).await;
        assert_eq!(tried(&verifier, &issuer).await, Ok(()), "{issuer}: {:?}", provider.all_asked());
        assert_eq!(provider.all_asked(), [place, "/jwks.json".to_owned()]);
    }
}

#[tokio::test]
async fn after_a_404_it_is_rfc_8414s_place() {
    for (path, place) in [("", OAUTH.to_owned()), ("/tenant/1/", format!("{OAUTH}/tenant/1"))] {
        let provider = Provider::start().await;
        let issuer = format!("{}{path}", provider.url);
        provider.json(&place, json!({"issuer": issuer, "jwks_uri": with_keys(&provider)}));
        let (verifier, _fresh) = discovered(&issuer).await;
        assert_eq!(tried(&verifier, &issuer).await, Ok(()), "{issuer}: {:?}", provider.all_asked());
    }
    // Anything else than a 404 is a bad day, and no reason to ask elsewhere.
    let provider = Provider::start().await;
    provider.at(OPENID, || http::StatusCode::BAD_GATEWAY.into_response());
    provider.json(OAUTH, json!({"issuer": provider.url, "jwks_uri": with_keys(&provider)}));
    let (verifier, _fresh) = discovered(&provider.url).await;
    assert_eq!(tried(&verifier, &provider.url).await, unavailable());
    assert_eq!(provider.all_asked(), [OPENID]);
}

#[tokio::test]
async fn a_document_that_is_not_exactly_this_issuers_is_not_believed() {
    let provider = Provider::start().await;
    let (own, keys) = (provider.url.clone(), with_keys(&provider));
    for (case, document) in [
        ("another issuer", json!({"issuer": "https://evil.example/", "jwks_uri": keys})),
        ("a slash more", json!({"issuer": format!("{own}/"), "jwks_uri": keys})),
        ("no issuer", json!({"jwks_uri": keys})),
        ("an issuer in a list", json!({"issuer": [own], "jwks_uri": keys})),
        ("no jwks_uri", json!({"issuer": own})),
        ("jwks_uri is no URL", json!({"issuer": own, "jwks_uri": "/jwks.json"})),
        ("jwks_uri is a file", json!({"issuer": own, "jwks_uri": "file:///etc/passwd"})),
        ("plain http beyond loopback", json!({"issuer": own, "jwks_uri": "http://192.0.2.1/jwks.json"})),
        ("no object", json!("text")),
    ] {
        provider.json(OPENID, document);
        let (verifier, _fresh) = discovered(&own).await;
        assert_eq!(tried(&verifier, &own).await, unavailable(), "{case}");
        assert_eq!(provider.asked("/jwks.json"), 0, "{case}");
    }
    provider.at(OPENID, || "{\"issuer\": \"x\", \"issuer\": \"x\"}".into_response());
    assert_eq!(tried(&discovered(&own).await.0, &own).await, unavailable(), "a name twice");
    provider.at(OPENID, || " ".repeat(2 << 20).into_response());
    assert_eq!(tried(&discovered(&own).await.0, &own).await, unavailable(), "2 MiB");
    let there = json!({"issuer": own, "jwks_uri": keys});
    provider.json("/elsewhere", there.clone());
    provider.at(OPENID, || Redirect::temporary("/elsewhere").into_response());
    assert_eq!(tried(&discovered(&own).await.0, &own).await, unavailable(), "a redirect");
    provider.json(OPENID, there);
    assert_eq!(tried(&discovered(&own).await.0, &own).await, Ok(()), "the twin");
}

#[tokio::test]
async fn while_its_metadata_cannot_be_had_its_keys_are_where_they_were() {
    let provider = Provider::start().await;
    let own = provider.url.clone();
    provider.json(OPENID, json!({"issuer": own, "jwks_uri": with_keys(&provider)}));
    let (verifier, _fresh) = discovered(&own).await;
    provider.at(OPENID, || http::StatusCode::BAD_GATEWAY.into_response());
    provider.keys(&[OTHER_RSA.jwk(&json!({"kid": "new"}))]);
    let new = token(&OTHER_RSA, &own, "new");
    assert_eq!(verifier.authenticate(&new, clock::now()).await.map(drop), Ok(()));
    assert_eq!(verifier.key_status(clock::now())[0].failing_for, 0);
    let old = verifier.authenticate(&token(&RSA, &own, "a"), clock::now()).await.map(drop);
    assert_eq!(old, Err(Refusal::Invalid(Cause::NoKeyFits)), "withdrawn");
}
