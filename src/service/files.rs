//! Every file that a running service follows: the policy's, the certificate's, and those of keys and secrets. Must not know
//! what they hold.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::policy_file::PolicyFile;
use super::process::Reload;
use super::tls_files::TlsFiles;
use super::watched::Watched;
use crate::api::App;
use crate::chat::causes;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The setting that names the file of the store's URL.
const STORE_FILE: &str = "limits.store_file";

/// The files, as they were at the start.
pub(super) struct Files {
    policy: Option<PolicyFile>,
    /// Whether a change of the policy's file is noticed; else it is read again on SIGHUP only.
    watches_policy: bool,
    keys: Vec<Watched>,
    /// What the ways to SignalWire and to the shared store were made of, by the setting that names it.
    ways: Vec<(&'static str, Watched)>,
    tls: Option<TlsFiles>,
}

impl Files {
    pub(super) fn of(app: &App, policy: Option<PolicyFile>, watches_policy: bool, tls: Option<TlsFiles>) -> Self {
        let keys: Vec<_> = app.verifier().key_files().iter().map(|path| Watched::open(path)).collect();
        // The keys in use were read before this look, and their files may have changed in between.
        for file in &keys {
            reread(app, file, "session keys are those of this file");
        }
        let store = app.limits().file().map(|path| (STORE_FILE, path.to_owned()));
        let files = app.signalwire().files().into_iter().chain(store);
        let ways: Vec<_> = files.map(|(setting, path)| (setting, Watched::open(&path))).collect();
        for (setting, _) in &ways {
            reread_way(app, setting, "what this file holds is in use");
        }
        Self { policy, watches_policy, keys, ways, tls }
    }

    /// Follows them for ever.
    pub(super) async fn follow(mut self, app: App, mut reload: Option<Reload>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked_for = tokio::select! {
                () = Reload::next(reload.as_mut()) => true,
                _ = looks.tick() => false,
            };
            if let Some(policy) = self.policy.as_mut().filter(|_| self.watches_policy || is_asked_for) {
                policy.look_again(&app, is_asked_for).await;
            }
            for file in &mut self.keys {
                if file.changed(is_asked_for).await || is_asked_for {
                    reread(&app, file, "session keys read again");
                }
            }
            for (setting, file) in &mut self.ways {
                if file.changed(is_asked_for).await || is_asked_for {
                    reread_way(&app, setting, "what this file holds now is in use");
                }
            }
            if let Some(tls) = &mut self.tls {
                tls.look_again(app.status(), is_asked_for).await;
            }
        }
    }
}

/// Says which file by the setting that names it: its path stays out of the log, as the token does.
fn reread_way(app: &App, setting: &str, said: &str) {
    let read = match setting {
        STORE_FILE => app.limits().reread().map_err(|fault| fault.to_string()),
        _ => app.signalwire().reread(setting).map_err(|fault| causes(&fault)),
    };
    match read {
        Ok(()) => tracing::info!(setting, "{said}"),
        Err(fault) => tracing::error!(setting, fault, "the file is of no use; what was stays"),
    }
}

fn reread(app: &App, file: &Watched, said: &str) {
    let path = file.path().display().to_string();
    match app.verifier().reread(file.path()) {
        Ok(()) => tracing::info!(path, "{said}"),
        Err(faults) => {
            let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            tracing::error!(path, faults = told, "no session keys to load; those in use stay");
        }
    }
}
