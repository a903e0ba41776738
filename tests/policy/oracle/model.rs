//! A policy as a plain model, read from its text, and what is wrong with it by the text of `policy.md`. Must not know
//! sessions, requests, or anything of the real compiler.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Value;

use super::pattern::Pattern;

/// A policy without a fault.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) separator: char,
    pub(super) min: u32,
    pub(super) default: u32,
    pub(super) max: u32,
    pub(super) member: Pattern,
    pub(super) state: BTreeMap<String, Value>,
    pub(super) client_state: BTreeSet<String>,
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) default_role: Option<String>,
    pub(super) guest: Option<Guest>,
    pub(super) blocked: Vec<String>,
}

/// What somebody without a credential gets.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) role: String,
    pub(super) cap: Option<u32>,
}

/// One table of rules.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) cap: Option<u32>,
    pub(super) includes: Vec<String>,
    /// The names in the session's role claim.
    pub(super) claimed_as: Vec<String>,
    pub(super) issuers: Option<Vec<String>>,
    pub(super) allows: Vec<Rule>,
    pub(super) denies: Vec<Rule>,
}

/// One line of a table.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) text: String,
    pub(super) pattern: Pattern,
    pub(super) permissions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: i64,
    separator: Option<char>,
    #[serde(default)]
    ttl: TtlTable,
    #[serde(default)]
    member: MemberTable,
    #[serde(default)]
    roles: BTreeMap<String, RoleTable>,
    #[serde(default)]
    defaults: DefaultsTable,
    guest: Option<GuestTable>,
    #[serde(default)]
    blocked: BlockedTable,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TtlTable {
    default: Option<String>,
    max: Option<String>,
    min: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct MemberTable {
    id: Option<String>,
    #[serde(default)]
    state: BTreeMap<String, Value>,
    #[serde(default)]
    client_state: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleTable {
    max_ttl: Option<String>,
    #[serde(default)]
    includes: Vec<String>,
    claimed_as: Option<Vec<String>>,
    issuers: Option<Vec<String>>,
    #[serde(default)]
    channels: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    deny: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DefaultsTable {
    role: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuestTable {
    role: String,
    max_ttl: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct BlockedTable {
    #[serde(default)]
    members: Vec<String>,
}

impl Model {
    /// Reads a policy.
    pub(super) fn read(text: &str, aliases: &BTreeSet<String>) -> Result<Self, Vec<String>> {
        let file: File = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
        let model = Self::of(file).map_err(|fault| vec![fault])?;
        let faults = super::faults::of(&model, aliases);
        if faults.is_empty() { Ok(model) } else { Err(faults) }
    }

    fn of(file: File) -> Result<Self, String> {
        if file.version != 1 {
            return Err("not version 1".to_owned());
        }
        let separator = file.separator.unwrap_or(':');
        if !":./#-_".contains(separator) {
            return Err(format!("{separator} separates nothing"));
        }
        let minutes = |written: Option<String>, absent: u32| written.map_or(Ok(absent), |text| duration(&text));
        let mut roles = BTreeMap::new();
        for (name, table) in file.roles {
            let role = Role::of(&name, table, separator)?;
            roles.insert(name, role);
        }
        let guest = match file.guest {
            None => None,
            Some(table) => Some(Guest { role: table.role, cap: cap(table.max_ttl)? }),
        };
        Ok(Self {
            separator,
            min: minutes(file.ttl.min, 3)?,
            default: minutes(file.ttl.default, 15)?,
            max: minutes(file.ttl.max, 60)?,
            member: Pattern::read(&file.member.id.unwrap_or_else(|| "{sub}".to_owned()), separator)?,
            state: file.member.state,
            client_state: file.member.client_state,
            roles,
            default_role: file.defaults.role,
            guest,
            blocked: file.blocked.members,
        })
    }

    /// The role and all that it includes, however far.
    pub(super) fn closure(&self, role: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::from([role.to_owned()]);
        loop {
            let known = all.iter().filter_map(|name| self.roles.get(name));
            let more: BTreeSet<String> = known.flat_map(|role| role.includes.clone()).collect();
            if more.is_subset(&all) {
                return all;
            }
            all.extend(more);
        }
    }
}

impl Rule {
    /// Whether it is about the right with this first letter.
    pub(super) fn gives(&self, letter: char) -> bool {
        self.permissions.iter().any(|permission| permission.starts_with(letter))
    }
}

impl Role {
    fn of(name: &str, table: RoleTable, separator: char) -> Result<Self, String> {
        let rules = |table: BTreeMap<String, Vec<String>>| -> Result<Vec<Rule>, String> {
            let rule = |(text, permissions): (String, Vec<String>)| {
                Ok(Rule { pattern: Pattern::read(&text, separator)?, text, permissions })
            };
            table.into_iter().map(rule).collect()
        };
        Ok(Self {
            cap: cap(table.max_ttl)?,
            includes: table.includes,
            claimed_as: table.claimed_as.unwrap_or_else(|| vec![name.to_owned()]),
            issuers: table.issuers,
            allows: rules(table.channels)?,
            denies: rules(table.deny)?,
        })
    }

    /// Whether it is for the sessions of this alias.
    pub(super) fn is_for(&self, alias: &str) -> bool {
        self.issuers.as_ref().is_none_or(|issuers| issuers.iter().any(|issuer| issuer == alias))
    }
}

fn cap(written: Option<String>) -> Result<Option<u32>, String> {
    written.map(|text| duration(&text)).transpose()
}

/// A duration in whole minutes.
fn duration(text: &str) -> Result<u32, String> {
    let fault = || format!("{text} is no duration of a minute or more");
    let unit = text.chars().last().ok_or_else(fault)?;
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_ascii_digit()) {
        return Err(fault());
    }
    let count: u32 = digits.parse().map_err(|_| fault())?;
    let minutes = match unit {
        's' => count / 60,
        'm' => count,
        'h' => count * 60,
        'd' => count * 24 * 60,
        _ => 0,
    };
    if minutes == 0 { Err(fault()) } else { Ok(minutes) }
}
