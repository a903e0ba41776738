//! The `Authorization` header and what a client is told: one code for every cause.

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use crate::support::keys::{Signer, claims};
use crate::support::service::POLICY;
use crate::support::{Service, send, session};

/// Status, code and challenge of a request with these `Authorization` headers.
async fn told(service: &Service, headers: &[&[u8]]) -> (u16, String, Option<String>) {
    let mut request = service.request(Method::POST, "/chat-token");
    for header in headers {
        request = request.header("authorization", HeaderValue::from_bytes(header).unwrap());
    }
    let response = send(request).await;
    let challenge = response.header("www-authenticate").map(str::to_owned);
    (response.status, response.json()["code"].as_str().unwrap_or("none").to_owned(), challenge)
}

#[tokio::test]
async fn a_credential_is_exactly_one_bearer_token_and_anything_else_is_invalid_and_never_a_guest() {
    let guests =
        format!("{POLICY}[roles.visitor.channels]\n\"announcements\" = [\"read\"]\n[guest]\nrole = \"visitor\"\n");
    let good = session("alice", &["customer"]);
    for policy in [POLICY.to_owned(), guests.clone()] {
        let service = Service::with_policy(&policy).await;
        for good in [format!("Bearer {good}"), format!("bearer {good}"), format!("BEARER {good}")] {
            assert_eq!(told(&service, &[good.as_bytes()]).await.0, 200, "the untouched twin");
        }
        let bearer = format!("Bearer {good}");
        let bad: Vec<Vec<u8>> = vec![
            format!("Bearer  {good}").into(),
            format!("Bearer\t{good}").into(),
            format!("Bearer {good} x").into(),
            format!("Bearer {good},").into(),
            b"Bearer".to_vec(),
            b"".to_vec(),
            good.clone().into(),
            format!("Token {good}").into(),
            b"Basic YWxpY2U6c2VjcmV0".to_vec(),
            b"Bearer \xff\xfe".to_vec(),
        ];
        for header in &bad {
            let invalid = (401, "session_invalid".to_owned(), Some("Bearer error=\"invalid_token\"".to_owned()));
            assert_eq!(told(&service, &[header]).await, invalid, "{}", String::from_utf8_lossy(header));
        }
        assert_eq!(told(&service, &[bearer.as_bytes(), bearer.as_bytes()]).await.1, "session_invalid", "two headers");
        assert!(service.sandbox.received().len() == 3, "nothing more was minted");
    }
    let service = Service::with_policy(&guests).await;
    assert_eq!(told(&service, &[]).await.0, 200, "no credential at all is a guest where the policy has one");
}

#[tokio::test]
async fn no_credential_is_session_missing_with_a_bare_challenge() {
    let service = Service::start().await;
    assert_eq!(told(&service, &[]).await, (401, "session_missing".to_owned(), Some("Bearer".to_owned())));
    let (status, body) = send(service.request(Method::GET, "/chat-token/grants")).await.read();
    assert_eq!((status, body["code"].as_str()), (401, Some("session_missing")));
}

#[tokio::test]
async fn an_expired_session_is_told_so_only_where_it_is_genuine_in_everything_else() {
    let service = Service::start().await;
    let past = |more: Value| Signer::secret().sign(&claims("alice", &["customer"], -60, &more));
    let expired = |code: &str| (401, code.to_owned(), Some("Bearer error=\"invalid_token\"".to_owned()));
    let bearer = |token: String| format!("Bearer {token}");
    assert_eq!(told(&service, &[bearer(past(json!({}))).as_bytes()]).await, expired("session_expired"));
    for more in
        [json!({"aud": "other"}), json!({"iss": "other"}), json!({"sub": ""}), json!({"nbf": 99_999_999_999_i64})]
    {
        let told = told(&service, &[bearer(past(more.clone())).as_bytes()]).await;
        assert_eq!(told, expired("session_invalid"), "{more}");
    }
}

#[tokio::test]
async fn an_expiring_session_is_genuine_and_too_short() {
    let service = Service::start().await;
    let lives = |seconds: i64| Signer::secret().sign(&claims("alice", &["customer"], seconds, &json!({})));
    let (status, problem) = service.post(&lives(60), None).await.read();
    assert_eq!((status, problem["code"].as_str()), (401, Some("session_expiring")));
    // The latest moment of minting is 15 s away, so 3 minutes need that much more.
    let (status, answer) = service.post(&lives(200), None).await.read();
    assert_eq!((status, answer["ttl_limited_by"].as_str()), (200, Some("session")), "{answer}");
    assert_eq!(service.payload(&answer)["t"], 3);
}
