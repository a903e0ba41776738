//! From a file of tests to [`Cases`], every fault at once.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Number, Value as Json, json};

use super::{Case, Cases, Expect, Whose};
use crate::api::Code;
use crate::chat::{ChannelName, FaultCode, Object, Permission, Rights};
use crate::policy::LimitedBy;
use crate::schema::{Faults, Fields, Item, Key, Kind, Source, Value, check, nearest, quoted, read_toml};
use crate::session::Vouching;

const DURATION: Kind = Kind::Duration { zero: false };
static ANY: Kind = Kind::Any;
static RIGHT: Kind = Kind::Word(&["read", "write"]);
static RIGHTS: Kind = Kind::List { of: &RIGHT, distinct: true, at_least: 0 };

/// The whole file.
pub static TEST_FILE_KEYS: &[Key] = &[Key::required("test", Kind::Tables(TEST_KEYS), "at least one [[test]]")];

static TEST_KEYS: &[Key] = &[
    Key::required("name", Kind::Text, "what it says, as a sentence"),
    Key::optional("claims", Kind::Map(&ANY), "the session's claims, as in { sub = \"alice\", roles = [\"customer\"] }"),
    Key::optional("guest", Kind::Boolean, "true: a request without any credential, instead of claims"),
    Key::optional("issuer", Kind::Text, "the alias of the session's issuer; the only or first one"),
    Key::optional("expires_in", DURATION, "what is left of the session; for ever"),
    Key::optional("ask", Kind::Table(ASK_KEYS), "the request; one that asks for nothing in particular"),
    Key::required("expect", Kind::Table(EXPECT_KEYS), "what should come of it"),
];

static ASK_KEYS: &[Key] = &[
    Key::optional("channels", Kind::Map(&RIGHTS), "the channels by name, and what is asked for in each"),
    Key::optional("ttl", DURATION, "how long the token should live"),
    Key::optional("mode", Kind::Word(&["strict", "narrow"]), "what to do when more is asked than granted; strict"),
    Key::optional("state", Kind::Map(&ANY), "what the client adds to its member state"),
    Key::optional("member_id", Kind::Text, "the member id that the client names"),
];

static EXPECT_KEYS: &[Key] = &[
    Key::optional("grant", Kind::Map(&RIGHTS), "exactly what is granted"),
    Key::optional("denied", Kind::Map(&RIGHTS), "exactly what is refused of what was asked for"),
    Key::optional("ttl", DURATION, "how long the token lives"),
    Key::optional(
        "ttl_limited_by",
        Kind::Word(&["request", "default", "policy", "session"]),
        "the bound that the ttl comes from",
    ),
    Key::optional("member_id", Kind::Text, "who the token is for"),
    Key::optional("state", Kind::Map(&ANY), "exactly the member state"),
    Key::optional("problem", Kind::Text, "the code of the problem that the client is told"),
];

/// The alias of sessions where no issuer is known by name.
const UNCONFIGURED: &str = "app";

impl Cases {
    /// Reads a file's text. `name` is how reports call the file; `issuers` are those whose sessions may be tested (none
    /// known: any).
    ///
    /// # Errors
    /// Every fault in the file, each with its place, the line and what to write instead.
    pub fn read(name: &str, text: &str, issuers: &[Vouching]) -> Result<Self, Faults> {
        let source = Source::file(name, text);
        let mut faults = Faults::default();
        let Some(document) = read_toml(&source, &mut faults) else { return Err(faults) };
        let fields = check(&document, TEST_FILE_KEYS, &mut faults);
        let mut reader = Reader { faults, issuers, names: HashSet::new() };
        let tables = fields.list("test").unwrap_or_default();
        if fields.list("test").is_some_and(<[Item]>::is_empty) {
            reader.faults.add(&fields.place, "there is no test", "write one, as [[test]]");
        }
        let list = tables.iter().filter_map(|item| reader.case(item.as_table()?)).collect();
        reader.faults.or(Self { list })
    }
}

