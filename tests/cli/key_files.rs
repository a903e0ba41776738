//! Files of keys and secrets while the service runs: reread when they change, without one wrong 401.

use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{Place, Serving, issuer_of};
use crate::support::SECRET;
use crate::support::keys::{Signer, claims};

async fn status(serving: &Serving, token: &str) -> u16 {
    let request = serving.client.get(format!("{}/chat-token/grants", serving.url)).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

/// Waits until a token is answered so; at most the 5 s that are promised, and a little for a busy machine.
async fn until(serving: &Serving, token: &str, wanted: u16) {
    let started = Instant::now();
    while status(serving, token).await != wanted {
        assert!(started.elapsed() < Duration::from_secs(8), "not {wanted}: {}", serving.running.stderr());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn token(signer: &Signer, kid: &str) -> String {
    signer.sign_with(&json!({"kid": kid}), &claims("alice", &["customer"], 3_600, &json!({})))
}

async fn serving(place: &Place, keys: &str) -> Serving {
    let issuers = format!("[{}]", issuer_of(keys));
    Serving::with(place, &[("USHER__SESSION__ISSUERS", &issuers), ("USHER__LIMITS__PER_MEMBER", "off")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_load_costs_nobody_a_session() {
    let place = Place::with_policy();
    let (old, new) = (Signer::pair(Algorithm::ES256), Signer::pair(Algorithm::RS256));
    let set = |keys: &[Value]| json!({"keys": keys}).to_string();
    let (old_jwk, new_jwk) = (old.jwk(&json!({"kid": "old"})), new.jwk(&json!({"kid": "new"})));
    place.write("jwks.json", set(std::slice::from_ref(&old_jwk)));
    let serving = serving(&place, "jwks_file = \"jwks.json\"").await;
    let (old_token, new_token) = (token(&old, "old"), token(&new, "new"));
    assert_eq!(status(&serving, &new_token).await, 401);

    let (client, url) = (serving.client.clone(), format!("{}/chat-token/grants", serving.url));
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let load = tokio::spawn({
        let old_token = old_token.clone();
        async move {
            let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
            while stopped.try_recv().is_err() {
                let answer = client.get(&url).bearer_auth(&old_token).send().await.unwrap();
                *statuses.entry(answer.status().as_u16()).or_default() += 1;
            }
            statuses
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
    stop.send(()).unwrap();
    let statuses = load.await.unwrap();
    assert_eq!(statuses.keys().collect::<Vec<_>>(), [&200], "{statuses:?}");

    // And the old one withdrawn, remembered or not.
    place.write("jwks.json", set(&[new_jwk]));
    until(&serving, &old_token, 401).await;
    assert_eq!(status(&serving, &new_token).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_changed_is_the_one_that_counts_and_one_of_no_use_changes_nothing() {
    let place = Place::with_policy();
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
