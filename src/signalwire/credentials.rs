//! Who we are at SignalWire: one header, made anew when the API token's file changes. Must not know the call.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::{BuildFault, SignalWireSettings};
use crate::files;

/// The credentials in force.
pub(super) struct Credentials {
    project_id: String,
    file: Option<PathBuf>,
    header: ArcSwap<HeaderValue>,
}

impl Credentials {
    pub(super) fn new(settings: &SignalWireSettings) -> Result<Self, BuildFault> {
        let header = header(&settings.project_id, &settings.api_token)?;
        Ok(Self {
            project_id: settings.project_id.clone(),
            file: settings.api_token_file.clone(),
            header: ArcSwap::from_pointee(header),
        })
    }

    /// The `Authorization` header (RFC 7617), which no log shows.
    pub(super) fn header(&self) -> Arc<HeaderValue> {
        self.header.load_full()
    }

    /// The API token's file.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads the file again. What is of no use leaves what was.
    pub(super) fn reread(&self) -> Result<(), BuildFault> {
        let Some(path) = self.file() else { return Ok(()) };
        let token = files::read_secret(path).map_err(BuildFault::TokenFile)?;
        let header = header(&self.project_id, &token)?;
        if header != **self.header.load() {
            self.header.store(Arc::new(header));
        }
        Ok(())
    }

    /// Another header than the one that was refused, if there is one by now: a rotation that was not noticed yet loses no
    /// request.
    pub(super) async fn other_than(self: &Arc<Self>, refused: &HeaderValue) -> Option<Arc<HeaderValue>> {
        if self.file.is_some() && **self.header.load() == *refused {
            let credentials = Arc::clone(self);
            // A network's file system can take its time. Whoever follows the file tells what is wrong with it.
            let _ = tokio::task::spawn_blocking(move || credentials.reread()).await;
        }
        Some(self.header()).filter(|header| **header != *refused)
    }
}

/// Whether this can be an API token.
///
/// # Errors
/// Where it holds a control character (RFC 7617 §2): two newlines at the end of a file leave one.
pub fn check_token(token: &SecretString) -> Result<(), BuildFault> {
    if token.expose_secret().chars().any(char::is_control) { Err(BuildFault::ControlCharacter) } else { Ok(()) }
}

fn header(project_id: &str, api_token: &SecretString) -> Result<HeaderValue, BuildFault> {
    check_token(api_token)?;
    let credentials = format!("{project_id}:{}", api_token.expose_secret());
    let header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials)));
    let mut header = header.map_err(|_| BuildFault::Credentials)?;
    header.set_sensitive(true);
    Ok(header)
}
