//! The decision: roles, rights, what is listed, how many.

use serde_json::{Value, json};
use usher::chat::ClaimedRoles;
use usher::policy::{Denial, NothingGranted, Verdict};

use super::{NOW, decide, facts, guest, listed, may, policy, report, shown};

const ROLES: &str = "
[roles.customer.channels]
'a' = ['read']
[roles.agent]
includes = ['customer']
claimed_as = ['agent', 'desk']
[roles.agent.channels]
'b' = ['read', 'write']
[roles.lead]
claimed_as = ['desk']
[roles.lead.channels]
'c' = ['read']
[roles.hidden]
claimed_as = []
[roles.hidden.channels]
'd' = ['read']
[roles.muted.deny]
'**' = ['write']
[roles.gagged]
includes = ['muted']
";

fn names(claimed: &[&str], more: &str) -> Vec<String> {
    let policy = policy(&format!("{ROLES}{more}"));
    let account = policy.evaluate(&facts(claimed, json!({})), &usher::chat::Ask::default(), NOW);
    account.roles.iter().map(std::string::ToString::to_string).collect()
}

#[test]
fn a_claimed_name_is_a_roles_own_or_one_of_claimed_as() {
    assert_eq!(names(&["customer"], ""), ["customer"]);
    assert_eq!(names(&["desk"], ""), ["agent", "customer", "lead"], "one name may map to several roles");
    assert!(names(&["lead"], "").is_empty(), "claimed_as stands in place of the role's own name");
    assert!(names(&["hidden"], "").is_empty(), "[] means by includes, defaults and guest only");
}

#[test]
fn unknown_names_are_ignored_and_told() {
    let account =
        policy(ROLES).evaluate(&facts(&["customer", "nobody", "lead"], json!({})), &usher::chat::Ask::default(), NOW);
    assert_eq!(account.ignored_roles, ["nobody", "lead"]);
    assert_eq!(shown(&account.outcome.unwrap().channels), ["a: r"]);
}

#[test]
fn includes_are_followed_and_bring_denies_along() {
    assert_eq!(names(&["agent"], ""), ["agent", "customer"]);
    let more = "[roles.top]\nincludes = ['middle']\n[roles.middle]\nincludes = ['agent']\n";
    assert_eq!(names(&["top"], more), ["agent", "customer", "middle", "top"]);
    let policy = policy(ROLES);
    assert_eq!(may(&policy, &facts(&["agent"], json!({})), "b"), "rw");
    assert_eq!(may(&policy, &facts(&["agent", "gagged"], json!({})), "b"), "r");
}

#[test]
fn a_circle_of_includes_is_a_fault_and_told_once() {
    let report = report(
        "[roles.a]\nincludes = ['b']\n[roles.b]\nincludes = ['c']\n[roles.c]\nincludes = ['a']\n[roles.d]\nincludes = ['a']\n",
    );
    assert!(report.contains("role `a` includes itself: a → b → c → a"), "{report}");
    assert!(report.ends_with("1 fault found"), "{report}");
    assert!(super::report("[roles.a]\nincludes = ['a']\n").contains("a → a"));
}

#[test]
fn a_role_that_is_not_there_is_a_fault_with_the_near_name() {
    for text in [
        "[roles.customer]\n[roles.b]\nincludes = ['custmer']",
        "[roles.customer]\n[defaults]\nrole = 'custmer'",
        "[roles.customer]\n[guest]\nrole = 'custmer'",
    ] {
        assert!(report(text).contains("did you mean `customer`?"), "{text}");
    }
}

#[test]
fn no_known_role_means_the_default_role_and_without_it_nothing() {
    let with_default = format!("{ROLES}[defaults]\nrole = 'hidden'\n");
    for claimed in [&[][..], &["nobody"]] {
        assert_eq!(listed(&policy(&with_default), &facts(claimed, json!({}))).unwrap(), ["d: r"]);
        let nothing = listed(&policy(ROLES), &facts(claimed, json!({}))).unwrap_err();
        assert_eq!(nothing, Denial::NothingGranted(NothingGranted::NoRight));
    }
    assert_eq!(
        listed(&policy(&with_default), &facts(&["customer"], json!({}))).unwrap(),
        ["a: r"],
        "not beside a known one"
    );
}

