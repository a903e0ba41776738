//! From a token's text to a [`Session`]: the order of the checks, and the only place where a session is made. Must not
//! know HTTP, nor what the session may do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use serde_json::Value;
use tokio::task::JoinSet;

use super::claims;
use super::fetch::Fetcher;
use super::http::HttpClientError;
use super::jws::UnverifiedJws;
use super::keys::{KeyFault, KeySet, NoKey};
use super::refresh::{Asking, Refresher};
use super::refusal::{Cause, Refusal};
use super::remembered::{Remembered, TokenPrint, Verified};
use super::settings::{IssuerSettings, KeySettings};
use super::store::KeyStore;
use crate::chat::{Facts, Object, Timestamp};

/// Facts that a configured issuer vouches for, or a guest's, who has none.
///
/// It cannot be made from facts, copied or read; only a [`Verifier`] makes one, or [`Session::guest`], which holds nothing:
///
/// ```compile_fail,E0451
/// fn forge(facts: usher::chat::Facts) -> usher::session::Session {
///     usher::session::Session { facts }
/// }
/// ```
/// ```compile_fail,E0277
/// fn copy(session: &usher::session::Session) -> usher::session::Session {
///     usher::session::Session::clone(session)
/// }
/// ```
/// ```compile_fail,E0277
/// fn read(json: &str) -> usher::session::Session {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
/// ```compile_fail,E0616
/// fn promote(session: &mut usher::session::Session) {
///     session.facts.ends = None;
/// }
/// ```
/// What is allowed, so that those above fail of what they should:
/// ```
/// fn look(session: &usher::session::Session) -> usher::chat::Facts {
///     session.facts().clone()
/// }
/// ```
#[derive(Debug)]
pub struct Session {
    facts: Facts,
}

/// Verifies sessions of the configured issuers.
#[derive(Debug)]
pub struct Verifier {
    /// By the exact `iss`.
    issuers: HashMap<String, Issuer>,
    /// None: every signature is checked each time.
    remembered: Option<Remembered>,
}

#[derive(Debug)]
struct Issuer {
    settings: IssuerSettings,
    keys: Arc<KeyStore>,
    /// The way to have keys fetched at once, where they are behind a URL.
    asking: Option<Arc<Asking>>,
}

/// How an issuer's keys are, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// The issuer's alias, which two issuers may share.
    pub alias: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// How many keys can verify now.
    pub usable: usize,
    /// For how many seconds they cannot be had anew; 0 while they can.
    pub failing_for: i64,
    /// For how many seconds they have been the ones that there are.
    pub age: i64,
}

impl Session {
    /// Nobody in particular. The policy decides whether a guest gets anything. `fresh` names it for this request alone.
    #[must_use]
    pub fn guest(fresh: uuid::Uuid) -> Self {
        Self { facts: Facts::guest(fresh) }
    }

    /// What is known of its holder.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// Why a token gives no session, as long as it may yet.
enum Attempt<'a> {
    Refused(Refusal),
    /// None of the issuer's keys has its `kid`.
    UnknownKid(&'a Issuer),
}

impl Verifier {
    /// Opens every issuer's keys: files are read now, URLs by [`Verifier::key_refreshers`].
    ///
    /// # Errors
    /// Every file or secret that holds no key.
    pub fn open(issuers: Vec<IssuerSettings>) -> Result<Self, Vec<KeyFault>> {
        let mut opened = HashMap::default();
        let mut faults = Vec::new();
        for settings in issuers {
            match KeySet::open(&settings) {
                Ok(set) => {
                    let keys = Arc::new(KeyStore::new(set, settings.keys_max_stale));
                    let is_remote = matches!(settings.keys, KeySettings::JwksUrl(_) | KeySettings::Discovery);
                    let asking = is_remote.then(Arc::default);
                    opened.insert(settings.issuer.clone(), Issuer { settings, keys, asking });
                }
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Self { issuers: opened, remembered: None }) } else { Err(faults) }
    }

