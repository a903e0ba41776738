//! What two policies say differently, by meaning: a rule that has moved has not changed.

use std::collections::BTreeSet;
use std::fmt::Display;

use crate::chat::{Rights, Ttl};
use crate::policy::{Definition, Policy, Relation, Role, Rules};

/// One thing that is said differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table: `[ttl]`, `role customer`.
    pub table: String,
    /// `+` what is new, `-` what is gone, `~` what was and what is.
    pub sign: char,
    /// What, in the words of the file.
    pub what: String,
    /// The line in the file that has it, the new one where both do; none where it has no line of its own.
    pub line: Option<usize>,
}

/// What a policy says differently than `old`, in the order of their tables.
#[must_use]
pub fn changes_since(old: &Policy, new: &Policy) -> Vec<Change> {
    let mut changes = Changes { old: old.definition(), new: new.definition(), list: Vec::new() };
    changes.whole();
    changes.member();
    changes.roles();
    changes.list
}

struct Changes<'a> {
    old: &'a Definition,
    new: &'a Definition,
    list: Vec<Change>,
}

impl<'a> Changes<'a> {
    fn add(&mut self, table: &str, sign: char, what: impl Into<String>, line: Option<usize>) {
        self.list.push(Change { table: table.to_owned(), sign, what: what.into(), line });
    }

    fn changed<T: PartialEq>(&mut self, table: &str, key: &str, was: &T, is: &T, shown: impl Fn(&T) -> String) {
        if was != is {
            self.add(table, '~', format!("{key} {} → {}", shown(was), shown(is)), None);
        }
    }

    fn members<T: Ord + Display>(&mut self, table: &str, key: &str, was: &BTreeSet<T>, is: &BTreeSet<T>) {
        for (sign, one, other) in [('-', was, is), ('+', is, was)] {
            for name in one.difference(other) {
                self.add(table, sign, format!("{key} \"{name}\""), None);
            }
        }
    }

    fn whole(&mut self) {
        let (old, new) = (self.old, self.new);
        self.changed("file", "separator", &old.separator, &new.separator, |separator| format!("\"{separator}\""));
        for (key, was, is) in [
            ("default", old.ttl.default, new.ttl.default),
            ("max", old.ttl.max, new.ttl.max),
            ("min", old.ttl.min, new.ttl.min),
        ] {
            self.changed("[ttl]", key, &was, &is, Ttl::to_string);
        }
        let named = |policy: &Definition, role: Option<usize>| {
            role.and_then(|role| policy.role(role))
                .map_or_else(|| "none".to_owned(), |role| format!("\"{}\"", role.name))
        };
        let default = |policy: &Definition| named(policy, policy.default_role);
        self.changed("[defaults]", "role", &default(old), &default(new), Clone::clone);
        let guest = |policy: &Definition| named(policy, policy.guest.as_ref().map(|guest| guest.role));
        self.changed("[guest]", "role", &guest(old), &guest(new), Clone::clone);
        let cap = |policy: &Definition| policy.guest.as_ref().and_then(|guest| guest.max_ttl);
        self.changed("[guest]", "max_ttl", &cap(old), &cap(new), |cap| shown(*cap));
        let blocked = |policy: &Definition| policy.blocked.iter().cloned().collect::<BTreeSet<String>>();
        self.members("[blocked]", "members", &blocked(old), &blocked(new));
    }

    fn member(&mut self) {
        let (old, new) = (self.old, self.new);
        let same = |was: usize, is: usize| old.placeholders.is_same(was, &new.placeholders, is);
        if !old.member.pattern.is_same(&new.member.pattern, &same) {
            let (was, is) = (&old.member.pattern.text, &new.member.pattern.text);
            let line = new.member.is_written.then(|| new.member.place.line());
            self.add("[member]", '~', format!("id \"{was}\" → \"{is}\""), line);
        }
        let keys: BTreeSet<&String> = old.state.iter().chain(&new.state).map(|own| &own.key).collect();
        for key in keys {
            let own = |policy: &'a Definition| policy.state.iter().find(|own| own.key == *key);
            match (own(old), own(new)) {
                (Some(was), Some(is)) if !was.value.is_same(&is.value) => {
                    self.add("[member]", '~', format!("state {key} {} → {}", was.value, is.value), Some(is.line));
                }
                (Some(was), None) => self.add("[member]", '-', format!("state {key} = {}", was.value), Some(was.line)),
                (None, Some(is)) => self.add("[member]", '+', format!("state {key} = {}", is.value), Some(is.line)),
                _ => {}
            }
        }
        self.members("[member]", "client_state", &old.client_state, &new.client_state);
    }

