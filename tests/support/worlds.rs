//! How many random policies, sessions and requests ("worlds") the properties of the policy are checked with: a tenth of
//! all by default, and as many as `USHER_TEST_WORLDS` says where it is set. `.ci/run` sets it to [`ALL`].

use std::sync::LazyLock;

/// The full count of a property. Properties with another one scale with it.
const ALL: u32 = 10_000;
const BY_DEFAULT: u32 = 1_000;

static WORLDS: LazyLock<u32> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "a variable of the tests, not a setting")]
    let variable = std::env::var("USHER_TEST_WORLDS");
    variable
        .map_or(BY_DEFAULT, |text| text.parse().unwrap_or_else(|_| panic!("USHER_TEST_WORLDS is no number: {text}")))
});

/// How many worlds to check of a full count.
pub(crate) fn share_of(full: u32) -> u32 {
    full * *WORLDS / ALL
}

/// Whether `count` worlds have reached what at least `least` of them must reach. With fewer worlds than [`ALL`], chance may
/// take four standard deviations off.
pub(crate) fn is_enough(count: u32, least: u32) -> bool {
    f64::from(count) >= (f64::from(least) - slack(least)).max(1.0)
}

/// Whether no more than `most` worlds are as few of them may be, with as much left to chance.
pub(crate) fn is_at_most(count: u32, most: u32) -> bool {
    f64::from(count) <= f64::from(most) + slack(most)
}

fn slack(count: u32) -> f64 {
    if *WORLDS < ALL { 4.0 * f64::from(count).sqrt() } else { 0.0 }
}
