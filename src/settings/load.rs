//! Loads [`Settings`]: what each setting means, and what is wrong with it.

use std::path::{Path, PathBuf};

use super::layers::{self, Environment, Layers};
use super::raw::{RawSettings, merge};
use super::signalwire::{self, shown_host};
use super::{PolicySettings, Settings, issuer, limits, lint, server};
use crate::files;
use crate::schema::{Faults, Lints, quoted};
use crate::telemetry::clock;
use crate::telemetry::log::{LogFormat, LogSettings};
use crate::telemetry::traces::TracesSettings;

impl Settings {
    /// Loads the built-in defaults, [`DEFAULT_FILE`](super::DEFAULT_FILE) if it is there (or instead each of `files`, which must be), and the
    /// environment.
    ///
    /// # Errors
    /// Every fault, each with the setting's name, where its value came from and what would be right. No secret is in them.
    pub fn load(files: &[PathBuf], environment: &Environment) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let layers = layers::load(files, environment, &mut faults);
        if layers.is_incomplete {
            // What a file would have said is not known, so nothing is said of what is missing.
            return Err(faults);
        }
        let settings = read(&layers, &mut faults);
        match settings {
            Some(settings) => faults.or(Self { lints: lint::of(&settings, &layers, clock::now()), ..settings }),
            None => Err(faults),
        }
    }
}

/// The settings; none where something is wrong, which is then among the faults.
fn read(layers: &Layers, faults: &mut Faults) -> Option<Settings> {
    let raw = merge(layers, faults)?;
    let RawSettings { server, ops, cors, signalwire, session, policy, limits, log, telemetry } = raw;
    let server = server::read_server(&server, layers, faults);
    let ops_listen = ops.listen.map(|listen| server::parse_listen(&["ops", "listen"], &listen, layers, faults));
    if let (Some(server), Some(Some(ops))) = (&server, ops_listen)
        && server.listen == ops
        && ops.port() != 0
    {
        let message = format!("ops.listen: {ops} is server.listen too");
        faults.add(&layers.place(&["ops", "listen"]), message, "give the operator's listener a port of its own");
    }
    let origins = server::read_origins(&cors.allowed_origins, layers, faults);
    let signalwire = signalwire::read(signalwire, layers, faults);
    let issuers = issuer::read(&session.issuers, layers, faults);
    let cookie = session.cookie.as_ref().map(|cookie| server::read_cookie(cookie, layers, faults));
    if cookie.is_some() {
        server::refuse_wildcards(&origins, layers, faults);
    }
    let limits = limits::read(limits, layers, faults);
    let traces = telemetry.otlp_endpoint.map(|endpoint| read_endpoint(&endpoint, layers, faults));
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

/// Reads `telemetry.otlp_endpoint`.
fn read_endpoint(text: &str, layers: &Layers, faults: &mut Faults) -> Option<TracesSettings> {
    let told = |fault| {
        let message = format!("telemetry.otlp_endpoint: {} cannot be used: {fault}", shown_host(text));
        let advice = "write the collector's base URL, as in \"http://collector.example.com:4318\"";
        faults.add(&layers.place(&["telemetry", "otlp_endpoint"]), message, advice);
    };
    TracesSettings::parse(text).map_err(told).ok()
}
