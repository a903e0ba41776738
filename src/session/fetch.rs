//! An issuer's keys by HTTP: where they are (OpenID Connect Discovery 1.0 §4, else RFC 8414 §3), and the JWK Set itself.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::http::{HttpClient, HttpClientError, HttpError, is_secure};
use super::key::Algorithm;
use super::keys::KeySet;
use super::settings::{IssuerSettings, KeySettings, without_query};
use crate::chat::{Timestamp, json};

/// Fetches one issuer's keys.
pub(super) struct Fetcher {
    issuer: String,
    algorithms: Vec<Algorithm>,
    allow_http: bool,
    place: Place,
    http: HttpClient,
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
    pub(super) undiscovered: Option<DiscoveryError>,
    /// Where they are.
    pub(super) url: String,
    /// The issuer's clock, by its own word.
    pub(super) date: Option<Timestamp>,
}

/// Why an issuer's keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error("{0}")]
    NotJwks(String),
    #[error("its JWK Set holds no key that can be used{0}")]
    Empty(String),
}

/// Why an issuer's metadata does not say where its keys are.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiscoveryError {
    #[error(transparent)]
    Http(#[from] HttpError),
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
    pub(super) fn new(settings: &IssuerSettings) -> Result<Option<Self>, HttpClientError> {
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
            http: HttpClient::new(url.as_ref())?,
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
                    let Some(last) = last.clone() else { return Err(error.into()) };
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

/// The issuer's metadata document, as far as it is needed: its `jwks_uri`.
async fn discover(client: &HttpClient, issuer: &str, allow_http: bool) -> Result<Url, DiscoveryError> {
    let [openid, oauth] = places(issuer).ok_or(DiscoveryError::NoIssuerUrl)?;
    let document = match client.get(&openid).await {
        // Only "there is none" sends us to the other place: a provider that fails is asked again.
        Err(HttpError::Status { status: 404, .. }) => client.get(&oauth).await?,
        other => other?,
    };
    read(&document.body, issuer, allow_http)
}

/// Both places of the document; a slash at the end of the issuer is stripped once.
fn places(issuer: &str) -> Option<[Url; 2]> {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let openid = Url::parse(&format!("{base}/.well-known/openid-configuration")).ok()?;
    // RFC 8414 §3.1: the well-known part stands between host and path.
    let mut oauth = Url::parse(base).ok().filter(Url::has_host)?;
    let path = oauth.path().trim_end_matches('/').to_owned();
    oauth.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    Some([openid, oauth])
}

fn read(body: &[u8], issuer: &str, allow_http: bool) -> Result<Url, DiscoveryError> {
    let document = json::parse(body).map_err(|error| DiscoveryError::NotMetadata(error.to_string()))?;
    // OpenID Connect Discovery 1.0 §4.3, RFC 8414 §3.3: exactly the issuer that was asked for.
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(DiscoveryError::OtherIssuer);
    }
    let uri = document.get("jwks_uri").and_then(Value::as_str);
    let uri = uri.and_then(|uri| Url::parse(uri).ok()).ok_or(DiscoveryError::NoJwksUri)?;
    if is_secure(&uri, allow_http) { Ok(uri) } else { Err(DiscoveryError::Insecure) }
}
