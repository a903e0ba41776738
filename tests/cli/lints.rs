//! The policy's lints in `usher check`: each is told by name, with its line and a caret, and not of what is nearly the
//! same.

use crate::support::service::POLICY;
use crate::support::{CommandLine, complete};

/// A lint, what it is told of, and what is nearly the same. All without `version = 1`.
struct Case {
    lint: &'static str,
    /// The whole policy; each line that the lint is told of ends with this comment.
    fires: &'static str,
    near_misses: &'static [(&'static str, &'static str)],
}

/// In `fires`: the lint is told of this line.
const HERE: &str = "  # here";

const CASES: &[Case] = &[
    Case {
        lint: "covered-rule",
        fires: r#"
[roles.reader.channels]
"x:**" = ["read"]
"y:{sub}" = ["read", "write"]
"y:{/sub}" = ["read"]  # here

[roles.clerk]
includes = ["reader"]
[roles.clerk.channels]
"x:*" = ["read"]  # here
"x:a:**" = ["write"]
"x:a:*" = ["read", "write"]  # here
"y:{sub}" = ["read"]  # here
"z:*" = ["read", "write"]
"z:{sub}:*" = ["read"]
[roles.clerk.deny]
"x:secret:**" = ["read", "write"]
"x:secret:a" = ["read"]  # here
"x:secret:{sub}" = ["write"]  # here
"#,
        near_misses: &[
            (
                "a concrete rule beside a wildcard, which is listed by its name",
                "[roles.a.channels]\n'x:*' = ['read']\n'x:a' = ['read']\n'x:{sub}' = ['read']\n",
            ),
            ("a right more", "[roles.a.channels]\n'x:**' = ['read']\n'x:*' = ['read', 'write']\n"),
            (
                "a cap that the other has",
                "[roles.a]\nmax_ttl = '30m'\n[roles.a.channels]\n'x:**' = ['read']\n\
                 [roles.b]\nincludes = ['a']\n[roles.b.channels]\n'x:*' = ['read']\n",
            ),
            (
                "two roles of which neither includes the other",
                "[roles.a.channels]\n'x:**' = ['read']\n[roles.b.channels]\n'x:*' = ['read']\n",
            ),
            (
                "a rule of an included role, which others have without the one that covers it",
                "[roles.a.channels]\n'x:*' = ['read']\n[roles.b]\nincludes = ['a']\n[roles.b.channels]\n\
                 'x:**' = ['read']\n",
            ),
            (
                "other claims, and another filter",
                "[roles.a.channels]\n'x:{sub}' = ['read']\n'x:{n}' = ['read']\n\
                 'x:{sub|sha256}' = ['read']\n'x:{/issuer}' = ['read']\n'x:{issuer}' = ['read']\n",
            ),
            (
                "what overlaps and does not cover",
                "[roles.a.channels]\n'x:*:**' = ['read']\n'x:*' = ['read']\n'x:a:*' = ['write']\n\
                 'x:*:a' = ['write']\n",
            ),
            ("a deny of what is allowed", "[roles.a.channels]\n'x:**' = ['read']\n[roles.a.deny]\n'x:*' = ['read']\n"),
        ],
    },
    Case {
        lint: "idle-deny",
        fires: r#"
[roles.reader.channels]
"x:*" = ["read"]
"y:{sub}" = ["write"]
[roles.muted.deny]
"x:**" = ["write"]  # here
"x" = ["read"]  # here
"x:*:*" = ["read"]  # here
"z:*" = ["read", "write"]  # here
"y:*" = ["read", "write"]
"#,
        near_misses: &[
            (
                "a literal that a wildcard matches",
                "[roles.a.channels]\n'x:*' = ['read']\n[roles.b.deny]\n'x:a' = ['read']\n",
            ),
            (
                "a literal that a claim may be",
                "[roles.a.channels]\n'x:{sub}' = ['read']\n[roles.b.deny]\n'x:a' = ['read']\n",
            ),
            (
                "a claim that may be a literal",
                "[roles.a.channels]\n'x:a' = ['read']\n[roles.b.deny]\n'x:{sub}' = ['read']\n",
            ),
            ("everything", "[roles.a.channels]\n'x' = ['read']\n[roles.b.deny]\n'**' = ['read']\n"),
            ("one of two rights", "[roles.a.channels]\n'x' = ['read']\n[roles.b.deny]\n'x' = ['read', 'write']\n"),
            ("wildcards that cross", "[roles.a.channels]\n'x:*:a' = ['read']\n[roles.b.deny]\n'*:b:**' = ['read']\n"),
        ],
    },
    Case {
        lint: "unreachable-role",
        fires: r#"
[roles.base]  # here
claimed_as = []
[roles.more]  # here
claimed_as = []
includes = ["base"]
[roles.reader.channels]
"x" = ["read"]
"#,
        near_misses: &[
            (
                "a role that one includes which can be claimed",
                "[roles.a]\nclaimed_as = []\n[roles.b]\nclaimed_as = []\nincludes = ['a']\n[roles.c]\n\
                 includes = ['b']\n",
            ),
            ("the default role", "[roles.a]\nclaimed_as = []\n[defaults]\nrole = 'a'\n"),
            ("the guests' role", "[roles.a]\nclaimed_as = []\n[guest]\nrole = 'a'\n"),
            ("another name", "[roles.a]\nclaimed_as = ['b']\n"),
            ("issuers that only the settings know", "[roles.a]\nissuers = ['app']\n"),
        ],
    },
    Case {
        lint: "guest-wildcard-write",
        fires: r#"
[roles.base.channels]
"lobby:**" = ["read", "write"]  # here
[roles.visitor]
includes = ["base"]
[roles.visitor.channels]
"x:*" = ["write"]  # here
"x:a" = ["write"]
[guest]
role = "visitor"
"#,
        near_misses: &[
            ("reading alone", "[roles.a.channels]\n'x:*' = ['read']\n[guest]\nrole = 'a'\n"),
            ("a name", "[roles.a.channels]\n'x:a' = ['write']\n[guest]\nrole = 'a'\n"),
            (
                "another role",
                "[roles.a.channels]\n'x:a' = ['write']\n[roles.b.channels]\n'x:*' = ['write']\n[guest]\n\
                 role = 'a'\n",
            ),
            ("no guests", "[roles.a.channels]\n'x:*' = ['write']\n"),
            (
                "a claim, which no guest has",
                "[roles.a.channels]\n'x:{sub}:*' = ['write']\n[guest]\n\
             role = 'a'\n",
            ),
            (
                "what a deny of theirs takes",
                "[roles.a.deny]\n'**' = ['write']\n[roles.b]\nincludes = ['a']\n[roles.b.channels]\n\
                 'x:*' = ['read', 'write']\n[guest]\nrole = 'b'\n",
            ),
        ],
    },
    Case {
        lint: "cap-above-max",
        fires: r#"
[ttl]
max = "90m"
[roles.reader]
max_ttl = "2h"  # here
[roles.clerk]
max_ttl = "90m"
[guest]
role = "reader"
max_ttl = "5401s"
[roles.clerk.channels]
"x" = ["read"]
[roles.chief]
max_ttl = "5460s"  # here
"#,
        near_misses: &[
            ("as long as the maximum", "[ttl]\nmax = '2h'\n[roles.a]\nmax_ttl = '120m'\n"),
            (
                "as long as the maximum where none is written",
                "[roles.a]\nmax_ttl = '1h'\n[guest]\nrole = 'a'\nmax_ttl = '1h'\n",
            ),
        ],
    },
    Case {
        lint: "short-ttl",
        fires: r#"
[ttl]
min = "1m"  # here
default = "179s"  # here
[roles.reader]
max_ttl = "2m"  # here
[guest]
role = "reader"
max_ttl = "1m"  # here
"#,
        near_misses: &[(
            "three minutes",
            "[ttl]\nmin = '3m'\ndefault = '180s'\nmax = '3m'\n[roles.a]\nmax_ttl = '3m'\n[guest]\n\
             role = 'a'\nmax_ttl = '3m'\n",
        )],
    },
    Case {
        lint: "absent-claim-deny",
        fires: r#"
[roles.reader.channels]
"x:*" = ["read"]
"y:**" = ["read"]
[roles.reader.deny]
"x:{org}" = ["read"]  # here
"y:{sub}:{/tenant/id|sha256}" = ["read"]  # here
[roles.visitor.deny]
"x:{sub}" = ["read"]  # here
"y:{issuer}" = ["read"]  # here
[guest]
role = "visitor"
"#,
        near_misses: &[
            (
                "what every session has",
                "[roles.a.channels]\n'x:**' = ['read']\n[roles.a.deny]\n'x:{sub}' = ['read']\n\
                 'x:a:{/sub}' = ['read']\n'x:b:{sub|sha256}' = ['read']\n'x:c:{issuer}' = ['read']\n",
            ),
            ("a wildcard", "[roles.a.channels]\n'x:*' = ['read']\n[roles.a.deny]\n'x:*' = ['read']\n"),
            ("an allow rule", "[roles.a.channels]\n'x:{org}' = ['read']\n"),
            (
                "guests have another role",
                "[roles.a.channels]\n'x:*' = ['read']\n[roles.a.deny]\n'x:{sub}' = ['read']\n[roles.b]\n\
                 [guest]\nrole = 'b'\n",
            ),
        ],
    },
    Case {
        lint: "user-editable-claim",
        fires: r#"
[member]
id = "{preferred_username}"  # here
[roles.reader.channels]
"x:{email|sha256}" = ["read"]  # here
"y:{/name}:{name}:{/name}" = ["read"]  # here
"z:{/user_metadata/team}" = ["read"]  # here
"u:{https://example.com/unsafe_metadata}" = ["read"]  # here
[roles.reader.deny]
"x:{sub}" = ["read"]
"y:{sub}:{/nickname}:*" = ["read"]  # here
"#,
        near_misses: &[
            (
                "what only the provider writes",
                "[roles.a.channels]\n'x:{sub}' = ['read']\n'x:{/app_metadata/team}' = ['read']\n",
            ),
            (
                "other claims of nearly that name",
                "[roles.a.channels]\n'x:{email_verified}' = ['read']\n'x:{/org/name}' = ['read']\n\
                 'x:{Email}' = ['read']\n'x:{https://example.com/email}' = ['read']\n",
            ),
            ("the state, which is for show", "[member.state]\nname = '{name}'\nmail = '{/email}'\n[roles.a]\n"),
            ("a literal", "[roles.a.channels]\n'email:name' = ['read']\n"),
        ],
    },
];

