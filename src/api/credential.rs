//! From a request's headers to a [`Session`], or a guest where the policy lets one in: steps 2 and 3 of the order. Must not
//! know tokens' insides.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use uuid::Uuid;

use super::code::Code;
use super::cookie::Found;
use super::problem::Problem;
use super::{App, Context};
use crate::limits::Refused;
use crate::ops::clock;
use crate::policy::Policy;
use crate::session::{Cause, Refusal, Session};

/// What stands in an `Authorization` header.
enum Authorization<'a> {
    None,
    Bearer(&'a str),
    /// Exactly one, of another scheme.
    Other,
    /// Two of them, or no text.
    Broken,
}

impl App {
    /// The credential and the session. What is wrong with one is for the log, and not for the client. A guest, and what would
    /// be answered with a 401, counts for its address; a good session never does.
    pub(super) async fn session(&self, head: &Parts, policy: &Policy, context: &Context) -> Result<Session, Problem> {
        let session = match self.credential(&head.method, &head.headers) {
            Ok(Some(token)) => self.0.verifier.authenticate(token, clock::now()).await.map_err(Problem::from),
            Ok(None) if policy.admits_guests() => {
                self.admit_address(context).await?;
                return Ok(Session::guest(Uuid::new_v4()));
            }
            Ok(None) => Err(Problem::new(Code::SessionMissing)),
            Err(problem) => Err(problem),
        };
        if session.as_ref().is_err_and(|problem| problem.code().status() == StatusCode::UNAUTHORIZED)
            && let Err(limited @ Refused::Limited(_)) = self.admit_address(context).await
        {
            return Err(limited.into());
        }
        session
    }

    /// The one token that counts: a Bearer wins over a cookie, and a bad one is not rescued by a good cookie. Any other
    /// `Authorization` is a credential too, and a bad one; it is passed over only for a cookie (the Basic of a staging site).
    fn credential<'a>(&self, method: &Method, headers: &'a HeaderMap) -> Result<Option<&'a str>, Problem> {
        let cookie = self.0.cookie.as_ref().map(|cookie| (cookie, cookie.find(headers)));
        let cookie = cookie.filter(|(_, found)| !matches!(found, Found::None));
        match (authorization(headers), cookie) {
            (Authorization::Bearer(token), _) => Ok(Some(token)),
            (Authorization::Broken, _) | (Authorization::Other, None) => Err(Refusal::from(Cause::NotBearer).into()),
            (Authorization::None, None) => Ok(None),
            (Authorization::None | Authorization::Other, Some((cookie, found))) => {
                if !cookie.guards(method, headers, &self.0.origins) {
                    return Err(Problem::new(Code::OriginRefused));
                }
                match found {
                    Found::One(token) => Ok(Some(token)),
                    Found::None | Found::Unclear => Err(Refusal::from(Cause::SeveralCookies).into()),
                }
            }
        }
    }
}

/// `Bearer <token>` (RFC 6750 §2.1): the scheme in any case, exactly one space.
fn authorization(headers: &HeaderMap) -> Authorization<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Authorization::None,
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Authorization::Broken,
    };
    let Ok(text) = value.to_str() else { return Authorization::Broken };
    match text.split_once(' ') {
        // A second space would be the token's, and no token has one.
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Authorization::Bearer(token),
        None if text.eq_ignore_ascii_case("bearer") => Authorization::Broken,
        _ => Authorization::Other,
    }
}
