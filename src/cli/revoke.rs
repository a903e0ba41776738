//! `usher revoke`: refuses a member on every replica, for as long as is said; undoes that; lists who is refused. Needs the
//! shared store, and no other setting.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::input::seconds;
use super::outcome::{Failure, block_on, print};
use crate::chat::MemberId;
use crate::limits::{Revocation, Store, StoreFault};
use crate::settings::{Environment, load_store};
use crate::telemetry::clock;
use crate::telemetry::log::visible;

#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["lasts", "undo", "list"]))]
pub(super) struct Options {
    /// The member's id, as the policy makes it and the audit event shows it
    #[arg(long, value_name = "ID", value_parser = member, required_unless_present = "list")]
    member: Option<MemberId>,
    /// For how long, as 24h or 30d: longer than any of its chat tokens may live
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds, requires = "member")]
    lasts: Option<i64>,
    /// Refuses the member no more
    #[arg(long, requires = "member")]
    undo: bool,
    /// Everybody who is refused, and until when
    #[arg(long, conflicts_with = "member")]
    list: bool,
    /// A settings file, instead of config/usher.toml; may be given several times, the later wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    let url = load_store(&options.config, environment).map_err(Failure::wrong)?;
    let url = url.ok_or_else(|| {
        Failure::wrong(
            "error: limits.store is \"memory\", which no other process can reach\n  = help: give all replicas a store \
             (limits.store = \"redis://…\"), or add the member to [blocked] in the policy, which needs none",
        )
    })?;
    block_on(async {
        let store = Store::open(&url)?;
        match (&options.member, options.lasts) {
            (Some(member), Some(lasts)) => {
                let lasts = Duration::from_secs(lasts.unsigned_abs());
                store.revoke(member, lasts).await?;
                print(format!("{} is refused until {}", visible(member.as_str()), until(Some(lasts))));
            }
            (Some(member), None) => {
                let was_revoked = store.undo(member).await?;
                let told = if was_revoked { "is refused no more, within 5 s" } else { "was not refused" };
                print(format!("{} {told}", visible(member.as_str())));
            }
            (None, _) => {
                for Revocation { member, left } in store.revocations().await? {
                    // Anybody may have written the list.
                    print(format!("{}\t{}", until(left), visible(&member)));
                }
            }
        }
        Ok(())
    })
}

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Self {
        Self::failed(format!("limits.store: {fault}"))
    }
}

/// Whole seconds, `Z`.
fn until(left: Option<Duration>) -> String {
    left.map_or_else(|| "for ever".to_owned(), |left| clock::rfc3339(clock::now().plus(left)))
}

fn member(text: &str) -> Result<MemberId, String> {
    MemberId::parse(text).map_err(|fault| fault.to_string())
}
