//! Every problem that a client can meet, in one table: for programs, for whoever reads `/problems`, for the docs. Must not
//! know what leads to them.

use http::StatusCode;

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the codes, and the table below is theirs")]
pub enum Code {
    MalformedRequest,
    SessionMissing,
    SessionInvalid,
    SessionExpired,
    SessionExpiring,
    ChannelsDenied,
    NothingGranted,
    SessionRevoked,
    OriginRefused,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    BodyTooLarge,
    UnsupportedMediaType,
    InvalidRequest,
    RateLimited,
    InternalError,
    UpstreamFailed,
    UpstreamUnavailable,
    Overloaded,
    SessionKeysUnavailable,
    LimitsUnavailable,
    NotReady,
    UpstreamTimeout,
}

/// All that there is to say of a code. Texts may hold `code` in backticks.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The HTTP status.
    pub status: u16,
    /// As it stands in `code` and in the fragment of `type`.
    pub code: &'static str,
    /// The problem's `title`.
    pub title: &'static str,
    /// What it means. With the next it is the problem's `detail` where there is nothing better.
    pub means: &'static str,
    /// What the client should do.
    pub client: &'static str,
    /// What the operator should look at.
    pub operator: &'static str,
}

const A_BUG: &str = "Nothing: it is a fault of the client's program.";
const RETRY: &str = "Ask again after `Retry-After` seconds.";

impl Code {
    /// Every one of them.
    pub const ALL: [Self; 24] = [
        Self::MalformedRequest,
        Self::SessionMissing,
        Self::SessionInvalid,
        Self::SessionExpired,
        Self::SessionExpiring,
        Self::ChannelsDenied,
        Self::NothingGranted,
        Self::SessionRevoked,
        Self::OriginRefused,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidRequest,
        Self::RateLimited,
        Self::InternalError,
        Self::UpstreamFailed,
        Self::UpstreamUnavailable,
        Self::Overloaded,
        Self::SessionKeysUnavailable,
        Self::LimitsUnavailable,
        Self::NotReady,
        Self::UpstreamTimeout,
    ];