/// Checks a policy: the exit code, standard error, and of each lint its name and line.
fn check(text: &str) -> (i32, String, Vec<(String, usize)>) {
    let place = CommandLine::empty();
    place.write("policy.toml", text);
    let (code, _, stderr) = place.run::<&str, &str>(&["check", "--policy", "policy.toml"], &[]);
    let mut told = Vec::new();
    for report in stderr.split("warning[").skip(1) {
        let (name, rest) = report.split_once("]: ").unwrap();
        let (_, at) = rest.split_once("--> policy.toml:").unwrap();
        told.push((name.to_owned(), at.split(':').next().unwrap().parse().unwrap()));
    }
    (code, stderr, told)
}

fn whole(text: &str) -> String {
    format!("version = 1\n{text}")
}

#[test]
fn each_lint_is_told_by_name_with_its_line() {
    for case in CASES {
        let text = whole(case.fires);
        let (code, stderr, told) = check(&text.replace(HERE, ""));
        assert_eq!(code, 0, "{}: it changes no exit status", case.lint);
        let mut lines: Vec<usize> = told.iter().filter(|(name, _)| name == case.lint).map(|(_, line)| *line).collect();
        lines.sort_unstable();
        let wanted = text.lines().enumerate().filter(|(_, line)| line.ends_with(HERE)).map(|(index, _)| index + 1);
        assert_eq!(lines, wanted.collect::<Vec<_>>(), "{}: {stderr}", case.lint);
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(format!("lint_{}", case.lint.replace('-', "_")), stderr);
        });
    }
}

