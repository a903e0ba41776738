//! A [`Grant`](crate::policy::Grant) and an [`Admitted`](crate::limits::Admitted) to a chat token. Holds the credentials;
//! must not know HTTP's server side, nor how a grant came about.
//!
//! ```text
//! client.rs       mint: a place, the circuit, the call, one more try
//! permits.rs      how many calls there are at once, and the queue for them
//! circuit.rs      whether SignalWire is asked at all, when it keeps failing
//! wire.rs         one call: the request, and what its answer means
//! answer.rs       what is in an answer's body: a token, or why there is none
//! connect.rs      how a connection is made and kept, and whose certificate is trusted
//! credentials.rs  the header that says who we are, anew when its file changes
//! fault.rs        what can go wrong, by what it means
//! trace.rs        a call in a trace, and how SignalWire is told of it
//! ```

mod answer;
mod circuit;
mod client;
mod connect;
mod credentials;
mod fault;
mod permits;
mod trace;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use answer::ChatToken;
pub use circuit::CircuitState;
pub use client::{Call, Client, Load, Minted};
pub use connect::certificates;
pub use credentials::check_token;
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
    /// The file that it is from, where it is from one: a rotation changes it.
    pub api_token_file: Option<PathBuf>,
    /// To have a connection.
    pub connect_timeout: Duration,
    /// For a whole call.
    pub timeout: Duration,
    /// How many calls there are at once.
    pub max_in_flight: usize,
    /// How long a request may wait until one of these has ended.
    pub max_wait: Duration,
    /// A private CA's certificates as PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl SignalWireSettings {
    /// The settings' defaults, with this space, project and API token.
    #[must_use]
    pub fn new(space: Url, project_id: impl Into<String>, api_token: SecretString) -> Self {
        Self {
            space,
            project_id: project_id.into(),
            api_token,
            api_token_file: None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            max_in_flight: 256,
            max_wait: Duration::from_secs(1),
            ca_file: None,
        }
    }
}
