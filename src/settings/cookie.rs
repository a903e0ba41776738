//! The session's cookie, from plain values to what the public listener takes. Must not know requests.

use super::layers::Layers;
use super::raw::RawCookie;
use crate::api::{AllowedOrigins, CookieFault, CookieSettings};
use crate::schema::{Faults, quoted};

pub(super) fn read(raw: &RawCookie, layers: &Layers, faults: &mut Faults) -> Option<CookieSettings> {
    let Some(name) = &raw.name else {
        // One that is there and wrong has been told already.
        if !layers.has("session.cookie.name") {
            let place = layers.place(&["session", "cookie"]);
            faults.add(
                &place,
                "session.cookie: `name` is missing",
                "write the cookie's name, as in \"__Host-session\"",
            );
        }
        return None;
    };
    let told = |fault: CookieFault| {
        let (key, value, advice) = match fault {
            CookieFault::Name => ("name", Some(name), "write letters, digits and hyphens, as in \"__Host-session\""),
            CookieFault::GuardHeader => (
                "guard_header",
                raw.guard_header.as_ref(),
                "write a header that no browser sends unasked, as in \"X-Requested-With\"",
            ),
        };
        let value = quoted(value.map(String::as_str).unwrap_or_default());
        let message = format!("session.cookie.{key}: {value} {fault}");
        faults.add(&layers.place(&["session", "cookie", key]), message, advice);
    };
    CookieSettings::parse(name, raw.guard_header.as_deref()).map_err(told).ok()
}

/// With a cookie, a page that may read answers may act for the user, so each must be named.
pub(super) fn refuse_wildcards(origins: &AllowedOrigins, layers: &Layers, faults: &mut Faults) {
    for origin in origins.iter().filter(|origin| !origin.is_one()) {
        let shown = quoted(&origin.to_string());
        let message = format!("cors.allowed_origins: {shown} is not one origin, and there is a session cookie");
        let advice = "write each origin whole: a page at any of them acts for the users who visit it";
        faults.add(&layers.place(&["cors", "allowed_origins"]), message, advice);
    }
}
