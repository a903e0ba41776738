//! One issuer's claims under another issuer's key, or with another's `kid`: no issuer speaks for another.

use serde_json::json;
use usher::session::Cause;

use super::Forgery;
use super::issuers::Issuer;

/// Whose claims, whose key and header, and what is wrong with it.
const PAIRS: [(Issuer, Issuer, Cause); 12] = [
    (Issuer::Secret, Issuer::Party, Cause::Signature),
    (Issuer::Party, Issuer::Secret, Cause::Signature),
    (Issuer::Anyone, Issuer::Aged, Cause::Signature),
    (Issuer::Secret, Issuer::LongSecret, Cause::NoKeyFits),
    (Issuer::Secret, Issuer::Rsa, Cause::NoKeyFits),
    (Issuer::Rsa, Issuer::Secret, Cause::NoKeyFits),
    (Issuer::P256, Issuer::Set, Cause::Signature),
    (Issuer::P384, Issuer::P256, Cause::NoKeyFits),
    (Issuer::Ed25519, Issuer::P256, Cause::NoKeyFits),
    (Issuer::Set, Issuer::OtherSet, Cause::NoKeyFits),
    (Issuer::OtherSet, Issuer::Set, Cause::NoKeyFits),
    (Issuer::Set, Issuer::P256, Cause::NoKeyFits),
];

pub(super) fn forgeries() -> Vec<Forgery> {
    let mut all = Vec::new();
    for (whose, signed_by, cause) in PAIRS {
        let token = signed_by.sign(&signed_by.header(), &whose.claims());
        all.push(Forgery::of(whose, format!("{whose:?}'s claims by {signed_by:?}"), token, cause));
    }
    let other = |kid: &str| Issuer::OtherSet.key(kid);
    let kid = |kid: &str| json!({"typ": "JWT", "kid": kid});
    let claims = Issuer::Set.claims();
    for (name, token, cause) in [
        (
            "a kid that both have, by the other's key",
            other("shared").sign_with(&kid("shared"), &claims),
            Cause::Signature,
        ),
        ("the first's kid, by the other's key", other("z").sign_with(&kid("a"), &claims), Cause::Signature),
        (
            "a kid of both, by another key of the first's",
            Issuer::Set.key("b").sign_with(&kid("shared"), &claims),
            Cause::Signature,
        ),
        ("a kid for RS256, by the other's key", other("z").sign_with(&kid("c"), &claims), Cause::NoKeyFits),
    ] {
        all.push(Forgery::of(Issuer::Set, name, token, cause));
    }
    // The other way round: a genuine token of the second's with a name of the first's.
    for kid in ["a", "b", "c"] {
        let token = Issuer::OtherSet.by_header(&json!({"kid": kid}));
        all.push(Forgery::of(
            Issuer::OtherSet,
            format!("the second's token with the first's {kid}"),
            token,
            Cause::NoKeyFits,
        ));
    }
    // RFC 7519 §5.3: claims in the header say nothing of whose key it is.
    let header = Issuer::Party.header_with(&json!({"iss": Issuer::Party.iss(), "sub": "alice"}));
    let token = Issuer::Party.sign(&header, &Issuer::Secret.claims());
    all.push(Forgery::of(Issuer::Secret, "an issuer in the header as well", token, Cause::Signature));
    let both = json!({"iss": [Issuer::Secret.iss(), Issuer::Party.iss()]});
    all.push(Forgery::of(Issuer::Secret, "of two issuers", Issuer::Secret.by_claims(&both), Cause::Issuer));
    all
}
