//! Policies by chance: good ones, in every shape that `policy.md` knows. Must not know either evaluator.

use std::collections::BTreeMap;

use super::dice::{Dice, quoted};
use super::plan::{self, Plan, RolePlan};

/// What placeholders are about; the claims of [`super::sessions`].
const CLAIMS: &[&str] = &[
    "sub",
    "sub",
    "projects",
    "projects",
    "teams",
    "n",
    "https://example.com/org",
    "missing",
    "tenant",
    "/sub",
    "/tenant/id",
    "/tenant/id",
    "/tenant/a~1b",
    "/tenant/a~1b",
    "/tenant/m~0n",
    "/tenant/m~0n",
    "/tenant/list",
    "/tenant/list/0",
    "/tenant/list/1",
    "/tenant/0",
    "/objects/0/id",
    "/objects/1/id",
    "/objects/01/id",
    "/objects/-/id",
    "/~01",
    "/",
    "/issuer",
    "/missing/x",
    "/sub/0",
];

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
        if dice.chance(65) {
            let role = dice.pick(&plan.roles.keys().cloned().collect::<Vec<_>>()).clone();
            plan.guest = Some((role, plan.cap(dice, 60)));
        }
        if dice.chance(40) {
            let between = |issuer: &str, sub: &str| format!("{issuer}{separator}{sub}");
            plan.blocked = vec!["alice".into(), between("app", "alice"), between("user", "bob"), between("old", "p1")];
        }
        plan
    }

    fn is_several(&self) -> bool {
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
            format!("{{n}}{at}{{sub}}"),
            format!("{{sub}}{at}{{/tenant/id}}"),
            format!("{{/tenant/id}}{at}{{sub}}{at}{{n}}"),
            "{projects}".into(),
            "{teams|sha256}".into(),
        ];
        let several = [
            format!("{{issuer}}{at}{{sub}}"),
            format!("{{issuer}}{at}{{sub}}"),
            format!("user{at}{{issuer}}{at}{{sub|sha256}}"),
            format!("{{sub}}{at}{{issuer}}"),
            format!("{{sub}}{at}{{n}}{at}{{issuer}}"),
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
            role.max_ttl = self.cap(dice, 45);
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

    fn add_rules(&mut self, dice: &mut Dice, role: &str) {
        let needs_issuer = self.is_several() && self.issuers_of(role).len() > 1;
        let (allows, denies) = *dice.pick(&[(1, 0), (2, 0), (3, 1), (4, 1), (2, 2), (0, 2)]);
        for _ in 0..allows {
            let pattern = self.allow(dice, needs_issuer);
            let rights = rights(dice);
            self.roles.get_mut(role).unwrap().channels.insert(pattern, rights);
        }
        if dice.chance(10) {
            let at = self.separator;
            let wide =
                if needs_issuer { format!("wide{at}{{issuer}}{at}{{wide}}") } else { format!("wide{at}{{wide}}") };
            self.roles.get_mut(role).unwrap().channels.insert(wide, rights(dice));
        }
        for _ in 0..denies {
            // Half of them about what something allows.
            let allowed: Vec<String> = self.roles.values().flat_map(|role| role.channels.keys().cloned()).collect();
            let pattern = if allowed.is_empty() || dice.chance(30) {
                self.deny(dice)
            } else {
                let allowed = dice.pick(&allowed).clone();
                self.about(dice, &allowed)
            };
            let rights = rights(dice);
            self.roles.get_mut(role).unwrap().deny.insert(pattern, rights);
        }
    }

    fn allow(&self, dice: &mut Dice, needs_issuer: bool) -> String {
        let mut parts = vec![dice.pick(&["support", "project", "room", "x y", "größe"]).to_string()];
        for place in 0..dice.below(4) {
            parts.push(self.segment(dice, place > 0));
        }
        if parts.last().is_some_and(|last| !last.starts_with('*')) && dice.chance(10) {
            parts.push("**".to_owned());
        }
        let has_claim = parts.iter().any(|part| part.starts_with('{') && part != "{issuer}");
        if needs_issuer && has_claim && !parts.contains(&"{issuer}".to_owned()) {
            parts.insert(1, "{issuer}".to_owned());
        }
        parts.join(&self.separator.to_string())
    }

    fn deny(&self, dice: &mut Dice) -> String {
        let first = match dice.below(6) {
            0 => return dice.pick(&["**", "*"]).to_string(),
            1 if self.separator != '_' => "sw_internal".to_owned(),
            2 => "*".to_owned(),
            _ => self.segment(dice, true),
        };
        let mut parts = vec![first];
        for _ in 0..dice.below(3) {
            parts.push(self.segment(dice, true));
        }
        if dice.chance(25) {
            parts.push("**".to_owned());
        }
        parts.join(&self.separator.to_string())
    }

    /// A deny pattern that often is about the same names.
    fn about(&self, dice: &mut Dice, allowed: &str) -> String {
        let parts = plan::parts(allowed, self.separator);
        let count = parts.len();
        let mut changed: Vec<String> = Vec::new();
        for (place, part) in parts.into_iter().enumerate() {
            changed.push(match dice.below(8) {
                0..=2 => part,
                3 => "*".to_owned(),
                4 if place > 0 && place + 1 == count => "**".to_owned(),
                _ if part == "**" => part,
                _ if place == 0 => part,
                _ => self.hole(dice),
            });
        }
        changed.join(&self.separator.to_string())
    }

    fn segment(&self, dice: &mut Dice, may_be_odd: bool) -> String {
        match dice.below(10) {
            0..=2 => dice.word(),
            3 if may_be_odd => "*".to_owned(),
            4 => "*".to_owned(),
            _ => self.hole(dice),
        }
    }

    fn hole(&self, dice: &mut Dice) -> String {
        if dice.chance(8) {
            return "{issuer}".to_owned();
        }
        let claim = *dice.pick(CLAIMS);
        let filters: &[&str] = if "-_".contains(self.separator) { &["|sha256"] } else { &["|b64url", "|sha256"] };
        let filter = if dice.chance(25) { *dice.pick(filters) } else { "" };
        format!("{{{claim}{filter}}}")
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
    let max = *dice.pick(&[60, 60, default, default + 1, 480, 43_200]);
    [min, default, max.max(default)]
}

fn rights(dice: &mut Dice) -> Vec<String> {
    let rights: &[&[&str]] = &[&["read"], &["write"], &["read", "write"], &["read", "write"], &["write", "read"]];
    dice.pick(rights).iter().map(ToString::to_string).collect()
}

/// Keys and values as they stand in the file.
fn state(dice: &mut Dice) -> Vec<(String, String)> {
    if dice.chance(25) {
        return Vec::new();
    }
    if dice.chance(8) {
        // 1,843 characters and the filler, at most.
        let filler = "x".repeat(*dice.pick(&[0, 100, 156, 157]));
        let place = |place| (format!("k{place}"), quoted(*dice.pick(&["{name}", "{flag}", "{n}"])));
        return (1..=7).map(place).chain([("zz".to_owned(), quoted(&filler))]).collect();
    }
    let entries = [
        ("name", "\"{name}\""),
        ("name", "\"{name}\""),
        ("org", "\"{/tenant/id}\""),
        ("n", "\"{n}\""),
        ("flag", "\"{flag}\""),
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
