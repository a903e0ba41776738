//! Keycloak: access tokens of a realm, whose keys include one for encryption.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use usher::session::Cause;

use super::{Keys, NearMisses, POLICY, Usher, but, load, load_with, now, option, rsa};
use crate::support::keys::Signer;

const ISSUER: &str = "https://login.example.com/realms/example";
const SUB: &str = "1b3a7b1e-6f0c-4f6f-9b0e-2f6f5b9f7c11";

fn header() -> Value {
    json!({"typ": "JWT", "kid": "f00Nx1JvGZx6mUXk3JgkQ2b6J7yq0cA5Vd8v1cTqL4M"})
}

/// As `…/protocol/openid-connect/certs` has them: the active key, the one before it, and one for encryption.
fn keys_of(signer: &Signer, encryption: &Signer) -> Keys {
    let published = |signer: &Signer, kid: &Value, alg: &str, purpose: &str| {
        let more = json!({"kid": kid, "alg": alg, "use": purpose, "x5c": ["MIICnTCCAYUCBgGK"], "x5t": "kf1L",
                          "x5t#S256": "3n0B"});
        signer.jwk(&more)
    };
    Keys::Set(vec![
        published(encryption, &json!("enc-1"), "RSA-OAEP", "enc"),
        published(signer, &header()["kid"], "RS256", "sig"),
        published(&rsa(), &json!("passive"), "RS256", "sig"),
    ])
}

fn keys(signer: &Signer) -> Keys {
    keys_of(signer, &rsa())
}

/// An access token of the client `web`, with an audience mapper.
fn access() -> Value {
    json!({
        "exp": now() + 300,
        "iat": now(),
        "auth_time": now() - 60,
        "jti": "onrtac:8b0e3b7e-8a44-4b1c-8f0e-1b7f6e0e2b6a",
        "iss": ISSUER,
        "aud": ["usher", "account"],
        "sub": SUB,
        "typ": "Bearer",
        "azp": "web",
        "sid": "0c7d9f0e-37d4-4a5e-8d5f-2f6b1c3a9e55",
        "acr": "1",
        "allowed-origins": ["https://app.example.com"],
        "realm_access": {"roles": ["default-roles-example", "offline_access", "agent", "uma_authorization"]},
        "resource_access": {
            "account": {"roles": ["manage-account", "manage-account-links", "view-profile"]},
            "usher": {"roles": ["moderator"]},
        },
        "scope": "openid email profile",
        "email_verified": true,
        "name": "Alice Example",
        "preferred_username": "alice",
        "given_name": "Alice",
        "family_name": "Example",
        "email": "alice@example.com",
    })
}

const REALM_ROLES: [&str; 4] = ["default-roles-example", "offline_access", "agent", "uma_authorization"];

#[tokio::test]
async fn access_tokens_of_the_realm_are_sessions() {
    let signer = rsa();
    let usher = Usher::of(&load("keycloak", &keys(&signer))).await;
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    usher.takes("by the mapper", &sign(&access()), &REALM_ROLES, &["agent", "customer"], SUB).await;
    let only = but(access(), &json!({"aud": "usher", "realm_access": {"roles": ["default-roles-example"]}}));
    usher.takes("the mapper's alone", &sign(&only), &["default-roles-example"], &["customer"], SUB).await;
    let none = but(access(), &json!({"realm_access": null}));
    usher.takes("no realm role at all", &sign(&none), &[], &["customer"], SUB).await;
}

#[tokio::test]
async fn a_clients_roles_can_be_read_instead() {
    let signer = rsa();
    let usher = Usher::of(&load_with("keycloak", &keys(&signer), &[&option("keycloak", "roles")])).await;
    let token = signer.sign_with(&header(), &access());
    usher.takes("usher's", &token, &["moderator"], &["agent", "customer", "moderator"], SUB).await;
}

