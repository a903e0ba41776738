//! What one policy lets some session have, or have for longer, that another does not: every case of it, and also what
//! cannot be proved to be none.
//!
//! Rights are a union of what roles allow less what any of them denies, so it is enough to look at one claimed name after
//! another: whoever claims several names has each name's rules beside the others'. A rule is no wider if one rule of
//! before covers it (matches every name that it matches, in every session, for at least as long), or a deny that comes along
//! covers it; a deny that is gone widens nothing if a deny that is there covers it, or nothing that is allowed overlaps it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::chat::{Permission, Rights, Ttl};
use crate::policy::{Definition, Policy, Relation, Role, Rule, Rules};

/// The alias of no issuer: it stands for all that neither policy names.
const OTHER: &str = "";

/// Something that some session can have by one policy and not by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gain {
    /// What, and by which rule. In the file's own words, which are not for a terminal as they are.
    pub what: String,
    /// Whose sessions; nothing where it is everybody's.
    pub who: Vec<String>,
}

/// Sessions that have the same roles, as far as names tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// Those that claim this name.
    Claiming(String),
    /// Those that claim no name which is known.
    Unknown,
    Guest,
}

/// What some session can have by the new policy that it could not by the old one. Each comes with
/// the name of its file.
#[must_use]
pub fn gains_over((old, old_file): (&Policy, &str), (new, file): (&Policy, &str)) -> Vec<Gain> {
    let (old, new) = (old.definition(), new.definition());
    let mut gains = Gains {
        old,
        new,
        was: namesakes(new, old),
        is: namesakes(old, new),
        file,
        old_file,
        found: Vec::new(),
        places: HashMap::new(),
    };
    if new.separator != old.separator {
        let what = format!("names split at `{}`, not at `{}`: no rule can be compared", new.separator, old.separator);
        gains.everybody(what);
        return gains.found();
    }
    gains.identities();
    gains.lives();
    for (who, alias) in gains.sessions() {
        gains.of(&who, &alias);
    }
    gains.found()
}

struct Gains<'a> {
    old: &'a Definition,
    new: &'a Definition,
    /// For each role of the new policy the one of its name in the old one.
    was: Vec<Option<usize>>,
    /// The same the other way round.
    is: Vec<Option<usize>>,
    file: &'a str,
    old_file: &'a str,
    /// In the order in which they were found, each with whose sessions it is for, and of which issuers.
    found: Vec<(String, BTreeMap<Who, BTreeSet<String>>)>,
    /// Where each stands in that list.
    places: HashMap<String, usize>,
}

