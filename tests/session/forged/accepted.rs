//! Texts that differ from a token and are accepted all the same: what happens now, so that a change of it is seen.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::issuers::Issuer;
use super::{START, curves, verifier, wire};
use crate::session::facts_at;
use crate::support::keys::{at, b64};

/// The same token with s negated: whoever has one can make the other, of the same header and claims.
fn negated(of: Issuer, token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = signature.split_at(signature.len() / 2);
    format!("{input}.{}", b64([r, &curves::difference(&curves::order(of), s)].concat()))
}

/// ECDSA takes (r, n - s) where it takes (r, s), and RFC 7518 §3.4 has no word on it. The other token says what the issuer
/// has signed and nothing else, so nothing is gained by it, unless somebody counts or bars tokens by their text.
#[tokio::test]
async fn an_ecdsa_signature_has_two_spellings_and_both_are_taken() {
    let service = wire::service().await;
    for of in [Issuer::P256, Issuer::P384, Issuer::Set] {
        let twin = of.token();
        let other = negated(of, &twin);
        assert_ne!(twin, other);
        assert_eq!(negated(of, &other), twin);
        for verifier in [verifier(), verifier().remembering()] {
            let facts = facts_at(&verifier, &twin, at(*START));
            assert_eq!(facts_at(&verifier, &other, at(*START)), facts, "{of:?}");
            assert!(facts.is_ok(), "{of:?}");
            // Its end is the token's own, whichever was seen before.
            assert!(facts_at(&verifier, &other, at(*START + 3_600)).is_err(), "{of:?}");
        }
        assert_eq!(wire::told(&service, &twin).await.0, 200, "{of:?}");
        assert_eq!(wire::told(&service, &other).await.0, 200, "{of:?}");
    }
}

/// RFC 9110 §5.5: it is no part of a header's value, so that the token never has it.
#[tokio::test]
async fn white_space_at_the_end_of_the_header_is_not_the_tokens() {
    let service = wire::service().await;
    for space in [" ", "\t", " \t "] {
        let token = format!("{}{space}", Issuer::Secret.token());
        assert!(facts_at(&verifier(), &token, at(*START)).is_err(), "{space:?}");
        assert_eq!(wire::told(&service, &token).await.0, 200, "{space:?}");
    }
}
