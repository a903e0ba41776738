//! Bad settings in a file: each stops the program with 3, by its name and its place, and shows no secret.

use usher::schema::{Faults, Source, check, read_toml};
use usher::settings::KEYS;

use crate::support::CommandLine;
use crate::support::service::POLICY;
use crate::support::tls::Certificate;
use crate::support::{API_TOKEN, AUDIENCE, ISSUER, PROJECT, SECRET};

const FILE: &str = "config/usher.toml";

/// Good settings, with every kind of them.
fn good() -> String {
    format!(
        r#"[server]
listen = "127.0.0.1:0"
max_body = "256KiB"
header_timeout = "5s"
keep_alive = "75s"
request_timeout = "15s"
max_connections = 100
trusted_proxies = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"]
shutdown_delay = "0s"
shutdown_grace = "20s"
tls = {{ cert_file = "cert.pem", key_file = "key.pem" }}
[ops]
listen = "127.0.0.1:0"
[cors]
allowed_origins = ["https://app.example.com", "https://*.preview.example.com"]
[signalwire]
space = "example"
project_id = "{PROJECT}"
api_token = "{API_TOKEN}"
allow_http = false
connect_timeout = "2s"
timeout = "5s"
max_in_flight = 256
max_wait = "1s"
[[session.issuers]]
name = "app"
issuer = "{ISSUER}"
audiences = ["{AUDIENCE}"]
audience_claim = "aud"
roles = ["roles"]
secret = "{SECRET}"
secret_encoding = "utf8"
algorithms = ["HS256"]
leeway = "30s"
max_age = "24h"
outlive = "0s"
allow_http = false
acknowledge_user_editable = false
[policy]
file = "config/policy.toml"
narrow = true
watch = true
[limits]
store = "memory"
on_store_failure = "local"
[limits.per_member]
rate = "30/m"
burst = 15
[limits.per_address]
rate = "100/m"
burst = 60
[log]
format = "json"
level = "info"
[telemetry]
otlp_endpoint = "http://127.0.0.1:4318"
"#
    )
}

