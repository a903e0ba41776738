//! `/live`, `/ready` and `/problems`: for machines that keep the service running, and for people who met a problem.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use usher::api::Code;
use usher::session::{IssuerSettings, KeySettings};

use crate::support::ISSUER;
use crate::support::Response;
use crate::support::send;
use crate::support::service::{Service, Setup, issuer};

async fn asked(service: &Service, method: Method, path: &str) -> Response {
    send(service.request(method, path)).await
}

/// An issuer whose keys nobody can have.
fn without_keys(name: &str, iss: &str) -> IssuerSettings {
    let url = "https://127.0.0.1:9/jwks.json".parse().unwrap();
    IssuerSettings { keys: KeySettings::JwksUrl(url), ..issuer(name, iss) }
}

#[tokio::test]
async fn a_service_with_keys_is_live_and_ready() {
    let service = Service::start().await;
    for (path, word) in [("/live", "live"), ("/ready", "ready"), ("/ready?x=1", "ready")] {
        let seen = asked(&service, Method::GET, path).await;
        assert_eq!((seen.status, seen.json()), (200, json!({"status": word})), "{path}");
        seen.assert_guarded(path);
        let head = asked(&service, Method::HEAD, path).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        asked(&service, Method::POST, path).await.assert_problem(path, Code::MethodNotAllowed);
    }
}

#[tokio::test]
async fn without_any_key_it_is_live_and_not_ready_and_does_not_say_why() {
    let issuers = vec![without_keys("secretalias", ISSUER)];
    let policy = "version = 1\n[roles.a.channels]\n\"x\" = [\"read\"]\n".to_owned();
    let service = Service::with(Setup { policy, issuers, ..Setup::default() }).await;
    assert_eq!(asked(&service, Method::GET, "/live").await.status, 200);
    let seen = asked(&service, Method::GET, "/ready").await;
    seen.assert_problem("no keys", Code::NotReady);
    assert!(!seen.body.contains("secretalias") && !seen.body.contains(ISSUER), "{seen:?}");
    assert_eq!(asked(&service, Method::HEAD, "/ready").await.status, 503);
}

#[tokio::test]
async fn one_issuer_with_keys_is_enough() {
    let issuers = vec![issuer("app", ISSUER), without_keys("app", "https://other.example.com/")];
    let service = Service::with(Setup { issuers, ..Setup::default() }).await;
    assert_eq!(asked(&service, Method::GET, "/ready").await.status, 200);
}

#[tokio::test]
async fn the_page_of_problems_has_what_each_type_points_to() {
    let service = Service::start().await;
    let seen = asked(&service, Method::GET, "/problems").await;
    assert_eq!((seen.status, seen.header("content-type")), (200, Some("text/html; charset=utf-8")));
    for code in Code::ALL {
        let row = code.row();
        assert_eq!(seen.body.matches(&format!("id=\"{}\"", row.code)).count(), 1, "{code:?}");
        let section = seen.body.split(&format!("id=\"{}\"", row.code)).nth(1).unwrap();
        let section = section.split("</section>").next().unwrap();
        // Texts without marks stand there as they are.
        for text in [row.title, row.means, row.client, row.operator] {
            let start: String = text.chars().take_while(|c| !['`', '"', '<', '&'].contains(c)).collect();
            assert!(section.contains(&start), "{code:?}: {start}");
        }
    }
    for fault in usher::chat::FaultCode::ALL {
        assert!(seen.body.contains(&format!("<code>{}</code>", fault.about().0)), "{fault:?}");
    }
    assert!(!seen.body.contains('`'), "every mark became an element");
    for tag in ["main", "section", "nav", "table", "dl", "code", "style"] {
        let count = |text: String| seen.body.matches(&text).count();
        assert_eq!(count(format!("<{tag}>")) + count(format!("<{tag} ")), count(format!("</{tag}>")), "{tag}");
    }
}

#[tokio::test]
async fn the_page_may_do_nothing_but_look_as_it_does() {
    let service = Service::start().await;
    let seen = asked(&service, Method::GET, "/problems").await;
    let style = seen.body.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = STANDARD.encode(Sha256::digest(style));
    let policy = seen.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(seen.header("cache-control"), Some("public, max-age=3600"));
    assert_eq!(seen.header("x-content-type-options"), Some("nosniff"));
    for from_elsewhere in ["<script", "http://", "https://", "url(", "@import", " style="] {
        assert!(!seen.body.contains(from_elsewhere), "{from_elsewhere}");
    }
}
