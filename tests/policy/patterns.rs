//! Patterns: how they are written, what they match, what claims they take.

use serde_json::{Value, json};

use super::{facts, guest, listed, may, policy, report};

/// A policy with one allow rule in the role that everybody has.
fn allow(pattern: &str) -> String {
    format!("[roles.x.channels]\n'{pattern}' = ['read', 'write']\n[defaults]\nrole = 'x'\n[guest]\nrole = 'x'\n")
}

/// A policy that allows all below `a`, `b` and `sw`, and has one deny rule.
fn deny(pattern: &str) -> String {
    let open = "'a:**' = ['read', 'write']\n'a' = ['read', 'write']\n'b:**' = ['read', 'write']\n";
    format!("[roles.x.channels]\n{open}[roles.x.deny]\n'{pattern}' = ['read', 'write']\n[defaults]\nrole = 'x'\n")
}

fn allows(pattern: &str, claims: Value, channel: &str) -> bool {
    may(&policy(&allow(pattern)), &facts(&[], claims), channel) == "rw"
}

fn denies(pattern: &str, claims: Value, channel: &str) -> bool {
    may(&policy(&deny(pattern)), &facts(&[], claims), channel).is_empty()
}

#[test]
fn a_pattern_that_cannot_be_meant_is_a_fault_with_advice() {
    let cases = [
        ("a:sup*", "a `*` beside other text"),
        ("a:*sup", "a `*` beside other text"),
        ("a:***", "a `*` beside other text"),
        ("a:**:b", "`**` stands before the end"),
        ("a:x{sub}", "a placeholder beside other text in one segment"),
        ("a:{sub}x", "a placeholder beside other text in one segment"),
        ("a:{sub}{sub}", "a placeholder beside other text in one segment"),
        ("a:*{sub}", "a placeholder beside other text in one segment"),
        ("a::b", "a segment is empty"),
        (":a", "a segment is empty"),
        ("a:", "a segment is empty"),
        ("", "a segment is empty"),
        ("a:{ sub }", "white space within the braces"),
        ("a:{sub }", "white space within the braces"),
        ("a:{}", "a placeholder without a name"),
        ("a:{|sha256}", "a placeholder without a name"),
        ("a:{sub", "a `{` is never closed"),
        ("a:sub}", "a `}` without its `{`"),
        ("a:{{sub}}", "a `}` without its `{`"),
        ("a:{{sub}", "a `{` within a placeholder"),
        ("a:{/x~2}", "a `~` in a JSON Pointer is followed by 0 or 1"),
        ("a:{/x~}", "a `~` in a JSON Pointer is followed by 0 or 1"),
        ("a:{sub|sha25}", "there is no filter `sha25`"),
        ("a:{sub|upper}", "there is no filter `upper`"),
        ("*", "the first segment is no literal"),
        ("**", "the first segment is no literal"),
        ("{sub}", "the first segment is no literal"),
        ("{sub}:a", "the first segment is no literal"),
        ("sw_x", "channels that start with `sw_` are SignalWire's own"),
        ("sw_x:{sub}", "channels that start with `sw_` are SignalWire's own"),
        (" a", "no channel name starts or ends with white space"),
        ("a:b ", "no channel name starts or ends with white space"),
        ("a\u{3000}", "no channel name starts or ends with white space"),
        ("a:b\u{85}c", "a control character"),
        ("a:b\u{2028}c", "a control character"),
        ("a:b\u{2029}c", "a control character"),
    ];
    for (pattern, message) in cases {
        let text = allow(pattern);
        let report = report(&text);
        assert!(report.contains(message), "{pattern:?}: {report}");
        assert!(report.contains("policy.toml:3:1") && report.contains("help: "), "{pattern:?}: {report}");
    }
}

