//! Supabase Auth: access tokens of a project, by an asymmetric signing key (ES256) or the legacy secret.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use usher::session::Cause;

use super::{Keys, NearMisses, POLICY, Usher, but, load, now, try_load};
use crate::support::keys::Signer;

const SUB: &str = "8ccaa7af-909f-44e7-84cb-67cdccb56be6";

fn header() -> Value {
    json!({"typ": "JWT", "kid": "3a18cfe2-7226-43b0-bbb4-7c5242f2406e"})
}

/// The key in use and the one that stands by.
fn keys(signer: &Signer) -> Keys {
    let published = |signer: &Signer, kid: &Value| {
        signer.jwk(&json!({"alg": "ES256", "use": "sig", "kid": kid, "key_ops": ["verify"], "ext": true}))
    };
    let standby = Signer::pair(Algorithm::ES256);
    Keys::Set(vec![published(signer, &header()["kid"]), published(&standby, &json!("b0a1c2d3"))])
}

fn access() -> Value {
    json!({
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": now()}],
        "app_metadata": {"provider": "email", "providers": ["email"], "roles": ["agent"]},
        "aud": "authenticated",
        "email": "alice@example.com",
        "exp": now() + 3_600,
        "iat": now(),
        "is_anonymous": false,
        "iss": "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
        "phone": "",
        "role": "authenticated",
        "session_id": "4b938a09-5372-4177-a314-cfa292099ea2",
        "sub": SUB,
        "user_metadata": {"email": "alice@example.com", "email_verified": true, "name": "Alice", "sub": SUB},
    })
}

#[tokio::test]
async fn access_tokens_of_the_project_are_sessions() {
    let signer = Signer::pair(Algorithm::ES256);
    let usher = Usher::of(&load("supabase", &keys(&signer))).await;
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    usher.takes("with a role", &sign(&access()), &["agent"], &["agent", "customer"], SUB).await;
    let plain = json!({"app_metadata": {"provider": "email", "providers": ["email"]}});
    usher.takes("without", &sign(&but(access(), &plain)), &[], &["customer"], SUB).await;
    let minimal = json!({"app_metadata": null, "user_metadata": null, "amr": null});
    usher.takes("minimal", &sign(&but(access(), &minimal)), &[], &["customer"], SUB).await;
}

#[tokio::test]
async fn what_users_or_the_database_say_is_no_role() {
    let signer = Signer::pair(Algorithm::ES256);
    let loaded = load("supabase", &keys(&signer));
    let usher = Usher::of(&loaded).await;
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    let bare = json!({"provider": "email", "providers": ["email"]});
    for (case, more) in [
        ("user_metadata", json!({"user_metadata": {"roles": ["agent"], "app_metadata": {"roles": ["agent"]}}})),
        ("the database's role", json!({"role": "agent"})),
        ("a claim at the top", json!({"roles": ["agent"]})),
        ("in the singular", json!({"app_metadata": {"provider": "email", "role": "agent"}})),
    ] {
        let claims = but(but(access(), &json!({"app_metadata": bare})), &more);
        usher.takes(case, &sign(&claims), &[], &["customer"], SUB).await;
    }
    // Nor does the Postgres role keep anybody without a role of the policy's from getting nothing.
    let without_default = POLICY.replace("[defaults]\nrole = \"customer\"\n", "");
    let usher = Usher::with_policy(&loaded, &without_default).await;
    let anonymous = json!({"app_metadata": {}, "user_metadata": {}, "is_anonymous": true, "email": "",
                           "amr": [{"method": "anonymous", "timestamp": now()}]});
    usher.answers("anonymous", &sign(&but(access(), &anonymous)), 403, "nothing_granted").await;
}

#[test]
fn user_metadata_as_a_source_of_roles_stops_the_start() {
    let keys = keys(&Signer::pair(Algorithm::ES256));
    for source in ["/user_metadata/roles", "user_metadata", "/user_metadata"] {
        let faults = try_load("supabase", &keys, &[&format!("roles = [\"{source}\"]")]).err().unwrap();
        assert!(faults.contains("which users can edit themselves"), "{source}: {faults}");
        assert!(faults.contains("acknowledge_user_editable"), "{source}: {faults}");
    }
}

/// Tokens that are almost sessions.
pub(super) fn near_misses() -> NearMisses {
    let signer = Signer::pair(Algorithm::ES256);
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    let mut all = NearMisses::new(load("supabase", &keys(&signer)), sign(&access()));
    let other = json!({"iss": "https://zyxwvutsrqponmlkjihg.supabase.co/auth/v1"});
    all.add("another project's", &sign(&but(access(), &other)), Cause::Issuer);
    all.add("for another audience", &sign(&but(access(), &json!({"aud": "anon"}))), Cause::Audience);
    // The API keys of the legacy kind are JWTs in every page.
    for role in ["anon", "service_role"] {
        let key =
            json!({"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": role, "iat": now(), "exp": now() + 3_600});
        all.add(role, &Signer::secret().sign(&key), Cause::Issuer);
    }
    let legacy = Signer::secret().sign_with(&json!({"typ": "JWT", "kid": "legacy"}), &access());
    all.add("by the legacy secret", &legacy, Cause::NoKeyFits);
    let other = Signer::pair(Algorithm::ES256).sign_with(&header(), &access());
    all.add("another key's", &other, Cause::Signature);
    all
}

#[tokio::test]
async fn what_is_not_a_users_of_the_project_is_refused() {
    near_misses().are_refused().await;
}

#[tokio::test]
async fn the_legacy_secret_serves_until_the_project_has_keys() {
    let usher = Usher::of(&load("supabase", &Keys::Secret)).await;
    for header in [json!({"typ": "JWT"}), json!({"typ": "JWT", "kid": "Wm9k1FQHcqmhZ8Zx"})] {
        let token = Signer::secret().sign_with(&header, &access());
        usher.takes("by the secret", &token, &["agent"], &["agent", "customer"], SUB).await;
    }
    let key = json!({"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": "service_role", "iat": now(),
                     "exp": now() + 3_600});
    usher.refuses("the service key", &Signer::secret().sign(&key), Cause::Issuer).await;
    let new = Signer::pair(Algorithm::ES256).sign_with(&header(), &access());
    usher.refuses("by a signing key", &new, Cause::NoKeyFits).await;
}
