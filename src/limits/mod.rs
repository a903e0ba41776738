//! How often a member may ask: a member id to an [`Admitted`]. Must not know HTTP, the policy or sessions.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::chat::MemberId;

/// The longest that a client is told to wait, in seconds.
const MAX_RETRY_AFTER: u64 = 300;
/// After how many admissions members that have not been seen for long are forgotten.
const FORGET_EVERY: u64 = 10_000;

/// What an operator allows each member: so many requests at once, then one each `1/rate` (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSettings {
    /// How long one request takes to be forgiven.
    pub period: Duration,
    /// How many may come at once.
    pub burst: NonZeroU32,
}

/// This member may ask now: the only thing that lets a grant be minted, and only this member's.
///
/// ```compile_fail,E0451
/// fn forge(member: usher::chat::MemberId) -> usher::limits::Admitted {
///     usher::limits::Admitted { member }
/// }
/// ```
/// ```compile_fail,E0277
/// fn copy(admitted: &usher::limits::Admitted) -> usher::limits::Admitted {
///     usher::limits::Admitted::clone(admitted)
/// }
/// ```
/// What is allowed, so that those above fail of what they should:
/// ```
/// fn look(admitted: &usher::limits::Admitted) -> &usher::chat::MemberId {
///     admitted.member()
/// }
/// ```
#[derive(Debug)]
pub struct Admitted {
    member: MemberId,
}

/// Too many requests by one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this member may ask again in {retry_after} s")]
pub struct Limited {
    /// Whole seconds, 1 to 300.
    pub retry_after: u64,
}

/// The limits in force, in this process's memory.
#[derive(Debug)]
pub struct Limits {
    per_member: Option<DefaultKeyedRateLimiter<MemberId>>,
    clock: DefaultClock,
    admissions: std::sync::atomic::AtomicU64,
}

impl Admitted {
    /// Who was admitted.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        &self.member
    }
}

impl Limits {
    /// With this rate for each member, or without any.
    #[must_use]
    pub fn new(per_member: Option<RateSettings>) -> Self {
        let quota = per_member.and_then(|rate| Some(Quota::with_period(rate.period)?.allow_burst(rate.burst)));
        Self { per_member: quota.map(RateLimiter::keyed), clock: DefaultClock::default(), admissions: 0.into() }
    }

    /// Counts one request by this member. A guest's id is new each time, so there is nothing to count.
    ///
    /// # Errors
    /// Where the member has used up what it may ask.
    pub fn admit(&self, member: &MemberId) -> Result<Admitted, Limited> {
        if let Some(per_member) = self.per_member.as_ref().filter(|_| !member.is_guest()) {
            self.forget_now_and_then(per_member);
            per_member.check_key(member).map_err(|until| {
                let wait = until.wait_time_from(self.clock.now());
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Limited { retry_after: seconds.clamp(1, MAX_RETRY_AFTER) }
            })?;
        }
        Ok(Admitted { member: member.clone() })
    }

    /// governor's map only grows by itself.
    fn forget_now_and_then(&self, per_member: &DefaultKeyedRateLimiter<MemberId>) {
        let admissions = self.admissions.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if admissions % FORGET_EVERY == FORGET_EVERY - 1 {
            per_member.retain_recent();
            per_member.shrink_to_fit();
        }
    }
}
