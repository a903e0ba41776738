//! A token in a header to a [`Session`]. Knows JWTs (RFC 7519), their signatures (RFC 7515, by `jsonwebtoken`) and where
//! keys come from; must not know HTTP requests, nor what a session may do.
//!
//! ```text
//! settings.rs    what an operator says of an issuer
//! jws.rs         text → header and claims, unverified, read strictly
//! key.rs         one key, pinned to one algorithm
//! keys.rs        an issuer's keys: where they come from, which may verify a token
//! store.rs       the keys in use, and since when they cannot be had anew
//! http.rs        a bounded HTTP client for what an issuer publishes
//! fetch.rs       where an issuer says that its keys are, and the keys themselves
//! refresh.rs     when it is fetched
//! claims.rs      verified claims → Facts, or what is wrong with them
//! remembered.rs  signatures that were verified before
//! refusal.rs     why a credential is no session
//! examine.rs     keys and tokens as an operator looks into them
//! verifier.rs    the order of it all, and the only place where a Session is made
//! ```

mod claims;
mod examine;
mod fetch;
mod http;
mod jws;
mod key;
mod keys;
mod refresh;
mod refusal;
mod remembered;
mod settings;
mod store;
mod verifier;

pub use self::http::{HttpClientError, is_loopback, is_loopback_host};
pub use claims::unverified_facts;
pub use examine::{Check, KeysFound, UnverifiedToken, look_for_keys, unverified};
pub use key::Algorithm;
pub use keys::{KeyFault, try_keys};
pub use refusal::{Cause, Refusal};
pub use settings::{
    AudiencesSettings, IssuerSettings, KeySettings, NotBase64, RoleSourceSettings, SecretEncoding, Vouching,
};
pub use verifier::{KeyStatus, Session, Verifier};

/// The longest session token that is looked at: 16 KiB.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
