//! Clerk: session tokens of one minute, which have `azp` and no `aud`.

use serde_json::{Value, json};
use usher::session::{Cause, Refusal};

use super::{Keys, NearMisses, Usher, but, load, load_with, now, rsa, try_load};
use crate::support::keys::Signer;

const SUB: &str = "user_2NNEqL2nrIRdJ194ndJqAHwEfxC";

fn header() -> Value {
    json!({"typ": "JWT", "kid": "ins_2JCAFCbkVvCZAtEMUXyXQHxAbcD", "cat": "cl_B7d4PD111AAA"})
}

fn keys(signer: &Signer) -> Keys {
    let published = |signer: &Signer, kid: &Value| signer.jwk(&json!({"alg": "RS256", "use": "sig", "kid": kid}));
    Keys::Set(vec![published(signer, &header()["kid"]), published(&rsa(), &json!("ins_older"))])
}

/// A session token of version 2 that was made so many seconds ago, customised with public metadata.
fn session(age: i64) -> Value {
    json!({
        "azp": "https://app.example.com",
        "exp": now() - age + 60,
        "fea": "u:chat,o:dashboard",
        "fva": [7, -1],
        "iat": now() - age,
        "iss": "https://clerk.example.com",
        "jti": "10db7f531a90cb2faea4",
        "nbf": now() - age - 10,
        "o": {"id": "org_2NNEqL2nrIRdJ194ndJqAHwEfxC", "slg": "acme", "rol": "moderator", "per": "read", "fpm": "3,2"},
        "pla": "u:free,o:pro",
        "roles": ["agent"],
        "sid": "sess_2NNEqL2nrIRdJ194ndJqAHwEfxC",
        "sts": "active",
        "sub": SUB,
        "v": 2,
    })
}

async fn usher_with(signer: &Signer, instead: &[&str]) -> Usher {
    Usher::of(&load_with("clerk", &keys(signer), instead)).await
}

#[tokio::test]
async fn session_tokens_of_your_pages_are_sessions() {
    let signer = rsa();
    let usher = Usher::of(&load("clerk", &keys(&signer))).await;
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    usher.takes("with a role", &sign(&session(0)), &["agent"], &["agent", "customer"], SUB).await;
    // A shortcode that leads nowhere is null.
    let mut none = session(0);
    none["roles"] = Value::Null;
    usher.takes("without", &sign(&none), &[], &["customer"], SUB).await;
    let personal = but(session(0), &json!({"o": null, "fea": null, "pla": null, "sts": null}));
    usher.takes("in no organization", &sign(&personal), &["agent"], &["agent", "customer"], SUB).await;

    let usher = usher_with(&signer, &["roles = [\"/o/rol\"]"]).await;
    let roles = ["agent", "customer", "moderator"];
    usher.takes("by the organization's role", &sign(&session(0)), &["moderator"], &roles, SUB).await;
    let usher = usher_with(&signer, &["roles = [\"/metadata/roles\"]"]).await;
    let all = but(session(0), &json!({"roles": null, "metadata": {"roles": ["agent"], "birthday": "2000-01-01"}}));
    usher.takes("by all of the metadata", &sign(&all), &["agent"], &["agent", "customer"], SUB).await;
}

/// Tokens that are almost sessions.
pub(super) fn near_misses() -> NearMisses {
    let signer = rsa();
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    let mut all = NearMisses::new(load("clerk", &keys(&signer)), sign(&session(0)));
    let other = json!({"azp": "https://evil.example"});
    all.add("another page's", &sign(&but(session(0), &other)), Cause::Audience);
    let slash = json!({"azp": "https://app.example.com/"});
    all.add("no origin", &sign(&but(session(0), &slash)), Cause::Audience);
    all.add("without azp", &sign(&but(session(0), &json!({"azp": null}))), Cause::Audience);
    let aud = json!({"azp": null, "aud": "https://app.example.com"});
    all.add("with aud in its place", &sign(&but(session(0), &aud)), Cause::Audience);
    let instance = json!({"iss": "https://your-site.clerk.accounts.dev"});
    all.add("another instance's", &sign(&but(session(0), &instance)), Cause::Issuer);
    let machine = json!({"iss": "https://clerk.example.com", "sub": "mch_2NNEqL2nrIRdJ194ndJqAHwEfxC", "iat": now(),
                         "exp": now() + 60, "jti": "x", "scopes": ""});
    all.add("a machine's", &sign(&machine), Cause::Audience);
    all.add("another key's", &rsa().sign_with(&header(), &session(0)), Cause::Signature);
    all
}

#[tokio::test]
async fn what_is_not_for_your_pages_is_refused() {
    near_misses().are_refused().await;
}

#[tokio::test]
async fn any_audience_takes_native_apps_and_every_page() {
    let signer = rsa();
    let usher = usher_with(&signer, &["audiences = [\"any\"]"]).await;
    for more in [json!({"azp": null}), json!({"azp": "https://evil.example"})] {
        let token = signer.sign_with(&header(), &but(session(0), &more));
        usher.takes("any", &token, &["agent"], &["agent", "customer"], SUB).await;
    }
}

#[tokio::test]
async fn what_users_edit_gives_no_role() {
    let signer = rsa();
    let usher = Usher::of(&load("clerk", &keys(&signer))).await;
    let own = json!({"roles": null, "unsafe_metadata": {"roles": ["agent"]}, "metadata": {"roles": ["agent"]}});
    usher.takes("theirs", &signer.sign_with(&header(), &but(session(0), &own)), &[], &["customer"], SUB).await;
    let faults = try_load("clerk", &keys(&signer), &["roles = [\"/unsafe_metadata/roles\"]"]).err().unwrap();
    assert!(faults.contains("which users can edit themselves"), "{faults}");
}

/// How long a chat token may live that is asked for with a session token of this age.
async fn minutes(usher: &Usher, signer: &Signer, age: i64) -> Option<i64> {
    let (status, answer) = usher.service.post(&signer.sign_with(&header(), &session(age)), None).await.read();
    match status {
        // Whole seconds from the answer on, so one less than the ttl where the request took a moment.
        200 => Some((answer["expires_in"].as_i64().unwrap() + 59) / 60),
        401 if answer["code"] == "session_expiring" => None,
        _ => panic!("{answer}"),
    }
}

/// The table of the docs.
#[tokio::test]
async fn a_minute_is_enough_by_outlive() {
    let signer = rsa();
    for (outlive, fresh, late) in [
        ("0s", None, None),
        ("2m", None, None),
        ("3m", Some(3), None),
        ("4m", Some(4), Some(3)),
        ("15m", Some(15), Some(14)),
    ] {
        let usher = usher_with(&signer, &[&format!("outlive = \"{outlive}\"")]).await;
        assert_eq!(minutes(&usher, &signer, 0).await, fresh, "{outlive}, fresh");
        assert_eq!(minutes(&usher, &signer, 50).await, late, "{outlive}, with ten seconds left");
    }
}

#[tokio::test]
async fn a_session_that_is_over_is_over_whatever_outlives_it() {
    let signer = rsa();
    let usher = Usher::of(&load("clerk", &keys(&signer))).await;
    for age in [60, 61, 600] {
        let token = signer.sign_with(&header(), &session(age));
        assert_eq!(usher.verify(&token).err(), Some(Refusal::Expired), "{age}");
        usher.answers("over", &token, 401, "session_expired").await;
    }
    // What is wrong in anything else is not merely over.
    let other = but(session(600), &json!({"azp": "https://evil.example"}));
    usher.refuses("over, and another page's", &signer.sign_with(&header(), &other), Cause::Audience).await;
}
