//! Request bodies by chance: names that rules are about, names that nearly are, and names that are none. Knows how a
//! placeholder is read; must not know what is decided.

use serde_json::{Map, Value, json};
use usher::chat::{ClaimedRoles, Facts};

use super::super::claims::{Claims, Hole};
use super::dice::{Dice, WORDS};
use super::plan::{self, Plan};

/// A body, and what is odd about it.
pub(super) fn body(dice: &mut Dice, plan: &Plan, facts: &Facts, marks: &mut Vec<&'static str>) -> Value {
    let mut body = Map::new();
    // A wide claim is for a listing.
    if dice.chance(if facts.claims.contains_key("wide") { 25 } else { 65 }) {
        body.insert("channels".to_owned(), channels(dice, plan, facts, marks));
    }
    if dice.chance(50) {
        body.insert("mode".to_owned(), json!(*dice.pick(&["narrow", "narrow", "strict"])));
    }
    if dice.chance(60) {
        body.insert("ttl".to_owned(), json!(ttl(dice, plan)));
    }
    if dice.chance(30) {
        body.insert("state".to_owned(), state(dice, plan));
    }
    if dice.chance(4) {
        body.insert("member_id".to_owned(), json!(*dice.pick(&["alice", "bob", "mallory"])));
    }
    Value::Object(body)
}

fn ttl(dice: &mut Dice, plan: &Plan) -> i64 {
    let [min, default, max] = plan.ttl;
    match dice.below(20) {
        0 => *dice.pick(&[0, -1, 43_201, 1 << 40, 1, 1]),
        1 => min - 1,
        2..=6 => min,
        7 => dice.between(min, default),
        8..=12 => max.min(43_199) + 1,
        13..=14 => 43_200,
        _ => dice.between(min, max),
    }
}

fn state(dice: &mut Dice, plan: &Plan) -> Value {
    let mut state = Map::new();
    for key in &plan.client_state {
        let length = *dice.pick(&[0, 3, 3, 3, 3, 100, 1_900, 1_986, 1_987, 1_988]);
        let values = [json!("x".repeat(length)), json!("é".repeat(length)), json!([1, { "a": null }]), json!(1.5)];
        if dice.chance(60) {
            state.insert(key.clone(), dice.pick(&values).clone());
        }
    }
    if dice.chance(6) {
        state.insert((*dice.pick(&["status", "admin", "name", "a~/b"])).to_owned(), json!("x"));
    }
    Value::Object(state)
}

fn channels(dice: &mut Dice, plan: &Plan, facts: &Facts, marks: &mut Vec<&'static str>) -> Value {
    if dice.chance(3) {
        marks.push("over 500 names");
        return Value::Object((0..501).map(|number| (format!("a{number}"), json!({ "read": true }))).collect());
    }
    let rules = rules(dice, plan, facts);
    let claims = Claims::new(facts, plan.separator);
    let mut channels = Map::new();
    if dice.chance(4) {
        return Value::Object(channels);
    }
    for _ in 0..*dice.pick(&[1, 1, 1, 1, 1, 2, 2, 3, 5]) {
        let (mut name, given) = if rules.is_empty() || dice.chance(6) {
            let words: Vec<String> = (0..=dice.below(3)).map(|_| dice.word()).collect();
            (words.join(&plan.separator.to_string()), Vec::new())
        } else {
            let mut rule = dice.pick(&rules).clone();
            for _ in 0..3 {
                if !is_fillable(&claims, &rule.0) {
                    rule = dice.pick(&rules).clone();
                }
            }
            (filled(dice, &claims, &rule.0), rule.1)
        };
        if dice.chance(12) {
            marks.push("a name that nearly matches");
            name = nearly(dice, &name, plan.separator);
        } else if dice.chance(4) {
            marks.push("a name that is none");
            name = none(dice, &name);
        }
        let rights: &[Value] = &[
            json!({ "read": true }),
            json!({ "read": true, "write": false }),
            json!({ "write": true }),
            json!({ "read": true, "write": true }),
        ];
        let rights = if dice.chance(2) {
            json!({ "read": false })
        } else if !given.is_empty() && dice.chance(60) {
            given.iter().map(|right| (right.clone(), json!(true))).collect()
        } else {
            dice.pick(rights).clone()
        };
        channels.insert(name, rights);
    }
    Value::Object(channels)
}