    /// The same, and signatures that were verified are remembered.
    #[must_use]
    pub fn remembering(self) -> Self {
        Self { remembered: Some(Remembered::new()), ..self }
    }

    /// The aliases of all issuers.
    #[must_use]
    pub fn aliases(&self) -> BTreeSet<String> {
        self.issuers.values().map(|issuer| issuer.settings.name.clone()).collect()
    }

    /// How each issuer's keys are now, by alias and `iss`.
    #[must_use]
    pub fn key_status(&self, now: Timestamp) -> Vec<KeyStatus> {
        let status = |issuer: &Issuer| KeyStatus {
            alias: issuer.settings.name.clone(),
            issuer: issuer.settings.issuer.clone(),
            usable: issuer.keys.usable(now).map_or(0, |keys| keys.len()),
            failing_for: issuer.keys.failing_for(now),
            age: issuer.keys.age(),
        };
        let mut all: Vec<_> = self.issuers.values().map(status).collect();
        all.sort_unstable_by(|a, b| (&a.alias, &a.issuer).cmp(&(&b.alias, &b.issuer)));
        all
    }

    /// For each issuer whose keys are behind a URL, the task that fetches them and keeps them fresh, which never ends. An
    /// issuer that cannot be reached is logged and tried again; `clock` dates that.
    ///
    /// # Errors
    /// Where no TLS client can be had, as on a machine without CA certificates.
    pub fn key_refreshers(
        &self,
        clock: fn() -> Timestamp,
    ) -> Result<Vec<impl Future<Output = ()> + Send + use<>>, HttpClientError> {
        let mut tasks = Vec::new();
        for Issuer { settings, keys, asking } in self.issuers.values() {
            let (Some(fetcher), Some(asking)) = (Fetcher::new(settings)?, asking) else { continue };
            let (alias, store, asking) = (settings.name.clone(), Arc::clone(keys), Arc::clone(asking));
            tasks.push(
                Refresher { alias, fetcher, store, asking, clock, last_failure: None, left_out: Vec::new() }.run(),
            );
        }
        Ok(tasks)
    }

    /// Fetches the keys behind URLs, waiting for at most `timeout`, and keeps them fresh until the returned tasks are
    /// dropped: [`Verifier::key_refreshers`] for a caller that does not supervise them.
    ///
    /// # Errors
    /// As for [`Verifier::key_refreshers`].
    pub async fn fetch_keys(
        &self,
        clock: fn() -> Timestamp,
        timeout: Duration,
    ) -> Result<JoinSet<()>, HttpClientError> {
        let tasks = self.key_refreshers(clock)?.into_iter().collect();
        self.first_fetch(timeout).await;
        Ok(tasks)
    }

    /// Waits until each of these tasks has fetched keys, or failed to, once; at most `timeout`.
    pub async fn first_fetch(&self, timeout: Duration) {
        let first = async {
            for asking in self.issuers.values().filter_map(|issuer| issuer.asking.as_ref()) {
                asking.fetched_once().await;
            }
        };
        let _ = tokio::time::timeout(timeout, first).await;
    }

    /// The files that keys are in.
    #[must_use]
    pub fn key_files(&self) -> BTreeSet<PathBuf> {
        self.issuers.values().filter_map(|issuer| issuer.settings.keys.file()).map(Path::to_owned).collect()
    }

