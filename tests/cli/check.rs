//! `usher check`: what was understood, or every fault; a policy alone needs nothing else.

use std::net::TcpListener;

use crate::support::service::POLICY;
use crate::support::{API_TOKEN, AUDIENCE, ISSUER, PROJECT, SECRET};
use crate::support::{CommandLine, complete, issuer_of, with};

const FAULTY: &str =
    "version = 1\n[roles.customer.channels]\n\"support:{ sub }\" = [\"read\"]\n[defaults]\nrole = \"clerk\"\n";

/// What each line of the tests' policy becomes.
const ROLES: &str = "\
role        customer: 2 allow rules, 0 deny rules
role        agent: 1 allow rule, 0 deny rules
role        muted: 0 allow rules, 1 deny rule
guests      refused
";

#[test]
fn what_was_understood_is_printed_without_a_secret() {
    let place = CommandLine::with_policy();
    let jwks = issuer_of("jwks_url = \"https://keys.example.com/\"").replace("login", "other");
    let any = jwks.replace("other", "third").replace(&format!("[{AUDIENCE:?}]"), "[\"any\"]");
    let issuers = format!("[{}, {jwks}, {any}]", issuer_of(&format!("secret = {SECRET:?}")));
    let variables = with(complete("example"), "USHER__SESSION__ISSUERS", &issuers);
    let variables = with(variables, "USHER__SERVER__LISTEN", "0.0.0.0:8080");
    let (code, stdout, stderr) = place.run(&["check"], &variables);
    assert!(
        code == 0 && stderr.starts_with("warning[any-audience]: ") && stderr.matches('\n').count() == 3,
        "{stderr}"
    );
    let (head, roles) = stdout.split_once("role ").unwrap();
    assert_eq!(format!("role {roles}"), ROLES);
    let lines: Vec<_> = head.lines().collect();
    assert_eq!(lines[0], "listen      0.0.0.0:8080");
    assert_eq!(lines[1], format!("signalwire  https://example.signalwire.com/ project {PROJECT}"));
    assert!(lines[2].starts_with(&format!("issuer      app {ISSUER} (aud {AUDIENCE};")), "{stdout}");
    assert!(lines[3].contains("app https://other.example.com/ (") && lines[3].contains("https://keys.example.com/"));
    assert!(lines[4].contains("app https://third.example.com/ (any audience;"), "{stdout}");
    assert!(lines[5].starts_with("policy      config/policy.toml sha256 "), "{stdout}");
    assert_eq!(lines.len(), 6, "{stdout}");
    for secret in [API_TOKEN, SECRET] {
        assert!(!stdout.contains(secret));
    }
}

