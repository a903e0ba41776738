//! What it costs to verify a session, by algorithm, and one whose signature was verified before. `cargo bench --bench verify`.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a benchmark may fail loudly")]

#[path = "support/sessions.rs"]
mod sessions;

use divan::{Bencher, black_box};
use jsonwebtoken::Algorithm;

use self::sessions::{NOW, session};

const ALGORITHMS: [Algorithm; 4] = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

fn main() {
    divan::main();
}

#[divan::bench(args = ALGORITHMS)]
fn never_seen(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let (verifier, token) = session(algorithm);
    bencher.bench(|| verifier.verify(black_box(&token), NOW));
}

#[divan::bench(args = ALGORITHMS)]
fn seen_before(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let (verifier, token) = session(algorithm);
    let verifier = verifier.remembering();
    bencher.bench(|| verifier.verify(black_box(&token), NOW));
}
