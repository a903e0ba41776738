//! `usher test`: a policy's own tests pass and fail by every member that they have, faults in them are told at once, and
//! what of the policy they never use is said by its line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quick_junit::{Report, TestCaseStatus};

use crate::support::{CommandLine, issuer_of};

/// policy.md's own example.
const POLICY: &str = include_str!("../policies/good/design.toml");

/// Its two tests, as policy.md has them.
const EXAMPLES: &str = r#"[[test]]
name = "a customer reads announcements and owns one support room"
claims = { sub = "alice", roles = ["customer"] }
ask = { channels = { "support:alice" = ["read", "write"], "announcements" = ["read"] } }
expect.grant = { "support:alice" = ["read", "write"], "announcements" = ["read"] }          # exact
expect.ttl = "15m"

[[test]]
name = "nobody reads another customer's room"
claims = { sub = "alice", roles = ["customer"] }
ask = { channels = { "support:bob" = ["read"] } }
expect.problem = "channels_denied"
expect.denied = { "support:bob" = ["read"] }
"#;

/// A place with `policy.toml` and its tests.
fn place_with(policy: &str, tests: &str) -> CommandLine {
    let place = CommandLine::empty();
    place.write("policy.toml", policy);
    place.write("policy.tests.toml", tests);
    place
}

/// `usher test` with no variable at all.
fn test(place: &CommandLine, arguments: &[&str]) -> (i32, String, String) {
    place.run::<&str, &str>(&[&["test"], arguments].concat(), &[])
}

/// What `usher test` says of these tests of policy.md's example, standard output before standard error.
fn told(tests: &str) -> (i32, String) {
    told_of(POLICY, tests)
}

fn told_of(policy: &str, tests: &str) -> (i32, String) {
    let (code, stdout, stderr) = test(&place_with(policy, tests), &["policy.tests.toml"]);
    (code, stdout + &stderr)
}

/// One test of this name with these lines.
fn case(name: &str, lines: &str) -> String {
    format!("[[test]]\nname = {name:?}\n{lines}\n")
}

