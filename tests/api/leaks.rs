//! The leak test: with the log at `trace`, over good and bad requests and every fault of SignalWire's, nothing that is
//! answered, logged or printed holds a credential, a session or somebody else's token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use usher::sandbox::{Fault, Times};

use super::{served, session_of};
use crate::support::keys::{Signer, claims};
use crate::support::service::POLICY;
use crate::support::{API_TOKEN, PROJECT, SECRET};
use crate::support::{Server, send, session};

/// What must not be seen: whole, and for tokens each part that is long enough to be one's own.
struct Secrets(Vec<String>);

impl Secrets {
    fn add_token(&mut self, token: &str) {
        self.0.push(token.to_owned());
        // The header is the same for all and no secret; claims and signature are.
        self.0.extend(token.split('.').skip(1).filter(|part| part.len() > 15).map(str::to_owned));
    }

    fn check(&self, text: &str, whose: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{whose} holds {secret}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_answered_or_logged_holds_a_secret() {
    let more =
        [("USHER__LOG__LEVEL", "trace"), ("USHER__SIGNALWIRE__TIMEOUT", "1s"), ("USHER__LIMITS__PER_MEMBER", "off")];
    let served = served(POLICY, &more).await;
    let basic = STANDARD.encode(format!("{PROJECT}:{API_TOKEN}"));
    let mut secrets = Secrets(vec![API_TOKEN.to_owned(), SECRET.to_owned(), basic]);
    let good = session("alice", &["customer"]);

    let mut minted = 0;
    let mut sessions = vec![
        good.clone(),
        session_of("alice", &["customer"], -60, &json!({})),
        session_of("alice", &["customer"], 30, &json!({})),
        session_of("mallory", &["customer"], 3_600, &json!({})),
        session_of("a b", &["customer"], 3_600, &json!({"unread": "an unread claim of somebody's"})),
        Signer::secret_of(&"x".repeat(64), jsonwebtoken::Algorithm::HS256).sign(&claims("eve", &[], 60, &json!({}))),
        Signer::secret().sign_with(&json!({"crit": ["x"]}), &claims("alice", &[], 60, &json!({}))),
        format!("{good}x"),
        "not.a.token-of-sixteen-or-more".to_owned(),
    ];
    sessions.push(format!("x{}", sessions[1]));
    let bodies = [
        json!({}),
        json!({"channels": {"support:bob": {"read": true}}}),
        json!({"mode": "narrow", "channels": {"support:bob": {"read": true}, "announcements": {"read": true}}}),
        json!({"ttl": "5", "unknown": 1}),
        json!([1]),
    ];
    for session in &sessions {
        secrets.add_token(session);
        for body in &bodies {
            minted += one(&served, &mut secrets, session, body).await;
        }
        secrets.check(&served.grants(session).await.body, "an answer");
    }
    for odd in ["Basic YWxpY2U6c2VjcmV0LXNlY3JldA==", "Bearer", "Token abcdefghijklmnopqrstuvwxyz"] {
        secrets.0.extend(odd.split(' ').nth(1).map(str::to_owned));
        let answer = send(served.request(Method::POST, "/chat-token").header("authorization", odd)).await;
        secrets.check(&answer.body, "an answer");
    }
    for path in [format!("/chat-token/{good}"), format!("/chat-token?session={good}")] {
        secrets.check(&send(served.request(Method::POST, &path)).await.body, "an answer");
    }

    secrets.0.push("upstream-text-that-nobody-sees".to_owned());
    let text = json!({"token": 7, "error": "upstream-text-that-nobody-sees"}).to_string();
    for fault in [
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(422),
        Fault::Status(429),
        Fault::Status(500),
        Fault::Html(502),
        Fault::Html(200),
        Fault::Hang,
        Fault::Cut,
        Fault::CutMidBody,
        Fault::Created,
        Fault::Delay(Duration::from_millis(5)),
        Fault::Redirect(format!("http://{PROJECT}:{API_TOKEN}@127.0.0.1:1/")),
        Fault::Body { status: 200, body: text.clone() },
        Fault::Body { status: 422, body: text.clone() },
        Fault::Body { status: 500, body: text },
    ] {
        served.sandbox.fail(fault, Times::Once);
        minted += one(&served, &mut secrets, &good, &json!({})).await;
    }
    assert!(minted > 3, "tokens were minted");

    let (stdout, stderr) = served.stop();
    assert!(stderr.contains("\"level\":\"TRACE\""), "the log is at trace");
    assert!(stderr.contains("\"event\":\"audit\"") && stderr.contains("no token"), "{stderr}");
    secrets.check(&stdout, "standard output");
    for line in stderr.lines() {
        secrets.check(line, "the log");
    }
}

/// One request; whether it was given a token, which is a secret from then on, and stands in that answer alone.
async fn one(served: &Server, secrets: &mut Secrets, session: &str, body: &Value) -> usize {
    let answer = served.post_with_id("leak", session, body).await;
    secrets.check(&answer.body, "an answer");
    secrets.check(&format!("{:?}", answer.headers), "an answer's headers");
    let answer = answer.json();
    let token = answer["token"].as_str();
    token.inspect(|token| secrets.add_token(token));
    usize::from(token.is_some())
}