#[test]
fn checking_binds_no_port_and_fetches_no_key() {
    let place = CommandLine::with_policy();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    taken.set_nonblocking(true).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let issuers = format!("[{}]", issuer_of(&format!("jwks_url = \"http://{address}/\"")));
    let variables = with(complete(&format!("http://{address}")), "USHER__SERVER__LISTEN", &address);
    let (code, _, stderr) = place.run(&["check"], &with(variables, "USHER__SESSION__ISSUERS", &issuers));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(taken.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody called");
}

#[test]
fn a_policy_alone_needs_neither_settings_nor_secrets() {
    let place = CommandLine::empty();
    place.write("config/usher.toml", "this is read by nobody");
    place.write("some.toml", POLICY);
    let check = |file: &str| place.run(&["check", "--policy", file], &[("SIGNALWIRE_SPACE", ""), ("USHER__X", "")]);
    let (code, stdout, stderr) = check("some.toml");
    assert_eq!((code, stderr.as_str()), (0, ""));
    let (head, rest) = stdout.split_once('\n').unwrap();
    assert!(head.starts_with("policy      some.toml sha256 "), "{head}");
    assert_eq!(rest, ROLES);

    let (code, stdout, stderr) = check("gone.toml");
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(stderr.contains("gone.toml cannot be read"), "{stderr}");
    assert_eq!(place.run::<&str, &str>(&["check"], &[]).0, 3, "while the settings are at fault");
}

#[test]
fn every_fault_of_a_policy_is_told_with_its_place() {
    let place = CommandLine::with_policy();
    place.write("config/policy.toml", FAULTY);
    for (arguments, variables) in
        [(&["check", "--policy", "config/policy.toml"] as &[_], Vec::new()), (&["check"], complete("example"))]
    {
        let (code, stdout, stderr) = place.run(arguments, &variables);
        assert_eq!((code, stdout.as_str()), (3, ""), "{arguments:?}");
        for said in ["config/policy.toml:3:1", "config/policy.toml:5:8", "support:{ sub }", "^", "2 faults found"] {
            assert!(stderr.contains(said), "{arguments:?}: {said} is not in: {stderr}");
        }
    }
    let (code, _, stderr) = place.run(&["serve"], &complete("http://127.0.0.1:1"));
    assert_eq!(code, 3);
    assert!(stderr.contains("config/policy.toml:5:8"), "{stderr}");
}

#[test]
fn the_policy_is_checked_against_the_issuers_of_the_settings() {
    let place = CommandLine::with_policy();
    let one = issuer_of(&format!("secret = {SECRET:?}"));
    let two = one.replace("login", "other").replace("\"app\"", "\"second\"");
    let variables = with(complete("example"), "USHER__SESSION__ISSUERS", &format!("[{one}, {two}]"));
    for command in ["check", "serve"] {
        let (code, _, stderr) = place.run(&[command], &variables);
        assert_eq!(code, 3, "{command}");
        assert!(stderr.contains("config/policy.toml:") && stderr.contains("{issuer}"), "{command}: {stderr}");
    }
    assert_eq!(place.run(&["check"], &complete("example")).0, 0, "of one issuer it is fine");
}

#[test]
fn what_is_allowed_and_probably_not_meant_is_told_by_name() {
    let place = CommandLine::with_policy();
    let settings = |audiences: &str, more: &str| {
        format!(
            "[signalwire]\nspace = \"http://sandbox.internal\"\nallow_http = true\nproject_id = {PROJECT:?}\napi_token = \
             {API_TOKEN:?}\n[session.cookie]\nname = \"session\"\n[[session.issuers]]\nname = \"app\"\nissuer = \
             {ISSUER:?}\naudiences = {audiences}\nleeway = \"3m\"\n{more}\n"
        )
    };
    let secret = format!("secret = {SECRET:?}");
    let http = "jwks_url = \"http://keys.example.com/\"\nallow_http = true";
    let check = |text: &str| {
        place.write("config/usher.toml", text);
        let (code, stdout, stderr) = place.run::<&str, &str>(&["check"], &[]);
        assert!(code == 0 && stdout.contains("guests "), "lints change no exit status: {stderr}");
        stderr
    };
    for (audiences, more, names) in [
        ("[\"any\"]", http, &["plain-http", "cookie-prefix", "any-audience", "long-leeway", "plain-http"][..]),
        ("[\"a\", \"b\"]", &secret, &["plain-http", "cookie-prefix", "shared-secret", "long-leeway"]),
        ("[\"a\"]", &secret, &["plain-http", "cookie-prefix", "long-leeway"]),
    ] {
        let stderr = check(&settings(audiences, more));
        let told: Vec<_> = stderr.lines().filter_map(|line| line.strip_prefix("warning[")?.split(']').next()).collect();
        assert_eq!(told, names, "{stderr}");
        assert_eq!(stderr.matches(": config/usher.toml:").count(), names.len(), "each with its place: {stderr}");
        assert_eq!(stderr.matches("\n  = help: ").count(), names.len(), "{stderr}");
    }
    let text = settings("[\"a\"]", &secret);
    for (comment, is_told) in [
        (" # usher: allow long-leeway: our provider's clock is what it is", false),
        (" # usher: allow long-leeway", true),
        (" # usher: allow long-leeway:  ", true),
        (" # usher: allow plain-http: another lint", true),
    ] {
        let stderr = check(&text.replace("leeway = \"3m\"", &format!("leeway = \"3m\"{comment}")));
        assert_eq!(stderr.contains("long-leeway]"), is_told, "{comment}: {stderr}");
    }
    let clean = text.replace("http://sandbox.internal", "example").replace("\"session\"\n", "\"__Host-session\"\n");
    assert_eq!(check(&clean.replace("3m", "2m")), "");
}
