//! `[ttl]` and the caps from the checked file: in whole minutes, and such that they fit one another. Must not know roles.

use super::compile::Compiler;
use super::{Life, TtlBounds};
use crate::chat::Ttl;
use crate::schema::{Fields, Place};

impl Compiler {
    pub(super) fn ttl(&mut self, fields: &Fields) -> Option<TtlBounds> {
        let table = fields.table("ttl");
        // What is lost may be what makes the bounds fit: nothing is said of how they do.
        let is_known = !fields.has_lost("ttl") && table.is_none_or(|table| table.whole);
        let mut bound = |name: &str, absent: i64| match table.and_then(|table| table.integer(name)) {
            None => (Some(absent), None),
            Some((seconds, place)) => (self.minutes(seconds, place), Some(place)),
        };
        let (default, default_place) = bound("default", 15);
        let (max, max_place) = bound("max", 60);
        let (min, min_place) = bound("min", 3);
        let (default, max, min) = (default?, max?, min?);
        let absent = table.map_or(&fields.place, |table| &table.place);
        for (name, minutes, place) in
            [("default", default, default_place), ("max", max, max_place), ("min", min, min_place)]
        {
            self.lives.push((Life::Bound(name), clamped(minutes), place.unwrap_or(absent).clone()));
        }
        let longest = i64::from(Ttl::MAX.minutes());
        if let Some(place) = max_place.filter(|_| max > longest) {
            self.faults.add(place, "[ttl].max is over 30 days", "SignalWire takes at most \"30d\"");
        }
        if !is_known {
            return None;
        }
        if default > max {
            let message = format!("[ttl].default ({default}m) is over [ttl].max ({max}m)");
            let advice = "write a shorter default or a longer max; absent, they are 15m and 1h";
            self.faults.add(default_place.or(max_place).unwrap_or(absent), message, advice);
        }
        if default < min {
            let message = format!("[ttl].default ({default}m) is under [ttl].min ({min}m)");
            let advice = "write a longer default or a shorter min; absent, they are 15m and 3m";
            self.faults.add(default_place.or(min_place).unwrap_or(absent), message, advice);
        }
        Some(TtlBounds { default: clamped(default), max: clamped(max), min: clamped(min) })
    }

    /// Whole minutes, cut.
    fn minutes(&mut self, seconds: i64, place: &Place) -> Option<i64> {
        if seconds < 60 {
            self.faults.add(place, "this is under one minute", "SignalWire counts in minutes: write \"1m\" or more");
            return None;
        }
        Some(seconds / 60)
    }

    pub(super) fn cap(&mut self, fields: &Fields, min: Option<Ttl>) -> Option<Ttl> {
        let (seconds, place) = fields.integer("max_ttl")?;
        let cap = clamped(self.minutes(seconds, place)?);
        self.lives.push((Life::Cap, cap, place.clone()));
        if let Some(min) = min.filter(|min| cap < *min) {
            let message = format!("this cap ({cap}) is under [ttl].min ({min})");
            self.faults.add(place, message, "a token under the minimum is never minted: write a longer cap");
        }
        Some(cap)
    }
}

fn clamped(minutes: i64) -> Ttl {
    u64::try_from(minutes).ok().and_then(Ttl::from_minutes).unwrap_or(Ttl::MAX)
}
