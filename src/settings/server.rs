//! The public listener's settings: addresses, TLS, proxies, CORS and the session's cookie. The addresses can also be
//! loaded alone, for a health check that has neither secrets nor a policy.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::layers::{self, Environment, Layers};
use super::raw::{RawCookie, RawServer, RawTls};
use super::{ServerSettings, TlsSettings};
use crate::api::{AllowedOrigin, AllowedOrigins, CookieFault, CookieSettings, TrustedProxies};
use crate::files;
use crate::listener::{ConnectionSettings, Identity};
use crate::schema::{Faults, Item, quoted};

/// What is to be written where one of the two is missing.
const BOTH: &str = "write both, as in tls = { cert_file = \"tls/fullchain.pem\", key_file = \"tls/privkey.pem\" }";

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

pub(super) fn read_server(raw: &RawServer, layers: &Layers, faults: &mut Faults) -> Option<ServerSettings> {
    let listen = parse_listen(&["server", "listen"], &raw.listen, layers, faults);
    let tls = raw.tls.as_ref().map(|tls| read_tls(tls, layers, faults));
    Some(ServerSettings {
        listen: listen?,
        max_body: usize::try_from(raw.max_body).unwrap_or(usize::MAX),
        request_timeout: Duration::from_secs(raw.request_timeout),
        connections: ConnectionSettings {
            header_timeout: Duration::from_secs(raw.header_timeout),
            keep_alive: Duration::from_secs(raw.keep_alive),
            max_connections: raw.max_connections,
        },
        trusted_proxies: read_proxies(&raw.trusted_proxies, layers, faults),
        shutdown_delay: Duration::from_secs(raw.shutdown_delay),
        shutdown_grace: Duration::from_secs(raw.shutdown_grace),
        tls: match tls {
            Some(tls) => Some(tls?),
            None => None,
        },
    })
}

fn read_proxies(raw: &[String], layers: &Layers, faults: &mut Faults) -> TrustedProxies {
    let read = |text: &String| {
        let network = TrustedProxies::parse(text);
        if network.is_none() {
            let message = format!("server.trusted_proxies: {} is no network", quoted(text));
            let advice = "write networks as in \"10.0.0.0/8\" or \"fd00::/8\", or one proxy's address";
            faults.add(&layers.place(&["server", "trusted_proxies"]), message, advice);
        }
        network
    };
    TrustedProxies::new(raw.iter().filter_map(read).collect())
}

pub(super) fn read_origins(raw: &[String], layers: &Layers, faults: &mut Faults) -> AllowedOrigins {
    let read = |text: &String| match AllowedOrigin::parse(text) {
        Ok(origin) => Some(origin),
        Err(fault) => {
            let message = format!("cors.allowed_origins: {}: {fault}", quoted(text));
            let advice = "write scheme, host and port as in \"https://app.example.com\", or \
                          \"https://*.preview.example.com\" for every label in that place";
            faults.add(&layers.place(&["cors", "allowed_origins"]), message, advice);
            None
        }
    };
    raw.iter().filter_map(read).collect()
}

fn read_tls(raw: &RawTls, layers: &Layers, faults: &mut Faults) -> Option<TlsSettings> {
    let mut given = |key: &str, path: &Option<String>| {
        // One that is there and wrong has been told already.
        if path.is_none() && !layers.has(&format!("server.tls.{key}")) {
            let place = layers.place(&["server", "tls"]);
            faults.add(&place, format!("server.tls: {} is missing", quoted(key)), BOTH);
        }
        path.as_ref().map(PathBuf::from)
    };
    let (cert_file, key_file) = (given("cert_file", &raw.cert_file), given("key_file", &raw.key_file));
    let (cert_file, key_file) = (cert_file?, key_file?);
    match Identity::from_pem(&files::read(&cert_file), &files::read(&key_file)) {
        Ok(identity) => Some(TlsSettings { cert_file, key_file, validity: identity.validity() }),
        Err(unfit) => {
            // Somebody may have put the key in the place of its file.
            let (key, shown) = if unfit.is_of_the_key() {
                ("key_file", "the file that it names".to_owned())
            } else {
                ("cert_file", quoted(&cert_file.to_string_lossy()))
            };
            let message = format!("server.tls.{key}: {shown} {unfit}");
            faults.add(&layers.place(&["server", "tls", key]), message, unfit.advice());
            None
        }
    }
}

/// Reads `session.cookie`.
pub(super) fn read_cookie(raw: &RawCookie, layers: &Layers, faults: &mut Faults) -> Option<CookieSettings> {
    let Some(name) = &raw.name else {
        // One that is there and wrong has been told already.
        if !layers.has("session.cookie.name") {
            let place = layers.place(&["session", "cookie"]);
            faults.add(
                &place,
                "session.cookie: `name` is missing",
                "write the cookie's name, as in \"__Host-session\"",
            );
        }
        return None;
    };
    let told = |fault: CookieFault| {
        let (key, value, advice) = match fault {
            CookieFault::Name => ("name", Some(name), "write letters, digits and hyphens, as in \"__Host-session\""),
            CookieFault::GuardHeader => (
                "guard_header",
                raw.guard_header.as_ref(),
                "write a header that no browser sends unasked, as in \"X-Requested-With\"",
            ),
        };
        let value = quoted(value.map(String::as_str).unwrap_or_default());
        let message = format!("session.cookie.{key}: {value} {fault}");
        faults.add(&layers.place(&["session", "cookie", key]), message, advice);
    };
    CookieSettings::parse(name, raw.guard_header.as_deref()).map_err(told).ok()
}

/// With a cookie, a page that may read answers may act for the user, so each must be named.
pub(super) fn refuse_wildcards(origins: &AllowedOrigins, layers: &Layers, faults: &mut Faults) {
    for origin in origins.iter().filter(|origin| !origin.is_one()) {
        let shown = quoted(&origin.to_string());
        let message = format!("cors.allowed_origins: {shown} is not one origin, and there is a session cookie");
        let advice = "write each origin whole: a page at any of them acts for the users who visit it";
        faults.add(&layers.place(&["cors", "allowed_origins"]), message, advice);
    }
}
