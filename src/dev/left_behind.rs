//! The file by which `usher session` finds a running `usher dev`: its address and its issuer's key, for the same user only.
//! The one thing that `dev` writes, and removed at its end.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use super::DevIssuer;
use crate::settings::Environment;

/// What a running `usher dev` leaves for `usher session`. Dropping the one that left it removes the file.
#[derive(Debug)]
pub struct LeftBehind {
    /// Whose key signs sessions.
    pub issuer: DevIssuer,
    /// The file, where it is ours to remove.
    file: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    address: Url,
    secret: String,
}

impl LeftBehind {
    pub(super) fn leave(environment: &Environment, address: &Url, issuer: DevIssuer) -> Result<Self, String> {
        let directory = Directory::of(environment);
        let path = directory.path.join(format!("{}{}.json", directory.prefix, address.port().unwrap_or_default()));
        let content = Content { address: address.clone(), secret: issuer.secret().to_owned() };
        let text = serde_json::to_vec(&content).map_err(|error| error.to_string())?;
        let cannot = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
        // INVARIANT: made new and for us alone, so that no link laid out in the temporary directory is followed.
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(&text)).map_err(cannot)?;
        Ok(Self { issuer, file: Some(path) })
    }

    /// The newest one, or that of the service on `port`.
    ///
    /// # Errors
    /// Where no `usher dev` of this user's is running.
    pub fn find(environment: &Environment, port: Option<u16>) -> Result<Self, String> {
        let directory = Directory::of(environment);
        let nobody = || match port {
            Some(port) => format!("no `usher dev` of yours listens on port {port}: start one with `usher dev`"),
            None => "no `usher dev` of yours is running: start one with `usher dev`".to_owned(),
        };
        let wanted = port.map(|port| format!("{}{port}.json", directory.prefix));
        let candidates = fs::read_dir(&directory.path).map_err(|_| nobody())?.filter_map(Result::ok).filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            wanted.as_ref().map_or_else(|| directory.is_ours(&name), |wanted| name == *wanted)
        });
        let own = candidates.filter_map(|entry| {
            let about = fs::symlink_metadata(entry.path()).ok()?;
            (about.is_file() && about.uid() == own_uid()).then(|| (about.modified().ok(), entry.path()))
        });
        let (_, path) = own.max().ok_or_else(nobody)?;
        Self::read(&path).map_err(|why| format!("{}: {why}", path.display()))
    }

    fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read(path).map_err(|error| error.to_string())?;
        // The error's text could hold the key.
        let content: Content =
            serde_json::from_slice(&text).map_err(|_| "this is no file of `usher dev`".to_owned())?;
        Ok(Self { issuer: DevIssuer::with_secret(content.secret), file: None })
    }
}

impl Drop for LeftBehind {
    fn drop(&mut self) {
        if let Some(path) = &self.file {
            // Somebody else has tidied up.
            let _ = fs::remove_file(path);
        }
    }
}

struct Directory {
    path: PathBuf,
    prefix: String,
}

impl Directory {
    fn of(environment: &Environment) -> Self {
        // It may be set and not be there, as in a container.
        match environment.text("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir()) {
            Some(path) => Self { path, prefix: "usher-dev-".to_owned() },
            None => Self { path: std::env::temp_dir(), prefix: format!("usher-dev-{}-", own_uid()) },
        }
    }

    fn is_ours(&self, name: &str) -> bool {
        let port = name.strip_prefix(&self.prefix).and_then(|rest| rest.strip_suffix(".json"));
        port.is_some_and(|port| port.parse::<u16>().is_ok())
    }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
