//! Policies by chance: good ones, in every shape that `policy.md` knows. Must not know either evaluator.

use std::collections::BTreeMap;

use super::dice::{Dice, quoted};
use super::plan::{self, Plan, RolePlan};

const ROLES: &[&str] = &["agent", "customer", "muted", "staff", "team lead"];

impl Plan {
    pub(super) fn of(dice: &mut Dice) -> Self {
        let separator = *dice.pick(&[':', '.', '/', '#', '-', '_']);
        let aliases: &[&str] =
            dice.pick::<&[&str]>(&[&["app"], &["app"], &["app"], &["app", "old"], &["app", "old", "zzz"]]);
        let mut plan = Self {
            separator,
            aliases: aliases.iter().map(ToString::to_string).collect(),
            ttl: ttl(dice),
            member: String::new(),
            state: state(dice),
            client_state: Vec::new(),
            roles: BTreeMap::new(),
            default_role: None,
            guest: None,
            blocked: Vec::new(),
            extra: String::new(),
        };
        if dice.chance(60) {
            plan.client_state = dice.some(&["status", "mood", "a/b~c"].map(ToOwned::to_owned), 70);
        }
        plan.member = plan.member_id(dice);
        plan.add_roles(dice);
        let for_all = |role: &&String| plan.issuers_of(role).len() == plan.aliases.len();
        let defaults: Vec<String> = plan.roles.keys().filter(for_all).cloned().collect();
        if !defaults.is_empty() && dice.chance(50) {
            let role = dice.pick(&defaults).clone();
            if plan.is_several() {
                plan.roles.get_mut(&role).unwrap().issuers = Some(plan.aliases.clone());
            }
            plan.default_role = Some(role);
        }
        if dice.chance(75) {
            let role = dice.pick(&plan.roles.keys().cloned().collect::<Vec<_>>()).clone();
            let least = plan.ttl[0] + *dice.pick(&[0, 0, 0, 1, 2, 7]);
            let cap = plan::duration(dice, least);
            if dice.chance(60) {
                plan.roles.get_mut(&role).unwrap().channels.insert("lobby".to_owned(), vec!["read".to_owned()]);
            }
            plan.guest = Some((role, dice.chance(90).then_some(cap)));
        }
        if dice.chance(30) {
            let between = |issuer: &str, sub: &str| format!("{issuer}{separator}{sub}");
            plan.blocked = vec!["alice".into(), between("app", "alice"), between("user", "bob"), between("old", "p1")];
        }
        plan
    }

    pub(super) fn is_several(&self) -> bool {
        self.aliases.len() > 1
    }

    fn member_id(&self, dice: &mut Dice) -> String {
        let at = self.separator;
        let one: Vec<String> = vec![
            "{sub}".into(),
            "{sub}".into(),
            "{/sub}".into(),
            "{sub|sha256}".into(),
            format!("user{at}{{sub}}"),
            format!("user{at}{{sub}}"),
            format!("{{sub}}{at}{{/objects/1/id}}"),
            format!("{{/objects/1/id}}{at}{{sub}}"),
            format!("m{at}{{edge}}{at}{{edge}}"),
            (*dice.pick(&["{projects}", "{n}", "{/tenant/id}", "{/tenant/id|sha256}"])).into(),
        ];
        let several = [
            format!("{{issuer}}{at}{{sub}}"),
            format!("{{issuer}}{at}{{sub}}"),
            format!("user{at}{{issuer}}{at}{{sub|sha256}}"),
            format!("{{sub}}{at}{{issuer}}"),
            format!("{{sub}}{at}{{/objects/1/id}}{at}{{issuer}}"),
            format!("{{issuer}}{at}{{edge}}{at}{{edge}}"),
        ];
        if self.is_several() || dice.chance(20) {
            dice.pick(&several).clone()
        } else if dice.chance(40) {
            String::new()
        } else {
            dice.pick(&one).clone()
        }
    }

    /// Roles, the later ones first, as a role includes only later ones.
    fn add_roles(&mut self, dice: &mut Dice) {
        let count = dice.pick(&[1, 2, 3, 4, 5, 5]);
        let is_diamond = *count >= 4 && dice.chance(50);
        for place in (0..*count).rev() {
            let mut role = RolePlan::default();
            let mut includes = dice.some(&ROLES[place + 1..*count], if place + 2 < *count { 35 } else { 50 });
            if is_diamond && place < 3 {
                includes = if place == 0 { ROLES[1..3].to_vec() } else { vec![ROLES[3]] };
            }
            role.max_ttl = self.cap(dice, 60);
            if dice.chance(55) {
                let names = ["agent", "customer", "group-1", "group-2", "Staff"];
                role.claimed_as = Some(dice.some(&names, 35).into_iter().map(ToOwned::to_owned).collect());
            }
            if self.is_several() || dice.chance(10) {
                let common = |alias: &&String| includes.iter().all(|role| self.issuers_of(role).contains(alias));
                let common: Vec<String> = self.aliases.iter().filter(common).cloned().collect();
                if common.is_empty() {
                    includes.clear();
                }
                let may = if common.is_empty() { self.aliases.clone() } else { common };
                let some = dice.some(&may, 65);
                let is_free = role.claimed_as.as_ref().is_some_and(Vec::is_empty) && may == self.aliases;
                role.issuers = if is_free { None } else { Some(if some.is_empty() { may } else { some }) };
            }
            role.includes = includes.into_iter().map(ToOwned::to_owned).collect();
            self.roles.insert(ROLES[place].to_owned(), role);
            self.add_rules(dice, ROLES[place]);
        }
    }

    fn cap(&self, dice: &mut Dice, percent: u32) -> Option<String> {
        let minutes = self.ttl[0] + *dice.pick(&[0, 1, 2, 4, 7, 9, 12, 13, 25, 47, 60, 480]);
        dice.chance(percent).then(|| plan::duration(dice, minutes))
    }
}

/// `min`, `default` and `max`.
fn ttl(dice: &mut Dice) -> [i64; 3] {
    let min = *dice.pick(&[3, 3, 3, 1, 2, 5]);
    let default = min + *dice.pick(&[12, 12, 0, 3, 27]);
    let max = *dice.pick(&[60, default, default, default + 1, default + 2, 43_200]);
    [min, default, max.max(default)]
}

/// Keys and values as they stand in the file.
fn state(dice: &mut Dice) -> Vec<(String, String)> {
    if dice.chance(25) {
        return Vec::new();
    }
    if dice.chance(8) {
        // 1,843 characters and the filler, at most.
        let filler = "x".repeat(*dice.pick(&[0, 100, 156, 157]));
        let claims = ["name", "flag", "n"];
        let place = |place| (format!("k{place}"), format!("\"{{{}}}\"", dice.pick(&claims)));
        return (1..=7).map(place).chain([("zz".to_owned(), quoted(&filler))]).collect();
    }
    let entries = [
        ("name", "\"{name}\""),
        ("name", "\"{name}\""),
        ("org", "\"{/tenant/id}\""),
        ("n", "\"{n}\""),
        ("flag", "\"{flag}\""),
        ("digest", "\"{flag|sha256}\""),
        ("text", "\"{name|b64url}\""),
        ("from", "\"{issuer}\""),
        ("list", "\"{projects}\""),
        ("tier", "\"gold\\n\""),
        ("größe", "\"größe\""),
        ("level", "3"),
        ("ratio", "-1.5"),
        ("whole", "2.0"),
        ("beta", "true"),
    ];
    let chosen = dice.some(&entries, 30).into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    chosen.collect::<BTreeMap<_, _>>().into_iter().collect()
}