impl Gains<'_> {
    fn found(self) -> Vec<Gain> {
        let all = self.aliases();
        let told =
            |who: BTreeMap<Who, BTreeSet<String>>| who.iter().flat_map(|(who, of)| told(who, of, &all)).collect();
        self.found.into_iter().map(|(what, who)| Gain { what, who: told(who) }).collect()
    }

    fn everybody(&mut self, what: String) {
        self.note(what, None);
    }

    fn note(&mut self, what: String, who: Option<(&Who, &str)>) {
        let at = *self.places.entry(what).or_insert_with_key(|what| {
            self.found.push((what.clone(), BTreeMap::new()));
            self.found.len() - 1
        });
        if let Some(((_, known), (who, alias))) = self.found.get_mut(at).zip(who) {
            known.entry(who.clone()).or_default().insert(alias.to_owned());
        }
    }

    fn somebody(&mut self, who: &Who, alias: &str, what: String) {
        self.note(what, Some((who, alias)));
    }

    /// Who a session is, and what it may say of itself.
    fn identities(&mut self) {
        let (old, new) = (self.old, self.new);
        if !new.member.pattern.is_same(&old.member.pattern, &|a, b| self.is_same(b, a)) {
            let (was, is) = (&old.member.pattern.text, &new.member.pattern.text);
            self.everybody(format!("member ids made by `{is}`, not by `{was}`: who is blocked cannot be compared"));
        }
        let mut unblocked: Vec<&String> = old.blocked.difference(&new.blocked).collect();
        unblocked.sort();
        for member in unblocked {
            let by = self.old_file;
            self.everybody(format!("whatever the member `{member}` may have, who is blocked by {by}"));
        }
        for key in new.client_state.difference(&old.client_state) {
            self.everybody(format!("`{key}` of the state, set by clients"));
        }
    }

    fn lives(&mut self) {
        let (old, new) = (self.old.ttl, self.new.ttl);
        if new.min < old.min {
            self.everybody(format!("tokens for sessions with {} left, not only with {}", new.min, old.min));
        }
        let mut rules = self.new.roles.iter().flat_map(|role| role.allow.iter());
        if new.max > old.max && rules.any(|rule| rule.generosity() > old.max.minutes()) {
            self.everybody(format!("tokens that live for {}, not only for {}", new.max, old.max));
        }
    }

    /// Everybody whom either policy tells apart, with an alias each; the last one stands for all issuers that are not named.
    fn sessions(&self) -> Vec<(Who, String)> {
        let names = [self.old, self.new].into_iter().flat_map(|policy| policy.claimed.keys());
        let mut who: BTreeSet<Who> = names.cloned().map(Who::Claiming).collect();
        who.insert(Who::Unknown);
        let aliases = self.aliases();
        let mut sessions: Vec<_> =
            who.iter().flat_map(|who| aliases.iter().map(|alias| (who.clone(), alias.clone()))).collect();
        sessions.push((Who::Guest, OTHER.to_owned()));
        sessions
    }

    /// The issuers that either policy names, and one that stands for all others.
    fn aliases(&self) -> BTreeSet<String> {
        let roles = [self.old, self.new].into_iter().flat_map(|policy| &policy.roles);
        let named = roles.filter_map(|role| role.issuers.as_ref()).flatten();
        named.cloned().chain([OTHER.to_owned()]).collect()
    }

    fn of(&mut self, who: &Who, alias: &str) {
        let (was, is) = (roles_of_who(self.old, who, alias), roles_of_who(self.new, who, alias));
        let nobody = BTreeSet::new();
        match (was, is) {
            (Some(was), Some(is)) => {
                self.allows(who, alias, &was, &is);
                self.denies(who, alias, &was, &is);
            }
            // A name that has become known: whoever claims others too has its rules beside those.
            (None, Some(is)) => self.allows(who, alias, &nobody, &is),
            // One that no longer is: whoever claims no other has the default role; whoever does lacks its denies.
            (Some(was), None) => {
                let default = roles_of_who(self.new, &Who::Unknown, alias).unwrap_or_default();
                self.allows(who, alias, &was, &default);
                self.denies(who, alias, &was, &nobody);
            }
            (None, None) => {}
        }
    }

    fn allows(&mut self, who: &Who, alias: &str, was: &BTreeSet<usize>, is: &BTreeSet<usize>) {
        let new = self.new;
        for (index, role, rule) in each(new, is, |role| &role.allow) {
            let cannot_fill = *who == Who::Guest && rule.pattern.placeholders().next().is_some();
            for permission in rule.rights.permissions().filter(|_| !cannot_fill) {
                let now = Self::life(new, who, rule).min(self.old.ttl.max.minutes());
                let longest = self.longest_before(who, rule, permission, namesake_first(&self.was, index, was), now);
                if longest.is_none_or(|longest| longest < now) && !self.denied(rule, permission, is) {
                    let by = role.reference(rule).within(self.file);
                    let more = longest.and_then(|minutes| Ttl::from_minutes(minutes.into()));
                    let more = more.map_or_else(String::new, |was| {
                        let is = Ttl::from_minutes(Self::life(new, who, rule).into()).unwrap_or(Ttl::MAX);
                        format!(" for {is}, not only for {was}")
                    });
                    self.somebody(who, alias, format!("{} by {by}{more}", permission.as_str()));
                }
            }
        }
    }

    /// How long, in minutes, the same could live before, looked for until it is `enough`; none: not at all, as far as can
    /// be proved.
    fn longest_before(
        &self,
        who: &Who,
        rule: &Rule,
        permission: Permission,
        was: impl Iterator<Item = usize>,
        enough: u32,
    ) -> Option<u32> {
        let same = |old: usize, new: usize| self.is_same(old, new);
        let roles = was.filter_map(|role| self.old.role(role));
        let covering = roles.flat_map(|role| role.allow.related(Relation::Covers, &rule.pattern, &same));
        let mut longest = None;
        for old in covering.filter(|old| old.rights.has(permission)) {
            longest = longest.max(Some(Self::life(self.old, who, old)));
            if longest >= Some(enough) {
                break;
            }
        }
        longest
    }

    /// How long what a rule grants may live, in minutes.
    fn life(policy: &Definition, who: &Who, rule: &Rule) -> u32 {
        let guests = policy.guest.as_ref().filter(|_| *who == Who::Guest).and_then(|guest| guest.max_ttl);
        [policy.ttl.max.minutes(), guests.map_or(u32::MAX, Ttl::minutes)].into_iter().fold(rule.generosity(), u32::min)
    }

    /// Whether a deny that comes along takes all that a rule grants.
    fn denied(&self, rule: &Rule, permission: Permission, is: &BTreeSet<usize>) -> bool {
        let same = |a: usize, b: usize| self.new.placeholders.is_same(a, &self.new.placeholders, b);
        let mut denies = is
            .iter()
            .filter_map(|role| self.new.role(*role))
            .flat_map(|role| role.deny.related(Relation::Covers, &rule.pattern, &same));
        denies.any(|deny| deny.rights.has(permission))
    }

    fn denies(&mut self, who: &Who, alias: &str, was: &BTreeSet<usize>, is: &BTreeSet<usize>) {
        let new = self.new;
        for (index, role, rule) in each(self.old, was, |role| &role.deny) {
            // Ours are the placeholders of the new policy, the rule's those of the old one.
            let same = |new: usize, old: usize| self.is_same(old, new);
            let mut lost = rule.rights;
            for still in namesake_first(&self.is, index, is).filter_map(|role| new.role(role)) {
                let kept = still.deny.related(Relation::Covers, &rule.pattern, &same);
                lost = kept.fold(lost, |lost, deny| lost.minus(deny.rights));
                if lost.is_none() {
                    break;
                }
            }
            if lost.is_none() {
                continue;
            }
            // Whoever claims a name may claim any other beside it; nobody else has more roles than these.
            let others = matches!(who, Who::Claiming(_));
            let roles = new.roles.iter().enumerate().filter(|(index, _)| others || is.contains(index));
            let reached = roles.flat_map(|(_, role)| role.allow.related(Relation::Overlaps, &rule.pattern, &same));
            let reached = reached.fold(Rights::NONE, |rights, allow| rights.union(allow.rights));
            for permission in lost.intersection(reached).permissions() {
                let denied = role.reference(rule).within(self.old_file);
                self.somebody(who, alias, format!("{}, not denied by {denied}", permission.as_str()));
            }
        }
    }

    fn is_same(&self, old: usize, new: usize) -> bool {
        self.old.placeholders.is_same(old, &self.new.placeholders, new)
    }
}

