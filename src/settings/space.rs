//! SignalWire's address from what people write for it: a bare name, a host, a URL. Must not know credentials.

use url::{Host, Url};

use crate::session::is_loopback;

/// Why a text names no space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SpaceFault {
    #[error("it is neither a space's name (`example`), nor a host (`example.signalwire.com`), nor a URL")]
    Unreadable,
    #[error("a URL here has no path, no query and no user: write `https://example.signalwire.com`")]
    TooMuch,
    #[error("a URL here begins with `https://`")]
    Scheme,
    #[error("plain http:// is for loopback only; `allow_http = true` allows it on a private network")]
    PlainHttp,
    #[error("plain http:// to signalwire.com would send the API token in the clear: write https://")]
    PlainHttpToSignalWire,
}

/// Reads `signalwire.space`.
pub(super) fn parse_space(text: &str, allow_http: bool) -> Result<Url, SpaceFault> {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let url = if text.contains("://") {
        Url::parse(text).map_err(|_| SpaceFault::Unreadable)?
    } else if !text.is_empty() && text.chars().all(bare) && text != "localhost" {
        Url::parse(&format!("https://{text}.signalwire.com")).map_err(|_| SpaceFault::Unreadable)?
    } else if text.contains(['/', '@', '?', '#']) || text.contains(char::is_whitespace) {
        return Err(SpaceFault::Unreadable);
    } else {
        Url::parse(&format!("https://{text}")).map_err(|_| SpaceFault::Unreadable)?
    };
    // A name that DNS can have (RFC 1123 §2.1); quotes and `$` come from variables that nobody expanded.
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if matches!(url.host(), Some(Host::Domain(name)) if !name.trim_end_matches('.').split('.').all(is_label)) {
        return Err(SpaceFault::Unreadable);
    }
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !plain || !url.username().is_empty() || url.password().is_some() {
        return Err(SpaceFault::TooMuch);
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_signalwire(&url) => Err(SpaceFault::PlainHttpToSignalWire),
        "http" if allow_http || is_loopback(&url) => Ok(url),
        "http" => Err(SpaceFault::PlainHttp),
        _ => Err(SpaceFault::Scheme),
    }
}

fn is_signalwire(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_end_matches('.');
        host == "signalwire.com" || host.ends_with(".signalwire.com")
    })
}
