//! A file whose change matters, looked at again and again. Must not know what is in it.
//!
//! Its bytes are read and compared. That sees every kind of change (an editor's rename, a symbolic link in its path that is
//! swapped, as Kubernetes does with a `ConfigMap`, a network's or a container's mount), where notifications of the file
//! system see only some. A change counts once it has stood for a second, so that a file that is being written is not taken
//! for a whole one; a writer that pauses for longer should write another file and rename it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use crate::files;

/// How long a change must stand.
const SETTLE: Duration = Duration::from_secs(1);

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
        Self { path: path.to_owned(), seen: files::read(path) }
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
        let read = tokio::task::spawn_blocking(move || files::read(&path)).await;
        read.unwrap_or_else(|_| Err("it could not be looked at".to_owned()))
    }
}