#[test]
fn a_name_that_is_too_long_can_never_be_asked_for() {
    let literal = "é".repeat(250);
    assert_eq!(report(&allow(&literal)), "no fault");
    assert!(report(&allow(&format!("{literal}e"))).contains("no channel name is that long"));
    // Placeholders and wildcards count for what is the least of them.
    assert_eq!(report(&allow(&format!("{}:*", "e".repeat(248)))), "no fault");
    assert!(report(&allow(&format!("{}:**", "e".repeat(249)))).contains("that long"));
    assert_eq!(report(&allow(&format!("{}:{{sub|sha256}}", "e".repeat(185)))), "no fault");
    assert!(report(&allow(&format!("{}:{{sub|sha256}}", "e".repeat(186)))).contains("that long"));
    assert_eq!(report(&allow(&format!("{}:{{sub|b64url}}", "e".repeat(247)))), "no fault");
    assert!(report(&allow(&format!("{}:{{sub|b64url}}", "e".repeat(248)))).contains("that long"));
}

#[test]
fn a_deny_may_begin_with_anything_and_is_held_to_the_rest() {
    for good in ["**", "*", "{sub}", "sw_x", "sw_x:**", "{issuer}:*"] {
        assert_eq!(report(&deny(good)), "no fault", "{good}");
    }
    for bad in ["a:sup*", "a::b", "a:{ sub }", " a", "a:**:b"] {
        assert_ne!(report(&deny(bad)), "no fault", "{bad}");
    }
}

#[test]
fn the_same_right_twice_none_or_another_word_is_a_fault() {
    let rule = |rights: &str| report(&format!("[roles.x.channels]\n'a' = {rights}\n"));
    assert!(rule("['read', 'read']").contains("`read` is there twice"));
    assert!(rule("['raed']").contains("did you mean \"read\"?"));
    assert!(rule("[]").contains("needs at least 1"));
    assert!(rule("'read'").contains("where a list"));
    assert_eq!(rule("['write', 'read']"), "no fault");
}

#[test]
fn braces_are_read_before_the_separator_splits() {
    let claims = json!({"https://example.com/org": "acme"});
    assert!(allows("a:{https://example.com/org}:b", claims.clone(), "a:acme:b"));
    assert!(!allows("a:{https://example.com/org}:b", claims, "a:acme"));
}

#[test]
fn a_literal_matches_itself_alone() {
    assert!(allows("a:b", json!({}), "a:b"));
    for other in ["a", "a:b:c", "a:B", "b:a", "a:b:"] {
        assert!(!allows("a:b", json!({}), other), "{other}");
    }
}

#[test]
fn a_star_is_one_whole_segment_that_is_not_empty() {
    assert!(allows("a:*", json!({}), "a:b"));
    assert!(allows("a:*:c", json!({}), "a:b:c"));
    for other in ["a", "a:", "a:b:c", "b:b"] {
        assert!(!allows("a:*", json!({}), other), "{other}");
    }
}

#[test]
fn two_stars_are_one_or_more_segments_that_are_not_empty() {
    for name in ["a:b", "a:b:c", "a:b:c:d"] {
        assert!(allows("a:**", json!({}), name), "{name}");
    }
    for other in ["a", "a:", "a::b", "a:b:", "b:c"] {
        assert!(!allows("a:**", json!({}), other), "{other}");
    }
}

#[test]
fn every_separator_splits_and_the_others_do_not() {
    for separator in [":", ".", "/", "#", "-", "_"] {
        let other = if separator == ":" { "." } else { ":" };
        let text = format!("separator = '{separator}'\n{}", allow(&format!("a{separator}*")));
        let policy = policy(&text);
        assert_eq!(may(&policy, &facts(&[], json!({})), &format!("a{separator}b{other}c")), "rw", "{separator}");
        assert_eq!(may(&policy, &facts(&[], json!({})), &format!("a{separator}b{separator}c")), "", "{separator}");
    }
    assert!(report("separator = ','\n[roles.x]\n").contains("where \":\" or \".\""));
}

