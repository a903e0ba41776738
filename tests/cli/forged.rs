//! The forged tokens of tests/session/forged, sent to the real binary.

use std::collections::BTreeMap;

use http::HeaderValue;
use reqwest::Method;
use serde_json::Value;
use usher::session::{Cause, Refusal};

use crate::session::forged::{Forgery, IssuerSet, families, fits_a_header};
use crate::support::{CommandLine, Server, send};

#[tokio::test(flavor = "multi_thread")]
async fn each_is_a_401_and_its_cause_is_in_the_log_alone() {
    let issuers = IssuerSet::new();
    let context = CommandLine::with_files([("config/policy.toml", &IssuerSet::policy())]);
    let more = [("USHER__SESSION__ISSUERS", &*issuers.variable), ("USHER__LIMITS__PER_ADDRESS", "off")];
    let server = Server::with(&context, &more).await;
    let forgeries = families().into_iter().flat_map(|(_, forgeries)| forgeries);
    let forgeries: Vec<Forgery> = forgeries.filter(|forgery| fits_a_header(&forgery.token)).collect();
    for (number, Forgery { name, of, token, why, .. }) in forgeries.iter().enumerate() {
        let credential = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).unwrap();
        let request = server.request(Method::POST, "/chat-token").header("authorization", credential);
        let response = send(request.header("x-request-id", number.to_string())).await;
        let code = if *why == Refusal::Expired { "session_expired" } else { "session_invalid" };
        assert_eq!(response.problem(), (401, code.to_owned()), "{name}, of {of:?}: {token}");
        assert!(!response.body.contains(&why.to_string()), "{name}, of {of:?}: {response:?}");
    }
    assert_eq!(server.sandbox.received().len(), 0, "something was minted");

    let (_, stderr) = server.stop();
    let lines = stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let causes = lines.filter(|line| line["message"] == "answered").map(|line| {
        (line["request_id"].as_str().unwrap().to_owned(), line["cause"].as_str().unwrap_or_default().to_owned())
    });
    let causes: BTreeMap<String, String> = causes.collect();
    for (number, Forgery { name, of, token, why, .. }) in forgeries.iter().enumerate() {
        // Nothing, or what is not ASCII, is no credential in the first place.
        let is_bearer = !token.is_empty() && token.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
        let why = if is_bearer { why.clone() } else { Refusal::Invalid(Cause::NotBearer) };
        assert_eq!(causes[&number.to_string()], why.to_string(), "{name}, of {of:?}");
    }
}
