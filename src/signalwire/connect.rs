//! How a connection to SignalWire is made and kept: TCP, TLS and whose certificates are trusted, for how long it may be made
//! and lie idle. Must not know what is asked, nor what is answered.

use std::error::Error;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http::uri::Scheme;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

use super::BuildFault;
use crate::files;

/// After how long without use a connection is closed.
const IDLE: Duration = Duration::from_secs(90);
/// After how long without a word TCP asks whether the other side is there still, how often, and how many times in vain.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;

/// A client with a connection pool of its own, which goes nowhere else than it is told to: it knows no redirect and no proxy.
pub(super) type Http = legacy::Client<Connector, Full<Bytes>>;

/// Makes connections, each in time or not at all.
#[derive(Clone)]
pub(super) struct Connector {
    any: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

/// A client for this address that connects to nothing yet.
pub(super) fn client(address: &Uri, connect_timeout: Duration, ca_file: Option<&Path>) -> Result<Http, BuildFault> {
    let connector = Connector { any: connector(address, ca_file)?, timeout: connect_timeout };
    Ok(pooled(connector, IDLE))
}

fn connector(address: &Uri, ca_file: Option<&Path>) -> Result<HttpsConnector<HttpConnector>, BuildFault> {
    let mut tcp = HttpConnector::new();
    // It is asked for https addresses too: TLS stands on what it gives.
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE));
    tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
    let tls = HttpsConnectorBuilder::new().with_tls_config(tls(address, ca_file)?);
    Ok(tls.https_or_http().enable_all_versions().wrap_connector(tcp))
}

fn pooled(connector: Connector, idle: Duration) -> Http {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    // Without a timer the pool closes what was idle for too long only when it looks for a connection.
    builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(idle);
    builder.build(connector)
}

/// The certificates of a private CA, from a file in PEM.
///
/// # Errors
/// Where the file cannot be read or holds none, or one that is of no use.
pub fn certificates(path: &Path) -> Result<RootCertStore, BuildFault> {
    let shown = path.display().to_string();
    let pem = files::read(path).map_err(|why| BuildFault::CaFile { path: shown.clone(), why })?;
    let mut roots = RootCertStore::empty();
    let is_good = CertificateDer::pem_slice_iter(&pem).all(|found| found.is_ok_and(|found| roots.add(found).is_ok()));
    if is_good && !roots.is_empty() { Ok(roots) } else { Err(BuildFault::NoCertificate { path: shown }) }
}

fn tls(address: &Uri, ca_file: Option<&Path>) -> Result<ClientConfig, BuildFault> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(BuildFault::Tls)?;
    let builder = match ca_file {
        Some(path) => builder.with_root_certificates(certificates(path)?),
        None if address.scheme() == Some(&Scheme::HTTPS) => {
            builder.try_with_platform_verifier().map_err(BuildFault::Tls)?
        }
        // Without TLS no CA bundle is needed, and none has to be there.
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    Ok(builder.with_no_client_auth())
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.any.poll_ready(context)
    }

    /// The name is looked up, TCP connects, TLS shakes hands: all of it within the time.
    fn call(&mut self, address: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.timeout, self.any.call(address));
        Box::pin(async {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no connection within connect_timeout");
            connecting.await.map_err(late)?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Connector, connector, pooled};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_connection_that_was_idle_for_too_long_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: http::Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let connector = Connector { any: connector(&address, None).unwrap(), timeout: Duration::from_secs(5) };
        let client = pooled(connector, Duration::from_millis(300));
        let asking = client.get(address);
        let other_side = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            stream
        };
        let (answer, mut stream) = tokio::join!(asking, other_side);
        assert_eq!(answer.unwrap().status(), 200);
        // Nobody asks any more: it is closed all the same.
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0])).await;
        assert_eq!(read.expect("it stays open").unwrap(), 0);
    }
}