/// A pattern, and the rights in its rule.
type Line = (String, Vec<String>);

/// Mostly the session's own rules.
fn rules(dice: &mut Dice, plan: &Plan, facts: &Facts) -> Vec<Line> {
    let all: Vec<String> = plan.roles.keys().cloned().collect();
    let claimed = match &facts.roles {
        ClaimedRoles::Names(names) => names.clone(),
        ClaimedRoles::Withheld => Vec::new(),
    };
    let is_claimed = |role: &&String| plan.names_of(role).iter().any(|name| claimed.contains(name));
    let mut roles: Vec<String> = all.iter().filter(is_claimed).cloned().collect();
    if facts.issuer().is_none() {
        roles.extend(plan.guest.iter().map(|(role, _)| role.clone()));
    }
    if roles.is_empty() {
        roles.extend(plan.default_role.clone());
    }
    let roles = if dice.chance(8) { all } else { plan.with_included(roles) };
    let is_denied = dice.chance(12);
    let tables = roles.iter().map(|role| &plan.roles[role]);
    let tables = tables.map(|role| if is_denied { &role.deny } else { &role.channels });
    tables.flatten().map(|(pattern, rights)| (pattern.clone(), rights.clone())).collect()
}

/// Whether each placeholder of a pattern has a value.
fn is_fillable(claims: &Claims<'_>, pattern: &str) -> bool {
    plan::parts(pattern, claims.separator).iter().all(|part| {
        let inside = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        inside.is_none_or(|inside| !claims.reading(&Hole::read(inside).unwrap()).values.is_empty())
    })
}

/// A name that a pattern may be about.
fn filled(dice: &mut Dice, claims: &Claims<'_>, pattern: &str) -> String {
    let mut segments = Vec::new();
    for part in plan::parts(pattern, claims.separator) {
        if let Some(inside) = part.strip_prefix('{') {
            segments.push(value(dice, claims, inside.trim_end_matches('}')));
        } else if part == "*" {
            segments.push(dice.word());
        } else if part == "**" {
            (0..=dice.below(3)).for_each(|_| segments.push(dice.word()));
        } else {
            segments.push(part);
        }
    }
    segments.join(&claims.separator.to_string())
}

fn value(dice: &mut Dice, claims: &Claims<'_>, inside: &str) -> String {
    let hole = Hole::read(inside).unwrap();
    let reading = claims.reading(&hole);
    let values: Vec<&String> = reading.values.iter().collect();
    if !values.is_empty() && dice.chance(92) {
        return (*dice.pick(&values)).clone();
    }
    // As if it had been taken as it is.
    match hole.found(claims.facts).as_deref() {
        Some(Value::String(text)) if dice.chance(60) => text.clone(),
        Some(Value::Array(list)) if !list.is_empty() && dice.chance(60) => match dice.pick(list) {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
        Some(other) if !other.is_array() && !other.is_object() && dice.chance(60) => other.to_string(),
        _ => dice.word(),
    }
}

fn nearly(dice: &mut Dice, name: &str, separator: char) -> String {
    let mut segments: Vec<String> = name.split(separator).map(ToOwned::to_owned).collect();
    let place = dice.below(segments.len());
    match dice.below(9) {
        0 => drop(segments.pop()),
        1 => segments.push(dice.word()),
        2 => segments.push(String::new()),
        3 => segments.insert(place, String::new()),
        4 => segments[place] = segments[place].to_uppercase(),
        5 => segments[place].push('x'),
        6 => drop(segments[place].pop()),
        7 => segments.insert(place, (*dice.pick(WORDS)).to_owned()),
        _ => return name.replace(separator, if separator == '.' { ":" } else { "." }),
    }
    segments.join(&separator.to_string())
}

fn none(dice: &mut Dice, name: &str) -> String {
    match dice.below(17) {
        0 => String::new(),
        1..=7 => format!("sw_{name}"),
        8 => format!("{name}{}", "x".repeat(251)),
        9 => format!("{name} "),
        10 => format!("\u{3000}{name}"),
        11 => format!("{name}\u{2028}x"),
        12 => format!("{name}\u{85}"),
        13 => format!("{name}*"),
        14 => format!("{{{name}}}"),
        _ => format!("x{name}\u{9f}x"),
    }
}
