//! Credentials, statuses, the token, and what the sandbox remembers.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use usher::sandbox::{Received, Sandbox};

use super::{API_TOKEN, NOW, PROJECT, Running, valid_but};

/// Whether text has the form of a random UUID.
fn is_uuid_v4(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            14 => c == '4',
            _ => c.is_ascii_hexdigit(),
        })
}

#[tokio::test]
async fn a_valid_body_gives_a_token_and_nothing_else() {
    let running = Running::start().await;
    let response = running.try_send(valid_but(json!({})).to_string()).await.unwrap();
    assert_eq!(response.status(), 200);
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("application/json"));
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer.as_object().unwrap().len(), 1);
    assert_eq!(answer["token"].as_str().unwrap().split('.').count(), 3);
}

#[tokio::test]
async fn a_token_has_the_real_shape_and_says_it_is_not_real() {
    let running = Running::start().await;
    let body = json!({
        "ttl": 90,
        "channels": {"a": {"read": true}, "b": {"write": true}, "c": {"read": true, "write": true}, "d": {"read": false}},
        "member_id": "alice",
        "state": {"name": "Alice", "deep": [1, {"x": null}]},
    });
    let (_, answer) = running.send(body.to_string()).await;
    let mut token = running.decoded(&answer);
    let relay = running.url.replace("http://", "ws://").replace("/api/chat/tokens", "");
    assert_eq!(token["header"], json!({"typ": "CRT", "alg": "HS512", "sandbox": true, "ch": relay}));
    let jti = token["payload"]["jti"].take();
    assert!(is_uuid_v4(jti.as_str().unwrap()), "{jti}");
    // No `exp`, and both booleans for each channel.
    assert_eq!(
        token["payload"],
        json!({
            "iat": NOW,
            "jti": null,
            "sub": PROJECT,
            "t": 90,
            "chls": {
                "a": {"read": true, "write": false},
                "b": {"read": false, "write": true},
                "c": {"read": true, "write": true},
                "d": {"read": false, "write": false},
            },
            "stt": {"name": "Alice", "deep": [1, {"x": null}]},
            "m": "alice",
        })
    );
}

#[tokio::test]
async fn without_state_it_is_empty_and_without_member_id_it_is_a_new_uuid() {
    let running = Running::start().await;
    let first = running.payload(&valid_but(json!({}))).await;
    let second = running.payload(&valid_but(json!({}))).await;
    assert_eq!(first["stt"], json!({}));
    for payload in [&first, &second] {
        assert!(is_uuid_v4(payload["m"].as_str().unwrap()), "{payload}");
    }
    assert_ne!(first["m"], second["m"]);
    assert_ne!(first["jti"], second["jti"]);
}

