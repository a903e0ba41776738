//! From a request's headers to a [`Session`], or a guest where the policy lets one in. Must not know tokens' insides.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use uuid::Uuid;

use super::App;
use super::code::Code;
use super::problem::Problem;
use crate::ops::clock;
use crate::policy::Policy;
use crate::session::{Cause, Refusal, Session};

impl App {
    /// Step 3 of the order: the credential and the session. What is wrong with one is for the log, and not for the client.
    pub(super) fn session(&self, headers: &HeaderMap, policy: &Policy) -> Result<Session, Problem> {
        let token = match bearer(headers) {
            Ok(Some(token)) => token,
            Ok(None) if policy.admits_guests() => return Ok(Session::guest(Uuid::new_v4())),
            Ok(None) => return Err(Problem::new(Code::SessionMissing)),
            Err(cause) => return Err(Refusal::from(cause).into()),
        };
        Ok(self.0.verifier.verify(token, clock::now())?)
    }
}

/// The token of `Authorization: Bearer <token>` (RFC 6750 §2.1): the scheme in any case, exactly one space. Any other
/// `Authorization` is a credential too, and a bad one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Cause> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Cause::NotBearer);
    }
    let text = value.to_str().map_err(|_| Cause::NotBearer)?;
    match text.split_once(' ') {
        // A second space would be the token's, and no token has one.
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token)),
        _ => Err(Cause::NotBearer),
    }
}