    /// All that there is to say of it.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    pub const fn row(self) -> Row {
        let (status, code, title, means, client, operator) = match self {
            Self::MalformedRequest => (
                400,
                "malformed_request",
                "Not a proper request",
                "The body is not one JSON document in UTF-8, is nested 128 deep or more, or has a name twice in one object.",
                "Mend the body; `detail` says what is wrong with it. Asking again as before is of no use.",
                A_BUG,
            ),
            Self::SessionMissing => (
                401,
                "session_missing",
                "No session",
                "The request has no credential.",
                "Send the session of the signed-in user as `Authorization: Bearer <session JWT>`.",
                "Nothing, unless guests are meant to be let in: then the policy needs a `[guest]`.",
            ),
            Self::SessionInvalid => (
                401,
                "session_invalid",
                "Not a valid session",
                "The credential is not a valid session of a configured issuer. One code for every cause.",
                "Sign in again, and ask with the new session.",
                "The log line with this `request_id` names the cause: issuer, audience, type, algorithm, key, signature, \
                 a date, the form of the header.",
            ),
            Self::SessionExpired => (
                401,
                "session_expired",
                "The session has expired",
                "The session is genuine, but past its `exp` (or the issuer's `max_age`).",
                "Renew the session and ask again.",
                "Nothing, unless it happens to everybody: then compare the clocks.",
            ),
            Self::SessionExpiring => (
                401,
                "session_expiring",
                "The session is about to expire",
                "The session is genuine, but too little of it is left for a useful token.",
                "Renew the session first, then ask again.",
                "Where the provider's sessions last only a minute or two: the issuer's `outlive`, and the policy's \
                 `[ttl].min`.",
            ),
            Self::ChannelsDenied => (
                403,
                "channels_denied",
                "Not all of these channels are granted",
                "Nothing was minted: the session may not have what `denied` lists.",
                "Ask for less, or with `\"mode\": \"narrow\"` to get what is granted of it.",
                "The audit event names the rule that denies each right, or none where no rule allows it.",
            ),
            Self::NothingGranted => (
                403,
                "nothing_granted",
                "Nothing is granted",
                "The policy grants this session none of what was asked for.",
                "Give up: asking again as before is of no use.",
                "The audit event's `reason`: no right is left, `member.id` cannot be filled in from this session, or the \
                 provider left the groups out for being too many.",
            ),
            Self::SessionRevoked => (
                403,
                "session_revoked",
                "This member is blocked",
                "This member gets no tokens.",
                "Give up, and say so to the user.",
                "The policy's `[blocked]`, and `usher revoke --list`.",
            ),
            Self::OriginRefused => (
                403,
                "origin_refused",
                "Refused for where it comes from",
                "A session cookie came from a page that may not act for the user, or without what guards it. Of `usher dev`: \
                 the request's `Host`, or the `Origin` of who asks for what its page alone needs, is not this machine.",
                "Ask from a page that the operator allows, with `Content-Type: application/json` or the guard header; on a \
                 `GET` only the guard header counts. To `usher dev`, talk as localhost or 127.0.0.1.",
                "`cors.allowed_origins` and `session.cookie.guard_header`. A Bearer session is taken from anywhere.",
            ),
            Self::NotFound => (
                404,
                "not_found",
                "There is nothing here",
                "There is no such path. Paths are exact, byte for byte; the query is ignored.",
                "Post to `/chat-token`, without a slash at the end.",
                "Whether a proxy in front changes the path.",
            ),
            Self::MethodNotAllowed => (
                405,
                "method_not_allowed",
                "Not with this method",
                "The path is there, but not for this method; `Allow` lists those that it has.",
                "Use one of those in `Allow`.",
                A_BUG,
            ),
            Self::RequestTimeout => (
                408,
                "request_timeout",
                "The body came too slowly",
                "The request's body did not arrive in time.",
                "Ask again.",
                "`server.request_timeout`, and what is between the clients and here.",
            ),
            Self::BodyTooLarge => (
                413,
                "body_too_large",
                "The body is too large",
                "The body has more bytes than are taken here.",
                "Send less; a request for 500 channels fits into 256 KiB.",
                "`server.max_body`.",
            ),
            Self::UnsupportedMediaType => (
                415,
                "unsupported_media_type",
                "Not JSON",
                "The body is not called `application/json`, or has a `Content-Encoding`. No body at all needs no media type.",
                "Send it as `Content-Type: application/json`, not compressed.",
                A_BUG,
            ),
            Self::InvalidRequest => (
                422,
                "invalid_request",
                "Not a valid request",
                "The body is JSON, but not a request: `errors` lists every fault, each with a JSON Pointer (RFC 6901) to \
                 its place.",
                "Mend what `errors` lists. Asking again as before is of no use.",
                A_BUG,
            ),
            Self::RateLimited => (
                429,
                "rate_limited",
                "Too many requests",
                "This member, or somebody at this address without a valid session, asked too often.",
                RETRY,
                "`limits.per_member`, and whether the client keeps to `refresh_in`; for guests and failed sessions \
                 `limits.per_address`, and behind a proxy `server.trusted_proxies`.",
            ),
            Self::InternalError => (
                500,
                "internal_error",
                "A fault of this service",
                "This is a bug of usher's.",
                "Give up; tell the operator the `request_id`.",
                "The log, by the `request_id`. Please report it.",
            ),
            Self::UpstreamFailed => (
                502,
                "upstream_failed",
                "SignalWire refused or answered nonsense",
                "SignalWire did not take the service's own request, or its answer holds no token. This is never about the \
                 user's session.",
                "Ask again in a moment.",
                "The log says what SignalWire answered. After a 401 or 403: `project_id`, `api_token` and the token's Chat \
                 scope.",
            ),
            Self::UpstreamUnavailable => (
                503,
                "upstream_unavailable",
                "SignalWire is not available",
                "SignalWire cannot be reached, is failing, or limits the service's rate.",
                RETRY,
                "The log says which, or that SignalWire kept failing and is left alone for some seconds; SignalWire's \
                 status page.",
            ),
            Self::Overloaded => (
                503,
                "overloaded",
                "More requests than can be taken",
                "More requests wait for SignalWire than it will serve within the time that a request may wait.",
                RETRY,
                "Whether SignalWire responds more slowly than usual (`usher_upstream_seconds`, `usher_upstream_queued`); \
                 else `signalwire.max_in_flight` and `signalwire.max_wait`.",
            ),
            Self::SessionKeysUnavailable => (
                503,
                "session_keys_unavailable",
                "Sessions cannot be checked",
                "The session's issuer has no usable key here.",
                RETRY,
                "The log says why its keys cannot be had; `/ready` on the operator's listener names the issuers.",
            ),
            Self::LimitsUnavailable => (
                503,
                "limits_unavailable",
                "The limits cannot be asked",
                "What counts requests and knows who is revoked cannot be reached, and this service refuses rather than go \
                 without.",
                RETRY,
                "`limits.store` and the way to it; `limits.on_store_failure = \"local\"` would count in each replica's memory \
                 meanwhile.",
            ),
            Self::NotReady => (
                503,
                "not_ready",
                "Not ready",
                "Of `/ready` only: requests should go elsewhere for now.",
                RETRY,
                "`/ready` on the operator's listener says why: draining, or an issuer without keys.",
            ),
            Self::UpstreamTimeout => (
                504,
                "upstream_timeout",
                "SignalWire did not answer in time",
                "SignalWire took longer than it is waited for.",
                "Ask again in a moment.",
                "`signalwire.timeout`, `server.request_timeout`, and the way to SignalWire.",
            ),
        };
        Row { status, code, title, means, client, operator }
    }

    /// As it stands in `code` and in the fragment of `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().code
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
