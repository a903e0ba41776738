//! The files of a certificate and its key: read at the start, and again when they change or on SIGHUP. What does not fit
//! together changes nothing. Must not know how connections are served.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::watched::Watched;
use crate::admin::Status;
use crate::chat::Timestamp;
use crate::listener::{Identity, Tls, Unfit};
use crate::telemetry::clock;

/// For how long two files that do not fit may be a renewal that is under way, which writes one after the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// A certificate and its key, by their files.
#[derive(Debug)]
pub struct TlsFiles {
    files: Watched<2>,
    tls: Arc<Tls>,
    /// Why what was last found is of no use, and since when, until that has been told.
    unfit: Option<(TlsUnusable, Instant)>,
}

/// Why the two files are of no use. Shows neither the key nor the path of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsUnusable {
    certificate: String,
    unfit: Unfit,
}

impl TlsFiles {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// Where they cannot be read, or do not fit.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsUnusable> {
        let files = Watched::open_all([certificate, key]);
        let tls = Arc::new(Tls::new(identity(&files)?));
        Ok(Self { files, tls, unfit: None })
    }

    /// What new connections are greeted with.
    pub(super) fn tls(&self) -> Arc<Tls> {
        Arc::clone(&self.tls)
    }

    /// Has new connections greeted with what the files hold now, if they fit: where they have changed, or where that
    /// `is_asked_for`.
    pub(super) async fn look_again(&mut self, status: &Status, is_asked_for: bool) {
        if self.files.changed(is_asked_for).await || is_asked_for {
            match identity(&self.files) {
                Ok(identity) => self.take(identity),
                Err(unusable) => self.unfit = Some((unusable, Instant::now())),
            }
        }
        let is_due = |(_, since): &mut (_, Instant)| is_asked_for || since.elapsed() >= PATIENCE;
        if let Some((unusable, _)) = self.unfit.take_if(is_due) {
            tracing::error!(fault = %unusable, "no certificate to load; the one in use stays");
            status.metrics.tls_certificate_reload_failed();
        }
    }

    fn take(&mut self, identity: Identity) {
        self.unfit = None;
        let [path, _] = self.files.paths();
        let path = path.display().to_string();
        let until = Timestamp::from_seconds(identity.validity().until);
        self.tls.replace(identity);
        tracing::info!(path, until = clock::rfc3339(until), "certificate loaded");
        if until < clock::now() {
            tracing::warn!(path, "this certificate has expired, and clients refuse it");
        }
    }
}

impl std::fmt::Display for TlsUnusable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { certificate, unfit } = self;
        if unfit.is_of_the_key() {
            write!(formatter, "server.tls.key_file: the file that it names {unfit}")
        } else {
            write!(formatter, "server.tls.cert_file: {certificate} {unfit}")
        }
    }
}

impl std::error::Error for TlsUnusable {}

fn identity(files: &Watched<2>) -> Result<Identity, TlsUnusable> {
    let ([path, _], [certificate, key]) = (files.paths(), files.contents());
    let unusable = |unfit| TlsUnusable { certificate: path.display().to_string(), unfit };
    Identity::from_pem(certificate, key).map_err(unusable)
}
