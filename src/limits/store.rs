//! The store that all replicas share: Redis, or what speaks its protocol (Valkey). One script counts a request and asks who
//! is revoked, in one round trip. Must not know what is done where it is away.
//!
//! Its keys, which other programs may write too:
//!
//! ```text
//! usher:revoked:<member id>        revoked for as long as the key lives (`SET … EX <seconds>`); its value means nothing
//! usher:limit:member:<member id>   when the last request is forgiven, in microseconds since 1970 (GCRA)
//! usher:limit:address:<address>    the same
//! ```

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, Script};
use secrecy::{ExposeSecret, SecretString};

use super::RateSettings;
use crate::chat::{MemberId, millis};

/// How long one request waits for the store. It is near, and answers in a millisecond or not at all.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long an operator's command, or the reading of the list, waits for each of its answers.
const LONG_PATIENCE: Duration = Duration::from_secs(2);
/// How many keys are looked at in one round trip of reading the list.
const LOOK_AT: usize = 1_000;

const REVOKED: &str = "usher:revoked:";
const MEMBER: &str = "usher:limit:member:";
const ADDRESS: &str = "usher:limit:address:";
/// An account of nobody's, to find out whether the store works.
const TRIAL: &str = "usher:limit:trial";

/// GCRA by the store's own clock, so that replicas need not agree on the time.
const SCRIPT: &str = include_str!("admit.lua");

/// A connection to the store, made when it is needed, and again when it is lost.
pub struct Store {
    client: ArcSwap<redis::Client>,
    connection: ArcSwap<ConnectionManager>,
    script: Script,
}

/// What the store says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Admitted,
    Wait(Duration),
    /// For so long yet, or for ever.
    Revoked(Option<Duration>),
}

/// One question to the store, as it ended.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Whether it was answered.
    pub is_answered: bool,
    /// How long that took.
    pub took: Duration,
}

/// A member that is revoked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revocation {
    /// Who.
    pub member: String,
    /// For how long yet; for ever where nothing is said, which `usher revoke` never does.
    pub left: Option<Duration>,
}

/// Why the store is of no use. Its text never holds the URL, which has a password.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// Not `redis://` or `rediss://`, or no URL at all.
    #[error("it is no URL of a store, such as \"redis://redis.example.com:6379\" or \"rediss://…\"")]
    Url,
    /// The file with its URL cannot be read. Neither its path nor what it holds is shown.
    #[error("{0}")]
    File(String),
    /// No answer in time.
    #[error("the store did not answer in time")]
    Silent,
    /// It cannot be reached, or refuses.
    #[error("the store cannot be used: {0}")]
    Failed(String),
}

impl Store {
    /// Connects to nothing yet. To be called where a runtime is.
    ///
    /// # Errors
    /// Where this is no URL of a store.
    pub fn open(url: &SecretString) -> Result<Self, StoreFault> {
        let client = client(url)?;
        let connection = ArcSwap::from_pointee(connection(&client)?);
        Ok(Self { client: ArcSwap::from_pointee(client), connection, script: Script::new(SCRIPT) })
    }

    /// From now on the store is where this leads.
    pub(super) fn lead_to(&self, url: &SecretString) -> Result<(), StoreFault> {
        self.client.store(Arc::new(client(url)?));
        self.renew();
        Ok(())
    }

    /// Leaves a connection on which nothing comes any more: the store's name may lead elsewhere by now, and TCP itself would
    /// notice after a quarter of an hour.
    pub(super) fn renew(&self) {
        if let Ok(connection) = connection(&self.client.load()) {
            self.connection.store(Arc::new(connection));
        }
    }

    /// Whether this is the URL of a store.
    ///
    /// # Errors
    /// Where it is not.
    pub fn check_url(url: &SecretString) -> Result<(), StoreFault> {
        client(url).map(drop)
    }

    /// Counts a request by this member, if there is a rate, and asks whether the member is revoked.
    pub(super) async fn member(&self, member: &MemberId, rate: Option<RateSettings>) -> Result<Said, StoreFault> {
        let account = rate.map(|_| format!("{MEMBER}{}", member.as_str())).unwrap_or_default();
        self.ask(&account, &format!("{REVOKED}{}", member.as_str()), rate).await
    }

    /// Counts a request from this address.
    pub(super) async fn address(&self, address: IpAddr, rate: RateSettings) -> Result<Said, StoreFault> {
        self.ask(&format!("{ADDRESS}{address}"), "", Some(rate)).await
    }

    /// Whether the store works: that it counts, not only that it answers.
    ///
    /// # Errors
    /// Why not.
    pub async fn try_out(&self) -> Result<(), StoreFault> {
        let rate = RateSettings { period: Duration::from_millis(1), burst: std::num::NonZeroU32::MAX };
        self.ask(TRIAL, "", Some(rate)).await.map(drop)
    }

