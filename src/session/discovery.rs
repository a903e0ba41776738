//! Where an issuer says that its keys are: OpenID Connect Discovery 1.0 §4, else RFC 8414 §3. Must not know keys.

use url::Url;

use super::fetch::{FetchError, Http, is_secure};
use crate::chat::json;
use serde_json::Value;

/// The issuer's metadata document, as far as it is needed: its `jwks_uri`.
pub(super) async fn discover(client: &Http, issuer: &str, allow_http: bool) -> Result<Url, FetchError> {
    let [openid, oauth] = places(issuer).ok_or(FetchError::NoIssuerUrl)?;
    let document = match client.get(&openid).await {
        // Only "there is none" sends us to the other place: a provider that fails is asked again.
        Err(FetchError::Status { status: 404, .. }) => client.get(&oauth).await?,
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

fn read(body: &[u8], issuer: &str, allow_http: bool) -> Result<Url, FetchError> {
    let document = json::parse(body).map_err(|error| FetchError::NotMetadata(error.to_string()))?;
    // OpenID Connect Discovery 1.0 §4.3, RFC 8414 §3.3: exactly the issuer that was asked for.
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(FetchError::OtherIssuer);
    }
    let uri = document.get("jwks_uri").and_then(Value::as_str);
    let uri = uri.and_then(|uri| Url::parse(uri).ok()).ok_or(FetchError::NoJwksUri)?;
    if is_secure(&uri, allow_http) { Ok(uri) } else { Err(FetchError::Insecure) }
}
