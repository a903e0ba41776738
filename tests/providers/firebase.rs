//! Firebase Authentication: ID tokens, by Google's keys, which are the same for every project.

use serde_json::{Value, json};
use usher::session::Cause;

use super::{Keys, NearMisses, POLICY, Usher, but, load, now, rsa};
use crate::support::keys::Signer;

const UID: &str = "Jb0kYh3mQxT2v9Wl5cRz8nPa1eD2";

fn header() -> Value {
    json!({"typ": "JWT", "kid": "2c2b1a6d0e3f4a5b6c7d8e9f0a1b2c3d4e5f6a7b"})
}

fn keys(signer: &Signer) -> Keys {
    let published = |signer: &Signer, kid: &Value| signer.jwk(&json!({"alg": "RS256", "use": "sig", "kid": kid}));
    Keys::Set(vec![published(&rsa(), &json!("b5e9a9c0")), published(signer, &header()["kid"])])
}

/// An ID token after a sign-in with Google, with a custom claim.
fn id() -> Value {
    json!({
        "name": "Alice Example",
        "picture": "https://lh3.googleusercontent.com/a/x",
        "roles": ["agent"],
        "iss": "https://securetoken.google.com/example-project",
        "aud": "example-project",
        "auth_time": now() - 60,
        "user_id": UID,
        "sub": UID,
        "iat": now(),
        "exp": now() + 3_600,
        "email": "alice@example.com",
        "email_verified": true,
        "firebase": {
            "identities": {"google.com": ["103547991597142817347"], "email": ["alice@example.com"]},
            "sign_in_provider": "google.com",
        },
    })
}

fn anonymous() -> Value {
    json!({
        "provider_id": "anonymous",
        "iss": "https://securetoken.google.com/example-project",
        "aud": "example-project",
        "auth_time": now(),
        "user_id": UID,
        "sub": UID,
        "iat": now(),
        "exp": now() + 3_600,
        "firebase": {"identities": {}, "sign_in_provider": "anonymous"},
    })
}

#[tokio::test]
async fn id_tokens_of_the_project_are_sessions() {
    let signer = rsa();
    let loaded = load("firebase", &keys(&signer));
    let usher = Usher::of(&loaded).await;
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    usher.takes("with a custom claim", &sign(&id()), &["agent"], &["agent", "customer"], UID).await;
    usher.takes("without one", &sign(&but(id(), &json!({"roles": null}))), &[], &["customer"], UID).await;

    let anybody = sign(&anonymous());
    usher.takes("anonymous: like any other", &anybody, &[], &["customer"], UID).await;
    let without_default = POLICY.replace("[defaults]\nrole = \"customer\"\n", "");
    assert_ne!(without_default, POLICY);
    let usher = Usher::with_policy(&loaded, &without_default).await;
    usher.answers("anonymous, where there is no default role", &anybody, 403, "nothing_granted").await;
    usher.takes("with a role", &sign(&id()), &["agent"], &["agent", "customer"], UID).await;
}

/// Tokens that are almost sessions.
pub(super) fn near_misses() -> NearMisses {
    let signer = rsa();
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    let mut all = NearMisses::new(load("firebase", &keys(&signer)), sign(&id()));
    // Genuine in Google's eyes, by the very same key.
    let other = json!({"iss": "https://securetoken.google.com/other-project", "aud": "other-project"});
    all.add("another project's", &sign(&but(id(), &other)), Cause::Issuer);
    let mixed = json!({"aud": "other-project"});
    all.add("another project's audience", &sign(&but(id(), &mixed)), Cause::Audience);
    let cookie = json!({"iss": "https://session.firebase.google.com/example-project"});
    all.add("a session cookie", &sign(&but(id(), &cookie)), Cause::Issuer);

    let account = "firebase-adminsdk@example-project.iam.gserviceaccount.com";
    let custom = json!({
        "iss": account, "sub": account, "uid": UID, "claims": {"roles": ["agent"]}, "iat": now(), "exp": now() + 3_600,
        "aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit",
    });
    let token = rsa().sign_with(&json!({"typ": "JWT"}), &custom);
    all.add("a custom token", &token, Cause::Issuer);
    let google = json!({
        "iss": "https://accounts.google.com", "azp": "1.apps.googleusercontent.com",
        "aud": "1.apps.googleusercontent.com",
        "sub": "103547991597142817347", "email": "alice@example.com", "iat": now(), "exp": now() + 3_600,
    });
    all.add("Google's own ID token", &sign(&google), Cause::Issuer);
    let gone = but(header(), &json!({"kid": "withdrawn"}));
    all.add("a withdrawn key's", &signer.sign_with(&gone, &id()), Cause::NoKeyFits);
    all
}

#[tokio::test]
async fn what_is_not_of_the_project_is_refused() {
    near_misses().are_refused().await;
}

#[tokio::test]
async fn a_users_own_profile_gives_no_role() {
    let signer = rsa();
    let usher = Usher::of(&load("firebase", &keys(&signer))).await;
    let claims = but(id(), &json!({"roles": null, "name": "agent", "firebase": {"roles": ["agent"]}, "role": "agent"}));
    usher.takes("a name", &signer.sign_with(&header(), &claims), &[], &["customer"], UID).await;
}

#[tokio::test]
async fn a_uid_that_the_server_chose_may_need_the_hash() {
    let signer = rsa();
    let loaded = load("firebase", &keys(&signer));
    let uid = "line:U4af4980629";
    let token = signer.sign_with(&header(), &but(id(), &json!({"sub": uid, "user_id": uid})));
    Usher::of(&loaded).await.answers("as it is", &token, 403, "nothing_granted").await;
    let hashed = format!("{:x}", <sha2::Sha256 as sha2::Digest>::digest(uid));
    let usher = Usher::with_member(&loaded, "{sub|sha256}").await;
    usher.takes("as a hash", &token, &["agent"], &["agent", "customer"], &hashed).await;
}