#[test]
fn a_placeholder_is_the_top_level_claim_of_exactly_that_name() {
    assert!(allows("a:{sub}", json!({}), "a:alice"));
    assert!(!allows("a:{sub}", json!({}), "a:bob"));
    assert!(allows("a:{x.y}", json!({"x.y": "1", "x": {"y": "2"}}), "a:1"));
    assert!(!allows("a:{x.y}", json!({"x": {"y": "2"}}), "a:2"));
    assert!(!allows("a:{Sub}", json!({}), "a:alice"));
}

#[test]
fn a_placeholder_with_a_slash_is_a_json_pointer() {
    let claims = json!({"tenant": {"id": "t1", "a/b": "t2", "c~d": "t3"}, "list": ["l0", "l1"], "x/y": "t4"});
    for (pointer, value) in [
        ("/tenant/id", "t1"),
        ("/tenant/a~1b", "t2"),
        ("/tenant/c~0d", "t3"),
        ("/list/1", "l1"),
        ("/x~1y", "t4"),
        ("/sub", "alice"),
    ] {
        assert!(allows(&format!("a:{{{pointer}}}"), claims.clone(), &format!("a:{value}")), "{pointer}");
    }
    for nowhere in ["/tenant", "/tenant/none", "/none/id", "/list/01", "/list/2"] {
        let policy = policy(&allow(&format!("a:{{{nowhere}}}")));
        assert!(listed(&policy, &facts(&[], claims.clone())).is_err(), "{nowhere}");
    }
}

#[test]
fn a_list_is_one_channel_for_each_element() {
    let policy = policy(&allow("a:{/list}"));
    let claims = facts(&[], json!({"list": ["x", "y", 7, "x"]}));
    assert_eq!(listed(&policy, &claims).unwrap(), ["a:7: rw", "a:x: rw", "a:y: rw"]);
    assert_eq!(may(&policy, &claims, "a:y"), "rw");
    assert_eq!(may(&policy, &claims, "a:z"), "");
}

#[test]
fn integers_of_64_bits_are_values_and_other_numbers_are_not() {
    for (value, fits) in [
        (json!(0), true),
        (json!(-5), true),
        (json!(u64::MAX), true),
        (json!(i64::MIN), true),
        (json!(1.5), false),
        (json!(1.0), false),
        (json!(1e30), false),
        (json!(true), false),
        (json!(null), false),
        (json!({}), false),
        (json!([["x"]]), false),
    ] {
        let listed = listed(&policy(&allow("a:{v}")), &facts(&[], json!({"v": value})));
        assert_eq!(listed.is_ok(), fits, "{value}");
    }
}

/// Values, and whether they fit into a segment as they are.
fn values() -> Vec<(Value, bool)> {
    let mut values: Vec<(Value, bool)> = ["x", "a.b-c_d@e+f|g/h#", "~", "!", "\"\\'`$", "**x"]
        .iter()
        .map(|text| (json!(text), !text.contains('*')))
        .collect();
    for unfit in
        ["", " ", "a b", "a:b", "*", "**", "a*", "{", "}", "{sub}", "é", "\u{7f}", "\u{0}", "a\nb", "\u{202e}", "%\t"]
    {
        values.push((json!(unfit), false));
    }
    values.push((json!("x".repeat(128)), true));
    values.push((json!("x".repeat(129)), false));
    values
}

#[test]
fn an_unfiltered_value_is_1_to_128_printable_ascii_characters_of_no_meaning_in_a_pattern() {
    let policy = policy(&allow("a:{v}"));
    for (value, fits) in values() {
        let claims = facts(&[], json!({"v": value}));
        assert_eq!(listed(&policy, &claims).is_ok(), fits, "{value}");
        let name = format!("a:{}", value.as_str().unwrap());
        if usher::chat::ChannelName::parse(&name).is_ok() {
            assert_eq!(may(&policy, &claims, &name) == "rw", fits, "{value}");
        }
    }
}

