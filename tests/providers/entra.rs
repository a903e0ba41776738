//! Microsoft Entra ID: access tokens for an API, by keys that do not say their algorithm.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use usher::chat::ClaimedRoles;
use usher::session::Cause;

use super::{Keys, NearMisses, POLICY, Usher, but, credentials, edited, load, load_with, now, option, rsa};
use crate::support::keys::Signer;
use crate::support::{CommandLine, Server, send, with};

const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const API: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const SUB: &str = "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ";
const OID: &str = "690222be-ff1a-4d56-abd1-7e4f7d38e474";
const GROUP: &str = "5f2f1c9e-0c6b-4b4e-9d7c-0b1d5b0f7a10";

fn header() -> Value {
    json!({"typ": "JWT", "kid": "jS1Xo1OWDj_52vbwGNgvQO2VzMc"})
}

/// As `…/discovery/v2.0/keys` has them: no `alg`.
fn published(signer: &Signer) -> Vec<Value> {
    let published = |signer: &Signer, kid: &Value| {
        let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
        signer.jwk(&json!({"use": "sig", "kid": kid, "x5t": kid, "x5c": ["MIIC/jCCAeagAwIBAgIJ"], "issuer": issuer}))
    };
    let keys = vec![published(&rsa(), &json!("2ZQpJ3UpbjAYXYGaXEJl8lV0TOI")), published(signer, &header()["kid"])];
    assert!(keys.iter().all(|key| key.get("alg").is_none()));
    keys
}

fn keys(signer: &Signer) -> Keys {
    Keys::Set(published(signer))
}

/// An access token of version 2, with an app role.
fn access() -> Value {
    json!({
        "aud": API,
        "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        "iat": now(),
        "nbf": now(),
        "exp": now() + 4_500,
        "aio": "AXQAi/8IAAAAtAaZLo3ChMif6KOnttRB7eBq4/DccQzjcJGxPWy",
        "azp": "11112222-bbbb-3333-cccc-4444dddd5555",
        "azpacr": "0",
        "name": "Abe Lincoln",
        "oid": OID,
        "preferred_username": "abeli@example.com",
        "rh": "0.ARoAv4j5cvGGr0GRqy180BHbRxAQAAAA",
        "roles": ["agent"],
        "scp": "chat",
        "sub": SUB,
        "tid": TENANT,
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    })
}

/// The same user's, of version 1.
fn access_of_version_1() -> Value {
    json!({
        "aud": format!("api://{API}"),
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "iat": now(),
        "nbf": now(),
        "exp": now() + 4_500,
        "acr": "1",
        "aio": "AXQAi/8IAAAAFm+E/QTG+gFnVxLjWdw8K+61AGrSOuMMF6ebaMj7XO3Ibm",
        "amr": ["pwd", "mfa"],
        "appid": "11112222-bbbb-3333-cccc-4444dddd5555",
        "appidacr": "0",
        "ipaddr": "203.0.113.7",
        "name": "Abe Lincoln",
        "oid": OID,
        "rh": "I",
        "roles": ["agent"],
        "scp": "chat",
        "sub": SUB,
        "tid": TENANT,
        "unique_name": "abeli@example.com",
        "uti": "FVsGxYXI30-TuikuUoFAA",
        "ver": "1.0",
    })
}

