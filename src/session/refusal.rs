//! Why a credential is no session: for the operator's log, never for the client. Must not know how it is found.

/// Why a credential is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not genuine.
    #[error("the session is not valid: {0}")]
    Invalid(#[from] Cause),
    /// Genuine, and over.
    #[error("the session has expired")]
    Expired,
    /// Its issuer has no key at all, so nothing can be said.
    #[error("issuer `{0}` has no usable key")]
    KeysUnavailable(String),
}

/// What is wrong with a token: for the operator's log, never for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The `Authorization` header is not exactly `Bearer <token>`.
    #[error("the Authorization header is not exactly `Bearer <token>`")]
    NotBearer,
    /// Two cookies of the session's name, or one that is no text.
    #[error("there is more than one session cookie, or one that is not text")]
    SeveralCookies,
    /// Over [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES).
    #[error("the token is over 16 KiB")]
    TooLong,
    /// No compact JWS.
    #[error("the token does not have three parts")]
    NotThreeParts,
    /// Not base64url of one JSON object, a name in it twice, or `kid` is no string.
    #[error("the token's header cannot be read")]
    Header,
    /// Not base64url of one JSON object, or a name in it twice.
    #[error("the token's claims cannot be read")]
    Claims,
    /// `alg` is absent, `none`, or none that we know.
    #[error("the token's algorithm is not one that a session may have")]
    UnknownAlgorithm,
    /// A header that changes what the token means.
    #[error("the token's header has `{0}`")]
    Extension(&'static str),
    /// `typ` is of another kind of token.
    #[error("the token's `typ` is not that of a session")]
    Type,
    /// `iss` is absent, no string, or nobody's that is configured.
    #[error("the token's `iss` is no configured issuer")]
    Issuer,
    /// No key of the issuer's fits its `kid` and `alg`.
    #[error("no key of its issuer fits the token's `kid` and `alg`")]
    NoKeyFits,
    /// Somebody else's, or of another text.
    #[error("the token's signature is not its issuer's")]
    Signature,
    /// For somebody else.
    #[error("the token's audience is not ours")]
    Audience,
    /// `sub` is absent, empty or no string.
    #[error("the token has no subject")]
    Subject,
    /// Absent where it is required, no number, or past the year 9999.
    #[error("the token's `{0}` is missing or no proper date")]
    Time(&'static str),
    /// In the future beyond the leeway.
    #[error("the token's `{0}` is in the future")]
    Early(&'static str),
}
