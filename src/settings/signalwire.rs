//! SignalWire's settings: the space from what people write for it (a bare name, a host, a URL) and the credentials.

use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::layers::Layers;
use super::raw::RawSignalWire;
use crate::chat::causes;
use crate::schema::{Faults, Place, Source, quoted};
use crate::session::is_loopback;
use crate::signalwire::{SignalWireSettings, certificates, check_token};

/// Why a text names no space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum SpaceFault {
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

/// Reads `signalwire`.
pub(super) fn read(raw: RawSignalWire, layers: &Layers, faults: &mut Faults) -> Option<SignalWireSettings> {
    let space = match &raw.space {
        Some(text) => match parse_space(text, raw.allow_http) {
            Ok(space) => Some(space),
            Err(fault) => {
                let message = format!("signalwire.space: {} cannot be used: {fault}", shown_host(text));
                let advice = "write your space's name, as in \"example\" for example.signalwire.com";
                faults.add(&layers.place(&["signalwire", "space"]), message, advice);
                None
            }
        },
        None => missing(layers, "signalwire.space", "SIGNALWIRE_SPACE", faults),
    };
    let project_id =
        raw.project_id.or_else(|| missing(layers, "signalwire.project_id", "SIGNALWIRE_PROJECT_ID", faults));
    if project_id.as_ref().is_some_and(|id| id.contains(':')) {
        // RFC 7617 §2: a user name with a colon cannot be told from its password.
        let place = layers.place(&["signalwire", "project_id"]);
        faults.add(&place, "signalwire.project_id: it has a `:`", "write the project's id, a UUID");
    }
    let api_token = match (raw.api_token, &raw.api_token_file) {
        (Some(token), _) => Some(token),
        (None, Some(path)) => layers.read_secret(path, &["signalwire", "api_token_file"], faults),
        (None, None) if layers.has("signalwire.api_token_file") => None,
        (None, None) => missing(layers, "signalwire.api_token", "SIGNALWIRE_API_TOKEN", faults),
    };
    if api_token.as_ref().is_some_and(|token| check_token(token).is_err()) {
        let key = if layers.find(&["signalwire", "api_token_file"]).is_some() { "api_token_file" } else { "api_token" };
        let message = format!("signalwire.{key}: the token holds a control character, such as a newline");
        faults.add(&layers.place(&["signalwire", key]), message, "give the token alone, on one line");
    }
    let ca_file = raw.ca_file.map(PathBuf::from);
    if let Some(Err(fault)) = ca_file.as_deref().map(certificates) {
        let place = layers.place(&["signalwire", "ca_file"]);
        faults.add(&place, causes(&fault), "name a file with the CA's certificates as PEM");
    }
    Some(SignalWireSettings {
        space: space?,
        project_id: project_id?,
        api_token: api_token?,
        api_token_file: raw.api_token_file.map(PathBuf::from),
        connect_timeout: Duration::from_secs(raw.connect_timeout),
        timeout: Duration::from_secs(raw.timeout),
        max_in_flight: raw.max_in_flight,
        max_wait: Duration::from_secs(raw.max_wait),
        ca_file,
    })
}

fn missing<T>(layers: &Layers, setting: &str, variable: &str, faults: &mut Faults) -> Option<T> {
    if !layers.has(setting) {
        let place = Place::whole(&Source::named(setting));
        let own = setting.to_uppercase().replace('.', "__");
        let file =
            if setting == "signalwire.api_token" { ", or name a file that holds it as api_token_file" } else { "" };
        let advice = format!("set it in the settings file, or as {variable} or USHER__{own} in the environment{file}");
        faults.add(&place, "this setting is required and is not set", advice);
    }
    None
}

/// Reads `signalwire.space`.
fn parse_space(text: &str, allow_http: bool) -> Result<Url, SpaceFault> {
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

/// A URL or a host for the eyes: as it was written where it is a name or an address alone, as what stands elsewhere (before
/// an `@`, in a path) may be credentials.
pub(super) fn shown_host(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-:/_$\" ".contains(c);
    let path = text.split_once("://").map_or(text, |(_, rest)| rest);
    let is_shown = text.chars().all(is_plain) && !path.trim_end_matches('/').contains('/');
    if is_shown { quoted(text) } else { "this".to_owned() }
}
