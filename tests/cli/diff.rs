//! `usher diff`: what a reviewer reads of a change of policy, and what its exit status says to a script.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};
use usher::telemetry::log::is_invisible;

use crate::support::{CommandLine, Server, keys, send};

/// A support desk, as `config/policy.toml` has it.
const OLD: &str = r#"version = 1
[ttl]
default = "15m"
max = "2h"
[member]
state = { name = "{name}" }
client_state = ["status"]

[roles.customer]
max_ttl = "1h"
[roles.customer.channels]
"announcements" = ["read"]
"support:{sub}" = ["read", "write"]

[roles.agent]
includes = ["customer"]
claimed_as = ["agent", "support-agents"]
[roles.agent.channels]
"support:*" = ["read", "write"]

[roles.muted.deny]
"**" = ["write"]

[roles.visitor]
claimed_as = []
[roles.visitor.channels]
"announcements" = ["read"]

[defaults]
role = "customer"
[guest]
role = "visitor"
max_ttl = "10m"
[blocked]
members = ["mallory"]
"#;

/// Edits of that policy; each must find its text.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(OLD.to_owned(), |text, (was, is)| {
        assert!(text.contains(was), "there is no {was}");
        text.replace(was, is)
    })
}

/// A place with two policies.
fn place(old: &str, new: &str) -> CommandLine {
    let place = CommandLine::empty();
    place.write("old.toml", old);
    place.write("new.toml", new);
    place
}

/// Compares the two: the exit code and what was printed. Nothing is ever complained of.
fn diff(place: &CommandLine, more: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) = place.run::<&str, &str>(&[&["diff", "old.toml", "new.toml"], more].concat(), &[]);
    assert_eq!(stderr, "", "{stdout}");
    (code, stdout)
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_change_that_widens_is_told_with_who_gains_what_and_exits_2() {
    let new = edited(&[
        ("max = \"2h\"", "max = \"4h\""),
        ("client_state = [\"status\"]", "client_state = [\"status\", \"mood\"]"),
        ("max_ttl = \"1h\"\n", "max_ttl = \"90m\"\n"),
        ("\"agent\", \"support-agents\"", "\"agent\", \"clerks\""),
        ("\"support:*\" = [\"read\", \"write\"]", "\"support:**\" = [\"read\"]\n\"desk\" = [\"write\"]"),
        ("\"**\" = [\"write\"]", "\"support:*\" = [\"write\"]"),
        ("max_ttl = \"10m\"\n", ""),
        ("\"mallory\"", "\"eve\""),
    ]);
    let (code, stdout) = diff(&place(OLD, &new), &[]);
    snapshot("diff_wider", &stdout);
    assert_eq!(code, 2);
    assert!(stdout.ends_with("or it cannot be proved that none could\n"), "{stdout}");
}

#[test]
fn a_change_that_only_takes_is_told_and_exits_0() {
    let new = edited(&[
        ("max = \"2h\"", "max = \"90m\""),
        ("default = \"15m\"", "default = \"30m\""),
        ("name = \"{name}\"", "name = \"{nickname}\", desk = 7"),
        ("\"support:*\" = [\"read\", \"write\"]", "\"support:{/desk}\" = [\"read\", \"write\"]"),
        ("\"announcements\" = [\"read\"]\n\"support:{sub}\"", "\"support:{sub}\""),
        ("[roles.muted.deny]", "[roles.banned.deny]\n\"**\" = [\"read\", \"write\"]\n\n[roles.muted.deny]"),
        ("[defaults]\nrole = \"customer\"\n", ""),
        ("[guest]\nrole = \"visitor\"\nmax_ttl = \"10m\"\n", ""),
        ("\"mallory\"", "\"mallory\", \"eve\""),
    ]);
    let (code, stdout) = diff(&place(OLD, &new), &[]);
    snapshot("diff_no_wider", &stdout);
    assert_eq!(code, 0);
    assert!(!stdout.contains("gained") && stdout.contains("\nlost\n"), "{stdout}");
}

#[test]
fn the_same_in_other_words_is_no_change() {
    let (head, tail) = OLD.split_once("[roles.muted.deny]").unwrap();
    let (muted, rest) = tail.split_once("\n[roles.visitor]").unwrap();
    let (visitor, rest) = rest.split_once("\n[defaults]").unwrap();
    let new = format!(
        "# moved\n{}[roles.visitor]{visitor}\n[defaults]{rest}[roles.muted.deny]{muted}",
        head.replace("{sub}", "{/sub}").replace("{name}", "{/name}").replace("\"2h\"", "\"120m\"")
    );
    let same = "nothing is said differently\n\nno wider: no session can have a right, or have it for longer, that it \
                could not before\n";
    for (old, new) in [(OLD, OLD), (OLD, &new), (&new, OLD)] {
        assert_eq!(diff(&place(old, new), &[]), (0, same.to_owned()));
    }
}

