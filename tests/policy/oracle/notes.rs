//! What a decision came upon, to be counted: a differential test proves nothing of what it never reaches. Must not know
//! how the worlds are made, nor anything of the real evaluator.

use std::collections::BTreeSet;

use serde_json::Value;

use super::answer::End;
use super::claims::{Filter, Hole, Reading, Shape, Source};
use super::features;
use super::model::Model;
use super::pattern::{Pattern, Segment};
use super::request::Wanted;

/// The features that one case has.
#[derive(Debug, Default)]
pub(super) struct Notes(pub(super) BTreeSet<&'static str>);

impl Notes {
    pub(super) fn hit(&mut self, feature: &'static str) {
        self.0.insert(feature);
    }

    pub(super) fn hit_if(&mut self, is_so: bool, feature: &'static str) {
        if is_so {
            self.hit(feature);
        }
    }

    /// What a placeholder was in a rule that allows, and that is about this name but for its claims.
    pub(super) fn allow_reading(&mut self, reading: &Reading) {
        self.hit(described(reading).0);
        reading.misfits.iter().for_each(|why| self.hit(why));
    }

    /// The same in a rule that denies.
    pub(super) fn deny_reading(&mut self, reading: &Reading) {
        self.hit(described(reading).1);
        reading.misfits.iter().for_each(|why| self.hit(why));
    }

    /// What gave a name one of its segments.
    pub(super) fn filled(&mut self, hole: &Hole, reading: &Reading) {
        if reading.values.is_empty() {
            return;
        }
        self.hit(match hole.filter {
            Filter::Plain => "filled plainly",
            Filter::B64url => "filled through b64url",
            Filter::Sha256 => "filled through sha256",
        });
        match &hole.source {
            Source::Issuer => self.hit("filled from the alias"),
            Source::Claim(_) => self.hit("filled from a claim"),
            Source::Pointer(tokens) => {
                self.hit("filled from a pointer");
                self.hit_if(tokens.iter().any(|token| token.contains('/')), "filled from a pointer with ~1");
                self.hit_if(tokens.iter().any(|token| token.contains('~')), "filled from a pointer with ~0");
                self.hit_if(
                    tokens.iter().any(|token| token == "0" || token == "1"),
                    "filled from a pointer with an index",
                );
            }
        }
    }

    pub(super) fn wildcards(&mut self, pattern: &Pattern) {
        self.hit_if(pattern.segments.contains(&Segment::Star), "allowed by *");
        self.hit_if(pattern.segments.contains(&Segment::Stars), "allowed by **");
    }

    pub(super) fn state(&mut self, found: Option<&Value>, is_taken: bool, is_fitting: bool) {
        self.hit(match found {
            None => "state: absent",
            Some(_) if !is_taken => "state: of another kind",
            Some(_) if !is_fitting => "state: over-long",
            Some(Value::Number(_)) => "state: a number",
            Some(Value::Bool(_)) => "state: a boolean",
            Some(_) => "state: a string",
        });
    }

    pub(super) fn includes(&mut self, model: &Model, first: &BTreeSet<String>, all: &BTreeSet<String>) {
        self.hit_if(all.len() > first.len(), "includes");
        let includes = |role: &String| model.roles[role].includes.iter();
        let is_chain = first.iter().flat_map(includes).any(|role| !model.roles[role].includes.is_empty());
        self.hit_if(is_chain, "includes: a chain");
        let is_diamond = first.iter().any(|role| {
            let reached: Vec<BTreeSet<String>> = includes(role).map(|role| model.closure(role)).collect();
            let total: usize = reached.iter().map(BTreeSet::len).sum();
            total > reached.into_iter().flatten().collect::<BTreeSet<_>>().len()
        });
        self.hit_if(is_diamond, "includes: a diamond");
        self.hit_if(
            all.iter().any(|role| !first.contains(role) && !model.roles[role].denies.is_empty()),
            "includes: a deny comes along",
        );
    }

    pub(super) fn faults(&mut self, faults: &BTreeSet<String>) {
        for fault in faults {
            let code = fault.split(' ').next_back().unwrap_or_default();
            let feature = features::ALL.iter().find(|feature| feature.strip_prefix("fault: ") == Some(code));
            self.hit(feature.unwrap_or(&"a fault that is not counted"));
        }
    }

    pub(super) fn granted(&mut self, wanted: &Wanted) {
        self.hit_if(wanted.channels.is_none(), "granted: a listing");
        self.hit_if(wanted.channels.is_some() && wanted.is_narrow, "granted: asked narrowly");
        self.hit_if(wanted.channels.is_some() && !wanted.is_narrow, "granted: asked strictly");
        self.hit_if(!wanted.state.is_empty(), "granted: a state with the client's part");
    }

    pub(super) fn session(&mut self, left: Option<i64>, min: u32) {
        let least = i64::from(min) * 60_000;
        self.hit(match left {
            None => "session: without end",
            Some(left) if left < 0 => "session: over",
            Some(left) if left < least => "session: under min",
            Some(left) if left == least => "session: exactly min",
            Some(left) if left > 40 * 24 * 3_600_000 => "session: for ages",
            Some(_) => "session: some time left",
        });
        let on_the_minute = left.is_some_and(|left| left > 0 && matches!(left % 60_000, 0 | 59_999));
        self.hit_if(on_the_minute, "session: at the edge of a minute");
    }

    pub(super) fn end(&mut self, end: &End, wanted: &Wanted) {
        self.hit(match end {
            End::ChannelsDenied(_) => "end: channels denied",
            End::NothingGranted if wanted.channels.is_none() => "end: nothing granted of a listing",
            End::NothingGranted => "end: nothing granted of names",
            End::SessionExpiring => "end: the session is expiring",
            End::TooManyChannels => "end: too many channels",
            End::Granted(_) => "end: granted",
            End::GuestsRefused | End::Blocked | End::Faults(_) => "an end that came earlier",
        });
    }
}

/// The feature that a placeholder is in a rule that allows, and in one that denies.
fn described(reading: &Reading) -> (&'static str, &'static str) {
    let has_misfit = !reading.misfits.is_empty();
    match reading.shape {
        Shape::Absent => ("allow: absent", "deny: absent"),
        Shape::Null => ("allow: null", "deny: null"),
        Shape::OverLong => ("allow: a list of over 1,000", "deny: a list of over 1,000"),
        Shape::One if has_misfit => ("allow: a misfit", "deny: a misfit"),
        Shape::One => ("allow: a value", "deny: a value"),
        Shape::List(0) => ("allow: an empty list", "deny: an empty list"),
        Shape::List(_) if has_misfit => ("allow: a list with a misfit", "deny: a list with a misfit"),
        Shape::List(1_000) => ("allow: a list of 1,000", "deny: a list of 1,000"),
        Shape::List(_) => ("allow: a list", "deny: a list"),
    }
}
