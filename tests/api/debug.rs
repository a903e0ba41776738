//! What holds a secret never shows it in `Debug`.

use secrecy::SecretString;
use usher::signalwire::{Client, SignalWireSettings};

use crate::support::service::{Setup, build, issuer};
use crate::support::{API_TOKEN, ISSUER, PROJECT, SECRET};

#[tokio::test]
async fn no_debug_shows_a_secret() {
    let space = "http://127.0.0.1:1".parse().unwrap();
    let settings = SignalWireSettings::new(space, PROJECT, SecretString::from(API_TOKEN));
    let client = Client::new(&settings).unwrap();
    let issuer = issuer("app", ISSUER);
    let app = build(Setup::default(), "http://127.0.0.1:1").app().clone();
    let shown = format!("{settings:?} {settings:#?} {client:?} {issuer:?} {:?} {app:?} {app:#?}", issuer.keys);
    assert!(shown.contains("SignalWireSettings") && shown.contains("Verifier") && shown.len() > 500, "{shown}");
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{PROJECT}:{API_TOKEN}"));
    let bytes = format!("{:?}", SECRET.as_bytes());
    for secret in [API_TOKEN, SECRET, &basic, bytes.trim_matches(['[', ']'])] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