#[test]
fn a_session_whose_only_role_is_muted_gets_nothing() {
    let with_default = policy(&format!("{ROLES}[defaults]\nrole = 'customer'\n"));
    assert!(listed(&with_default, &facts(&["muted"], json!({}))).is_err());
}

#[test]
fn withheld_roles_get_nothing_and_never_the_default_role() {
    let policy = policy(&format!("{ROLES}[defaults]\nrole = 'customer'\n"));
    let mut facts = facts(&[], json!({}));
    facts.roles = ClaimedRoles::Withheld;
    assert_eq!(listed(&policy, &facts).unwrap_err(), Denial::NothingGranted(NothingGranted::RolesWithheld));
    let overview = policy.overview(&facts, NOW).unwrap();
    assert!(overview.roles.is_empty() && overview.channels.is_empty() && overview.max_ttl.is_none());
}

#[test]
fn a_right_is_granted_when_any_role_allows_it_and_no_role_denies_it() {
    let policy = policy(
        "[roles.r.channels]\n'a:*' = ['read']\n[roles.w.channels]\n'a:*' = ['write']\n[roles.no.deny]\n'a:x' = ['read']\n",
    );
    let can = |roles: &[&str], channel: &str| may(&policy, &facts(roles, json!({})), channel);
    assert_eq!(can(&["r"], "a:x"), "r");
    assert_eq!(can(&["r", "w"], "a:x"), "rw");
    assert_eq!(can(&["r", "w", "no"], "a:x"), "w", "a deny takes its own right alone");
    assert_eq!(can(&["no", "w", "r"], "a:x"), "w", "whatever the order");
    assert_eq!(can(&["r", "w", "no"], "a:y"), "rw", "and its own names alone");
}

#[test]
fn a_deny_of_another_role_of_the_policy_takes_nothing() {
    let policy = policy("[roles.r.channels]\n'a' = ['read']\n[roles.no.deny]\n'**' = ['read']\n");
    assert_eq!(may(&policy, &facts(&["r"], json!({})), "a"), "r");
}

#[test]
fn denies_hold_for_what_is_listed_too() {
    let policy =
        policy("[roles.r.channels]\n'a' = ['read', 'write']\n'b' = ['write']\n[roles.muted.deny]\n'**' = ['write']\n");
    assert_eq!(listed(&policy, &facts(&["r", "muted"], json!({}))).unwrap(), ["a: r"]);
}

#[test]
fn strict_refuses_everything_for_one_right_too_many_and_names_each() {
    let policy = policy(ROLES);
    let ask = json!({"channels": {"a": {"read": true, "write": true}, "b": {"read": true}, "c": {"write": true, "read": true}}});
    let account = decide(&policy, &facts(&["agent"], json!({})), &ask);
    let Err(Denial::ChannelsDenied(rows)) = account.outcome else { panic!("{account:?}") };
    let rows: Vec<String> = rows.iter().map(|row| format!("{} {}", row.channel, super::letters(row.rights))).collect();
    assert_eq!(rows, ["a w", "c rw"]);
}

#[test]
fn narrow_grants_what_is_allowed_and_nothing_left_is_nothing_granted() {
    let policy = policy(ROLES);
    let ask = |channels: Value| json!({"mode": "narrow", "channels": channels});
    let some = decide(
        &policy,
        &facts(&["customer"], json!({})),
        &ask(json!({"a": {"read": true, "write": true}, "b": {"read": true}})),
    );
    assert_eq!(shown(&some.outcome.clone().unwrap().channels), ["a: r"]);
    assert_eq!(some.refused().len(), 2);
    let none = decide(&policy, &facts(&["customer"], json!({})), &ask(json!({"b": {"read": true}})));
    assert_eq!(none.outcome.unwrap_err(), Denial::NothingGranted(NothingGranted::NoRight));
}