fn place(settings: &str) -> CommandLine {
    let place = CommandLine::with_policy();
    place.write(FILE, settings);
    write_certificate(&place);
    place.write("empty", "");
    place.write("newline", "\n");
    place.write("short", "PT-short-secret\n");
    place.write("bytes", [0xff, 0xfe]);
    place.write("no.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    place
}

fn write_certificate(place: &CommandLine) {
    let certificate = Certificate::new();
    place.write("cert.pem", &certificate.pem);
    place.write("key.pem", &certificate.key);
}

/// The good settings with the one line that begins with `old` replaced; where `‸` stood in the new one, as `line:column`.
fn spoilt(old: &str, new: &str) -> (String, String) {
    let good = good();
    let mut lines: Vec<&str> = good.lines().collect();
    let found: Vec<_> = (0..lines.len()).filter(|index| lines[*index].starts_with(old)).collect();
    let [index, ..] = found.as_slice() else { panic!("{old} is nowhere") };
    lines[*index] = new;
    let text = lines.join("\n") + "\n";
    let before = text.split('‸').next().unwrap();
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    (text.replace('‸', ""), format!("{}:{column}", before.matches('\n').count() + 1))
}

fn shows_no_secret(name: &str, output: &str) {
    for secret in [API_TOKEN, SECRET, "PT-", "s3cr3t"] {
        assert!(!output.contains(secret), "{name}: {secret} is in: {output}");
    }
}

#[test]
fn the_good_settings_are_good() {
    let (code, stdout, stderr) = place(&good()).run::<&str, &str>(&["check"], &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    shows_no_secret("good settings", &stdout);
}

/// The line that is replaced, what comes in its place, and what is said after its place.
type Case<'a> = (&'a str, &'a str, &'a str);

fn each_is_told(cases: &[Case<'_>]) {
    for (old, new, said) in cases {
        let (text, at) = spoilt(old, new);
        let (code, stdout, stderr) = place(&text).run::<&str, &str>(&["check"], &[]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{new}: {stderr}");
        let expected = format!("error: {FILE}:{at}: {said}");
        assert!(stderr.contains(&expected), "{new}: {expected} is not in: {stderr}");
        assert!(stderr.contains("\n  = help: "), "{new}: {stderr}");
        assert!(stderr.ends_with("1 fault found\n"), "{new}: {stderr}");
        shows_no_secret(new, &stderr);
    }
}

#[test]
fn a_value_of_the_wrong_kind() {
    each_is_told(&[
        ("listen", "listen = ‸8080", "server.listen: this is an integer"),
        ("listen", "listen = ‸\"\"", "server.listen: this is an empty string"),
        ("max_body", "max_body = ‸262144", "server.max_body: this is an integer"),
        ("max_body", "max_body = ‸\"256KB\"", "server.max_body: this is `256KB`"),
        ("max_body", "max_body = ‸\"0B\"", "server.max_body: this is `0B`"),
        ("max_body", "max_body = ‸\"-1B\"", "server.max_body: this is `-1B`"),
        ("max_body", "max_body = ‸\"9223372036854775807MiB\"", "server.max_body: this is"),
        ("request_timeout", "request_timeout = ‸15", "server.request_timeout: this is an integer"),
        ("request_timeout", "request_timeout = ‸\"0s\"", "server.request_timeout: this is `0s`"),
        ("request_timeout", "request_timeout = ‸\"15\"", "server.request_timeout: this is `15`"),
        ("request_timeout", "request_timeout = ‸\"1.5s\"", "server.request_timeout: this is `1.5s`"),
        ("request_timeout", "request_timeout = ‸\"15 s\"", "server.request_timeout: this is `15 s`"),
        ("request_timeout", "request_timeout = ‸\"15ms\"", "server.request_timeout: this is `15ms`"),
        ("request_timeout", "request_timeout = ‸\"-5s\"", "server.request_timeout: this is `-5s`"),
        ("request_timeout", "request_timeout = ‸\"s\"", "server.request_timeout: this is `s`"),
        ("space", "space = ‸[\"example\"]", "signalwire.space: this is a list"),
        ("project_id", "project_id = ‸7", "signalwire.project_id: this is an integer"),
        ("api_token", "api_token = ‸\"\"", "signalwire.api_token: this is an empty string"),
        ("api_token", "api_token = ‸[\"s3cr3t\"]", "signalwire.api_token: this is a list"),
        ("api_token", "api_token = ‸{s3cr3t = 1}", "signalwire.api_token: this is a table"),
        ("api_token", "api_token_file = ‸true", "signalwire.api_token_file: this is a boolean"),
        ("allow_http", "allow_http = ‸\"no\"", "signalwire.allow_http: this is `no`"),
        ("allow_http", "allow_http = ‸1979-05-27", "signalwire.allow_http: this is a date or a time"),
        ("connect_timeout", "connect_timeout = ‸\"0s\"", "signalwire.connect_timeout: this is `0s`"),
        ("timeout", "timeout = ‸\"0s\"", "signalwire.timeout: this is `0s`"),
        ("timeout", "timeout = \"5s\"\nca_file = ‸1.5", "signalwire.ca_file: this is a number"),
        ("header_timeout", "header_timeout = ‸\"0s\"", "server.header_timeout: this is `0s`"),
        ("keep_alive", "keep_alive = ‸75", "server.keep_alive: this is an integer"),
        ("max_connections", "max_connections = ‸0", "server.max_connections: this is 0, where"),
        ("max_connections", "max_connections = ‸\"100\"", "server.max_connections: this is the string `100`"),
        ("shutdown_delay", "shutdown_delay = ‸0", "server.shutdown_delay: this is an integer"),
        ("shutdown_grace", "shutdown_grace = ‸\"0s\"", "server.shutdown_grace: this is `0s`"),
        ("tls", "tls = ‸\"on\"", "server.tls: this is a string, where a table is wanted"),
        ("tls", "tls = { cert_file = ‸7, key_file = \"key.pem\" }", "server.tls.cert_file: this is an integer"),
        ("tls", "tls = { cert_file = \"cert.pem\", key_file = ‸\"\" }", "server.tls.key_file: this is an empty string"),
        ("[ops]", "[ops]\n‸listen_on = \"127.0.0.1:0\"", "ops: there is no key `listen_on` here"),
        ("allowed_origins", "allowed_origins = ‸\"https://a.example\"", "cors.allowed_origins: this is"),
        ("allowed_origins", "allowed_origins = [‸7]", "cors.allowed_origins: this is an integer"),
        (
            "allowed_origins",
            "allowed_origins = [\"https://a\", ‸\"https://a\"]",
            "cors.allowed_origins: `https://a` is there",
        ),
        ("watch", "watch = ‸\"no\"", "policy.watch: this is `no`"),
        ("file", "file = ‸false", "policy.file: this is a boolean"),
        ("narrow", "narrow = ‸\"yes\"", "policy.narrow: this is `yes`"),
        ("trusted_proxies", "trusted_proxies = ‸\"10.0.0.0/8\"", "server.trusted_proxies: this is `10.0.0.0/8`"),
        ("max_in_flight", "max_in_flight = ‸0", "signalwire.max_in_flight: this is 0, where"),
        ("max_wait", "max_wait = ‸-1", "signalwire.max_wait: this is an integer"),
        ("on_store_failure", "on_store_failure = ‸\"remote\"", "limits.on_store_failure: this is `remote`"),
        ("burst", "burst = ‸0", "limits.per_member.burst: this is 0, where"),
        ("burst", "burst = ‸\"15\"", "limits.per_member.burst: this is the string `15`"),
        ("burst", "burst = ‸2000000000", "limits.per_member.burst: this is 2000000000"),
        ("rate", "rate = ‸30", "limits.per_member.rate: this is an integer"),
        ("api_token", "‸api_token.value = \"s3cr3t\"", "signalwire.api_token: this is a table"),
        ("format", "format = ‸{a = 1}", "log.format: this is a table"),
        ("format", "format = ‸\"jsn\"", "log.format: this is `jsn`"),
        ("level", "level = ‸\"INFO\"", "log.level: this is `INFO`"),
        ("level", "level = ‸\"off\"", "log.level: this is `off`"),
    ]);
}

#[test]
fn an_issuer_without_what_it_must_have() {
    for key in ["name", "issuer", "audiences"] {
        let (text, _) = spoilt(&format!("{key} = "), "");
        let (code, stdout, stderr) = place(&text).run::<&str, &str>(&["check"], &[]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{key}: {stderr}");
        let said = format!("error: {FILE}:25:1: session.issuers: `{key}` is missing");
        assert!(stderr.contains(&said), "{stderr}");
        assert!(stderr.ends_with("1 fault found\n"), "{stderr}");
    }
}

#[test]
fn what_is_no_table() {
    for (text, said) in [
        ("signalwire = \"s3cr3t\"", "1:14: signalwire: this is a string, where a table is wanted"),
        ("session = [\"s3cr3t\"]", "1:11: session: this is a list, where a table is wanted"),
        ("session.issuers = \"s3cr3t\"", "1:19: session.issuers: this is a string, where a list of tables is wanted"),
        ("session.issuers = [\"s3cr3t\"]", "1:20: session.issuers: this is a string, where a table is wanted"),
        ("session.issuers = []", "1:19: session.issuers: there is no issuer"),
        ("limits.per_member = \"of\"", "1:21: limits.per_member: this is `of`, where \"off\" or a table is wanted"),
        ("limits = 7", "1:10: limits: this is an integer, where a table is wanted"),
    ] {
        let (code, stdout, stderr) = place(text).run::<&str, &str>(&["check"], &[]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{text}: {stderr}");
        assert!(stderr.contains(&format!("error: {FILE}:{said}")), "{text}: {stderr}");
        shows_no_secret(text, &stderr);
    }
}

#[test]
fn a_value_that_means_nothing_good() {
    each_is_told(&[
        ("listen", "listen = ‸\"localhost\"", "server.listen: `localhost` is no address"),
        ("listen", "listen = ‸\"8080\"", "server.listen: `8080` is no address"),
        ("listen", "listen = ‸\"127.0.0.1:70000\"", "server.listen: `127.0.0.1:70000` is no address"),
        ("tls", "tls = ‸{ key_file = \"key.pem\" }", "server.tls: `cert_file` is missing"),
        ("tls", "tls = ‸{ cert_file = \"cert.pem\" }", "server.tls: `key_file` is missing"),
        (
            "tls",
            "tls = { cert_file = ‸\"not/there\", key_file = \"key.pem\" }",
            "server.tls.cert_file: `not/there` cannot be read",
        ),
        (
            "tls",
            "tls = { cert_file = \"cert.pem\", key_file = ‸\"not/there\" }",
            "server.tls.key_file: the file that it names cannot be read",
        ),
        ("space", "space = ‸\"https://example.com/api\"", "signalwire.space: "),
        ("space", "space = ‸\"https://me:s3cr3t@example.signalwire.com\"", "signalwire.space: "),
        ("space", "space = ‸\"me:s3cr3t@example.signalwire.com\"", "signalwire.space: "),
        ("space", "space = ‸\"ftp://example.com\"", "signalwire.space: `ftp://example.com`"),
        ("space", "space = ‸\"two words\"", "signalwire.space: `two words`"),
        ("space", "space = ‸\"http://sandbox.internal\"", "signalwire.space: `http://sandbox.internal`"),
        ("space", "space = ‸\"http://example.signalwire.com\"", "signalwire.space: `http://example.signalwire.com`"),
        ("space", "space = ‸\"https://example.com?a=b\"", "signalwire.space: "),
        ("project_id", "project_id = ‸\"PT-a:b\"", "signalwire.project_id: it has a `:`"),
        (
            "api_token",
            "api_token_file = ‸\"not/there\"",
            "signalwire.api_token_file: the file that it names cannot be read",
        ),
        ("api_token", "api_token_file = ‸\"empty\"", "signalwire.api_token_file: the file that it names is empty"),
        ("api_token", "api_token_file = ‸\"newline\"", "signalwire.api_token_file: the file that it names is empty"),
        ("api_token", "api_token_file = ‸\"bytes\"", "signalwire.api_token_file: the file that it names is not UTF-8"),
        ("timeout", "timeout = \"5s\"\nca_file = ‸\"not/there\"", "signalwire.ca_file: not/there cannot be read"),
        ("timeout", "timeout = \"5s\"\nca_file = ‸\"empty\"", "signalwire.ca_file: empty holds no certificate"),
        ("timeout", "timeout = \"5s\"\nca_file = ‸\"no.pem\"", "signalwire.ca_file: no.pem holds no certificate"),
        ("file", "file = ‸\"not/there.toml\"", "policy.file: `not/there.toml` cannot be read"),
        (
            "trusted_proxies",
            "trusted_proxies = ‸[\"10.0.0.0/33\"]",
            "server.trusted_proxies: `10.0.0.0/33` is no network",
        ),
        (
            "trusted_proxies",
            "trusted_proxies = ‸[\"proxy.example.com\"]",
            "server.trusted_proxies: `proxy.example.com` is no",
        ),
        ("store", "store = ‸\"rediss//:s3cr3t@redis\"", "limits.store: it is no URL of a store"),
        ("store", "store = ‸\"postgres://u:s3cr3t@redis\"", "limits.store: it is no URL of a store"),
        ("store", "store = ‸\"redis://u:s3cr3t@redis:nine\"", "limits.store: it is no URL of a store"),
        ("store", "store_file = ‸\"nowhere\"", "limits.store_file: the file that it names cannot be read"),
        ("store", "store_file = ‸\"short\"", "limits.store_file: it is no URL of a store"),
        ("otlp_endpoint", "otlp_endpoint = ‸\"ftp://a\"", "telemetry.otlp_endpoint: `ftp://a` cannot be used: it is"),
        ("otlp_endpoint", "otlp_endpoint = ‸\"http://me:s3cr3t@a\"", "telemetry.otlp_endpoint: this cannot be used"),
        ("otlp_endpoint", "otlp_endpoint = ‸4318", "telemetry.otlp_endpoint: this is an integer"),
        ("rate", "rate = ‸\"0/m\"", "limits.per_member: `0/m` is no rate"),
        ("rate", "rate = ‸\"30\"", "limits.per_member: `30` is no rate"),
        ("rate", "rate = ‸\"30/w\"", "limits.per_member: `30/w` is no rate"),
        ("rate", "rate = ‸\"+3/m\"", "limits.per_member: `+3/m` is no rate"),
        ("rate", "rate = ‸\"2000000000/s\"", "limits.per_member: `2000000000/s` is no rate"),
    ]);
}

#[test]
fn an_origin_that_no_browser_sends_or_that_is_everybodys() {
    for (origin, said) in [
        ("*", "this would allow everybody's pages"),
        ("null", "this would allow everybody's pages"),
        ("https://*", "a `*` stands for one whole label"),
        ("https://*.com", "a `*` stands for one whole label"),
        ("https://a.*.example.com", "a `*` stands for one whole label"),
        ("https://app*.example.com", "a `*` stands for one whole label"),
        ("https://*.*.example.com", "a `*` stands for one whole label"),
        ("https://app.example.com:*", "a `*` stands for one whole label"),
        ("https://app.example.com/", "a browser writes this origin as `https://app.example.com`"),
        ("https://App.example.com", "a browser writes this origin as `https://app.example.com`"),
        ("https://app.example.com:443", "a browser writes this origin as `https://app.example.com`"),
        ("http://*.Example.com:80", "a browser writes this origin as `http://*.example.com`"),
        ("app.example.com", "this is no origin"),
        ("https://app.example.com/chat", "this is no origin"),
        ("https://me@app.example.com", "this is no origin"),
        ("https://app.example.com?a", "this is no origin"),
        ("https://", "this is no origin"),
        ("https://app.example.com.", "this is no origin"),
        ("https://*.com.", "this is no origin"),
        ("file:///", "this is no origin"),
    ] {
        let line = format!("allowed_origins = ‸[{origin:?}]");
        let said = format!("cors.allowed_origins: `{origin}`: {said}");
        each_is_told(&[("allowed_origins", &line, &said)]);
    }
    for origin in [
        "http://localhost",
        "http://localhost:5173",
        "http://[::1]:5173",
        "https://a-b.example.com:8443",
        "https://*.preview.example.com",
        "http://*.localhost:3000",
        "capacitor://localhost",
    ] {
        let (text, _) = spoilt("allowed_origins", &format!("allowed_origins = [{origin:?}]"));
        let (code, stdout, stderr) = place(&text).run::<&str, &str>(&["check"], &[]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{origin}");
        assert!(stdout.contains(&format!("origin      {origin}\n")), "{stdout}");
    }
}

#[test]
fn an_unknown_key() {
    each_is_told(&[
        (
            "listen",
            "‸lisetn = \"127.0.0.1:0\"",
            "server: there is no key `lisetn` here\n  = help: did you mean `listen`?",
        ),
        (
            "tls",
            "tls = { cert_file = \"cert.pem\", ‸keyfile = \"key.pem\", key_file = \"key.pem\" }",
            "server.tls: there is no key `keyfile` here\n  = help: did you mean `key_file`?",
        ),
        ("[log]", "[‸logs]\nformat = \"json\"\n[log]", "there is no key `logs` here\n  = help: did you mean `log`?"),
        (
            "max_wait",
            "‸max_queued = 64",
            "signalwire: there is no key `max_queued` here\n  = help: `max_wait` has replaced it: how long a request may wait",
        ),
        ("api_token", "‸api_tokn = \"s3cr3t\"\napi_token = \"x\"", "signalwire: there is no key `api_tokn` here"),
        (
            "leeway",
            "‸leway = \"30s\"",
            "session.issuers: there is no key `leway` here\n  = help: did you mean `leeway`?",
        ),
        ("rate", "rate = \"30/m\"\n‸per = \"m\"", "limits.per_member: there is no key `per` here"),
        (
            "narrow",
            "‸zzzzzzzzz = 1",
            "policy: there is no key `zzzzzzzzz` here\n  = help: the keys here are `file`, `narrow`",
        ),
        (
            "otlp_endpoint",
            "‸otlp_endpiont = \"http://127.0.0.1:4318\"",
            "telemetry: there is no key `otlp_endpiont` here",
        ),
        // Settings of features that are not there yet.
        ("listen", "‸trusted_proxy = []", "server: there is no key `trusted_proxy` here"),
    ]);
}

#[test]
fn an_issuer_that_is_not_right() {
    each_is_told(&[
        ("name", "name = ‸7", "session.issuers.name: this is an integer"),
        ("name", "name = ‸\"my-app\"", "session.issuers.name is not made of letters and digits"),
        ("issuer", "issuer = ‸\"https://dev.usher.invalid/\"", "session.issuers.issuer is the throw-away issuer"),
        ("audiences", "audiences = ‸[]", "session.issuers.audiences: this list needs at least 1"),
        (
            "audiences",
            "audiences = ‸\"https://api.example.com\"",
            "session.issuers.audiences: this is `https://api.example.com`",
        ),
        ("audiences", "audiences = ‸[\"any\", \"other\"]", "session.issuers.audiences has \"any\" beside others"),
        ("audiences", "audiences = [\"a\", ‸\"a\"]", "session.issuers.audiences: `a` is there twice"),
        ("roles", "roles = ‸[]", "session.issuers.roles: this list needs at least 1"),
        ("roles", "roles = [‸7]", "session.issuers.roles: this is an integer"),
        ("roles", "roles = ‸[\"/a~2\"]", "session.issuers.roles names `/a~2`, which is no JSON Pointer"),
        ("roles", "roles = ‸[\"/user_metadata/roles\"]", "session.issuers.roles names `/user_metadata/roles`"),
        ("roles", "roles = ‸[\"/https:~1~1example.com~1user_metadata/roles\"]", "session.issuers.roles names"),
        ("roles", "roles = ‸[\"unsafe_metadata\"]", "session.issuers.roles names `unsafe_metadata`"),
        ("secret =", "secret = ‸\"s3cr3t, too short\"", "session.issuers.secret (issuer `app`) is of no use"),
        ("secret =", "secret_file = ‸\"short\"", "session.issuers.secret_file (issuer `app`) is of no use"),
        (
            "secret =",
            "secret_file = ‸\"not/there\"",
            "session.issuers.secret_file (issuer `app`) is of no use: the file",
        ),
        ("secret =", "secret = ‸7", "session.issuers.secret: this is an integer"),
        ("secret_encoding", "secret_encoding = ‸\"base64\"", "session.issuers.secret_encoding says base64"),
        ("secret_encoding", "secret_encoding = ‸\"hex\"", "session.issuers.secret_encoding: this is `hex`"),
        (
            "secret =",
            "jwks_url = \"https://a/\"\nsecret = ‸'s3cr3t'",
            "session.issuers.secret is given beside `jwks_url`",
        ),
        ("algorithms", "algorithms = [‸\"none\"]", "session.issuers.algorithms: this is `none`"),
        ("algorithms", "algorithms = [‸\"hs256\"]", "session.issuers.algorithms: this is `hs256`"),
        ("leeway", "leeway = ‸\"-1s\"", "session.issuers.leeway: this is `-1s`"),
        ("leeway", "leeway = ‸\"0m\"", "session.issuers.leeway: this is `0m`"),
        ("max_age", "max_age = ‸\"3651d\"", "session.issuers.max_age: this is `3651d`"),
        ("max_age", "max_age = ‸\"9223372036854775807s\"", "session.issuers.max_age: this is"),
        ("max_age", "max_age = ‸\"0s\"", "session.issuers.max_age: this is `0s`"),
        ("outlive", "outlive = \"0s\"\nkeys_max_stale = ‸\"0s\"", "session.issuers.keys_max_stale: this is `0s`"),
        ("secret =", "discovery = true\nsecret = ‸'s3cr3t'", "session.issuers.secret is given beside `discovery`"),
        ("secret =", "discovery = ‸\"yes\"", "session.issuers.discovery: this is `yes`"),
        ("outlive", "outlive = ‸60", "session.issuers.outlive: this is an integer"),
        ("acknowledge", "acknowledge_user_editable = ‸1", "session.issuers.acknowledge_user_editable: this is an"),
    ]);
}

#[test]
fn what_is_no_toml_is_told_by_its_place_and_never_by_its_text() {
    each_is_told(&[
        ("api_token", "api_token = ‸s3cr3t", "string values must be quoted"),
        ("secret =", "secret = ‸s3cr3t", "string values must be quoted"),
    ]);
    for new in
        ["api_token = \"s3cr3t", "api_token = 's3cr3t", "api_token = \"s3cr3t\" s3cr3t", "api_token s3cr3t", "s3cr3t"]
    {
        let (text, _) = spoilt("api_token", new);
        let (code, stdout, stderr) = place(&text).run::<&str, &str>(&["check"], &[]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{new}: {stderr}");
        assert!(stderr.contains("config/usher.toml:19:"), "{new}: {stderr}");
        assert!(stderr.ends_with("1 fault found\n"), "what is missing is not known: {new}: {stderr}");
        shows_no_secret(new, &stderr);
    }
    let place = CommandLine::with_policy();
    place.write(FILE, b"# \xff\n");
    let (code, _, stderr) = place.run::<&str, &str>(&["check"], &[]);
    assert_eq!(code, 3);
    assert!(stderr.contains("config/usher.toml: this file cannot be read: "), "{stderr}");
}

#[test]
fn a_slip_at_a_secret_never_shows_it() {
    let good = good();
    let windows = |secret: &str| (0..secret.len() - 7).map(|at| secret[at..at + 8].to_owned()).collect::<Vec<_>>();
    let parts: Vec<String> = [API_TOKEN, SECRET].into_iter().flat_map(windows).collect();
    let mut syntax_errors = 0;
    let mut see = |text: String| {
        let mut faults = Faults::default();
        if let Some(document) = read_toml(&Source::confidential_file(FILE, text.as_str()), &mut faults) {
            drop(check(&document, KEYS, &mut faults));
        } else {
            syntax_errors += 1;
            assert_eq!(faults.summaries().len(), 1, "{faults}");
        }
        let report = faults.to_string();
        let shown = parts.iter().find(|part| report.contains(*part));
        assert_eq!(shown, None, "{text}\n{report}");
    };
    for secret in [API_TOKEN, SECRET] {
        let at = good.find(secret).unwrap();
        let start = good[..at].rfind('\n').unwrap() + 1;
        for at in start..at + secret.len() + 2 {
            let (before, rest) = good.split_at(at);
            see(format!("{before}{}", &rest[1..]));
            for slip in
                ["\"", "'", "\"\"\"", "\n", "\r", "\\", "#", "=", ",", "[", "]", "{", "}", ".", "\u{7}", "\u{201c}"]
            {
                see(format!("{before}{slip}{rest}"));
            }
        }
    }
    assert!(syntax_errors > 500, "{syntax_errors}");
}

#[test]
fn every_fault_is_told_at_once() {
    let place = place("");
    let text = good().replace("127.0.0.1:0", "nowhere").replace("15s", "0s").replace("HS256", "HS257");
    let text = text.replace("\"30/m\"", "\"30/w\"").replace("info", "infos") + "[more]\n";
    place.write(FILE, text.replace("space = \"example\"\n", ""));
    for command in ["check", "serve"] {
        let (code, stdout, stderr) = place.run::<&str, &str>(&[command], &[]);
        assert_eq!((code, stdout.as_str()), (3, ""));
        for said in [
            "signalwire.space: this setting is required and is not set",
            ":2:10: server.listen: `nowhere`",
            ":6:19: server.request_timeout: this is `0s`",
            ":32:15: session.issuers.algorithms: this is `HS257`",
            ":46:8: limits.per_member: `30/w`",
            ":53:9: log.level: this is `infos`",
            ":56:2: there is no key `more` here",
            ":13:10: ops.listen: `nowhere`",
            "8 faults found",
        ] {
            assert!(stderr.contains(said), "{command}: {said} is not in: {stderr}");
        }
        shows_no_secret(command, &stderr);
    }
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let place = CommandLine::empty();
    place.write("config/policy.toml", POLICY);
    place.write("good.toml", good());
    write_certificate(&place);
    for command in ["check", "serve"] {
        let arguments = [command, "--config", "good.toml", "--config", "gone.toml"];
        let (code, _, stderr) = place.run::<&str, &str>(&arguments, &[]);
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains("error: gone.toml: this file cannot be read: "), "{stderr}");
    }
    let (code, _, stderr) = place.run::<&str, &str>(&["check", "--config", "good.toml"], &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
}
