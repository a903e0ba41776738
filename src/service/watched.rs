//! Files whose change matters, looked at again and again. Must not know what is in them.
//!
//! Its bytes are read and compared. That sees every kind of change (an editor's rename, a symbolic link in its path that is
//! swapped, as Kubernetes does with a `ConfigMap`, a network's or a container's mount), where notifications of the file
//! system see only some. A change counts once it has stood for a second, so that a file that is being written is not taken
//! for a whole one; a writer that pauses for longer should write another file and rename it. Files that belong together are
//! looked at as one: a change of any of them is a change, and all of them must stand for that second.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::files;

/// How long a change must stand.
const SETTLE: Duration = Duration::from_secs(1);

/// Some files (mostly one), and what they held when they were last looked at.
pub(super) struct Watched<const N: usize = 1> {
    paths: [PathBuf; N],
    seen: [Content; N],
    /// Something else that they hold, and since when, until that has stood for long enough.
    settling: Option<([Content; N], Instant)>,
}

/// A file's bytes, or why there are none.
pub(super) type Content = Result<Vec<u8>, String>;

impl Watched {
    /// Looks at one file for the first time.
    pub(super) fn open(path: &Path) -> Self {
        Self::open_all([path])
    }

    pub(super) fn path(&self) -> &Path {
        let [path] = &self.paths;
        path
    }

    /// What it held.
    pub(super) fn content(&self) -> &Content {
        let [content] = &self.seen;
        content
    }
}

impl<const N: usize> Watched<N> {
    /// Looks at files that belong together for the first time.
    pub(super) fn open_all(paths: [&Path; N]) -> Self {
        Self { paths: paths.map(Path::to_owned), seen: paths.map(files::read), settling: None }
    }

    pub(super) fn paths(&self) -> &[PathBuf; N] {
        &self.paths
    }

    /// What they held.
    pub(super) fn contents(&self) -> &[Content; N] {
        &self.seen
    }

    /// Looks at them again. Whether they hold something else than before, and have for a second, or it is to be taken
    /// `at_once`: whoever says that they have changed has written them.
    pub(super) async fn changed(&mut self, at_once: bool) -> bool {
        let contents = self.look().await;
        if contents == self.seen {
            self.settling = None;
            return false;
        }
        let since = self.settling.take().filter(|(settling, _)| *settling == contents).map(|(_, since)| since);
        let stands = since.is_some_and(|since| since.elapsed() >= SETTLE);
        if stands || at_once {
            self.seen = contents;
            return true;
        }
        self.settling = Some((contents, since.unwrap_or_else(Instant::now)));
        false
    }

    async fn look(&self) -> [Content; N] {
        let paths = self.paths.clone();
        // A network's file system can take its time.
        let read = tokio::task::spawn_blocking(move || paths.map(|path| files::read(&path))).await;
        read.unwrap_or_else(|_| std::array::from_fn(|_| Err("it could not be looked at".to_owned())))
    }
}

impl<const N: usize> std::fmt::Debug for Watched<N> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What they hold may be secret, and so may a path where somebody has put a secret by mistake.
        formatter.debug_struct("Watched").finish_non_exhaustive()
    }
}
