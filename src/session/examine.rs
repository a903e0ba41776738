//! An issuer's keys and somebody's token as an operator looks into them: what is there, and what it fails of. Proves
//! nothing; must not give a session.

use serde_json::Value;

use super::fetch::Fetcher;
use super::jws::UnverifiedJws;
use super::keys::KeySet;
use super::refusal::{Cause, Refusal};
use super::settings::IssuerSettings;
use crate::chat::{Object, Timestamp, causes};

/// What was found of an issuer's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysFound {
    /// Where they are, in words.
    pub place: String,
    /// Each that can verify: its algorithm and its `kid`.
    pub usable: Vec<String>,
    /// Each that cannot, and why.
    pub left_out: Vec<String>,
    /// The issuer's clock, by its own word.
    pub date: Option<Timestamp>,
}

/// What a token says of itself, whoever made it.
#[derive(Clone, Debug)]
pub struct UnverifiedToken {
    /// The header's `alg`.
    pub unverified_algorithm: &'static str,
    /// The header's `kid`.
    pub unverified_kid: Option<String>,
    /// All of its claims.
    pub unverified_claims: Object,
}

/// The checks that a token passes, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// A compact JWS with a proper header and claims.
    Form,
    /// `iss` is a configured issuer's.
    Issuer,
    /// One of its keys has the token's `kid` and `alg`.
    Key,
    /// The signature is that key's.
    Signature,
    /// It is for us.
    Audience,
    /// It says whose it is.
    Subject,
    /// `nbf`, `iat` and `exp`.
    Dates,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Form, Self::Issuer, Self::Key, Self::Signature, Self::Audience, Self::Subject, Self::Dates];

    /// Which check a refusal is of.
    #[must_use]
    pub fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::KeysUnavailable(_) => Self::Key,
            Refusal::Expired => Self::Dates,
            Refusal::Invalid(cause) => match cause {
                Cause::NotBearer
                | Cause::SeveralCookies
                | Cause::TooLong
                | Cause::NotThreeParts
                | Cause::Header
                | Cause::Claims
                | Cause::UnknownAlgorithm
                | Cause::Extension(_)
                | Cause::Type => Self::Form,
                Cause::Issuer => Self::Issuer,
                Cause::NoKeyFits => Self::Key,
                Cause::Signature => Self::Signature,
                Cause::Audience => Self::Audience,
                Cause::Subject => Self::Subject,
                Cause::Time(_) | Cause::Early(_) => Self::Dates,
            },
        }
    }
}

/// Looks for an issuer's keys where its settings say.
///
/// # Errors
/// Why there are none, with all causes.
pub async fn look_for_keys(settings: &IssuerSettings) -> Result<KeysFound, String> {
    let fetcher = Fetcher::new(settings).map_err(|error| causes(&error))?;
    let Some(mut fetcher) = fetcher else {
        let keys = KeySet::open(settings).map_err(|fault| fault.to_string())?;
        return Ok(KeysFound { place: settings.keys.to_string(), usable: keys.in_words(), ..KeysFound::default() });
    };
    let fetched = fetcher.fetch().await.map_err(|error| causes(&error))?;
    Ok(KeysFound {
        place: fetched.url,
        usable: fetched.keys.in_words(),
        left_out: fetched.left_out,
        date: fetched.date,
    })
}

/// What a token says of itself, if it can be read at all.
#[must_use]
pub fn unverified(token: &str) -> Option<UnverifiedToken> {
    let jws = UnverifiedJws::parse(token).ok()?;
    Some(UnverifiedToken {
        unverified_algorithm: jws.unverified_algorithm.name(),
        unverified_kid: jws.unverified_kid,
        unverified_claims: jws.unverified_claims,
    })
}

impl UnverifiedToken {
    /// A claim, as JSON; `absent` where it is not there.
    #[must_use]
    pub fn unverified_claim(&self, name: &str) -> String {
        self.unverified_claims.get(name).map_or_else(|| "absent".to_owned(), Value::to_string)
    }
}
