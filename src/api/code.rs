//! Every problem that a client can meet, in one table. Must not know what leads to them.

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
    SessionKeysUnavailable,
    UpstreamTimeout,
}

/// Status, code, title, and what a developer who sees it should know.
pub(super) type Row = (u16, &'static str, &'static str, &'static str);

impl Code {
    /// Every one of them.
    pub const ALL: [Self; 21] = [
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
        Self::SessionKeysUnavailable,
        Self::UpstreamTimeout,
    ];

    /// The whole row.
    pub(super) const fn row(self) -> Row {
        match self {
            Self::MalformedRequest => {
                (400, "malformed_request", "Not a proper request", "The body is not one JSON document.")
            }
            Self::SessionMissing => (
                401,
                "session_missing",
                "No session",
                "Send the session of the signed-in user as `Authorization: Bearer <session JWT>`.",
            ),
            Self::SessionInvalid => (
                401,
                "session_invalid",
                "Not a valid session",
                "The credential is no valid session of a configured issuer. Sign in again; the service's log has the cause.",
            ),
            Self::SessionExpired => {
                (401, "session_expired", "The session has expired", "Renew the session and ask again.")
            }
            Self::SessionExpiring => (
                401,
                "session_expiring",
                "The session is about to expire",
                "Too little of the session is left for a useful token. Renew the session and ask again.",
            ),
            Self::ChannelsDenied => (
                403,
                "channels_denied",
                "Not all of these channels are granted",
                "Nothing was minted: the session may not have what `denied` lists. Ask for less, or with mode `narrow`.",
            ),
            Self::NothingGranted => (
                403,
                "nothing_granted",
                "Nothing is granted",
                "The policy grants this session none of what was asked for.",
            ),
            Self::SessionRevoked => (403, "session_revoked", "This member is blocked", "This member gets no tokens."),
            Self::OriginRefused => (
                403,
                "origin_refused",
                "This origin is refused",
                "The request's `Host` or `Origin` is not one that is served here.",
            ),
            Self::NotFound => (404, "not_found", "No such path", "Tokens are asked for by `POST /chat-token`."),
            Self::MethodNotAllowed => {
                (405, "method_not_allowed", "Not by this method", "The header `Allow` lists the methods of this path.")
            }
            Self::RequestTimeout => {
                (408, "request_timeout", "The body came too slowly", "The request's body did not arrive in time.")
            }
            Self::BodyTooLarge => (413, "body_too_large", "The body is too large", "A request for a token is smaller."),
            Self::UnsupportedMediaType => (
                415,
                "unsupported_media_type",
                "Not JSON",
                "Send the body as `Content-Type: application/json`, without a `Content-Encoding`.",
            ),
            Self::InvalidRequest => {
                (422, "invalid_request", "Not a valid request", "`errors` lists every fault, each with its place.")
            }
            Self::RateLimited => (429, "rate_limited", "Too many requests", "Ask again after `Retry-After` seconds."),
            Self::InternalError => (
                500,
                "internal_error",
                "A fault of this service",
                "This is a bug. The request id leads to it in the log.",
            ),
            Self::UpstreamFailed => (
                502,
                "upstream_failed",
                "SignalWire refused or answered nonsense",
                "This is not about your session: the operator finds the cause in the service's log.",
            ),
            Self::UpstreamUnavailable => (
                503,
                "upstream_unavailable",
                "SignalWire is not available",
                "SignalWire cannot be reached or is failing. Ask again after `Retry-After` seconds.",
            ),
            Self::SessionKeysUnavailable => (
                503,
                "session_keys_unavailable",
                "Sessions cannot be checked",
                "The keys of the session's issuer cannot be had. Ask again after `Retry-After` seconds.",
            ),
            Self::UpstreamTimeout => {
                (504, "upstream_timeout", "SignalWire did not answer in time", "Ask again in a moment.")
            }
        }
    }

    /// As it stands in `code` and in the fragment of `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
