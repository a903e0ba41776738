//! Several issuers: their users are not one name space.

use serde_json::json;

use super::{compile, facts, listed, of_issuer, policy_for};

const BOTH: &[&str] = &["auth0", "corp"];

fn faults(text: &str, aliases: &[&str]) -> String {
    compile(text, aliases).map_or_else(|report| report, |_| "no fault".to_owned())
}

const MEMBER: &str = "[member]\nid = '{issuer}:{sub}'\n";

#[test]
fn with_one_alias_nothing_more_is_asked() {
    let text = "[roles.x.channels]\n'a:{sub}' = ['read']\n[defaults]\nrole = 'x'\n";
    assert_eq!(faults(text, &["app"]), "no fault");
    assert_ne!(faults(text, BOTH), "no fault");
}

#[test]
fn a_member_id_without_the_issuer_is_a_fault_among_several() {
    let role = "[roles.x]\nissuers = ['auth0']\n";
    let report = faults(&format!("[member]\nid = '{{sub}}'\n{role}"), BOTH);
    assert!(report.contains("users of different issuers could get the same member id"), "{report}");
    assert!(faults(role, BOTH).contains("could get the same member id"), "the default one too");
    assert_eq!(faults(&format!("{MEMBER}{role}"), BOTH), "no fault");
}

#[test]
fn a_role_that_can_be_claimed_or_is_the_default_says_whose_it_is() {
    let says = |role: &str| faults(&format!("{MEMBER}{role}"), BOTH);
    assert!(says("[roles.x]\n").contains("does not say whose sessions may have it"));
    assert!(says("[roles.x]\nclaimed_as = ['y']\n").contains("does not say whose"));
    assert_eq!(says("[roles.x]\nclaimed_as = []\n"), "no fault");
    assert!(says("[roles.x]\nclaimed_as = []\n[defaults]\nrole = 'x'\n").contains("does not say whose"));
    assert_eq!(says("[roles.x]\nissuers = ['auth0', 'corp']\n[defaults]\nrole = 'x'\n"), "no fault");
}

#[test]
fn a_rule_with_a_claim_in_a_role_for_several_names_the_issuer() {
    let rule = |issuers: &str, pattern: &str| {
        faults(&format!("{MEMBER}[roles.x]\nissuers = {issuers}\n[roles.x.channels]\n'{pattern}' = ['read']\n"), BOTH)
    };
    assert!(rule("['auth0', 'corp']", "a:{sub}").contains("users of different issuers could meet in it"));
    assert_eq!(rule("['auth0', 'corp']", "a:{issuer}:{sub}"), "no fault");
    assert_eq!(rule("['auth0', 'corp']", "a:*"), "no fault", "no claim, no fault");
    assert_eq!(rule("['auth0']", "a:{sub}"), "no fault", "one alias, no fault");
    let unclaimed = format!("{MEMBER}[roles.x]\nclaimed_as = []\n[roles.x.channels]\n'a:{{sub}}' = ['read']\n");
    assert!(faults(&unclaimed, BOTH).contains("could meet in it"), "without issuers it is for all");
    let deny = format!("{MEMBER}[roles.x]\nissuers = ['auth0', 'corp']\n[roles.x.deny]\n'a:{{sub}}' = ['read']\n");
    assert_eq!(faults(&deny, BOTH), "no fault", "a deny may");
}

#[test]
fn what_comes_along_is_for_every_alias_of_what_it_comes_with() {
    let text = |included: &str, including: &str| {
        format!("{MEMBER}[roles.a]\nissuers = {included}\n[roles.b]\nissuers = {including}\nincludes = ['a']\n")
    };
    assert!(
        faults(&text("['auth0']", "['auth0', 'corp']"), BOTH).contains("`b` is for issuers that role `a` is not for")
    );
    assert_eq!(faults(&text("['auth0', 'corp']", "['auth0']"), BOTH), "no fault");
    let unclaimed =
        format!("{MEMBER}[roles.a]\nclaimed_as = []\n[roles.b]\nissuers = ['auth0', 'corp']\nincludes = ['a']\n");
    assert_eq!(faults(&unclaimed, BOTH), "no fault", "a role that cannot be claimed, without issuers, is for all");
    let default = format!("{MEMBER}[roles.a]\nissuers = ['auth0']\n[defaults]\nrole = 'a'\n");
    assert!(faults(&default, BOTH).contains("[defaults] is for issuers that role `a` is not for"));
    let with_one = "[roles.a]\nissuers = ['other']\n[roles.b]\nincludes = ['a']\n";
    assert!(faults(with_one, &["app"]).contains("`b` is for issuers"), "with one alias too");
}

#[test]
fn a_claimed_role_that_is_not_for_the_sessions_alias_counts_as_unknown() {
    let text = format!(
        "{MEMBER}[roles.staff]\nissuers = ['corp']\n[roles.staff.channels]\n'desk' = ['read']\n\
         [roles.customer]\nissuers = ['auth0', 'corp']\n[roles.customer.channels]\n'news' = ['read']\n[defaults]\nrole = 'customer'\n"
    );
    let policy = policy_for(&text, BOTH);
    let staff = |alias: &str| of_issuer(alias, facts(&["staff"], json!({})));
    assert_eq!(listed(&policy, &staff("corp")).unwrap(), ["desk: r"]);
    assert_eq!(listed(&policy, &staff("auth0")).unwrap(), ["news: r"], "and the default role counts");
    let account = policy.evaluate(&staff("auth0"), &usher::chat::Ask::default(), super::NOW);
    assert_eq!(account.ignored_roles, ["staff"]);
    assert_eq!(account.member_id.unwrap().as_str(), "auth0:alice");
}

#[test]
fn a_default_role_that_is_not_for_the_sessions_alias_is_none() {
    // With aliases unknown to the policy's compiler the decision holds all the same.
    let policy = policy_for(
        "[roles.a]\nissuers = ['app']\n[roles.a.channels]\n'x' = ['read']\n[defaults]\nrole = 'a'\n",
        &["app"],
    );
    assert!(listed(&policy, &facts(&[], json!({}))).is_ok());
    assert!(listed(&policy, &of_issuer("other", facts(&[], json!({})))).is_err());
}

#[test]
fn an_included_role_is_not_asked_whose_it_is() {
    let text = format!(
        "{MEMBER}[roles.base]\nclaimed_as = []\n[roles.base.channels]\n'news' = ['read']\n[roles.staff]\nissuers = ['corp']\nincludes = ['base']\n"
    );
    assert_eq!(
        listed(&policy_for(&text, BOTH), &of_issuer("corp", facts(&["staff"], json!({})))).unwrap(),
        ["news: r"]
    );
}

#[test]
fn two_issuers_of_the_same_alias_are_one() {
    let text = "[roles.x.channels]\n'a:{sub}' = ['read']\n";
    assert_eq!(faults(text, &["app", "app"]), "no fault");
}

#[test]
fn a_policy_alone_is_held_to_the_aliases_that_it_names() {
    let named = "[roles.a]\nissuers = ['auth0']\n[roles.b]\nissuers = ['corp']\n";
    assert!(faults(named, &[]).contains("could get the same member id"));
    assert_eq!(faults(&format!("{MEMBER}{named}"), &[]), "no fault");
    assert_eq!(faults("[roles.a]\nissuers = ['auth0']\n", &[]), "no fault");
}