    /// Everybody who is revoked, sorted.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn revocations(&self) -> Result<Vec<Revocation>, StoreFault> {
        let mut connection = self.connection();
        let (mut cursor, mut found) = (0_u64, Vec::new());
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{REVOKED}*")).arg("COUNT").arg(LOOK_AT);
            let (next, keys): (u64, Vec<Vec<u8>>) =
                scan.query_async(&mut connection).await.map_err(|error| sort(&error))?;
            found.extend(keys);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        // A key may be seen twice.
        found.sort_unstable();
        found.dedup();
        let mut revocations = Vec::new();
        for keys in found.chunks(LOOK_AT) {
            let mut ages = redis::pipe();
            for key in keys {
                ages.cmd("PTTL").arg(key);
            }
            let ages: Vec<i64> = ages.query_async(&mut connection).await.map_err(|error| sort(&error))?;
            for (key, left) in keys.iter().zip(ages) {
                let member = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(REVOKED));
                // -2: it has just ended.
                if let Some(member) = member.filter(|_| left != -2) {
                    revocations.push(Revocation { member: member.to_owned(), left: duration(left) });
                }
            }
        }
        Ok(revocations)
    }

    /// Revokes a member for so long, whatever was before.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn revoke(&self, member: &MemberId, lasts: Duration) -> Result<(), StoreFault> {
        self.set(member.as_str(), Some(lasts), false).await
    }

    /// Revokes a member no more. Whether it was revoked.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn undo(&self, member: &MemberId) -> Result<bool, StoreFault> {
        let mut connection = self.connection();
        let removed: i64 = redis::cmd("DEL")
            .arg(format!("{REVOKED}{}", member.as_str()))
            .query_async(&mut connection)
            .await
            .map_err(|error| sort(&error))?;
        Ok(removed > 0)
    }

    /// Gives the store a revocation back that it has lost.
    pub(super) async fn restore(&self, member: &str, left: Option<Duration>) -> Result<(), StoreFault> {
        self.set(member, left, true).await
    }

    /// Which run of the store this is: another one may have lost what it held. None where it does not say.
    pub(super) async fn run(&self) -> Result<Option<String>, StoreFault> {
        let mut connection = self.connection();
        let answer: Result<String, RedisError> = redis::cmd("INFO").arg("server").query_async(&mut connection).await;
        match answer {
            Ok(text) => Ok(text.lines().find_map(|line| line.strip_prefix("run_id:")).map(str::to_owned)),
            // Some that are rented do not answer that.
            Err(error) if error.code().is_some() => Ok(None),
            Err(error) => Err(sort(&error)),
        }
    }

    fn connection(&self) -> ConnectionManager {
        ConnectionManager::clone(&self.connection.load())
    }

    async fn set(&self, member: &str, lasts: Option<Duration>, only_if_absent: bool) -> Result<(), StoreFault> {
        let mut connection = self.connection();
        let mut set = redis::cmd("SET");
        set.arg(format!("{REVOKED}{member}")).arg("1");
        if let Some(lasts) = lasts {
            set.arg("PX").arg(millis(lasts).max(1));
        }
        if only_if_absent {
            set.arg("NX");
        }
        set.query_async::<Option<String>>(&mut connection).await.map(drop).map_err(|error| sort(&error))
    }

    async fn ask(&self, account: &str, revocation: &str, rate: Option<RateSettings>) -> Result<Said, StoreFault> {
        let (period, burst) = rate.map_or((0.0, 0), |rate| (rate.period.as_secs_f64() * 1e6, rate.burst.get()));
        let mut connection = self.connection();
        let mut asking = self.script.key(account);
        asking.key(revocation).arg(format!("{period:.3}")).arg(burst);
        let asked = asking.invoke_async::<(i64, i64)>(&mut connection);
        let answer = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| StoreFault::Silent)?;
        match answer.map_err(|error| sort(&error))? {
            (0, _) => Ok(Said::Admitted),
            (1, wait) => Ok(Said::Wait(Duration::from_micros(u64::try_from(wait).unwrap_or_default()))),
            (2, left) => Ok(Said::Revoked(duration(left))),
            _ => Err(StoreFault::Failed("its script gave something else".to_owned())),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Store(…)")
    }
}

impl Asked {
    /// A question that was asked at `begun`.
    pub(super) fn since<T>(begun: Instant, answer: &Result<T, StoreFault>) -> Self {
        Self { is_answered: answer.is_ok(), took: begun.elapsed() }
    }
}

fn client(url: &SecretString) -> Result<redis::Client, StoreFault> {
    let url = url.expose_secret();
    if !["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(StoreFault::Url);
    }
    redis::Client::open(url).map_err(|_| StoreFault::Url)
}

fn connection(client: &redis::Client) -> Result<ConnectionManager, StoreFault> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(LONG_PATIENCE))
        .set_response_timeout(Some(LONG_PATIENCE))
        // Whoever waits is told at once; whoever asks next tries again.
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(|_| StoreFault::Url)
}

/// Milliseconds as the store gives them: -1 for a key that does not end.
fn duration(left: i64) -> Option<Duration> {
    u64::try_from(left).ok().map(Duration::from_millis)
}

/// Whatever the server's own words are, no address and no password is among ours.
fn sort(error: &RedisError) -> StoreFault {
    if error.is_timeout() {
        return StoreFault::Silent;
    }
    let said = match error.code() {
        Some(code) => format!("it answers {code}"),
        None if error.is_connection_refusal() => "the connection is refused".to_owned(),
        None => error.category().to_owned(),
    };
    StoreFault::Failed(said)
}
