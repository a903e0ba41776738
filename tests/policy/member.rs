//! The member id and the member state.

use serde_json::{Value, json};
use usher::chat::{Ask, Facts};
use usher::policy::{Denial, NothingGranted};

use super::{NOW, accept, decide, facts, guest, policy, report};

fn with(member: &str) -> String {
    format!("[member]\n{member}\n[roles.x.channels]\n'a' = ['read']\n[defaults]\nrole = 'x'\n[guest]\nrole = 'x'\n")
}

fn id(template: &str, claims: Value) -> Result<String, Denial> {
    let policy = policy(&with(&format!("id = '{template}'")));
    policy.member(&facts(&[], claims)).map(|member| member.as_str().to_owned())
}

fn state(member: &str, claims: Value) -> Value {
    let account = policy(&with(member)).evaluate(&facts(&[], claims), &Ask::default(), NOW);
    Value::Object(account.outcome.unwrap().state.clone())
}

#[test]
fn the_member_id_is_filled_from_literals_and_claims() {
    assert_eq!(id("{sub}", json!({})).unwrap(), "alice");
    assert_eq!(id("user:{sub}", json!({})).unwrap(), "user:alice");
    assert_eq!(id("{issuer}:{sub}", json!({})).unwrap(), "app:alice");
    assert_eq!(id("{/tenant/id}:{n}", json!({"tenant": {"id": "t"}, "n": 7})).unwrap(), "t:7");
    assert_eq!(id("{sub|b64url}", json!({"sub": "José"})).unwrap(), "Sm9zw6k");
    assert_eq!(policy("[roles.x]\n").member(&facts(&[], json!({}))).unwrap().as_str(), "alice", "{{sub}} where absent");
}

#[test]
fn a_member_id_that_cannot_be_filled_with_exactly_one_value_is_nothing_granted() {
    for claims in [
        json!({"v": null}),
        json!({}),
        json!({"v": ""}),
        json!({"v": "a b"}),
        json!({"v": "a:b"}),
        json!({"v": "é"}),
        json!({"v": true}),
        json!({"v": []}),
        json!({"v": ["x", "y"]}),
        json!({"v": ["x", "x"]}),
        json!({"v": ["x", "y z"]}),
        json!({"v": {"x": 1}}),
    ] {
        let denied = id("{v}", claims.clone());
        assert!(matches!(denied, Err(Denial::NothingGranted(NothingGranted::NoMemberId(_)))), "{claims}: {denied:?}");
    }
    assert_eq!(id("{v}", json!({"v": ["x"]})).unwrap(), "x", "a list of one is one value");
}

#[test]
fn a_member_id_never_passes_for_a_guests() {
    assert!(matches!(id("{v}", json!({"v": "guest-1"})), Err(Denial::NothingGranted(NothingGranted::NoMemberId(_)))));
    assert_eq!(id("{v}", json!({"v": "guest1"})).unwrap(), "guest1");
    assert_eq!(id("u:{v}", json!({"v": "guest-1"})).unwrap(), "u:guest-1");
}

#[test]
fn a_member_id_has_at_most_250_characters_when_filled() {
    let part = "x".repeat(124);
    assert_eq!(id("{v}:{v}", json!({"v": part})).unwrap().len(), 249);
    assert_eq!(id("u:{v}:{v}", json!({"v": "x".repeat(123)})).unwrap().len(), 249);
    assert!(id("uu:{v}:{v}", json!({"v": part})).is_err());
}

#[test]
fn a_template_that_gives_everybody_the_same_id_or_has_a_wildcard_is_a_fault() {
    for (template, message) in [
        ("user", "every session would have the same member id"),
        ("{issuer}", "every session would have the same member id"),
        ("{sub}:*", "a member id has no wildcard"),
        ("**", "a member id has no wildcard"),
        ("u{sub}", "a placeholder beside other text"),
        ("u::{sub}", "a segment is empty"),
    ] {
        let report = report(&with(&format!("id = '{template}'")));
        assert!(report.contains(message), "{template}: {report}");
    }
}

#[test]
fn a_blocked_member_is_refused_whatever_its_roles() {
    let policy = policy(&format!("{}[blocked]\nmembers = ['mallory']\n", with("id = '{sub}'")));
    assert_eq!(policy.member(&facts(&["x"], json!({"sub": "mallory"}))), Err(Denial::SessionRevoked));
    assert_eq!(
        policy.evaluate(&facts(&["x"], json!({"sub": "mallory"})), &Ask::default(), NOW).outcome.unwrap_err(),
        Denial::SessionRevoked
    );
    assert!(policy.member(&facts(&["x"], json!({"sub": "mallory2"}))).is_ok());
}

#[test]
fn a_guests_id_is_fresh_and_begins_with_guest() {
    let policy = policy(&with("id = '{sub}'"));
    let (one, two) = (policy.member(&guest()).unwrap(), policy.member(&guest()).unwrap());
    assert!(one.as_str().starts_with("guest-") && one.as_str().len() == 42 && one != two);
    let facts = guest();
    assert_eq!(
        policy.evaluate(&facts, &Ask::default(), NOW).outcome.unwrap().member_id,
        policy.member(&facts).unwrap()
    );
}

#[test]
fn the_state_takes_strings_numbers_and_booleans_as_they_are() {
    let claims = json!({"name": "José García: *{}", "n": 1.5, "yes": true, "i": 7, "deep": {"x": "y"}});
    let member =
        "state = { name = '{name}', n = '{n}', yes = '{yes}', i = '{i}', deep = '{/deep/x}', issuer = '{issuer}' }";
    let wanted = json!({"name": "José García: *{}", "n": 1.5, "yes": true, "i": 7, "deep": "y", "issuer": "app"});
    assert_eq!(state(member, claims), wanted);
}

