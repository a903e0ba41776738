//! Connections to SignalWire: what is sent on them, which protocol is spoken, whose certificate is trusted, how long they may
//! take, and what becomes of one that was closed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use usher::chat::causes;
use usher::signalwire::{Client, MintFault, SignalWireSettings};

use crate::support::tls::Certificate;
use crate::support::{API_TOKEN, PROJECT};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(400);

fn client(space: &str, ca_file: Option<PathBuf>) -> Client {
    let settings = SignalWireSettings {
        connect_timeout: CONNECT_TIMEOUT,
        timeout: Duration::from_secs(10),
        max_in_flight: 10,
        ca_file,
        ..SignalWireSettings::new(space.parse().unwrap(), PROJECT, SecretString::from(API_TOKEN))
    };
    Client::new(&settings).unwrap()
}

/// A SignalWire that takes whatever it is asked for a request that asks for nothing.
struct Upstream {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<Parts>>>,
}

impl Upstream {
    async fn plain() -> Self {
        Self::start(None).await
    }

    /// Under TLS with this certificate, and these protocols to choose from.
    async fn tls(certificate: &Certificate, protocols: &[&str]) -> Self {
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate.der.clone()], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Self::start(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<Parts>>>::default());
        let upstream = Self { address: listener.local_addr().unwrap(), connections, requests };
        let (connections, requests) = (Arc::clone(&upstream.connections), Arc::clone(&upstream.requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (tls, requests) = (tls.clone(), Arc::clone(&requests));
                tokio::spawn(async move {
                    let Some(tls) = tls else { return speak(TokioIo::new(stream), false, requests).await };
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let is_http_2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    speak(TokioIo::new(stream), is_http_2, requests).await;
                });
            }
        });
        upstream
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn requests(&self) -> Vec<Parts> {
        self.requests.lock().unwrap().clone()
    }
}

async fn speak(stream: impl Read + Write + Unpin + 'static, is_http_2: bool, requests: Arc<Mutex<Vec<Parts>>>) {
    let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
        let requests = Arc::clone(&requests);
        async move {
            let (head, body) = request.into_parts();
            assert_eq!(body.collect().await.unwrap().to_bytes(), "{}");
            requests.lock().unwrap().push(head);
            let mut answer = Response::new(Full::new(Bytes::from_static(b"{}")));
            *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Ok::<_, Infallible>(answer)
        }
    });
    let _ = if is_http_2 {
        http2::Builder::new(TokioExecutor::new()).serve_connection(stream, answer).await
    } else {
        http1::Builder::new().serve_connection(stream, answer).await
    };
}

/// The names of a request's headers, sorted.
fn names(request: &Parts) -> Vec<&str> {
    let mut names: Vec<_> = request.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn nothing_is_sent_but_what_must_be() {
    let upstream = Upstream::plain().await;
    let client = client(&format!("http://{}", upstream.address), None);
    client.probe().await.unwrap();
    let requests = upstream.requests();
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.uri.to_string()), ("POST", "/api/chat/tokens".to_owned()));
    assert_eq!(request.version, Version::HTTP_11);
    assert_eq!(names(request), ["authorization", "content-length", "content-type", "host"]);
    let credentials = STANDARD.encode(format!("{PROJECT}:{API_TOKEN}"));
    assert_eq!(request.headers["authorization"], format!("Basic {credentials}"));
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["host"], upstream.address.to_string());
}

