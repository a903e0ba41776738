//! The corpus over a socket: a forgery is answered as any nonsense is, and nothing is minted for it.

use http::HeaderValue;
use reqwest::Method;
use serde_json::Value;
use usher::session::Refusal;

use super::issuers::{Issuer, IssuerSet};
use super::{Forgery, START};
use crate::support::{Service, Setup, send};

/// What a client sees of an answer: status, challenge and body without the request's id.
type Told = (u16, Option<String>, Value);

/// A service that knows all issuers of the corpus.
pub(super) async fn service() -> Service {
    let issuers = IssuerSet::new();
    Service::with(Setup { policy: IssuerSet::policy(), issuers: issuers.settings(), ..Setup::default() }).await
}

/// What is answered where this stands after `Bearer `.
pub(super) async fn told(service: &Service, token: &str) -> Told {
    let credential = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).unwrap();
    let response = send(service.request(Method::POST, "/chat-token").header("authorization", credential)).await;
    let mut body = response.json();
    body.as_object_mut().unwrap().remove("request_id");
    (response.status, response.header("www-authenticate").map(str::to_owned), body)
}

/// Whether a header can carry it as it is: no control characters, and white space at its end would be the header's
/// (RFC 9110 §5.5).
pub(crate) fn fits_a_header(token: &str) -> bool {
    let is_text = HeaderValue::from_bytes(token.as_bytes()).is_ok();
    is_text && token.trim_end_matches([' ', '\t']) == token
}

/// That a twin is given a token, and a forgery what nonsense is given, or an expired session where that is its only
/// fault.
pub(super) async fn refuse(forgeries: &[Forgery]) {
    let service = service().await;
    let expired = Issuer::Secret.by_claims(&serde_json::json!({"exp": *START - 60}));
    let (invalid, expired) = (told(&service, "nonsense").await, told(&service, &expired).await);
    for (told, code) in [(&invalid, "session_invalid"), (&expired, "session_expired")] {
        assert_eq!((told.0, told.2["code"].as_str()), (401, Some(code)));
    }
    let mut minted = 0;
    for Forgery { name, twin, token, why, .. } in forgeries.iter().filter(|case| fits_a_header(&case.token)) {
        let case = format!("{name}: {token}");
        let answer = told(&service, twin).await;
        assert_eq!(answer.0, 200, "{case}: the twin: {answer:?}");
        minted += 1;
        // The whole body is the one that every such credential gets, so nothing in it is about this one.
        let wanted = if *why == Refusal::Expired { &expired } else { &invalid };
        assert_eq!(told(&service, token).await, *wanted, "{case}");
        assert_eq!(service.sandbox.received().len(), minted, "{case}: something was minted");
    }
    assert!(minted > 0, "none of them was sent");
}
