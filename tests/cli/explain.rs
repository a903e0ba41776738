//! `usher explain`: the decision that the service would make, and why, for claims, a real session and a recorded decision;
//! nothing of what it is given speaks to a terminal.

use std::fs::File;

use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};

use super::policy_tests::has_terminal_escapes;
use crate::support::keys::{self, Signer};
use crate::support::{CommandLine, SECRET, Server, complete, issuer_of, run, send, with, without};

/// policy.md's own example.
const POLICY: &str = include_str!("../policies/good/design.toml");

/// What could end a line, hide one, or speak to a terminal (categories Cc, Cf, Zl, Zp).
const EVIL: &str =
    "x\r\n\u{1b}[2J\u{1b}]0;t\u{7}\u{7f}\u{9b}31m\u{85}\u{2028}\u{2029}\u{202e}\u{200b}\u{ad}\u{feff}\u{e0001}\"\\'y";
/// The part of it that a channel's name may hold.
const EVIL_NAME: &str = "x\u{202e}\u{200b}\u{ad}\u{feff}\u{e0001}\"\\'y";

fn place() -> CommandLine {
    let place = CommandLine::empty();
    place.write("policy.toml", POLICY);
    place
}

/// `usher explain` with no variable at all, of `policy.toml`: exit code, standard output, standard error.
fn explain(place: &CommandLine, arguments: &[&str]) -> (i32, String, String) {
    place.run::<&str, &str>(&[&["explain", "--policy", "policy.toml"], arguments].concat(), &[])
}

/// The same for these claims and this request.
fn explain_claims(place: &CommandLine, claims: &Value, ask: Option<&Value>, more: &[&str]) -> (i32, String) {
    place.write("claims.json", claims.to_string());
    let mut arguments = vec!["--claims", "claims.json"];
    if let Some(ask) = ask {
        place.write("ask.json", ask.to_string());
        arguments.extend(["--ask", "ask.json"]);
    }
    let (code, stdout, stderr) = explain(place, &[&arguments, more].concat());
    assert_eq!(stderr, "", "{claims}");
    (code, stdout)
}

/// Exit code and document.
fn as_json(place: &CommandLine, claims: &Value, ask: Option<&Value>) -> (i32, Value) {
    let (code, stdout) = explain_claims(place, claims, ask, &["--json"]);
    (code, document(&stdout))
}

/// A document of the shape that is promised.
fn document(stdout: &str) -> Value {
    let document: Value = serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    let faults: Vec<_> = shape().iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}: {document:#}");
    document
}

/// settings-and-cli.md's, each member with its meaning as far as a schema can say it.
fn shape() -> jsonschema::Validator {
    let minutes = json!({"type": ["integer", "null"], "minimum": 1});
    let rights = json!({"type": "object", "required": ["read", "write"], "additionalProperties": {"type": "boolean"}});
    let rule = json!({"type": ["string", "null"], "minLength": 1});
    let schema = json!({
        "type": "object",
        "required": ["decision", "roles", "rights", "denied", "member_id", "state", "ttl", "upstream"],
        "properties": {
            "decision": {"enum": ["granted", "narrowed", "denied"]},
            "roles": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
            "rights": {"type": "array", "items": {
                "type": "object",
                "required": ["channel", "permission", "effect", "role", "pattern", "line"],
                "properties": {
                    "channel": {"type": "string", "minLength": 1},
                    "permission": {"enum": ["read", "write"]},
                    "effect": {"enum": ["allow", "deny"]},
                    "role": rule, "pattern": rule, "line": {"type": ["integer", "null"], "minimum": 1},
                },
                // What is allowed is allowed by a rule.
                "if": {"properties": {"effect": {"const": "allow"}}},
                "then": {"properties": {"role": {"type": "string"}, "pattern": {"type": "string"}, "line": {"type": "integer"}}},
            }},
            "denied": {"type": "array", "items": {
                "type": "object",
                "required": ["channel", "permissions"],
                "properties": {
                    "channel": {"type": "string"},
                    "permissions": {"type": "array", "minItems": 1, "items": {"enum": ["read", "write"]}},
                },
            }},
            "member_id": {"type": ["string", "null"]},
            "state": {"type": ["object", "null"]},
            "ttl": {"anyOf": [{"type": "null"}, {
                "type": "object",
                "required": ["request", "default", "rights", "max", "guest", "session", "result", "limited_by"],
                "properties": {
                    "request": minutes, "default": minutes, "rights": minutes, "guest": minutes, "result": minutes,
                    "max": {"type": "integer"}, "session": {"type": ["integer", "null"]},
                    "limited_by": {"enum": ["request", "default", "policy", "session"]},
                },
            }]},
            "upstream": {"anyOf": [{"type": "null"}, {
                "type": "object",
                "required": ["ttl", "channels", "member_id", "state"],
                "additionalProperties": false,
                "properties": {
                    "ttl": {"type": "integer"}, "channels": {"type": "object", "additionalProperties": rights},
                    "member_id": {"type": "string"}, "state": {"type": "object"},
                },
            }]},
        },
        // Nothing is sent of what is denied.
        "if": {"properties": {"decision": {"const": "denied"}}},
        "then": {"properties": {"upstream": {"type": "null"}}},
        "else": {"properties": {"upstream": {"type": "object"}}},
    });
    jsonschema::draft202012::new(&schema).unwrap()
}

fn both() -> Value {
    json!({"read": true, "write": true})
}

fn channels(names: &[&str]) -> Value {
    json!({"channels": names.iter().map(|name| ((*name).to_owned(), both())).collect::<serde_json::Map<_, _>>()})
}

#[test]
fn a_granted_request_as_json() {
    let claims = json!({"sub": "alice", "roles": ["customer", "nobody"], "name": "Alice", "tenant": {"id": 7}});
    let ask = json!({"channels": {"support:alice": both(), "announcements": {"read": true}}, "ttl": 20, "state": {"status": "away"}});
    let (code, told) = as_json(&place(), &claims, Some(&ask));
    assert_eq!((code, &told["decision"]), (0, &json!("granted")), "{told:#}");
    assert_eq!(told["roles"], json!(["customer"]));
    let right = |index: usize| {
        let right = &told["rights"][index];
        ["channel", "permission", "effect", "role", "pattern"].map(|member| right[member].as_str().unwrap().to_owned())
    };
    assert_eq!(right(0), ["announcements", "read", "allow", "customer", "announcements"]);
    assert_eq!(right(1), ["support:alice", "read", "allow", "customer", "support:{sub}"]);
    assert_eq!(right(2), ["support:alice", "write", "allow", "customer", "support:{sub}"]);
    for right in told["rights"].as_array().unwrap() {
        let line = POLICY.lines().nth(usize::try_from(right["line"].as_u64().unwrap()).unwrap() - 1).unwrap();
        assert!(line.starts_with(&format!("{:?}", right["pattern"].as_str().unwrap())), "{right}: {line}");
    }
    assert_eq!((told["rights"].as_array().unwrap().len(), &told["denied"]), (3, &json!([])));
    assert_eq!(told["member_id"], "alice");
    assert_eq!(told["state"], json!({"name": "Alice", "org": 7, "status": "away"}));
    let ttl = json!({
        "request": 20, "default": null, "rights": 60, "max": 480, "guest": null, "policy": 60, "session": null, "result": 20,
        "limited_by": "request",
    });
    assert_eq!(told["ttl"], ttl);
    let upstream = json!({
        "ttl": 20, "member_id": "alice", "state": told["state"],
        "channels": {"announcements": {"read": true, "write": false}, "support:alice": both()},
    });
    assert_eq!(told["upstream"], upstream);
}

