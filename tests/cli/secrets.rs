//! Secrets: never parsed, from a file of their own too, and of two layers the later one's.

use serde_json::json;

use crate::support::{API_TOKEN, CommandLine, RunningSandbox, SECRET, Server, complete, issuer_of, with, without};

/// Whether the service mints with `token` when it is set up so.
async fn mints(name: &str, place: &CommandLine, token: &str, more: &[(&str, &str)]) -> bool {
    let serving = Server::start_at(RunningSandbox::with_token(token).await, place, &["serve"], |space| {
        let silent = without(complete(space), "SIGNALWIRE_API_TOKEN");
        more.iter().fold(silent, |variables, (name, value)| with(variables, name, value))
    });
    let (status, answer) = serving.post_as("alice", &json!({})).await.read();
    assert!(status == 200 || answer["code"] == "upstream_failed", "{name}: {answer}");
    status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_never_parsed() {
    let place = CommandLine::with_policy();
    for token in
        ["007", "true", "[1]", "{a = 1}", "off", "a,b", "\"quoted\"", " spaced ", "5s", "1e3", "PT:with:colons"]
    {
        for name in ["SIGNALWIRE_API_TOKEN", "USHER__SIGNALWIRE__API_TOKEN"] {
            assert!(mints(token, &place, token, &[(name, token)]).await, "{token} as {name}");
        }
    }
    assert!(!mints("7", &place, "007", &[("SIGNALWIRE_API_TOKEN", "7")]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secrets_file_may_end_in_one_newline() {
    let place = CommandLine::with_policy();
    for (name, content, is_it) in [
        ("no newline", API_TOKEN.to_owned(), true),
        ("a newline", format!("{API_TOKEN}\n"), true),
        ("of DOS", format!("{API_TOKEN}\r\n"), true),
        ("a space", format!("{API_TOKEN} \n"), false),
    ] {
        place.write("api_token", content);
        let minted = mints(name, &place, API_TOKEN, &[("USHER__SIGNALWIRE__API_TOKEN_FILE", "api_token")]).await;
        assert_eq!(minted, is_it, "{name}");
    }
    place.write("api_token", format!("{API_TOKEN}\n\n"));
    let silent = without(complete("example"), "SIGNALWIRE_API_TOKEN");
    let (code, _, stderr) = place.run(&["check"], &with(silent, "USHER__SIGNALWIRE__API_TOKEN_FILE", "api_token"));
    assert!(code == 3 && stderr.contains("the token holds a control character"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_secret_comes_from_a_file_and_in_base64_too() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let place = CommandLine::with_policy();
    place.write("plain", SECRET);
    place.write("ends", format!("{SECRET}\n"));
    place.write("encoded", STANDARD.encode(SECRET) + "\n");
    let encoded = [STANDARD.encode(SECRET), URL_SAFE_NO_PAD.encode(SECRET)];
    for keys in [
        format!("secret = {SECRET:?}"),
        format!("secret = {SECRET:?}, secret_encoding = \"utf8\""),
        "secret_file = \"plain\"".to_owned(),
        "secret_file = \"ends\"".to_owned(),
        format!("secret = {:?}, secret_encoding = \"base64\"", encoded[0]),
        format!("secret = {:?}, secret_encoding = \"base64\"", encoded[1]),
        "secret_file = \"encoded\", secret_encoding = \"base64\"".to_owned(),
    ] {
        let issuers = format!("[{}]", issuer_of(&keys));
        Server::with(&place, &[("USHER__SESSION__ISSUERS", &issuers)]).await.payload().await;
    }
    let issuers = format!("[{}]", issuer_of("secret_file = \"encoded\""));
    let serving = Server::with(&place, &[("USHER__SESSION__ISSUERS", &issuers)]).await;
    assert_eq!(
        serving.post_as("alice", &json!({})).await.json()["code"],
        "session_invalid",
        "base64 only where it is said"
    );
}

/// Names and values of an environment.
type Variables = &'static [(&'static str, &'static str)];

#[tokio::test(flavor = "multi_thread")]
async fn a_later_layer_replaces_a_secret_whichever_way_it_was_given() {
    let place = CommandLine::with_policy();
    place.write("right", API_TOKEN);
    let by_file = "[signalwire]\napi_token_file = \"not there\"\n";
    let by_value = "[signalwire]\napi_token = \"wrong\"\n";
    let cases: [(&str, &str, Variables); 5] = [
        ("a value over a file", by_file, &[("SIGNALWIRE_API_TOKEN", API_TOKEN)]),
        ("ours over a file", by_file, &[("USHER__SIGNALWIRE__API_TOKEN", API_TOKEN)]),
        ("a file over a value", by_value, &[("USHER__SIGNALWIRE__API_TOKEN_FILE", "right")]),
        ("a value over a value", by_value, &[("SIGNALWIRE_API_TOKEN", API_TOKEN)]),
        (
            "our file over their value",
            by_value,
            &[("SIGNALWIRE_API_TOKEN", "wrong too"), ("USHER__SIGNALWIRE__API_TOKEN_FILE", "right")],
        ),
    ];
    for (name, text, variables) in cases {
        place.write("config/usher.toml", text);
        assert!(mints(name, &place, API_TOKEN, variables).await, "{name}");
    }
    place.write("config/usher.toml", by_value);
    assert!(!mints("the earlier one alone", &place, API_TOKEN, &[]).await);
}

#[test]
fn a_secret_in_the_place_of_its_file_is_not_shown() {
    let place = CommandLine::with_policy();
    let secret = "PT-s3cr3t/of=somebody";
    let issuer = |keys: &str| format!("[{}]", issuer_of(keys));
    let silent = without(complete("example"), "SIGNALWIRE_API_TOKEN");
    for (case, variables) in [
        ("api_token_file", with(silent, "USHER__SIGNALWIRE__API_TOKEN_FILE", secret)),
        (
            "secret_file",
            with(complete("example"), "USHER__SESSION__ISSUERS", &issuer(&format!("secret_file = {secret:?}"))),
        ),
        (
            "a password",
            with(
                complete("example"),
                "USHER__SESSION__ISSUERS",
                &issuer("jwks_url = \"https://me:PT-s3cr3t@x.example/\""),
            ),
        ),
        ("a path of the space", with(complete("example"), "SIGNALWIRE_SPACE", "https://x.example/PT-s3cr3t")),
        ("a user of the space", with(complete("example"), "SIGNALWIRE_SPACE", "https://x:PT-s3cr3t%40y.example")),
    ] {
        let (code, stdout, stderr) = place.run(&["check"], &variables);
        assert_eq!(code, 3, "{case}");
        assert!(!(stdout + &stderr).contains("s3cr3t"), "{case}: {stderr}");
    }
    let with_key = issuer("jwks_url = \"https://x.example/jwks?key=s3cr3t\"");
    let (code, stdout, _) = place.run(&["check"], &with(complete("example"), "USHER__SESSION__ISSUERS", &with_key));
    assert!(code == 0 && stdout.contains("https://x.example/jwks?") && !stdout.contains("s3cr3t"), "{stdout}");
}

#[test]
fn a_file_of_no_use_is_told_at_once() {
    let place = CommandLine::with_policy();
    let made = std::process::Command::new("mkfifo").arg(place.path().join("pipe")).status().unwrap();
    assert!(made.success());
    for (variable, setting) in [
        ("USHER__POLICY__FILE", "policy.file"),
        ("USHER__SIGNALWIRE__API_TOKEN_FILE", "signalwire.api_token_file"),
        ("USHER__SIGNALWIRE__CA_FILE", "signalwire.ca_file"),
    ] {
        let silent = without(complete("example"), "SIGNALWIRE_API_TOKEN");
        let complete = if setting.ends_with("token_file") { silent } else { complete("example") };
        let (code, _, stderr) = place.run(&["check"], &with(complete, variable, "pipe"));
        assert_eq!(code, 3, "{variable}");
        assert!(stderr.contains(setting) && stderr.contains("it is no file"), "{stderr}");
    }
}

#[test]
fn a_secret_and_its_file_in_one_layer_are_a_fault() {
    let place = CommandLine::with_policy();
    place.write("right", API_TOKEN);
    let both = "[signalwire]\napi_token = \"wrong\"\napi_token_file = \"right\"\n";
    let silent = without(complete("example"), "SIGNALWIRE_API_TOKEN");
    let ours = with(silent.clone(), "USHER__SIGNALWIRE__API_TOKEN", "wrong");
    let issuer = issuer_of(&format!("secret = {SECRET:?}, secret_file = \"right\""));
    let cases = [
        ("a file", both, silent.clone(), "config/usher.toml:3:18: `api_token_file` is set beside `api_token`"),
        (
            "the environment",
            "",
            with(ours.clone(), "USHER__SIGNALWIRE__API_TOKEN_FILE", "right"),
            "USHER__SIGNALWIRE__API_TOKEN_FILE: `api_token_file` is set beside `api_token`",
        ),
        (
            "an issuer",
            "",
            with(ours.clone(), "USHER__SESSION__ISSUERS", &format!("[{issuer}]")),
            "USHER__SESSION__ISSUERS: `secret_file` is set beside `secret`",
        ),
    ];
    for (name, text, variables, said) in cases {
        place.write("config/usher.toml", text);
        let (code, _, stderr) = place.run(&["check"], &variables);
        assert_eq!(code, 3, "{name}: {stderr}");
        assert!(stderr.contains(said), "{name}: {stderr}");
    }
    place.write("config/usher.toml", "");
    let (code, _, stderr) = place.run(&["check"], &ours);
    assert_eq!(code, 0, "one of the two: {stderr}");
}
