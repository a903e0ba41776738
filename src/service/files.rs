//! Every file that a running service follows: the policy's and those of keys and secrets. Must not know what they hold.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::policy_file::PolicyFile;
use super::signals::Reload;
use super::watched::Watched;
use crate::api::App;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The files, as they were at the start.
pub(super) struct Files {
    policy: Option<PolicyFile>,
    /// Whether a change of the policy's file is noticed; else it is read again on SIGHUP only.
    watches_policy: bool,
    keys: Vec<Watched>,
}

impl Files {
    pub(super) fn of(app: &App, policy: Option<PolicyFile>, watches_policy: bool) -> Self {
        let keys: Vec<_> = app.verifier().key_files().iter().map(|path| Watched::open(path)).collect();
        // The keys in use were read before this look, and their files may have changed in between.
        for file in &keys {
            reread(app, file, "session keys are those of this file");
        }
        Self { policy, watches_policy, keys }
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
        }
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