#[test]
fn a_narrowed_request_as_json() {
    let claims = json!({"sub": "ann", "roles": ["agent", "muted"]});
    let ask = json!({"channels": {"support:bob": both(), "desk": {"read": true}}, "mode": "narrow"});
    let (code, told) = as_json(&place(), &claims, Some(&ask));
    assert_eq!((code, &told["decision"]), (0, &json!("narrowed")), "{told:#}");
    assert_eq!(told["roles"], json!(["agent", "customer", "muted"]));
    let denied = json!([
        {"channel": "desk", "permissions": ["read"]}, {"channel": "support:bob", "permissions": ["write"]},
    ]);
    assert_eq!(told["denied"], denied);
    let effects: Vec<_> =
        told["rights"].as_array().unwrap().iter().map(|right| (&right["effect"], &right["role"])).collect();
    let (allow, deny) = (json!("allow"), json!("deny"));
    assert_eq!(effects, [(&deny, &Value::Null), (&allow, &json!("agent")), (&deny, &json!("muted"))]);
    assert_eq!(told["upstream"]["channels"], json!({"support:bob": {"read": true, "write": false}}));
}

/// What the client would be told: decision, problem and exit code.
#[test]
fn what_is_refused_is_2_and_nothing_is_sent() {
    let alice = json!({"sub": "alice", "roles": ["customer"]});
    for (claims, ask, problem, member) in [
        (&alice, Some(channels(&["desk"])), "channels_denied", Some("alice")),
        (&alice, Some(json!({"channels": {"desk": both()}, "mode": "narrow"})), "nothing_granted", Some("alice")),
        (&json!({"sub": "mallory"}), None, "session_revoked", Some("mallory")),
        (&json!({"roles": ["customer"]}), None, "nothing_granted", None),
        (&json!({"sub": "a", "_claim_names": {"roles": "src"}}), None, "nothing_granted", Some("a")),
        (&json!({"sub": "a", "roles": ["muted"]}), None, "nothing_granted", Some("a")),
        (&json!({"sub": "a", "exp": keys::now() + 60}), None, "session_expiring", Some("a")),
        (&json!({"sub": "a", "exp": keys::now() - 60}), Some(json!({})), "session_expiring", Some("a")),
        (&alice, Some(json!({"channels": {"sw_x": both()}, "ttl": 1})), "invalid_request", Some("alice")),
        (&alice, Some(json!([])), "invalid_request", Some("alice")),
        (&json!({"sub": "mallory"}), Some(json!([])), "session_revoked", Some("mallory")),
        (&json!({"sub": "a", "projects": (0..501).collect::<Vec<_>>()}), Some(json!({})), "invalid_request", Some("a")),
    ] {
        let (code, told) = as_json(&place(), claims, ask.as_ref());
        assert_eq!((code, &told["decision"]), (2, &json!("denied")), "{claims} {ask:?}: {told:#}");
        assert_eq!(told["problem"], problem, "{claims} {ask:?}");
        assert_eq!(told["member_id"], json!(member), "{claims} {ask:?}");
        assert!(told["state"].is_null() && told["upstream"].is_null(), "{told:#}");
        assert_eq!(!told["errors"].as_array().unwrap().is_empty(), problem == "invalid_request", "{told:#}");
        // The same in words.
        let (exit, text) = explain_claims(&place(), claims, ask.as_ref(), &[]);
        let is_whole = text.starts_with(&format!("decision  denied, {problem}")) && text.ends_with("nothing is sent\n");
        assert!(exit == 2 && is_whole, "{claims}: {text}");
        let asks_for_desk = ask.is_some_and(|ask| ask["channels"]["desk"].is_object());
        assert_eq!(!told["denied"].as_array().unwrap().is_empty(), asks_for_desk);
    }
}

#[test]
fn withheld_roles_are_no_roles_and_no_default_role() {
    let claims = json!({"sub": "a", "_claim_names": {"roles": "src1"}});
    let (code, told) = as_json(&place(), &claims, Some(&channels(&["announcements"])));
    assert_eq!((code, &told["roles"], &told["rights"]), (2, &json!([]), &json!([])), "{told:#}");
    assert!(told["reason"].as_str().unwrap().contains("too many groups"), "{told:#}");
}

#[test]
fn who_asks_for_nothing_is_told_all_that_may_be_had() {
    let claims = json!({"sub": "ann", "roles": ["agent"]});
    let (code, told) = as_json(&place(), &claims, None);
    assert_eq!((code, &told["decision"]), (0, &json!("granted")));
    assert_eq!(told["patterns"], json!([{"pattern": "support:*", "read": true, "write": true}]));
    assert_eq!(
        told["upstream"]["channels"],
        json!({"announcements": {"read": true, "write": false}, "support:ann": both()})
    );
    // What may only be asked for by name is told too, though such a request gets nothing.
    let wild = CommandLine::empty();
    wild.write("policy.toml", "version = 1\n[roles.agent.channels]\n\"support:*\" = [\"read\"]\n");
    let (code, nothing) = as_json(&wild, &claims, None);
    assert_eq!((code, &nothing["problem"]), (2, &json!("nothing_granted")));
    assert_eq!(nothing["patterns"], json!([{"pattern": "support:*", "read": true, "write": false}]));
    // No bytes, `{}` and a request for a ttl alone name no channel either.
    let place = place();
    place.write("empty.json", "");
    place.write("claims.json", claims.to_string());
    let (_, stdout, _) = explain(&place, &["--claims", "claims.json", "--ask", "empty.json", "--json"]);
    let (_, braces) = as_json(&place, &claims, Some(&json!({})));
    let (_, ttl) = as_json(&place, &claims, Some(&json!({"ttl": 10})));
    for other in [&document(&stdout), &braces, &ttl] {
        for member in ["decision", "roles", "rights", "patterns", "denied"] {
            assert_eq!(other[member], told[member], "{member}");
        }
    }
}

