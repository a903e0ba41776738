//! TLS on a listener: a certificate and its key as PEM, seen to fit together, and replaced while connections go on. Must
//! not know files, nor what is served.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{Accept, TlsAcceptor};

/// The one protocol that is spoken (RFC 7301 §6): who offers only others is refused in the handshake.
const PROTOCOL: &[u8] = b"http/1.1";

/// What new connections of a listener are greeted with.
pub struct Tls(ArcSwap<ServerConfig>);

/// A certificate, those that lead to it, and its private key.
pub struct Identity {
    config: Arc<ServerConfig>,
    validity: Validity,
}

/// From when until when a certificate holds, both included, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub from: i64,
    /// The last one.
    pub until: i64,
}

/// Why a certificate and a key are of no use, as the end of a sentence about the file that is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The certificate's file cannot be read, and why.
    #[error("cannot be read: {0}")]
    CertificateUnread(String),
    /// The key's file cannot be read, and why.
    #[error("cannot be read: {0}")]
    KeyUnread(String),
    /// Nothing between `BEGIN CERTIFICATE` and `END CERTIFICATE`.
    #[error("holds no certificate as PEM")]
    NoCertificate,
    /// Not base64, cut off, or no X.509 of version 3.
    #[error("holds a certificate that cannot be read")]
    BadCertificate,
    /// No `BEGIN PRIVATE KEY` or its like.
    #[error("holds no private key as PEM")]
    NoKey,
    /// One that wants a passphrase.
    #[error("holds an encrypted private key, and nobody is there to be asked for its passphrase")]
    EncryptedKey,
    /// Not base64, cut off, or of a kind that TLS does not have.
    #[error("holds a private key that cannot be used")]
    BadKey,
    /// It is the key of another certificate.
    #[error("holds a private key that does not belong to the first certificate")]
    OtherKey,
}

impl Unfit {
    /// Whether the key's file is to blame, rather than the certificate's.
    #[must_use]
    pub fn is_of_the_key(&self) -> bool {
        !matches!(self, Self::CertificateUnread(_) | Self::NoCertificate | Self::BadCertificate)
    }

    /// What would be right.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::CertificateUnread(_) | Self::NoCertificate | Self::BadCertificate => {
                "name a PEM file with the server's certificate first, then those that lead to its CA"
            }
            Self::KeyUnread(_) | Self::NoKey => {
                "name a PEM file with the certificate's private key (BEGIN PRIVATE KEY)"
            }
            Self::EncryptedKey => {
                "decrypt it (openssl pkey -in KEY -out PLAIN), and let nobody but usher read the file that is made"
            }
            Self::BadKey => "give an ECDSA (P-256, P-384, P-521), RSA (at least 2048 bits) or Ed25519 key, unencrypted",
            Self::OtherKey => {
                "give the key that the certificate was asked for with; the server's own certificate comes first in its file"
            }
        }
    }
}

impl Identity {
    /// Reads a certificate (the server's own first, then those that lead to its CA) and its key, both as PEM: what their
    /// files hold, or why that is not known.
    ///
    /// # Errors
    /// Where one of the two is of no use, or they do not belong together.
    pub fn from_pem(certificate: &Result<Vec<u8>, String>, key: &Result<Vec<u8>, String>) -> Result<Self, Unfit> {
        let certificate = certificate.as_ref().map_err(|why| Unfit::CertificateUnread(why.clone()))?;
        let key = key.as_ref().map_err(|why| Unfit::KeyUnread(why.clone()))?;
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| Unfit::BadCertificate)?;
        let validity = validity(chain.first().ok_or(Unfit::NoCertificate)?).ok_or(Unfit::BadCertificate)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = provider.key_provider.load_private_key(private_key(key)?).map_err(|_| Unfit::BadKey)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => {}
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => return Err(Unfit::OtherKey),
            Err(Error::InconsistentKeys(_)) => return Err(Unfit::BadKey),
            Err(_) => return Err(Unfit::BadCertificate),
        }
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12]);
        let builder = builder.map_err(|_| Unfit::BadKey)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self { config: Arc::new(config), validity })
    }

    /// From when until when the certificate holds.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

impl Tls {
    /// With this certificate.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self(ArcSwap::new(identity.config))
    }

    /// New connections get this certificate from now on; those that are there go on.
    pub fn replace(&self, identity: Identity) {
        self.0.store(identity.config);
    }

    /// The handshake.
    pub(super) fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Accept<S> {
        TlsAcceptor::from(self.0.load_full()).accept(stream)
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tls(…)")
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Identity").field("validity", &self.validity).finish_non_exhaustive()
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Unfit> {
    use rustls::pki_types::pem::Error::NoItemsFound;
    let is_encrypted = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| pem.windows(mark.len()).any(|window| window == mark.as_bytes()));
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        _ if is_encrypted => Unfit::EncryptedKey,
        NoItemsFound => Unfit::NoKey,
        _ => Unfit::BadKey,
    })
}

/// A verification tells the dates first of all, so it is asked about the beginning and the end of time.
fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let told_at = |seconds| {
        let then = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], then, &[]).err()
    };
    let from = match told_at(0)? {
        Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => not_before.as_secs(),
        // Since the very beginning.
        _ => 0,
    };
    let until = match told_at(u64::MAX)? {
        Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => not_after.as_secs(),
        _ => return None,
    };
    Some(Validity { from: i64::try_from(from).ok()?, until: i64::try_from(until).ok()? })
}
