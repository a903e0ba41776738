//! Settings that are allowed and probably not meant. Must not stop anything.

use std::time::Duration;

use url::Url;

use super::layers::Layers;
use super::{Settings, TlsSettings};
use crate::chat::Timestamp;
use crate::schema::{Fields, Lints, Place};
use crate::session::{AudiencesSettings, IssuerSettings, KeySettings, is_loopback};
use crate::telemetry::clock::rfc3339;

/// More than clocks differ that anybody keeps.
const LONG_LEEWAY: Duration = Duration::from_mins(2);

/// All of them.
pub(super) fn of(settings: &Settings, layers: &Layers, now: Timestamp) -> Lints {
    let mut lints = Lints::default();
    if let Some(tls) = &settings.server.tls {
        of_certificate(tls, layers, now, &mut lints);
    }
    if is_plain(&settings.signalwire.space) {
        let advice = "this is for a sandbox on a private network: the API token is sent in the clear";
        let place = layers.place(&["signalwire", "space"]);
        lints.add("plain-http", &place, "signalwire.space is plain http:// beyond loopback", advice);
    }
    if let Some(cookie) = settings.cookie.as_ref().filter(|cookie| !cookie.name().starts_with("__Host-")) {
        let message = format!("session.cookie.name: `{}` can be set by other hosts of the same site", cookie.name());
        let place = layers.place(&["session", "cookie", "name"]);
        lints.add(
            "cookie-prefix",
            &place,
            message,
            "name it __Host-…, which browsers take from this host alone, by https",
        );
    }
    for (issuer, fields) in settings.issuers.iter().zip(layers.tables(&["session", "issuers"]).unwrap_or_default()) {
        of_issuer(issuer, fields, &mut lints);
    }
    lints
}

fn of_certificate(tls: &TlsSettings, layers: &Layers, now: Timestamp, lints: &mut Lints) {
    let [from, until] = [tls.validity.from, tls.validity.until].map(Timestamp::from_seconds);
    let what = match (now.seconds() < from.seconds(), now.seconds() > until.seconds()) {
        (true, _) => format!("is valid only from {} on", rfc3339(from)),
        (_, true) => format!("has expired: it was valid until {}", rfc3339(until)),
        (false, false) => return,
    };
    let place = layers.place(&["server", "tls", "cert_file"]);
    let message = format!("server.tls.cert_file: the certificate {what}");
    lints.add("certificate-dates", &place, message, "clients refuse it: renew the certificate, or set the clock right");
}

fn of_issuer(issuer: &IssuerSettings, fields: &Fields, lints: &mut Lints) {
    let place = |key: &str| fields.get(key).map_or_else(|| fields.place.clone(), |item| item.place.clone());
    let name = &issuer.name;
    let is_secret = matches!(issuer.keys, KeySettings::Secret(_) | KeySettings::SecretFile { .. });
    match &issuer.audiences {
        AudiencesSettings::Any => {
            let message = format!("issuer `{name}`: tokens that were made for other services are taken too");
            let advice = "write the audience of this service, unless the provider's tokens have none";
            lints.add("any-audience", &place("audiences"), message, advice);
        }
        AudiencesSettings::OneOf(audiences) if is_secret && audiences.len() > 1 => {
            let message =
                format!("issuer `{name}`: whoever checks tokens for one of these audiences can make them for all");
            let advice =
                "a secret that several services share lets each make sessions: give each its own, or use public keys";
            lints.add("shared-secret", &place("audiences"), message, advice);
        }
        AudiencesSettings::OneOf(_) => {}
    }
    if issuer.leeway > LONG_LEEWAY {
        let message = format!("issuer `{name}`: a leeway of over 2 minutes");
        lints.add(
            "long-leeway",
            &place("leeway"),
            message,
            "set the clocks right: they rarely differ by more than seconds",
        );
    }
    let (key, url): (&str, Option<Url>) = match &issuer.keys {
        KeySettings::JwksUrl(url) => ("jwks_url", Some(url.clone())),
        KeySettings::Discovery => ("issuer", Url::parse(&issuer.issuer).ok()),
        _ => ("", None),
    };
    if url.as_ref().is_some_and(is_plain) {
        let message = format!("issuer `{name}`: keys by plain http:// beyond loopback");
        let place: Place = place(key);
        lints.add("plain-http", &place, message, "whoever is on the way can give you keys: write https://");
    }
}

fn is_plain(url: &Url) -> bool {
    url.scheme() == "http" && !is_loopback(url)
}