#[test]
fn of_a_list_in_an_allow_rule_each_element_counts_by_itself() {
    let all: Vec<Value> = values().into_iter().map(|(value, _)| value).chain([json!(null), json!(true)]).collect();
    let fitting: Vec<String> = values()
        .into_iter()
        .filter(|(_, fits)| *fits)
        .map(|(value, _)| format!("a:{}: rw", value.as_str().unwrap()))
        .collect();
    let mut listed = listed(&policy(&allow("a:{v}")), &facts(&[], json!({"v": all}))).unwrap();
    let mut fitting = fitting;
    listed.sort();
    fitting.sort();
    assert_eq!(listed, fitting);
}

#[test]
fn b64url_is_unpadded_base64url_of_the_text() {
    // RFC 4648 §5 and §10; a name in Greek.
    for (value, encoded) in [("f", "Zg"), ("fo", "Zm8"), ("foobar", "Zm9vYmFy"), ("ÿÿ>", "w7_Dvz4"), ("a:b", "YTpi")]
    {
        assert!(allows("a:{v|b64url}", json!({"v": value}), &format!("a:{encoded}")), "{value}");
    }
    assert!(allows("a:{v|b64url}", json!({"v": 7}), "a:Nw"));
    for separator in ["-", "_"] {
        let text = format!("separator = '{separator}'\n{}", allow(&format!("a{separator}{{v|b64url}}")));
        assert!(report(&text).contains("may hold the separator"), "{separator}");
    }
    assert_eq!(report(&format!("separator = '.'\n{}", allow("a.{v|b64url}"))), "no fault");
}

#[test]
fn sha256_is_64_lowercase_hex_digits_of_the_text() {
    // FIPS 180-4's example "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(allows("a:{v|sha256}", json!({"v": "abc"}), &format!("a:{abc}")));
    assert!(!allows("a:{v|sha256}", json!({"v": "abc"}), "a:abc"));
}

#[test]
fn a_filtered_value_is_anything_that_is_not_empty() {
    for filter in ["b64url", "sha256"] {
        let policy = policy(&allow(&format!("a:{{v|{filter}}}")));
        for (value, _) in values() {
            let fits = value != "" && (filter == "sha256" || value.as_str().unwrap().len() < 180);
            assert_eq!(listed(&policy, &facts(&[], json!({"v": value}))).is_ok(), fits, "{value} {filter}");
        }
        assert!(listed(&policy, &facts(&[], json!({"v": true}))).is_err());
    }
}

#[test]
fn a_list_of_over_1000_grants_nothing() {
    let list = |count: usize| json!({"v": (0..count).map(|_| "same").collect::<Vec<_>>()});
    let policy = policy(&allow("a:{v}"));
    assert!(listed(&policy, &facts(&[], list(1_000))).is_ok());
    assert!(listed(&policy, &facts(&[], list(1_001))).is_err());
    assert_eq!(may(&policy, &facts(&[], list(1_001)), "a:same"), "");
}

