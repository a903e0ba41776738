//! The policy's file: compiled at the start, and again when it changes or on SIGHUP. A file with
//! faults changes nothing.

use std::collections::BTreeSet;
use std::path::Path;

use super::watched::{Content, Watched};
use crate::api::App;
use crate::policy::{Compilation, Policy};
use crate::schema::Faults;

/// A policy's file.
#[derive(Debug)]
pub struct PolicyFile {
    file: Watched,
    aliases: BTreeSet<String>,
}

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
        let file = Self { file: Watched::open(path), aliases: aliases.clone() };
        let policy = file.compile()?;
        Ok((file, policy))
    }

    /// Reads and compiles a policy once, for what can be said of it even where it has faults.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read(path: &Path, aliases: &BTreeSet<String>) -> Result<Compilation, Unusable> {
        let name = path.display().to_string();
        Ok(Compilation::new(&name, text_of(&name, Watched::open(path).content())?, aliases))
    }

    /// Its path, as it was given.
    #[must_use]
    pub fn name(&self) -> String {
        self.file.path().display().to_string()
    }

    /// Puts what the file holds now in force, if it is of use: where it has changed, or where that `is_asked_for`.
    pub(super) async fn look_again(&mut self, app: &App, is_asked_for: bool) {
        if !self.file.changed(is_asked_for).await && !is_asked_for {
            return;
        }
        match self.compile_aside().await {
            Ok(policy) => {
                let sha256 = policy.sha256().to_owned();
                app.replace_policy(policy);
                // Who reads this asks what is in force.
                tracing::info!(path = self.name(), sha256, "policy loaded");
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
        compile(&self.name(), self.file.content(), &self.aliases)
    }

    /// Beside the requests: a large file takes a while, and even a bug in the compiler is only a file of no use.
    async fn compile_aside(&self) -> Result<Policy, Unusable> {
        let (name, content, aliases) = (self.name(), self.file.content().clone(), self.aliases.clone());
        let compiled = tokio::task::spawn_blocking(move || compile(&name, &content, &aliases)).await;
        let bug =
            |_| Unusable::Unreadable { path: self.name(), why: "a bug: the log has it, please report it".to_owned() };
        compiled.unwrap_or_else(|error| Err(bug(error)))
    }
}

fn compile(name: &str, content: &Content, aliases: &BTreeSet<String>) -> Result<Policy, Unusable> {
    Policy::compile(name, text_of(name, content)?, aliases).map_err(Unusable::Faulty)
}

fn text_of<'a>(name: &str, content: &'a Content) -> Result<&'a str, Unusable> {
    let unreadable = |why: &str| Unusable::Unreadable { path: name.to_owned(), why: why.to_owned() };
    let bytes = content.as_ref().map_err(|why| unreadable(why))?;
    std::str::from_utf8(bytes).map_err(|error| unreadable(&error.to_string()))
}

impl Unusable {
    /// `path:line:column: what is wrong`, each on one line.
    #[must_use]
    pub fn summaries(&self) -> Vec<String> {
        match self {
            Self::Unreadable { path, why } => vec![format!("{path}: it cannot be read: {why}")],
            Self::Faulty(faults) => faults.summaries(),
        }
    }
}
