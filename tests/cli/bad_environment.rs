//! Bad settings in the environment: each stops the program with 3, by its variable's name, and shows no secret. What is
//! not set at all is told by how to set it.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;

use crate::support::{API_TOKEN, SECRET};
use crate::support::{CommandLine, complete, issuer_of, run, with, without};

/// A secret in a value at fault, which nobody must see.
const SEEN: &str = "s3cr3t";

fn shows_no_secret(name: &str, output: &str) {
    for secret in [API_TOKEN, SECRET, SEEN] {
        assert!(!output.contains(secret), "{name}: {secret} is in: {output}");
    }
}

#[test]
fn a_variable_at_fault() {
    let cases = [
        ("USHER__SERVER__LISTEN", "8080", "server.listen: `8080` is no address"),
        ("USHER__SERVER__LISTEN", "", "server.listen: this is an empty string"),
        ("USHER__SERVER__MAX_BODY", "7", "server.max_body: this is `7`"),
        ("USHER__SERVER__REQUEST_TIMEOUT", "0s", "server.request_timeout: this is `0s`"),
        ("USHER__SERVER__REQUEST_TIMEOUT", "\"5s\"", "server.request_timeout: this is `\"5s\"`"),
        ("USHER__SIGNALWIRE__ALLOW_HTTP", "1", "this cannot be read\n  = help: write true or false"),
        ("USHER__SIGNALWIRE__ALLOW_HTTP", "yes", "this cannot be read\n  = help: write true or false"),
        ("USHER__LIMITS__PER_MEMBER__BURST", "many", "this cannot be read\n  = help: write an integer"),
        ("USHER__LIMITS__PER_MEMBER__BURST", "0", "limits.per_member.burst: this is 0, where"),
        ("USHER__LIMITS__PER_MEMBER__RATE", "often", "limits.per_member: `often` is no rate"),
        ("USHER__LIMITS__PER_MEMBER", "of", "this cannot be read: character 1: "),
        ("USHER__SESSION__ISSUERS", "[{name = \"s3cr3t\"", "this cannot be read: character "),
        ("SIGNALWIRE_SPACE", "\"example\"", "signalwire.space: `\"example\"` cannot be used"),
        ("SIGNALWIRE_SPACE", "$SPACE", "signalwire.space: `$SPACE` cannot be used"),
        ("SIGNALWIRE_SPACE", "a..b", "signalwire.space: `a..b` cannot be used"),
        ("SIGNALWIRE_SPACE", "exam_ple", "signalwire.space: `exam_ple` cannot be used"),
        ("SIGNALWIRE_API_TOKEN", "s3cr3t\n", "signalwire.api_token: the token holds a control character"),
        ("USHER__OPS__LISTEN", "127.0.0.1:7777", "ops.listen: 127.0.0.1:7777 is server.listen too"),
        ("USHER__SESSION__COOKIE__NAME", "a b", "session.cookie.name: `a b` is no cookie's name"),
        ("USHER__SESSION__COOKIE__GUARD_HEADER", "X-Guard", "session.cookie: `name` is missing"),
        ("USHER__LIMITS__PER_MEMBER", "{rate = \"1/m\", brust = 2}", "limits.per_member: there is no key `brust` here"),
        ("USHER__LIMITS__PER_MEMBER", "{rate = \"1/d\", burst = 213505}", "limits.per_member: so large a burst"),
        ("USHER__LOG__LEVEL", "loud", "log.level: this is `loud`"),
        ("USHER__POLICY__FILE", "gone.toml", "policy.file: `gone.toml` cannot be read"),
        ("SIGNALWIRE_SPACE", "", "signalwire.space: this is an empty string"),
        ("SIGNALWIRE_SPACE", "two words", "signalwire.space: `two words` cannot be used"),
        ("SIGNALWIRE_SPACE", "https://me:s3cr3t@example.signalwire.com", "signalwire.space: this cannot be used"),
        ("SIGNALWIRE_PROJECT_ID", "", "signalwire.project_id: this is an empty string"),
        ("SIGNALWIRE_PROJECT_ID", "s3cr3t:s3cr3t", "signalwire.project_id: it has a `:`"),
        ("SIGNALWIRE_API_TOKEN", "", "signalwire.api_token: this is an empty string"),
        ("USHER__SIGNALWIRE__API_TOKEN_FILE", "gone", "signalwire.api_token_file: the file that it names"),
        ("USHER__SIGNALWIRE__CA_FILE", "gone", "signalwire.ca_file: gone cannot be read"),
        ("USHER__SIGNALWIRE", "s3cr3t", "this cannot be read"),
        ("USHER__SIGNALWIRE", "\"s3cr3t\"", "signalwire: this is a string"),
        ("USHER__SIGNALWIRE", "{api_tokn = \"s3cr3t\"}", "signalwire: there is no key `api_tokn` here"),
        ("USHER__SESSION__ISSUERS", "s3cr3t", "this cannot be read"),
        ("USHER__SESSION__ISSUERS", "[]", "session.issuers: there is no issuer"),
        ("USHER__SESSION__ISSUERS", "[{secret = \"s3cr3t\", name}]", "this cannot be read"),
        ("USHER__SESSION__ISSUERS", "[{secret = \"s3cr3t\", secret = \"s3cr3t\"}]", "this cannot be read"),
        ("USHER__SERVER__LISTNE", "x", "there is no setting `LISTNE` here\n  = help: did you mean `LISTEN`?"),
        (
            "USHER__SIGNALWIRE__MAX_QUEUED",
            "64",
            "there is no setting `MAX_QUEUED` here\n  = help: `MAX_WAIT` has replaced it: how long a request may wait",
        ),
        ("USHER__SERVRE__LISTEN", "x", "there is no setting `SERVRE` here\n  = help: did you mean `SERVER`?"),
        ("USHER__SIGNALWIRE__API_TOKN", "s3cr3t", "there is no setting `API_TOKN` here"),
        ("USHER__", "x", "there is no setting `` here"),
        ("USHER__SERVER__LISTEN__PORT", "1", "the setting `listen` has nothing below it"),
        ("USHER__SESSION__ISSUERS__0__SECRET", "s3cr3t", "the setting `issuers` has nothing below it"),
    ];
    let place = CommandLine::with_policy();
    let (code, stdout, stderr) = place.run(&["check"], &complete("example"));
    assert_eq!((code, stderr.as_str()), (0, ""), "without any of these");
    shows_no_secret("good settings", &stdout);
    for (variable, value, said) in cases {
        let mut variables = complete("example");
        if variable == "USHER__OPS__LISTEN" {
            variables = with(variables, "USHER__SERVER__LISTEN", value);
        }
        let (code, stdout, stderr) = place.run(&["check"], &with(variables, variable, value));
        assert_eq!((code, stdout.as_str()), (3, ""), "{variable}={value}");
        assert!(stderr.contains(&format!("error: {variable}: {said}")), "{variable}={value}: {stderr}");
        assert!(stderr.ends_with("1 fault found\n"), "{variable}={value}: {stderr}");
        shows_no_secret(variable, &stderr);
    }
}

