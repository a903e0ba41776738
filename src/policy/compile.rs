//! From a policy file's text to a [`Policy`], every fault at once. Must not decide anything.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::listing::Listings;
use super::member::MemberTemplate;
use super::pattern::{Pattern, Placeholders, Use};
use super::{Guest, Life, Policy, Role, Rule, TtlBounds, file, inclusion, issuers};
use crate::chat::{Permission, Rights, Ttl};
use crate::schema::{Entry, Faults, Fields, Item, Place, Source, Value, check, nearest, quoted, read_toml};

/// The good parts of a file as a policy (none where it has no use without the others), and what is wrong with it.
pub(super) struct Compiled {
    pub(super) policy: Option<Policy>,
    pub(super) faults: Faults,
}

pub(super) fn compile(name: &str, text: &str, aliases: &BTreeSet<String>) -> Compiled {
    let source = Source::file(name, text);
    let mut faults = Faults::default();
    let Some(document) = read_toml(&source, &mut faults) else { return Compiled { policy: None, faults } };
    let fields = check(&document, file::KEYS, &mut faults);
    let separator = fields.text("separator").and_then(|(text, _)| text.chars().next());
    let separator = separator.or_else(|| (!fields.has_lost("separator")).then_some(':'));
    let knows_roles = fields.table("roles").is_some_and(|roles| roles.whole);
    let (placeholders, lives) = (Placeholders::default(), Vec::new());
    let mut compiler = Compiler { faults, separator, knows_roles, placeholders, lives };

    let ttl = compiler.ttl(&fields);
    let drafts = compiler.roles(&fields, ttl.map(|ttl| ttl.min));
    let default_role = compiler.role_named(fields.table("defaults"), "role", &drafts);
    let guest = compiler.guest(&fields, &drafts, ttl.map(|ttl| ttl.min));
    let (member, member_place) = compiler.member(&fields);
    let state = compiler.state(&fields);
    let client_state = compiler.client_state(&fields, &state);
    inclusion::circles(&drafts, &mut compiler.faults);
    let world = issuers::World {
        drafts: &drafts,
        aliases,
        placeholders: &compiler.placeholders,
        document: &fields.place,
        separator: separator.unwrap_or(':'),
    };
    let default = default_role.as_ref().map(|(role, place)| (*role, place));
    world.check(default, member.as_ref(), member_place.as_ref(), &mut compiler.faults);

    let sha256 = format!("{:x}", Sha256::digest(text));
    let policy = |separator: char, ttl: TtlBounds, member: Pattern| Policy {
        separator,
        ttl,
        member: MemberTemplate {
            pattern: member,
            is_written: member_place.is_some(),
            place: member_place.unwrap_or_else(|| fields.place.clone()),
        },
        state,
        client_state,
        claimed: claimed(&drafts),
        default_role: default_role.map(|(role, _)| role),
        guest,
        blocked: texts(fields.table("blocked").and_then(|blocked| blocked.list("members"))).collect(),
        placeholders: compiler.placeholders,
        sha256,
        listings: Listings::default(),
        lives: compiler.lives,
        roles: roles(drafts),
    };
    let known = separator.zip(ttl).zip(member);
    Compiled { policy: known.map(|((separator, ttl), member)| policy(separator, ttl, member)), faults: compiler.faults }
}

/// A role as it is being put together, with the places that later faults point to.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) includes: Vec<(usize, Place)>,
    /// The names that a session may claim it by.
    pub(super) claimed_as: Vec<String>,
    pub(super) issuers: Option<BTreeSet<String>>,
    /// Whether they cannot be read, so that nothing can be said of them.
    pub(super) has_lost_issuers: bool,
    max_ttl: Option<Ttl>,
    pub(super) allow: Vec<Rule>,
    deny: Vec<Rule>,
}

/// The roles' names, in the order of the file and to be looked up.
struct Names<'a> {
    list: Vec<&'a str>,
    index: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn of(names: impl Iterator<Item = &'a str>) -> Self {
        let list: Vec<_> = names.collect();
        let index = list.iter().enumerate().map(|(index, name)| (*name, index)).collect();
        Self { list, index }
    }
}

pub(super) struct Compiler {
    pub(super) faults: Faults,
    /// None where it is not known what it should be: no pattern can be read then.
    pub(super) separator: Option<char>,
    /// Whether all roles of the file can be read: only then is one that is not there told.
    knows_roles: bool,
    pub(super) placeholders: Placeholders,
    /// Every duration that was read.
    pub(super) lives: Vec<(Life, Ttl, Place)>,
}

impl Compiler {
    fn roles(&mut self, fields: &Fields, min: Option<Ttl>) -> Vec<Draft> {
        let Some(table) = fields.table("roles") else { return Vec::new() };
        if table.entries.is_empty() && table.whole {
            let advice = "write one, as in [roles.customer.channels]";
            self.faults.add(&table.place, "there is no role", advice);
        }
        let names = Names::of(table.entries.iter().map(|entry| entry.key.as_str()));
        let mut drafts = Vec::new();
        for entry in &table.entries {
            if let Some(role) = entry.item.as_table() {
                drafts.push(self.role(entry, role, &names, min));
            }
        }
        drafts
    }

