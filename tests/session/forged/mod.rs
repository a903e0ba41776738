//! An attack corpus: tokens that are good but for one fault, each beside its untouched twin, against the verifier and,
//! over a socket, against the service.

mod accepted;
mod algorithms;
mod audience;
mod claims_as_text;
mod confusion;
mod curves;
mod dates;
mod embedded;
mod encoding;
mod extensions;
mod header_as_text;
mod issuers;
mod kid;
mod mixed;
mod names;
mod none;
mod segments;
mod signature;
mod types;
mod vectors;
mod wire;

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, DecodingKey};
use usher::session::{Refusal, Verifier};

use self::issuers::{Issuer, Town};
use super::facts_at;
use crate::support::keys::{at, now};

/// When the corpus was made. The service has a clock of its own, which is a little later.
static START: LazyLock<i64> = LazyLock::new(now);

/// What sort of attack it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Family(&'static str);

/// A token with one fault, and the same without it.
#[derive(Debug)]
struct Forgery {
    family: Family,
    name: String,
    /// Whose token it says that it is, or would be without its fault.
    of: Issuer,
    twin: String,
    token: String,
    why: Refusal,
}

impl Family {
    /// A forgery beside its issuer's usual token.
    fn of(self, of: Issuer, name: impl Into<String>, token: String, why: impl Into<Refusal>) -> Forgery {
        Forgery { family: self, name: name.into(), of, twin: of.token(), token, why: why.into() }
    }
}

impl Forgery {
    /// The same beside another twin.
    fn beside(self, twin: String) -> Self {
        Self { twin, ..self }
    }
}

/// The whole corpus.
fn corpus() -> Vec<Forgery> {
    let families = [
        algorithms::forgeries,
        audience::forgeries,
        claims_as_text::forgeries,
        confusion::forgeries,
        curves::forgeries,
        dates::forgeries,
        embedded::forgeries,
        encoding::forgeries,
        extensions::forgeries,
        header_as_text::forgeries,
        kid::forgeries,
        mixed::forgeries,
        names::forgeries,
        none::forgeries,
        segments::forgeries,
        signature::forgeries,
        types::forgeries,
    ];
    families.into_iter().flat_map(|forgeries| forgeries()).collect()
}

fn verifier() -> Verifier {
    let town = Town::new();
    Verifier::open(town.settings.clone()).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// That each is refused for exactly its fault where its twin is taken, by a verifier that has never seen the twin and
/// by one that remembers it.
fn refuse(forgeries: &[Forgery]) {
    let (forgetful, remembering) = (verifier(), verifier().remembering());
    let now = at(*START);
    for Forgery { family, name, of, twin, token, why } in forgeries {
        let case = format!("{}: {name}, of {of:?}: {token}", family.0);
        assert_ne!(twin, token, "{case}");
        // Before its twin, so that a failure would have been remembered, and after it.
        assert_eq!(facts_at(&remembering, token, now).as_ref(), Err(why), "{case}: before its twin");
        for (which, verifier) in [("forgetful", &forgetful), ("remembering", &remembering)] {
            let facts = facts_at(verifier, twin, now);
            assert_eq!(facts.map(|facts| facts.issuer() == Some(of.alias())), Ok(true), "{case}: the twin, {which}");
            assert_eq!(facts_at(verifier, token, now).as_ref(), Err(why), "{case}: {which}");
        }
        assert!(facts_at(&remembering, twin, now).is_ok(), "{case}: the twin again");
    }
}

/// What is the same each time that a case is made: its text, or where one of these keys has signed, which never sign
/// alike, what is signed and by which.
fn substance(token: &str, keys: &[(String, DecodingKey, Algorithm)]) -> String {
    let Some((input, signature)) = token.rsplit_once('.') else { return token.to_owned() };
    let is_by = |key, algorithm| jsonwebtoken::crypto::verify(signature, input.as_bytes(), key, algorithm);
    let by = keys.iter().find(|(_, key, algorithm)| is_by(key, *algorithm).unwrap_or(false));
    by.map_or_else(|| token.to_owned(), |(name, ..)| format!("{input} by {name}"))
}

#[test]
fn the_corpus_is_large_and_nothing_is_in_it_twice() {
    let (corpus, keys) = (corpus(), issuers::keys_that_never_sign_alike());
    let mut families = BTreeMap::new();
    let (mut names, mut substances) = (HashSet::new(), HashSet::new());
    for Forgery { family, name, of, token, .. } in &corpus {
        *families.entry(family.0).or_insert(0) += 1;
        assert!(names.insert((*family, name)), "{}: {name} is there twice", family.0);
        let is_new = substances.insert(substance(token, &keys));
        assert!(is_new, "{}: {name}, of {of:?}, is there under another name", family.0);
    }
    let unsent = corpus.iter().filter(|case| !wire::fits_a_header(&case.token)).count();
    println!("{} cases, {unsent} of which no header can carry: {families:#?}", corpus.len());
    assert!(corpus.len() >= 150, "{}", corpus.len());
    assert_eq!(families.len(), 17, "{families:?}");
}
