//! Compiles a policy file's text to a [`Policy`], or reports every fault at once. The table of the
//! keys that a file may have comes first, then what each of them means.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Number, Value as Json};
use sha2::{Digest, Sha256};

use super::definition::{Definition, Guest, Life, Policy, TtlBounds};
use super::draft::{Draft, Issuers, circles, closure};
use super::listing::Listings;
use super::member::{MemberTemplate, StateKey, StateValue};
use super::pattern::{Pattern, Placeholders, Use};
use super::placeholder::Placeholder;
use super::rules::{Role, Rule};
use crate::chat::{MAX_STATE_CHARS, Permission, Rights, Ttl};
use crate::schema::{Entry, Faults, Fields, Item, Key, Kind, Place, Source, Value, check, nearest, quoted, read_toml};

const DURATION: Kind = Kind::Duration { zero: false };
static NAME: Kind = Kind::Text;
static RIGHT: Kind = Kind::Word(&["read", "write"]);
static RIGHTS: Kind = Kind::List { of: &RIGHT, distinct: true, at_least: 1 };
static SCALAR: Kind = Kind::Scalar;
static ROLE: Kind = Kind::Table(ROLE_KEYS);

const fn names(distinct: bool, at_least: usize) -> Kind {
    Kind::List { of: &NAME, distinct, at_least }
}

/// The whole file.
pub static KEYS: &[Key] = &[
    Key::required("version", Kind::Integer(1, 1), "the version of this format, 1"),
    Key::optional("separator", Kind::Word(&[":", ".", "/", "#", "-", "_"]), "what splits channel names into segments"),
    Key::optional("ttl", Kind::Table(TTL_KEYS), "how long tokens live"),
    Key::optional("member", Kind::Table(MEMBER_KEYS), "who a token says that its holder is"),
    Key::required("roles", Kind::Map(&ROLE), "at least one role, as in [roles.customer.channels]"),
    Key::optional("defaults", Kind::Table(DEFAULTS_KEYS), "for a session with no known role"),
    Key::optional("guest", Kind::Table(GUEST_KEYS), "for a request without any credential; absent: refused"),
    Key::optional("blocked", Kind::Table(BLOCKED_KEYS), "who gets nothing, whatever the roles say"),
];

static TTL_KEYS: &[Key] = &[
    Key::optional("default", DURATION, "when the client asks for none; 15m"),
    Key::optional("max", DURATION, "nothing outlives this; 1h"),
    Key::optional("min", DURATION, "less than this is useless to the browser SDK; 3m"),
];

static MEMBER_KEYS: &[Key] = &[
    Key::optional("id", Kind::Text, "the member id, from claims; {sub}"),
    Key::optional("state", Kind::Map(&SCALAR), "the member state: constants, or a claim each"),
    Key::optional("client_state", names(true, 0), "keys of the state that a client may set itself; none"),
];

static ROLE_KEYS: &[Key] = &[
    Key::optional("max_ttl", DURATION, "how long a right lives that this table's own rules grant"),
    Key::optional("includes", names(true, 0), "roles whose rules come along, denies too"),
    Key::optional("claimed_as", names(true, 0), "the names in the session's role claim, instead of its own"),
    Key::optional("issuers", names(true, 1), "the issuers' aliases whose sessions may claim it"),
    Key::optional("channels", Kind::Map(&RIGHTS), "patterns and the rights that they grant"),
    Key::optional("deny", Kind::Map(&RIGHTS), "patterns and the rights that they take, whatever grants them"),
];

static DEFAULTS_KEYS: &[Key] = &[Key::optional("role", Kind::Text, "the role of a session with no known role")];

static GUEST_KEYS: &[Key] = &[
    Key::required("role", Kind::Text, "the role of a guest"),
    Key::optional("max_ttl", DURATION, "how long a guest's token lives at most"),
];

static BLOCKED_KEYS: &[Key] = &[Key::optional("members", names(true, 0), "member ids")];

/// What became of a policy file: its faults, or a policy.
#[derive(Debug)]
pub struct Compilation {
    /// The good parts of the file; none where they have no use without the others.
    definition: Option<Definition>,
    sha256: String,
    faults: Faults,
}

