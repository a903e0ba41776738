//! `usher check`: settings and policy, every fault or what was understood.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::input::{check_policy, open_keys};
use super::outcome::{Failure, complain, print};
use crate::chat::Timestamp;
use crate::policy::Policy;
use crate::schema::{Lints, escaped};
use crate::session::{AudiencesSettings, IssuerSettings};
use crate::settings::{Environment, Settings};
use crate::signalwire::Client;
use crate::telemetry::clock;

#[derive(Args)]
pub(super) struct Options {
    /// A settings file, instead of config/usher.toml; may be given several times, the later wins
    #[arg(long, value_name = "FILE", conflicts_with = "policy")]
    config: Vec<PathBuf>,
    /// This policy alone, without settings or secrets
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    if let Some(file) = &options.policy {
        let (policy, lints) = check_policy(file, &BTreeSet::new());
        tell(&lints);
        let policy = policy.map_err(Failure::wrong)?;
        print(understood_policy(&file.display().to_string(), &policy).trim_end());
        return Ok(());
    }
    let settings = Settings::load(&options.config, environment).map_err(Failure::wrong)?;
    // Everything that is wrong is told at once, so the policy is looked at even where a key is not there.
    let keys = open_keys(&settings);
    let aliases = settings.issuers.iter().map(|issuer| issuer.name.clone()).collect();
    let (policy, lints) = check_policy(&settings.policy.file, &aliases);
    let client = Client::new(&settings.signalwire).map_err(|fault| format!("error: {fault}"));
    let wrong = [keys.err(), policy.as_ref().err().map(ToString::to_string), client.err()];
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    tell(&settings.lints);
    tell(&lints);
    match policy {
        Ok(policy) if wrong.is_empty() => {
            print(understood(&settings, &policy).trim_end());
            Ok(())
        }
        _ => Err(Failure::Wrong(wrong.join("\n\n"))),
    }
}

/// Lints stand beside faults, and change no exit status.
fn tell(lints: &Lints) {
    for lint in lints.iter() {
        complain(&format!("{lint}\n"));
    }
}

fn understood(settings: &Settings, policy: &Policy) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<12}{value}");
    };
    let tls = settings.server.tls.as_ref().map(|tls| {
        let until = clock::rfc3339(Timestamp::from_seconds(tls.validity.until));
        format!(" with TLS (certificate {} until {until})", tls.cert_file.display())
    });
    line("listen", format!("{}{}", settings.server.listen, tls.unwrap_or_default()));
    if let Some(address) = settings.ops_listen {
        line("operator", address.to_string());
    }
    for origin in settings.origins.iter() {
        line("origin", origin.to_string());
    }
    if let Some(cookie) = &settings.cookie {
        line("cookie", cookie.to_string());
    }
    line("signalwire", format!("{} project {}", settings.signalwire.space, settings.signalwire.project_id));
    for issuer in &settings.issuers {
        line("issuer", understood_issuer(issuer));
    }
    if let Some(traces) = &settings.traces {
        line("traces", traces.endpoint().to_string());
    }
    text + &understood_policy(&settings.policy.file.display().to_string(), policy)
}

fn understood_issuer(issuer: &IssuerSettings) -> String {
    let audiences = match &issuer.audiences {
        AudiencesSettings::Any => "any audience".to_owned(),
        AudiencesSettings::OneOf(audiences) => format!("{} {}", issuer.audience_claim, audiences.join(" or ")),
    };
    format!("{} {} ({audiences}; keys: {})", issuer.name, issuer.issuer, issuer.keys)
}

fn understood_policy(file: &str, policy: &Policy) -> String {
    let mut text = format!("{:<12}{file} sha256 {}\n", "policy", policy.sha256());
    for (name, allows, denies) in policy.roles() {
        let rules = |count: usize, what: &str| format!("{count} {what} {}", if count == 1 { "rule" } else { "rules" });
        let name = escaped(name);
        let _ = writeln!(text, "{:<12}{name}: {}, {}", "role", rules(allows, "allow"), rules(denies, "deny"));
    }
    text + &format!("{:<12}{}\n", "guests", if policy.admits_guests() { "let in" } else { "refused" })
}
