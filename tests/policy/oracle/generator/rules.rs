//! Rules by chance: what is allowed, and denials that are mostly about it. Must not know either evaluator.

use super::dice::{Dice, WORDS};
use super::plan::{self, Plan};

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

impl Plan {
    /// Fills the tables of one role, which is there and says whose sessions it is for.
    pub(super) fn add_rules(&mut self, dice: &mut Dice, role: &str) {
        let at = self.separator;
        let needs_issuer = self.is_several() && self.issuers_of(role).len() > 1;
        let (allows, denies) = *dice.pick(&[(2, 0), (3, 0), (2, 1), (3, 1), (4, 2), (3, 2), (0, 2)]);
        let mut allowed: Vec<String> = (0..allows).map(|_| self.allow(dice, needs_issuer)).collect();
        let issuer = if needs_issuer { format!("{{issuer}}{at}") } else { String::new() };
        if dice.chance(20) {
            allowed.push(format!("wide{at}{issuer}{{wide}}"));
        }
        if dice.chance(12) {
            allowed.push(format!("edge{at}{issuer}{{edge}}{at}{{edge}}"));
        }
        for pattern in allowed {
            let rights = rights(dice);
            self.roles.get_mut(role).unwrap().channels.insert(pattern, rights);
        }
        for _ in 0..denies {
            let allowed = self.allowed();
            let pattern = if allowed.is_empty() || dice.chance(35) {
                self.deny(dice)
            } else {
                let allowed = dice.pick(&allowed).clone();
                self.about(dice, &allowed)
            };
            let rights = rights(dice);
            self.roles.get_mut(role).unwrap().deny.insert(pattern, rights);
        }
    }

    /// What any role so far allows.
    fn allowed(&self) -> Vec<String> {
        self.roles.values().flat_map(|role| role.channels.keys().cloned()).collect()
    }

    fn allow(&self, dice: &mut Dice, needs_issuer: bool) -> String {
        let allowed = self.allowed();
        let mut parts = if !allowed.is_empty() && dice.chance(40) {
            // The same once more, or wider.
            let mut parts = plan::parts(dice.pick::<String>(&allowed), self.separator);
            if parts.len() > 1 && dice.chance(40) {
                let place = 1 + dice.below(parts.len() - 1);
                let is_last = place + 1 == parts.len();
                parts[place] = if is_last && dice.chance(30) { "**".to_owned() } else { "*".to_owned() };
            }
            parts
        } else {
            let mut parts = vec![(*dice.pick(&["support", "support", "room", "größe"])).to_owned()];
            for place in 0..*dice.pick(&[0, 1, 1, 2, 2, 3]) {
                parts.push(self.segment(dice, place > 0));
            }
            if dice.chance(10) {
                parts.push("**".to_owned());
            }
            parts
        };
        // White space may stand anywhere but at a name's ends.
        if parts.len() > 2 && WORDS.contains(&parts[1].as_str()) && dice.chance(30) {
            parts[1] = format!(" {} ", parts[1]);
        }
        let has_claim = parts.iter().any(|part| part.starts_with('{') && part != "{issuer}");
        if needs_issuer && has_claim && !parts.contains(&"{issuer}".to_owned()) {
            parts.insert(1, "{issuer}".to_owned());
        }
        parts.join(&self.separator.to_string())
    }

    fn deny(&self, dice: &mut Dice) -> String {
        if dice.chance(50) {
            let hole = self.ban(dice);
            let rest = if dice.chance(20) { format!("{}**", self.separator) } else { String::new() };
            return format!("{}{}{hole}{rest}", dice.pick(&["support", "room", "größe"]), self.separator);
        }
        let first = match dice.below(12) {
            0 => return (*dice.pick(&["**", "*"])).to_owned(),
            1 | 2 if self.separator != '_' => "sw_internal".to_owned(),
            3 | 4 => "*".to_owned(),
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
            let is_last = place + 1 == count;
            changed.push(match dice.below(12) {
                0..=3 => part,
                4 => "*".to_owned(),
                5 if place > 0 && is_last => "**".to_owned(),
                _ if part == "**" || (place == 0 && count > 1) => part,
                _ => self.ban(dice),
            });
        }
        changed.join(&self.separator.to_string())
    }

    /// A placeholder of a deny rule.
    fn ban(&self, dice: &mut Dice) -> String {
        if dice.chance(45) { "{bans}".to_owned() } else { self.hole(dice) }
    }

    fn segment(&self, dice: &mut Dice, may_be_odd: bool) -> String {
        match dice.below(12) {
            0 | 1 => dice.word(),
            2 if may_be_odd => "*".to_owned(),
            3 | 4 => "*".to_owned(),
            _ => self.hole(dice),
        }
    }

    fn hole(&self, dice: &mut Dice) -> String {
        if dice.chance(8) {
            return (*dice.pick(&["{issuer}", "{issuer}", "{issuer}", "{issuer|sha256}"])).to_owned();
        }
        let claim = *dice.pick(CLAIMS);
        let filters: &[&str] = if "-_".contains(self.separator) { &["|sha256"] } else { &["|b64url", "|sha256"] };
        let filter = if dice.chance(16) { *dice.pick(filters) } else { "" };
        format!("{{{claim}{filter}}}")
    }
}

fn rights(dice: &mut Dice) -> Vec<String> {
    let rights: &[&[&str]] = &[&["read"], &["write"], &["read", "write"], &["read", "write"], &["write", "read"]];
    dice.pick(rights).iter().map(ToString::to_string).collect()
}