#[test]
fn an_issuer_at_fault() {
    let place = CommandLine::with_policy();
    let long = format!("secret = \"{SEEN} {SEEN} {SEEN} {SEEN} {SEEN}\"");
    place.write("short", SEEN);
    for (keys, said) in [
        ("secret = \"s3cr3t\"".to_owned(), "session.issuers.secret (issuer `app`) is of no use: a secret for HS256"),
        (
            format!("{long}, algorithms = [\"HS512\"]"),
            "session.issuers.secret (issuer `app`) is of no use: a secret for HS512",
        ),
        ("secret_file = \"short\"".to_owned(), "session.issuers.secret_file (issuer `app`) is of no use"),
        ("secret_file = \"gone\"".to_owned(), "session.issuers.secret_file (issuer `app`) is of no use: the file"),
        (
            "jwks_file = \"gone\"".to_owned(),
            "session.issuers.jwks_file (issuer `app`) is of no use: gone cannot be read",
        ),
        (
            "public_key_file = \"short\"".to_owned(),
            "session.issuers.public_key_file (issuer `app`) is of no use: short",
        ),
        ("jwks_url = \"keys.example.com\"".to_owned(), "session.issuers.jwks_url is no URL"),
        ("jwks_url = \"ftp://keys.example.com\"".to_owned(), "session.issuers.jwks_url is no URL"),
        (
            "jwks_url = \"http://keys.example.com/\"".to_owned(),
            "session.issuers.jwks_url is plain http:// beyond loopback",
        ),
        (
            "jwks_url = \"https://a/\", jwks_file = \"b\"".to_owned(),
            "session.issuers.jwks_file is given beside `jwks_url`",
        ),
        (format!("jwks_url = \"https://a/\", {long}"), "session.issuers.secret is given beside `jwks_url`"),
        ("jwks_url = \"https://a/\", secret_encoding = \"utf8\"".to_owned(), "session.issuers.secret_encoding is set"),
        ("jwks_url = \"https://a/\", algorithms = [\"HS256\"]".to_owned(), "session.issuers.algorithms has only"),
        ("leeway = \"1s\"".to_owned(), "session.issuers: this issuer has no keys"),
        (format!("{long}, roles = [\"/user_metadata/roles\"]"), "session.issuers.roles names `/user_metadata/roles`"),
        (format!("{long}, leway = \"30s\""), "session.issuers: there is no key `leway` here"),
        (format!("{long}, secret_encoding = \"base64\""), "session.issuers.secret_encoding says base64"),
    ] {
        let issuers = format!("[{}]", issuer_of(&keys));
        let variables = with(complete("example"), "USHER__SESSION__ISSUERS", &issuers);
        let (code, stdout, stderr) = place.run(&["check"], &variables);
        assert_eq!((code, stdout.as_str()), (3, ""), "{keys}");
        assert!(stderr.contains(&format!("error: USHER__SESSION__ISSUERS: {said}")), "{keys}: {stderr}");
        assert!(stderr.ends_with("1 fault found\n"), "{keys}: {stderr}");
        shows_no_secret(&keys, &stderr);
    }
    for keys in [
        format!("{long}, algorithms = [\"HS256\"]"),
        "jwks_url = \"https://keys.example.com/\", algorithms = [\"RS256\", \"ES256\"]".to_owned(),
        "jwks_url = \"http://127.0.0.1:1/\"".to_owned(),
        "jwks_url = \"http://keys.example.com/\", allow_http = true".to_owned(),
        format!("{long}, roles = [\"/app_metadata/roles\"]"),
        format!("{long}, roles = [\"/user_metadata/roles\"], acknowledge_user_editable = true"),
    ] {
        let issuers = format!("[{}]", issuer_of(&keys));
        let (code, stdout, stderr) =
            place.run(&["check"], &with(complete("example"), "USHER__SESSION__ISSUERS", &issuers));
        let is_lint = stderr.starts_with("warning[plain-http]: ") && keys.contains("allow_http");
        assert!(code == 0 && (stderr.is_empty() || is_lint), "{keys}: {stderr}");
        shows_no_secret(&keys, &stdout);
    }
}

