//! How long a token lives: whole minutes, the least of every bound.

use serde_json::json;
use usher::chat::{Facts, Timestamp};
use usher::policy::{Denial, LimitedBy};

use super::{NOW, accept, decide, facts, guest, policy, report};

const RULES: &str = "
[roles.long.channels]
'a' = ['read']
'both' = ['read']
[roles.short]
max_ttl = '5m'
[roles.short.channels]
'b' = ['read']
'both' = ['read']
[roles.shorter]
max_ttl = '4m'
includes = ['long']
[roles.shorter.channels]
'c' = ['read']
[roles.visitor]
claimed_as = []
[roles.visitor.channels]
'a' = ['read']
[guest]
role = 'visitor'
max_ttl = '10m'
";

/// The minutes that a session with these roles gets for these channels, and by what they are bound.
fn ttl(head: &str, roles: &[&str], channels: &[&str], asked: Option<u64>, ends: Option<Timestamp>) -> (u32, LimitedBy) {
    let facts = Facts { ends, ..facts(roles, json!({})) };
    of(head, &facts, channels, asked).unwrap()
}

fn of(head: &str, facts: &Facts, channels: &[&str], asked: Option<u64>) -> Result<(u32, LimitedBy), Denial> {
    let channels: serde_json::Map<_, _> =
        channels.iter().map(|name| ((*name).to_owned(), json!({"read": true}))).collect();
    let mut body = json!({"channels": channels});
    if let Some(asked) = asked {
        body["ttl"] = json!(asked);
    }
    let account = decide(&policy(&format!("{head}{RULES}")), facts, &body);
    let ttl = account.ttl;
    account.outcome.map(|terms| (terms.ttl.minutes(), ttl.unwrap().limited_by))
}

#[expect(clippy::unnecessary_wraps, reason = "it is what `Facts::ends` takes")]
fn ends_in(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_seconds(NOW.seconds() + seconds))
}

#[test]
fn without_a_ttl_table_it_is_15_minutes_1_hour_and_3_minutes() {
    assert_eq!(ttl("", &["long"], &["a"], None, None), (15, LimitedBy::Default));
    assert_eq!(ttl("", &["long"], &["a"], Some(99), None), (60, LimitedBy::Policy));
    let policy = policy(RULES);
    assert!(accept(&policy, &facts(&[], json!({})), &json!({"ttl": 3})).is_ok());
    assert_eq!(accept(&policy, &facts(&[], json!({})), &json!({"ttl": 2})).unwrap_err(), ["/ttl ttl_too_small"]);
}

#[test]
fn what_was_asked_bounds_and_takes_the_defaults_place() {
    assert_eq!(ttl("", &["long"], &["a"], Some(7), None), (7, LimitedBy::Request));
    assert_eq!(ttl("", &["long"], &["a"], Some(30), None), (30, LimitedBy::Request));
    assert_eq!(ttl("[ttl]\ndefault = '20m'\n", &["long"], &["a"], None, None), (20, LimitedBy::Default));
}

#[test]
fn a_right_lives_as_long_as_the_most_generous_rule_that_grants_it() {
    assert_eq!(ttl("", &["short"], &["both"], Some(60), None), (5, LimitedBy::Policy));
    assert_eq!(ttl("", &["short", "long"], &["both"], Some(60), None), (60, LimitedBy::Request));
    assert_eq!(ttl("", &["long", "short"], &["both"], Some(60), None), (60, LimitedBy::Request));
}

#[test]
fn a_token_lives_as_long_as_its_shortest_lived_right() {
    assert_eq!(ttl("", &["long", "short"], &["a", "b"], Some(60), None), (5, LimitedBy::Policy));
    assert_eq!(ttl("", &["long", "short"], &["a"], Some(60), None), (60, LimitedBy::Request));
    assert_eq!(ttl("", &["shorter", "short"], &["b", "c"], Some(60), None), (4, LimitedBy::Policy));
}

#[test]
fn a_rule_has_the_cap_of_the_table_that_it_stands_in_and_including_changes_nothing() {
    assert_eq!(ttl("", &["shorter"], &["a"], Some(60), None), (60, LimitedBy::Request));
    assert_eq!(ttl("", &["shorter"], &["c"], Some(60), None), (4, LimitedBy::Policy));
}

#[test]
fn nothing_outlives_the_policys_max() {
    assert_eq!(ttl("[ttl]\nmax = '40m'\n", &["long"], &["a"], Some(60), None), (40, LimitedBy::Policy));
    let head = "[ttl]\nmax = '4m'\ndefault = '4m'\n";
    assert_eq!(
        ttl(head, &["short"], &["b"], None, None),
        (4, LimitedBy::Default),
        "a cap above it is no fault and no gain"
    );
}

#[test]
fn a_guests_token_keeps_to_the_guests_cap() {
    assert_eq!(of("", &guest(), &["a"], Some(60)).unwrap(), (10, LimitedBy::Policy));
    assert_eq!(of("", &guest(), &["a"], None).unwrap(), (10, LimitedBy::Policy));
    assert_eq!(ttl("", &["long"], &["a"], None, None).0, 15, "which holds for guests alone");
}

