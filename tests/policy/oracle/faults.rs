//! What is wrong with a policy that can be read, sentence by sentence of `policy.md`. Must not know sessions, requests,
//! or anything of the real compiler.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};
use toml::Value;

use super::claims::{Filter, Hole};
use super::model::{Model, Role, Rule};
use super::names;
use super::pattern::{Pattern, Segment};

/// Every fault, in words.
pub(super) fn of(model: &Model, aliases: &BTreeSet<String>) -> Vec<String> {
    let mut faults = of_the_ttls(model);
    if model.roles.is_empty() {
        faults.push("no role".to_owned());
    }
    for (name, role) in &model.roles {
        role.allows.iter().for_each(|rule| faults.extend(of_a_rule(rule, model.separator, true)));
        role.denies.iter().for_each(|rule| faults.extend(of_a_rule(rule, model.separator, false)));
        for included in &role.includes {
            if !model.roles.contains_key(included) {
                faults.push(format!("{name} includes {included}, which is not there"));
            } else if model.closure(included).contains(name) {
                faults.push(format!("{name} includes itself"));
            }
        }
    }
    for named in model.default_role.iter().chain(model.guest.iter().map(|guest| &guest.role)) {
        if !model.roles.contains_key(named) {
            faults.push(format!("{named} is not there"));
        }
    }
    faults.extend(of_the_member(model));
    faults.extend(of_the_state(model));
    if aliases.len() > 1 && faults.is_empty() {
        faults.extend(of_several_issuers(model, aliases));
    }
    faults
}

fn of_the_ttls(model: &Model) -> Vec<String> {
    let mut faults = Vec::new();
    let guest = model.guest.iter().filter_map(|guest| guest.cap);
    let caps = model.roles.values().filter_map(|role| role.cap).chain(guest);
    if caps.chain([model.default]).any(|cap| cap < model.min) {
        faults.push("a cap or a default under min".to_owned());
    }
    if model.default > model.max {
        faults.push("a default over max".to_owned());
    }
    if model.max > 30 * 24 * 60 {
        faults.push("a max over 30 days".to_owned());
    }
    faults
}

fn of_a_rule(rule: &Rule, separator: char, is_allow: bool) -> Vec<String> {
    let Rule { text, pattern, permissions } = rule;
    let mut faults = of_literals(pattern);
    faults.extend(of_filters(&pattern.holes(), separator));
    let distinct: BTreeSet<&String> = permissions.iter().collect();
    if distinct.len() < permissions.len() {
        faults.push(format!("{text}: the same right twice"));
    }
    if permissions.iter().any(|permission| permission != "read" && permission != "write") {
        faults.push(format!("{text}: a right that is none"));
    }
    if is_allow && (!matches!(pattern.segments[0], Segment::Literal(_)) || text.starts_with("sw_")) {
        faults.push(format!("{text}: an allow rule begins with a literal other than sw_"));
    }
    let is_literal = pattern.segments.iter().all(|segment| matches!(segment, Segment::Literal(_)));
    // A deny may begin with `sw_`.
    let asked = if is_allow { text } else { text.trim_start_matches("sw_") };
    if is_literal && !asked.is_empty() && !names::faults(asked).is_empty() {
        faults.push(format!("{text}: nobody can ask for it"));
    }
    faults
}

/// What of a pattern's literals no asked-for name may hold, where it stands.
fn of_literals(pattern: &Pattern) -> Vec<String> {
    let mut faults = Vec::new();
    for text in pattern.literals() {
        if text.chars().any(names::is_control) {
            faults.push(format!("{text:?} holds a control character"));
        }
    }
    let ends = [pattern.segments.first(), pattern.segments.last()];
    if let Some(Segment::Literal(first)) = ends[0] {
        faults.extend(first.starts_with(names::is_white).then(|| format!("{first:?} begins with white space")));
    }
    if let Some(Segment::Literal(last)) = ends[1] {
        faults.extend(last.ends_with(names::is_white).then(|| format!("{last:?} ends with white space")));
    }
    // The shortest name that it could be about.
    let least: usize = pattern
        .segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(text) => text.chars().count(),
            Segment::Star | Segment::Stars => 1,
            Segment::Hole(hole) => match hole.filter {
                Filter::Plain => 1,
                Filter::B64url => 2,
                Filter::Sha256 => 64,
            },
        })
        .sum();
    if least + pattern.segments.len() - 1 > 250 {
        faults.push("a pattern that only matches what is too long".to_owned());
    }
    faults
}

