//! What commands that rehearse decisions work with: a policy, what sessions say, what clients may ask. Needs no secret.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::analysis::warnings;
use crate::policy::Policy;
use crate::schema::Lints;
use crate::service::{PolicyFile, Unusable};
use crate::session::Vouching;
use crate::settings::{Deciding, Environment};

/// A policy and the world that it is for.
pub(super) struct World {
    /// How the policy's file is called.
    pub(super) file: String,
    pub(super) policy: Policy,
    /// None configured: roles are in the claim `roles`.
    pub(super) issuers: Vec<Vouching>,
    /// Whether clients may ask for mode `narrow`.
    pub(super) narrow: bool,
}

/// The settings, as far as they matter here, and whether they are wanted whatever the policy.
pub(super) struct Surroundings {
    deciding: Deciding,
    is_asked_for: bool,
}

impl Surroundings {
    /// Of the usual settings, or of these files.
    pub(super) fn load(config: &[PathBuf], environment: &Environment) -> Result<Self, Failure> {
        let deciding = Deciding::load(config, environment).map_err(Failure::wrong)?;
        Ok(Self { deciding, is_asked_for: !config.is_empty() })
    }

    /// The policy that the settings name.
    pub(super) fn policy_file(&self) -> &Path {
        &self.deciding.policy.file
    }

    /// A policy in its world. The settings' issuers are those of the settings' own policy: of another file nothing is
    /// known, unless settings were named beside it.
    pub(super) fn open(&self, file: &Path) -> Result<World, Failure> {
        self.open_as(file, file)
    }

    /// The same for a file that is to take the place of another.
    pub(super) fn open_as(&self, file: &Path, other: &Path) -> Result<World, Failure> {
        let is_theirs = self.is_asked_for || [file, other].iter().any(|file| is_same_file(file, self.policy_file()));
        let issuers = if is_theirs { self.deciding.issuers.clone() } else { Vec::new() };
        let aliases: BTreeSet<String> = issuers.iter().map(|issuer| issuer.name.clone()).collect();
        let (_, policy) = PolicyFile::open(file, &aliases).map_err(Failure::wrong)?;
        let narrow = !is_theirs || self.deciding.policy.narrow;
        Ok(World { file: file.display().to_string(), policy, issuers, narrow })
    }
}

impl World {
    /// All whose sessions there may be: where none is configured, those whom the policy itself names.
    pub(super) fn vouched(&self) -> Vec<Vouching> {
        if self.issuers.is_empty() {
            return self.policy.aliases().into_iter().map(Vouching::unconfigured).collect();
        }
        self.issuers.clone()
    }

    /// What sessions of this issuer say of their holders; of the first one where none is named.
    pub(super) fn vouching(&self, alias: Option<&str>) -> Result<Vouching, Failure> {
        let issuers = self.vouched();
        let Some(alias) = alias else {
            return Ok(issuers.first().cloned().unwrap_or_else(|| Vouching::unconfigured("app")));
        };
        if issuers.is_empty() {
            return Ok(Vouching::unconfigured(alias));
        }
        issuers.iter().find(|issuer| issuer.name == alias).cloned().ok_or_else(|| {
            let names: Vec<&str> = issuers.iter().map(|issuer| issuer.name.as_str()).collect();
            Failure::wrong(format!("error: there is no issuer `{alias}`: there are {}", names.join(", ")))
        })
    }
}

/// What a file says: its policy or why there is none, and what is allowed there and probably not meant.
pub(super) fn check_policy(path: &Path, aliases: &BTreeSet<String>) -> (Result<Policy, Unusable>, Lints) {
    match PolicyFile::read(path, aliases) {
        Ok(compilation) => {
            let lints = warnings(&compilation, aliases);
            (compilation.into_policy().map_err(Unusable::Faulty), lints)
        }
        Err(unusable) => (Err(unusable), Lints::default()),
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