#[test]
fn no_lint_is_told_of_what_is_nearly_the_same() {
    for case in CASES {
        for (what, text) in case.near_misses {
            let (code, stderr, told) = check(&whole(text));
            assert_eq!(code, 0, "{}: {what}: {stderr}", case.lint);
            assert!(told.iter().all(|(name, _)| name != case.lint), "{}: {what}: {stderr}", case.lint);
        }
    }
}

#[test]
fn a_comment_on_its_line_with_a_reason_silences_one_lint_alone() {
    for case in CASES {
        let text = whole(case.fires);
        let wanted = text.matches(HERE).count();
        let count = |comment: &str| {
            let text = text.replace(HERE, comment);
            let (code, stderr, told) = check(&text);
            assert_eq!(code, 0, "{comment}: {stderr}");
            told.iter().filter(|(name, _)| name == case.lint).count()
        };
        let lint = case.lint;
        let other = if lint == "idle-deny" { "short-ttl" } else { "idle-deny" };
        for (comment, left) in [
            (format!(" # usher: allow {lint}: it is meant so"), 0),
            (format!("# usher: allow {lint} : it is meant so"), 0),
            (format!(" # see #12 # usher: allow {other}: not this one # usher: allow {lint}: but this"), 0),
            (format!(" # usher: allow {other}: another one"), wanted),
            (format!(" # usher: allow {lint}"), wanted),
            (format!(" # usher: allow {lint}:"), wanted),
            (format!(" # usher: allow {lint}:   "), wanted),
            (format!(" # usher: allow {lint}: # usher: allow {other}: the reason is another's"), wanted),
            (format!(" # usher: allow {lint}-more: no such lint"), wanted),
            (format!(" # usher: allow {}: a part of it", &lint[1..]), wanted),
            (" # usher: allow all: no such lint".to_owned(), wanted),
            (format!(" # allow {lint}: nobody is spoken to"), wanted),
            (format!("\n# usher: allow {lint}: on a line of its own"), wanted),
        ] {
            assert_eq!(count(&comment), left, "{comment}");
        }
    }
}

