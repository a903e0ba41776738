//! The decision as `policy.md` tells it, in its order and without a thought for speed. Must not know anything of the real
//! evaluator.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use usher::chat::{ClaimedRoles, Facts, Timestamp, Who};

use super::answer::{Answer, End, Granted};
use super::claims::{Claims, Filter};
use super::faults::{constant, state_hole};
use super::model::Model;
use super::notes::Notes;
use super::request::{self, Against};

/// One decision to be made.
pub(super) struct Question<'a> {
    pub(super) model: &'a Model,
    pub(super) facts: &'a Facts,
    pub(super) body: &'a Value,
    pub(super) now: Timestamp,
    /// Whether the operator lets a client ask for the mode `narrow`.
    pub(super) narrow: bool,
}

impl Question<'_> {
    /// Decides, and notes what it came upon.
    pub(super) fn answer(&self, notes: &mut Notes) -> Answer {
        let claims = Claims::new(self.facts, self.model.separator);
        let member = match self.member(&claims, notes) {
            Ok(member) => member,
            Err(end) => return Answer::early(end),
        };
        if self.model.blocked.contains(&member) {
            notes.hit("a blocked member");
            return Answer::early(End::Blocked);
        }
        let state = self.state(notes);
        let against = Against { model: self.model, member: &member, state: &state, narrow: self.narrow };
        let wanted = match request::read(self.body, &against) {
            Ok(wanted) => wanted,
            Err(faults) => {
                notes.faults(&faults);
                return Answer::early(End::Faults(faults));
            }
        };
        let (roles, ignored) = self.roles(notes);
        let (rights, end) = self.decide(&wanted, &roles, &claims, notes);
        let end = end.map(|(channels, minutes, limited_by)| {
            let state = state.into_iter().chain(wanted.state.clone()).collect();
            notes.granted(&wanted);
            End::Granted(Granted { minutes, limited_by, channels, member, state: Value::Object(state) })
        });
        let end = end.unwrap_or_else(|end| end);
        notes.end(&end, &wanted);
        Answer { roles: Some((roles.into_iter().collect(), ignored)), rights, end }
    }

    fn member(&self, claims: &Claims<'_>, notes: &mut Notes) -> Result<String, End> {
        if let Who::Guest { fresh } = &self.facts.who {
            notes.hit(if self.model.guest.is_some() { "a guest" } else { "a guest refused" });
            return if self.model.guest.is_some() { Ok(format!("guest-{fresh}")) } else { Err(End::GuestsRefused) };
        }
        match self.model.member.filled_once(claims) {
            Some(id) if id.starts_with("guest-") => {
                notes.hit("a member id like a guest's");
                Err(End::NothingGranted)
            }
            Some(id) if id.chars().count() > 250 => {
                notes.hit("a member id that is too long");
                Err(End::NothingGranted)
            }
            Some(id) => {
                notes.hit_if(self.model.member.segments.len() > 1, "a member id of several segments");
                Ok(id)
            }
            None => {
                notes.hit("a member id that cannot be filled");
                Err(End::NothingGranted)
            }
        }
    }

    /// What the state holds before the client adds to it.
    fn state(&self, notes: &mut Notes) -> Map<String, Value> {
        let mut state = Map::new();
        for (key, value) in &self.model.state {
            let Some(hole) = value.as_str().and_then(|text| state_hole(text).unwrap()) else {
                state.insert(key.clone(), constant(value).unwrap());
                notes.hit("a constant in the state");
                continue;
            };
            let found = hole.found(self.facts);
            let found = found.as_deref();
            // The text has a filter give texts, and says nothing of one in a state.
            let through = found.and_then(|value| hole.filtered(value)).map(Value::String);
            let taken = if hole.filter == Filter::Plain {
                found.filter(|value| value.is_string() || value.is_number() || value.is_boolean())
            } else {
                notes.hit("state: through a filter");
                through.as_ref()
            };
            let fitting = taken.filter(|value| value.to_string().chars().count() <= 256);
            notes.state(found, taken.is_some(), fitting.is_some());
            if let Some(value) = fitting {
                state.insert(key.clone(), value.clone());
            }
        }
        state
    }

    /// The session's roles, included ones too, and the claimed names that are none.
    fn roles(&self, notes: &mut Notes) -> (BTreeSet<String>, Vec<String>) {
        let alias = match &self.facts.who {
            Who::Guest { .. } => {
                let first = BTreeSet::from([self.model.guest.as_ref().unwrap().role.clone()]);
                let all = first.iter().flat_map(|role| self.model.closure(role)).collect();
                notes.includes(self.model, &first, &all);
                return (all, Vec::new());
            }
            Who::Known { issuer } => issuer,
        };
        let ClaimedRoles::Names(claimed) = &self.facts.roles else { return (BTreeSet::new(), Vec::new()) };
        let (mut first, mut ignored) = (BTreeSet::new(), Vec::new());
        for name in claimed {
            let named = self.model.roles.iter().filter(|(_, role)| role.claimed_as.contains(name));
            let (ours, others): (Vec<_>, Vec<_>) = named.partition(|(_, role)| role.is_for(alias));
            notes.hit_if(ours.len() > 1, "one name, several roles");
            notes.hit_if(!others.is_empty(), "a role of another issuer's");
            if ours.is_empty() {
                ignored.push(name.clone());
            }
            notes.hit_if(
                self.model.roles.get(name).is_some_and(|role| role.claimed_as.is_empty()),
                "a role that cannot be claimed",
            );
            for (role, of) in ours {
                notes.hit_if(!first.insert(role.clone()) && of.claimed_as.len() > 1, "several names, one role");
            }
        }
        ignored.sort();
        notes.hit_if(!ignored.is_empty() && !first.is_empty(), "an unknown name beside a known one");
        if first.is_empty() {
            notes.hit(if self.model.default_role.is_some() { "the default role" } else { "no known role at all" });
            first.extend(self.model.default_role.clone());
        }
        let all: BTreeSet<String> = first.iter().flat_map(|role| self.model.closure(role)).collect();
        notes.includes(self.model, &first, &all);
        (all, ignored)
    }
}
