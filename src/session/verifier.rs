//! From a token's text to a [`Session`]: the order of the checks, and the only place where a session is made. Must not
//! know HTTP, nor what the session may do.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

use super::claims;
use super::fetch::Fetcher;
use super::jws::UnverifiedJws;
use super::keys::{KeyFault, KeyStore, NoKey};
use super::settings::{IssuerSettings, KeySettings};
use crate::chat::{Facts, Timestamp};

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
}

#[derive(Debug)]
struct Issuer {
    settings: IssuerSettings,
    keys: Arc<KeyStore>,
}

/// Why a credential is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not genuine.
    #[error("the session is not valid: {0}")]
    Invalid(#[from] Cause),
    /// Genuine, and over.
    #[error("the session has expired")]
    Expired,
    /// Its issuer has no key at all, so nothing can be said.
    #[error("issuer `{0}` has no usable key")]
    KeysUnavailable(String),
}

/// What is wrong with a token: for the operator's log, never for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The `Authorization` header is not exactly `Bearer <token>`.
    #[error("the Authorization header is not exactly `Bearer <token>`")]
    NotBearer,
    /// Over [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES).
    #[error("the token is over 16 KiB")]
    TooLong,
    /// No compact JWS.
    #[error("the token does not have three parts")]
    NotThreeParts,
    /// Not base64url of one JSON object, a name in it twice, or `kid` is no string.
    #[error("the token's header cannot be read")]
    Header,
    /// Not base64url of one JSON object, or a name in it twice.
    #[error("the token's claims cannot be read")]
    Claims,
    /// `alg` is absent, `none`, or none that we know.
    #[error("the token's algorithm is not one that a session may have")]
    UnknownAlgorithm,
    /// A header that changes what the token means.
    #[error("the token's header has `{0}`")]
    Extension(&'static str),
    /// `typ` is of another kind of token.
    #[error("the token's `typ` is not that of a session")]
    Type,
    /// `iss` is absent, no string, or nobody's that is configured.
    #[error("the token's `iss` is no configured issuer")]
    Issuer,
    /// No key of the issuer's fits its `kid` and `alg`.
    #[error("no key of its issuer fits the token's `kid` and `alg`")]
    NoKeyFits,
    /// Somebody else's, or of another text.
    #[error("the token's signature is not its issuer's")]
    Signature,
    /// For somebody else.
    #[error("the token's audience is not ours")]
    Audience,
    /// `sub` is absent, empty or no string.
    #[error("the token has no subject")]
    Subject,
    /// Absent where it is required, no number, or past the year 9999.
    #[error("the token's `{0}` is missing or no proper date")]
    Time(&'static str),
    /// In the future beyond the leeway.
    #[error("the token's `{0}` is in the future")]
    Early(&'static str),
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

impl Verifier {
    /// Opens every issuer's keys: files are read now, URLs by [`Verifier::fetch_keys`].
    ///
    /// # Errors
    /// Every file or secret that holds no key.
    pub fn open(issuers: Vec<IssuerSettings>) -> Result<Self, Vec<KeyFault>> {
        let mut opened = HashMap::new();
        let mut faults = Vec::new();
        for settings in issuers {
            match KeyStore::open(&settings) {
                Ok(keys) => {
                    opened.insert(settings.issuer.clone(), Issuer { settings, keys: Arc::new(keys) });
                }
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Self { issuers: opened }) } else { Err(faults) }
    }

    /// The aliases of all issuers.
    #[must_use]
    pub fn aliases(&self) -> BTreeSet<String> {
        self.issuers.values().map(|issuer| issuer.settings.name.clone()).collect()
    }

    /// The issuers by alias and `iss`, and how many keys of each can verify now.
    #[must_use]
    pub fn usable_keys(&self) -> Vec<(&str, &str, usize)> {
        let of = |issuer: &Issuer| issuer.keys.current().len();
        let mut keys: Vec<_> = self
            .issuers
            .values()
            .map(|issuer| (issuer.settings.name.as_str(), issuer.settings.issuer.as_str(), of(issuer)))
            .collect();
        keys.sort_unstable();
        keys
    }

    /// Fetches the keys behind URLs once, and from then on keeps them fresh until the returned tasks are dropped. A
    /// provider that cannot be reached is told in the log and tried again.
    ///
    /// # Errors
    /// Where no TLS client can be had, as on a machine without CA certificates.
    pub async fn fetch_keys(&self) -> Result<JoinSet<()>, reqwest::Error> {
        let mut tasks = JoinSet::new();
        let mut first = JoinSet::new();
        for issuer in self.issuers.values() {
            if let KeySettings::JwksUrl(url) = &issuer.settings.keys {
                let IssuerSettings { name, algorithms, .. } = &issuer.settings;
                let fetcher = Fetcher::new(name, url, algorithms, Arc::clone(&issuer.keys))?;
                first.spawn(async move { (fetcher.refresh().await, fetcher) });
            }
        }
        for (well, fetcher) in first.join_all().await {
            tasks.spawn(fetcher.keep_fresh(well));
        }
        Ok(tasks)
    }

    /// The session that a token proves, at the time `now`.
    ///
    /// # Errors
    /// [`Refusal::Expired`] only for a token that is genuine in everything else.
    pub fn verify(&self, unverified_token: &str, now: Timestamp) -> Result<Session, Refusal> {
        let jws = UnverifiedJws::parse(unverified_token)?;
        let Some(Value::String(unverified_issuer)) = jws.unverified_claims.get("iss") else {
            return Err(Cause::Issuer.into());
        };
        let issuer = self.issuers.get(unverified_issuer).ok_or(Cause::Issuer)?;
        let keys = issuer.keys.current();
        let fitting = keys.fitting(jws.unverified_algorithm, jws.unverified_kid.as_deref());
        let fitting = fitting.map_err(|no_key| match no_key {
            NoKey::Unavailable => Refusal::KeysUnavailable(issuer.settings.name.clone()),
            NoKey::NoneFits => Cause::NoKeyFits.into(),
        })?;
        // INVARIANT: only from here on is a claim anything but somebody's text.
        if !fitting.iter().any(|key| key.verifies(jws.signing_input, jws.signature)) {
            return Err(Cause::Signature.into());
        }
        let facts = claims::check(jws.unverified_claims, &issuer.settings, now)?;
        Ok(Session { facts })
    }
}