#[test]
fn what_is_left_of_the_session_bounds_in_whole_minutes_rounded_down() {
    assert_eq!(ttl("", &["long"], &["a"], None, ends_in(10 * 60)), (10, LimitedBy::Session));
    assert_eq!(ttl("", &["long"], &["a"], None, ends_in(10 * 60 - 1)), (9, LimitedBy::Session));
    let millis = Some(Timestamp::from_millis(NOW.millis() + 600_000 - 1));
    assert_eq!(ttl("", &["long"], &["a"], None, millis), (9, LimitedBy::Session));
    assert_eq!(ttl("", &["long"], &["a"], None, ends_in(24 * 3_600)), (15, LimitedBy::Default));
}

#[test]
fn of_equal_bounds_the_first_is_named() {
    assert_eq!(ttl("", &["long"], &["a"], Some(60), ends_in(3_600)), (60, LimitedBy::Request));
    assert_eq!(ttl("", &["long"], &["a"], Some(61), ends_in(3_600)), (60, LimitedBy::Policy));
    assert_eq!(ttl("", &["long"], &["a"], None, ends_in(15 * 60)), (15, LimitedBy::Default));
}

#[test]
fn a_session_that_ends_before_the_minimum_is_expiring() {
    let expiring = |ends| of("", &Facts { ends, ..facts(&["long"], json!({})) }, &["a"], None);
    assert_eq!(expiring(ends_in(180)).unwrap(), (3, LimitedBy::Session));
    for seconds in [179, 60, 0, -1, -3_600] {
        assert_eq!(expiring(ends_in(seconds)).unwrap_err(), Denial::SessionExpiring, "{seconds}");
    }
    let policy = policy(RULES);
    let soon = Facts { ends: ends_in(179), ..facts(&["long"], json!({})) };
    assert_eq!(policy.overview(&soon, NOW).unwrap_err(), Denial::SessionExpiring);
    let later = Facts { ends: ends_in(600), ..facts(&["long"], json!({})) };
    assert_eq!(policy.overview(&later, NOW).unwrap().max_ttl.unwrap().minutes(), 10);
}

#[test]
fn rights_are_looked_at_before_what_is_left_of_the_session() {
    let soon = Facts { ends: ends_in(1), ..facts(&["long"], json!({})) };
    assert!(matches!(of("", &soon, &["z"], None), Err(Denial::ChannelsDenied(_))));
}

#[test]
fn an_overviews_longest_ttl_is_that_of_its_longest_lived_right() {
    let policy = policy(RULES);
    let max = |roles: &[&str]| policy.overview(&facts(roles, json!({})), NOW).unwrap().max_ttl.unwrap().minutes();
    assert_eq!(max(&["short"]), 5);
    assert_eq!(max(&["short", "long"]), 60);
    assert_eq!(policy.overview(&guest(), NOW).unwrap().max_ttl.unwrap().minutes(), 10);
}

#[test]
fn bounds_that_cannot_work_together_are_faults() {
    let cases = [
        ("[ttl]\ndefault = '2m'\n", "[ttl].default (2m) is under [ttl].min (3m)"),
        ("[ttl]\ndefault = '2h'\n", "[ttl].default (120m) is over [ttl].max (60m)"),
        ("[ttl]\nmax = '10m'\n", "[ttl].default (15m) is over [ttl].max (10m)"),
        ("[ttl]\nmin = '20m'\n", "[ttl].default (15m) is under [ttl].min (20m)"),
        ("[ttl]\nmax = '31d'\n", "[ttl].max is over 30 days"),
        ("[ttl]\nmin = '59s'\n", "this is under one minute"),
        ("[ttl]\nmin = '6m'\n", "this cap (5m) is under [ttl].min (6m)"),
        ("[ttl]\nmin = '11m'\n", "this cap (10m) is under [ttl].min (11m)"),
        ("[ttl]\nmin = '0m'\n", "where a duration"),
        ("[ttl]\nmin = '-3m'\n", "where a duration"),
        ("[ttl]\nmin = '3'\n", "where a duration"),
        ("[ttl]\nmin = '3 m'\n", "where a duration"),
        ("[ttl]\nmin = '1h30m'\n", "where a duration"),
        ("[ttl]\nmin = 3\n", "where a duration"),
    ];
    for (head, message) in cases {
        let report = report(&format!("{head}{RULES}"));
        assert!(report.contains(message), "{head}: {report}");
    }
    assert_eq!(report(&format!("[ttl]\nmax = '30d'\n{RULES}")), "no fault");
}

#[test]
fn a_duration_is_cut_to_whole_minutes() {
    assert_eq!(ttl("[ttl]\ndefault = '299s'\n", &["long"], &["a"], None, None), (4, LimitedBy::Default));
    assert_eq!(ttl("[ttl]\ndefault = '1d'\nmax = '2d'\n", &["long"], &["a"], None, None), (1_440, LimitedBy::Default));
}

#[test]
fn a_default_and_a_cap_may_equal_the_minimum() {
    assert_eq!(report("[ttl]\ndefault = '3m'\n[roles.x]\nmax_ttl = '3m'\n"), "no fault");
    assert_eq!(report("[ttl]\ndefault = '60m'\n[roles.x]\n"), "no fault", "and a default the maximum");
}
