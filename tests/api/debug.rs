//! What holds a secret never shows it in `Debug`.

use secrecy::SecretString;
use usher::signalwire::{Client, SignalWireSettings};

use crate::support::service::{Setup, app, issuer};
use crate::support::{API_TOKEN, ISSUER, PROJECT, SECRET};

#[tokio::test]
async fn no_debug_shows_a_secret() {
    let settings = SignalWireSettings {
        space: "http://127.0.0.1:1".parse().unwrap(),
        project_id: PROJECT.to_owned(),
        api_token: SecretString::from(API_TOKEN),
        connect_timeout: std::time::Duration::from_secs(1),
        timeout: std::time::Duration::from_secs(1),
        max_in_flight: 1,
        max_queued: 0,
        api_token_file: None,
        ca_file: None,
    };
    let client = Client::new(&settings).unwrap();
    let issuer = issuer("app", ISSUER);
    let app = app(Setup::default(), "http://127.0.0.1:1");
    let shown = format!("{settings:?} {settings:#?} {client:?} {issuer:?} {:?} {app:?} {app:#?}", issuer.keys);
    assert!(shown.contains("SignalWireSettings") && shown.contains("Verifier") && shown.len() > 500, "{shown}");
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{PROJECT}:{API_TOKEN}"));
    let bytes = format!("{:?}", SECRET.as_bytes());
    for secret in [API_TOKEN, SECRET, &basic, bytes.trim_matches(['[', ']'])] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
