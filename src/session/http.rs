//! A bounded HTTP client for what an issuer publishes: no redirects, no proxies, a time-out, a size limit.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reqwest::header::{CACHE_CONTROL, DATE};
use url::Url;

use super::settings::without_query;
use crate::chat::Timestamp;

/// Bounds one response: connecting, headers and body.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest response body, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// How long a response is fresh if it has no `max-age`.
const DEFAULT_FRESHNESS: Duration = Duration::from_mins(5);
/// The bounds of a `max-age`.
const FRESHNESS_BOUNDS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_hours(24));

pub(super) struct HttpClient(reqwest::Client);

/// A `200 OK`.
pub(super) struct HttpResponse {
    pub(super) body: Vec<u8>,
    /// How long it may be cached, within our own bounds.
    pub(super) fresh_for: Duration,
    /// The server's clock.
    pub(super) date: Option<Timestamp>,
}

/// No TLS, usually because the machine has no CA certificates.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct HttpClientError(#[from] reqwest::Error);

#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("{url} cannot be fetched")]
    Transport { url: String, source: reqwest::Error },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{0} answered with over 1 MiB")]
    TooLarge(String),
}

impl HttpClient {
    /// `url`: what will be fetched first. If it is plain HTTP, no CA certificates are needed.
    ///
    /// # Errors
    /// If TLS cannot be set up, as on a machine without CA certificates.
    pub(super) fn new(url: Option<&Url>) -> Result<Self, HttpClientError> {
        let builder = reqwest::ClientBuilder::new()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("usher/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT);
        let is_plain = url.is_some_and(|url| url.scheme() == "http");
        let builder = if is_plain { builder.tls_certs_only([]) } else { builder };
        Ok(Self(builder.build()?))
    }

    pub(super) async fn get(&self, url: &Url) -> Result<HttpResponse, HttpError> {
        let failed =
            |error: reqwest::Error| HttpError::Transport { url: without_query(url), source: error.without_url() };
        let mut response = self.0.get(url.clone()).send().await.map_err(failed)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(HttpError::Status { url: without_query(url), status: response.status().as_u16() });
        }
        let directives = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let fresh_for = directives.and_then(max_age).unwrap_or(DEFAULT_FRESHNESS);
        let date = response.headers().get(DATE).and_then(|value| date(value.to_str().ok()?));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(HttpError::TooLarge(without_query(url)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse { body, fresh_for, date })
    }
}

/// RFC 9110 §6.6.1.
fn date(text: &str) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().map(Timestamp::from_seconds)
}

/// RFC 9111 §5.2.2.1, within our own bounds.
fn max_age(directives: &str) -> Option<Duration> {
    let (least, most) = FRESHNESS_BOUNDS;
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

/// Whether a URL's host is this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback_host)
}

/// Whether a host as it stands in a URL (RFC 3986 §3.2.2) is this machine: `localhost`, 127.0.0.0/8, `[::1]`.
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let ipv6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
        || ipv6.is_some_and(|host| host.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback()))
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
