//! The policy's file: read and compiled at the start, and again when it changes or on SIGHUP. What is of no use changes
//! nothing. Must not know what a policy says.
//!
//! The file is read twice a second and its bytes compared. That sees every kind of change (an editor's rename, a symbolic link
//! in its path that is swapped, as Kubernetes does with a `ConfigMap`, a network's or a container's mount), where
//! notifications of the file system see only some. A change counts once two readings in a row are the same, so that a file
//! that is being written is never taken for a whole one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::signals::Reload;
use crate::api::App;
use crate::policy::Policy;
use crate::schema::{Fault, Faults};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long a change must stand.
const SETTLE: Duration = Duration::from_millis(150);
/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// A policy's file, and what it held when it was last looked at.
#[derive(Debug)]
pub struct PolicyFile {
    path: PathBuf,
    aliases: BTreeSet<String>,
    seen: Content,
}

/// The file's bytes, or why there are none.
type Content = Result<Vec<u8>, String>;

/// Why a file gives no policy.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unusable {
    /// It is gone, no file, too large, not UTF-8.
    #[error("error: the policy {path} cannot be read: {why}")]
    Unreadable {
        /// As it was named.
        path: String,
        /// Why.
        why: String,
    },
    /// What it says is wrong.
    #[error("{0}")]
    Faulty(Faults),
}

impl PolicyFile {
    /// Reads and compiles a policy for issuers of these aliases.
    ///
    /// # Errors
    /// Where the file cannot be read, or every fault in it.
    pub fn open(path: &Path, aliases: &BTreeSet<String>) -> Result<(Self, Policy), Unusable> {
        let file = Self { path: path.to_owned(), aliases: aliases.clone(), seen: read(path) };
        let policy = file.compile()?;
        Ok((file, policy))
    }

    /// Its path, as it was given.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Keeps the app's policy in step with the file, for ever.
    pub(super) async fn keep(mut self, app: App, watch: bool, mut reload: Reload) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked_for = tokio::select! {
                () = reload.next() => true,
                _ = looks.tick(), if watch => false,
            };
            if !is_asked_for && self.look().await == self.seen {
                continue;
            }
            let content = self.settled().await;
            if !is_asked_for && content == self.seen {
                continue;
            }
            self.seen = content;
            self.apply(&app);
        }
    }

    /// Puts what was last seen in force, if it is of use.
    fn apply(&self, app: &App) {
        match self.compile() {
            Ok(policy) => {
                tracing::info!(path = self.name(), sha256 = policy.sha256(), "policy loaded");
                app.replace_policy(policy);
            }
            Err(unusable) => {
                let faults = unusable.summaries();
                let told = faults.join("; ");
                tracing::error!(path = self.name(), faults = told, "no policy to load; the one in force stays");
                app.status().policy_failed(faults);
            }
        }
    }

    fn compile(&self) -> Result<Policy, Unusable> {
        let unreadable = |why: &str| Unusable::Unreadable { path: self.name(), why: why.to_owned() };
        let bytes = self.seen.as_ref().map_err(|why| unreadable(why))?;
        let text = std::str::from_utf8(bytes).map_err(|error| unreadable(&error.to_string()))?;
        Policy::compile(&self.name(), text, &self.aliases).map_err(Unusable::Faulty)
    }

    async fn settled(&self) -> Content {
        let mut content = self.look().await;
        loop {
            sleep(SETTLE).await;
            let again = self.look().await;
            if again == content {
                return content;
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

impl Unusable {
    /// `path:line:column: what is wrong`, each on one line.
    #[must_use]
    pub fn summaries(&self) -> Vec<String> {
        match self {
            Self::Unreadable { path, why } => vec![format!("{path}: it cannot be read: {why}")],
            Self::Faulty(faults) => faults.in_order().into_iter().map(Fault::summary).collect(),
        }
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
