//! Who may ask now: members by what the limits say, addresses where there is no member. Steps 3 to 5 of the order, as far as
//! they count. Must not know how it is counted.

use super::problem::Problem;
use super::{App, Context};
use crate::chat::MemberId;
use crate::limits::{Admitted, Asked, Limited, Refused};

/// The limits' names in metrics.
pub(super) const MEMBER: &str = "member";
pub(super) const ADDRESS: &str = "address";

impl App {
    /// Counts a request by this member.
    pub(super) async fn admit(&self, member: &MemberId) -> Result<Admitted, Problem> {
        let admitted = self.0.limits.admit(member, |asked| self.store_asked(asked)).await;
        if !member.is_guest() {
            self.count(MEMBER, admitted.as_ref().err().copied());
        }
        admitted.map_err(Problem::from)
    }

    /// Counts a request by a guest, or with a session that is none, by its address.
    pub(super) async fn admit_address(&self, context: &Context) -> Result<(), Refused> {
        let Some(address) = context.address.filter(|_| self.0.limits.counts_addresses()) else { return Ok(()) };
        let admitted = self.0.limits.admit_address(address, |asked| self.store_asked(asked)).await;
        self.count(ADDRESS, admitted.err());
        admitted
    }

    fn count(&self, limit: &'static str, refused: Option<Refused>) {
        let decision = refused.map_or(ADMITTED, Refused::as_str);
        self.status().metrics.limit_decided(limit, decision);
    }

    fn store_asked(&self, asked: Asked) {
        self.status().metrics.store_asked(asked.is_answered, asked.took);
    }
}

/// What became of a request that may be, in metrics.
const ADMITTED: &str = "admitted";
/// Every word for what becomes of one.
pub(super) const DECISIONS: [&str; 4] = [
    ADMITTED,
    Refused::Limited(Limited { retry_after: 1 }).as_str(),
    Refused::Revoked.as_str(),
    Refused::StoreAway.as_str(),
];