    fn roles(&mut self) {
        let (old, new) = (self.old, self.new);
        let named = |policy: &Definition, name: &str| policy.roles.iter().position(|role| &*role.name == name);
        for role in &old.roles {
            let table = format!("role {}", role.name);
            match named(new, &role.name) {
                Some(index) => self.role(&table, role, index),
                None => self.add(&table, '-', "the role", Some(role.place.line())),
            }
        }
        for role in new.roles.iter().filter(|role| named(old, &role.name).is_none()) {
            let table = format!("role {}", role.name);
            self.add(&table, '+', "the role", Some(role.place.line()));
            if let Some(cap) = role.max_ttl {
                self.add(&table, '+', format!("max_ttl {cap}"), None);
            }
            let nobody = BTreeSet::new();
            self.members(&table, "includes", &nobody, &included(new, role));
            self.members(&table, "claimed_as", &nobody, &claimed(new, role));
            self.members(&table, "issuers", &nobody, role.issuers.as_ref().unwrap_or(&nobody));
            for (rules, does) in [(&role.allow, ""), (&role.deny, "deny ")] {
                for rule in rules.iter() {
                    self.add(&table, '+', format!("{does}\"{}\" {}", rule.pattern.text, rule.rights), Some(rule.line));
                }
            }
        }
    }

    fn role(&mut self, table: &str, was: &Role, index: usize) {
        let (old, new) = (self.old, self.new);
        let Some(is) = new.role(index) else { return };
        self.changed(table, "max_ttl", &was.max_ttl, &is.max_ttl, |cap| shown(*cap));
        self.members(table, "includes", &included(old, was), &included(new, is));
        self.members(table, "claimed_as", &claimed(old, was), &claimed(new, is));
        match (&was.issuers, &is.issuers) {
            (Some(was), Some(is)) => self.members(table, "issuers", was, is),
            (None, None) => {}
            (was, is) => {
                let shown = |issuers: &Option<BTreeSet<String>>| {
                    let list = |issuers: &BTreeSet<String>| {
                        issuers.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>()
                    };
                    issuers
                        .as_ref()
                        .map_or_else(|| "every one".to_owned(), |issuers| format!("[{}]", list(issuers).join(", ")))
                };
                self.changed(table, "issuers", was, is, shown);
            }
        }
        self.rules(table, "", &was.allow, &is.allow);
        self.rules(table, "deny ", &was.deny, &is.deny);
    }

    fn rules(&mut self, table: &str, does: &str, was: &Rules, is: &Rules) {
        let (old, new) = (self.old, self.new);
        let forth = |was: usize, is: usize| old.placeholders.is_same(was, &new.placeholders, is);
        let back = |is: usize, was: usize| old.placeholders.is_same(was, &new.placeholders, is);
        self.missing(table, '-', does, was, is, &back);
        self.missing(table, '+', does, is, was, &forth);
    }

    /// What the first rules say and the others do not; `same` is of a placeholder of the others and one of the first.
    fn missing(
        &mut self,
        table: &str,
        sign: char,
        does: &str,
        rules: &Rules,
        others: &Rules,
        same: &dyn Fn(usize, usize) -> bool,
    ) {
        for rule in rules.iter() {
            let covering = others.related(Relation::Covers, &rule.pattern, same);
            let equal = covering.filter(|other| other.pattern.is_same(&rule.pattern, same));
            let rights = rule.rights.minus(equal.fold(Rights::NONE, |all, other| all.union(other.rights)));
            if !rights.is_none() {
                self.add(table, sign, format!("{does}\"{}\" {}", rule.pattern.text, rights), Some(rule.line));
            }
        }
    }
}

/// The roles that come along with one, by whatever way.
fn included(policy: &Definition, role: &Role) -> BTreeSet<String> {
    let names = role.closure.iter().filter_map(|index| policy.role(*index)).map(|role| role.name.to_string());
    names.filter(|name| **name != *role.name).collect()
}

/// The names that a session may claim a role by.
fn claimed(policy: &Definition, role: &Role) -> BTreeSet<String> {
    let is_it =
        |roles: &Vec<usize>| roles.iter().filter_map(|index| policy.role(*index)).any(|it| it.name == role.name);
    policy.claimed.iter().filter(|(_, roles)| is_it(roles)).map(|(claimed, _)| claimed.clone()).collect()
}

fn shown(cap: Option<Ttl>) -> String {
    cap.map_or_else(|| "none".to_owned(), |cap| cap.to_string())
}