#[test]
fn every_part_of_a_policy_that_changed_is_told() {
    let old = "version = 1\n[roles.a]\n[roles.a.channels]\n\"x\" = [\"read\"]\n[roles.b]\n[roles.gone]\n";
    let new = "version = 1\nseparator = \"/\"\n[ttl]\ndefault = \"10m\"\nmax = \"2h\"\nmin = \"5m\"\n\
               [member]\nid = \"{issuer}/{sub}\"\nstate = { org = \"{/tenant/id}\", kind = \"person\" }\n\
                client_state = [\"status\"]\n\
               [roles.a]\nincludes = [\"b\"]\nmax_ttl = \"30m\"\nissuers = [\"app\"]\nclaimed_as = [\"a\", \"c\"]\n\
               [roles.a.channels]\n\"x\" = [\"write\"]\n[roles.a.deny]\n\"x/**\" = [\"read\"]\n\
               [roles.b]\n[roles.new.channels]\n\"y/{sub}\" = [\"read\", \"write\"]\n\
               [defaults]\nrole = \"a\"\n[guest]\nrole = \"b\"\nmax_ttl = \"10m\"\n[blocked]\nmembers = [\"eve\"]\n";
    let (code, stdout) = diff(&place(old, new), &[]);
    snapshot("diff_everything", &stdout);
    assert_eq!(code, 2);
    snapshot("diff_everything_back", &diff(&place(new, old), &[]).1);
}