#[test]
fn a_state_claim_that_is_absent_of_another_kind_or_too_long_is_left_out() {
    for value in [json!(null), json!([]), json!({}), json!(["x"])] {
        assert_eq!(state("state = { v = '{v}', k = 'kept' }", json!({"v": value})), json!({"k": "kept"}), "{value}");
    }
    assert_eq!(state("state = { v = '{v}' }", json!({})), json!({}));
    let fits = "é".repeat(254);
    assert_eq!(state("state = { v = '{v}' }", json!({"v": fits})), json!({"v": fits}));
    assert_eq!(state("state = { v = '{v}' }", json!({"v": "é".repeat(255)})), json!({}));
    assert_eq!(state("state = { v = '{v}' }", json!({"v": "\"".repeat(128)})), json!({}), "as it is serialized");
}

#[test]
fn other_state_values_are_constants_and_braces_that_are_not_one_placeholder_are_a_fault() {
    let member = "state = { a = 'text', b = 7, c = 1.5, d = true, e = '' }";
    assert_eq!(state(member, json!({})), json!({"a": "text", "b": 7, "c": 1.5, "d": true, "e": ""}));
    for value in ["'x{sub}'", "'{sub}x'", "'{sub}{sub}'", "'{'", "'}'", "'{}'", "'{ sub }'"] {
        let report = report(&with(&format!("state = {{ v = {value} }}")));
        assert!(report.ends_with("1 fault found"), "{value}: {report}");
    }
    for value in ["['x']", "{ x = 1 }", "1979-05-27"] {
        let report = report(&with(&format!("state = {{ v = {value} }}")));
        assert!(report.contains("where a string, a number, true or false is wanted"), "{value}: {report}");
    }
}

#[test]
fn a_filter_in_the_state_applies() {
    assert_eq!(state("state = { v = '{v|b64url}' }", json!({"v": "José"})), json!({"v": "Sm9zw6k"}));
    assert_eq!(state("state = { v = '{v|sha256}' }", json!({"v": true})), json!({}));
}

#[test]
fn a_guests_state_holds_constants_alone() {
    let policy = policy(&with("state = { name = '{name}', by = '{issuer}', k = 'kept' }"));
    let terms = policy.evaluate(&guest(), &Ask::default(), NOW).outcome.unwrap();
    assert_eq!(Value::Object(terms.state.clone()), json!({"k": "kept"}));
}

#[test]
fn a_policy_whose_state_could_pass_2000_characters_is_a_fault() {
    // {"k0":…256…,…}: 7 placeholders are 2 + 7 × (4 + 1 + 256) + 6 = 1835 characters, a constant fills the rest.
    let claims: Vec<String> = (0..7).map(|n| format!("k{n} = '{{c{n}}}'")).collect();
    let member = |filler: usize| format!("state = {{ {}, f = '{}' }}", claims.join(", "), "x".repeat(filler));
    // A comma, "f", a colon and two quotes around the filler.
    let fits = 2_000 - 1_835 - 1 - 3 - 1 - 2;
    assert_eq!(report(&with(&member(fits))), "no fault");
    let report = report(&with(&member(fits + 1)));
    assert!(report.contains("could have 2001 characters"), "{report}");
}

#[test]
fn a_key_is_the_policys_or_the_clients_and_not_both() {
    let report = report(&with("state = { name = '{name}' }\nclient_state = ['status', 'name']"));
    assert!(report.contains("`name` is in `state` too"), "{report}");
}

#[test]
fn a_client_sets_only_the_keys_that_it_may() {
    let policy = policy(&with("state = { name = '{name}' }\nclient_state = ['status']"));
    let facts = facts(&[], json!({"name": "A"}));
    let account = decide(&policy, &facts, &json!({"state": {"status": {"any": ["thing"]}}}));
    assert_eq!(
        Value::Object(account.outcome.unwrap().state.clone()),
        json!({"name": "A", "status": {"any": ["thing"]}})
    );
    for key in ["name", "other"] {
        let refused = accept(&policy, &facts, &json!({"state": {key: "x"}})).unwrap_err();
        assert_eq!(refused, [format!("/state/{key} state_key_not_allowed")]);
    }
    let none = super::policy(&with("id = '{sub}'"));
    assert!(accept(&none, &facts, &json!({"state": {}})).is_ok(), "{{}} is always fine");
    assert!(accept(&none, &facts, &json!({"state": {"status": 1}})).is_err());
}

#[test]
fn an_ask_that_was_not_accepted_under_this_policy_still_sets_nothing_else() {
    let policy = policy(&with("state = { name = '{name}' }\nclient_state = ['status']"));
    let state = json!({"name": "forged", "other": 1, "status": "ok"});
    let ask = Ask { state: serde_json::from_value(state).unwrap(), ..Ask::default() };
    let terms = policy.evaluate(&facts(&[], json!({"name": "A"})), &ask, NOW).outcome.unwrap();
    assert_eq!(Value::Object(terms.state.clone()), json!({"name": "A", "status": "ok"}));
}

#[test]
fn over_2000_characters_with_the_clients_part_is_refused() {
    let policy = policy(&with("state = { name = '{name}' }\nclient_state = ['status']"));
    let facts: Facts = facts(&[], json!({"name": "José"}));
    // {"name":"José","status":"…"}
    let fits = 2_000 - "{\"name\":\"José\",\"status\":\"\"}".chars().count();
    assert!(accept(&policy, &facts, &json!({"state": {"status": "é".repeat(fits)}})).is_ok());
    let refused = accept(&policy, &facts, &json!({"state": {"status": "é".repeat(fits + 1)}})).unwrap_err();
    assert_eq!(refused, ["/state state_size_limit_exceeded"]);
}
