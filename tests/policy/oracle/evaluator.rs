//! The decision as `policy.md` tells it, in its order and without a thought for speed. Must not know anything of the real
//! evaluator.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use usher::chat::{ClaimedRoles, Facts, Timestamp, Who};

use super::answer::{Answer, End, Granted};
use super::faults::{constant, state_hole};
use super::model::{Model, Role, Rule};
use super::names;
use super::notes::Notes;
use super::request::{self, Against, Wanted};

/// One decision to be made.
pub(super) struct Question<'a> {
    pub(super) model: &'a Model,
    pub(super) facts: &'a Facts,
    pub(super) body: &'a Value,
    pub(super) now: Timestamp,
    /// Whether the operator lets a client ask for the mode `narrow`.
    pub(super) narrow: bool,
}

/// A rule that counts for the session, with the role whose table it stands in.
type Counted<'a> = (&'a Role, &'a Rule);

/// For each right, by channel and letter, the rules that allow it.
type Allowing<'a> = BTreeMap<(String, char), Vec<Counted<'a>>>;

/// Each right and whether it is granted.
type Rights = BTreeMap<(String, char), bool>;

/// The channels with their rights, the minutes, and what limits them.
type Decided = Result<(BTreeMap<String, String>, i64, String), End>;

impl Question<'_> {
    /// Decides, and notes what it came upon.
    pub(super) fn answer(&self, notes: &mut Notes) -> Answer {
        let member = match self.member(notes) {
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
        let (rights, end) = self.decide(&wanted, &roles, notes);
        let end = end.map(|(channels, minutes, limited_by)| {
            let state = state.into_iter().chain(wanted.state.clone()).collect();
            notes.granted(&wanted);
            End::Granted(Granted { minutes, limited_by, channels, member, state: Value::Object(state) })
        });
        let end = end.unwrap_or_else(|end| end);
        notes.end(&end, &wanted);
        Answer { roles: Some((roles.into_iter().collect(), ignored)), rights, end }
    }

    fn member(&self, notes: &mut Notes) -> Result<String, End> {
        if let Who::Guest { fresh } = &self.facts.who {
            notes.hit(if self.model.guest.is_some() { "a guest" } else { "a guest refused" });
            return if self.model.guest.is_some() { Ok(format!("guest-{fresh}")) } else { Err(End::GuestsRefused) };
        }
        match self.model.member.filled_once(self.facts) {
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
            let taken = found.filter(|value| value.is_string() || value.is_number() || value.is_boolean());
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

    /// The rights, and the channels with their ttl or why there are none.
    fn decide(&self, wanted: &Wanted, roles: &BTreeSet<String>, notes: &mut Notes) -> (Rights, Decided) {
        let roles = || roles.iter().map(|name| &self.model.roles[name]);
        let allows: Vec<Counted<'_>> =
            roles().flat_map(|role| role.allows.iter().map(move |rule| (role, rule))).collect();
        let denies: Vec<Counted<'_>> =
            roles().flat_map(|role| role.denies.iter().map(move |rule| (role, rule))).collect();
        if self.facts.roles == ClaimedRoles::Withheld {
            notes.hit("groups withheld");
            return (BTreeMap::new(), Err(End::NothingGranted));
        }
        let granting = match &wanted.channels {
            Some(channels) => self.of_asked(channels, &allows, notes),
            None => match self.of_listing(&allows, notes) {
                Some(granting) => granting,
                None => return (BTreeMap::new(), Err(End::TooManyChannels)),
            },
        };
        let mut rights = BTreeMap::new();
        let mut least_cap: Option<u32> = None;
        for ((channel, letter), rules) in granting {
            let is_about = |rule: &Rule, notes: &mut Notes| rule.pattern.denies(&channel, self.facts, notes);
            let applies = |rule: &Rule| rule.permissions.iter().any(|permission| permission.starts_with(letter));
            let mut is_denied = false;
            for (_, rule) in denies.iter().filter(|(_, rule)| applies(rule)) {
                is_denied |= is_about(rule, notes);
            }
            notes.hit_if(is_denied && !rules.is_empty(), "a right denied that a rule allows");
            let is_allowed = !is_denied && !rules.is_empty();
            if is_allowed && rules.iter().all(|(role, _)| role.cap.is_some()) {
                let caps: BTreeSet<u32> = rules.iter().filter_map(|(role, _)| role.cap).collect();
                notes.hit_if(caps.len() > 1, "the most generous of several caps");
                let cap = *caps.last().unwrap();
                least_cap = Some(least_cap.map_or(cap, |least| least.min(cap)));
            } else if is_allowed {
                notes.hit_if(rules.iter().any(|(role, _)| role.cap.is_some()), "a cap beside none");
            }
            rights.insert((channel, letter), is_allowed);
        }
        let end = self.end(wanted, &rights, least_cap, notes);
        (rights, end)
    }

    /// For each right that is asked for the rules that allow it.
    fn of_asked<'a>(
        &self,
        channels: &BTreeMap<String, String>,
        allows: &[Counted<'a>],
        notes: &mut Notes,
    ) -> Allowing<'a> {
        let mut granting = BTreeMap::new();
        for (channel, letters) in channels {
            for letter in letters.chars() {
                let mut rules = Vec::new();
                for (role, rule) in allows {
                    let applies = rule.permissions.iter().any(|permission| permission.starts_with(letter));
                    if applies && rule.pattern.allows(channel, self.facts, notes) {
                        notes.wildcards(&rule.pattern);
                        rules.push((*role, *rule));
                    }
                }
                granting.insert((channel.clone(), letter), rules);
            }
        }
        granting
    }

    /// For each right that a rule without wildcards gives the rules that give it; nothing where there are too many.
    fn of_listing<'a>(&self, allows: &[Counted<'a>], notes: &mut Notes) -> Option<Allowing<'a>> {
        let (mut candidates, mut granting) = (BTreeSet::new(), BTreeMap::<_, Vec<_>>::new());
        for (role, rule) in allows {
            for name in rule.pattern.filled(self.facts, notes) {
                candidates.insert(name.clone());
                if !names::faults(&name).is_empty() {
                    notes.hit("a filled-in name that is none");
                    continue;
                }
                for permission in &rule.permissions {
                    let letter = permission.chars().next().unwrap();
                    granting.entry((name.clone(), letter)).or_default().push((*role, *rule));
                }
            }
        }
        notes.hit_if((490..=500).contains(&candidates.len()), "a listing of close to 500");
        (candidates.len() <= 500).then_some(granting)
    }

    fn end(&self, wanted: &Wanted, rights: &Rights, least_cap: Option<u32>, notes: &mut Notes) -> Decided {
        let (mut channels, mut refused) = (BTreeMap::<_, String>::new(), BTreeMap::<_, String>::new());
        for ((channel, letter), is_allowed) in rights {
            let side = if *is_allowed { &mut channels } else { &mut refused };
            side.entry(channel.clone()).or_default().push(*letter);
        }
        if wanted.channels.is_some() && !wanted.is_narrow && !refused.is_empty() {
            return Err(End::ChannelsDenied(refused));
        }
        if channels.is_empty() {
            return Err(End::NothingGranted);
        }
        notes.hit_if(!refused.is_empty(), "some granted, some not");
        let (minutes, limited_by) = self.ttl(wanted, least_cap, notes);
        if minutes < i64::from(self.model.min) {
            Err(End::SessionExpiring)
        } else {
            Ok((channels, minutes, limited_by))
        }
    }

    /// The least of all bounds, in minutes, and which it was; of equal ones the first.
    fn ttl(&self, wanted: &Wanted, least_cap: Option<u32>, notes: &mut Notes) -> (i64, String) {
        let guest_cap = match (&self.facts.who, &self.model.guest) {
            (Who::Guest { .. }, Some(guest)) => guest.cap,
            _ => None,
        };
        let session = self.facts.ends.map(|ends| (ends.millis() - self.now.millis()).div_euclid(60_000));
        notes.session(self.facts.ends.map(|ends| ends.millis() - self.now.millis()), self.model.min);
        let bounds = [
            ("request", wanted.minutes),
            ("default", wanted.minutes.is_none().then_some(i64::from(self.model.default))),
            ("policy", Some(i64::from(self.model.max))),
            ("policy", least_cap.map(i64::from)),
            ("policy", guest_cap.map(i64::from)),
            ("session", session),
        ];
        let mut least = (i64::MAX, "nothing");
        for (name, bound) in bounds {
            if let Some(bound) = bound.filter(|bound| *bound < least.0) {
                least = (bound, name);
            }
        }
        let is_least = |bound: Option<u32>| bound.is_some_and(|bound| i64::from(bound) == least.0);
        notes.hit_if(is_least(least_cap) && least.1 == "policy", "a ttl cut by a table's cap");
        notes.hit_if(is_least(guest_cap) && least.1 == "policy", "a ttl cut by the guests' cap");
        notes.hit_if(is_least(Some(self.model.max)) && least.1 == "policy", "a ttl cut by the policy's max");
        notes.limited_by(least.1);
        (least.0, least.1.to_owned())
    }
}
