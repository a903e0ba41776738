//! A policy part by part, and as text. Must not know where the parts come from, nor either evaluator.

use std::collections::BTreeMap;

use super::dice::{Dice, list, quoted};

/// A policy as it was put together, part by part.
pub(super) struct Plan {
    pub(super) separator: char,
    pub(super) aliases: Vec<String>,
    /// `min`, `default`, `max` in minutes.
    pub(super) ttl: [i64; 3],
    pub(super) member: String,
    pub(super) state: Vec<(String, String)>,
    pub(super) client_state: Vec<String>,
    pub(super) roles: BTreeMap<String, RolePlan>,
    pub(super) default_role: Option<String>,
    pub(super) guest: Option<(String, Option<String>)>,
    pub(super) blocked: Vec<String>,
    /// Whole lines at the top.
    pub(super) extra: String,
}

/// One role of a [`Plan`].
#[derive(Default)]
pub(super) struct RolePlan {
    pub(super) max_ttl: Option<String>,
    pub(super) includes: Vec<String>,
    pub(super) claimed_as: Option<Vec<String>>,
    pub(super) issuers: Option<Vec<String>>,
    pub(super) channels: BTreeMap<String, Vec<String>>,
    pub(super) deny: BTreeMap<String, Vec<String>>,
}

impl Plan {
    /// The policy's text.
    pub(super) fn text(&self, dice: &mut Dice) -> String {
        let mut lines = vec![format!("version = 1\n{}", self.extra)];
        if self.separator != ':' || dice.chance(50) {
            lines.push(format!("separator = \"{}\"", self.separator));
        }
        // What is absent is as it is by default; so is a table.
        let before = lines.len();
        for (key, minutes, absent) in [("min", self.ttl[0], 3), ("default", self.ttl[1], 15), ("max", self.ttl[2], 60)]
        {
            if minutes != absent || dice.chance(50) {
                lines.push(format!("{key} = \"{}\"", duration(dice, minutes)));
            }
        }
        if lines.len() > before || dice.chance(50) {
            lines.insert(before, "[ttl]".to_owned());
        }
        let before = lines.len();
        if !self.member.is_empty() {
            lines.push(format!("id = {}", quoted(&self.member)));
        }
        if !self.state.is_empty() {
            let entries: Vec<String> =
                self.state.iter().map(|(key, value)| format!("{} = {value}", quoted(key))).collect();
            lines.push(format!("state = {{ {} }}", entries.join(", ")));
        }
        if !self.client_state.is_empty() {
            lines.push(format!("client_state = {}", list(&self.client_state)));
        }
        if lines.len() > before || dice.chance(50) {
            lines.insert(before, "[member]".to_owned());
        }
        for (name, role) in &self.roles {
            lines.push(role.text(name));
        }
        if let Some(role) = &self.default_role {
            lines.push(format!("[defaults]\nrole = {}", quoted(role)));
        }
        if let Some((role, cap)) = &self.guest {
            lines.push(format!("[guest]\nrole = {}", quoted(role)));
            lines.extend(cap.as_ref().map(|cap| format!("max_ttl = {}", quoted(cap))));
        }
        if !self.blocked.is_empty() {
            lines.push(format!("[blocked]\nmembers = {}", list(&self.blocked)));
        }
        lines.join("\n") + "\n"
    }

    /// The aliases that a role is for.
    pub(super) fn issuers_of(&self, role: &str) -> Vec<String> {
        self.roles[role].issuers.clone().unwrap_or_else(|| self.aliases.clone())
    }

    /// The names that a role is claimed by.
    pub(super) fn names_of(&self, role: &str) -> Vec<String> {
        self.roles[role].claimed_as.clone().unwrap_or_else(|| vec![role.to_owned()])
    }

    /// Roles and what they include.
    pub(super) fn with_included(&self, mut roles: Vec<String>) -> Vec<String> {
        let mut place = 0;
        while place < roles.len() {
            let more = self.roles[&roles[place]].includes.clone();
            roles.extend(more);
            place += 1;
        }
        roles
    }
}

impl RolePlan {
    fn text(&self, name: &str) -> String {
        let name = quoted(name);
        let mut lines = vec![format!("[roles.{name}]")];
        if let Some(cap) = &self.max_ttl {
            lines.push(format!("max_ttl = {}", quoted(cap)));
        }
        if !self.includes.is_empty() {
            lines.push(format!("includes = {}", list(&self.includes)));
        }
        for (key, names) in [("claimed_as", &self.claimed_as), ("issuers", &self.issuers)] {
            lines.extend(names.as_ref().map(|names| format!("{key} = {}", list(names))));
        }
        for (table, rules) in [("channels", &self.channels), ("deny", &self.deny)] {
            if !rules.is_empty() {
                lines.push(format!("[roles.{name}.{table}]"));
            }
            for (pattern, rights) in rules {
                lines.push(format!("{} = {}", quoted(pattern), list(rights)));
            }
        }
        lines.join("\n")
    }
}

/// A duration that is cut to so many minutes.
pub(super) fn duration(dice: &mut Dice, minutes: i64) -> String {
    match dice.below(4) {
        0 => format!("{}s", minutes * 60 + dice.between(0, 59)),
        1 if minutes % 60 == 0 => format!("{}h", minutes / 60),
        2 if minutes % 1_440 == 0 => format!("{}d", minutes / 1_440),
        _ => format!("{minutes}m"),
    }
}

/// A pattern's segments, the separators in braces left alone.
pub(super) fn parts(pattern: &str, separator: char) -> Vec<String> {
    let (mut parts, mut is_inside) = (vec![String::new()], false);
    for character in pattern.chars() {
        is_inside = character == '{' || (is_inside && character != '}');
        if character == separator && !is_inside {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(character);
        }
    }
    parts
}
