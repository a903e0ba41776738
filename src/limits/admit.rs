//! The one place where a member, or an address, is let in: the only maker of an [`Admitted`]. Must not know how the store is
//! spoken to.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use super::keyed::Keyed;
use super::shared::Shared;
use super::store::{Asked, Said, Store, StoreFault};
use super::{LimitsSettings, OnStoreFailure};
use crate::chat::MemberId;
use crate::files;

/// The longest that a client is told to wait, in seconds.
const MAX_RETRY_AFTER: u64 = 300;
/// The bits of an IPv6 address that are one customer's (RFC 6177): the limit is by these.
const ONE_SITE: u32 = 64;

/// This member may ask now: the only thing that lets a grant be minted, and only this member's.
///
/// ```compile_fail,E0451
/// fn forge(member: usher::chat::MemberId) -> usher::limits::Admitted {
///     usher::limits::Admitted { member }
/// }
/// ```
/// ```compile_fail,E0277
/// fn copy(admitted: &usher::limits::Admitted) -> usher::limits::Admitted {
///     usher::limits::Admitted::clone(admitted)
/// }
/// ```
/// What is allowed, so that those above fail of what they should:
/// ```
/// fn look(admitted: &usher::limits::Admitted) -> &usher::chat::MemberId {
///     admitted.member()
/// }
/// ```
#[derive(Debug)]
pub struct Admitted {
    member: MemberId,
}

/// Why a member, or an address, may not ask now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many requests.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The member is revoked.
    #[error("this member is revoked in the shared store")]
    Revoked,
    /// The shared store is away, and the settings say to refuse then.
    #[error("the shared store is away, and limits.on_store_failure is \"refuse\"")]
    StoreAway,
}

/// Too many requests by one member, or from one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the next request may come in {retry_after} s")]
pub struct Limited {
    /// Whole seconds, 1 to 300.
    pub retry_after: u64,
}

/// The limits in force.
#[derive(Debug)]
pub struct Limits {
    settings: LimitsSettings,
    members: Option<Keyed<MemberId>>,
    addresses: Option<Keyed<IpAddr>>,
    shared: Option<Shared>,
}

impl Admitted {
    /// Who was admitted.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        &self.member
    }
}

impl Refused {
    /// Every word of [`Refused::as_str`].
    pub const KINDS: [&str; 3] =
        [Self::Limited(Limited { retry_after: 1 }).as_str(), Self::Revoked.as_str(), Self::StoreAway.as_str()];

    /// In one word, for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limited(_) => "limited",
            Self::Revoked => "revoked",
            Self::StoreAway => "unavailable",
        }
    }
}

impl Limited {
    fn after(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after: seconds.clamp(1, MAX_RETRY_AFTER) }
    }
}

impl Limits {
    /// In this process's memory, or in the store that the settings name. To be called where a runtime is; connects to nothing
    /// yet.
    ///
    /// # Errors
    /// Where the store's URL is none.
    pub fn open(settings: LimitsSettings) -> Result<Self, StoreFault> {
        let shared = settings.store.as_ref().map(|url| Store::open(url).map(Shared::new)).transpose()?;
        Ok(Self {
            members: settings.per_member.and_then(Keyed::new),
            addresses: settings.per_address.and_then(Keyed::new),
            shared,
            settings,
        })
    }

    /// Counts one request by this member, and asks whether the member is revoked, in one round trip where there is a store.
    /// A guest's id is new each time, so there is nothing to count. `seen` is told of the round trip.
    ///
    /// # Errors
    /// Where the member has used up what it may ask, is revoked, or cannot be counted.
    pub async fn admit(&self, member: &MemberId, seen: impl Fn(Asked)) -> Result<Admitted, Refused> {
        if !member.is_guest() {
            let locally = || self.members.as_ref().map_or(Ok(()), |members| members.check(member));
            match &self.shared {
                None => locally().map_err(Limited::after)?,
                Some(shared) => {
                    let said = shared.member(member, self.settings.per_member, seen).await;
                    // INVARIANT: a revocation once seen stays in force, whatever the store does.
                    if shared.refuses(member, said) {
                        return Err(Refused::Revoked);
                    }
                    self.settle(said, locally)?;
                }
            }
        }
        Ok(Admitted { member: member.clone() })
    }

    /// Counts one request from this address, by a guest or with a session that is none.
    ///
    /// # Errors
    /// Where the address has used up what it may ask, or cannot be counted.
    pub async fn admit_address(&self, address: IpAddr, seen: impl Fn(Asked)) -> Result<(), Refused> {
        let (Some(rate), Some(addresses)) = (self.settings.per_address, &self.addresses) else { return Ok(()) };
        let address = site_of(address);
        let locally = || addresses.check(&address);
        match &self.shared {
            None => locally().map_err(|wait| Limited::after(wait).into()),
            Some(shared) => {
                let said = shared.address(address, rate, seen).await;
                self.settle(said, locally)
            }
        }
    }

    /// Whether there is a limit for addresses.
    #[must_use]
    pub fn counts_addresses(&self) -> bool {
        self.addresses.is_some()
    }

    /// Reads the list of the revoked every 5 s; while the store is away, asks it again and again. Never ends.
    pub async fn follow(&self) {
        match &self.shared {
            Some(shared) => shared.follow().await,
            None => std::future::pending().await,
        }
    }

    /// Reads the list of the revoked for the first time, so that it is known before anybody is admitted.
    pub async fn begin(&self) {
        if let Some(shared) = &self.shared {
            shared.begin().await;
        }
    }

    /// The file that the store's URL is from.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.settings.store_file.as_deref()
    }

    /// Reads that file again, for the questions from now on. What is of no use leaves what was.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn reread(&self) -> Result<(), StoreFault> {
        let (Some(path), Some(shared)) = (self.file(), &self.shared) else { return Ok(()) };
        shared.lead_to(&files::read_secret(path).map_err(StoreFault::File)?)
    }

    /// For how long the store has been away; nothing while it answers, or nothing is shared.
    #[must_use]
    pub fn store_away_for(&self) -> Duration {
        self.shared.as_ref().map_or(Duration::ZERO, Shared::away_for)
    }

    /// How many members are revoked, as far as is known here.
    #[must_use]
    pub fn revoked(&self) -> usize {
        self.shared.as_ref().map_or(0, Shared::revoked)
    }

    /// What the store said; where it is away, what the settings say.
    fn settle(&self, said: Option<Said>, locally: impl FnOnce() -> Result<(), Duration>) -> Result<(), Refused> {
        match said {
            Some(Said::Admitted) => Ok(()),
            Some(Said::Wait(wait)) => Err(Limited::after(wait).into()),
            Some(Said::Revoked(_)) => Err(Refused::Revoked),
            None => match self.settings.on_store_failure {
                OnStoreFailure::Local => locally().map_err(|wait| Limited::after(wait).into()),
                OnStoreFailure::Refuse => Err(Refused::StoreAway),
            },
        }
    }
}

/// What counts as one address: a customer's whole network where there are addresses enough for each.
fn site_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - ONE_SITE)))),
        address @ IpAddr::V4(_) => address,
    }
}