struct Reader<'a> {
    faults: Faults,
    issuers: &'a [Vouching],
    names: HashSet<String>,
}

impl Reader<'_> {
    fn case(&mut self, fields: &Fields) -> Option<Case> {
        let (name, place) = fields.text("name")?;
        if !self.names.insert(name.to_owned()) {
            self.faults.add(place, format!("there are two tests {}", quoted(name)), "give each a name of its own");
        }
        let who = self.who(fields);
        let ask = fields.table("ask").map(|ask| self.ask(ask)).unwrap_or_default();
        let expect = self.expect(fields.table("expect")?);
        Some(Case { name: name.to_owned(), line: fields.place.line(), who: who?, ask, expect })
    }

    fn who(&mut self, fields: &Fields) -> Option<Whose> {
        let is_guest = matches!(fields.get("guest").map(|item| &item.value), Some(Value::Boolean(true)));
        let claims = fields.table("claims");
        let Some(claims) = claims.filter(|_| !is_guest) else {
            if is_guest {
                for key in ["claims", "issuer", "expires_in"] {
                    if let Some(item) = fields.get(key) {
                        let message = format!("a guest has no session, and so no `{key}`");
                        self.faults.add(&item.place, message, "take this out, or take guest = true out");
                    }
                }
                return Some(Whose::Guest);
            }
            if fields.whole {
                let advice = "write claims = { sub = \"alice\" }, or guest = true for a request without a session";
                self.faults.add(&fields.place, "this test does not say who asks", advice);
            }
            return None;
        };
        let vouching = self.vouching(fields)?;
        let expires_in = fields.integer("expires_in").map(|(seconds, _)| seconds);
        Some(Whose::Known { vouching, claims: object(claims), expires_in })
    }

    fn vouching(&mut self, fields: &Fields) -> Option<Vouching> {
        let Some((alias, place)) = fields.text("issuer") else {
            return Some(self.issuers.first().cloned().unwrap_or_else(|| Vouching::unconfigured(UNCONFIGURED)));
        };
        if self.issuers.is_empty() {
            return Some(Vouching::unconfigured(alias));
        }
        let found = self.issuers.iter().find(|vouching| vouching.name == alias);
        if found.is_none() {
            let names = || self.issuers.iter().map(|vouching| vouching.name.as_str());
            let advice = nearest(alias, names()).map_or_else(
                || format!("the issuers are {}", names().map(quoted).collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean {}?", quoted(near)),
            );
            self.faults.add(place, format!("there is no issuer {}", quoted(alias)), advice);
        }
        found.cloned()
    }

    /// A request body.
    fn ask(&mut self, fields: &Fields) -> Object {
        let mut body = Object::new();
        if let Some(channels) = fields.table("channels") {
            let wanted = |rights: Rights| {
                let words = rights.permissions().map(|permission| (permission.as_str().to_owned(), true.into()));
                Json::Object(words.collect())
            };
            let rows = channels.entries.iter().map(|entry| (entry.key.clone(), wanted(rights(&entry.item))));
            body.insert("channels".to_owned(), Json::Object(rows.collect()));
        }
        if let Some(minutes) = self.minutes(fields) {
            body.insert("ttl".to_owned(), json!(minutes));
        }
        for key in ["mode", "member_id"] {
            body.extend(fields.text(key).map(|(text, _)| (key.to_owned(), text.into())));
        }
        body.extend(fields.table("state").map(|state| ("state".to_owned(), Json::Object(object(state)))));
        body
    }

    /// A `ttl` in whole minutes.
    fn minutes(&mut self, fields: &Fields) -> Option<u32> {
        let (seconds, place) = fields.integer("ttl")?;
        if seconds % 60 != 0 {
            self.faults.add(place, "a ttl has whole minutes", "write it in minutes, as \"15m\"");
            return None;
        }
        u32::try_from(seconds / 60).ok()
    }

    fn expect(&mut self, fields: &Fields) -> Expect {
        if fields.entries.is_empty() && fields.whole {
            let advice = "write what should come of it, as expect.grant or expect.problem";
            self.faults.add(&fields.place, "this test expects nothing", advice);
        }
        for key in ["grant", "ttl", "ttl_limited_by", "state"] {
            if let Some(item) = fields.get(key).filter(|_| fields.get("problem").is_some()) {
                let message = format!("where there is a problem there is no `{key}`");
                self.faults.add(&item.place, message, "take one of the two out");
            }
        }
        if let Some(item) =
            fields.get("grant").filter(|item| item.as_table().is_some_and(|it| it.entries.is_empty() && it.whole))
        {
            let advice = "write what is granted, or expect.problem = \"nothing_granted\"";
            self.faults.add(&item.place, "no token grants nothing", advice);
        }
        let limited_by = |word: &str| match word {
            "request" => LimitedBy::Request,
            "default" => LimitedBy::Default,
            "session" => LimitedBy::Session,
            _ => LimitedBy::Policy,
        };
        Expect {
            grant: self.channels(fields, "grant"),
            denied: self.channels(fields, "denied"),
            ttl: self.minutes(fields),
            ttl_limited_by: fields.text("ttl_limited_by").map(|(word, _)| limited_by(word)),
            member_id: fields.text("member_id").map(|(text, _)| text.to_owned()),
            state: fields.table("state").map(object),
            problem: self.problem(fields),
        }
    }

    /// Channels that can be granted or refused, so their names are good ones.
    fn channels(&mut self, fields: &Fields, key: &str) -> Option<BTreeMap<ChannelName, Rights>> {
        let mut channels = BTreeMap::new();
        for entry in &fields.table(key)?.entries {
            let rights = rights(&entry.item);
            match ChannelName::parse(&entry.key) {
                Ok(name) if !rights.is_none() => drop(channels.insert(name, rights)),
                Ok(_) => {
                    let message = format!("{}: no right is named", quoted(&entry.key));
                    self.faults.add(
                        &entry.item.place,
                        message,
                        "write [\"read\"], [\"write\"] or both, or leave it out",
                    );
                }
                Err(fault) => {
                    let message = format!("{}: {fault}, so it is never in an answer", quoted(&entry.key));
                    self.faults.add(&entry.key_place, message, "write a channel's name");
                }
            }
        }
        Some(channels)
    }

    fn problem(&mut self, fields: &Fields) -> Option<String> {
        let (code, place) = fields.text("problem")?;
        let codes = Code::ALL.into_iter().map(Code::as_str).chain(FaultCode::ALL.map(|code| code.about().0));
        let codes: Vec<&str> = codes.collect();
        if !codes.contains(&code) {
            let advice = nearest(code, codes.iter().copied()).map_or_else(
                || "docs/problems.md lists the codes".to_owned(),
                |near| format!("did you mean {}?", quoted(near)),
            );
            self.faults.add(place, format!("there is no problem {}", quoted(code)), advice);
        }
        Some(code.to_owned())
    }
}

fn rights(item: &Item) -> Rights {
    let words = match &item.value {
        Value::List(words) => words.as_slice(),
        _ => &[],
    };
    let named = |word: &Item| {
        let (text, _) = word.as_text()?;
        Permission::ALL.into_iter().find(|permission| permission.as_str() == text)
    };
    words.iter().filter_map(named).fold(Rights::NONE, Rights::with)
}

/// A table that a person wrote, as the JSON that it stands for.
fn object(fields: &Fields) -> Object {
    fields.entries.iter().map(|entry| (entry.key.clone(), json_of(&entry.item.value))).collect()
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Integer(integer) => (*integer).into(),
        Value::Float(float) => Number::from_f64(*float).map_or(Json::Null, Json::Number),
        Value::Boolean(boolean) => (*boolean).into(),
        Value::List(items) => items.iter().map(|item| json_of(&item.value)).collect(),
        Value::Table(fields) => Json::Object(object(fields)),
    }
}
