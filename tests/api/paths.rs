//! Which paths and methods there are: exact ones.

use axum_test::TestServer;
use http::Method;
use usher::api::Code;

use crate::support::service::{Service, Setup, router};
use crate::support::session;
use crate::support::{Response, raw};

fn server() -> TestServer {
    TestServer::builder().http_transport().build(router(Setup::default(), "http://127.0.0.1:9"))
}

fn seen(response: &axum_test::TestResponse) -> Response {
    Response { status: response.status_code().as_u16(), headers: response.headers().clone(), body: response.text() }
}

#[tokio::test]
async fn a_path_that_is_not_exact_is_not_found_by_any_method() {
    let server = server();
    for path in [
        "/",
        "/chat-token/",
        "/Chat-Token",
        "/chat-tokens",
        "/chat",
        "/chat-token/grants/",
        "/chat-token/Grants",
        "/chat-token/grants/x",
        "/v1/chat-token",
        "/favicon.ico",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::OPTIONS] {
            let response = server.method(method.clone(), path).await;
            seen(&response).assert_problem(&format!("{method} {path}"), Code::NotFound);
        }
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_told_those_that_it_has() {
    let server = server();
    let post: [Method; 7] =
        [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE];
    let get: [Method; 6] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE];
    for (path, others, allowed) in [("/chat-token", &post[..], "POST"), ("/chat-token/grants", &get[..], "GET,HEAD")] {
        for method in others {
            let response = server.method(method.clone(), path).await;
            let case = format!("{method} {path}");
            let seen = seen(&response);
            if *method == Method::HEAD {
                assert_eq!((seen.status, seen.body.as_str()), (405, ""), "{case}");
            } else {
                seen.assert_problem(&case, Code::MethodNotAllowed);
            }
            let mut allow: Vec<_> = seen.header("allow").unwrap().split(',').map(str::trim).collect();
            allow.sort_unstable();
            assert_eq!(allow.join(","), allowed, "{case}");
        }
    }
}

#[tokio::test]
async fn paths_are_compared_byte_for_byte_and_the_query_not_at_all() {
    let service = Service::start().await;
    let session = session("alice", &["customer"]);
    let sent = async |target: &str| {
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        raw(&service.url, format!("{head}Authorization: Bearer {session}\r\n\r\n")).await
    };
    for target in ["/chat-token", "/chat-token?", "/chat-token?ttl=99&mode=wide&x=%00", "/chat-token?a=/grants"] {
        assert_eq!(sent(target).await.status, 200, "{target}");
    }
    for target in [
        "/chat%2Dtoken",
        "/chat%2dtoken",
        "/%63hat-token",
        "//chat-token",
        "/./chat-token",
        "/x/../chat-token",
        "/chat-token%00",
        "/chat-token%20",
        "/chat-token;x=1",
        "/chat-token%3Fx",
        "/chat-token//grants",
    ] {
        sent(target).await.assert_problem(target, Code::NotFound);
    }
}

#[tokio::test]
async fn head_works_where_get_does() {
    let service = Service::start().await;
    let session = session("alice", &["customer"]);
    let by = async |method: &str, credential: &str| {
        let head = format!("{method} /chat-token/grants HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        raw(&service.url, format!("{head}Authorization: {credential}\r\n\r\n")).await
    };
    for (credential, status) in [(format!("Bearer {session}"), 200), ("Bearer x".to_owned(), 401)] {
        let (get, head) = (by("GET", &credential).await, by("HEAD", &credential).await);
        assert_eq!((get.status, head.status), (status, status));
        assert!(!get.body.is_empty() && head.body.is_empty(), "{head:?}");
        head.assert_guarded("HEAD");
        for name in ["content-type", "www-authenticate"] {
            assert_eq!(get.header(name), head.header(name), "{name}");
        }
    }
}
