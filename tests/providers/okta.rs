//! Okta: access tokens of a custom authorization server.

use serde_json::{Value, json};
use usher::session::Cause;

use super::{Keys, NearMisses, POLICY, Usher, but, load, now, rsa};
use crate::support::keys::Signer;

const ISSUER: &str = "https://example.okta.com/oauth2/default";
const LOGIN: &str = "joe.user@example.com";
const UID: &str = "00uzrjisTQK1SlAMB1d5";

/// Its headers have no `typ`.
fn header() -> Value {
    json!({"kid": "DSrS4kT0z3JtZ0mAfWdJ8B9sLm5Q3rTvXc6Kq1pYyUo"})
}

fn keys(signer: &Signer) -> Keys {
    let published = |signer: &Signer, kid: &Value| signer.jwk(&json!({"alg": "RS256", "use": "sig", "kid": kid}));
    Keys::Set(vec![published(signer, &header()["kid"]), published(&rsa(), &json!("next"))])
}

fn access() -> Value {
    json!({
        "ver": 1,
        "jti": "AT.BYBJNkCefidrwo0VtGLHIZCYfSAeOyB0tVPTB6eqFss",
        "iss": ISSUER,
        "aud": "api://default",
        "iat": now(),
        "exp": now() + 3_600,
        "cid": "0oaipnnzumvqt5tiu1d6",
        "uid": UID,
        "scp": ["openid", "profile"],
        "auth_time": now() - 60,
        "sub": LOGIN,
        "groups": ["chat-agents", "Everyone"],
    })
}

/// The shipped policy with the groups' names.
fn policy(member: &str) -> String {
    let policy = POLICY.replace("support-agents", "chat-agents").replace("{sub}", member);
    assert!(policy.contains("chat-agents") && policy.contains(member));
    policy
}

#[tokio::test]
async fn access_tokens_of_the_authorization_server_are_sessions() {
    let signer = rsa();
    let loaded = load("okta", &keys(&signer));
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    let groups = ["chat-agents", "Everyone"];
    for (member, expected) in [("{uid}", UID), ("{sub}", LOGIN)] {
        let usher = Usher::with_policy(&loaded, &policy(member)).await;
        usher.takes(member, &sign(&access()), &groups, &["agent", "customer"], expected).await;
        let none = but(access(), &json!({"groups": null}));
        usher.takes("without the claim", &sign(&none), &[], &["customer"], expected).await;
    }
}

/// Tokens that are almost sessions.
pub(super) fn near_misses() -> NearMisses {
    let signer = rsa();
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    let mut all = NearMisses::new(load("okta", &keys(&signer)), sign(&access())).with_policy(policy("{uid}"));
    let id = json!({
        "sub": UID, "name": "Joe User", "email": LOGIN, "ver": 1, "iss": ISSUER, "aud": "0oaipnnzumvqt5tiu1d6",
        "iat": now(), "exp": now() + 3_600, "jti": "ID.ewMNfSvcpuqyS93OgVeCN3F2LseqROkyYjz7DNb9yhs",
        "amr": ["pwd", "mfa"],
        "idp": "00oixa26ycdNcX0VT0h7", "nonce": "UBGW", "preferred_username": LOGIN, "auth_time": now(), "at_hash": "x",
        "groups": ["chat-agents"],
    });
    all.add("the ID token", &sign(&id), Cause::Audience);
    let other = json!({"iss": "https://example.okta.com/oauth2/aus9o8wzkhckw9TLa0h7"});
    all.add("another authorization server's", &sign(&but(access(), &other)), Cause::Issuer);
    let org = json!({"iss": "https://example-admin.okta.com/oauth2/default"});
    all.add("another org's", &sign(&but(access(), &org)), Cause::Issuer);
    all.add("for another API", &sign(&but(access(), &json!({"aud": "api://orders"}))), Cause::Audience);

    // The org authorization server's: a `typ` of its own, and no published key.
    let own =
        but(access(), &json!({"iss": "https://example.okta.com", "aud": "https://example.okta.com", "groups": null}));
    let token = rsa().sign_with(&json!({"kid": "hidden", "typ": "application/okta-internal-at+jwt"}), &own);
    all.add("the org's own", &token, Cause::Type);
    all.add("the org's own, without typ", &rsa().sign_with(&json!({"kid": "hidden"}), &own), Cause::Issuer);
    all
}

#[tokio::test]
async fn what_is_not_of_the_authorization_server_is_refused() {
    near_misses().are_refused().await;
}

#[tokio::test]
async fn a_machines_token_has_no_uid_and_gets_nothing() {
    let signer = rsa();
    let usher = Usher::with_policy(&load("okta", &keys(&signer)), &policy("{uid}")).await;
    let machine =
        json!({"uid": null, "sub": "0oaipnnzumvqt5tiu1d6", "scp": ["chat"], "groups": null, "auth_time": null});
    let token = signer.sign_with(&header(), &but(access(), &machine));
    usher.answers("a machine's", &token, 403, "nothing_granted").await;
}