#[test]
fn a_guest_as_json() {
    let place = place();
    let (code, stdout, _) = explain(&place, &["--guest", "--json"]);
    let told = document(&stdout);
    assert_eq!((code, &told["decision"], &told["roles"]), (0, &json!("granted"), &json!(["visitor"])));
    assert!(told["member_id"].as_str().unwrap().starts_with("guest-"));
    assert_eq!(told["upstream"]["member_id"], told["member_id"]);
    assert_eq!(
        (&told["ttl"]["guest"], &told["ttl"]["result"], &told["ttl"]["limited_by"]),
        (&json!(10), &json!(10), &json!("policy"))
    );

    place.write("policy.toml", "version = 1\n[roles.a]\n");
    let (code, stdout, _) = explain(&place, &["--guest", "--json"]);
    let told = document(&stdout);
    assert_eq!((code, &told["problem"], &told["member_id"]), (2, &json!("session_missing"), &Value::Null));
}

#[test]
fn the_texts_of_a_good_handful_of_situations() {
    let alice =
        json!({"sub": "alice", "roles": ["customer"], "name": "Alice", "tenant": {"id": 7}, "projects": ["apollo"]});
    let narrow = json!({"channels": {"support:bob": both(), "desk:1": {"read": true}}, "mode": "narrow", "ttl": 480});
    let faulty = json!({
        "channels": {"sw_x": both(), "a": {}, "b*": {"raed": true}}, "ttl": 1.5, "mode": "lenient", "member_id": "bob",
        "state": {"name": "Admin"}, "chanels": {},
    });
    for (name, claims, ask) in [
        (
            "granted",
            &alice,
            Some(json!({"channels": {"support:alice": both()}, "ttl": 20, "state": {"status": "away"}})),
        ),
        ("nothing_asked", &json!({"sub": "ann", "roles": ["support-agents", "root"], "projects": "apollo"}), None),
        ("narrowed", &json!({"sub": "ann", "roles": ["agent", "muted"]}), Some(narrow)),
        ("denied", &alice, Some(channels(&["support:bob", "announcements", "project:gemini", "lobby"]))),
        ("denied_with_too_little", &json!({"sub": 7.5, "roles": "customer"}), Some(channels(&["announcements"]))),
        ("faulty", &alice, Some(faulty)),
        ("blocked", &json!({"sub": "mallory", "roles": ["agent"]}), None),
        ("withheld", &json!({"sub": "alice", "_claim_names": {"roles": "src1"}}), None),
        ("muted_alone", &json!({"sub": "alice", "roles": ["muted"]}), None),
        ("default_role", &json!({"sub": "alice"}), Some(channels(&["announcements"]))),
    ] {
        let (_, told) = explain_claims(&place(), claims, ask.as_ref(), &[]);
        insta::assert_snapshot!(name, told);
    }
    let (_, stdout, _) = explain(&place(), &["--guest"]);
    let guest = stdout.split("guest-").nth(1).unwrap()[..36].to_owned();
    insta::assert_snapshot!("guest", stdout.replace(&guest, "<a fresh UUID>"));
}

#[test]
fn a_deny_that_fails_closed_says_why() {
    let place = CommandLine::empty();
    let policy =
        "version = 1\n[roles.a.channels]\n\"room:*\" = [\"read\"]\n[roles.a.deny]\n\"room:{closed}\" = [\"read\"]\n";
    place.write("policy.toml", policy);
    for (more, said) in [
        (json!({}), "{closed} matches anything here: the claim is absent"),
        (json!({"closed": null}), "{closed} matches anything here: the claim is null"),
        (
            json!({"closed": ["b", ""]}),
            "{closed} matches anything here: an element of the claim does not fit one segment",
        ),
        (json!({"closed": ["a"]}), "{closed} is `a`"),
        (json!({"closed": {}}), "{closed} matches anything here: the claim is no string, integer or list of them"),
        (json!({"closed": vec![1; 1_001]}), "{closed} matches anything here: the claim is a list of over 1,000"),
    ] {
        let mut claims = json!({"sub": "x", "roles": ["a"]});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (code, told) = explain_claims(&place, &claims, Some(&json!({"channels": {"room:a": {"read": true}}})), &[]);
        assert_eq!(code, 2);
        let line = "no  room:a read: denied by \"room:{closed}\" of a (policy.toml:5), ";
        assert!(told.contains(&format!("{line}{said}\n")), "{more}: {told}");
    }
}

#[test]
fn claims_and_request_come_from_files_or_standard_input() {
    let place = place();
    place.write("claims.json", json!({"sub": "alice", "roles": ["customer"]}).to_string());
    place.write("ask.json", format!("\n{}\n", json!({"channels": {"announcements": {"read": true}}})));
    let by_files = explain(&place, &["--claims", "claims.json", "--ask", "ask.json"]);
    assert_eq!(by_files.0, 0, "{}", by_files.2);
    let piped = |file: &str, arguments: &[&str]| {
        let mut command = place.command(&[&["explain", "--policy", "policy.toml"], arguments].concat());
        run(command.stdin(File::open(place.path().join(file)).unwrap()))
    };
    assert_eq!(piped("claims.json", &["--claims", "-", "--ask", "ask.json"]), by_files);
    assert_eq!(piped("ask.json", &["--claims", "claims.json", "--ask", "-"]), by_files);
    // Both cannot be read from there.
    let (code, stdout, stderr) = piped("claims.json", &["--claims", "-", "--ask", "-"]);
    assert_eq!((code, stdout.as_str()), (64, ""), "{stderr}");
    assert!(stderr.contains("--claims") && stderr.contains("--ask") && stderr.contains("standard input"), "{stderr}");
}