#[tokio::test]
async fn http_2_where_it_is_offered_and_http_1_1_otherwise() {
    let certificate = Certificate::new();
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, &certificate.pem).unwrap();
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&["http/1.1", "h2"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let upstream = Upstream::tls(&certificate, protocols).await;
        let client = client(&format!("https://{}", upstream.address), Some(ca_file.clone()));
        for _ in 0..3 {
            client.probe().await.unwrap();
        }
        assert_eq!(upstream.connections(), 1, "{protocols:?}");
        let requests = upstream.requests();
        let versions: Vec<_> = requests.iter().map(|request| request.version).collect();
        assert_eq!(versions, [version; 3], "{protocols:?}");
        // By HTTP/2 the host stands beside the path (RFC 9113 §8.3.1).
        let host = if version == Version::HTTP_2 { None } else { Some("host") };
        let wanted = ["authorization", "content-length", "content-type"].into_iter().chain(host);
        assert_eq!(names(&requests[2]), wanted.collect::<Vec<_>>(), "{protocols:?}");
        if version == Version::HTTP_2 {
            assert_eq!(requests[0].uri.to_string(), format!("https://{}/api/chat/tokens", upstream.address));
        }
    }
}

#[tokio::test]
async fn only_the_ca_files_certificates_are_trusted_and_new_ones_once_it_was_read_again() {
    let (ours, other) = (Certificate::new(), Certificate::new());
    let upstream = Upstream::tls(&ours, &["http/1.1"]).await;
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, &other.pem).unwrap();
    let client = client(&format!("https://{}", upstream.address), Some(ca_file.clone()));
    let fault = client.probe().await.unwrap_err();
    assert!(matches!(fault, MintFault::Unreachable(_)), "{fault:?}");
    let said = causes(&fault);
    assert!(said.contains("certificate"), "{said}");
    let credentials = STANDARD.encode(format!("{PROJECT}:{API_TOKEN}"));
    for secret in ["://", "127.0.0.1", "api/chat", API_TOKEN, &credentials] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(upstream.requests().is_empty(), "the credentials went to a stranger");

    // One of several is enough.
    std::fs::write(&ca_file, other.pem + &ours.pem).unwrap();
    assert!(client.probe().await.is_err(), "nobody has read it yet");
    client.reread("signalwire.ca_file").unwrap();
    client.probe().await.unwrap();
    let cut = &ours.pem[..ours.pem.len() / 2];
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (case, text) in [
        ("empty", String::new()),
        ("no PEM", "x".to_owned()),
        ("a key", ours.key.clone()),
        ("cut off", cut.to_owned()),
        ("a good one and one that is none", ours.pem.clone() + broken),
    ] {
        std::fs::write(&ca_file, text).unwrap();
        let fault = client.reread("signalwire.ca_file").expect_err(case).to_string();
        assert!(fault.contains("holds no certificate as PEM"), "{case}: {fault}");
    }
    client.probe().await.expect("what was stays");
}

#[tokio::test]
async fn connect_timeout_ends_a_handshake_that_is_never_answered() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, Certificate::new().pem).unwrap();
    let client = client(&format!("https://{}", silent.local_addr().unwrap()), Some(ca_file));
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let begun = Instant::now();
    let fault = client.probe().await.unwrap_err();
    let took = begun.elapsed();
    assert!(matches!(fault, MintFault::Unreachable(_)), "{fault:?}");
    assert!(took >= CONNECT_TIMEOUT && took < CONNECT_TIMEOUT + Duration::from_secs(3), "{took:?}");
    assert!(causes(&fault).contains("connect_timeout"), "{}", causes(&fault));
    holding.abort();
}

#[tokio::test]
async fn a_connection_that_was_closed_while_nobody_used_it_costs_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()), None);
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answered);
    let closing = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0, "a request that ends before its body");
            }
            // It says that it keeps the connection, and does not.
            let answer = b"HTTP/1.1 422 Unprocessable Content\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer).await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    for call in 1..=5 {
        // One try each: there is no second one that would hide it.
        client.probe().await.unwrap_or_else(|fault| panic!("{call}: {}", causes(&fault)));
        assert_eq!(answered.load(Ordering::Relaxed), call);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    closing.abort();
}

#[tokio::test]
async fn a_connection_is_used_again_by_calls_that_follow_each_other() {
    let upstream = Upstream::plain().await;
    let client = client(&format!("http://{}", upstream.address), None);
    for _ in 0..10 {
        client.probe().await.unwrap();
    }
    assert_eq!((upstream.connections(), upstream.requests().len()), (1, 10));
}
