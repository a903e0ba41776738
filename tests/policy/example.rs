//! The policy that ships, line by line, with the sessions that it is for.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use usher::chat::{Ask, Facts};
use usher::policy::{Denial, Policy};

use super::{NOW, accept, decide, facts, guest, listed, may};

fn shipped() -> Policy {
    let text = include_str!("../../config/policy.toml");
    Policy::compile("config/policy.toml", text, &BTreeSet::from(["app".to_owned()]))
        .unwrap_or_else(|faults| panic!("{faults}"))
}

fn alice(roles: &[&str]) -> Facts {
    facts(roles, json!({"name": "Alice", "projects": ["apollo", "gemini"]}))
}

#[test]
fn a_customer_reads_announcements_and_has_a_room_of_her_own_and_her_projects() {
    let policy = shipped();
    let own = ["announcements: r", "project:apollo: rw", "project:gemini: rw", "support:alice: rw"];
    assert_eq!(listed(&policy, &alice(&["customer"])).unwrap(), own);
    for (channel, rights) in [
        ("announcements", "r"),
        ("support:alice", "rw"),
        ("support:bob", ""),
        ("project:apollo", "rw"),
        ("project:mercury", ""),
        ("desk", ""),
    ] {
        assert_eq!(may(&policy, &alice(&["customer"]), channel), rights, "{channel}");
    }
}

#[test]
fn whoever_has_no_known_role_is_a_customer() {
    for roles in [&[][..], &["admin"]] {
        assert_eq!(listed(&shipped(), &alice(roles)), listed(&shipped(), &alice(&["customer"])));
    }
}

#[test]
fn an_agent_has_every_support_room_and_the_desk_by_either_name() {
    let policy = shipped();
    for name in ["agent", "support-agents"] {
        for (channel, rights) in [
            ("support:bob", "rw"),
            ("support:a:b", ""),
            ("desk", "rw"),
            ("announcements", "r"),
            ("project:mercury", ""),
        ] {
            assert_eq!(may(&policy, &alice(&[name]), channel), rights, "{name} {channel}");
        }
    }
    let patterns = policy.overview(&alice(&["agent"]), NOW).unwrap().patterns;
    assert_eq!(patterns.iter().map(|row| row.pattern.as_str()).collect::<Vec<_>>(), ["support:*"]);
}

#[test]
fn a_moderator_announces_and_reads_every_project() {
    let policy = shipped();
    let moderator = alice(&["moderator"]);
    for (channel, rights) in [
        ("announcements", "rw"),
        ("project:mercury", "r"),
        ("project:mercury:crew", "r"),
        ("project:apollo", "rw"),
        ("support:bob", "rw"),
        ("desk", "rw"),
        ("elsewhere", ""),
    ] {
        assert_eq!(may(&policy, &moderator, channel), rights, "{channel}");
    }
}

#[test]
fn whoever_is_muted_reads_on_and_writes_nowhere() {
    let policy = shipped();
    for role in ["customer", "agent", "moderator"] {
        assert_eq!(may(&policy, &alice(&[role, "muted"]), "support:alice"), "r", "{role}");
        assert_eq!(may(&policy, &alice(&[role, "muted"]), "announcements"), "r", "{role}");
    }
    assert!(listed(&policy, &alice(&["muted"])).is_err(), "alone it grants nothing");
}

#[test]
fn a_visitor_reads_announcements_for_ten_minutes() {
    let account = decide(&shipped(), &guest(), &json!({"ttl": 60}));
    let terms = account.outcome.unwrap();
    assert_eq!((super::shown(&terms.channels), terms.ttl.minutes()), (vec!["announcements: r".to_owned()], 10));
    assert!(listed(&shipped(), &alice(&["visitor"])).unwrap().len() > 1, "nobody becomes a visitor by claiming it");
}

#[test]
fn a_customers_rights_last_an_hour_and_an_agents_own_a_shift() {
    let policy = shipped();
    let minutes = |roles: &[&str], ask: Value| decide(&policy, &alice(roles), &ask).outcome.unwrap().ttl.minutes();
    let named = |channel: &str| json!({"ttl": 43_200, "channels": {channel: {"read": true}}});
    assert_eq!(minutes(&["customer"], json!({})), 15);
    assert_eq!(minutes(&["customer"], named("announcements")), 60);
    assert_eq!(minutes(&["agent"], named("announcements")), 60);
    assert_eq!(minutes(&["agent"], named("support:bob")), 480);
    assert_eq!(minutes(&["agent"], named("support:alice")), 480, "the most generous rule counts");
    assert_eq!(minutes(&["agent"], named("desk")), 480);
    assert_eq!(minutes(&["moderator"], named("announcements")), 480);
    assert_eq!(accept(&policy, &alice(&["agent"]), &json!({"ttl": 2})).unwrap_err(), ["/ttl ttl_too_small"]);
}

#[test]
fn others_see_a_members_name_and_the_status_that_it_sets() {
    let account = decide(&shipped(), &alice(&["customer"]), &json!({"state": {"status": "away"}}));
    let terms = account.outcome.unwrap();
    assert_eq!(Value::Object(terms.state.clone()), json!({"name": "Alice", "status": "away"}));
    assert_eq!(terms.member_id.as_str(), "alice");
    assert!(accept(&shipped(), &alice(&["customer"]), &json!({"state": {"name": "Bob"}})).is_err());
}

#[test]
fn mallory_gets_nothing() {
    let mallory = facts(&["moderator"], json!({"sub": "mallory"}));
    assert_eq!(shipped().evaluate(&mallory, &Ask::default(), NOW).outcome.unwrap_err(), Denial::SessionRevoked);
}
