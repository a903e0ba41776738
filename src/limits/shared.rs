//! The store that all replicas share, whether it is there, and what is known without it. Must not know what is done with the
//! answers.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::RateSettings;
use super::revoked::Revoked;
use super::store::{Asked, Revocation, Said, Store, StoreFault};
use crate::chat::MemberId;

/// How often the list of the revoked is read.
const READ_LIST: Duration = Duration::from_secs(5);
/// How often a store that is away is asked whether it is back.
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// How often a connection that stays silent is left for another.
const RENEW: Duration = Duration::from_secs(5);

/// A store, and what this replica knows.
#[derive(Debug)]
pub(super) struct Shared {
    store: Store,
    revoked: Revoked,
    /// Since when it is away, where it is: nobody waits for one that is known to be.
    away_since: Mutex<Option<Instant>>,
    /// Which run of the store the list was read from.
    run: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn new(store: Store) -> Self {
        Self { store, revoked: Revoked::default(), away_since: Mutex::default(), run: Mutex::default() }
    }

    /// What the store says of a request by this member; nothing where it is away. The question is large, and boxed, so that
    /// nobody who asks none has to make room for one.
    pub(super) async fn member(
        &self,
        member: &MemberId,
        rate: Option<RateSettings>,
        seen: impl Fn(Asked),
    ) -> Option<Said> {
        self.ask(Box::pin(self.store.member(member, rate)), seen).await
    }

    /// What the store says of a request from this address; nothing where it is away.
    pub(super) async fn address(&self, address: IpAddr, rate: RateSettings, seen: impl Fn(Asked)) -> Option<Said> {
        self.ask(Box::pin(self.store.address(address, rate)), seen).await
    }

    async fn ask(
        &self,
        question: impl Future<Output = Result<Said, StoreFault>>,
        seen: impl Fn(Asked),
    ) -> Option<Said> {
        if self.is_away() {
            return None;
        }
        let begun = Instant::now();
        let said = question.await;
        seen(Asked::since(begun, &said));
        said.inspect_err(|fault| self.is_gone(fault)).ok()
    }

    /// Whether this member is revoked, by what the store has just said, or by what is known.
    pub(super) fn refuses(&self, member: &MemberId, said: Option<Said>) -> bool {
        if let Some(Said::Revoked(left)) = said {
            self.revoked.hear(member.as_str(), left, Instant::now());
        }
        self.revoked.contains(member.as_str(), Instant::now())
    }

    /// How many members are revoked, as far as is known here.
    pub(super) fn revoked(&self) -> usize {
        self.revoked.count(Instant::now())
    }

    /// For how long the store has been away; nothing while it answers.
    pub(super) fn away_for(&self) -> Duration {
        self.since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// From now on the store is where this leads.
    pub(super) fn lead_to(&self, url: &SecretString) -> Result<(), StoreFault> {
        self.store.lead_to(url)
    }

    /// Reads the list for the first time.
    pub(super) async fn begin(&self) {
        if let Err(fault) = self.read_list().await {
            self.is_gone(&fault);
        }
    }

    /// Reads the list every 5 s; while the store is away, asks it again and again. For ever.
    pub(super) async fn follow(&self) {
        let (mut read, mut renewed) = (Instant::now(), Instant::now());
        loop {
            tokio::time::sleep(TRY_AGAIN).await;
            let was_away = self.is_away();
            if was_away && self.store.try_out().await.is_err() {
                // Also one that answers with errors: it may be a replica by now, and another the master.
                if renewed.elapsed() >= RENEW {
                    renewed = Instant::now();
                    self.store.renew();
                }
                continue;
            }
            if was_away || read.elapsed() >= READ_LIST {
                read = Instant::now();
                // One that is back is so only with its list.
                match self.read_list().await {
                    Ok(()) => self.is_back(),
                    Err(fault) => self.is_gone(&fault),
                }
            }
        }
    }

    /// Reads the whole list. A store that was started again and holds less than is known here has lost it, and is given it
    /// back.
    async fn read_list(&self) -> Result<(), StoreFault> {
        let begun = Instant::now();
        // Of one run of one store, whatever it is exchanged for meanwhile.
        let (run, mut list) = loop {
            let run = self.store.run().await?;
            let list = self.store.revocations().await?;
            if self.store.run().await? == run {
                break (run, list);
            }
        };
        let known_run = self.run.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_another = known_run.is_some() && run.is_some() && run != known_run;
        if is_another {
            let is_lost = |member: &str| list.binary_search_by(|known| known.member.as_str().cmp(member)).is_err();
            let mut lost = self.revoked.list(Instant::now());
            lost.retain(|(member, _)| is_lost(member));
            for (member, left) in lost {
                self.store.restore(&member, left).await?;
                tracing::warn!(
                    "limits.store: the store was started again without a revocation, which it is given back"
                );
                list.push(Revocation { member, left });
            }
        }
        if run.is_some() {
            *self.run.lock().unwrap_or_else(PoisonError::into_inner) = run;
        }
        self.revoked.replace(list.into_iter().map(|revocation| (revocation.member, revocation.left)), begun);
        Ok(())
    }

    fn is_away(&self) -> bool {
        self.since().is_some()
    }

    fn is_gone(&self, fault: &StoreFault) {
        let mut since = self.since();
        if since.is_none() {
            *since = Some(Instant::now());
            tracing::error!("limits.store: {fault}; limits.on_store_failure says what is done meanwhile");
        }
    }

    fn is_back(&self) {
        if self.since().take().is_some() {
            tracing::info!("limits.store: the store answers again");
        }
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.away_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