#[test]
fn an_issuer_is_chosen_by_its_alias() {
    let place = CommandLine::empty();
    let one = issuer_of("jwks_url = \"https://keys.example.com/\", roles = [\"/realm_access/roles\"]");
    let other = one.replace("\"app\"", "\"corp\"").replace("login", "corp").replace("/realm_access/roles", "groups");
    place.write("config/usher.toml", format!("[session]\nissuers = [{one}, {other}]\n"));
    let policy = "version = 1\n[member]\nid = \"{issuer}:{sub}\"\n[roles.desk]\nissuers = [\"app\"]\n[roles.desk.channels]\n\
         \"desk\" = [\"read\"]\n[roles.staff]\nissuers = [\"corp\"]\n[roles.staff.channels]\n\"staff\" = [\"read\"]\n";
    place.write("config/policy.toml", policy);
    place.write(
        "claims.json",
        json!({"sub": "a", "realm_access": {"roles": ["desk"]}, "groups": ["staff"]}).to_string(),
    );
    for (arguments, member, role) in [
        (&[] as &[_], "app:a", "desk"),
        (&["--issuer", "app"], "app:a", "desk"),
        (&["--issuer", "corp"], "corp:a", "staff"),
    ] {
        let arguments = [&["explain", "--claims", "claims.json", "--json"], arguments].concat();
        let (code, stdout, stderr) = place.run::<&str, &str>(&arguments, &[]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}: {stdout}");
        let told = document(&stdout);
        assert_eq!((&told["member_id"], &told["roles"]), (&json!(member), &json!([role])));
    }
    place.write("claims.json", json!({"sub": "a", "groups": ["staff", "desk", "root"]}).to_string());
    let arguments = ["explain", "--claims", "claims.json", "--issuer", "corp"];
    let (_, stdout, _) = place.run::<&str, &str>(&arguments, &[]);
    insta::assert_snapshot!("another_issuers_role", stdout);
    let arguments = ["explain", "--claims", "claims.json", "--issuer", "crop"];
    let (code, stdout, stderr) = place.run::<&str, &str>(&arguments, &[]);
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    assert!(stderr.contains("there is no issuer `crop`") && stderr.contains("app, corp"), "{stderr}");
}

