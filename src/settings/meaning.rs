//! From plain values to [`Settings`]: what each setting means, and what is wrong with it. Reads the files that hold
//! secrets; must not know requests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::address::{parse_listen, shown_host};
use super::layers::Layers;
use super::raw::{RawServer, RawSettings, RawSignalWire, merge};
use super::space::parse_space;
use super::{PolicySettings, ServerSettings, Settings, collector, cookie, issuer, limits, tls};
use crate::api::{AllowedOrigin, AllowedOrigins, TrustedProxies};
use crate::chat::causes;
use crate::files;
use crate::listener::ConnectionSettings;
use crate::schema::{Faults, Lints, Place, Source, quoted};
use crate::signalwire::{SignalWireSettings, certificates, check_token};
use crate::telemetry::log::{LogFormat, LogSettings};

/// The settings; none where something is wrong, which is then among the faults.
pub(super) fn read(layers: &Layers, faults: &mut Faults) -> Option<Settings> {
    let raw = merge(layers, faults)?;
    let RawSettings { server, ops, cors, signalwire, session, policy, limits, log, telemetry } = raw;
    let server = read_server(&server, layers, faults);
    let ops_listen = ops.listen.map(|listen| parse_listen(&["ops", "listen"], &listen, layers, faults));
    if let (Some(server), Some(Some(ops))) = (&server, ops_listen)
        && server.listen == ops
        && ops.port() != 0
    {
        let message = format!("ops.listen: {ops} is server.listen too");
        faults.add(&layers.place(&["ops", "listen"]), message, "give the operator's listener a port of its own");
    }
    let origins = read_origins(&cors.allowed_origins, layers, faults);
    let signalwire = read_signalwire(signalwire, layers, faults);
    let issuers = issuer::read(&session.issuers, layers, faults);
    let cookie = session.cookie.as_ref().map(|cookie| cookie::read(cookie, layers, faults));
    if cookie.is_some() {
        cookie::refuse_wildcards(&origins, layers, faults);
    }
    let limits = limits::read(limits, layers, faults);
    let traces = telemetry.otlp_endpoint.map(|endpoint| collector::read(&endpoint, layers, faults));
    if let Err(why) = files::read(Path::new(&policy.file)) {
        let message = format!("policy.file: {} cannot be read: {why}", quoted(&policy.file));
        faults.add(&layers.place(&["policy", "file"]), message, "name the policy file, from the working directory on");
    }
    Some(Settings {
        server: server?,
        ops_listen: match ops_listen {
            Some(listen) => Some(listen?),
            None => None,
        },
        origins,
        signalwire: signalwire?,
        issuers,
        remember: session.remember,
        cookie: match cookie {
            Some(cookie) => Some(cookie?),
            None => None,
        },
        policy: PolicySettings::from(policy),
        limits,
        log: LogSettings {
            format: if log.format == "pretty" { LogFormat::Pretty } else { LogFormat::Json },
            level: log.level.parse().unwrap_or(tracing::Level::INFO),
        },
        traces: match traces {
            Some(traces) => Some(traces?),
            None => None,
        },
        lints: Lints::default(),
    })
}

fn read_server(raw: &RawServer, layers: &Layers, faults: &mut Faults) -> Option<ServerSettings> {
    let listen = parse_listen(&["server", "listen"], &raw.listen, layers, faults);
    let tls = raw.tls.as_ref().map(|tls| tls::read(tls, layers, faults));
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

fn read_origins(raw: &[String], layers: &Layers, faults: &mut Faults) -> AllowedOrigins {
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

fn read_signalwire(raw: RawSignalWire, layers: &Layers, faults: &mut Faults) -> Option<SignalWireSettings> {
    let space = match &raw.space {
        Some(text) => match parse_space(text, raw.allow_http) {
            Ok(space) => Some(space),
            Err(fault) => {
                let message = format!("signalwire.space: {} cannot be used: {fault}", shown_host(text));
                let advice = "write your space's name, as in \"example\" for example.signalwire.com";
                faults.add(&layers.place(&["signalwire", "space"]), message, advice);
                None
            }
        },
        None => missing(layers, "signalwire.space", "SIGNALWIRE_SPACE", faults),
    };
    let project_id =
        raw.project_id.or_else(|| missing(layers, "signalwire.project_id", "SIGNALWIRE_PROJECT_ID", faults));
    if project_id.as_ref().is_some_and(|id| id.contains(':')) {
        // RFC 7617 §2: a user name with a colon cannot be told from its password.
        let place = layers.place(&["signalwire", "project_id"]);
        faults.add(&place, "signalwire.project_id: it has a `:`", "write the project's id, a UUID");
    }
    let api_token = match (raw.api_token, &raw.api_token_file) {
        (Some(token), _) => Some(token),
        (None, Some(path)) => {
            read_secret(path, "signalwire.api_token_file", &layers.place(&["signalwire", "api_token_file"]), faults)
        }
        (None, None) if layers.has("signalwire.api_token_file") => None,
        (None, None) => missing(layers, "signalwire.api_token", "SIGNALWIRE_API_TOKEN", faults),
    };
    if api_token.as_ref().is_some_and(|token| check_token(token).is_err()) {
        let key = if layers.find(&["signalwire", "api_token_file"]).is_some() { "api_token_file" } else { "api_token" };
        let message = format!("signalwire.{key}: the token holds a control character, such as a newline");
        faults.add(&layers.place(&["signalwire", key]), message, "give the token alone, on one line");
    }
    let ca_file = raw.ca_file.map(PathBuf::from);
    if let Some(Err(fault)) = ca_file.as_deref().map(certificates) {
        let place = layers.place(&["signalwire", "ca_file"]);
        faults.add(&place, causes(&fault), "name a file with the CA's certificates as PEM");
    }
    Some(SignalWireSettings {
        space: space?,
        project_id: project_id?,
        api_token: api_token?,
        api_token_file: raw.api_token_file.map(PathBuf::from),
        connect_timeout: Duration::from_secs(raw.connect_timeout),
        timeout: Duration::from_secs(raw.timeout),
        max_in_flight: raw.max_in_flight,
        max_wait: Duration::from_secs(raw.max_wait),
        ca_file,
    })
}

fn missing<T>(layers: &Layers, setting: &str, variable: &str, faults: &mut Faults) -> Option<T> {
    if !layers.has(setting) {
        let place = Place::whole(&Source::named(setting));
        let own = setting.to_uppercase().replace('.', "__");
        let file =
            if setting == "signalwire.api_token" { ", or name a file that holds it as api_token_file" } else { "" };
        let advice = format!("set it in the settings file, or as {variable} or USHER__{own} in the environment{file}");
        faults.add(&place, "this setting is required and is not set", advice);
    }
    None
}

/// A secret from a file that a setting names.
pub(super) fn read_secret(path: &str, setting: &str, place: &Place, faults: &mut Faults) -> Option<SecretString> {
    let secret = files::read_secret(Path::new(path));
    let told =
        |why| faults.add(place, format!("{setting}: {why}"), "name a file that holds the secret and nothing else");
    secret.map_err(told).ok()
}
