//! The session's cookie: where it is, and what guards it against requests that another site has a browser send (CSRF).
//! Must not know tokens.

use http::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use http::{HeaderMap, HeaderName, Method};

use super::body::is_json_type;
use super::origin::{AllowedOrigins, single_header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The session's cookie, as an operator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSettings {
    name: String,
    guard_header: Option<HeaderName>,
}

/// What is wrong with such settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CookieFault {
    /// RFC 6265 §4.1.1: a cookie's name is a token.
    #[error("is no cookie's name")]
    Name,
    /// A header that browsers send by themselves, or that any page may send anywhere.
    #[error("guards nothing")]
    GuardHeader,
}

/// What a request holds of the cookie.
pub(super) enum Found<'a> {
    /// None, or an empty one.
    None,
    /// One.
    One(&'a str),
    /// Several of the name, or one that is no text: whose they are cannot be said.
    Unclear,
}

impl CookieSettings {
    /// Reads them.
    ///
    /// # Errors
    /// The first that is of no use.
    pub fn parse(name: &str, guard_header: Option<&str>) -> Result<Self, CookieFault> {
        // A token (RFC 9110 §5.6.2) is what a header's name is too, but for the case.
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| CookieFault::Name)?;
        let guard = |text: &str| HeaderName::from_bytes(text.as_bytes()).ok().filter(|name| !is_everybodys(name));
        let guard_header = guard_header.map(|text| guard(text).ok_or(CookieFault::GuardHeader)).transpose()?;
        Ok(Self { name: name.to_owned(), guard_header })
    }

    /// The cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The header that a page elsewhere cannot send unasked, if there is one.
    pub(super) fn guard_header(&self) -> Option<&HeaderName> {
        self.guard_header.as_ref()
    }

    /// The session's cookie among all (RFC 6265 §5.4).
    pub(super) fn find<'a>(&self, headers: &'a HeaderMap) -> Found<'a> {
        let mut found = Found::None;
        let mut count = 0;
        for header in headers.get_all(COOKIE) {
            let Ok(text) = header.to_str() else {
                // Somebody else's cookie may hold anything; ours is ASCII.
                let bytes = header.as_bytes();
                let is_here = bytes
                    .split(|byte| *byte == b';')
                    .any(|pair| pair.trim_ascii().starts_with(self.prefix().as_bytes()));
                if is_here {
                    return Found::Unclear;
                }
                continue;
            };
            let pairs = text.split(';').filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='));
            for (_, value) in pairs.filter(|(name, _)| *name == self.name) {
                count += 1;
                if !value.is_empty() {
                    found = Found::One(value);
                }
            }
        }
        if count > 1 { Found::Unclear } else { found }
    }

    /// Whether the request can be trusted to come from a page that may act for the user: an allowed origin or the same one,
    /// and something that a browser lets no page elsewhere send without a preflight.
    pub(super) fn guards(&self, method: &Method, headers: &HeaderMap, origins: &AllowedOrigins) -> bool {
        let is_same = single_header(headers, &SEC_FETCH_SITE) == Some("same-origin");
        let is_allowed = single_header(headers, &ORIGIN).is_some_and(|origin| origins.allow(origin));
        let is_guarded = self
            .guard_header
            .as_ref()
            .is_some_and(|guard| headers.get_all(guard).iter().any(|value| !value.as_bytes().trim_ascii().is_empty()));
        let reads_only = matches!(*method, Method::GET | Method::HEAD);
        let is_json = !reads_only && single_header(headers, &CONTENT_TYPE).is_some_and(is_json_type);
        (is_same || is_allowed) && (is_guarded || is_json)
    }

    fn prefix(&self) -> String {
        format!("{}=", self.name)
    }
}

impl std::fmt::Display for CookieSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.guard_header {
            Some(guard) => write!(formatter, "{} (guarded by application/json or {guard})", self.name),
            None => write!(formatter, "{} (guarded by application/json)", self.name),
        }
    }
}

/// Headers that browsers add by themselves, or that a page may send anywhere without a preflight (the Fetch standard,
/// "CORS-safelisted request-header" and "forbidden request-header"), or that mean something else here.
fn is_everybodys(name: &HeaderName) -> bool {
    const NAMES: [&str; 30] = [
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "authorization",
        "cache-control",
        "connection",
        "content-language",
        "content-length",
        "content-type",
        "cookie",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "pragma",
        "priority",
        "range",
        "referer",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-request-id",
    ];
    let name = name.as_str();
    NAMES.contains(&name) || ["sec-", "proxy-", "access-control-"].iter().any(|start| name.starts_with(start))
}
