//! What deciding needs of the settings, and nothing else of them: for commands that have no secret. Must not know keys or
//! requests.

use std::path::PathBuf;

use super::PolicySettings;
use super::issuer;
use super::layers::{Environment, Layers};
use super::raw::{RawIssuer, load_part};
use crate::schema::{Fault, Faults};
use crate::session::{IssuerSettings, Vouching};

/// The policy's own settings, and what an issuer's sessions say of their holders.
#[derive(Clone, Debug)]
pub struct Deciding {
    /// The policy file.
    pub policy: PolicySettings,
    /// One for each issuer, in their order; none where no issuer is configured.
    pub issuers: Vec<Vouching>,
}

impl Deciding {
    /// From the same places as [`Settings`](super::Settings), whatever else is set there, or is not.
    ///
    /// # Errors
    /// Where a file cannot be read, or what is wanted here is wrong.
    pub fn load(files: &[PathBuf], environment: &Environment) -> Result<Self, Faults> {
        read(files, environment, issuer::vouching).map(|(policy, issuers)| Self { policy, issuers })
    }
}

/// The issuers with their keys, without any other setting: for verifying a session where no token is to be minted.
///
/// # Errors
/// Where a file cannot be read, no issuer is configured, or something is wrong with one.
pub fn load_issuers(files: &[PathBuf], environment: &Environment) -> Result<Vec<IssuerSettings>, Faults> {
    read(files, environment, issuer::read).map(|(_, issuers)| issuers)
}

/// Whether a fault is of what deciding needs, or could be: a name that is misspelt may have been meant for one of these, and
/// by another policy, or without its issuers, nothing that is told would be true.
fn matters(fault: &Fault) -> bool {
    let begins = |text: &str, names: &[&str]| names.iter().any(|name| text.starts_with(name));
    begins(
        &fault.message,
        &["policy.", "policy:", "session.issuers", "session:", "there is no key", "there is no setting"],
    ) || begins(&fault.place.source.name, &["USHER__POLICY", "USHER__SESSION__ISSUERS"])
        || fault.place.source.name == "USHER__SESSION"
}

fn read<T>(
    files: &[PathBuf],
    environment: &Environment,
    read_issuers: impl Fn(&[RawIssuer], &Layers, &mut Faults) -> Vec<T>,
) -> Result<(PolicySettings, Vec<T>), Faults> {
    let (raw, layers, mut faults) = load_part(files, environment, |others| others.only(matters))?;
    let policy = PolicySettings::from(raw.policy);
    let issuers = read_issuers(&raw.session.issuers, &layers, &mut faults);
    faults.or((policy, issuers))
}