#[test]
fn a_faulty_policy_on_either_side_exits_3_with_its_faults() {
    let faulty = edited(&[("\"support:{sub}\"", "\"support:{ sub }\""), ("role = \"customer\"", "role = \"client\"")]);
    for (old, new, told) in [
        (&*faulty, OLD, &["old.toml:13:1", "old.toml:30:8", "2 faults found"][..]),
        (OLD, &*faulty, &["new.toml:13:1", "new.toml:30:8", "2 faults found"]),
        (&*faulty, &*faulty, &["old.toml:13:1", "old.toml:30:8", "new.toml:13:1", "new.toml:30:8"]),
    ] {
        let (code, stdout, stderr) = place(old, new).run::<&str, &str>(&["diff", "old.toml", "new.toml"], &[]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        for place in told {
            assert!(stderr.contains(place), "{place} is not in: {stderr}");
        }
    }
    for files in [["gone.toml", "new.toml"], ["old.toml", "gone.toml"]] {
        let (code, stdout, stderr) = place(OLD, OLD).run::<&str, &str>(&["diff", files[0], files[1]], &[]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        assert!(stderr.contains("the policy gone.toml cannot be read"), "{stderr}");
    }
}

#[test]
fn wrong_usage_exits_64() {
    let place = place(OLD, OLD);
    for (arguments, told) in [
        (&["diff"][..], "<OLD>"),
        (&["diff", "old.toml"], "<NEW>"),
        (&["diff", "old.toml", "new.toml", "more.toml"], "more.toml"),
        (&["diff", "old.toml", "new.toml", "--decision", "log"], "--decisions"),
        (&["diff", "old.toml", "new.toml", "--decisions"], "--decisions <FILE>"),
    ] {
        let (code, stdout, stderr) = place.run::<&str, &str>(arguments, &[]);
        assert_eq!((code, stdout.as_str()), (64, ""), "{arguments:?}");
        assert!(stderr.contains(told), "{arguments:?}: {stderr}");
    }
}

const SETTINGS: &str = "[[session.issuers]]\nname = \"app\"\nissuer = \"https://one.example.com/\"\n\
 audiences = [\"a\"]\n\
                        discovery = true\n[[session.issuers]]\nname = \"corp\"\n\
                         issuer = \"https://two.example.com/\"\n\
                        audiences = [\"a\"]\ndiscovery = true\n";

#[test]
fn both_policies_are_for_the_issuers_of_the_settings_that_are_named() {
    let of_several = |issuers: &str, channel: &str| {
        format!(
            "version = 1\n[member]\nid = \"{{issuer}}:{{sub}}\"\n[roles.a]\nissuers = [{issuers}]\n\
             [roles.a.channels]\n\"{channel}\" = [\"read\"]\n"
        )
    };
    let (old, new) = (of_several("\"app\"", "x"), of_several("\"app\", \"corp\"", "y"));
    let both = place(&old, &new);
    both.write("both.toml", SETTINGS);
    let (code, stdout) = diff(&both, &["--config", "both.toml"]);
    snapshot("diff_of_several_issuers", &stdout);
    assert_eq!(code, 2);

    // Each side is checked against them, and without them neither is.
    for (old, new) in [(OLD, &*new), (&*old, OLD)] {
        let place = place(old, new);
        place.write("both.toml", SETTINGS);
        let (code, stdout, stderr) =
            place.run::<&str, &str>(&["diff", "old.toml", "new.toml", "--config", "both.toml"], &[]);
        assert_eq!((code, stdout.as_str()), (3, ""));
        assert!(stderr.contains("users of different issuers could get the same member id"), "{stderr}");
        assert_eq!(diff(&place, &[]).0, 2);
    }
    both.write("bad.toml", "[[session.issuers]]\nname = \"app\"\n");
    for (config, told) in [("gone.toml", "gone.toml"), ("bad.toml", "`audiences` is missing")] {
        let (code, _, stderr) = both.run::<&str, &str>(&["diff", "old.toml", "new.toml", "--config", config], &[]);
        assert_eq!(code, 3);
        assert!(stderr.contains(told), "{stderr}");
    }
}

/// A log with what is random in it replaced, and the output of `diff` with the same.
fn settled(stdout: &str, events: &[Value]) -> String {
    events.iter().enumerate().fold(stdout.to_owned(), |text, (index, event)| {
        let text = text.replace(event["request_id"].as_str().unwrap(), &format!("request-{index}"));
        let guest = event["member_id"].as_str().filter(|member| member.starts_with("guest-"));
        guest.map_or(text.clone(), |guest| text.replace(guest, "guest-…"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_running_service_says_whom_a_change_would_have_hit() {
    let service = CommandLine::empty();
    service.write("config/policy.toml", OLD);
    let serving = Server::with(&service, &[("USHER__LIMITS__PER_MEMBER", "off")]).await;
    let (read, write) = (json!({"read": true}), json!({"write": true}));
    let asks = [
        // 0: a customer by name.
        ("alice", &["customer"][..], json!({"channels": {"support:alice": {"read": true, "write": true}}, "ttl": 60})),
        // 1: a customer who asks for nothing in particular.
        ("bob", &[], json!({})),
        // 2: an agent, for as long as can be.
        ("carol", &["support-agents"], json!({"channels": {"support:dave": read, "support:erin": write}, "ttl": 120})),
        // 3: a muted customer, who may not write.
        ("dave", &["customer", "muted"], json!({"channels": {"support:dave": write}})),
        // 4: the same, who takes what there is.
        (
            "dave",
            &["customer", "muted"],
            json!({"channels": {"support:dave": {"read": true, "write": true}}, "mode": "narrow"}),
        ),
        // 5: somebody who is blocked.
        ("mallory", &["customer"], json!({})),
        // 6: a request with a fault.
        ("alice", &["customer"], json!({"ttl": 0})),
        // 7: for a short while.
        ("frank", &["customer"], json!({"channels": {"announcements": read}, "ttl": 4})),
    ];
    for (sub, roles, body) in asks {
        let session = keys::Signer::secret().sign(&keys::claims(sub, roles, 90_000, &json!({"name": "N"})));
        serving.post(&session, Some(&body)).await;
    }
    // 8: a guest.
    send(serving.request(Method::POST, "/chat-token")).await;
    serving.running.wait_for(|_, stderr| stderr.matches("\"event\":\"audit\"").count() >= 9);
    let events = serving.running.audit();
    assert_eq!(events.len(), 9);

    let log = serving.running.stderr();
    assert!(log.lines().count() > events.len(), "the log has other lines too");
    let replayed = |name: &str, new: &str| {
        let place = place(OLD, new);
        place.write("usher.log", format!("not JSON\n\n{{\"event\": \"else\"}}\n{log}"));
        let (code, stdout) = diff(&place, &["--decisions", "usher.log"]);
        let (_, recorded) = stdout.split_once("recorded decisions\n").unwrap();
        snapshot(name, &settled(recorded, &events));
        (code, stdout)
    };
    assert_eq!(replayed("diff_decisions_unchanged", OLD).0, 0);
    // Who gains and who loses what.
    let new = edited(&[
        ("max_ttl = \"1h\"\n", "max_ttl = \"30m\"\n"),
        ("\"support:*\" = [\"read\", \"write\"]", "\"support:*\" = [\"read\"]"),
        ("\"**\" = [\"write\"]", "\"announcements\" = [\"write\"]"),
        ("\"announcements\" = [\"read\"]\n\n[defaults]", "\"lobby\" = [\"read\"]\n\n[defaults]"),
        ("max = \"2h\"", "max = \"2h\"\nmin = \"5m\""),
        ("\"mallory\"", "\"bob\""),
    ]);
    assert_eq!(replayed("diff_decisions", &new).0, 2);
    // A claim that the old policy never read.
    let new = edited(&[("\"support:{sub}\"", "\"support:{/account/id}\"")]);
    assert_eq!(replayed("diff_decisions_undecidable", &new).0, 2);
    // What a token gets more is no widening where it could have been asked for.
    let new = edited(&[("default = \"15m\"", "default = \"30m\"")]);
    assert_eq!(replayed("diff_decisions_default", &new).0, 0);
}

fn event(request_id: &str, more: &Value) -> Value {
    let mut event = json!({
        "event": "audit", "request_id": request_id, "outcome": "granted", "issuer": "app", "member_id": "alice",
        "claims": {"sub": "alice"}, "roles_claimed": ["customer"], "decided_at": "2026-01-01T00:00:00.000Z",
        "mode": "strict", "policy_sha256": "",
    });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

/// The last line but two: of how many events what is so.
fn counts(stdout: &str) -> &str {
    stdout.lines().find(|line| line.contains(" events: ")).unwrap().trim_start()
}

#[test]
fn what_was_recorded_never_speaks_to_the_terminal() {
    let evil = "\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\r\n\u{202e}\u{200b}\u{ad}\u{feff}\u{2028}\u{e0001}";
    let new = edited(&[
        (
            "\"announcements\" = [\"read\"]\n\"support:{sub}\" = [\"read\", \"write\"]",
            "\"a:*\" = [\"read\"]\n\"b:{\\u001b[2Jx\\u202e}\" = [\"read\"]",
        ),
        ("[roles.muted.deny]", "[roles.\"\\u001b[31mred\\u202e\".channels]\n\"c\" = [\"read\"]\n[roles.muted.deny]"),
        ("[\"mallory\"]", "[\"\\u001b[31meve\"]"),
    ]);
    let place = place(OLD, &new);
    let events = [
        event(evil, &json!({"member_id": evil, "roles_claimed": [evil]})),
        event(evil, &json!({"asked": {"a:\u{202e}\u{200b}\u{ad}\u{feff}\u{e0001}y": {"read": true}}})),
        event(evil, &json!({"member_id": evil, "asked": {"b:x": {"read": true}}})),
    ];
    place.write("log", events.map(|event| event.to_string() + "\n").concat());
    let (code, stdout) = diff(&place, &["--decisions", "log"]);
    assert_eq!(code, 2);
    let hidden = stdout.lines().find(|line| line.contains(is_invisible));
    assert_eq!(hidden, None, "{stdout}");
    snapshot("diff_escapes", &stdout);
}

#[test]
fn an_event_that_cannot_be_understood_exits_3_with_its_line() {
    let place = place(OLD, OLD);
    let good = event("r", &json!({})).to_string();
    for (text, told) in [
        (String::new(), "log: there is no audit event in it"),
        ("{\"event\":\"else\"}\nnot JSON\n".to_owned(), "log: there is no audit event in it"),
        (format!("{good}\n{{\"event\":\"audit\"}}\n"), "log:2: an audit event: it has no `request_id`"),
        (
            format!("\n{good}\n{}\n", event("r", &json!({"ttl_asked": "1h"}))),
            "log:3: an audit event: its `ttl_asked` is not what usher writes",
        ),
        (
            event("r", &json!({"asked": {"\u{1b}[2J": {"read": true}}})).to_string(),
            "log:1: an audit event: its `asked` is not what usher writes",
        ),
        (event("r", &json!({"mode": "else"})).to_string(), "log:1: an audit event: its `mode` is none"),
    ] {
        place.write("log", &text);
        let arguments = ["diff", "old.toml", "new.toml", "--decisions", "log"];
        let (code, stdout, stderr) = place.run::<&str, &str>(&arguments, &[]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{text}");
        assert!(stderr.starts_with(&format!("error: {told}")), "{stderr}");
    }
    let arguments = ["diff", "old.toml", "new.toml", "--decisions", "gone"];
    let (code, _, stderr) = place.run::<&str, &str>(&arguments, &[]);
    assert_eq!(code, 3);
    assert!(stderr.contains("--decisions gone cannot be read"), "{stderr}");
}

#[test]
fn a_decision_is_made_again_from_what_was_recorded_of_it() {
    let old = "version = 1\n[roles.customer.channels]\n\"x:{/tenant/id}\" = [\"read\"]\n\"y\" = [\"read\"]\n\
     [guest]\nrole = \"customer\"\n";
    let new = "version = 1\n[roles.customer.channels]\n\"x:{/tenant}\" = [\"read\"]\n\"y\" = [\"read\"]\n";
    let place = place(old, new);
    let tenant = |claims: Value, asked: &str| event("r", &json!({"claims": claims, "asked": {asked: {"read": true}}}));
    for (name, event, told) in [
        (
            "the part alone",
            tenant(json!({"sub": "a", "/tenant/id": "t"}), "x:t"),
            "0 unchanged, 0 gaining, 0 losing, 1 undecidable",
        ),
        (
            "the whole",
            tenant(json!({"sub": "a", "/tenant/id": null, "/tenant": "t"}), "x:t"),
            "0 unchanged, 1 gaining, 0 losing",
        ),
        (
            "the whole, by another name",
            tenant(json!({"sub": "a", "tenant": {"id": "t"}}), "x:t"),
            "0 unchanged, 0 gaining, 1 losing",
        ),
        (
            "a claim that was absent",
            tenant(json!({"sub": "a", "/tenant/id": null, "/tenant": null}), "x:t"),
            "1 unchanged",
        ),
        ("what does not matter here", tenant(json!({"sub": "a"}), "y"), "1 unchanged"),
        (
            "who it was is not known",
            event("r", &json!({"claims": {}, "asked": {"y": {"read": true}}})),
            "0 unchanged, 0 gaining, 0 losing, 1 undecidable",
        ),
        (
            "nothing in particular",
            event("r", &json!({"claims": {"sub": "a", "/tenant/id": "t", "/tenant": {"id": "t"}}})),
            "0 unchanged, 0 gaining, 1 losing",
        ),
        ("withheld roles", event("r", &json!({"roles_claimed": null, "asked": {"y": {"read": true}}})), "1 unchanged"),
        (
            "no decision",
            event("r", &json!({"decided_at": null})),
            "0 unchanged, 0 gaining, 0 losing, 0 undecidable, 1 without a decision",
        ),
        (
            "a guest, who is let in no more",
            event("r", &json!({"issuer": null, "claims": {}, "member_id": "guest-0", "roles_claimed": []})),
            "0 unchanged, 0 gaining, 1 losing",
        ),
        (
            "a session that was about to end",
            event("r", &json!({"session_ends": "2026-01-01T00:02:59.000Z", "asked": {"y": {"read": true}}})),
            "1 unchanged",
        ),
    ] {
        place.write("log", event.to_string());
        let (_, stdout) = diff(&place, &["--decisions", "log"]);
        assert!(counts(&stdout).starts_with(&format!("1 events: {told}")), "{name}: {stdout}");
    }
}

/// 100 roles with 500 rules each, of every kind.
fn large(suffix: &str) -> String {
    let mut text = "version = 1\n".to_owned();
    for role in 0..100 {
        let _ = writeln!(text, "[roles.role{role}.channels]");
        for rule in 0..450 {
            let pattern = match rule % 5 {
                0 => format!("area{role}:{rule}{suffix}:**"),
                1 => format!("area{role}:{rule}{suffix}:*"),
                2 => format!("area{role}:{{sub}}:{rule}{suffix}"),
                3 => format!("area{role}:{rule}{suffix}:{{/teams}}"),
                _ => format!("area{role}:{rule}{suffix}"),
            };
            let _ = writeln!(text, "\"{pattern}\" = [\"read\"]");
        }
        let _ = writeln!(text, "[roles.role{role}.deny]");
        for rule in 0..50 {
            let _ = writeln!(text, "\"area{role}:{rule}{suffix}:x\" = [\"read\"]");
        }
    }
    text
}

#[test]
fn policies_of_fifty_thousand_rules_are_checked_and_compared() {
    let place = place(&large(""), &large("-new"));
    let (code, stdout, _) = place.run::<&str, &str>(&["check", "--policy", "old.toml"], &[]);
    assert!(code == 0 && stdout.matches(": 450 allow rules, 50 deny rules\n").count() == 100, "{stdout}");
    assert_eq!(place.run::<&str, &str>(&["diff", "old.toml", "old.toml"], &[]).0, 0);
    let (code, stdout) = diff(&place, &[]);
    assert!(code == 2 && stdout.lines().count() > 150_000, "{}", stdout.lines().count());
}
