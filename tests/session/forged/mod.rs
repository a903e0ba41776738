//! Forged tokens: an attack corpus of tokens that are good but for one fault, each next to its untouched twin.
//!
//! [`families!`] below is the registry. Every family is a file here with a function `forgeries`, which lists for each token
//! its name, how it is made, and the exact reason for its refusal. All of them are run against the verifier, the service in
//! this process, and the real binary (tests/cli/forged.rs), and are written as seeds for the fuzz target. So a further
//! forged token is one entry in one of these files.

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

use std::collections::HashSet;
use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, DecodingKey};
use usher::session::{Refusal, Verifier};

pub(crate) use self::issuers::{Issuer, IssuerSet};
pub(crate) use self::wire::fits_a_header;
use super::facts_at;
use crate::support::keys::{at, now};

/// When the corpus was made. The service has a clock of its own, which is a little later.
static START: LazyLock<i64> = LazyLock::new(now);

/// A token with one fault, and the same without it.
#[derive(Debug)]
pub(crate) struct Forgery {
    pub(crate) name: String,
    /// Whose token it says that it is, or would be without its fault.
    pub(crate) of: Issuer,
    pub(crate) twin: String,
    pub(crate) token: String,
    pub(crate) why: Refusal,
}

impl Forgery {
    /// A forgery beside its issuer's usual token.
    fn of(of: Issuer, name: impl Into<String>, token: String, why: impl Into<Refusal>) -> Self {
        Self { name: name.into(), of, twin: of.token(), token, why: why.into() }
    }

    /// The same beside another twin.
    fn beside(self, twin: String) -> Self {
        Self { twin, ..self }
    }
}

/// The registry. Gives `families()`, and two tests of each family.
macro_rules! families {
    ($($family:ident,)+) => {
        /// Every family by its name.
        pub(crate) fn families() -> Vec<(&'static str, Vec<Forgery>)> {
            vec![$((stringify!($family), $family::forgeries())),+]
        }

        /// Each forgery is refused for its one fault.
        mod by_the_verifier {
            $(#[test] fn $family() { super::refuse(&super::$family::forgeries()); })+
        }

        /// A client is told nothing of the fault.
        mod by_the_service {
            $(#[tokio::test] async fn $family() { super::wire::refuse(&super::$family::forgeries()).await; })+
        }
    };
}

families! {
    algorithms,
    audience,
    claims_as_text,
    confusion,
    curves,
    dates,
    embedded,
    encoding,
    extensions,
    header_as_text,
    kid,
    mixed,
    names,
    none,
    segments,
    signature,
    types,
}

fn verifier() -> Verifier {
    let issuers = IssuerSet::new();
    Verifier::open(issuers.settings()).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// That each is refused for exactly its fault where its twin is taken, by a verifier that has never seen the twin and
/// by one that remembers it.
fn refuse(forgeries: &[Forgery]) {
    let (forgetful, remembering) = (verifier(), verifier().remembering());
    let now = at(*START);
    for Forgery { name, of, twin, token, why } in forgeries {
        let case = format!("{name}, of {of:?}: {token}");
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
    let (families, keys) = (families(), issuers::keys_that_never_sign_alike());
    let (mut names, mut substances, mut unsent) = (HashSet::new(), HashSet::new(), 0);
    for (family, forgeries) in &families {
        println!("{family}: {}", forgeries.len());
        for Forgery { name, of, token, .. } in forgeries {
            assert!(names.insert((*family, name)), "{family}: {name} is there twice");
            let is_new = substances.insert(substance(token, &keys));
            assert!(is_new, "{family}: {name}, of {of:?}, is there under another name");
            unsent += usize::from(!fits_a_header(token));
        }
    }
    println!("{} cases, {unsent} of which no header can carry", names.len());
    assert!(names.len() >= 150, "{}", names.len());
    assert_eq!(families.len(), 17, "{families:?}");
}

/// `cargo fuzz run token fuzz/corpus/token target/tmp/fuzz-seeds/token` begins with them too.
#[test]
fn each_is_a_seed_for_the_fuzz_target() {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-seeds/token");
    std::fs::create_dir_all(&directory).unwrap();
    for (family, forgeries) in families() {
        for (number, Forgery { token, .. }) in forgeries.iter().enumerate() {
            // `r`: a token as it is.
            std::fs::write(directory.join(format!("{family}_{number}")), format!("r{token}")).unwrap();
        }
    }
}