#[tokio::test]
async fn a_token_is_signed_with_hs512_by_this_sandbox_alone() {
    let running = Running::start().await;
    let (_, answer) = running.send(valid_but(json!({})).to_string()).await;
    let token = answer["token"].as_str().unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 64);

    assert!(running.sandbox.decode(token).is_some());
    let same = Sandbox::new(PROJECT, API_TOKEN, || NOW);
    assert_eq!(same.decode(token), None, "another sandbox's secret");
    let forged = URL_SAFE_NO_PAD.encode(json!({"sub": "someone"}).to_string());
    for not_ours in [
        format!("{}.{forged}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        String::new(),
        "..".to_owned(),
    ] {
        assert_eq!(running.sandbox.decode(&not_ours), None, "{not_ours}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_unauthorized() {
    let running = Running::start().await;
    let basic = |text: String| Some(format!("Basic {}", STANDARD.encode(text)));
    let right = STANDARD.encode(format!("{PROJECT}:{API_TOKEN}"));
    for authorization in [
        None,
        basic(format!("{PROJECT}:wrong")),
        basic(format!("{PROJECT}:{API_TOKEN}x")),
        basic(format!("{PROJECT}:PTsecret")),
        basic(format!("{PROJECT}:")),
        basic(format!("other:{API_TOKEN}")),
        basic(PROJECT.to_owned()),
        basic(String::new()),
        Some(format!("Bearer {right}")),
        Some(format!("Basic{right}")),
        Some(right.clone()),
        Some("Basic not base64!".to_owned()),
        Some("Basic".to_owned()),
    ] {
        let mut request = running.client.post(&running.url).body(valid_but(json!({})).to_string());
        if let Some(authorization) = &authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401, "{authorization:?}");
        assert_eq!(response.text().await.unwrap(), r#"{"error":"Unauthorized"}"#);
    }
    assert!(running.sandbox.received().iter().all(|r| !r.authorized));
}

#[tokio::test]
async fn the_scheme_of_the_credentials_is_in_any_case() {
    let running = Running::start().await;
    let response = running
        .client
        .post(&running.url)
        .header("authorization", format!("bASIC {}", STANDARD.encode(format!("{PROJECT}:{API_TOKEN}"))))
        .body(valid_but(json!({})).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn credentials_are_checked_before_the_body() {
    let running = Running::start().await;
    for body in ["{}", "not json", ""] {
        let response =
            running.client.post(&running.url).basic_auth(PROJECT, Some("wrong")).body(body).send().await.unwrap();
        assert_eq!(response.status(), 401, "{body}");
    }
}

#[tokio::test]
async fn what_is_not_json_is_a_bad_request() {
    let running = Running::start().await;
    let mut not_utf8 = br#"{"ttl":1,"channels":{"a":{"read":true}},"member_id":""#.to_vec();
    not_utf8.extend(b"\xff\"}");
    let fine = valid_but(json!({})).to_string();
    let padded = format!("{}{fine}", " ".repeat(2 * 1024 * 1024));
    for body in [
        b"".to_vec(),
        b"{".to_vec(),
        b"ttl=60".to_vec(),
        br#"{"ttl":1,}"#.to_vec(),
        format!("{fine}{fine}").into_bytes(),
        not_utf8,
        padded.into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(body.get(..50).unwrap_or(&body)).into_owned();
        let (status, answer) = running.send(body).await;
        assert_eq!(status, 400, "{shown}");
        assert_eq!(answer, json!({"error": "Bad Request"}));
    }
}

#[tokio::test]
async fn all_but_post_to_the_token_path_is_not_found() {
    let running = Running::start().await;
    let root = running.url.replace("/api/chat/tokens", "");
    for (method, path) in [
        (Method::GET, "/api/chat/tokens"),
        (Method::PUT, "/api/chat/tokens"),
        (Method::DELETE, "/api/chat/tokens"),
        (Method::POST, "/api/chat/tokens/"),
        (Method::POST, "/api/chat"),
        (Method::POST, "/api/pubsub/tokens"),
        (Method::POST, "/"),
    ] {
        let response = running
            .client
            .request(method.clone(), format!("{root}{path}"))
            .basic_auth(PROJECT, Some(API_TOKEN))
            .body(valid_but(json!({})).to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 404, "{method} {path}");
        assert_eq!(response.text().await.unwrap(), r#"{"error":"Not Found"}"#);
    }
}

#[tokio::test]
async fn requests_are_remembered_without_their_credentials() {
    let running = Running::start().await;
    let body = valid_but(json!({})).to_string();
    running.send(body.clone()).await;
    let elsewhere = running.url.replace("chat", "pubsub");
    running.client.get(format!("{elsewhere}?a=b")).basic_auth(PROJECT, Some("PTwrong")).send().await.unwrap();
    let received = running.sandbox.clone().received();
    assert_eq!(
        received,
        [
            Received {
                method: "POST".to_owned(),
                path: "/api/chat/tokens".to_owned(),
                authorized: true,
                content_type: Some("application/json".to_owned()),
                traceparent: None,
                tracestate: None,
                body,
            },
            Received {
                method: "GET".to_owned(),
                path: "/api/pubsub/tokens?a=b".to_owned(),
                authorized: false,
                content_type: None,
                traceparent: None,
                tracestate: None,
                body: String::new(),
            },
        ]
    );
    let encoded = STANDARD.encode(format!("{PROJECT}:{API_TOKEN}"));
    let shown = format!("{received:?} {:?}", running.sandbox);
    for secret in [API_TOKEN, "PTwrong", &encoded] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(PROJECT));
}

#[tokio::test]
async fn the_last_1_000_requests_are_remembered() {
    let running = Running::start().await;
    for n in 0..1_003 {
        running.try_send(format!("{n}")).await.unwrap();
    }
    let received = running.sandbox.received();
    assert_eq!(received.len(), 1_000);
    assert_eq!(received[0].body, "3");
    assert_eq!(received[999].body, "1002");
}

#[tokio::test]
async fn no_more_than_8_mib_of_requests_are_remembered() {
    let running = Running::start().await;
    for n in 0..12 {
        running.try_send(" ".repeat(1024 * 1024) + &n.to_string()).await.unwrap();
    }
    let received = running.sandbox.received();
    let last: Vec<_> = received.iter().map(|received| received.body.trim_start()).collect();
    assert_eq!(last, ["5", "6", "7", "8", "9", "10", "11"], "each is a little over 1 MiB with what is around it");
}
