//! Certificates, and clients that trust them.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use usher::listener::{Identity, Tls};

use super::http;

/// A certificate of its own making for `localhost` and 127.0.0.1, and its key.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        Self::of(&KeyPair::generate().unwrap(), |_| {})
    }

    /// With this key, and with something changed.
    pub(crate) fn of(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.self_signed(key).unwrap();
        Self { pem: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }

    /// A listener's, with this certificate.
    pub(crate) fn tls(&self) -> Arc<Tls> {
        let [pem, key] = [&self.pem, &self.key].map(|text| Ok(text.clone().into_bytes()));
        Arc::new(Tls::new(Identity::from_pem(&pem, &key).unwrap()))
    }
}

/// Everything that a client of these tests may speak.
pub(crate) fn config(
    trusted: &[&Certificate],
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.der.clone()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A connection on which the handshake is done, to an address as in a URL.
pub(crate) async fn connect(url: &str, trusted: &[&Certificate]) -> std::io::Result<TlsStream<TcpStream>> {
    connect_with(url, config(trusted, rustls::ALL_VERSIONS, &[])).await
}

pub(crate) async fn connect_with(url: &str, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address(url)).await?;
    TlsConnector::from(config).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// The certificate that a new connection is greeted with.
pub(crate) async fn presented(url: &str, trusted: &[&Certificate]) -> CertificateDer<'static> {
    let stream = connect(url, trusted).await.unwrap();
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    certificates[0].clone().into_owned()
}

/// The first bytes that a client sends (RFC 8446 §4.1.2).
pub(crate) fn client_hello() -> Vec<u8> {
    let config = config(&[&Certificate::new()], rustls::ALL_VERSIONS, &[]);
    let mut connection = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// Host and port of a URL.
pub(crate) fn address(url: &str) -> &str {
    url.split_once("://").unwrap().1
}

/// What an HTTP client that trusts these alone is built from.
pub(crate) fn builder(trusted: &[&Certificate]) -> reqwest::ClientBuilder {
    let certificates = trusted.iter().map(|certificate| reqwest::Certificate::from_der(&certificate.der).unwrap());
    http::builder().tls_certs_only(certificates)
}
