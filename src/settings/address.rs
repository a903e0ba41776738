//! The listeners' addresses: as part of all settings, or alone, for a health check that has neither secrets nor a policy.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::layers::{self, Environment, Layers};
use crate::schema::{Faults, Item, quoted};

/// Where a service with these settings listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The public listener.
    pub server: SocketAddr,
    /// Whether that has TLS of its own.
    pub has_tls: bool,
    /// The operator's, if there is one.
    pub ops: Option<SocketAddr>,
}

impl Addresses {
    /// From the same places as [`Settings`](super::Settings), whatever else is set there, or is not.
    ///
    /// # Errors
    /// Where a file cannot be read, or an address is none.
    pub fn load(files: &[PathBuf], environment: &Environment) -> Result<Self, Faults> {
        let mut others = Faults::default();
        let layers = layers::load(files, environment, &mut others);
        if layers.is_incomplete {
            return Err(others);
        }
        // What is written there and of no use must not pass for the default.
        let mut faults = others.about(&["server.listen", "ops.listen"]);
        let mut listen = |table: &str| {
            let text = layers.find(&[table, "listen"]).and_then(Item::as_text).map(|(text, _)| text.to_owned());
            text.map(|text| parse_listen(&[table, "listen"], &text, &layers, &mut faults))
        };
        let (server, ops) = (listen("server"), listen("ops"));
        if !faults.is_empty() {
            return Err(faults);
        }
        // Whether its files are of use is not looked at: they hold a secret.
        let has_tls = layers.has("server.tls");
        match (server, ops) {
            (Some(Some(server)), None) => Ok(Self { server, has_tls, ops: None }),
            (Some(Some(server)), Some(Some(ops))) => Ok(Self { server, has_tls, ops: Some(ops) }),
            _ => Err(faults),
        }
    }
}

/// Reads `127.0.0.1:8080`, `[::1]:8080`.
pub(super) fn parse_listen(setting: &[&str], text: &str, layers: &Layers, faults: &mut Faults) -> Option<SocketAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        let message = format!("{}: {} is no address and port", setting.join("."), quoted(text));
        faults.add(&layers.place(setting), message, "write \"127.0.0.1:8080\" or \"[::1]:8080\"");
    }
    address
}

/// A URL or a host for the eyes: as it was written where it is a name or an address alone, as what stands elsewhere (before
/// an `@`, in a path) may be credentials.
pub(super) fn shown_host(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-:/_$\" ".contains(c);
    let path = text.split_once("://").map_or(text, |(_, rest)| rest);
    let is_shown = text.chars().all(is_plain) && !path.trim_end_matches('/').contains('/');
    if is_shown { quoted(text) } else { "this".to_owned() }
}
