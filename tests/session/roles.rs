//! Where roles are read from.

use serde_json::{Value, json};
use usher::chat::ClaimedRoles;
use usher::session::{IssuerSettings, RoleSourceSettings};

use super::{open, ours, taken, with};
use crate::support::keys::{Signer, claims};
use crate::support::service::{Service, Setup, issuer};

fn source(text: &str) -> RoleSourceSettings {
    if text.starts_with('/') {
        RoleSourceSettings::Pointer(text.to_owned())
    } else {
        RoleSourceSettings::Claim(text.to_owned())
    }
}

/// The roles that these sources find in a session with these claims; none: withheld.
#[expect(clippy::needless_pass_by_value, reason = "each is written where it is used")]
fn roles(sources: &[&str], claims: Value) -> Option<Vec<String>> {
    let mut whole = with(&claims);
    if claims.get("roles").is_none() {
        whole.as_object_mut().unwrap().remove("roles");
    }
    let roles = sources.iter().copied().map(source).collect();
    let verifier = open(IssuerSettings { roles, ..ours() });
    match taken(&verifier, &Signer::secret().sign(&whole), &claims).roles {
        ClaimedRoles::Names(names) => Some(names),
        ClaimedRoles::Withheld => None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what `roles` gives")]
fn some(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn a_string_is_one_role_and_of_a_list_the_strings_count() {
    assert_eq!(roles(&["roles"], json!({"roles": "a b"})), some(&["a b"]));
    assert_eq!(roles(&["roles"], json!({"roles": ["a", 7, null, "b", ["c"]]})), some(&["a", "b"]));
    for other in
        [json!({}), json!({"roles": 7}), json!({"roles": true}), json!({"roles": {"a": 1}}), json!({"roles": []})]
    {
        assert_eq!(roles(&["roles"], other.clone()), some(&[]), "{other}");
    }
}

#[test]
fn a_name_is_exact_and_a_slash_makes_a_pointer() {
    let url = "https://example.com/roles";
    assert_eq!(roles(&[url], json!({url: ["a"]})), some(&["a"]));
    assert_eq!(roles(&["cognito:groups"], json!({"cognito:groups": ["a"]})), some(&["a"]));
    assert_eq!(roles(&["/realm_access/roles"], json!({"realm_access": {"roles": ["a"]}})), some(&["a"]));
    assert_eq!(roles(&["realm_access.roles"], json!({"realm_access": {"roles": ["a"]}})), some(&[]));
    assert_eq!(roles(&["/a~1b/c~0d"], json!({"a/b": {"c~d": "x"}})), some(&["x"]));
    assert_eq!(roles(&["/roles"], json!({"roles": "a"})), some(&["a"]));
}

#[test]
fn the_first_source_that_is_present_and_not_null_counts() {
    let two = &["one", "two"];
    assert_eq!(roles(two, json!({"one": "a", "two": "b"})), some(&["a"]));
    assert_eq!(roles(two, json!({"two": "b"})), some(&["b"]));
    assert_eq!(roles(two, json!({"one": null, "two": "b"})), some(&["b"]));
    assert_eq!(roles(two, json!({"one": [], "two": "b"})), some(&[]), "an empty list is present");
}

#[test]
fn a_marker_of_too_many_groups_withholds_the_roles() {
    assert_eq!(roles(&["groups"], json!({"_claim_names": {"groups": "src1"}})), None);
    assert_eq!(roles(&["groups"], json!({"hasgroups": true})), None);
    assert_eq!(roles(&["groups"], json!({"hasgroups": "true"})), None);
    assert_eq!(roles(&["/groups"], json!({"hasgroups": true})), None);
    assert_eq!(roles(&["groups", "roles"], json!({"_claim_names": {"groups": "src1"}, "roles": ["a"]})), None);
    // And where it does not stand in the place of what is read, it says nothing.
    assert_eq!(roles(&["groups"], json!({"groups": ["a"], "hasgroups": true})), some(&["a"]));
    assert_eq!(roles(&["roles"], json!({"roles": ["a"], "hasgroups": true})), some(&["a"]));
    assert_eq!(roles(&["roles"], json!({"hasgroups": true})), some(&[]));
    assert_eq!(roles(&["groups"], json!({"hasgroups": false})), some(&[]));
    assert_eq!(roles(&["roles"], json!({"_claim_names": {"groups": "src1"}})), some(&[]));
}

#[tokio::test]
async fn withheld_roles_are_nothing_granted_and_never_the_default_role() {
    let policy = "version = 1\n[roles.customer.channels]\n\"a\" = [\"read\"]\n[defaults]\nrole = \"customer\"\n";
    let mut app = issuer("app", crate::support::ISSUER);
    app.roles = vec![source("groups")];
    let service = Service::with(Setup { policy: policy.to_owned(), issuers: vec![app], ..Setup::default() }).await;
    let session = |more: Value| Signer::secret().sign(&claims("alice", &[], 3_600, &more));
    assert_eq!(service.post(&session(json!({})), None).await.status, 200, "the untouched twin gets the default role");
    let (status, problem) = service.post(&session(json!({"_claim_names": {"groups": "src1"}})), None).await.read();
    assert_eq!((status, problem["code"].as_str()), (403, Some("nothing_granted")));
    let (status, grants) = service.grants(&session(json!({"hasgroups": true}))).await.read();
    assert_eq!((status, &grants["channels"]), (200, &json!({})));
}