/// What stands in place of the groups of a user with too many: by the code flow, and by the implicit one.
fn overages() -> [(&'static str, Value); 3] {
    let endpoint = format!("https://graph.windows.net/{TENANT}/users/{OID}/getMemberObjects");
    let names = json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": endpoint}}});
    [("_claim_names", names), ("hasgroups", json!({"hasgroups": true})), ("as text", json!({"hasgroups": "true"}))]
}

#[tokio::test]
async fn access_tokens_for_the_api_are_sessions() {
    let signer = rsa();
    let loaded = load("entra", &keys(&signer));
    let usher = Usher::of(&loaded).await;
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    usher.takes("with an app role", &sign(&access()), &["agent"], &["agent", "customer"], SUB).await;
    usher.takes("without", &sign(&but(access(), &json!({"roles": null}))), &[], &["customer"], SUB).await;
    // Whether there are too many groups matters only to whoever reads groups.
    for (case, marker) in overages() {
        usher.takes(case, &sign(&but(access(), &marker)), &["agent"], &["agent", "customer"], SUB).await;
    }
    let usher = Usher::with_member(&loaded, "{oid}").await;
    usher.takes("known by oid", &sign(&access()), &["agent"], &["agent", "customer"], OID).await;
}

/// Tokens that are almost sessions.
pub(super) fn near_misses() -> NearMisses {
    let signer = rsa();
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    let mut all = NearMisses::new(load("entra", &keys(&signer)), sign(&access()));
    let id = but(
        access(),
        &json!({"aud": "11112222-bbbb-3333-cccc-4444dddd5555", "azp": null, "azpacr": null, "scp": null, "nonce": "x"}),
    );
    all.add("the front end's ID token", &sign(&id), Cause::Audience);
    let other = json!({"aud": "99998888-aaaa-2222-bbbb-3333cccc4444"});
    all.add("for another API", &sign(&but(access(), &other)), Cause::Audience);
    all.add("by its URI", &sign(&but(access(), &json!({"aud": format!("api://{API}")}))), Cause::Audience);
    let tenant = "99990000-0000-cccc-1111-dddd2222eeee";
    let tenant = json!({"iss": format!("https://login.microsoftonline.com/{tenant}/v2.0"), "tid": tenant});
    all.add("another tenant's", &sign(&but(access(), &tenant)), Cause::Issuer);
    let with_x5t = but(header(), &json!({"x5t": header()["kid"]}));
    all.add("of version 1", &signer.sign_with(&with_x5t, &access_of_version_1()), Cause::Issuer);
    let graph =
        json!({"aud": "00000003-0000-0000-c000-000000000000", "iss": format!("https://sts.windows.net/{TENANT}/")});
    let header_of_graph = but(with_x5t, &json!({"nonce": "bjhUd0F2"}));
    all.add("Graph's", &signer.sign_with(&header_of_graph, &but(access(), &graph)), Cause::Issuer);
    // A key without `alg` verifies RS256 and nothing else.
    let other = signer.by(Algorithm::RS384).sign_with(&header(), &access());
    all.add("by another algorithm", &other, Cause::NoKeyFits);
    all
}

#[tokio::test]
async fn what_is_not_for_the_api_is_refused() {
    near_misses().are_refused().await;
}

#[tokio::test]
async fn tokens_of_version_1_have_settings_of_their_own() {
    let signer = rsa();
    let issuer = format!("issuer = \"https://sts.windows.net/{TENANT}/\"");
    let audiences = format!("audiences = [\"api://{API}\"]");
    let usher = Usher::of(&load_with("entra", &keys(&signer), &[&issuer, &audiences])).await;
    let header = but(header(), &json!({"x5t": header()["kid"]}));
    let token = signer.sign_with(&header, &access_of_version_1());
    usher.takes("of version 1", &token, &["agent"], &["agent", "customer"], SUB).await;
    usher.refuses("of version 2", &signer.sign_with(&header, &access()), Cause::Issuer).await;
}

#[tokio::test]
async fn too_many_groups_are_nothing_and_never_the_default_role() {
    let signer = rsa();
    let loaded = load_with("entra", &keys(&signer), &[&option("entra", "roles")]);
    let usher = Usher::with_policy(&loaded, &POLICY.replace("support-agents", GROUP)).await;
    let sign = |claims: &Value| signer.sign_with(&header(), claims);
    let few = sign(&but(access(), &json!({"groups": [GROUP, "00000000-0c6b-4b4e-9d7c-0b1d5b0f7a10"]})));
    let claimed = [GROUP, "00000000-0c6b-4b4e-9d7c-0b1d5b0f7a10"];
    usher.takes("few groups", &few, &claimed, &["agent", "customer"], SUB).await;
    usher.takes("no groups", &sign(&access()), &[], &["customer"], SUB).await;
    for (case, marker) in overages() {
        let token = sign(&but(access(), &marker));
        assert_eq!(usher.verify(&token).unwrap().roles, ClaimedRoles::Withheld, "{case}");
        usher.answers(case, &token, 403, "nothing_granted").await;
        let (status, grants) = usher.service.grants(&token).await.read();
        assert_eq!((status, &grants["roles"], &grants["channels"]), (200, &json!([]), &json!({})), "{case}");
        assert_eq!(grants["patterns"], json!([]), "{case}");
    }
}

/// In the words that the docs quote.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_and_the_audit_event_say_that_there_were_too_many() {
    let why = "the provider put a marker of too many groups in place of the claim that roles are read from";
    let docs = include_str!("../../docs/providers.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(docs.contains(why));
    let signer = rsa();
    let context = CommandLine::with_files([
        ("policy.toml", POLICY),
        ("jwks.json", &json!({"keys": published(&signer)}).to_string()),
        ("entra.toml", &edited("entra", "jwks_file = \"jwks.json\"", &[&option("entra", "roles")])),
    ]);
    let server = Server::start(&context, &["serve", "--config", "entra.toml"], |space| {
        let variables = credentials(space).into_iter().map(|(name, value)| (name.to_owned(), value));
        let variables = with(variables.collect(), "USHER__SERVER__LISTEN", "127.0.0.1:0");
        with(variables, "USHER__POLICY__FILE", "policy.toml")
    })
    .await;
    let running = &server.running;
    for (index, (case, marker)) in overages().into_iter().enumerate() {
        let id = format!("request-{index}");
        let token = signer.sign_with(&header(), &but(access(), &marker));
        let answer = send(server.mint_request(token).header("x-request-id", &id)).await;
        assert_eq!(answer.status, 403, "{case}");
        assert!(!answer.body.contains("group"), "{case}: the client is not told: {answer:?}");

        let of_it = |stderr: &str| {
            let lines = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.filter(|line| line["request_id"] == *id).collect::<Vec<_>>()
        };
        running.wait_for(|_, stderr| of_it(stderr).len() == 2);
        let lines = of_it(&running.stderr());
        let event = lines.iter().find(|line| line["event"] == "audit").unwrap();
        assert_eq!((&event["code"], &event["reason"]), (&json!("nothing_granted"), &json!(why)), "{case}");
        assert_eq!((&event["roles_claimed"], &event["subject"]), (&Value::Null, &json!(SUB)), "{case}");
        let answered = lines.iter().find(|line| line["message"] == "answered").unwrap();
        assert_eq!(answered["code"], "nothing_granted", "{case}");
        assert!(answered["cause"].as_str().unwrap().contains(why), "{case}: {answered}");
    }
}
