//! Who sends a request, and whether they may now: from headers to a [`Session`] (or a guest, if the policy admits
//! guests), and from a member to an [`Admitted`].

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use itertools::Itertools as _;
use uuid::Uuid;

use super::code::Code;
use super::cookie::Found;
use super::endpoint::{ADDRESS, ADMITTED, MEMBER};
use super::problem::Problem;
use super::state::{App, Context};
use crate::chat::MemberId;
use crate::limits::{Admitted, Asked, Refused};
use crate::policy::Policy;
use crate::session::{Cause, Refusal, Session};
use crate::telemetry::clock;

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
            Ok(Some(token)) => self.verifier().authenticate(token, clock::now()).await.map_err(Problem::from),
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
        let cookie = self.settings().cookie.as_ref().map(|cookie| (cookie, cookie.find(headers)));
        let cookie = cookie.filter(|(_, found)| !matches!(found, Found::None));
        match (authorization(headers), cookie) {
            (Authorization::Bearer(token), _) => Ok(Some(token)),
            (Authorization::Broken, _) | (Authorization::Other, None) => Err(Refusal::from(Cause::NotBearer).into()),
            (Authorization::None, None) => Ok(None),
            (Authorization::None | Authorization::Other, Some((cookie, found))) => {
                if !cookie.guards(method, headers, &self.settings().origins) {
                    return Err(Problem::new(Code::OriginRefused));
                }
                match found {
                    Found::One(token) => Ok(Some(token)),
                    Found::None | Found::Unclear => Err(Refusal::from(Cause::SeveralCookies).into()),
                }
            }
        }
    }

    /// Counts a request by this member.
    pub(super) async fn admit(&self, member: &MemberId) -> Result<Admitted, Problem> {
        let admitted = self.limits().admit(member, |asked| self.store_asked(asked)).await;
        if !member.is_guest() {
            self.count(MEMBER, admitted.as_ref().err().copied());
        }
        admitted.map_err(Problem::from)
    }

    /// Counts a request by a guest, or with a session that is none, by its address.
    pub(super) async fn admit_address(&self, context: &Context) -> Result<(), Refused> {
        let Some(address) = context.address.filter(|_| self.limits().counts_addresses()) else { return Ok(()) };
        let admitted = self.limits().admit_address(address, |asked| self.store_asked(asked)).await;
        self.count(ADDRESS, admitted.err());
        admitted
    }

    fn count(&self, limit: &'static str, refused: Option<Refused>) {
        let decision = refused.map_or(ADMITTED, Refused::as_str);
        self.status().metrics.limit_decided(limit, decision);
    }

    fn store_asked(&self, asked: Asked) {
        self.status().metrics.store_asked(asked.is_answered, asked.took);
    }
}

/// `Bearer <token>` (RFC 6750 §2.1): the scheme in any case, exactly one space.
fn authorization(headers: &HeaderMap) -> Authorization<'_> {
    let value = match headers.get_all(AUTHORIZATION).iter().at_most_one() {
        Ok(None) => return Authorization::None,
        Ok(Some(value)) => value,
        Err(_) => return Authorization::Broken,
    };
    let Ok(text) = value.to_str() else { return Authorization::Broken };
    match text.split_once(' ') {
        // A second space would be the token's, and no token has one.
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Authorization::Bearer(token),
        None if text.eq_ignore_ascii_case("bearer") => Authorization::Broken,
        _ => Authorization::Other,
    }
}