    fn role(&mut self, entry: &Entry, fields: &Fields, names: &Names<'_>, min: Option<Ttl>) -> Draft {
        if entry.key.is_empty() {
            self.faults.add(&entry.key_place, "a role without a name", "give it one, as in [roles.customer]");
        }
        let max_ttl = self.cap(fields, min);
        let mut includes = Vec::new();
        for (name, place) in fields.list("includes").unwrap_or_default().iter().filter_map(Item::as_text) {
            match names.index.get(name) {
                Some(index) => includes.push((*index, place.clone())),
                None => self.unknown_role(name, place, names),
            }
        }
        let claimed_as =
            fields.list("claimed_as").map_or_else(|| vec![entry.key.clone()], |list| texts(Some(list)).collect());
        Draft {
            name: entry.key.clone(),
            place: entry.key_place.clone(),
            includes,
            claimed_as,
            issuers: fields.list("issuers").map(|list| texts(Some(list)).collect()),
            has_lost_issuers: fields.has_lost("issuers"),
            max_ttl,
            allow: self.rules(fields.table("channels"), Use::Allow, max_ttl),
            deny: self.rules(fields.table("deny"), Use::Deny, None),
        }
    }

    fn rules(&mut self, table: Option<&Fields>, wanted: Use, max_ttl: Option<Ttl>) -> Vec<Rule> {
        let mut rules = Vec::new();
        for entry in table.iter().flat_map(|table| &table.entries) {
            let rights = texts(entry_list(entry)).fold(Rights::NONE, |rights, word| {
                let named = Permission::ALL.into_iter().find(|permission| permission.as_str() == word);
                named.map_or(rights, |permission| rights.with(permission))
            });
            if let Some(pattern) = self.pattern(&entry.key, &entry.key_place, wanted) {
                let place = entry.key_place.clone();
                rules.push(Rule { pattern, rights, max_ttl, line: place.line(), place });
            }
        }
        rules
    }

    pub(super) fn pattern(&mut self, text: &str, place: &Place, wanted: Use) -> Option<Pattern> {
        match Pattern::parse(text, wanted, self.separator?, &mut self.placeholders) {
            Ok(pattern) => Some(pattern),
            Err(found) => {
                for fault in found {
                    self.faults.add(place, format!("{}: {}", quoted(text), fault.message), fault.advice);
                }
                None
            }
        }
    }

    fn role_named(&mut self, fields: Option<&Fields>, key: &str, drafts: &[Draft]) -> Option<(usize, Place)> {
        let (name, place) = fields?.text(key)?;
        let names = Names::of(drafts.iter().map(|draft| draft.name.as_str()));
        let found = names.index.get(name).copied();
        if found.is_none() {
            self.unknown_role(name, place, &names);
        }
        found.map(|index| (index, place.clone()))
    }

    fn unknown_role(&mut self, name: &str, place: &Place, names: &Names<'_>) {
        if !self.knows_roles {
            return;
        }
        let near = if self.faults.are_many() { None } else { nearest(name, names.list.iter().copied()) };
        let advice = if let Some(near) = near {
            format!("did you mean {}?", quoted(near))
        } else {
            let first: Vec<_> = names.list.iter().take(20).map(|name| quoted(name)).collect();
            let more = if names.list.len() > first.len() { ", …" } else { "" };
            let are = if first.len() == 1 { "the only role is" } else { "the roles are" };
            format!("{are} {}{more}", first.join(", "))
        };
        self.faults.add(place, format!("there is no role {}", quoted(name)), advice);
    }

    fn guest(&mut self, fields: &Fields, drafts: &[Draft], min: Option<Ttl>) -> Option<Guest> {
        let table = fields.table("guest");
        let role = self.role_named(table, "role", drafts);
        let max_ttl = table.and_then(|table| self.cap(table, min));
        role.map(|(role, _)| Guest { role, max_ttl })
    }
}

fn roles(drafts: Vec<Draft>) -> Vec<Role> {
    let closures: Vec<_> = (0..drafts.len()).map(|role| inclusion::closure(role, &drafts)).collect();
    drafts
        .into_iter()
        .zip(closures)
        .map(|(draft, closure)| Role {
            name: Arc::from(draft.name),
            line: draft.place.line(),
            place: draft.place,
            max_ttl: draft.max_ttl,
            issuers: draft.issuers,
            closure,
            allow: draft.allow.into_iter().collect(),
            deny: draft.deny.into_iter().collect(),
        })
        .collect()
}

fn claimed(drafts: &[Draft]) -> foldhash::HashMap<String, Vec<usize>> {
    let mut claimed = foldhash::HashMap::<String, Vec<usize>>::default();
    for (role, draft) in drafts.iter().enumerate() {
        for name in &draft.claimed_as {
            claimed.entry(name.clone()).or_default().push(role);
        }
    }
    claimed
}

pub(super) fn texts(items: Option<&[Item]>) -> impl Iterator<Item = String> {
    items.unwrap_or_default().iter().filter_map(|item| item.as_text().map(|(text, _)| text.to_owned()))
}

fn entry_list(entry: &Entry) -> Option<&[Item]> {
    match &entry.item.value {
        Value::List(items) => Some(items),
        _ => None,
    }
}
