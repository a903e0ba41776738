//! `usher healthcheck`: 0 or 1, from the settings that the service has, without a secret.

use std::net::TcpListener;

use crate::support::{CommandLine, Server, free_address, issuer_of};

/// The exit code, and what was said.
fn check(place: &CommandLine, more: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let (code, stdout, stderr) = place.run(&[&["healthcheck"], more].concat(), variables);
    (code, stdout + &stderr)
}

fn address(url: &str) -> &str {
    url.trim_start_matches("http://")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_asks_the_public_listener_where_there_is_no_other() {
    let place = CommandLine::with_policy();
    let serving = Server::with(&place, &[]).await;
    let listen = [("USHER__SERVER__LISTEN", address(&serving.url))];
    // Neither secrets nor issuers nor a policy are known to it.
    let empty = CommandLine::empty();
    for (more, path) in [(&[][..], "/live"), (&["--ready"][..], "/ready")] {
        let (code, said) = check(&empty, more, &listen);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(&format!("{}{path}", serving.url)), "{said}");
    }
    empty.write("settings.toml", format!("[server]\nlisten = {:?}\n[unknown]\nkey = 1\n", address(&serving.url)));
    assert_eq!(check(&empty, &["--config", "settings.toml"], &[]).0, 0, "whatever else is wrong there");
    empty.write("config/usher.toml", format!("[server]\nlisten = {:?}\n", address(&serving.url)));
    assert_eq!(check(&empty, &[], &[]).0, 0, "the file where it is looked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_asks_the_operators_listener_where_there_is_one_on_loopback_if_that_is_unspecified() {
    let place = CommandLine::with_policy();
    let port = free_address().rsplit(':').next().unwrap().to_owned();
    let unspecified = format!("0.0.0.0:{port}");
    let serving = Server::with(&place, &[("USHER__OPS__LISTEN", &unspecified)]).await;
    let variables = [("USHER__OPS__LISTEN", unspecified.as_str()), ("USHER__SERVER__LISTEN", "127.0.0.1:1")];
    let (code, said) = check(&CommandLine::empty(), &["--ready"], &variables);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("http://127.0.0.1:{port}/ready")), "{said}");
    let public = [("USHER__SERVER__LISTEN", address(&serving.url))];
    assert_eq!(check(&CommandLine::empty(), &[], &public).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_and_ready_are_two_questions() {
    let place = CommandLine::with_policy();
    let issuers = format!("[{}]", issuer_of("jwks_url = \"http://127.0.0.1:9/\""));
    let serving = Server::with(&place, &[("USHER__SESSION__ISSUERS", &issuers)]).await;
    let listen = [("USHER__SERVER__LISTEN", address(&serving.url))];
    assert_eq!(check(&place, &[], &listen).0, 0);
    let (code, said) = check(&place, &["--ready"], &listen);
    assert_eq!(code, 1);
    assert!(said.contains("503"), "{said}");
}

#[test]
fn whatever_is_wrong_it_is_1() {
    let place = CommandLine::empty();
    let free = free_address();
    // Somebody who accepts and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    for (case, listen) in [
        ("nobody listens", free.as_str()),
        ("nobody answers", silent.as_str()),
        ("no address", "nowhere"),
        ("any port", "127.0.0.1:0"),
    ] {
        let (code, said) = check(&place, &[], &[("USHER__SERVER__LISTEN", listen)]);
        assert_eq!(code, 1, "{case}: {said}");
        assert!(!said.is_empty(), "{case}");
    }
    // What is written and of no use does not pass for the default, where somebody else may listen.
    place.write("wrong.toml", "[server]\nlisten = 8090\n");
    let (code, said) = check(&place, &["--config", "wrong.toml"], &[]);
    assert!(code == 1 && said.contains("server.listen"), "{said}");
    let (code, said) = check(&place, &["--config", "gone.toml"], &[]);
    assert!(code == 1 && said.contains("gone.toml"), "{said}");
    assert_eq!(check(&place, &["--reday"], &[]).0, 64, "but for wrong usage");
}