/// Tokens that are almost sessions.
pub(super) fn near_misses() -> NearMisses {
    let (signer, encryption) = (rsa(), rsa());
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    let mut all = NearMisses::new(load("keycloak", &keys_of(&signer, &encryption)), sign(&access()));
    let id = but(
        access(),
        &json!({"aud": "web", "typ": "ID", "at_hash": "x", "nonce": "y", "allowed-origins": null, "scope": null,
                "realm_access": null, "resource_access": null}),
    );
    all.add("the ID token", &sign(&id), Cause::Audience);
    all.add("without the mapper", &sign(&but(access(), &json!({"aud": "account"}))), Cause::Audience);
    all.add("without any role", &sign(&but(access(), &json!({"aud": null}))), Cause::Audience);
    let realm = but(access(), &json!({"iss": "https://login.example.com/realms/other"}));
    all.add("another realm's", &sign(&realm), Cause::Issuer);
    let inside = but(access(), &json!({"iss": "http://keycloak:8080/realms/example"}));
    all.add("by an inner address", &sign(&inside), Cause::Issuer);
    let lightweight = but(access(), &json!({"sub": null, "realm_access": null, "resource_access": null}));
    all.add("lightweight, without `basic`", &sign(&lightweight), Cause::Subject);

    // A refresh token is for the realm itself, by a secret of its own.
    let refresh = json!({"exp": now() + 1_800, "iat": now(), "jti": "x", "iss": ISSUER, "aud": ISSUER, "sub": SUB,
                         "typ": "Refresh", "azp": "web", "sid": "y", "scope": "openid"});
    let secret = Signer::secret().by(Algorithm::HS512);
    let token = secret.sign_with(&json!({"typ": "JWT", "kid": "5f1c5ff8"}), &refresh);
    all.add("a refresh token", &token, Cause::NoKeyFits);
    let token = encryption.sign_with(&json!({"typ": "JWT", "kid": "enc-1"}), &access());
    all.add("by the key for encryption", &token, Cause::NoKeyFits);
    all
}

#[tokio::test]
async fn what_is_not_for_usher_is_refused() {
    near_misses().are_refused().await;
}

#[tokio::test]
async fn five_minutes_are_enough_while_more_than_three_are_left() {
    let signer = rsa();
    let usher = Usher::of(&load("keycloak", &keys(&signer))).await;
    let (status, answer) = usher.service.post(&signer.sign_with(&header(), &access()), None).await.read();
    assert_eq!((status, answer["ttl_limited_by"].as_str()), (200, Some("session")), "{answer}");
    assert!((180..=240).contains(&answer["expires_in"].as_i64().unwrap()), "{answer}");
    let late = but(access(), &json!({"exp": now() + 180, "iat": now() - 120}));
    usher.answers("late", &signer.sign_with(&header(), &late), 401, "session_expiring").await;
}

#[tokio::test]
async fn a_federated_users_subject_has_the_separator() {
    let signer = rsa();
    let loaded = load("keycloak", &keys(&signer));
    let sub = "f:4f2ad4d9-5f9f-4f54-8a2b-0c9c1c2c5a90:alice";
    let token = signer.sign_with(&header(), &but(access(), &json!({"sub": sub})));
    let usher = Usher::of(&loaded).await;
    usher.answers("as it is", &token, 403, "nothing_granted").await;
    let hashed = format!("{:x}", <sha2::Sha256 as sha2::Digest>::digest(sub));
    let usher = Usher::with_member(&loaded, "{sub|sha256}").await;
    usher.takes("as a hash", &token, &REALM_ROLES, &["agent", "customer"], &hashed).await;
    let slashes = POLICY.replacen("version = 1", "version = 1\nseparator = \"/\"", 1);
    let slashes = slashes.replace("\"support:", "\"support/").replace("\"project:", "\"project/");
    let usher = Usher::with_policy(&loaded, &slashes).await;
    let (status, grants) = usher.service.grants(&token).await.read();
    assert_eq!((status, grants["member_id"].as_str()), (200, Some(sub)), "with another separator");
}