#[test]
fn an_issuer_is_configured_once() {
    let place = CommandLine::with_policy();
    let one = issuer_of(&format!("secret = {SECRET:?}"));
    let two = |other: &str| with(complete("example"), "USHER__SESSION__ISSUERS", &format!("[{one}, {other}]"));
    let (code, _, stderr) = place.run(&["check"], &two(&one));
    assert_eq!(code, 3);
    assert!(stderr.contains("USHER__SESSION__ISSUERS: session.issuers.issuer is there twice"), "{stderr}");
    let (code, _, stderr) = place.run(&["check"], &two(&one.replace("login", "other")));
    assert_eq!((code, stderr.as_str()), (0, ""), "the same alias for two is a move from one to the other");
}

#[test]
fn what_is_not_set_is_told_by_how_to_set_it() {
    let place = CommandLine::with_policy();
    for (variable, setting, how) in [
        ("SIGNALWIRE_SPACE", "signalwire.space", "as SIGNALWIRE_SPACE or USHER__SIGNALWIRE__SPACE in"),
        (
            "SIGNALWIRE_PROJECT_ID",
            "signalwire.project_id",
            "as SIGNALWIRE_PROJECT_ID or USHER__SIGNALWIRE__PROJECT_ID in",
        ),
        ("SIGNALWIRE_API_TOKEN", "signalwire.api_token", "as SIGNALWIRE_API_TOKEN or USHER__SIGNALWIRE__API_TOKEN in"),
        ("USHER__SESSION__ISSUERS", "session.issuers", "write at least one [[session.issuers]]"),
    ] {
        let (code, _, stderr) = place.run(&["check"], &without(complete("example"), variable));
        assert_eq!(code, 3, "{variable}");
        assert!(stderr.contains(&format!("{setting}: this setting is required and is not set")), "{stderr}");
        assert!(stderr.contains(how), "{variable}: {stderr}");
        assert!(stderr.ends_with("1 fault found\n"), "{variable}: {stderr}");
    }
    let (code, _, stderr) = place.run::<&str, &str>(&["serve"], &[]);
    assert_eq!(code, 3);
    assert!(stderr.ends_with("4 faults found\n"), "{stderr}");
}

