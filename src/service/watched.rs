//! A file whose change matters, looked at again and again. Must not know what is in it.
//!
//! Its bytes are read and compared. That sees every kind of change (an editor's rename, a symbolic link in its path that is
//! swapped, as Kubernetes does with a `ConfigMap`, a network's or a container's mount), where notifications of the file
//! system see only some. A change counts once it has stood for a second, so that a file that is being written is not taken
//! for a whole one; a writer that pauses for longer should write another file and rename it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::files;

/// How long a change must stand.
const SETTLE: Duration = Duration::from_secs(1);

/// A file, and what it held when it was last looked at.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    seen: Content,
    /// Something else that it holds, and since when, until that has stood for long enough.
    settling: Option<(Content, Instant)>,
}

/// A file's bytes, or why there are none.
pub(super) type Content = Result<Vec<u8>, String>;

impl Watched {
    /// Looks at it for the first time.
    pub(super) fn open(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: files::read(path), settling: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it held.
    pub(super) fn content(&self) -> &Content {
        &self.seen
    }

    /// Looks at it again. Whether it holds something else than before, and has for a second, or is to be taken `at_once`:
    /// whoever says that it has changed has written it.
    pub(super) async fn changed(&mut self, at_once: bool) -> bool {
        let content = self.look().await;
        if content == self.seen {
            self.settling = None;
            return false;
        }
        let since = self.settling.take().filter(|(settling, _)| *settling == content).map(|(_, since)| since);
        let stands = since.is_some_and(|since| since.elapsed() >= SETTLE);
        if stands || at_once {
            self.seen = content;
            return true;
        }
        self.settling = Some((content, since.unwrap_or_else(Instant::now)));
        false
    }

    async fn look(&self) -> Content {
        let path = self.path.clone();
        // A network's file system can take its time.
        let read = tokio::task::spawn_blocking(move || files::read(&path)).await;
        read.unwrap_or_else(|_| Err("it could not be looked at".to_owned()))
    }
}
