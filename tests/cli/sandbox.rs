//! `usher sandbox`: SignalWire's stand-in alone; what it prints is all that a service needs to use it.

use reqwest::Method;
use serde_json::json;

use crate::support::{Client, CommandLine, Process, Server, send, session};

const NAMES: [&str; 3] = ["SIGNALWIRE_SPACE", "SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_API_TOKEN"];

/// `usher sandbox`, once it has printed all of its settings.
fn start(place: &CommandLine, more: &[&str]) -> Process {
    let process = Process::start(place.command(&[&["sandbox"], more].concat()).envs([("HOME", "/")]));
    process.wait_for(|stdout, _| stdout.lines().count() == NAMES.len());
    process
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_that_it_prints_are_the_settings_of_a_service() {
    let place = CommandLine::with_policy();
    let sandbox = start(&place, &[]);
    let settings = NAMES.map(|name| (name, sandbox.printed(name)));
    let serving = Server::with(&place, &settings.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    let answer = serving.post(&session("alice", &["customer"]), None).await.json();
    assert_eq!(answer["member_id"], "alice", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_credentials_can_be_chosen() {
    let place = CommandLine::empty();
    place.write("token", "PT-chosen\n");
    let chosen = ["--project-id", "my-project", "--api-token-file", "token", "--listen", "127.0.0.1:0"];
    let sandbox = start(&place, &chosen);
    assert_eq!(
        (sandbox.printed("SIGNALWIRE_PROJECT_ID"), sandbox.printed("SIGNALWIRE_API_TOKEN")),
        ("my-project".to_owned(), "PT-chosen".to_owned())
    );
    let client = Client::new(sandbox.printed("SIGNALWIRE_SPACE"));
    for (password, status) in [("PT-chosen", 200), ("PT-other", 401)] {
        let body = json!({"ttl": 5, "channels": {"a": {"read": true}}});
        let request = client.request(Method::POST, "/api/chat/tokens").basic_auth("my-project", Some(password));
        assert_eq!(send(request.json(&body)).await.status, status, "{password}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_this_machine_alone_unless_it_may_listen_elsewhere() {
    let place = CommandLine::empty();
    for (more, status) in [
        (&[][..], 403),
        (&["--listen", "127.0.0.1:0", "--allow-remote"][..], 403),
        (&["--listen", "0.0.0.0:0", "--allow-remote"][..], 422),
    ] {
        let sandbox = start(&place, more);
        let (id, token) = (sandbox.printed("SIGNALWIRE_PROJECT_ID"), sandbox.printed("SIGNALWIRE_API_TOKEN"));
        assert!(sandbox.printed("SIGNALWIRE_SPACE").starts_with("http://127.0.0.1:"), "an address that can be used");
        let client = Client::new(sandbox.printed("SIGNALWIRE_SPACE"));
        let ask = async |host: &str| {
            let request = client.request(Method::POST, "/api/chat/tokens").basic_auth(&id, Some(&token));
            send(request.header("host", host).body("{}")).await.status
        };
        for host in ["evil.example", "127.0.0.1.evil.example", "sandbox:8088"] {
            assert_eq!(ask(host).await, status, "{host}");
        }
        for host in ["localhost:1", "127.0.0.1", "[::1]:8088", "LOCALHOST"] {
            assert_eq!(ask(host).await, 422, "{host}");
        }
    }
}

#[test]
fn a_second_one_takes_another_port_and_both_end_in_good_order() {
    let place = CommandLine::empty();
    let mut one = start(&place, &[]);
    let mut two = start(&place, &[]);
    let mut three = start(&place, &[]);
    for name in NAMES {
        assert_ne!(one.printed(name), two.printed(name), "{name}");
    }
    one.signal("TERM");
    two.signal("INT");
    three.signal("HUP");
    assert_eq!(three.exit_code(), Some(0), "its terminal is gone");
    assert_eq!((one.exit_code(), two.exit_code()), (Some(0), Some(0)));
    assert!(place.files().is_empty(), "it writes nothing");
}

#[test]
fn it_refuses_what_it_must_not_do() {
    let place = CommandLine::empty();
    place.write("empty", "");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (more, variables, code, said) in [
        (&[][..], &[("SIGNALWIRE_API_TOKEN", "PT-s3cr3t")][..], 3, "SIGNALWIRE_API_TOKEN is set"),
        (&[], &[("USHER__SIGNALWIRE__SPACE", "example")], 3, "USHER__SIGNALWIRE__SPACE is set"),
        (&[], &[("USHER__SIGNALWIRE", "{api_token = \"s3cr3t\"}")], 3, "USHER__SIGNALWIRE is set"),
        (&[], &[("USHER__signalwire__api_token", "s3cr3t")], 3, "USHER__signalwire__api_token is set"),
        (&["--listen", "0.0.0.0:0"], &[], 3, "--allow-remote"),
        (&["--listen", "192.0.2.1:80"], &[], 3, "--allow-remote"),
        (&["--api-token-file", "gone"], &[], 3, "--api-token-file: the file that it names cannot be read"),
        (&["--api-token-file", "empty"], &[], 3, "--api-token-file: the file that it names is empty"),
        (&["--listen", &taken], &[], 1, "cannot be listened on"),
        (&["--project-id", "a:b"], &[], 64, "--project-id"),
        (&["--project-id", ""], &[], 64, "--project-id"),
        (&["--listen", "8088"], &[], 64, "--listen"),
    ] {
        let (status, stdout, stderr) = place.run(&[&["sandbox"], more].concat(), variables);
        assert_eq!((status, stdout.as_str()), (code, ""), "{more:?}: {stderr}");
        assert!(stderr.contains(said) && !stderr.contains("s3cr3t"), "{more:?}: {stderr}");
    }
}
