//! Files of keys and secrets while the service runs: reread when they change, without one wrong 401.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::keys::{Signer, claims};
use crate::support::{CommandLine, Load, SECRET, Server, issuer_of, wait_for};

async fn status(serving: &Server, token: &str) -> u16 {
    serving.grants(token).await.status
}

/// Waits until a token is answered so; at most the 5 s that are promised, and a little for a busy machine.
async fn until(serving: &Server, token: &str, wanted: u16) {
    wait_for(Duration::from_secs(8), async || {
        let status = status(serving, token).await;
        if status == wanted { Ok(()) } else { Err((status, serving.running.stderr())) }
    })
    .await;
}

fn token(signer: &Signer, kid: &str) -> String {
    signer.sign_with(&json!({"kid": kid}), &claims("alice", &["customer"], 3_600, &json!({})))
}

async fn serving(place: &CommandLine, keys: &str) -> Server {
    let issuers = format!("[{}]", issuer_of(keys));
    let no_limits = [("USHER__LIMITS__PER_MEMBER", "off"), ("USHER__LIMITS__PER_ADDRESS", "off")];
    Server::with(place, &[&[("USHER__SESSION__ISSUERS", issuers.as_str())], &no_limits[..]].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_load_costs_nobody_a_session() {
    let place = CommandLine::with_policy();
    let (old, new) = (Signer::pair(Algorithm::ES256), Signer::pair(Algorithm::RS256));
    let set = |keys: &[Value]| json!({"keys": keys}).to_string();
    let (old_jwk, new_jwk) = (old.jwk(&json!({"kid": "old"})), new.jwk(&json!({"kid": "new"})));
    place.write("jwks.json", set(std::slice::from_ref(&old_jwk)));
    let serving = serving(&place, "jwks_file = \"jwks.json\"").await;
    let (old_token, new_token) = (token(&old, "old"), token(&new, "new"));
    assert_eq!(status(&serving, &new_token).await, 401);

    let load = Load::start(1, {
        let (client, old_token) = (serving.client.clone(), old_token.clone());
        move |_| {
            let (client, old_token) = (client.clone(), old_token.clone());
            async move { client.grants(&old_token).await.status }
        }
    });
    // Both keys, as a provider rotates; written in place, in two halves.
    let both = set(&[old_jwk, new_jwk.clone()]);
    let file = std::fs::File::create(place.path().join("jwks.json")).unwrap();
    let (first, rest) = both.split_at(both.len() / 2);
    std::io::Write::write_all(&mut &file, first.as_bytes()).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    std::io::Write::write_all(&mut &file, rest.as_bytes()).unwrap();
    until(&serving, &new_token, 200).await;
    let statuses = load.stop().await.concat();
    assert!(!statuses.is_empty() && statuses.iter().all(|status| *status == 200), "{statuses:?}");

    // And the old one withdrawn, remembered or not.
    place.write("jwks.json", set(&[new_jwk]));
    until(&serving, &old_token, 401).await;
    assert_eq!(status(&serving, &new_token).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_changed_is_the_one_that_counts_and_one_of_no_use_changes_nothing() {
    let place = CommandLine::with_policy();
    place.write("secret", SECRET);
    let serving = serving(&place, "secret_file = \"secret\"").await;
    let other = "another secret, which is long enough for HS256 as well";
    let (before, after) = (Signer::secret(), Signer::secret_of(other, Algorithm::HS256));
    let [before, after] = [before, after].map(|signer| signer.sign(&claims("alice", &["customer"], 3_600, &json!({}))));
    assert_eq!((status(&serving, &before).await, status(&serving, &after).await), (200, 401));
    for (case, content) in [("too short", Some("short")), ("empty", Some("")), ("gone", None)] {
        match content {
            Some(content) => place.write("secret", content),
            None => std::fs::remove_file(place.path().join("secret")).unwrap(),
        }
        let count = |stderr: &str| stderr.matches("no session keys to load; those in use stay").count();
        let told = count(&serving.running.stderr());
        serving.running.wait_for(|_, stderr| count(stderr) > told);
        assert_eq!(status(&serving, &before).await, 200, "{case}");
    }
    place.write("secret", other.to_owned() + "\n");
    until(&serving, &after, 200).await;
    assert_eq!(status(&serving, &before).await, 401);
    let stderr = serving.running.stderr();
    assert!(!stderr.contains(SECRET) && !stderr.contains(other), "{stderr}");
}