impl Policy {
    /// Compiles a policy file's text. `name` is how reports call the file; `aliases` are those of the configured issuers
    /// (none known, as for `usher check --policy`: those that the file itself names).
    ///
    /// # Errors
    /// Every fault in the file, each with its place, the line and what to write instead.
    pub fn compile(name: &str, text: &str, aliases: &BTreeSet<String>) -> Result<Self, Faults> {
        Compilation::new(name, text, aliases).into_policy()
    }
}

impl Compilation {
    /// As [`Policy::compile`], with what can be said of the file even where it has faults.
    #[must_use]
    pub fn new(name: &str, text: &str, aliases: &BTreeSet<String>) -> Self {
        let source = Source::file(name, text);
        let mut faults = Faults::default();
        let sha256 = format!("{:x}", Sha256::digest(text));
        let Some(document) = read_toml(&source, &mut faults) else {
            return Self { definition: None, sha256, faults };
        };
        let fields = check(&document, KEYS, &mut faults);
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
        circles(&drafts, &mut compiler.faults);
        let issuers = Issuers {
            drafts: &drafts,
            aliases,
            placeholders: &compiler.placeholders,
            document: &fields.place,
            separator: separator.unwrap_or(':'),
        };
        let default = default_role.as_ref().map(|(role, place)| (*role, place));
        issuers.check(default, member.as_ref(), member_place.as_ref(), &mut compiler.faults);

        let definition = |separator: char, ttl: TtlBounds, member: Pattern| Definition {
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
            lives: compiler.lives,
            roles: roles(drafts),
        };
        let known = separator.zip(ttl).zip(member);
        Self {
            definition: known.map(|((separator, ttl), member)| definition(separator, ttl, member)),
            sha256,
            faults: compiler.faults,
        }
    }

    /// The policy.
    ///
    /// # Errors
    /// Every fault in the file.
    pub fn into_policy(self) -> Result<Policy, Faults> {
        let Self { definition, sha256, faults } = self;
        match definition {
            Some(definition) => faults.or(Policy { definition, sha256, listings: Listings::default() }),
            None => Err(faults),
        }
    }

    /// What the file says, as far as its faults leave it readable, and whether there are none.
    pub(crate) fn readable(&self) -> Option<(&Definition, bool)> {
        let definition = self.definition.as_ref()?;
        Some((definition, self.faults.is_empty()))
    }
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

struct Compiler {
    faults: Faults,
    /// None where it is not known what it should be: no pattern can be read then.
    separator: Option<char>,
    /// Whether all roles of the file can be read: only then is one that is not there told.
    knows_roles: bool,
    placeholders: Placeholders,
    /// Every duration that was read.
    lives: Vec<(Life, Ttl, Place)>,
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

