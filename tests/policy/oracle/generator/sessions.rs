//! Sessions by chance: every kind of claim where a policy may look for it. Must not know either evaluator.

use serde_json::{Map, Value, json};
use usher::chat::{ClaimedRoles, Facts, Timestamp, Who};

use super::dice::{BANS, Dice, KINDS, Kind};
use super::plan::Plan;

/// Somebody who asks at `now` under a policy with this text.
pub(super) fn facts(dice: &mut Dice, plan: &Plan, text: &str, now: Timestamp) -> Facts {
    if dice.chance(12) {
        let bits = (dice.between(0, i64::MAX).unsigned_abs(), dice.between(0, i64::MAX).unsigned_abs());
        return Facts::guest(uuid::Uuid::from_u64_pair(bits.0, bits.1));
    }
    let roles = if dice.chance(3) { ClaimedRoles::Withheld } else { ClaimedRoles::Names(names(dice, plan)) };
    Facts {
        who: Who::Known { issuer: dice.pick(&plan.aliases).clone() },
        roles,
        claims: claims(dice, plan.separator, text).into(),
        ends: ends(dice, plan, now),
    }
}

/// What stands in the role claim.
fn names(dice: &mut Dice, plan: &Plan) -> Vec<String> {
    let roles: Vec<String> = plan.roles.keys().cloned().collect();
    let known: Vec<String> = roles.iter().flat_map(|role| plan.names_of(role)).collect();
    let mut names = dice.some(&["nobody", "AGENT", "", "group-3"].map(ToOwned::to_owned), 10);
    if !known.is_empty() && dice.chance(85) {
        for _ in 0..=dice.below(4) {
            names.push(dice.pick(&known).clone());
        }
    }
    let is_repeated = dice.chance(50);
    let unclaimable: Vec<String> = roles.into_iter().filter(|role| plan.names_of(role).is_empty()).collect();
    names.extend(dice.some(&unclaimable, 15));
    let place = dice.below(names.len() + 1);
    names.rotate_left(place);
    let mut distinct = Vec::new();
    for name in names {
        if is_repeated || !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

fn claims(dice: &mut Dice, separator: char, text: &str) -> Map<String, Value> {
    // A session often has more than one claim of the same kind, so that rules meet it.
    let theme = *dice.pick(KINDS);
    let claim = |name: &str, dice: &mut Dice, claims: &mut Map<String, Value>| {
        let kind = if dice.chance(70) {
            theme
        } else if dice.chance(50) {
            *dice.pick(&[Kind::Good, Kind::List])
        } else {
            *dice.pick(KINDS)
        };
        if let Some(value) = dice.value(kind, separator) {
            claims.insert(name.to_owned(), value);
        }
    };
    let (mut claims, mut tenant, mut first) = (Map::new(), Map::new(), Map::new());
    for name in ["projects", "teams", "n", "name", "flag", "https://example.com/org", "~1", "", "issuer"] {
        claim(name, dice, &mut claims);
    }
    for name in ["id", "a/b", "m~n", "0"] {
        claim(name, dice, &mut tenant);
    }
    let list: Vec<Value> = (0..dice.below(4)).filter_map(|_| dice.any(KINDS, separator)).collect();
    tenant.insert("list".to_owned(), Value::Array(list));
    claim("id", dice, &mut first);
    claims.insert("tenant".to_owned(), Value::Object(tenant));
    claims.insert("objects".to_owned(), json!([first, { "id": *dice.pick(&["p1", "p2", "alice"]) }]));
    claims.insert("name".to_owned(), name(dice, separator));
    let sub = *dice.pick(&["alice", "alice", "alice", "bob", "bob", "p1", "t1", "guest", "guest-1"]);
    claims.insert("sub".to_owned(), json!(sub));
    if dice.chance(5) {
        claims.remove("sub");
        claim("sub", dice, &mut claims);
    }
    if text.contains("wide") && dice.chance(34) {
        claims.insert("wide".to_owned(), wide(dice));
    }
    if let Some(value) = dice.any(BANS, separator) {
        claims.insert("bans".to_owned(), value);
    }
    if text.contains("edge") {
        claims.insert("edge".to_owned(), edge(dice));
    }
    claims
}

/// For the state, where the limits are others than a segment's.
fn name(dice: &mut Dice, separator: char) -> Value {
    match dice.below(6) {
        0 => json!("x".repeat(*dice.pick(&[253, 254, 255]))),
        1 => json!("\"".repeat(*dice.pick(&[126, 127, 128]))),
        2 => json!("é".repeat(*dice.pick(&[200, 254, 255]))),
        3 => json!("José García"),
        _ => dice.any(KINDS, separator).unwrap_or(Value::Null),
    }
}

/// Lists about as long as what a token holds, and as what a claim may hold.
fn wide(dice: &mut Dice) -> Value {
    let count = *dice.pick(&[490, 494, 496, 498, 499, 499, 500, 500, 501, 1_001]);
    let mut list = dice.thousand[..count.min(1_000)].to_vec();
    list.extend((1_000..count).map(Value::from));
    if dice.chance(12) {
        // Many, and some of them twice.
        list.truncate(400);
        list.extend_from_within(..200);
    }
    Value::Array(list)
}

/// What makes names, and member ids, of about as many characters as they may have.
fn edge(dice: &mut Dice) -> Value {
    let text = |dice: &mut Dice| "x".repeat(usize::try_from(dice.between(119, 126)).unwrap());
    if dice.chance(75) { json!(text(dice)) } else { json!([text(dice), text(dice), text(dice)]) }
}

/// When the session ends.
fn ends(dice: &mut Dice, plan: &Plan, now: Timestamp) -> Option<Timestamp> {
    let [min, default, _] = plan.ttl;
    let left = match dice.below(17) {
        0 => return Some(Timestamp::from_millis(*dice.pick(&[i64::MAX, i64::MIN, 0]))),
        1..=4 => return None,
        5 | 6 => dice.between(90, 400) * 24 * 3_600_000,
        7 | 8 => dice.between(min, default) * 60_000 + dice.between(0, 59_999),
        9 => min * 60_000,
        10 => min * 60_000 + dice.between(-2, 2),
        11 => dice.between(min, default + 2) * 60_000 + dice.between(-1, 0),
        12 => dice.between(0, min * 60_000 - 1),
        13 | 14 => -dice.between(1, 100_000_000),
        _ => dice.between(min, default + 60) * 60_000,
    };
    Some(now.plus_millis(left))
}
