//! A [`Grant`](crate::policy::Grant) and an [`Admitted`](crate::limits::Admitted) to a chat token. Holds the credentials;
//! must not know HTTP's server side, nor how a grant came about.

mod client;
mod fault;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use client::{ChatToken, Client, Minted, certificates};
pub use fault::{BuildFault, MintFault};

/// Where SignalWire is and who we are there.
#[derive(Clone, Debug)]
pub struct SignalWireSettings {
    /// `https://<host>` without a path.
    pub space: Url,
    /// The project's id, the user name of HTTP Basic.
    pub project_id: String,
    /// The API token, its password. Needs the *Chat* scope.
    pub api_token: SecretString,
    /// To have a connection.
    pub connect_timeout: Duration,
    /// For a whole call.
    pub timeout: Duration,
    /// A private CA's certificates as PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
}