    fn pattern(&mut self, text: &str, place: &Place, wanted: Use) -> Option<Pattern> {
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

    fn ttl(&mut self, fields: &Fields) -> Option<TtlBounds> {
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
        for (minutes, place) in [(default, default_place), (max, max_place), (min, min_place)] {
            self.lives.push((Life::Bound, clamped(minutes), place.unwrap_or(absent).clone()));
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

    fn cap(&mut self, fields: &Fields, min: Option<Ttl>) -> Option<Ttl> {
        let (seconds, place) = fields.integer("max_ttl")?;
        let cap = clamped(self.minutes(seconds, place)?);
        self.lives.push((Life::Cap, cap, place.clone()));
        if let Some(min) = min.filter(|min| cap < *min) {
            let message = format!("this cap ({cap}) is under [ttl].min ({min})");
            self.faults.add(place, message, "a token under the minimum is never minted: write a longer cap");
        }
        Some(cap)
    }

    /// The template of the member id, and where it stands, if it is written at all.
    fn member(&mut self, fields: &Fields) -> (Option<Pattern>, Option<Place>) {
        let table = fields.table("member");
        if fields.has_lost("member") || table.is_some_and(|table| table.has_lost("id")) {
            return (None, None);
        }
        let written = table.and_then(|table| table.text("id"));
        let (text, place) = written.unwrap_or(("{sub}", &fields.place));
        let written = written.map(|(_, place)| place.clone());
        let Some(pattern) = self.pattern(text, place, Use::Member) else { return (None, written) };
        let is_claim = |index| self.placeholders.get(index).is_some_and(|placeholder| !placeholder.is_issuer());
        if !pattern.placeholders().any(is_claim) {
            let message = format!("{}: every session would have the same member id", quoted(text));
            let separator = self.separator.unwrap_or(':');
            let advice = format!("take it from a claim, as in {{sub}} or {{issuer}}{separator}{{sub}}");
            self.faults.add(place, message, advice);
        }
        (Some(pattern), written)
    }

    fn state(&mut self, fields: &Fields) -> Vec<StateKey> {
        let Some(table) = fields.table("member").and_then(|member| member.table("state")) else { return Vec::new() };
        let mut state = Vec::new();
        for entry in &table.entries {
            match state_value(&entry.item) {
                Ok(Some(value)) => {
                    state.push(StateKey { key: entry.key.clone(), value, line: entry.key_place.line() });
                }
                Ok(None) => {}
                Err((message, advice)) => self.faults.add(&entry.item.place, message, advice),
            }
        }
        // Braces, and for each key its text, a colon, the value and all but one comma.
        let chars =
            |own: &StateKey| Json::from(own.key.as_str()).to_string().chars().count() + 1 + own.value.most_chars();
        let most = 2 + state.iter().map(chars).sum::<usize>() + state.len().saturating_sub(1);
        if most > MAX_STATE_CHARS {
            let message = format!("this state could have {most} characters, and SignalWire takes {MAX_STATE_CHARS}");
            self.faults.add(
                &table.place,
                message,
                "each claim counts for 256 characters: leave some out, or shorten texts",
            );
        }
        state
    }

    fn client_state(&mut self, fields: &Fields, state: &[StateKey]) -> BTreeSet<String> {
        let list = fields.table("member").and_then(|member| member.list("client_state")).unwrap_or_default();
        let mut told = BTreeSet::new();
        for (key, place) in list.iter().filter_map(Item::as_text).filter(|(key, _)| told.insert(*key)) {
            if state.iter().any(|own| own.key == key) {
                let message = format!("{} is in `state` too", quoted(key));
                self.faults.add(
                    place,
                    message,
                    "a key is set by the policy or by the client: take it out of one of them",
                );
            }
        }
        texts(Some(list)).collect()
    }
}

fn roles(drafts: Vec<Draft>) -> Vec<Role> {
    let closures: Vec<_> = (0..drafts.len()).map(|role| closure(role, &drafts)).collect();
    drafts
        .into_iter()
        .zip(closures)
        .map(|(draft, closure)| Role {
            name: Arc::from(draft.name),
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

fn texts(items: Option<&[Item]>) -> impl Iterator<Item = String> {
    items.unwrap_or_default().iter().filter_map(|item| item.as_text().map(|(text, _)| text.to_owned()))
}

fn entry_list(entry: &Entry) -> Option<&[Item]> {
    match &entry.item.value {
        Value::List(items) => Some(items),
        _ => None,
    }
}

fn clamped(minutes: i64) -> Ttl {
    u64::try_from(minutes).ok().and_then(Ttl::from_minutes).unwrap_or(Ttl::MAX)
}

fn state_value(item: &Item) -> Result<Option<StateValue>, (String, String)> {
    let constant = |json: Json| Ok(Some(StateValue::Constant(json)));
    match &item.value {
        Value::Boolean(boolean) => constant((*boolean).into()),
        Value::Integer(integer) => constant((*integer).into()),
        Value::Float(float) => constant(Number::from_f64(*float).map_or(Json::Null, Json::Number)),
        Value::Text(text) if !text.contains(['{', '}']) => constant(text.as_str().into()),
        Value::Text(text) => {
            let body = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let Some(body) = body.filter(|body| !body.contains(['{', '}'])) else {
                let advice = "write one placeholder alone, as in \"{name}\", or a text without braces";
                return Err((format!("{} is not exactly one placeholder", quoted(text)), advice.to_owned()));
            };
            // A filtered value is no segment here, so no separator is in its way.
            let placeholder = Placeholder::parse(body, ':')
                .map_err(|fault| (format!("{}: {}", quoted(text), fault.message), fault.advice))?;
            Ok(Some(StateValue::Claim(placeholder)))
        }
        Value::List(_) | Value::Table(_) => Ok(None),
    }
}