#[test]
fn lints_are_told_beside_faults_as_far_as_these_leave_anything_to_say() {
    let text = "version = 1\n[ttl]\nmin = \"1m\"\n[roles.a.channels]\n\"x:**\" = [\"read\"]\n\"x:*\" = [\"read\"]\n\
                \"z{sub}\" = [\"read\"]\n\"x:a\" = [\"raed\"]\n[roles.a.deny]\n\"z:*\" = [\"read\"]\n\
                 \"x:{org}\" = [\"read\"]\n\
                \"x:{name}\" = [\"read\"]\n[roles.b]\nclaimed_as = []\nmax_ttl = \"2h\"\n[roles.c]\n\
                 includes = [\"d\"]\n\
                [roles.g.channels]\n\"x:*\" = [\"write\"]\n[guest]\nrole = \"g\"\n";
    let (code, stderr, mut told) = check(text);
    told.sort();
    assert_eq!(code, 3);
    // Of what may stand in a rule or a role that was left out, nothing is said.
    let wanted = [
        ("absent-claim-deny", 11),
        ("absent-claim-deny", 12),
        ("cap-above-max", 15),
        ("covered-rule", 6),
        ("guest-wildcard-write", 19),
        ("short-ttl", 3),
        ("user-editable-claim", 12),
    ];
    assert_eq!(told, wanted.map(|(name, line)| (name.to_owned(), line)), "{stderr}");
    assert!(stderr.ends_with("3 faults found\n"), "{stderr}");
    let last = stderr.rfind("warning[").unwrap();
    assert!(last < stderr.find("error: ").unwrap(), "lints come first: {stderr}");

    let torn =
        "version = 1\n[roles.a.channels\n\"x:**\" = [\"read\"]\n\"x:*\" = [\"read\"]\n[roles.b]\nclaimed_as = []\n";
    let (code, stderr, told) = check(torn);
    assert_eq!((code, told), (3, Vec::new()), "whole tables may be lost: {stderr}");
}

#[test]
fn lints_of_the_policy_are_told_with_the_settings_too() {
    let place = CommandLine::empty();
    place.write(
        "config/policy.toml",
        whole("[roles.a]\nissuers = [\"corp\"]\n[roles.b.deny]\n\"x:{org}\" = [\"read\"]\n"),
    );
    let (code, stdout, stderr) = place.run(&["check"], &complete("example"));
    assert!(code == 0 && stdout.contains("role        a: "), "{stderr}");
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("lints_with_settings", stderr);
    });
    place.write("config/policy.toml", whole("[roles.a]\nissuers = [\"app\"]\n"));
    assert_eq!(place.run(&["check"], &complete("example")).2, "");
}

#[test]
fn the_shipped_policy_has_no_lint() {
    let shipped = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy.toml")).unwrap();
    for text in [&*shipped, POLICY] {
        let (code, stderr, _) = check(text);
        assert_eq!((code, stderr.as_str()), (0, ""));
    }
}

#[test]
fn a_name_in_a_policy_never_speaks_to_the_terminal() {
    let text = "[roles.\"\\u001b[31mred\\u202e\".channels]\n\"x:{\\u001b[2Jn\\u202e}:**\" = [\"read\"]\n\
                \"x:{\\u001b[2Jn\\u202e}:*\" = [\"read\"]\n[roles.\"\\u001b[31mred\\u202e\".deny]\n\
                \"x:{\\u001b[2Jn\\u202e}:*\" = [\"read\"]\n";
    let place = CommandLine::empty();
    place.write("policy.toml", whole(text));
    let (code, stdout, stderr) = place.run::<&str, &str>(&["check", "--policy", "policy.toml"], &[]);
    assert_eq!(code, 0);
    assert!(stderr.matches("warning[").count() == 2 && stdout.contains("[31mred"), "{stdout}{stderr}");
    let hidden = stdout.lines().chain(stderr.lines()).find(|line| line.contains(usher::telemetry::log::is_invisible));
    assert_eq!(hidden, None, "{stdout}{stderr}");
}
