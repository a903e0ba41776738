//! `usher sandbox`: SignalWire's stand-in alone; what it prints is all that a service needs to use it.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Place, complete, with};
use crate::support::binary::Running;
use crate::support::keys;

struct Sandbox {
    running: Running,
    lines: BTreeMap<String, String>,
}

impl Sandbox {
    fn start(place: &Place, more: &[&str]) -> Self {
        let running = Running::start(place.command(&[&["sandbox"], more].concat()).envs([("HOME", "/")]));
        running.wait_for(|stdout, _| stdout.lines().count() == 3);
        let stdout = running.stdout();
        let lines = stdout.lines().map(|line| line.split_once('=').unwrap());
        let lines = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { running, lines }
    }

    fn value(&self, name: &str) -> &str {
        &self.lines[name]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_that_it_prints_are_the_settings_of_a_service() {
    let place = Place::with_policy();
    let sandbox = Sandbox::start(&place, &[]);
    let names: Vec<_> = sandbox.lines.keys().map(String::as_str).collect();
    assert_eq!(names, ["SIGNALWIRE_API_TOKEN", "SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_SPACE"]);
    let variables = sandbox.lines.iter().fold(complete("unused"), |all, (name, value)| with(all, name, value));
    let running = Running::start(place.command(&["serve"]).envs(variables));
    running.wait_for(|_, stderr| stderr.contains("\"listening\""));
    let url = super::opened(&running, "\"listening\"");
    let request = super::client().post(format!("{url}/chat-token")).bearer_auth(keys::session("alice", &["customer"]));
    let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["member_id"], "alice", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_credentials_can_be_chosen() {
    let place = Place::empty();
    place.write("token", "PT-chosen\n");
    let chosen = ["--project-id", "my-project", "--api-token-file", "token", "--listen", "127.0.0.1:0"];
    let sandbox = Sandbox::start(&place, &chosen);
    assert_eq!(
        (sandbox.value("SIGNALWIRE_PROJECT_ID"), sandbox.value("SIGNALWIRE_API_TOKEN")),
        ("my-project", "PT-chosen")
    );
    let url = format!("{}/api/chat/tokens", sandbox.value("SIGNALWIRE_SPACE"));
    for (password, status) in [("PT-chosen", 200), ("PT-other", 401)] {
        let body = json!({"ttl": 5, "channels": {"a": {"read": true}}});
        let request = super::client().post(&url).basic_auth("my-project", Some(password)).json(&body);
        assert_eq!(request.send().await.unwrap().status(), status, "{password}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_this_machine_alone_unless_it_may_listen_elsewhere() {
    let place = Place::empty();
    for (more, status) in [
        (&[][..], 403),
        (&["--listen", "127.0.0.1:0", "--allow-remote"][..], 403),
        (&["--listen", "0.0.0.0:0", "--allow-remote"][..], 422),
    ] {
        let sandbox = Sandbox::start(&place, more);
        let (id, token) = (sandbox.value("SIGNALWIRE_PROJECT_ID"), sandbox.value("SIGNALWIRE_API_TOKEN"));
        assert!(sandbox.value("SIGNALWIRE_SPACE").starts_with("http://127.0.0.1:"), "an address that can be used");
        let ask = async |host: &str| {
            let url = format!("{}/api/chat/tokens", sandbox.value("SIGNALWIRE_SPACE"));
            let request = super::client().post(url).basic_auth(id, Some(token)).header("host", host).body("{}");
            request.send().await.unwrap().status().as_u16()
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
    let place = Place::empty();
    let mut one = Sandbox::start(&place, &[]);
    let mut two = Sandbox::start(&place, &[]);
    let mut three = Sandbox::start(&place, &[]);
    for name in one.lines.keys() {
        assert_ne!(one.value(name), two.value(name), "{name}");
    }
    one.running.signal("TERM");
    two.running.signal("INT");
    three.running.signal("HUP");
    assert_eq!(three.running.exit_code(), Some(0), "its terminal is gone");
    assert_eq!((one.running.exit_code(), two.running.exit_code()), (Some(0), Some(0)));
    assert!(place.files().is_empty(), "it writes nothing");
}

#[test]
fn it_refuses_what_it_must_not_do() {
    let place = Place::empty();
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