fn of_filters(holes: &[&Hole], separator: char) -> Vec<String> {
    let is_b64url = |hole: &&Hole| hole.filter == Filter::B64url;
    let clash = holes.iter().any(is_b64url) && "-_".contains(separator);
    if clash { vec![format!("b64url may hold {separator}")] } else { Vec::new() }
}

fn of_the_member(model: &Model) -> Vec<String> {
    let mut faults = of_filters(&model.member.holes(), model.separator);
    if model.member.literals().iter().any(|text| text.chars().any(names::is_control)) {
        faults.push("a control character in the member id".to_owned());
    }
    if model.member.has_wildcard() || model.member.holes().is_empty() {
        faults.push("a member id is literals and at least one placeholder".to_owned());
    }
    faults
}

/// The placeholder that a string of the state is, or nothing for a constant.
pub(super) fn state_hole(text: &str) -> Result<Option<Hole>, String> {
    if !text.contains(['{', '}']) {
        return Ok(None);
    }
    let inside = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let inside = inside.filter(|inside| !inside.contains(['{', '}']));
    Hole::read(inside.ok_or_else(|| format!("{text} is not one placeholder"))?).map(Some)
}

/// A constant of the state as JSON.
pub(super) fn constant(value: &Value) -> Option<Json> {
    match value {
        Value::String(text) => Some(Json::from(text.as_str())),
        Value::Integer(number) => Some(Json::from(*number)),
        Value::Float(number) => serde_json::Number::from_f64(*number).map(Json::Number),
        Value::Boolean(flag) => Some(Json::from(*flag)),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn of_the_state(model: &Model) -> Vec<String> {
    let mut faults = Vec::new();
    let mut largest = Map::new();
    for (key, value) in &model.state {
        if model.client_state.contains(key) {
            faults.push(format!("{key} is the client's and the server's"));
        }
        let hole = value.as_str().map_or(Ok(None), state_hole);
        match (hole, constant(value)) {
            (Err(fault), _) => faults.push(fault),
            (Ok(Some(_)), _) => drop(largest.insert(key.clone(), Json::from("x".repeat(254)))),
            (Ok(None), Some(json)) => drop(largest.insert(key.clone(), json)),
            (Ok(None), None) => faults.push(format!("{key} is neither a string, a number nor a boolean")),
        }
    }
    if Json::Object(largest).to_string().chars().count() > 2_000 {
        faults.push("a state that could pass 2,000 characters".to_owned());
    }
    faults
}

fn of_several_issuers(model: &Model, aliases: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    if !model.member.holes().iter().any(|hole| hole.is_issuer()) {
        faults.push("a member id without {issuer}".to_owned());
    }
    let sessions_of =
        |role: &Role| -> BTreeSet<String> { aliases.iter().filter(|alias| role.is_for(alias)).cloned().collect() };
    for (name, role) in &model.roles {
        let is_named = model.default_role.as_ref() == Some(name);
        if role.issuers.is_none() && (is_named || !role.claimed_as.is_empty()) {
            faults.push(format!("{name} says not whose sessions it is for"));
        }
        for included in &role.includes {
            if !sessions_of(role).is_subset(&sessions_of(&model.roles[included])) {
                faults.push(format!("{name} includes {included}, which is for fewer"));
            }
        }
        if is_named && sessions_of(role) != *aliases {
            faults.push(format!("{name} is the default role, and not for all"));
        }
        if sessions_of(role).len() > 1 {
            let all = model.closure(name);
            for rule in all.iter().flat_map(|role| &model.roles[role].allows) {
                let holes = rule.pattern.holes();
                if holes.iter().any(|hole| !hole.is_issuer()) && !holes.iter().any(|hole| hole.is_issuer()) {
                    faults.push(format!("{name}: {} is for several issuers", rule.text));
                }
            }
        }
    }
    faults
}
