//! Amazon Cognito: access tokens of a user pool, which have `client_id` and no `aud`, and ID tokens by another key.

use serde_json::{Value, json};
use usher::session::Cause;

use super::{Keys, NearMisses, POLICY, Usher, but, load, load_with, now, rsa};
use crate::support::keys::Signer;

const ISSUER: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE";
const CLIENT: &str = "1example23456789";
const SUB: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

/// The pool's two keys.
struct Pool {
    access: Signer,
    id: Signer,
}

impl Pool {
    fn new() -> Self {
        Self { access: rsa(), id: rsa() }
    }

    fn keys(&self) -> Keys {
        let published = |signer: &Signer, kid: &str| signer.jwk(&json!({"alg": "RS256", "use": "sig", "kid": kid}));
        Keys::Set(vec![published(&self.id, "1234example="), published(&self.access, "5678example=")])
    }

    /// Its headers have no `typ`.
    fn sign_access(&self, claims: &Value) -> String {
        self.access.sign_with(&json!({"kid": "5678example="}), claims)
    }

    fn sign_id(&self, claims: &Value) -> String {
        self.id.sign_with(&json!({"kid": "1234example="}), claims)
    }
}

fn access() -> Value {
    json!({
        "sub": SUB,
        "device_key": "eu-central-1_6d0b3f1e-0a8b-4f0e-9a8e-7f4f4f5b1c11",
        "cognito:groups": ["agent", "eu-central-1_EXAMPLE_Google"],
        "iss": ISSUER,
        "version": 2,
        "client_id": CLIENT,
        "origin_jti": "aaaaaaaa-bbbb-4ccc-8ddd-000000000001",
        "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
        "token_use": "access",
        "scope": "phone openid profile email",
        "auth_time": now(),
        "exp": now() + 3_600,
        "iat": now(),
        "jti": "aaaaaaaa-bbbb-4ccc-8ddd-000000000002",
        "username": "janedoe@example.com",
    })
}

fn id() -> Value {
    json!({
        "sub": SUB,
        "cognito:groups": ["agent"],
        "email_verified": true,
        "cognito:preferred_role": "arn:aws:iam::111122223333:role/my-test-role",
        "iss": ISSUER,
        "cognito:username": "janedoe",
        "given_name": "Jane",
        "origin_jti": "aaaaaaaa-bbbb-4ccc-8ddd-000000000001",
        "cognito:roles": ["arn:aws:iam::111122223333:role/my-test-role"],
        "aud": CLIENT,
        "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
        "token_use": "id",
        "auth_time": now(),
        "exp": now() + 3_600,
        "iat": now(),
        "jti": "aaaaaaaa-bbbb-4ccc-8ddd-000000000003",
        "email": "janedoe@example.com",
    })
}

#[tokio::test]
async fn access_tokens_of_the_pool_are_sessions() {
    let pool = Pool::new();
    let usher = Usher::of(&load("cognito", &pool.keys())).await;
    let claimed = ["agent", "eu-central-1_EXAMPLE_Google"];
    usher.takes("in groups", &pool.sign_access(&access()), &claimed, &["agent", "customer"], SUB).await;
    let none = but(access(), &json!({"cognito:groups": null}));
    usher.takes("in no group", &pool.sign_access(&none), &[], &["customer"], SUB).await;
    // Bound to a resource, an access token has an audience beside its client.
    let bound = but(access(), &json!({"aud": "https://chat.example.com"}));
    usher.takes("for a resource", &pool.sign_access(&bound), &claimed, &["agent", "customer"], SUB).await;
}

/// Tokens that are almost sessions.
pub(super) fn near_misses() -> NearMisses {
    let pool = Pool::new();
    let mut all = NearMisses::new(load("cognito", &pool.keys()), pool.sign_access(&access()));
    all.add("the ID token", &pool.sign_id(&id()), Cause::Audience);
    let client = but(access(), &json!({"client_id": "9example87654321"}));
    all.add("another client's", &pool.sign_access(&client), Cause::Audience);
    let machine = but(
        access(),
        &json!({"client_id": "7machine00000000", "sub": "7machine00000000", "scope": "chat/read", "username": null,
                "cognito:groups": null, "device_key": null, "origin_jti": null, "event_id": null}),
    );
    all.add("a machine's", &pool.sign_access(&machine), Cause::Audience);
    let other = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_OTHER";
    all.add("another pool's", &pool.sign_access(&but(access(), &json!({"iss": other}))), Cause::Issuer);
    let region = "https://cognito-idp.us-east-1.amazonaws.com/eu-central-1_EXAMPLE";
    all.add("another region's", &pool.sign_access(&but(access(), &json!({"iss": region}))), Cause::Issuer);
    let swapped = pool.id.sign_with(&json!({"kid": "5678example="}), &access());
    all.add("by the other key", &swapped, Cause::Signature);
    let old = pool.access.sign_with(&json!({"kid": "9999example="}), &access());
    all.add("by a key of another pool", &old, Cause::NoKeyFits);
    all
}

#[tokio::test]
async fn what_is_not_for_the_client_is_refused() {
    near_misses().are_refused().await;
}

#[tokio::test]
async fn with_aud_it_would_be_the_other_way_round() {
    let pool = Pool::new();
    let usher = Usher::of(&load_with("cognito", &pool.keys(), &["audience_claim = \"aud\""])).await;
    usher.refuses("the access token", &pool.sign_access(&access()), Cause::Audience).await;
    usher.takes("the ID token", &pool.sign_id(&id()), &["agent"], &["agent", "customer"], SUB).await;
}

#[tokio::test]
async fn a_group_can_be_a_channel_though_its_claim_has_the_separator() {
    let pool = Pool::new();
    let policy =
        POLICY.replacen("\"announcements\" = ", "\"team:{cognito:groups}\" = [\"read\"]\n\"announcements\" = ", 1);
    let usher = Usher::with_policy(&load("cognito", &pool.keys()), &policy).await;
    let (status, grants) = usher.service.grants(&pool.sign_access(&access())).await.read();
    assert_eq!(status, 200, "{grants}");
    for channel in ["team:agent", "team:eu-central-1_EXAMPLE_Google"] {
        assert_eq!(grants["channels"][channel]["read"], true, "{channel}: {grants}");
    }
}
