//! The page of `usher dev` and the routes that it alone needs, over the real binary's socket.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN};
use serde_json::{Value, json};

use super::dev::Dev;
use crate::support::{Client, CommandLine, Response, Server, send, wait_for};

const FILES: [&str; 9] = [
    "/",
    "/page/style.css",
    "/page/icon.svg",
    "/page/main.js",
    "/page/dom.js",
    "/page/usher.js",
    "/page/answer.js",
    "/page/chat.js",
    "/page/relay.js",
];

async fn get(url: &str, path: &str) -> Response {
    Client::new(url).get(path).await
}

async fn post(url: &str, path: &str, body: impl Into<String>) -> Response {
    let request = Client::new(url).request(Method::POST, path).header(CONTENT_TYPE, "application/json");
    send(request.body(body.into())).await
}

async fn session(url: &str, wanted: Value) -> String {
    let answer = post(url, "/dev/session", wanted.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["token"].as_str().unwrap().to_owned()
}

async fn explanation(url: &str, wanted: Value) -> Value {
    let answer = post(url, "/dev/explain", wanted.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[tokio::test]
async fn every_file_comes_with_a_strict_policy_and_all_are_small() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let url = dev.url();
    let relay = get(&url, "/dev/world").await.json()["relay"].as_str().unwrap().to_owned();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {relay}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    let mut size = 0;
    for path in FILES {
        let answer = get(&url, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-security-policy"), Some(policy.as_str()), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let media_type = match path.rsplit('.').next().unwrap() {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(answer.header("content-type"), Some(media_type), "{path}");
        assert!(!answer.body.contains("https://"), "{path} names no other host");
        size += answer.body.len();

        let head = send(Client::new(&url).request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(head.header("content-length"), Some(answer.body.len().to_string().as_str()));
        let put = send(Client::new(&url).request(Method::PUT, path)).await;
        assert_eq!(put.problem(), (405, "method_not_allowed".to_owned()));
        assert_eq!(put.headers[ALLOW], "GET,HEAD");
    }
    assert!(size <= 60 * 1024, "{size} bytes");
    // What is in the folder is what is served.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dev/page");
    let there: u64 = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(usize::try_from(there).unwrap(), size);
    let page = get(&url, "/").await.body;
    assert!(!page.contains("style=") && !page.contains("<style") && !page.contains(" onclick"), "nothing inline");
    assert_eq!(get(&url, "/page/").await.problem(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn the_world_is_the_policy_in_force_and_tells_of_a_file_with_faults() {
    let place = CommandLine::with_policy();
    let dev = Dev::start(place, &[]);
    let url = dev.url();
    let world = get(&url, "/dev/world").await.json();
    assert_eq!((&world["policy"]["path"], &world["is_file"]), (&json!("config/policy.toml"), &json!(true)));
    assert_eq!(world["policy"]["last_error"], Value::Null);
    assert!(world["roles"].as_array().unwrap().contains(&json!("customer")), "{world}");
    dev.place.write("config/policy.toml", "version = 1\n[roles.only.channels]\n\"lobby\" = [\"read\"]\n");
    let changed = until(&url, |world| world["roles"] == json!(["only"])).await;
    assert_ne!(changed["policy"]["sha256"], world["policy"]["sha256"]);
    let asked = json!({"session": session(&url, json!({"sub": "a", "roles": ["only"]})).await, "ask": ""});
    assert_eq!(explanation(&url, asked).await["words"][0], "allowed by \"lobby\" of only (config/policy.toml:3)");
    dev.place.write("config/policy.toml", "version = 1\n[rolls]\n");
    let faulty = until(&url, |world| world["policy"]["last_error"].is_object()).await;
    assert_eq!(faulty["policy"]["sha256"], changed["policy"]["sha256"]);
    let fault = faulty["policy"]["last_error"]["faults"][0].as_str().unwrap();
    assert!(fault.starts_with("config/policy.toml:2:"), "{fault}");

    let built_in = Dev::start(CommandLine::empty(), &[]);
    let world = get(&built_in.url(), "/dev/world").await.json();
    assert_eq!((&world["policy"]["path"], &world["is_file"]), (&json!("the built-in policy"), &json!(false)));
}

/// The world, as soon as it is so.
async fn until(url: &str, so: impl Fn(&Value) -> bool) -> Value {
    let client = Client::new(url);
    wait_for(Duration::from_secs(20), async || {
        let world = client.get("/dev/world").await.json();
        if so(&world) { Ok(world) } else { Err(world) }
    })
    .await
}

#[tokio::test]
async fn a_session_is_taken_by_the_service_and_claims_win() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let url = dev.url();
    let granted = async |wanted: Value| {
        let request =
            Client::new(&url).request(Method::GET, "/chat-token/grants").bearer_auth(session(&url, wanted).await);
        send(request).await.json()
    };
    let bob = granted(json!({"sub": "bob", "roles": ["agent"]})).await;
    assert_eq!((&bob["member_id"], &bob["roles"]), (&json!("bob"), &json!(["agent", "customer"])));
    let carol =
        granted(json!({"sub": "bob", "claims": {"sub": "carol", "roles": "moderator", "projects": ["x"]}})).await;
    assert_eq!((&carol["member_id"], &carol["channels"]["project:x"]["read"]), (&json!("carol"), &json!(true)));
    assert_eq!(granted(json!({"claims": {"sub": "dan"}})).await["member_id"], "dan");
}

#[tokio::test]
async fn an_explanation_is_that_of_explain_and_every_right_is_in_words() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let url = dev.url();
    let customer = session(&url, json!({"sub": "alice", "roles": ["customer"], "lives_for": 600})).await;
    let told = explanation(&url, json!({"session": customer, "ask": ""})).await;
    let explained = &told["explanation"];
    assert_eq!((&explained["decision"], &explained["member_id"]), (&json!("granted"), &json!("alice")));
    assert_eq!(
        (&explained["ttl"]["limited_by"], &explained["upstream"]["member_id"]),
        (&json!("session"), &json!("alice"))
    );
    assert_eq!(explained["rights"].as_array().unwrap().len(), told["words"].as_array().unwrap().len());
    assert_eq!(told["words"][0], "allowed by \"announcements\" of customer (the built-in policy:19)");

    let ask = r#"{"channels":{"desk":{"read":true}}}"#;
    let told = explanation(&url, json!({"session": customer, "ask": ask})).await;
    assert_eq!((&told["explanation"]["decision"], &told["explanation"]["upstream"]), (&json!("denied"), &Value::Null));
    assert_eq!(told["explanation"]["problem"], "channels_denied");
    assert!(told["words"][0].as_str().unwrap().contains("agent"), "{told}");

    let faulty = explanation(&url, json!({"session": customer, "ask": r#"{"ttl":0,"chanels":{}}"#})).await;
    assert_eq!((&faulty["explanation"]["problem"], &faulty["words"]), (&json!("invalid_request"), &json!([])));
    let broken = explanation(&url, json!({"session": customer, "ask": "{"})).await;
    assert_eq!(broken["explanation"]["problem"], "malformed_request");
    let nobody = session(&url, json!({"sub": "alice", "roles": ["muted"]})).await;
    let nothing = explanation(&url, json!({"session": nobody, "ask": ""})).await;
    assert_eq!(nothing["explanation"]["problem"], "nothing_granted");
    assert_eq!(nothing["words"][0], "the session has the roles muted");
    let guest = explanation(&url, json!({"session": null})).await;
    assert_eq!(guest["explanation"]["roles"], json!(["visitor"]));
}

#[tokio::test]
async fn bad_input_is_a_problem() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let url = dev.url();
    for (path, body, status, code) in [
        ("/dev/session", "", 400, "malformed_request"),
        ("/dev/session", "{", 400, "malformed_request"),
        ("/dev/session", r#"{"sub":"a","sub":"b"}"#, 400, "malformed_request"),
        ("/dev/session", "{}", 422, "invalid_request"),
        ("/dev/session", r#"{"claims":{"sub":7}}"#, 422, "invalid_request"),
        ("/dev/session", r#"{"sub":7}"#, 422, "invalid_request"),
        ("/dev/session", r#"{"sub":"a","role":["customer"]}"#, 422, "invalid_request"),
        ("/dev/session", r#"{"sub":"a","lives_for":0}"#, 422, "invalid_request"),
        ("/dev/session", r#"{"sub":"a","lives_for":2592001}"#, 422, "invalid_request"),
        ("/dev/explain", "[]", 422, "invalid_request"),
        ("/dev/explain", r#"{"session":"x","ask":{}}"#, 422, "invalid_request"),
        ("/dev/explain", r#"{"session":"x.y.z"}"#, 401, "session_invalid"),
    ] {
        assert_eq!(post(&url, path, body).await.problem(), (status, code.to_owned()), "{path} {body}");
    }
    let large = format!(r#"{{"sub":"{}"}}"#, "a".repeat(70_000));
    assert_eq!(post(&url, "/dev/session", large).await.problem(), (413, "body_too_large".to_owned()));
    let untyped = send(Client::new(&url).request(Method::POST, "/dev/session").body(r#"{"sub":"a"}"#)).await;
    assert_eq!(untyped.problem(), (415, "unsupported_media_type".to_owned()));
    for (path, method, allow) in [("/dev/world", Method::POST, "GET,HEAD"), ("/dev/session", Method::GET, "POST")] {
        let answer = send(Client::new(&url).request(method, path)).await;
        assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()));
        assert_eq!(answer.headers[ALLOW], allow);
    }
}

#[tokio::test]
async fn no_page_of_elsewhere_is_served() {
    let dev = Dev::start(CommandLine::empty(), &[]);
    let url = dev.url();
    let with = async |origin: &str, path: &str, body: Option<&str>| {
        let request = Client::new(&url).request(if body.is_some() { Method::POST } else { Method::GET }, path);
        let request = request.header(ORIGIN, origin).header(CONTENT_TYPE, "application/json");
        send(request.body(body.unwrap_or_default().to_owned())).await
    };
    for origin in ["https://evil.example", "null", "http://localhost.evil.example", "https://localhost"] {
        for (path, body) in
            [("/dev/world", None), ("/dev/session", Some(r#"{"sub":"a"}"#)), ("/dev/explain", Some("{}"))]
        {
            let answer = with(origin, path, body).await;
            assert_eq!(answer.problem(), (403, "origin_refused".to_owned()), "{origin} {path}");
            assert!(!answer.headers.contains_key("access-control-allow-origin"));
        }
    }
    for origin in [url.as_str(), "http://localhost:3000"] {
        assert_eq!(with(origin, "/dev/session", Some(r#"{"sub":"a"}"#)).await.status, 200, "{origin}");
    }
    for path in FILES.into_iter().chain(["/dev/world"]) {
        let rebound = Client::new(&url).request(Method::GET, path).header(HOST, "evil.example");
        assert_eq!(send(rebound).await.problem(), (403, "origin_refused".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn serve_has_nothing_of_it() {
    let serving = Server::with(&CommandLine::with_policy(), &[("SIGNALWIRE_SPACE", "http://127.0.0.1:9")]).await;
    let url = serving.url.clone();
    for path in FILES.into_iter().chain(["/dev/world", "/dev/session", "/dev/explain"]) {
        assert_eq!(get(&url, path).await.problem(), (404, "not_found".to_owned()), "{path}");
        assert_eq!(post(&url, path, "{}").await.problem(), (404, "not_found".to_owned()), "{path}");
    }
}
