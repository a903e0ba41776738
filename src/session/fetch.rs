//! What an issuer publishes, by HTTP: bounded in size and time, never redirected, never because a token says so. Must not
//! know tokens.

use std::time::Duration;

use reqwest::header::{CACHE_CONTROL, DATE};
use url::{Host, Url};

use super::discovery::discover;
use super::key::Algorithm;
use super::keys::KeySet;
use super::settings::{IssuerSettings, KeySettings, without_query};
use crate::chat::Timestamp;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const MAX_BYTES: usize = 1 << 20;
/// How long keys are fresh, where the issuer does not say.
const FRESH_FOR: Duration = Duration::from_mins(5);
/// The least and the most that an issuer can say.
const FRESH_FOR_BOUNDS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_hours(24));

/// Fetches one issuer's keys.
pub(super) struct Fetcher {
    issuer: String,
    algorithms: Vec<Algorithm>,
    allow_http: bool,
    place: Place,
    http: Http,
}

/// Where the keys are.
enum Place {
    Known(Url),
    /// Where the issuer's metadata says; the last that it said.
    Discovered(Option<Url>),
}

/// Keys that were fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    /// The keys that are of no use, and why.
    pub(super) left_out: Vec<String>,
    /// When to fetch them again.
    pub(super) fresh_for: Duration,
    /// Why it is not known where they are now, so that the place before was asked.
    pub(super) undiscovered: Option<FetchError>,
    /// Where they are.
    pub(super) url: String,
    /// The issuer's clock, by its own word.
    pub(super) date: Option<Timestamp>,
}

/// Why they cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{url} cannot be fetched")]
    Http { url: String, source: reqwest::Error },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{0} answered with over 1 MiB")]
    TooLarge(String),
    #[error("{0}")]
    NotJwks(String),
    #[error("its JWK Set holds no key that can be used{0}")]
    Empty(String),
    #[error("its `issuer` is no URL, so there is nowhere to discover anything: give jwks_url")]
    NoIssuerUrl,
    #[error("its metadata cannot be read: {0}")]
    NotMetadata(String),
    #[error("its metadata is another issuer's: `issuer` there is not exactly the one that is configured")]
    OtherIssuer,
    #[error("its metadata names no `jwks_uri`")]
    NoJwksUri,
    #[error("its metadata names a `jwks_uri` that is plain http:// beyond loopback")]
    Insecure,
}

impl Fetcher {
    /// For an issuer whose keys are behind a URL; none for another.
    ///
    /// # Errors
    /// Where no TLS client can be had, as on a machine without CA certificates.
    pub(super) fn new(settings: &IssuerSettings) -> Result<Option<Self>, reqwest::Error> {
        let (place, url) = match &settings.keys {
            KeySettings::JwksUrl(url) => (Place::Known(url.clone()), Some(url.clone())),
            KeySettings::Discovery => (Place::Discovered(None), Url::parse(&settings.issuer).ok()),
            _ => return Ok(None),
        };
        Ok(Some(Self {
            issuer: settings.issuer.clone(),
            algorithms: settings.algorithms.clone(),
            allow_http: settings.allow_http,
            place,
            http: Http::new(url.as_ref())?,
        }))
    }

    /// Fetches the keys once.
    pub(super) async fn fetch(&mut self) -> Result<Fetched, FetchError> {
        let mut undiscovered = None;
        let url = match &mut self.place {
            Place::Known(url) => url.clone(),
            Place::Discovered(last) => match discover(&self.http, &self.issuer, self.allow_http).await {
                Ok(url) => last.insert(url).clone(),
                // A provider's bad day: its keys may still be where they were.
                Err(error) => {
                    let Some(last) = last.clone() else { return Err(error) };
                    undiscovered = Some(error);
                    last
                }
            },
        };
        let answer = self.http.get(&url).await?;
        let (keys, left_out) = KeySet::from_jwks(&answer.body, &self.algorithms).map_err(FetchError::NotJwks)?;
        if keys.is_empty() {
            return Err(FetchError::Empty(left_out.iter().flat_map(|why| ["; ", why]).collect()));
        }
        let url = without_query(&url);
        Ok(Fetched { keys, left_out, fresh_for: answer.fresh_for, undiscovered, url, date: answer.date })
    }
}

/// A client that follows no redirect and reads no more than it must.
pub(super) struct Http(reqwest::Client);

pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    fresh_for: Duration,
    date: Option<Timestamp>,
}

impl Http {
    fn new(url: Option<&Url>) -> Result<Self, reqwest::Error> {
        let builder = reqwest::ClientBuilder::new()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("usher/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT);
        // Without TLS no CA bundle is needed, and none has to be there.
        let is_plain = url.is_some_and(|url| url.scheme() == "http");
        let builder = if is_plain { builder.tls_certs_only([]) } else { builder };
        builder.build().map(Self)
    }

    pub(super) async fn get(&self, url: &Url) -> Result<Answer, FetchError> {
        let failed = |error: reqwest::Error| FetchError::Http { url: without_query(url), source: error.without_url() };
        let mut answer = self.0.get(url.clone()).send().await.map_err(failed)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status { url: without_query(url), status: answer.status().as_u16() });
        }
        let directives = answer.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let fresh_for = directives.and_then(max_age).unwrap_or(FRESH_FOR);
        let date = answer.headers().get(DATE).and_then(|value| date(value.to_str().ok()?));
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLarge(without_query(url)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { body, fresh_for, date })
    }
}

/// RFC 9110 §6.6.1.
fn date(text: &str) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().map(Timestamp::from_seconds)
}

/// RFC 9111 §5.2.2.1, within our own bounds.
fn max_age(directives: &str) -> Option<Duration> {
    let (least, most) = FRESH_FOR_BOUNDS;
    let mut directives = directives.split(',').map(str::trim);
    let age = directives.find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| value.trim().trim_matches('"').parse::<u64>().ok())?
    })?;
    Some(Duration::from_secs(age).clamp(least, most))
}

/// Whether keys from there can be believed: nobody else can answer in its place.
pub(super) fn is_secure(url: &Url, allow_http: bool) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => allow_http || is_loopback(url),
        _ => false,
    }
}

/// Whether a URL's host is this machine: `localhost`, 127.0.0.0/8, `::1`.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::max_age;

    #[test]
    fn a_set_is_fresh_as_long_as_its_issuer_says_within_bounds() {
        for (directives, seconds) in [
            ("public, max-age=600, must-revalidate", Some(600)),
            ("MAX-AGE=\"600\"", Some(600)),
            ("max-age=0", Some(30)),
            ("max-age=31536000", Some(86_400)),
            ("no-cache, no-store", None),
            ("s-maxage=600", None),
            ("max-age=-1", None),
            ("max-age", None),
            ("", None),
        ] {
            assert_eq!(max_age(directives), seconds.map(Duration::from_secs), "{directives}");
        }
    }
}