#[test]
fn the_account_names_the_rule_that_denies_and_none_where_none_matched() {
    let text = "[roles.r.channels]\n'a' = ['read', 'write']\n[roles.muted.deny]\n'**' = ['write']\n";
    let account = decide(
        &policy(text),
        &facts(&["r", "muted"], json!({})),
        &json!({"channels": {"a": {"read": true, "write": true}, "z": {"read": true}}}),
    );
    let verdicts: Vec<String> = account
        .rights
        .iter()
        .map(|right| match &right.verdict {
            Verdict::Allowed { by, .. } => format!("allowed by {} {} {}", by.role, by.pattern, by.line),
            Verdict::Denied { by } => format!("denied by {} {} {}", by.role, by.pattern, by.line),
            Verdict::NoRule => "no rule".to_owned(),
        })
        .collect();
    assert_eq!(verdicts, ["allowed by r a 3", "denied by muted ** 5", "no rule"]);
}

#[test]
fn more_than_500_channels_are_refused_and_never_cut() {
    let policy = policy("[roles.x.channels]\n'a:{v}' = ['read']\n[defaults]\nrole = 'x'\n");
    let with = |count: usize| facts(&[], json!({"v": (0..count).collect::<Vec<_>>()}));
    assert_eq!(listed(&policy, &with(500)).unwrap().len(), 500);
    assert_eq!(listed(&policy, &with(501)).unwrap_err(), Denial::TooManyChannels);
    assert_eq!(policy.overview(&with(501), NOW).unwrap_err(), Denial::TooManyChannels);
    assert_eq!(may(&policy, &with(501), "a:500"), "r", "asked for by name it is granted");
}

#[test]
fn listing_counts_distinct_candidates_before_denies_and_name_checks() {
    let twice = policy("[roles.x.channels]\n'a:{v}' = ['read']\n'a:{w}' = ['write']\n[defaults]\nrole = 'x'\n");
    let same: Vec<_> = (0..500).collect();
    assert_eq!(
        listed(&twice, &facts(&[], json!({"v": same, "w": same}))).unwrap().len(),
        500,
        "the same name twice is one"
    );
    let other: Vec<_> = (1..501).collect();
    assert_eq!(listed(&twice, &facts(&[], json!({"v": same, "w": other}))).unwrap_err(), Denial::TooManyChannels);

    let denied =
        policy("[roles.x.channels]\n'a:{v}' = ['read']\n[roles.x.deny]\n'a:*' = ['read']\n[defaults]\nrole = 'x'\n");
    let many: Vec<_> = (0..501).collect();
    assert_eq!(listed(&denied, &facts(&[], json!({"v": many}))).unwrap_err(), Denial::TooManyChannels);

    let long = policy(&format!(
        "[roles.x.channels]\n'{}:{{v}}' = ['read']\n'b' = ['read']\n[defaults]\nrole = 'x'\n",
        "a".repeat(240)
    ));
    let too_long: Vec<_> = (0..501).map(|n| format!("{n:0>20}")).collect();
    assert_eq!(listed(&long, &facts(&[], json!({"v": too_long}))).unwrap_err(), Denial::TooManyChannels);
}

#[test]
fn a_product_of_long_lists_is_refused_quickly() {
    let policy = policy("[roles.x.channels]\n'a:{v}:{v}:{v}:{v}:{v}:{v}' = ['read']\n[defaults]\nrole = 'x'\n");
    let many: Vec<_> = (0..1_000).collect();
    assert_eq!(listed(&policy, &facts(&[], json!({"v": many}))).unwrap_err(), Denial::TooManyChannels);
    assert!(listed(&policy, &facts(&[], json!({"v": []}))).is_err());
}

