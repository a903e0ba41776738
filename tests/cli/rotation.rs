//! SignalWire's API token, and the policy, changed under load: nobody is refused for it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::service::POLICY;
use crate::support::{API_TOKEN, CommandLine, Load, PROJECT, Server, complete, with, without};

const NEW_TOKEN: &str = "PT-the-new-api-token-that-must-not-be-seen-either";

async fn serving(place: &CommandLine) -> Server {
    Server::start(place, &["serve"], |space| {
        let variables = without(complete(space), "SIGNALWIRE_API_TOKEN");
        let variables = with(variables, "USHER__SIGNALWIRE__API_TOKEN_FILE", "token");
        with(variables, "USHER__LIMITS__PER_MEMBER", "off")
    })
    .await
}

async fn status(serving: &Server) -> u16 {
    serving.post_as("alice", &json!({})).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_token_and_the_policy_are_changed_under_load_and_nobody_is_refused() {
    let place = CommandLine::with_policy();
    place.write("token", API_TOKEN.to_owned() + "\n");
    let serving = serving(&place).await;
    let load = Load::start(4, {
        let client = serving.client.clone();
        move |_| {
            let client = client.clone();
            async move {
                let response = client.post_as("alice", &json!({})).await;
                assert_eq!(response.status, 200, "{response:?}");
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    // The new one is there, and the old one is revoked at once: before any look at the file that is to come.
    place.write("token", NEW_TOKEN);
    serving.sandbox.set_api_token(NEW_TOKEN);
    tokio::time::sleep(Duration::from_millis(500)).await;
    place.write("config/policy.toml", format!("{POLICY}\n[roles.other.channels]\n\"x\" = [\"read\"]\n"));
    serving.running.wait_for(|_, stderr| stderr.contains("policy loaded"));
    let all = load.stop().await.concat().len();
    assert!(all > 50, "{all}");
    let said = serving.running.stdout() + &serving.running.stderr();
    for token in [API_TOKEN, NEW_TOKEN] {
        let credentials = STANDARD.encode(format!("{PROJECT}:{token}"));
        assert!(!said.contains(token) && !said.contains(&credentials), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_no_use_changes_nothing_and_is_loud() {
    let place = CommandLine::with_policy();
    place.write("token", API_TOKEN);
    let serving = serving(&place).await;
    for (case, content) in [("empty", Some("")), ("two lines", Some("PT-one\nPT-two\n")), ("gone", None)] {
        let count = |stderr: &str| stderr.matches("the file is of no use; what was stays").count();
        let told = count(&serving.running.stderr());
        match content {
            Some(content) => place.write("token", content),
            None => std::fs::remove_file(place.path().join("token")).unwrap(),
        }
        serving.running.wait_for(|_, stderr| count(stderr) > told);
        assert_eq!(status(&serving).await, 200, "{case}");
    }
    let stderr = serving.running.stderr();
    assert!(stderr.contains("signalwire.api_token_file") && !stderr.contains("PT-"), "{stderr}");
}