#[test]
fn the_two_examples_of_the_design_pass_by_its_own_policy() {
    let (code, told) = told(EXAMPLES);
    assert_eq!(code, 0, "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn the_shipped_tests_pass_and_use_every_rule_of_the_shipped_policy() {
    let place = CommandLine::empty();
    place.write("config/policy.toml", include_str!("../../config/policy.toml"));
    place.write("config/policy.tests.toml", include_str!("../../config/policy.tests.toml"));
    let (code, stdout, stderr) = test(&place, &["--min-coverage", "100"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(!stdout.contains("not used"), "{stdout}");
}

#[test]
fn every_member_of_a_test_can_be_as_expected() {
    let cases = [
        (
            "all of a known member's request at once",
            r#"
            claims = { sub = "alice", name = "Alice", tenant = { id = 7 }, roles = ["customer"] }
            issuer = "app"
            guest = false
            ask.channels = { "support:alice" = ["read"], "announcements" = ["read"] }
            ask.ttl = "20m"
            ask.mode = "strict"
            ask.state = { status = "away" }
            ask.member_id = "alice"
            expect.grant = { "announcements" = ["read"], "support:alice" = ["read"] }
            expect.denied = {}
            expect.ttl = "20m"
            expect.ttl_limited_by = "request"
            expect.member_id = "alice"
            expect.state = { name = "Alice", org = 7, status = "away" }"#,
        ),
        (
            "no ask is a request that names no channel",
            "claims = { sub = \"alice\", projects = [\"apollo\", 11] }
            expect.grant = { \"announcements\" = [\"read\"], \"support:alice\" = [\"read\", \"write\"], \
                             \"project:apollo\" = [\"write\", \"read\"], \"project:11\" = [\"read\", \"write\"] }
            expect.ttl_limited_by = \"default\"",
        ),
        (
            "a request without channels has a ttl too",
            "claims = { sub = \"alice\" }\nask.ttl = \"8h\"\nexpect.ttl = \"1h\"\nexpect.ttl_limited_by = \"policy\"",
        ),
        (
            "what is left of the session counts in whole minutes, rounded down",
            "claims = { sub = \"alice\" }\nexpires_in = \"299s\"\nexpect.ttl = \"4m\"\nexpect.ttl_limited_by = \"session\"",
        ),
        (
            "the minimum itself is enough",
            "claims = { sub = \"alice\" }\nexpires_in = \"3m\"\nexpect.ttl = \"3m\"\nexpect.ttl_limited_by = \"session\"",
        ),
        ("a second less is not", "claims.sub = \"alice\"\nexpires_in = \"179s\"\nexpect.problem = \"session_expiring\""),
        (
            "a claim exp is a claim, and ends nothing",
            "claims = { sub = \"alice\", exp = 1 }\nexpect.ttl_limited_by = \"default\"",
        ),
        (
            "a guest",
            "guest = true\nexpect.grant = { \"announcements\" = [\"read\"] }\nexpect.ttl = \"10m\"
            expect.ttl_limited_by = \"policy\"\nexpect.state = {}",
        ),
        (
            "a part of what was asked for, in mode narrow",
            "claims = { sub = \"alice\", roles = [\"customer\", \"muted\"] }
            ask = { channels = { \"support:alice\" = [\"read\", \"write\"] }, mode = \"narrow\" }
            expect.grant = { \"support:alice\" = [\"read\"] }\nexpect.denied = { \"support:alice\" = [\"write\"] }",
        ),
        (
            "in mode strict only what is refused is denied",
            "claims.sub = \"alice\"\nask.channels = { \"support:bob\" = [\"read\"], \"announcements\" = [\"read\", \"write\"] }
            expect.problem = \"channels_denied\"
            expect.denied = { \"support:bob\" = [\"read\"], \"announcements\" = [\"write\"] }",
        ),
        (
            "whoever is blocked has an id all the same",
            "claims.sub = \"mallory\"\nexpect.problem = \"session_revoked\"\nexpect.member_id = \"mallory\"",
        ),
        (
            "whose request is faulty too",
            "claims.sub = \"alice\"\nask.channels = {}\nexpect.problem = \"invalid_request\"\nexpect.member_id = \"alice\"",
        ),
        (
            "who asks for nothing in particular is refused what rules list and others deny",
            "claims = { sub = \"alice\", roles = [\"customer\", \"muted\"] }
            expect.grant = { \"announcements\" = [\"read\"], \"support:alice\" = [\"read\"] }\nexpect.denied = { \"support:alice\" = [\"write\"] }",
        ),
    ];
    let (code, told) = told(&cases.map(|(name, lines)| case(name, lines)).concat());
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("\n13 passed, 0 failed; "), "{told}");
}

#[test]
fn a_right_that_is_not_as_expected_is_told_with_the_rule_and_why() {
    let alice = "claims = { sub = \"alice\", roles = [\"customer\"], projects = [\"apollo\"] }\n";
    let cases = [
        (
            "more is granted than expected",
            "ask.channels = { \"support:alice\" = [\"read\", \"write\"] }\nexpect.grant = { \"support:alice\" = [\"read\"] }",
        ),
        (
            "less is granted than expected",
            "ask = { channels = { \"support:alice\" = [\"read\"], \"announcements\" = [\"read\", \"write\"] }, mode = \"narrow\" }
            expect.grant = { \"support:alice\" = [\"read\"], \"announcements\" = [\"read\", \"write\"] }",
        ),
        (
            "what is expected was not even asked for",
            "ask.channels = { \"announcements\" = [\"read\"] }
            expect.grant = { \"announcements\" = [\"read\"], \"support:alice\" = [\"read\"] }",
        ),
        (
            "another name than it is filled in with",
            "ask.channels = { \"project:gemini\" = [\"read\"] }\nexpect.grant = { \"project:gemini\" = [\"read\"] }",
        ),
        (
            "a refusal where nothing was expected to be refused",
            "ask = { channels = { \"announcements\" = [\"read\", \"write\"] }, mode = \"narrow\" }\nexpect.denied = {}",
        ),
        (
            "another refusal than expected",
            "ask.channels = { \"support:bob\" = [\"read\"], \"announcements\" = [\"read\"] }
            expect.problem = \"channels_denied\"\nexpect.denied = { \"announcements\" = [\"read\"] }",
        ),
        ("all of it is granted, and a problem was expected", "expect.problem = \"channels_denied\""),
        (
            "what is refused of a faulty request",
            "ask.channels = { \"sw_x\" = [\"read\"] }
            expect.problem = \"invalid_request\"\nexpect.denied = { \"x\" = [\"read\"] }",
        ),
    ];
    let mut tests = cases.map(|(name, lines)| case(name, &format!("{alice}{lines}"))).concat();
    tests += &case(
        "a deny of a role beside the one that allows it",
        "claims = { sub = \"ann\", roles = [\"agent\", \"muted\"] }
        ask.channels = { \"support:bob\" = [\"write\"] }\nexpect.grant = { \"support:bob\" = [\"write\"] }",
    );
    tests += &case(
        "a role that the session does not have would allow it",
        "claims = { sub = \"zoe\", roles = [\"visitor\"] }
        ask.channels = { \"support:bob\" = [\"read\"] }\nexpect.grant = { \"support:bob\" = [\"read\"] }",
    );
    tests += &case(
        "what is refused where nothing was asked for",
        "claims = { sub = \"alice\", roles = [\"customer\", \"muted\"] }
        expect.denied = { \"support:alice\" = [\"read\"] }",
    );
    tests +=
        &case("no member", "claims = { roles = [\"customer\"] }\nexpect.grant = { \"announcements\" = [\"read\"] }");
    tests += &case("a guest's rights", "guest = true\nexpect.grant = { \"announcements\" = [\"read\", \"write\"] }");
    let (code, told) = told(&tests);
    assert_eq!(code, 3, "{told}");
    assert!(
        told.contains("0 passed, 13 failed") && told.ends_with("error: 13 tests of policy.toml failed\n"),
        "{told}"
    );
    insta::assert_snapshot!(told);
}

#[test]
fn everything_else_that_is_not_as_expected_is_told_too() {
    let cases = [
        ("another ttl", "ask.ttl = \"8h\"\nexpect.ttl = \"8h\""),
        ("another bound", "expires_in = \"5m\"\nexpect.ttl_limited_by = \"default\""),
        ("another member", "expect.member_id = \"bob\""),
        ("another state", "ask.state = { status = \"away\" }\nexpect.state = { name = \"Bob\", status = \"away\" }"),
        ("no state", "expect.state = {}"),
        ("another problem", "ask.channels = { \"desk\" = [\"read\"] }\nexpect.problem = \"nothing_granted\""),
        ("another fault", "ask = { ttl = \"1m\", member_id = \"bob\" }\nexpect.problem = \"out_of_range\""),
        ("a problem instead of a ttl", "expires_in = \"1m\"\nexpect.ttl = \"1m\""),
        ("a problem instead of a state", "ask.channels = { \"desk\" = [\"read\"] }\nexpect.state = {}"),
        (
            "everything at once",
            "expect = { grant = { desk = [\"read\"] }, ttl = \"1h\", ttl_limited_by = \"policy\", member_id = \"bob\", state = {} }",
        ),
    ];
    let claims = "claims = { sub = \"alice\", name = \"Alice\", roles = [\"customer\"] }\n";
    let (code, told) = told(&cases.map(|(name, lines)| case(name, &format!("{claims}{lines}"))).concat());
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("0 passed, 10 failed"), "{told}");
    insta::assert_snapshot!(told);
}

/// Every code that a decision can come to, by a request under a policy.
#[test]
fn every_problem_that_a_decision_can_have_can_be_expected() {
    let names =
        |count: usize| (0..count).map(|name| format!("\"c{name}\" = [\"read\"]")).collect::<Vec<_>>().join(", ");
    let projects = (0..501).map(|project| format!("\"p{project}\"")).collect::<Vec<_>>().join(", ");
    let state = format!("ask.state = {{ status = \"{}\" }}", "x".repeat(2_000));
    let long = "x".repeat(251);
    let alice = "claims = { sub = \"alice\" }";
    let requests: [(&str, &str, &str, String); 22] = [
        ("channels_denied", "", alice, "ask.channels = { \"desk\" = [\"read\"] }".to_owned()),
        (
            "nothing_granted",
            "no right is left",
            alice,
            "ask = { channels = { \"desk\" = [\"read\"] }, mode = \"narrow\" }".to_owned(),
        ),
        (
            "nothing_granted",
            "all of one's roles grant nothing",
            "claims = { sub = \"a\", roles = [\"muted\"] }",
            String::new(),
        ),
        ("nothing_granted", "member.id cannot be filled in", "claims = { roles = [\"customer\"] }", String::new()),
        ("nothing_granted", "it would pass for a guest", "claims = { sub = \"guest-1\" }", String::new()),
        (
            "nothing_granted",
            "roles are withheld",
            "claims = { sub = \"a\", _claim_names = { roles = \"x\" } }",
            String::new(),
        ),
        ("session_expiring", "", alice, "expires_in = \"2m\"".to_owned()),
        ("session_revoked", "", "claims = { sub = \"mallory\" }", String::new()),
        ("invalid_request", "", alice, "ask.channels = {}".to_owned()),
        ("missing_required_parameter", "", alice, "ask.channels = {}".to_owned()),
        ("channel_has_missing_properties", "", alice, "ask.channels = { \"a\" = [] }".to_owned()),
        ("channel_name_is_reserved", "", alice, "ask.channels = { \"sw_a\" = [\"read\"] }".to_owned()),
        ("channel_name_size_limit_exceeded", "", alice, format!("ask.channels = {{ \"{long}\" = [\"read\"] }}")),
        ("channel_size_limit_exceeded", "asked for", alice, format!("ask.channels = {{ {} }}", names(501))),
        (
            "channel_size_limit_exceeded",
            "granted",
            &format!("claims = {{ sub = \"alice\", projects = [{projects}] }}"),
            String::new(),
        ),
        ("state_size_limit_exceeded", "", alice, state),
        ("out_of_range", "", alice, "ask.ttl = \"31d\"".to_owned()),
        ("channel_name_is_invalid", "", alice, "ask.channels = { \"a:*\" = [\"read\"] }".to_owned()),
        ("member_id_mismatch", "", alice, "ask.member_id = \"bob\"".to_owned()),
        ("state_key_not_allowed", "", alice, "ask.state = { name = \"Admin\" }".to_owned()),
        ("ttl_too_small", "", alice, "ask.ttl = \"2m\"".to_owned()),
        ("more_errors", "", alice, format!("ask.channels = {{ {} }}", names(101).replace("\"c", "\"sw_c"))),
    ];
    let (mut good, mut bad) = (String::new(), String::new());
    for (code, how, who, request) in &requests {
        let lines = format!("{who}\n{request}\n");
        good += &case(&format!("{code} {how}"), &format!("{lines}expect.problem = \"{code}\""));
        bad += &case(&format!("{code} {how}"), &format!("{lines}expect.problem = \"rate_limited\""));
    }
    let (exit, told) = self::told(&good);
    assert_eq!(exit, 0, "{told}");
    let (exit, told) = self::told(&bad);
    assert_eq!((exit, told.matches("- problem rate_limited").count()), (3, requests.len()), "{told}");
    for (code, how, ..) in &requests {
        let part = told.split(&format!("FAIL  {code} {how} (")).nth(1).unwrap_or_else(|| panic!("{code}: {told}"));
        let came: String = part.lines().skip(2).take_while(|line| line.starts_with("      ")).collect();
        // Of over a hundred faults the first few are told.
        let code = if *code == "more_errors" { "invalid_request" } else { code };
        assert!(came.starts_with("      + problem ") && came.contains(code), "{code}: {came}");
    }

    let (exit, told) =
        told_of("version = 1\n[roles.a]\n", &case("no guests", "guest = true\nexpect.problem = \"session_missing\""));
    assert_eq!(exit, 0, "{told}");
}

#[test]
fn narrow_is_a_fault_where_the_settings_switch_it_off() {
    let place = CommandLine::empty();
    place.write("config/policy.toml", POLICY);
    place.write(
        "config/policy.tests.toml",
        case("off", "claims.sub = \"a\"\nask.mode = \"narrow\"\nexpect.problem = \"mode_not_enabled\""),
    );
    let off = [("USHER__POLICY__NARROW", "false")];
    let (code, stdout, stderr) = place.run(&["test"], &off);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(test(&place, &[]).0, 3, "it is on where nothing is said");
}

#[test]
fn all_faults_of_a_file_of_tests_are_told_at_once() {
    let tests = r#"[[test]]
name = "misspelt"
claim = { sub = "alice" }
expect.grants = {}

[[test]]
name = "twice"
claims = { sub = "alice" }
expect.ttl = "15m"

[[test]]
name = "twice"
claims = { sub = "alice" }
expect.ttl = "15m"

[[test]]
name = "nothing is expected"
claims = { sub = "alice" }
expect = {}

[[test]]
name = "nothing is said of what is expected"
claims = { sub = "alice" }

[[test]]
name = "a grant and a problem"
claims = { sub = "alice" }
expect = { grant = { "a" = ["read"] }, problem = "channels_denied", ttl = "15m" }

[[test]]
name = "a guest with claims"
guest = true
claims = { sub = "alice" }
issuer = "app"
expires_in = "1h"
expect.ttl = "10m"

[[test]]
name = "nobody"
expect.ttl = "10m"

[[test]]
name = "an unknown problem"
claims = { sub = "alice" }
expect.problem = "channel_denied"

[[test]]
name = "a ttl that is no whole minutes"
claims = { sub = "alice" }
ask.ttl = "90s"
expect.ttl = "1d30s"

[[test]]
name = "bad rights"
claims = { sub = "alice" }
ask.channels = { "a" = ["raed"], "b" = "read", "c" = ["read", "read"] }
expect.grant = { "a" = [], "b*" = ["read"] }

[[test]]
name = "words and times that are none"
claims = { sub = "alice", born = 1990-01-01 }
expires_in = "soon"
ask.mode = "lenient"
expect.ttl_limited_by = "client"

[[test]]
name = ""
claims = { sub = "alice" }
expect.member_id = "alice"
"#;
    let (code, told) = told(tests);
    assert_eq!(code, 3, "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn each_fault_of_a_file_of_tests_is_told_alone_too() {
    let good = case("good", "claims.sub = \"alice\"\nexpect.ttl = \"15m\"");
    for (tests, said) in [
        ("", "`test` is missing"),
        ("test = []\n", "there is no test"),
        ("[test]\nname = \"a\"\n", "a list of tables"),
        ("[[tests]]\nname = \"a\"\n", "did you mean `test`?"),
        ("[[test]]\nname = \"a\nclaims.sub = \"b\"\nexpect.ttl = \"15m\"\n", "policy.tests.toml:2:"),
        ("[[test]\nname = \"a\"\n", "policy.tests.toml:1:"),
        ("[[test]]\nclaims.sub = \"a\"\nexpect.ttl = \"15m\"\n", "`name` is missing"),
        (&good.replace("15m", "15"), "a duration such as \"15m\""),
        (&good.replace("expect.ttl", "expect.ttl_limited_by"), "\"request\" or \"default\""),
        (&good.replace("expect.ttl = \"15m\"", "expect.problem = \"not_a_code\""), "there is no problem `not_a_code`"),
        (&good.replace("claims.sub = \"alice\"", "guest = false"), "does not say who asks"),
        (&good.replace("claims.sub = \"alice\"", "guest = \"yes\""), "true or false"),
    ] {
        let (code, told) = told(tests);
        assert_eq!(code, 3, "{tests}: {told}");
        assert!(told.contains(said) && told.contains("policy.tests.toml"), "{tests}: {told}");
        assert!(!told.contains("passed"), "nothing is run: {told}");
    }
    assert_eq!(told(&good).0, 0);
}

#[test]
fn an_issuer_that_the_settings_do_not_have_is_a_fault() {
    let place = CommandLine::empty();
    let issuers =
        format!("[{}]", issuer_of("jwks_url = \"https://keys.example.com/\"").replace("\"app\"", "\"auth0\""));
    let variables = [("USHER__SESSION__ISSUERS", issuers.as_str())];
    place.write("config/policy.toml", POLICY);
    let write = |issuer| {
        let lines = format!("claims.sub = \"a\"\nissuer = \"{issuer}\"\nexpect.member_id = \"a\"");
        place.write("config/policy.tests.toml", case("of an issuer", &lines));
    };
    for (issuer, said) in [("auht0", "did you mean `auth0`?"), ("corp", "the issuers are `auth0`")] {
        write(issuer);
        let (code, stdout, stderr) = place.run(&["test"], &variables);
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        assert!(stderr.contains("config/policy.tests.toml:4:10") && stderr.contains(said), "{stderr}");
    }
    write("auth0");
    assert_eq!(place.run(&["test"], &variables).0, 0);
}

#[test]
fn roles_are_where_the_settings_say_and_no_secret_is_needed() {
    let place = CommandLine::empty();
    let one = issuer_of("secret_file = \"/gone\", roles = [\"/realm_access/roles\"]");
    let other = one.replace("\"app\"", "\"corp\"").replace("login", "corp").replace("/realm_access/roles", "groups");
    place.write(
        "config/usher.toml",
        format!("[session]\nissuers = [{one}, {other}]\n[policy]\nfile = \"p/mine.toml\"\n"),
    );
    place.write(
        "p/mine.toml",
        "version = 1\n[member]\nid = \"{issuer}:{sub}\"\n[roles.desk]\nissuers = [\"app\"]\n[roles.desk.channels]\n\
         \"desk\" = [\"read\"]\n[roles.staff]\nissuers = [\"corp\"]\n[roles.staff.channels]\n\"staff\" = [\"read\"]\n",
    );
    let tests = case(
        "the first issuer, by a pointer",
        "claims = { sub = \"a\", realm_access = { roles = [\"desk\"] }, roles = [\"staff\"] }
        expect = { grant = { \"desk\" = [\"read\"] }, member_id = \"app:a\" }",
    ) + &case(
        "the other issuer, by another claim",
        "issuer = \"corp\"\nclaims = { sub = \"a\", groups = \"staff\", realm_access = { roles = [\"desk\"] } }
        expect = { grant = { \"staff\" = [\"read\"] }, member_id = \"corp:a\" }",
    ) + &case(
        "a role of another issuer's sessions counts for nothing",
        "issuer = \"corp\"\nclaims = { sub = \"a\", groups = [\"desk\"] }\nexpect.problem = \"nothing_granted\"",
    );
    place.write("p/mine.tests.toml", &tests);
    for arguments in [&[] as &[_], &["p/mine.toml"], &["p/mine.tests.toml"]] {
        let (code, stdout, stderr) = test(&place, arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}: {stdout}");
    }
    // Of a policy that is not the settings' own nothing is known.
    place.write("other.toml", std::fs::read(place.path().join("p/mine.toml")).unwrap());
    place.write("other.tests.toml", tests);
    assert_eq!(test(&place, &["other.toml"]).0, 3);
    assert_eq!(test(&place, &["other.toml", "--config", "config/usher.toml"]).0, 0);
}

/// Otherwise another policy would be tested, or this one without its issuers, and nobody would know.
#[test]
fn settings_that_say_which_policy_and_whose_sessions_are_not_passed_over() {
    let place = CommandLine::empty();
    place.write("config/policy.toml", POLICY);
    place.write("config/policy.tests.toml", EXAMPLES);
    for (name, value, said) in [
        ("USHER__POLICY__NARROW", "maybe", "true or false"),
        ("USHER__POLICY__FIL", "other.toml", "did you mean `FILE`?"),
        ("USHER__POLCY__FILE", "other.toml", "did you mean `POLICY`?"),
        ("USHER__SESSION__ISSUERS", "[{name = \"app\", ", "this cannot be read"),
        ("USHER__SESSION", "{issuers = [", "this cannot be read"),
        ("USHER__SESSION__ISUERS", "[]", "did you mean `ISSUERS`?"),
    ] {
        let (code, stdout, stderr) = place.run(&["test"], &[(name, value)]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{name}: {stderr}");
        assert!(stderr.contains(&format!("error: {name}: ")) && stderr.contains(said), "{name}: {stderr}");
    }
    for (settings, said) in [
        ("[policy]\nfil = \"other.toml\"\n", "config/usher.toml:2:1: policy: there is no key `fil`"),
        ("[session]\nisuers = []\n", "config/usher.toml:2:1: session: there is no key `isuers`"),
        ("[polcy]\nfile = \"other.toml\"\n", "config/usher.toml:1:2: there is no key `polcy`"),
        ("policy = 7\n", "config/usher.toml:1:10: policy: "),
        ("session = []\n", "config/usher.toml:1:11: session: "),
        ("[policy]\nnarrow = \"no\"\n", "config/usher.toml:2:10: policy.narrow: "),
    ] {
        place.write("config/usher.toml", settings);
        let (code, stdout, stderr) = test(&place, &[]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{settings}: {stderr}");
        assert!(stderr.contains(said), "{settings}: {stderr}");
    }
    // What has nothing to do with deciding may be as it likes.
    let others =
        "[server]\nlisten = 7\n[signalwire]\nspace = 7\n[session.cookie]\nnam = \"x\"\n[limits]\nper_member = 7\n";
    place.write("config/usher.toml", others);
    assert_eq!(place.run(&["test"], &[("USHER__SERVER__MAX_CONNECTIONS", "many"), ("SIGNALWIRE_SPACE", "")]).0, 0);
}

#[test]
fn tests_and_policy_find_one_another() {
    let place = CommandLine::empty();
    let good = case("good", "claims.sub = \"a\"\nexpect.member_id = \"a\"");
    let bad = case("bad", "claims.sub = \"a\"\nexpect.member_id = \"b\"");
    place.write("config/policy.toml", POLICY);
    place.write("config/policy.tests.toml", &good);
    place.write("config/more.toml", format!("# More of them.\n{bad}"));
    place.write("config/commented.toml", bad.replace("[[test]]", "[[test]] # the first"));
    place.write("config/other.toml", POLICY);
    place.write("config/other.tests.toml", &bad);
    place.write("elsewhere/more.tests.toml", &bad);
    for (arguments, code, first) in [
        (&[] as &[_], 0, "config/policy.tests.toml"),
        (&["config/policy.toml"], 0, "config/policy.tests.toml"),
        (&["config/policy.tests.toml"], 0, "config/policy.tests.toml"),
        (&["config/other.toml"], 3, "config/other.tests.toml"),
        (&["config/other.tests.toml"], 3, "config/other.tests.toml"),
        (&["config/more.toml"], 3, "config/more.toml"),
        (&["config/commented.toml"], 3, "config/commented.toml"),
        (&["elsewhere/more.tests.toml", "--policy", "config/policy.toml"], 3, "elsewhere/more.tests.toml"),
        (&["config/more.toml", "--policy", "config/other.toml"], 3, "config/more.toml"),
        (&["--policy", "config/policy.toml"], 0, "config/policy.tests.toml"),
        (&["--policy", "config/other.toml"], 3, "config/other.tests.toml"),
        // The tests of one policy, of another.
        (&["config/other.toml", "--policy", "config/policy.toml"], 3, "config/other.tests.toml"),
    ] {
        let (exit, stdout, stderr) = test(&place, arguments);
        assert_eq!((exit, stdout.lines().next()), (code, Some(first)), "{arguments:?}: {stdout}{stderr}");
    }
}

#[test]
fn what_cannot_be_read_is_3_and_wrong_usage_is_64() {
    let place = place_with(POLICY, EXAMPLES);
    place.write("lonely.toml", POLICY);
    place.write("binary.tests.toml", b"\xff");
    place.write("binary.toml", POLICY);
    place.write("faulty.toml", "version = 2\n");
    place.write("faulty.tests.toml", EXAMPLES);
    place.write("notes.txt", "nothing");
    for (arguments, said) in [
        (&[] as &[_], "config/policy.toml"),
        (&["gone.toml"], "gone.toml"),
        (&["gone.tests.toml"], "gone.toml"),
        (&["lonely.toml"], "lonely.tests.toml"),
        (&["binary.toml"], "binary.tests.toml cannot be read: it is not UTF-8"),
        (&["faulty.toml"], "faulty.toml:1:11"),
        (&["notes.txt"], "notes.txt:1:8"),
        (&["policy.toml", "--policy", "gone.toml"], "gone.toml"),
        (&["policy.toml", "--config", "gone.toml"], "gone.toml"),
    ] {
        let (code, stdout, stderr) = test(&place, arguments);
        assert_eq!((code, stdout.as_str()), (3, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    for arguments in [
        &["--min-coverage", "101"] as &[_],
        &["--min-coverage", "half"],
        &["--fliter", "a"],
        &["--junit"],
        &["--policy"],
    ] {
        let (code, stdout, stderr) = test(&place, arguments);
        assert_eq!((code, stdout.as_str()), (64, ""), "{arguments:?}: {stderr}");
    }
    let (code, _, stderr) = test(&place, &["policy.toml", "--junit", "gone/report.xml"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("gone/report.xml cannot be written"), "{stderr}");
}

#[test]
fn a_filter_chooses_by_a_part_of_the_name() {
    let place = place_with(POLICY, EXAMPLES);
    let (code, stdout, _) = test(&place, &["policy.toml", "--filter", "another customer's"]);
    assert!(code == 0 && stdout.contains("1 passed, 0 failed") && !stdout.contains("announcements and"), "{stdout}");
    let (code, stdout, stderr) = test(&place, &["policy.toml", "--filter", "Another Customer"]);
    assert_eq!(code, 3, "{stdout}");
    assert!(stderr.contains("no test's name holds \"Another Customer\""), "{stderr}");
    // Of several files it is enough that one has such a test.
    place.write("other.toml", POLICY);
    place.write("other.tests.toml", case("something else", "claims.sub = \"a\"\nexpect.ttl = \"15m\""));
    for files in [["policy.toml", "other.toml"], ["other.toml", "policy.toml"]] {
        let (code, stdout, stderr) = test(&place, &[&files[..], &["--filter", "something else"]].concat());
        assert_eq!((code, stderr.as_str()), (0, ""), "{files:?}: {stdout}");
        assert!(stdout.contains("1 passed, 0 failed"), "{stdout}");
    }
}

#[test]
fn several_files_are_each_run_and_each_counted() {
    let place = place_with(POLICY, EXAMPLES);
    place.write("other.toml", "version = 1\n[roles.a.channels]\n\"x\" = [\"read\"]\n\"y\" = [\"read\"]\n");
    let claims = "claims = { sub = \"a\", roles = [\"a\"] }\n";
    let bad = case("x is there", &format!("{claims}ask.channels = {{ x = [\"read\"] }}\nexpect.ttl = \"15m\""))
        + &case(
            "z is not",
            &format!("{claims}ask.channels = {{ z = [\"read\"] }}\nexpect.grant = {{ z = [\"read\"] }}"),
        );
    place.write("other.tests.toml", bad);
    let (code, stdout, stderr) =
        test(&place, &["other.tests.toml", "policy.tests.toml", "--min-coverage", "60", "--junit", "report.xml"]);
    assert_eq!(code, 3);
    insta::assert_snapshot!(stdout + &stderr);
    let report = junit(&place);
    let suites: Vec<_> =
        report.test_suites.iter().map(|suite| (suite.name.as_str(), suite.tests, suite.failures)).collect();
    assert_eq!(suites, [("other.tests.toml", 2, 1), ("policy.tests.toml", 2, 0)]);
}

/// The report that was written, as a parser for such reports reads it.
fn junit(place: &CommandLine) -> Report {
    let text = std::fs::read_to_string(place.path().join("report.xml")).unwrap();
    // XML 1.0 §2.2.
    let is_legal =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(text.chars().all(is_legal), "{text}");
    Report::deserialize_from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_report_for_a_ci_holds_every_test_whatever_it_is_called() {
    let names = [
        "a <b> & \"c\" 'd' ]]> é",
        "\u{1b}[31mred\u{1b}[0m\u{7}\u{0}",
        "line\nend",
        "\u{fffe}\u{ffff}\u{9b}31m\u{202e}",
    ];
    let mut tests = String::new();
    for name in names {
        let escaped = name.chars().fold(String::new(), |mut text, character| {
            write!(text, "\\U{:08x}", u32::from(character)).unwrap();
            text
        });
        let claims =
            "claims = { sub = \"a\", name = \"<&>\\u001b[31m\" }\nask.channels = { \"<&>\\u202e\" = [\"read\"] }\n";
        write!(tests, "[[test]]\nname = \"{escaped}\"\n{claims}expect.grant = {{ \"<&>\\u202e\" = [\"read\"] }}\n")
            .unwrap();
    }
    tests += &case("good", "claims.sub = \"a\"\nexpect.member_id = \"a\"");
    let place = place_with(POLICY, &tests);
    let (code, stdout, stderr) = test(&place, &["policy.toml", "--junit", "report.xml"]);
    assert_eq!(code, 3, "{stdout}{stderr}");
    assert!(!has_terminal_escapes(&(stdout.clone() + &stderr)), "{stdout:?}");
    let report = junit(&place);
    assert_eq!((report.tests, report.failures), (5, 4));
    let mut cases = report.test_suites[0].test_cases.iter();
    for case in cases.by_ref().take(4) {
        let TestCaseStatus::NonSuccess { message, description, .. } = &case.status else { panic!("{case:?}") };
        assert!(message.is_some() && description.as_ref().unwrap().contains("<&>"), "{case:?}");
        assert_eq!(case.classname.as_deref(), Some("policy.tests.toml"));
    }
    assert!(matches!(cases.next().unwrap().status, TestCaseStatus::Success { .. }));
    assert_eq!(report.test_suites[0].test_cases[0].name.as_str(), names[0]);
}

/// Whether anything in it speaks to a terminal or is not to be seen, line ends aside.
pub(super) fn has_terminal_escapes(text: &str) -> bool {
    text.chars().any(|character| character != '\n' && usher::telemetry::log::is_invisible(character))
}

#[test]
fn there_is_no_colour_without_a_terminal() {
    let place = place_with(POLICY, &(EXAMPLES.to_owned() + &case("bad", "claims.sub = \"a\"\nexpect.ttl = \"1h\"")));
    for variables in
        [&[] as &[(&str, &str)], &[("NO_COLOR", "1")], &[("TERM", "xterm-256color"), ("CLICOLOR_FORCE", "1")]]
    {
        let (code, stdout, stderr) = place.run(&["test", "policy.toml"], variables);
        assert_eq!(code, 3);
        assert!(!has_terminal_escapes(&(stdout.clone() + &stderr)), "{stdout}{stderr}");
    }
}

/// What tests can use: roles that are included and not, rules that allow and deny, filters everywhere.
const PARTS: &str = r#"version = 1
[member]
id = "{email|sha256}"
state = { dept = "{dept|b64url}", name = "{name}" }
[roles.base]
claimed_as = []
[roles.base.channels]
"news" = ["read"]
"old" = ["read"]
[roles.customer]
includes = ["base"]
[roles.customer.channels]
"support:{sub}" = ["read", "write"]
"team:{team|sha256}" = ["read"]
[roles.customer.deny]
"support:{closed|sha256}" = ["write"]
"never:**" = ["read"]
[roles.muted.deny]
"**" = ["write"]
[roles.idle]
"#;

/// The lines of the policy that no test used, with what stands there, and how many rules were used.
fn coverage(tests: &str) -> (BTreeMap<usize, Vec<String>>, String) {
    let (_, told) = told_of(PARTS, tests);
    let mut unused: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for line in told.lines().filter_map(|line| line.strip_prefix("      policy.toml:")) {
        let (number, part) = line.split_once("  ").unwrap();
        unused.entry(number.parse().unwrap()).or_default().push(part.to_owned());
    }
    let counted = told.lines().find(|line| line.contains(" rules used")).unwrap_or_else(|| panic!("{told}"));
    (unused, counted.split("; ").nth(1).unwrap().to_owned())
}

#[test]
fn what_no_test_used_is_told_by_its_line() {
    let (code, told) = told_of(PARTS, &case("nobody", "claims.sub = \"a\"\nexpect.problem = \"nothing_granted\""));
    assert_eq!(code, 0, "{told}");
    insta::assert_snapshot!(told);
    let (unused, _) = coverage(&case("nobody", "claims.sub = \"a\"\nexpect.problem = \"nothing_granted\""));
    for (line, parts) in unused {
        let text = PARTS.lines().nth(line - 1).unwrap();
        for part in parts {
            // A role's name, a pattern, a placeholder.
            let what = part.split('"').nth(1).unwrap_or_else(|| part.rsplit(' ').next().unwrap());
            assert!(text.contains(what), "{line}: {part}: {text}");
        }
    }
}

#[test]
fn a_deny_that_takes_a_right_is_used_and_the_allow_that_it_overrides_is_not() {
    let ask = |roles: &str, more: &str, right: &str| {
        case(
            "one",
            &format!(
                "claims = {{ sub = \"a\", email = \"e\", roles = [{roles}]{more} }}
                ask.channels = {{ \"support:a\" = [\"{right}\"] }}\nexpect.member_id = \"x\""
            ),
        )
    };
    let is_unused = |unused: &BTreeMap<usize, Vec<String>>, part: &str| unused.values().flatten().any(|it| it == part);
    let (allow, team) = ("allow \"support:{sub}\" of customer", "allow \"team:{team|sha256}\" of customer");
    let (closed, muted) = ("deny \"support:{closed|sha256}\" of customer", "deny \"**\" of muted");

    // Overridden: by the one deny, which fails closed as there is no such claim, and by the other.
    let (unused, counted) = coverage(&ask("\"customer\", \"muted\"", "", "write"));
    assert!(is_unused(&unused, allow) && !is_unused(&unused, closed) && !is_unused(&unused, muted), "{unused:?}");
    assert!(is_unused(&unused, "filter in {closed|sha256}"), "nothing went through it: {unused:?}");
    assert_eq!(counted, "2 of 7 rules used (28 %)");

    // Not overridden: the deny says of nothing that it is closed.
    let (unused, counted) = coverage(&ask("\"customer\"", ", closed = []", "write"));
    assert!(!is_unused(&unused, allow) && is_unused(&unused, closed) && is_unused(&unused, muted), "{unused:?}");
    assert_eq!(counted, "1 of 7 rules used (14 %)");

    // Only one of the rights of a rule is asked for: it is used.
    let (unused, _) = coverage(&ask("\"customer\", \"muted\"", "", "read"));
    assert!(!is_unused(&unused, allow) && is_unused(&unused, muted), "{unused:?}");
    assert!(is_unused(&unused, "role idle") && !is_unused(&unused, "role muted") && !is_unused(&unused, "role base"));

    // A value went through the filter of a deny.
    let closed_room = "claims = { sub = \"a\", email = \"e\", roles = [\"customer\"], closed = \"a\" }\n\
        ask.channels = { \"support:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\" = [\"write\"] }\n\
        expect.problem = \"channels_denied\"";
    let (unused, _) = coverage(&case("closed", closed_room));
    assert!(!is_unused(&unused, closed) && !is_unused(&unused, "filter in {closed|sha256}"), "{unused:?}");

    // Rules that come along with a role are that role's own.
    let listed = "claims = { sub = \"a\", email = \"e\", roles = [\"customer\"], team = 7, dept = \"d\", closed = [] }\nexpect.ttl = \"15m\"";
    let (unused, counted) = coverage(&case("listed", listed));
    assert!(!is_unused(&unused, team) && !is_unused(&unused, "allow \"news\" of base"), "{unused:?}");
    assert!(
        !unused.values().flatten().any(|part| part.starts_with("filter") && !part.contains("closed")),
        "{unused:?}"
    );
    assert_eq!(counted, "4 of 7 rules used (57 %)");
}

#[test]
fn a_filter_is_used_once_a_value_went_through_it() {
    let listed = |more: &str| {
        case("one", &format!("claims = {{ sub = \"a\", roles = [\"customer\"]{more} }}\nexpect.member_id = \"x\""))
    };
    let filters = |tests: &str| {
        let (unused, _) = coverage(tests);
        unused
            .into_values()
            .flatten()
            .filter_map(|part| part.strip_prefix("filter in ").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let all = ["{email|sha256}", "{dept|b64url}", "{team|sha256}", "{closed|sha256}"];
    assert_eq!(filters(&listed("")), all, "no member, nothing is decided");
    assert_eq!(filters(&listed(", email = \"e\"")), all[1..]);
    assert_eq!(filters(&listed(", email = \"e\", dept = \"d\"")), all[2..]);
    assert_eq!(filters(&listed(", email = \"e\", dept = \"d\", team = []")), all[2..]);
    assert_eq!(filters(&listed(", email = \"e\", dept = \"d\", team = [\"t\"]")), all[3..]);
}

#[test]
fn coverage_below_what_is_asked_is_3() {
    let policy =
        "version = 1\n[roles.a.channels]\n\"x\" = [\"read\"]\n\"y\" = [\"read\"]\n[roles.a.deny]\n\"z\" = [\"read\"]\n";
    let ask = "claims = { sub = \"a\", roles = [\"a\"] }\nask.channels = { x = [\"read\"] }\nexpect.ttl = \"15m\"";
    let place = place_with(policy, &case("a third", ask));
    for (least, code) in [("0", 0), ("32", 0), ("33", 0), ("34", 3), ("100", 3)] {
        let (exit, stdout, stderr) = test(&place, &["policy.toml", "--min-coverage", least]);
        assert_eq!(exit, code, "{least}: {stdout}{stderr}");
        assert!(stdout.contains("1 of 3 rules used (33 %)"), "{stdout}");
        let told = format!("error: policy.toml: the tests use 33 % of its rules, and {least} % are wanted\n");
        assert_eq!(stderr, if code == 0 { String::new() } else { told });
    }
    // Both, told one after the other.
    let place = place_with(policy, &case("a third", &ask.replace("15m", "16m")));
    let (exit, _, stderr) = test(&place, &["policy.toml", "--min-coverage", "34"]);
    assert!(
        exit == 3 && stderr.contains("1 test of policy.toml failed\n\nerror: policy.toml: the tests use"),
        "{stderr}"
    );
    // Where there are no rules, all of them are used.
    let place = place_with(
        "version = 1\n[roles.a]\n",
        &case("none", "claims.sub = \"a\"\nexpect.problem = \"nothing_granted\""),
    );
    let (exit, stdout, _) = test(&place, &["policy.toml", "--min-coverage", "100"]);
    assert!(exit == 0 && stdout.contains("0 of 0 rules used (100 %)"), "{stdout}");
}