#[test]
fn a_guest_is_let_in_only_where_the_policy_says_so() {
    assert_eq!(listed(&policy(ROLES), &guest()).unwrap_err(), Denial::GuestsRefused);
    let policy = policy(&format!("{ROLES}[guest]\nrole = 'hidden'\n[defaults]\nrole = 'customer'\n"));
    assert_eq!(listed(&policy, &guest()).unwrap(), ["d: r"], "and never gets the default role");
}

#[test]
fn an_overview_shows_what_is_granted_and_wildcards_less_a_deny_of_everything() {
    let text = "[roles.x]\nmax_ttl = '20m'\n[roles.x.channels]\n'a' = ['read', 'write']\n'b:*' = ['read', 'write']\n'c:{sub}:**' = ['write']\n'd:{v}:*' = ['read']\n\
                [roles.muted.deny]\n'**' = ['write']\n'b:secret' = ['read']\n";
    let policy = policy(text);
    let overview = |roles: &[&str]| policy.overview(&facts(roles, json!({"v": ["p", "q"]})), NOW).unwrap();
    let patterns = |roles: &[&str]| -> Vec<String> {
        overview(roles).patterns.iter().map(|row| format!("{} {}", row.pattern, super::letters(row.rights))).collect()
    };
    assert_eq!(patterns(&["x"]), ["b:* rw", "c:alice:** w", "d:p:* r", "d:q:* r"]);
    assert_eq!(patterns(&["x", "muted"]), ["b:* r", "d:p:* r", "d:q:* r"], "a narrower deny is not shown");
    assert_eq!(shown(&overview(&["x", "muted"]).channels), ["a: r"]);
    assert_eq!(overview(&["x"]).max_ttl.unwrap().minutes(), 20);
    let nothing = policy.overview(&facts(&[], json!({})), NOW).unwrap();
    assert!(
        nothing.roles.is_empty()
            && nothing.channels.is_empty()
            && nothing.patterns.is_empty()
            && nothing.max_ttl.is_none()
    );
}

#[test]
fn an_overview_of_more_than_500_patterns_is_refused_too() {
    let policy = policy("[roles.x.channels]\n'a:{v}:*' = ['read']\n[defaults]\nrole = 'x'\n");
    let with = |count: usize| facts(&[], json!({"v": (0..count).collect::<Vec<_>>()}));
    assert_eq!(policy.overview(&with(500), NOW).unwrap().patterns.len(), 500);
    assert_eq!(policy.overview(&with(501), NOW).unwrap_err(), Denial::TooManyChannels);
}

#[test]
fn what_a_policy_says_of_itself_is_what_its_file_says() {
    let policy = policy(ROLES);
    let roles: Vec<_> = policy.roles().collect();
    let wanted =
        [("customer", 1, 0), ("agent", 1, 0), ("lead", 1, 0), ("hidden", 1, 0), ("muted", 0, 1), ("gagged", 0, 0)];
    assert_eq!(roles, wanted);
    // sha256sum of the file's bytes.
    let least =
        usher::policy::Policy::compile("p", "version = 1\n[roles.a]\n", &std::collections::BTreeSet::new()).unwrap();
    assert_eq!(least.sha256(), "10b567181979b66d69780e98628b50da8a06e478318f4a28c093f9e7fe7a06a2");
    assert!(!least.admits_guests());
}

#[test]
fn of_the_claims_a_decision_keeps_only_those_that_the_policy_reads() {
    let text = "[member]\nstate = { name = '{name}' }\n[roles.x.channels]\n'a:{/tenant/id}:{issuer}' = ['read']\n\
                [roles.x.deny]\n'b:{banned|sha256}' = ['read']\n";
    let claims = json!({"name": "A", "tenant": {"id": 1, "secret": 2}, "banned": ["x"], "email": "a@example.com"});
    let kept = policy(text).claims_of(&facts(&["x"], claims));
    assert_eq!(Value::Object(kept), json!({"sub": "alice", "name": "A", "/tenant/id": 1, "banned": ["x"]}));
}