#[test]
fn what_cannot_be_read_is_3_and_wrong_usage_is_64() {
    let place = place();
    place.write("claims.json", json!({"sub": "alice"}).to_string());
    place.write("list.json", "[]");
    place.write("twice.json", "{\"sub\": \"a\", \"sub\": \"b\"}");
    place.write("torn.json", "{\"sub\": ");
    place.write("exp.json", "{\"sub\": \"a\", \"exp\": \"tomorrow\"}");
    place.write("binary.json", b"\xff");
    place.write("faulty.toml", "version = 2\n");
    for (arguments, said) in [
        (&["--claims", "gone.json"] as &[_], "--claims gone.json cannot be read"),
        (&["--claims", "list.json"], "--claims list.json: it is no JSON object"),
        (&["--claims", "twice.json"], "--claims twice.json: it is not one JSON document: a name is there twice"),
        (&["--claims", "torn.json"], "--claims torn.json: it is not one JSON document: EOF"),
        (&["--claims", "exp.json"], "--claims exp.json: the token's `exp` is missing or no proper date"),
        (&["--claims", "binary.json"], "--claims binary.json cannot be read: it is not UTF-8"),
        (&["--claims", "claims.json", "--ask", "gone.json"], "--ask gone.json cannot be read"),
        (&["--claims", "claims.json", "--config", "gone.toml"], "gone.toml"),
        (&["--session", "claims.json"], "session.issuers"),
    ] {
        let (code, stdout, stderr) = explain(&place, arguments);
        assert_eq!((code, stdout.as_str()), (3, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    let explain_with =
        |policy: &str| place.run::<&str, &str>(&["explain", "--claims", "claims.json", "--policy", policy], &[]);
    for (policy, said) in [("faulty.toml", "faulty.toml:1:11"), ("gone.toml", "gone.toml")] {
        let (code, _, stderr) = explain_with(policy);
        assert!(code == 3 && stderr.contains(said), "{policy}: {stderr}");
    }
    assert_eq!(
        place.run::<&str, &str>(&["explain", "--claims", "claims.json"], &[]).0,
        3,
        "no policy where it is looked for"
    );

    for (arguments, said) in [
        (&[] as &[_], "--claims"),
        (&["--claims", "claims.json", "--guest"], "--guest"),
        (&["--claims", "claims.json", "--session", "x"], "--session"),
        (&["--request-id", "x"], "--decisions"),
        (&["--decisions", "x"], "--request-id"),
        (&["--request-id", "x", "--decisions", "y", "--ask", "ask.json"], "--ask"),
        (&["--guest", "--issuer", "app"], "--issuer"),
        (&["--session", "x", "--issuer", "app"], "--issuer"),
        (&["--request-id", "x", "--decisions", "y", "--issuer", "app"], "--issuer"),
        (&["--claims", "claims.json", "--decisions", "x"], "--decisions"),
        (&["--guest", "--decisions", "x"], "--decisions"),
        (&["--claims", "claims.json", "--jsno"], "--json"),
    ] {
        let (code, stdout, stderr) = explain(&place, arguments);
        assert_eq!((code, stdout.as_str()), (64, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
}

/// What is no JSON is no request: the service answers it with a 400.
#[test]
fn a_request_that_is_not_one_json_document_is_no_valid_request() {
    let place = place();
    place.write("claims.json", json!({"sub": "alice"}).to_string());
    place.write("blocked.json", json!({"sub": "mallory"}).to_string());
    for (body, said) in
        [("{\"ttl\": 1, \"ttl\": 2}", "a name is there twice"), ("{", "EOF"), ("{} {}", "trailing characters")]
    {
        place.write("ask.json", body);
        let (code, stdout, stderr) = explain(&place, &["--claims", "claims.json", "--ask", "ask.json"]);
        assert_eq!((code, stderr.as_str()), (2, ""), "{body}: {stdout}");
        assert!(stdout.starts_with("decision  denied, malformed_request: ") && stdout.contains(said), "{stdout}");
        let (code, stdout, _) = explain(&place, &["--claims", "claims.json", "--ask", "ask.json", "--json"]);
        let told = document(&stdout);
        assert_eq!((code, &told["problem"], &told["member_id"]), (2, &json!("malformed_request"), &json!("alice")));
        // Who is blocked is refused before the body is read.
        let (_, stdout, _) = explain(&place, &["--claims", "blocked.json", "--ask", "ask.json", "--json"]);
        assert_eq!(document(&stdout)["problem"], "session_revoked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_body_is_what_the_service_sends() {
    let place = CommandLine::empty();
    place.write("config/policy.toml", POLICY);
    let serving = Server::with(&place, &[]).await;
    let issuers = complete("").into_iter().find(|(name, _)| name == "USHER__SESSION__ISSUERS").unwrap();
    for (sub, roles, more, ask) in [
        ("alice", &["customer"] as &[_], json!({"name": "José \"the\" \\ García 💬", "tenant": {"id": 7}}), json!({})),
        (
            "alice",
            &["customer"],
            json!({"name": EVIL, "projects": ["apollo", 7, "not fitting", null]}),
            json!({"ttl": 20}),
        ),
        ("ann", &["support-agents"], json!({"name": 1.5}), channels(&["support:bob", "support:\u{301}\"\\'"])),
        (
            "ann",
            &["agent", "muted"],
            json!({"name": true}),
            json!({"channels": {"support:x": both()}, "mode": "narrow"}),
        ),
        (
            "bob",
            &[],
            json!({"roles": null}),
            json!({"channels": {"support:bob": both()}, "ttl": 480, "state": {"status": {"a": [1, null, EVIL]}}}),
        ),
        ("bob", &["unknown"], json!({"exp": keys::now() + 640}), json!({"ttl": 480, "member_id": "bob"})),
        ("bob", &["customer"], json!({}), channels(&["support:alice"])),
        ("mallory", &["customer"], json!({}), json!({})),
        ("bob", &["customer"], json!({}), json!({"ttl": 0})),
    ] {
        let claims = keys::claims(sub, roles, 36_000, &more);
        let before = serving.sandbox.received().len();
        let (status, answer) = serving.post(&Signer::secret().sign(&claims), Some(&ask)).await.read();
        let sent = serving.sandbox.received();
        let sent: Value =
            sent.get(before).map(|request| serde_json::from_str(&request.body).unwrap()).unwrap_or_default();

        place.write("claims.json", claims.to_string());
        place.write("ask.json", ask.to_string());
        let arguments = ["explain", "--claims", "claims.json", "--ask", "ask.json"];
        let (code, text, _) = place.run(&arguments, std::slice::from_ref(&issuers));
        let (_, stdout, _) = place.run(&[&arguments[..], &["--json"]].concat(), std::slice::from_ref(&issuers));
        let told = document(&stdout);
        assert_eq!(told["upstream"], sent, "{claims} {ask}");
        assert_eq!((code == 0, &told["problem"]), (status == 200, &answer["code"]), "{answer}: {told:#}");
        assert!(!has_terminal_escapes(&(text.clone() + &stdout)), "{text}{stdout}");
        // And the one that a person reads.
        if status == 200 {
            let body = text.split("POST /api/chat/tokens\n").nth(1).unwrap();
            assert_eq!(serde_json::from_str::<Value>(body).unwrap(), sent, "{text}");
            assert_eq!(told["ttl"]["limited_by"], answer["ttl_limited_by"]);
        } else {
            assert!(text.ends_with("upstream  nothing is sent\n"), "{text}");
        }
    }
}

/// What explaining a session needs: its issuer, and no credentials of SignalWire's.
fn of_issuer(keys: &str) -> Vec<(String, String)> {
    let variables = with(complete(""), "USHER__SESSION__ISSUERS", &format!("[{}]", issuer_of(keys)));
    ["SIGNALWIRE_SPACE", "SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_API_TOKEN"]
        .iter()
        .fold(variables, |all, name| without(all, name))
}

#[test]
fn a_real_session_is_verified_first() {
    let place = CommandLine::empty();
    place.write("config/policy.toml", POLICY);
    let variables = of_issuer(&format!("secret = {SECRET:?}"));
    let signed =
        |more: Value, lives_for: i64| Signer::secret().sign(&keys::claims("alice", &["customer"], lives_for, &more));
    place.write("session", signed(json!({"name": "Alice"}), 36_000) + "\r\n");
    let (code, stdout, stderr) = place.run(&["explain", "--session", "session", "--json"], &variables);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let told = document(&stdout);
    assert_eq!((&told["member_id"], &told["state"]), (&json!("alice"), &json!({"name": "Alice"})));
    assert!((590..=600).contains(&told["ttl"]["session"].as_i64().unwrap()), "{told:#}");

    let mut command = place.command(&["explain", "--session", "-"]);
    let session = File::open(place.path().join("session")).unwrap();
    let (code, stdout, stderr) = run(command.envs(variables.clone()).stdin(session));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let ends = clock_like(&stdout);
    insta::assert_snapshot!("a_real_session", stdout.replace(&ends, "<its end>").replace("600m", "599m"));

    let other =
        Signer::secret_of(&"x".repeat(64), Algorithm::HS256).sign(&keys::claims("alice", &["agent"], 60, &json!({})));
    for (session, said) in [
        (other, "signature"),
        (signed(json!({}), -10), "expired"),
        (signed(json!({"aud": "https://other.example.com"}), 60), "audience"),
        (signed(json!({"iss": "https://evil.example.com/"}), 60), "issuer"),
        ("nonsense".to_owned(), "not valid"),
        (String::new(), "not valid"),
        (EVIL.to_owned(), "not valid"),
    ] {
        place.write("session", &session);
        let (code, stdout, stderr) = place.run(&["explain", "--session", "session"], &variables);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        assert!(stderr.contains(said) && stderr.contains("usher doctor --session"), "{said}: {stderr}");
        assert!(session.is_empty() || !stderr.contains(&session), "{stderr}");
        assert!(!has_terminal_escapes(&stderr), "{stderr}");
    }
    // A good one may be denied all the same.
    place.write("session", signed(json!({}), 36_000));
    place.write("ask.json", channels(&["desk"]).to_string());
    assert_eq!(place.run(&["explain", "--session", "session", "--ask", "ask.json"], &variables).0, 2);
    // Without its issuer's keys nothing can be said.
    let (code, _, stderr) =
        place.run(&["explain", "--session", "session"], &of_issuer("jwks_url = \"http://127.0.0.1:9/\""));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("key"), "{stderr}");
}

/// The one time that the text tells.
fn clock_like(text: &str) -> String {
    text.split_whitespace().find(|word| word.starts_with("20") && word.ends_with('Z')).unwrap().to_owned()
}

/// A service of this policy that was asked these (without claims: by a guest), in `place` its log, and its events.
async fn asked(place: &CommandLine, policy: &str, requests: &[(Value, Value)]) -> (Server, Vec<Value>) {
    place.write("config/policy.toml", policy);
    let serving = Server::with(place, &[("USHER__LOG__LEVEL", "debug")]).await;
    for (claims, ask) in requests {
        if claims.is_null() {
            send(serving.request(Method::POST, "/chat-token").json(ask)).await;
        } else {
            serving.post(&Signer::secret().sign(claims), Some(ask)).await;
        }
    }
    let written = |stderr: &str| stderr.matches("\"event\":\"audit\"").count();
    serving.running.wait_for(|_, stderr| written(stderr) == requests.len());
    place.write("usher.log", serving.running.stderr());
    let events = serving.running.audit();
    (serving, events)
}

/// The same of policy.md's own example, with something of everything.
async fn decided(place: &CommandLine) -> (Server, Vec<Value>) {
    let claims = |sub: &str, roles: &[&str]| {
        let more =
            json!({"name": EVIL, "projects": ["apollo", 7], "tenant": {"id": "t", "secret": "not read"}, "x": EVIL});
        keys::claims(sub, roles, 1_260, &more)
    };
    let withheld = keys::claims("ann", &[], 1_260, &json!({"roles": null, "_claim_names": {"roles": "src"}}));
    let requests = [
        (claims("alice", &["customer"]), json!({})),
        (claims("alice", &["customer"]), json!({"channels": {"support:alice": both()}, "ttl": 10})),
        (
            claims("ann", &["agent", "muted", EVIL]),
            json!({"channels": {"support:bob": both(), EVIL_NAME: both()}, "mode": "narrow"}),
        ),
        (claims("ann", &["agent"]), json!({"channels": {"support:bob": both()}, "ttl": 480})),
        (claims("bob", &["customer"]), channels(&["support:alice", "announcements"])),
        (claims("bob", &["customer"]), json!({"channels": {"desk": both()}, "mode": "narrow"})),
        (claims("bob", &["muted"]), json!({"ttl": 10})),
        (claims("mallory", &["agent"]), json!({})),
        (claims("not fitting", &["agent"]), json!({})),
        (withheld, json!({})),
        (keys::claims("ann", &["customer"], 120, &json!({})), json!({})),
        (Value::Null, json!({"ttl": 5})),
    ];
    asked(place, POLICY, &requests).await
}

/// Of one event's decision: exit code and document.
fn explain_event(place: &CommandLine, id: &Value, more: &[&str]) -> (i32, Value) {
    let arguments = ["explain", "--request-id", id.as_str().unwrap(), "--decisions", "usher.log", "--json"];
    let (code, stdout, stderr) = place.run::<&str, &str>(&[&arguments, more].concat(), &[]);
    assert_eq!(stderr, "");
    assert!(!has_terminal_escapes(&stdout), "{stdout}");
    (code, document(&stdout))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decision_that_is_explained_is_the_one_that_was_recorded() {
    let place = CommandLine::empty();
    let (serving, events) = decided(&place).await;
    let sent = serving.sandbox.received();
    let mut sent = sent.iter().map(|request| serde_json::from_str::<Value>(&request.body).unwrap());
    let outcomes: Vec<_> = events.iter().map(|event| event["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes[..4], ["granted", "granted", "narrowed", "granted"]);
    assert_eq!((&outcomes[4..11], outcomes[11]), (&["denied"; 7][..], "granted"));
    for event in &events {
        let (code, told) = explain_event(&place, &event["request_id"], &[]);
        assert_eq!(told["decision"], event["outcome"], "{event:#}{told:#}");
        assert_eq!(told["problem"], event["code"]);
        assert_eq!(code == 2, event["outcome"] == "denied");
        if event["decision_id"].is_null() {
            continue;
        }
        assert_eq!(told["decided_for"], event["decided_at"]);
        assert_eq!((&told["member_id"], &told["roles"]), (&event["member_id"], &event["roles"]));
        let upstream = if event["outcome"] == "denied" { Value::Null } else { sent.next().unwrap() };
        assert_eq!(told["upstream"], upstream);
        if event["outcome"] != "denied" {
            assert_eq!((&told["ttl"]["result"], &told["ttl"]["limited_by"]), (&event["ttl"], &event["ttl_limited_by"]));
            assert_eq!(told["upstream"]["channels"], event["granted"]);
        }
        let of_event = |row: &Value| json!([row["channel"], row["permission"], row["role"], row["pattern"]]);
        let denied: Vec<_> = event["denied"].as_array().unwrap().iter().map(of_event).collect();
        let rights = told["rights"].as_array().unwrap().iter().filter(|right| right["effect"] == "deny");
        assert_eq!(rights.map(of_event).collect::<Vec<_>>(), denied);
        // The decision's id is as good as the request's.
        assert_eq!(explain_event(&place, &event["decision_id"], &[]), (code, told));
    }
    let text = |event: &Value| {
        let arguments = ["explain", "--request-id", event["request_id"].as_str().unwrap(), "--decisions", "usher.log"];
        let (_, stdout, _) = place.run::<&str, &str>(&arguments, &[]);
        assert!(!has_terminal_escapes(&stdout), "{stdout}");
        // Of the two times the one ends a line of the record, the other one of the ttl.
        let hidden = stdout.lines().map(|line| match line.rsplit_once(' ') {
            Some((start, time)) if time.starts_with("20") && time.ends_with('Z') => format!("{start} <a time>"),
            _ => line.to_owned(),
        });
        hidden.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!("recorded_narrowed", text(&events[2]));
    insta::assert_snapshot!("recorded_denied", text(&events[4]));
    insta::assert_snapshot!("recorded_revoked", text(&events[7]));
}

/// By name and by pointer, a part of another, of a list, withheld by a null.
#[tokio::test(flavor = "multi_thread")]
async fn claims_come_back_from_a_record_however_the_policy_reads_them() {
    let policy = r#"
version = 1
[member]
id = "{/user/id}"
state = { "all" = "{/user/name}", "same" = "{name}", "slash" = "{/a~1b/~0}", "url" = "{https://example.com/org}" }
client_state = ["status"]
[roles.a]
claimed_as = ["customer"]
[roles.a.channels]
"first:{/teams/0}" = ["read"]
"any:{/teams}" = ["read"]
"in:{/teams/1/x|sha256}" = ["read"]
"org:{https://example.com/org|sha256}" = ["read"]
"by:{issuer}:{/issuer}" = ["read"]
[roles.a.deny]
"first:{/closed/0}" = ["read"]
"any:{/closed}" = ["read"]
"#;
    let claims = |more: Value| keys::claims("alice", &["customer"], 36_000, &more);
    let user = json!({"id": 7, "name": "U", "mail": "not read"});
    let claims = [
        claims(
            json!({"user": user, "name": "N", "a/b": {"~": true}, "https://example.com/org": "o", "teams": ["t", "u"], "closed": []}),
        ),
        claims(json!({"user": user, "teams": ["t", {"x": 1}], "closed": ["t"], "issuer": "app"})),
        claims(json!({"user": user, "teams": "t", "closed": {"0": "t"}, "a/b": {"~": null}})),
        claims(json!({"user": {"id": ["7"]}, "teams": {"0": "t", "1": {"x": "y"}}, "closed": "u"})),
        claims(json!({"user": "7", "teams": ["t"]})),
    ];
    let asks = [
        json!({}),
        json!({"channels": {"first:t": {"read": true}, "any:t": {"read": true}, "any:u": {"read": true}}, "mode": "narrow"}),
    ];
    let requests: Vec<_> =
        claims.iter().flat_map(|claims| asks.iter().map(|ask| (claims.clone(), ask.clone()))).collect();
    let place = CommandLine::empty();
    let (serving, events) = asked(&place, policy, &requests).await;
    let sent = serving.sandbox.received();
    let mut sent = sent.iter().map(|request| serde_json::from_str::<Value>(&request.body).unwrap());
    let mut granted = 0;
    for (event, (claims, ask)) in events.iter().zip(&requests) {
        let (_, told) = explain_event(&place, &event["request_id"], &[]);
        assert_eq!(told["decision"], event["outcome"], "{claims} {ask}: {event:#}{told:#}");
        if event["upstream_status"] == 200 {
            granted += 1;
            assert_eq!(told["upstream"], sent.next().unwrap(), "{claims} {ask}");
        }
        // The same claims as they were, to the word.
        let (_, first) = as_json_of(&place, claims, ask);
        for member in ["roles", "rights", "denied", "member_id", "state", "upstream", "problem"] {
            assert_eq!(first[member], told[member], "{member} of {claims} {ask}");
        }
        assert!(!event.to_string().contains("not read"), "{event:#}");
    }
    assert_eq!(granted, 4, "some of each");
}

/// By the policy in `config`.
fn as_json_of(place: &CommandLine, claims: &Value, ask: &Value) -> (i32, Value) {
    place.write("policy.toml", std::fs::read(place.path().join("config/policy.toml")).unwrap());
    as_json(place, claims, Some(ask))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_by_another_policy_is_explained_as_far_as_it_can_be() {
    let place = CommandLine::empty();
    let (_serving, events) = decided(&place).await;
    let id = events[1]["request_id"].as_str().unwrap();
    let explain = |policy: &str| {
        place.write("new.toml", policy);
        place.run::<&str, &str>(
            &["explain", "--request-id", id, "--decisions", "usher.log", "--policy", "new.toml"],
            &[],
        )
    };
    // It reads no claim that the other did not.
    let (code, stdout, stderr) =
        explain(&POLICY.replace("\"support:{sub}\"        = [\"read\", \"write\"]", "\"support:{sub}\" = [\"read\"]"));
    assert_eq!((code, stderr.as_str()), (2, ""), "{stdout}");
    let sha256 = events[1]["policy_sha256"].as_str().unwrap();
    assert!(
        stdout.contains("recorded  granted") && stdout.contains(&format!("by another policy (sha256 {sha256})")),
        "{stdout}"
    );
    let (_, told) = explain_event(&place, &events[1]["request_id"], &["--policy", "new.toml"]);
    let recorded = json!({
        "outcome": "granted", "code": null, "granted": events[1]["granted"], "ttl": 10, "policy_sha256": sha256,
    });
    assert_eq!(told["recorded"], recorded, "{told:#}");
    // One that could not decide this without it.
    let (code, stdout, stderr) = explain(&POLICY.replace("support:{sub}", "support:{account}"));
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains("`account`") && stderr.contains(sha256) && stderr.contains("new.toml"), "{stderr}");
    // One that reads it for what was not asked for.
    let (code, stdout, stderr) = explain(&POLICY.replace("project:{/projects}", "team:{team}"));
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_before_anything_was_decided_is_not_made_a_decision() {
    let place = CommandLine::empty();
    place.write("config/policy.toml", POLICY);
    let serving = Server::with(&place, &[("USHER__LIMITS__PER_MEMBER", "{rate = \"1/h\", burst = 2}")]).await;
    assert_eq!(serving.post_as("alice", &json!({"ttl": 0})).await.status, 422);
    assert_eq!(serving.post_as("alice", &json!({"state": {"a": 1}})).await.status, 422);
    assert_eq!(serving.post_as("alice", &json!({})).await.status, 429);
    serving.running.wait_for(|_, stderr| stderr.matches("\"event\":\"audit\"").count() == 3);
    place.write("usher.log", serving.running.stderr());
    for (event, code) in serving.running.audit().iter().zip(["invalid_request", "invalid_request", "rate_limited"]) {
        assert_eq!(event["code"], code);
        let arguments = ["explain", "--request-id", event["request_id"].as_str().unwrap(), "--decisions", "usher.log"];
        let (exit, stdout, stderr) = place.run::<&str, &str>(&arguments, &[]);
        assert_eq!((exit, stdout.as_str()), (1, ""), "{stderr}");
        assert!(stderr.contains(code) && stderr.contains("nothing was decided"), "{stderr}");
    }
}

/// An audit event as the service writes it, with other members on top.
fn event(more: &Value) -> Value {
    let mut event = json!({
        "event": "audit", "time": "2026-11-24T10:00:00.1Z", "request_id": "r1", "decision_id": "d1", "outcome": "granted",
        "code": null, "reason": null, "issuer": "app", "member_id": "alice", "subject": "alice",
        "session_ends": "2026-11-24T11:00:00Z", "claims": {"sub": "alice", "name": null, "/tenant/id": 7, "/projects": null},
        "roles_claimed": ["customer"], "roles": ["customer"], "decided_at": "2026-11-24T10:00:14.9Z", "mode": "strict",
        "asked": {"support:alice": both()}, "granted": {"support:alice": both()}, "denied": [], "ttl_asked": null, "ttl": 15,
        "ttl_limited_by": "default", "policy_sha256": "0".repeat(64), "upstream_status": 200, "upstream_ms": 5,
        "token_sha256": "1".repeat(64), "address": "127.0.0.1",
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn explain_log(log: &str, id: &str) -> (i32, String, String) {
    let place = place();
    place.write("usher.log", log);
    explain(&place, &["--request-id", id, "--decisions", "usher.log"])
}

#[test]
fn an_event_is_found_among_other_lines_and_the_last_of_an_id_counts() {
    let log = format!(
        "{{\"level\":\"INFO\",\"message\":\"listening\"}}\nnot JSON\n\n{}\n{}\n{}\n{{\"torn",
        event(&json!({})),
        event(&json!({"request_id": "r2", "decision_id": "d2", "ttl_asked": 5})),
        event(&json!({"decision_id": "d3", "ttl_asked": 7})),
    );
    for (id, ttl) in [("r1", "7m"), ("r2", "5m"), ("d1", "15m"), ("d3", "7m")] {
        let (code, stdout, stderr) = explain_log(&log, id);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        assert!(stdout.contains(&format!("ttl       {ttl}, limited by")), "{id}: {stdout}");
    }
    // By standard input as well.
    let place = place();
    place.write("usher.log", &log);
    let mut command = place.command(&["explain", "--policy", "policy.toml", "--request-id", "r2", "--decisions", "-"]);
    assert_eq!(run(command.stdin(File::open(place.path().join("usher.log")).unwrap())).0, 0);

    let (code, stdout, stderr) = explain_log(&log, "r3");
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("usher.log has no audit event of the request `r3`"), "{stderr}");
}

/// A log is as long as it is, and of what is cut off nobody would know.
#[test]
fn a_long_log_is_read_to_its_end_and_claims_that_are_too_long_are_refused() {
    let place = place();
    let mut log = format!("{}\n", event(&json!({"reason": "x".repeat(1_000)}))).repeat(12_000);
    assert!(log.len() > 17 << 20);
    log += &event(&json!({"request_id": "the last"})).to_string();
    place.write("usher.log", log.as_bytes());
    place.write("claims.json", format!("{{\"sub\": \"a\"}}{}", " ".repeat(17 << 20)));
    let given = |file: &str, arguments: &[&str], piped: bool| {
        let mut command = place.command(&[&["explain", "--policy", "policy.toml"], arguments].concat());
        let last = if piped { "-" } else { file };
        run(command.arg(last).stdin(File::open(place.path().join(file)).unwrap()))
    };
    for piped in [true, false] {
        let (code, stdout, stderr) = given("usher.log", &["--request-id", "the last", "--decisions"], piped);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        let (code, stdout, stderr) = given("claims.json", &["--claims"], piped);
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        assert!(stderr.contains("it has over 16 MiB"), "{stderr}");
    }
}

/// As `--claims <(jq …)` gives it.
#[test]
fn a_pipe_is_read_as_a_file_is() {
    let place = place();
    let mut command = std::process::Command::new("mkfifo");
    assert!(command.arg(place.path().join("pipe")).status().unwrap().success());
    let path = place.path().join("pipe");
    let writer = std::thread::spawn(move || std::fs::write(path, "{\"sub\": \"alice\"}"));
    let (code, stdout, stderr) = explain(&place, &["--claims", "pipe"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("member    alice"), "{stdout}");
    writer.join().unwrap().unwrap();
    let (code, _, stderr) = explain(&place, &["--claims", "."]);
    assert!(code == 3 && stderr.contains("--claims . cannot be read"), "{stderr}");
}

#[test]
fn a_log_that_holds_no_event_or_a_spoilt_one_says_so() {
    for log in ["", "not JSON\n", "{\"level\":\"INFO\"}\n", "[1]\n\"audit\"\n"] {
        let (code, stdout, stderr) = explain_log(log, "r1");
        assert_eq!((code, stdout.as_str()), (3, ""), "{log}");
        assert!(stderr.contains("usher.log: there is no audit event in it"), "{stderr}");
    }
    let good = event(&json!({}));
    for (more, member) in [
        (json!({"mode": "lenient"}), "mode"),
        (json!({"asked": {"a*": both()}}), "asked"),
        (json!({"asked": []}), "asked"),
        (json!({"ttl_asked": 0}), "ttl_asked"),
        (json!({"ttl_asked": "15m"}), "ttl_asked"),
        (json!({"decided_at": "yesterday"}), "decided_at"),
        (json!({"session_ends": 5}), "session_ends"),
        (json!({"claims": "none"}), "claims"),
        (json!({"roles_claimed": ["a", 1]}), "roles_claimed"),
        (json!({"request_id": null}), "request_id"),
        (json!({"policy_sha256": null}), "policy_sha256"),
    ] {
        let (code, stdout, stderr) = explain_log(&format!("{good}\n{}\n", event(&more)), "r1");
        assert_eq!((code, stdout.as_str()), (3, ""), "{more}");
        assert!(
            stderr.contains("usher.log:2: an audit event: ") && stderr.contains(&format!("`{member}`")),
            "{more}: {stderr}"
        );
    }
    let place = place();
    let (code, _, stderr) = explain(&place, &["--request-id", "r1", "--decisions", "gone.log"]);
    assert!(code == 3 && stderr.contains("--decisions gone.log cannot be read"), "{stderr}");
}

#[test]
fn nothing_that_is_given_speaks_to_a_terminal() {
    let place = place();
    place.write(
        "policy.toml",
        POLICY.replace("id = \"{sub}\" ", "id = \"{sub|sha256}\"").replace("support:{sub}", "support:{room}"),
    );
    let claims = json!({"sub": EVIL, "roles": [EVIL, "customer"], "name": EVIL, "tenant": {"id": EVIL}, EVIL: EVIL, "projects": [EVIL], "room": EVIL});
    let mut faulty = json!({"mode": EVIL, "member_id": EVIL, "state": {EVIL: EVIL}});
    faulty[EVIL] = json!({EVIL: EVIL});
    faulty["channels"] = json!({EVIL: both(), EVIL_NAME: both(), "a": {EVIL: true}});
    let good = json!({"channels": {EVIL_NAME: both(), format!("support:{EVIL_NAME}"): both(), "announcements": {"read": true}}, "mode": "narrow", "state": {"status": EVIL}});
    let strict = json!({"channels": good["channels"]});
    for (ask, code) in [(None, 0), (Some(&good), 0), (Some(&strict), 2), (Some(&faulty), 2)] {
        for more in [&[] as &[_], &["--json"]] {
            let (exit, stdout) = explain_claims(&place, &claims, ask, more);
            assert_eq!(exit, code, "{stdout}");
            assert!(!has_terminal_escapes(&stdout), "{stdout:?}");
            if !more.is_empty() {
                document(&stdout);
            }
        }
    }
    // What is escaped in JSON is still what it was.
    let (_, told) = as_json(&place, &claims, Some(&good));
    assert_eq!((&told["state"]["name"], &told["state"]["status"]), (&json!(EVIL), &json!(EVIL)));
    assert_eq!(told["denied"].as_array().unwrap().len(), 2);

    let log = event(&json!({
        "request_id": EVIL, "outcome": EVIL, "code": EVIL, "reason": EVIL, "issuer": EVIL, "member_id": EVIL, "subject": EVIL,
        "claims": {"sub": EVIL, "name": EVIL, EVIL: EVIL, "/tenant/id": EVIL, "/projects": EVIL, "room": EVIL}, "roles_claimed": [EVIL],
        "roles": [EVIL], "asked": {EVIL_NAME: both()}, "granted": {EVIL_NAME: both()}, "policy_sha256": EVIL,
    }));
    place.write("usher.log", log.to_string());
    for more in [&[] as &[_], &["--json"]] {
        let (code, stdout, stderr) =
            explain(&place, &[&["--request-id", "d1", "--decisions", "usher.log"], more].concat());
        assert_eq!((code, stderr.as_str()), (2, ""), "{stdout}");
        assert!(!has_terminal_escapes(&stdout), "{stdout:?}");
    }
    // Where it cannot be explained, either.
    let mut log = log;
    log["claims"] = json!({"sub": EVIL});
    log["roles_claimed"] = json!(["customer"]);
    log["asked"] = json!({"support:a": both()});
    place.write("usher.log", log.to_string());
    let (code, _, stderr) = explain(&place, &["--request-id", "d1", "--decisions", "usher.log"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(!has_terminal_escapes(&stderr), "{stderr:?}");
    let (code, _, stderr) = explain(&place, &["--request-id", EVIL_NAME, "--decisions", "usher.log"]);
    assert!(code == 1 && !has_terminal_escapes(&stderr), "{stderr:?}");
}