/// Rules of these roles, each with its role and where that stands among all.
fn each<'a>(
    policy: &'a Definition,
    roles: &BTreeSet<usize>,
    rules: impl Fn(&'a Role) -> &'a Rules,
) -> impl Iterator<Item = (usize, &'a Role, &'a Rule)> {
    let roles = roles.iter().filter_map(|index| policy.role(*index).map(|role| (*index, role)));
    roles.flat_map(move |(index, role)| rules(role).iter().map(move |rule| (index, role, rule)))
}

/// For each role of one policy the role of its name in another.
fn namesakes(one: &Definition, other: &Definition) -> Vec<Option<usize>> {
    let known: HashMap<&str, usize> =
        other.roles.iter().enumerate().map(|(index, role)| (&*role.name, index)).collect();
    one.roles.iter().map(|role| known.get(&*role.name).copied()).collect()
}

/// Roles of one policy, that of the name of a role of the other one first: most of what is there has not changed.
fn namesake_first(names: &[Option<usize>], of: usize, roles: &BTreeSet<usize>) -> impl Iterator<Item = usize> {
    let namesake = names.get(of).copied().flatten().filter(|namesake| roles.contains(namesake));
    namesake.into_iter().chain(roles.iter().copied())
}

/// The roles of sessions of this issuer; none where they claim a name that is not known.
fn roles_of_who(policy: &Definition, who: &Who, alias: &str) -> Option<BTreeSet<usize>> {
    let closure = |roles: Vec<usize>| roles.into_iter().flat_map(|role| policy.closure(role)).collect();
    match who {
        Who::Claiming(name) => {
            let known = policy.known(name, alias);
            (!known.is_empty()).then(|| closure(known))
        }
        Who::Unknown => Some(closure(policy.default_role_for(alias).into_iter().collect())),
        Who::Guest => Some(closure(policy.guest.iter().map(|guest| guest.role).collect())),
    }
}

/// Whose sessions these are, in words: of these issuers, of `all` that there are.
fn told(who: &Who, of: &BTreeSet<String>, all: &BTreeSet<String>) -> Vec<String> {
    let whose = |of: &str| match who {
        Who::Claiming(name) => format!("sessions{of} that claim `{name}`"),
        Who::Unknown => format!("sessions{of} without a known role"),
        Who::Guest => "guests".to_owned(),
    };
    if of == all || *who == Who::Guest {
        return vec![whose("")];
    }
    let of_one =
        |alias: &String| if alias == OTHER { " of any other issuer".to_owned() } else { format!(" of {alias}") };
    of.iter().map(|alias| whose(&of_one(alias))).collect()
}
