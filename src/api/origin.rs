//! Which origins a browser may read answers from, as an operator writes them (RFC 6454 §6.2: scheme, host, port). Must not
//! know requests.

use http::{HeaderMap, HeaderName};
use itertools::Itertools as _;
use url::Url;

use crate::session::is_loopback_host;

/// The origins that are allowed; none by default.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<AllowedOrigin>);

/// One origin that is allowed, or a family of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(Rule);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// This one, as browsers write it.
    Exact(String),
    /// One whole label between these two.
    AnyLabel { before: String, after: String },
    /// `http` on this machine, whatever the port.
    Loopback,
}

/// Why a text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginFault {
    /// `*` or `null`.
    #[error("this would allow everybody's pages")]
    Everybody,
    /// No scheme and host, or more than an origin has.
    #[error("this is no origin")]
    NoOrigin,
    /// Not as a browser writes it: a slash at the end, a capital letter, the usual port.
    #[error("a browser writes this origin as `{0}`")]
    OtherForm(String),
    /// A `*` that is not the whole left-most label, or that is all but a top-level domain.
    #[error("a `*` stands for one whole label at the left of a domain")]
    Wildcard,
}

impl AllowedOrigins {
    /// `http` on this machine, as [`is_loopback_host`] has it, on any port: for `usher dev`.
    #[must_use]
    pub fn loopback() -> Self {
        Self(vec![AllowedOrigin(Rule::Loopback)])
    }

    /// Whether a page of this origin may read answers. `null` never may.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed.0.allows(origin))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &AllowedOrigin> {
        self.0.iter()
    }
}

impl FromIterator<AllowedOrigin> for AllowedOrigins {
    fn from_iter<I: IntoIterator<Item = AllowedOrigin>>(origins: I) -> Self {
        Self(origins.into_iter().collect())
    }
}

impl AllowedOrigin {
    /// Whether it is a single origin and no family of them.
    #[must_use]
    pub fn is_one(&self) -> bool {
        matches!(self.0, Rule::Exact(_))
    }

    /// Reads `https://app.example.com`, or `https://*.preview.example.com` for every single label in that place.
    ///
    /// # Errors
    /// Where it is no origin, or not as a browser sends it.
    pub fn parse(text: &str) -> Result<Self, OriginFault> {
        if text == "*" || text.eq_ignore_ascii_case("null") {
            return Err(OriginFault::Everybody);
        }
        if !text.contains('*') {
            return exact(text).map(|origin| Self(Rule::Exact(origin)));
        }
        let (scheme, rest) = text.split_once("://*.").ok_or(OriginFault::Wildcard)?;
        // With a label in the place of the `*` it must be an origin like any other.
        let origin = match exact(&format!("{scheme}://a.{rest}")) {
            Err(OriginFault::OtherForm(form)) => Err(OriginFault::OtherForm(form.replacen("://a.", "://*.", 1))),
            other => other,
        }?;
        let after = origin.split_once("://a.").map(|(_, after)| after).ok_or(OriginFault::Wildcard)?;
        let domain = after.split(':').next().unwrap_or_default();
        if rest.contains('*') || (!domain.contains('.') && domain != "localhost") {
            return Err(OriginFault::Wildcard);
        }
        Ok(Self(Rule::AnyLabel { before: format!("{scheme}://"), after: format!(".{after}") }))
    }
}

impl std::fmt::Display for AllowedOrigin {
    /// As an operator writes it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Rule::Exact(origin) => formatter.write_str(origin),
            Rule::AnyLabel { before, after } => write!(formatter, "{before}*{after}"),
            Rule::Loopback => formatter.write_str("http on loopback, any port"),
        }
    }
}

/// An origin as it is serialized (RFC 6454 §6.2). Apps have schemes of their own, such as `capacitor://localhost`.
fn exact(text: &str) -> Result<String, OriginFault> {
    let url = Url::parse(text).map_err(|_| OriginFault::NoOrigin)?;
    let plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().filter(|_| plain && url.username().is_empty() && url.password().is_none());
    let host = host.filter(|host| !host.is_empty() && !host.ends_with('.')).ok_or(OriginFault::NoOrigin)?;
    // The port is left out where it is the scheme's usual one.
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let origin = format!("{}://{}{port}", url.scheme(), host.to_ascii_lowercase());
    if origin == text { Ok(origin) } else { Err(OriginFault::OtherForm(origin)) }
}

/// The value of a header that is there exactly once and is text: a second one could be read by somebody else in its place.
#[must_use]
pub fn single_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get_all(name).iter().exactly_one().ok()?.to_str().ok()
}

/// Host and port of an authority (RFC 3986 §3.2).
#[must_use]
pub fn split_port(authority: &str) -> (&str, Option<&str>) {
    let split = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    split.map_or((authority, None), |(host, port)| (host, Some(port)))
}

impl Rule {
    fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => origin == exact,
            Self::AnyLabel { before, after } => {
                let label = origin.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()));
                let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
                label.is_some_and(|label| !label.is_empty() && label.bytes().all(fits))
            }
            Self::Loopback => origin.strip_prefix("http://").is_some_and(|authority| {
                let (host, port) = split_port(authority);
                port != Some("") && is_loopback_host(host)
            }),
        }
    }
}
