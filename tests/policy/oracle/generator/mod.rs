//! Worlds by chance: policies, and for each of them sessions and requests. Must not know what is decided.

mod dice;
mod plan;
mod policies;
mod requests;
mod rules;
mod sessions;
mod spoiled;

use std::collections::BTreeSet;

use serde_json::Value;
use usher::chat::{Facts, Timestamp};

use self::dice::Dice;
use self::plan::Plan;

/// A policy and what comes of chance under it.
pub(super) struct World {
    pub(super) text: String,
    pub(super) aliases: BTreeSet<String>,
    plan: Plan,
    dice: Dice,
}

/// One request.
pub(super) struct Case {
    pub(super) facts: Facts,
    pub(super) body: Value,
    pub(super) now: Timestamp,
    /// Whether the operator lets a client ask for the mode `narrow`.
    pub(super) narrow: bool,
    /// What is special about it.
    pub(super) marks: Vec<&'static str>,
}

impl World {
    /// The world of a seed, the same each time.
    pub(super) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut plan = Plan::of(&mut dice);
        if dice.chance(2) {
            spoiled::spoil(&mut plan, &mut dice);
        }
        let text = plan.text(&mut dice);
        Self { text, aliases: plan.aliases.iter().cloned().collect(), plan, dice }
    }

    /// The next request.
    pub(super) fn case(&mut self) -> Case {
        let now = Timestamp::from_millis(1_800_000_000_000 + self.dice.between(0, 1_000_000_000));
        let mut marks = vec![match self.plan.separator {
            ':' => "separator :",
            '.' => "separator .",
            '/' => "separator /",
            '#' => "separator #",
            '-' => "separator -",
            _ => "separator _",
        }];
        if self.aliases.len() > 1 {
            marks.push("several issuers");
        }
        let facts = sessions::facts(&mut self.dice, &self.plan, &self.text, now);
        let body = requests::body(&mut self.dice, &self.plan, &facts, &mut marks);
        Case { facts, body, now, narrow: !self.dice.chance(6), marks }
    }
}