#[test]
fn a_value_that_is_no_utf8_is_told() {
    let place = CommandLine::with_policy();
    let bytes = OsStr::from_bytes(b"PT-s3cr3t\xff");
    for variable in ["SIGNALWIRE_API_TOKEN", "USHER__SIGNALWIRE__API_TOKEN", "USHER__SERVER__LISTEN"] {
        let (code, _, stderr) = run(place.command(&["check"]).envs(complete("example")).env(variable, bytes));
        assert_eq!(code, 3, "{variable}");
        assert!(stderr.contains(&format!("error: {variable}: this is not UTF-8")), "{stderr}");
        assert!(stderr.ends_with("1 fault found\n"), "{stderr}");
        shows_no_secret(variable, &stderr);
    }
    let others = run(place.command(&["check"]).envs(complete("example")).env("USHER_PORT", bytes).env(bytes, "x"));
    assert_eq!(others.0, 0, "what is not ours is nobody's business");
}

#[test]
fn nothing_is_bound_where_a_setting_is_wrong() {
    let place = CommandLine::with_policy();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let good = with(complete("example"), "USHER__SERVER__LISTEN", &address);
    let (code, _, stderr) = place.run(&["serve"], &good);
    assert_eq!(code, 1, "binding is tried where all is right: {stderr}");
    assert!(stderr.contains(&format!("{address} cannot be listened on")), "{stderr}");
    let issuers = format!("[{}]", issuer_of("secret = \"short\""));
    for (variable, value) in [
        ("USHER__LOG__LEVEL", "loud"),
        ("USHER__SERVER__PORT", "80"),
        ("USHER__SESSION__ISSUERS", &issuers),
        ("USHER__POLICY__FILE", "gone.toml"),
        ("USHER__SIGNALWIRE__CA_FILE", "config/policy.toml"),
    ] {
        let (code, _, stderr) = place.run(&["serve"], &with(good.clone(), variable, value));
        assert_eq!(code, 3, "{variable}: {stderr}");
        assert!(stderr.contains(variable) && !stderr.contains("listened on"), "{variable}: {stderr}");
    }
    place.write("config/policy.toml", "version = 2\n");
    assert_eq!(place.run(&["serve"], &good).0, 3, "nor where the policy is");
}
