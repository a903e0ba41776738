//! A token in a header to a [`Session`]. Knows JWTs (RFC 7519), their signatures (RFC 7515, by `jsonwebtoken`) and where
//! keys come from; must not know HTTP requests, nor what a session may do.
//!
//! ```text
//! settings.rs  what an operator says of an issuer
//! jws.rs       text → header and claims, unverified, read strictly
//! key.rs       one key, pinned to one algorithm
//! keys.rs      an issuer's keys: where they come from, which may verify a token
//! fetch.rs     a JWKS by URL, fetched and kept fresh
//! claims.rs    verified claims → Facts, or what is wrong with them
//! verifier.rs  the order of it all, and the only place where a Session is made
//! ```

mod claims;
mod fetch;
mod jws;
mod key;
mod keys;
mod settings;
mod verifier;

pub use key::Algorithm;
pub use keys::{KeyFault, try_keys};
pub use settings::{AudiencesSettings, IssuerSettings, KeySettings, RoleSourceSettings};
pub use verifier::{Cause, Refusal, Session, Verifier};

/// The longest session token that is looked at: 16 KiB.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