#[test]
fn a_deny_takes_the_values_of_its_claim_and_no_others() {
    assert!(denies("a:{v}", json!({"v": "x"}), "a:x"));
    assert!(!denies("a:{v}", json!({"v": "x"}), "a:y"));
    assert!(denies("a:{v}", json!({"v": ["x", "y"]}), "a:y"));
    assert!(!denies("a:{v}", json!({"v": ["x", "y"]}), "a:z"));
    assert!(denies(
        "a:{v|sha256}",
        json!({"v": "abc"}),
        "a:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    ));
    assert!(!denies("a:{v|sha256}", json!({"v": "abc"}), "a:abc"));
}

#[test]
fn a_deny_fails_closed_where_its_claim_is_anything_but_fitting_values() {
    let over = json!({"v": (0..1_001).map(|n| n.to_string()).collect::<Vec<_>>()});
    let unfit = [
        json!({}),
        json!({"v": null}),
        json!({"v": true}),
        json!({"v": 1.5}),
        json!({"v": {}}),
        json!({"v": ""}),
        json!({"v": "x y"}),
        json!({"v": "x*"}),
        json!({"v": "{x}"}),
        json!({"v": "a:x"}),
        json!({"v": ["x", "x y"]}),
        json!({"v": ["x", null]}),
        json!({"v": [["x"]]}),
        over,
    ];
    for claims in unfit {
        assert!(denies("a:{v}", claims.clone(), "a:anything"), "{claims}");
        assert!(!denies("a:{v}", claims.clone(), "b:anything"), "{claims}: elsewhere it takes nothing");
        assert!(!denies("a:{v}", claims.clone(), "a:two:segments"), "{claims}: a segment is one");
    }
    assert!(!denies("a:{v}", json!({"v": "x"}), "a:anything"), "the untouched twin");
}

#[test]
fn an_empty_list_denies_nothing() {
    assert!(!denies("a:{v}", json!({"v": []}), "a:anything"));
}

#[test]
fn the_issuer_is_the_alias_and_no_claim() {
    assert!(allows("a:{issuer}", json!({"issuer": "forged"}), "a:app"));
    assert!(!allows("a:{issuer}", json!({"issuer": "forged"}), "a:forged"));
    assert!(allows("a:{/issuer}", json!({"issuer": "claimed"}), "a:claimed"), "by pointer it is the claim");
}

#[test]
fn a_guests_templates_grant_nothing_and_deny_everything() {
    let text = "[roles.x]\nclaimed_as = []\n[roles.x.channels]\n'a' = ['read']\n'b:{sub}' = ['read']\n'c:{issuer}' = ['read']\n\
                'd:*' = ['read']\n[roles.x.deny]\n'd:{sub}' = ['read']\n[guest]\nrole = 'x'\n";
    let policy = policy(text);
    assert_eq!(listed(&policy, &guest()).unwrap(), ["a: r"]);
    assert_eq!(may(&policy, &guest(), "c:app"), "");
    assert_eq!(may(&policy, &guest(), "d:anything"), "");
}

#[test]
fn every_filled_in_name_is_checked_like_an_asked_for_one() {
    // 250 characters are a name, 251 are none.
    let policy = policy(&allow(&format!("{}:{{v}}", "a".repeat(122))));
    assert_eq!(listed(&policy, &facts(&[], json!({"v": "x".repeat(127)}))).unwrap().len(), 1);
    assert!(listed(&policy, &facts(&[], json!({"v": "x".repeat(128)}))).is_err());
    // `sw_` by way of a separator that is an underscore.
    let text = "separator = '_'\n[roles.x.channels]\n'sw' = ['read']\n'sw2_{v}' = ['read']\n[defaults]\nrole = 'x'\n";
    let listed = listed(&super::policy(text), &facts(&[], json!({"v": "x"}))).unwrap();
    assert_eq!(listed, ["sw: r", "sw2_x: r"]);
}

#[test]
fn wildcards_are_never_enumerated_nor_sent() {
    let many = (0..501).map(|n| format!("'b:{n}:*' = ['read']")).collect::<Vec<_>>().join("\n");
    let many = format!("[roles.x.channels]\n'a' = ['read']\n{many}\n[defaults]\nrole = 'x'\n");
    assert_eq!(listed(&policy(&many), &facts(&[], json!({}))).unwrap(), ["a: r"], "nor counted");
    let text =
        "[roles.x.channels]\n'a' = ['read']\n'b:*' = ['read', 'write']\n'c:**' = ['read']\n[defaults]\nrole = 'x'\n";
    assert_eq!(listed(&policy(text), &facts(&[], json!({}))).unwrap(), ["a: r"]);
}

#[test]
fn a_wildcard_grants_nothing_by_itself_and_adds_nothing_to_a_listed_name() {
    let text = "[roles.x.channels]\n'b:{sub}' = ['read']\n'b:*' = ['read', 'write']\n[defaults]\nrole = 'x'\n";
    assert_eq!(listed(&policy(text), &facts(&[], json!({}))).unwrap(), ["b:alice: r"]);
    assert_eq!(may(&policy(text), &facts(&[], json!({})), "b:alice"), "rw");
}