    /// Reads the keys in this file again. What cannot be used leaves what was.
    ///
    /// # Errors
    /// What is wrong with it, for each issuer whose file it is.
    pub fn reread(&self, file: &Path) -> Result<(), Vec<KeyFault>> {
        let mut faults = Vec::new();
        for issuer in self.issuers.values().filter(|issuer| issuer.settings.keys.file() == Some(file)) {
            match KeySet::open(&issuer.settings) {
                Ok(set) => drop(issuer.keys.replace(set)),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The session that a token proves, at the time `now`; for a `kid` that nobody knows its issuer is asked first.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub async fn authenticate(&self, unverified_token: &str, now: Timestamp) -> Result<Session, Refusal> {
        match self.attempt(unverified_token, now) {
            Err(Attempt::UnknownKid(issuer)) => {
                let Some(asking) = &issuer.asking else { return Err(Cause::NoKeyFits.into()) };
                asking.fetch().await;
                // Also where nothing was fetched: somebody else's fetch may have ended since the keys were looked at.
                self.verify(unverified_token, now)
            }
            Err(Attempt::Refused(refusal)) => Err(refusal),
            Ok(session) => Ok(session),
        }
    }

    /// The session that a token proves, at the time `now`, by the keys that are here.
    ///
    /// # Errors
    /// [`Refusal::Expired`] only for a token that is genuine in everything else.
    pub fn verify(&self, unverified_token: &str, now: Timestamp) -> Result<Session, Refusal> {
        self.attempt(unverified_token, now).map_err(|attempt| match attempt {
            Attempt::Refused(refusal) => refusal,
            Attempt::UnknownKid(_) => Cause::NoKeyFits.into(),
        })
    }

    fn attempt(&self, unverified_token: &str, now: Timestamp) -> Result<Session, Attempt<'_>> {
        let print = self.remembered.as_ref().map(|remembered| (remembered, TokenPrint::of(unverified_token)));
        let verified = print.and_then(|(remembered, print)| remembered.find(print));
        if let Some(session) = verified.and_then(|verified| self.again(&verified, now)) {
            return session.map_err(Attempt::Refused);
        }
        let jws = UnverifiedJws::parse(unverified_token)?;
        let Some(Value::String(unverified_issuer)) = jws.unverified_claims.get("iss") else {
            return Err(Cause::Issuer.into());
        };
        let issuer = self.issuers.get(unverified_issuer).ok_or(Cause::Issuer)?;
        let keys = issuer.keys.usable(now);
        let keys = keys.ok_or_else(|| Refusal::KeysUnavailable(issuer.settings.name.clone()))?;
        let fitting = keys.fitting(jws.unverified_algorithm, jws.unverified_kid.as_deref());
        let fitting = fitting.map_err(|no_key| match no_key {
            NoKey::UnknownKid => Attempt::UnknownKid(issuer),
            NoKey::NoneFits => Cause::NoKeyFits.into(),
        })?;
        // INVARIANT: only from here on is a claim anything but somebody's text.
        let key = fitting.into_iter().find(|key| key.verifies(jws.signing_input, jws.signature));
        let key = key.ok_or(Cause::Signature)?;
        let claims = Arc::new(jws.unverified_claims);
        let session = issuer.vouches_for(Arc::clone(&claims), now)?;
        if let Some((remembered, print)) = print {
            let verified = Verified {
                issuer: issuer.settings.issuer.clone(),
                key: key.print,
                claims,
                token_bytes: unverified_token.len(),
            };
            remembered.insert(print, verified);
        }
        Ok(session)
    }

    /// A session that was verified before, if its issuer's keys are still those: everything but the signature is checked
    /// again.
    fn again(&self, verified: &Verified, now: Timestamp) -> Option<Result<Session, Refusal>> {
        let issuer = self.issuers.get(&verified.issuer)?;
        if !issuer.keys.usable(now)?.holds(&verified.key) {
            return None;
        }
        Some(issuer.vouches_for(Arc::clone(&verified.claims), now))
    }
}

impl Issuer {
    /// The session of claims that one of this issuer's usable keys has signed.
    fn vouches_for(&self, claims: Arc<Object>, now: Timestamp) -> Result<Session, Refusal> {
        Ok(Session { facts: claims::check(claims, &self.settings, now)? })
    }
}

impl<E: Into<Refusal>> From<E> for Attempt<'_> {
    fn from(why: E) -> Self {
        Self::Refused(why.into())
    }
}
