//! A file whose change matters, looked at again and again. Must not know what is in it.
//!
//! Its bytes are read and compared. That sees every kind of change (an editor's rename, a symbolic link in its path that is
//! swapped, as Kubernetes does with a `ConfigMap`, a network's or a container's mount), where notifications of the file
//! system see only some. A change counts once two readings in a row are the same, so that a file that is being written is
//! never taken for a whole one.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

/// How long a change must stand.
const SETTLE: Duration = Duration::from_millis(150);
/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// A file, and what it held when it was last looked at.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    seen: Content,
}

/// A file's bytes, or why there are none.
pub(super) type Content = Result<Vec<u8>, String>;

impl Watched {
    /// Looks at it for the first time.
    pub(super) fn open(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: read(path) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it held.
    pub(super) fn content(&self) -> &Content {
        &self.seen
    }

    /// Looks at it again. Whether it holds something else than before.
    pub(super) async fn changed(&mut self) -> bool {
        let mut content = self.look().await;
        if content == self.seen {
            return false;
        }
        loop {
            sleep(SETTLE).await;
            let again = self.look().await;
            if again == content {
                return std::mem::replace(&mut self.seen, content) != self.seen;
            }
            content = again;
        }
    }

    async fn look(&self) -> Content {
        let path = self.path.clone();
        // A network's file system can take its time.
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        read.unwrap_or_else(|_| Err("it could not be looked at".to_owned()))
    }
}

fn read(path: &Path) -> Content {
    let read = || {
        // Before it is opened: opening a pipe would wait for its writer.
        if !std::fs::metadata(path)?.is_file() {
            return Ok(Err("it is no file".to_owned()));
        }
        let mut bytes = Vec::new();
        let size = File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        let is_too_large = u64::try_from(size).is_ok_and(|size| size > MAX_BYTES);
        Ok(if is_too_large { Err("it has over 16 MiB".to_owned()) } else { Ok(bytes) })
    };
    read().unwrap_or_else(|error: std::io::Error| Err(error.to_string()))
}
