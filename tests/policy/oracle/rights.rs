//! Rights and their ttl as `policy.md` tells of them, rule by rule and without a thought for speed. Must not know anything
//! of the real evaluator.

use std::collections::{BTreeMap, BTreeSet};

use usher::chat::{ClaimedRoles, Who};

use super::answer::End;
use super::claims::Claims;
use super::evaluator::Question;
use super::model::{Role, Rule};
use super::names;
use super::notes::Notes;
use super::request::Wanted;

/// A rule that counts for the session, with the role whose table it stands in.
type Counted<'a> = (&'a Role, &'a Rule);

/// For each right, by channel and letter, the rules that allow it.
type Allowing<'a> = BTreeMap<(String, char), Vec<Counted<'a>>>;

/// Each right and whether it is granted.
type Rights = BTreeMap<(String, char), bool>;

/// The channels with their rights, the minutes, and what limits them.
type Decided = Result<(BTreeMap<String, String>, i64, String), End>;

impl Question<'_> {
    /// The rights, and the channels with their ttl or why there are none.
    pub(super) fn decide(
        &self,
        wanted: &Wanted,
        roles: &BTreeSet<String>,
        claims: &Claims<'_>,
        notes: &mut Notes,
    ) -> (Rights, Decided) {
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
            Some(channels) => of_asked(channels, &allows, claims, notes),
            None => match of_listing(&allows, claims, notes) {
                Some(granting) => granting,
                None => return (BTreeMap::new(), Err(End::TooManyChannels)),
            },
        };
        let mut rights = BTreeMap::new();
        let mut least_cap: Option<u32> = None;
        for ((channel, letter), rules) in granting {
            let mut is_denied = false;
            for (_, rule) in denies.iter().filter(|(_, rule)| rule.gives(letter)) {
                is_denied |= rule.pattern.denies(&channel, claims, notes);
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
        let left = self.facts.ends.map(|ends| ends.millis().saturating_sub(self.now.millis()));
        let session = left.map(|left| left.div_euclid(60_000));
        notes.session(left, self.model.min);
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
        notes.hit(match least.1 {
            "request" => "ttl limited by: request",
            "default" => "ttl limited by: default",
            "policy" => "ttl limited by: policy",
            _ => "ttl limited by: session",
        });
        (least.0, least.1.to_owned())
    }
}

/// For each right that is asked for the rules that allow it.
fn of_asked<'a>(
    channels: &BTreeMap<String, String>,
    allows: &[Counted<'a>],
    claims: &Claims<'_>,
    notes: &mut Notes,
) -> Allowing<'a> {
    let mut granting = BTreeMap::new();
    for (channel, letters) in channels {
        for letter in letters.chars() {
            let mut rules = Vec::new();
            for (role, rule) in allows {
                if rule.gives(letter) && rule.pattern.allows(channel, claims, notes) {
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
fn of_listing<'a>(allows: &[Counted<'a>], claims: &Claims<'_>, notes: &mut Notes) -> Option<Allowing<'a>> {
    let (mut candidates, mut granting) = (BTreeSet::new(), BTreeMap::<_, Vec<_>>::new());
    for (role, rule) in allows {
        for name in rule.pattern.filled(claims, notes) {
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
    if candidates.len() > 500 {
        return None;
    }
    for ((name, letter), rules) in &mut granting {
        let wild = allows.iter().filter(|(_, rule)| rule.pattern.has_wildcard() && rule.gives(*letter));
        for (role, rule) in wild {
            if rule.pattern.allows(name, claims, notes) {
                // By `policy.md` a wildcard matches names that are asked for, and nobody has asked for this one. Decided: it
                // lists nothing, but a right that is listed lives as long as if it had been asked for by name.
                notes.hit_if(rules.iter().all(|(other, _)| role.cap != other.cap), "a wildcard beside a listed name");
                rules.push((*role, *rule));
            }
        }
    }
    Some(granting)
}
