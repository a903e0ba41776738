//! Auth0: access tokens for an API, by a key of `RS256`.

use serde_json::{Value, json};
use usher::session::Cause;

use super::{Keys, NearMisses, Usher, but, load, now, rsa};
use crate::support::keys::{Signer, b64};

const ISSUER: &str = "https://example.eu.auth0.com/";
const AUDIENCE: &str = "https://chat.example.com";
const SUB: &str = "auth0|5f7c8ec7c33c6c004bbafe82";
const CLIENT: &str = "dKx1mVfWzEwGQ3lTqMPm1yYjXvOe8Q2s";

fn header() -> Value {
    json!({"typ": "JWT", "kid": "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg"})
}

/// The current key and the next one, as a tenant publishes them.
fn keys(signer: &Signer) -> Keys {
    let published = |signer: &Signer, kid: &Value| {
        signer.jwk(&json!({"alg": "RS256", "use": "sig", "kid": kid, "x5t": kid, "x5c": ["MIIDDTCCAfWgAwIBAgIJ"]}))
    };
    Keys::Set(vec![published(signer, &header()["kid"]), published(&rsa(), &json!("2gfBqXqLAwHcl0NJk5mTA"))])
}

/// An access token of Auth0's own profile, with the scope `openid`, after an Action like that of the docs.
fn access() -> Value {
    json!({
        "https://example.com/roles": ["agent"],
        "iss": ISSUER,
        "sub": SUB,
        "aud": [AUDIENCE, "https://example.eu.auth0.com/userinfo"],
        "iat": now(),
        "exp": now() + 86_400,
        "scope": "openid profile email",
        "azp": CLIENT,
    })
}

/// The app's own token.
fn id() -> Value {
    json!({
        "https://example.com/roles": ["agent"],
        "nickname": "alice",
        "name": "alice@example.com",
        "picture": "https://s.gravatar.com/avatar/x",
        "updated_at": "2026-11-24T10:00:00.000Z",
        "email": "alice@example.com",
        "email_verified": true,
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": SUB,
        "iat": now(),
        "exp": now() + 36_000,
        "sid": "5QrQ4bqFbQxXkQ1hhUZl",
        "nonce": "bjhUd0F2",
    })
}

#[tokio::test]
async fn access_tokens_for_the_api_are_sessions() {
    let signer = rsa();
    let usher = Usher::of(&load("auth0", &keys(&signer))).await;
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    usher.takes("own profile", &sign(&access()), &["agent"], &["agent", "customer"], SUB).await;

    let rfc9068 = but(access(), &json!({"azp": null, "client_id": CLIENT, "jti": "73WakrfVbNJBaAmhQtEeDv"}));
    let token = signer.sign_with(&but(header(), &json!({"typ": "at+jwt"})), &rfc9068);
    usher.takes("RFC 9068's profile", &token, &["agent"], &["agent", "customer"], SUB).await;

    let social = "google-oauth2|103547991597142817347";
    let claims = but(access(), &json!({"sub": social, "aud": AUDIENCE, "https://example.com/roles": []}));
    usher.takes("by Google, without roles", &sign(&claims), &[], &["customer"], social).await;

    let machine = format!("{CLIENT}@clients");
    let claims = but(access(), &json!({"sub": machine, "aud": AUDIENCE, "gty": "client-credentials"}));
    let claims = but(claims, &json!({"https://example.com/roles": null}));
    usher.takes("a machine's is one too", &sign(&claims), &[], &["customer"], &machine).await;
}

/// Tokens that are almost sessions.
pub(super) fn near_misses() -> NearMisses {
    let signer = rsa();
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    let mut all = NearMisses::new(load("auth0", &keys(&signer)), sign(&access()));
    all.add("the ID token", &sign(&id()), Cause::Audience);
    let userinfo = but(access(), &json!({"aud": ["https://example.eu.auth0.com/userinfo"]}));
    all.add("for /userinfo alone", &sign(&userinfo), Cause::Audience);
    let other = but(access(), &json!({"aud": ["https://other.example.com", "https://example.eu.auth0.com/userinfo"]}));
    all.add("for another API", &sign(&other), Cause::Audience);
    let tenant = but(access(), &json!({"iss": "https://other.eu.auth0.com/"}));
    all.add("another tenant's", &sign(&tenant), Cause::Issuer);
    let slash = but(access(), &json!({"iss": "https://example.eu.auth0.com"}));
    all.add("without the slash", &sign(&slash), Cause::Issuer);

    // Asked for without an audience: encrypted for Auth0 itself, or a string that means nothing to anybody else.
    let head = json!({"alg": "dir", "enc": "A256GCM", "iss": ISSUER});
    let encrypted = format!("{}..{}.{}.{}", b64(head.to_string()), b64("iv"), b64("ciphertext"), b64("tag"));
    all.add("encrypted", &encrypted, Cause::NotThreeParts);
    all.add("opaque", "9i0oMfHrcXGSgfvbXM0SXA4IcmdPqVnZ", Cause::NotThreeParts);

    all.add("another key's", &rsa().sign_with(&header(), &access()), Cause::Signature);
    let unknown = but(header(), &json!({"kid": "ZZZ"}));
    all.add("a key that is not published", &signer.sign_with(&unknown, &access()), Cause::NoKeyFits);
    all
}

#[tokio::test]
async fn what_is_not_for_the_api_is_refused() {
    near_misses().are_refused().await;
}

#[tokio::test]
async fn roles_are_read_from_the_claim_of_the_action_alone() {
    let signer = rsa();
    let usher = Usher::of(&load("auth0", &keys(&signer))).await;
    for other in ["roles", "permissions", "/roles", "https://example.com/role", "https://example.com/roles/"] {
        let claims = but(access(), &json!({"https://example.com/roles": null, other: ["agent"]}));
        usher.takes(other, &signer.sign_with(&header(), &claims), &[], &["customer"], SUB).await;
    }
    let nested =
        but(access(), &json!({"https://example.com/roles": null, "https:": {"": {"example.com": {"roles": "agent"}}}}));
    usher.takes("it is no path", &signer.sign_with(&header(), &nested), &[], &["customer"], SUB).await;
}
