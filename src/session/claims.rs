//! Claims whose signature is good, against what the issuer's settings want of them. Time is an argument. Must not know
//! keys or signatures.

use std::sync::Arc;

use serde_json::Value;

use super::refusal::{Cause, Refusal};
use super::settings::{AudiencesSettings, IssuerSettings, RoleSourceSettings, Vouching};
use crate::chat::{ClaimedRoles, Facts, Object, Timestamp, Who, json};

/// The last second of the year 9999, the last that RFC 3339 can write.
const END_OF_9999: f64 = 253_402_300_799.0;

/// Checks every claim, `exp` last: a token that is wrong in anything else is never told that it has merely expired.
pub(super) fn check(claims: Arc<Object>, settings: &IssuerSettings, now: Timestamp) -> Result<Facts, Refusal> {
    check_audience(&claims, settings)?;
    if !matches!(claims.get("sub"), Some(Value::String(sub)) if !sub.is_empty()) {
        return Err(Cause::Subject.into());
    }
    let expires = time(&claims, "exp")?.ok_or(Cause::Time("exp"))?;
    let not_before = time(&claims, "nbf")?;
    let issued = time(&claims, "iat")?;
    let latest_start = now.plus(settings.leeway);
    if not_before.is_some_and(|not_before| not_before > latest_start) {
        return Err(Cause::Early("nbf").into());
    }
    if issued.is_some_and(|issued| issued > latest_start) {
        return Err(Cause::Early("iat").into());
    }
    let aged = match (settings.max_age, issued) {
        (Some(max_age), Some(issued)) => Some(issued.plus(max_age)),
        (Some(_), None) => return Err(Cause::Time("iat").into()),
        (None, _) => None,
    };
    // RFC 7519 §4.1.4: on or after `exp` a token must not be accepted. No leeway: it would be the client's to use.
    let over = aged.map_or(expires, |aged| aged.min(expires));
    if now >= over {
        return Err(Refusal::Expired);
    }
    Ok(Facts {
        who: Who::Known { issuer: settings.name.clone() },
        roles: roles(&claims, &settings.roles),
        ends: Some(over.plus(settings.outlive)),
        claims,
    })
}

/// What these claims would say of a session's holder, if one of `vouching`'s had them. Nothing of them is verified: for
/// rehearsals, which grant nothing. Its end is that of its `exp` and `iat`, where they are there.
///
/// # Errors
/// Where one of the two is no time.
pub fn unverified_facts(unverified_claims: Object, vouching: &Vouching) -> Result<Facts, Cause> {
    let expires = time(&unverified_claims, "exp")?;
    let issued = time(&unverified_claims, "iat")?;
    let aged = vouching.max_age.and_then(|max_age| Some(issued?.plus(max_age)));
    Ok(Facts {
        who: Who::Known { issuer: vouching.name.clone() },
        roles: roles(&unverified_claims, &vouching.roles),
        ends: expires.into_iter().chain(aged).min().map(|over| over.plus(vouching.outlive)),
        claims: unverified_claims.into(),
    })
}

/// RFC 7519 §4.1.3: a string or a list of strings, one of which is ours.
fn check_audience(claims: &Object, settings: &IssuerSettings) -> Result<(), Cause> {
    let AudiencesSettings::OneOf(ours) = &settings.audiences else { return Ok(()) };
    let is_ours = |audience: &str| ours.iter().any(|our| our == audience);
    let found = match claims.get(&settings.audience_claim) {
        Some(Value::String(audience)) => is_ours(audience),
        Some(Value::Array(audiences)) => {
            let all_text = audiences.iter().all(Value::is_string);
            all_text && audiences.iter().filter_map(Value::as_str).any(is_ours)
        }
        _ => false,
    };
    if found { Ok(()) } else { Err(Cause::Audience) }
}

/// A `NumericDate` (RFC 7519 §2), fractions allowed, up to the year 9999; `null` is not absence.
fn time(claims: &Object, name: &'static str) -> Result<Option<Timestamp>, Cause> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| *seconds <= END_OF_9999).ok_or(Cause::Time(name))?;
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and only the far past is out of range")]
    Ok(Some(Timestamp::from_millis((seconds * 1_000.0).floor() as i64)))
}

/// The first source that is present and not null; a string is one role, of a list the strings count.
fn roles(claims: &Object, sources: &[RoleSourceSettings]) -> ClaimedRoles {
    for source in sources {
        let names = match source.value(claims) {
            None | Some(Value::Null) if source.is_withheld(claims) => return ClaimedRoles::Withheld,
            None | Some(Value::Null) => continue,
            Some(Value::String(name)) => vec![name.clone()],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(_) => Vec::new(),
        };
        return ClaimedRoles::Names(names);
    }
    ClaimedRoles::Names(Vec::new())
}

impl RoleSourceSettings {
    fn value<'a>(&self, claims: &'a Object) -> Option<&'a Value> {
        match self {
            Self::Claim(name) => claims.get(name),
            Self::Pointer(pointer) => {
                let (first, rest) = json::split_pointer(pointer);
                claims.get(&first)?.pointer(rest)
            }
        }
    }

    /// Whether the provider says that there would be too many groups to list: `_claim_names` naming the claim
    /// (OpenID Connect Core §5.6.2, Entra's group overage), or Entra's `hasgroups` in place of `groups`.
    fn is_withheld(&self, claims: &Object) -> bool {
        let name = match self {
            Self::Claim(name) => name.clone(),
            Self::Pointer(pointer) => json::split_pointer(pointer).0,
        };
        let named =
            claims.get("_claim_names").and_then(Value::as_object).is_some_and(|names| names.contains_key(&name));
        let flagged = matches!(claims.get("hasgroups"), Some(Value::Bool(true)))
            || matches!(claims.get("hasgroups"), Some(Value::String(text)) if text == "true");
        named || (flagged && name == "groups")
    }
}
