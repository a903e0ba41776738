//! Roles and their tables of rules. Each table is a tree by pattern segments, so a lookup costs what
//! could match, not how many rules there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::HashMap;

use super::account::RuleRef;
use super::pattern::{Pattern, Segment};
use crate::chat::{Rights, Ttl};
use crate::schema::Place;

#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) name: Arc<str>,
    /// The aliases whose sessions may claim it; none: every alias.
    pub(crate) issuers: Option<BTreeSet<String>>,
    pub(crate) place: Place,
    /// What its own rules have.
    pub(crate) max_ttl: Option<Ttl>,
    /// This role and all that it includes, directly or not; sorted.
    pub(crate) closure: Vec<usize>,
    pub(crate) allow: Rules,
    pub(crate) deny: Rules,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) pattern: Pattern,
    pub(crate) rights: Rights,
    /// The cap of the table that it stands in; a deny has none.
    pub(crate) max_ttl: Option<Ttl>,
    pub(crate) line: usize,
    pub(crate) place: Place,
}

/// The rules of one table, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    list: Vec<Rule>,
    root: Node,
}

/// Where all patterns go on that begin with the same segments.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    one: Option<Box<Node>>,
    placeholders: Vec<(usize, Node)>,
    /// The rules whose patterns end here.
    end: Vec<usize>,
    /// The rules whose patterns end here with `**`.
    rest: Vec<usize>,
}

/// How a rule that is looked for stands to a pattern, whatever the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It matches every name that the pattern matches.
    Covers,
    /// Some name may be matched by both.
    Overlaps,
}

impl Role {
    /// Whether sessions of this issuer may claim it.
    pub(crate) fn is_for(&self, alias: &str) -> bool {
        self.issuers.as_ref().is_none_or(|issuers| issuers.contains(alias))
    }

    /// How an account refers to one of its rules.
    pub(crate) fn reference(&self, rule: &Rule) -> RuleRef {
        RuleRef { role: self.name.clone(), pattern: rule.pattern.text.clone(), line: rule.line }
    }
}

impl Rule {
    /// How long what it grants may live, in minutes.
    pub(crate) fn generosity(&self) -> u32 {
        self.max_ttl.map_or(u32::MAX, Ttl::minutes)
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let list: Vec<Rule> = rules.into_iter().collect();
        let mut root = Node::default();
        for (index, rule) in list.iter().enumerate() {
            root.insert(&rule.pattern.segments, index);
        }
        Self { list, root }
    }
}

impl Rules {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.list.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The rules that match a name, split at the separator; `fits` says whether a segment is among a placeholder's values.
    pub(super) fn matching(&self, name: &[&str], fits: &impl Fn(usize, &str) -> bool) -> impl Iterator<Item = &Rule> {
        let mut found = Vec::new();
        self.root.matching(name, fits, &mut found);
        found.into_iter().filter_map(|index| self.list.get(index))
    }

    /// The rules that stand so to `pattern`; `same` says whether one of our placeholders is the same as one of its own.
    pub(crate) fn related<'a>(
        &'a self,
        relation: Relation,
        pattern: &Pattern,
        same: &dyn Fn(usize, usize) -> bool,
    ) -> impl Iterator<Item = &'a Rule> + use<'a> {
        let mut found = Vec::new();
        match relation {
            Relation::Covers => self.root.covering(&pattern.segments, same, &mut found),
            Relation::Overlaps => self.root.overlapping(&pattern.segments, &mut found),
        }
        found.into_iter().filter_map(|index| self.list.get(index))
    }
}

impl Node {
    fn insert(&mut self, segments: &[Segment], rule: usize) {
        let Some((first, rest)) = segments.split_first() else { return self.end.push(rule) };
        let next = match first {
            Segment::Rest => return self.rest.push(rule),
            Segment::Literal(literal) => self.literals.entry(literal.clone()).or_default(),
            Segment::One => self.one.get_or_insert_default(),
            Segment::Placeholder(wanted) => {
                let known = self.placeholders.iter().position(|(index, _)| index == wanted);
                let at = known.unwrap_or_else(|| {
                    self.placeholders.push((*wanted, Self::default()));
                    self.placeholders.len() - 1
                });
                match self.placeholders.get_mut(at) {
                    Some((_, node)) => node,
                    None => return,
                }
            }
        };
        next.insert(rest, rule);
    }

    fn matching(&self, name: &[&str], fits: &impl Fn(usize, &str) -> bool, found: &mut Vec<usize>) {
        let Some((part, rest)) = name.split_first() else { return found.extend(&self.end) };
        // INVARIANT: a segment of a name that is empty is matched by nothing: no literal is empty.
        if part.is_empty() {
            return;
        }
        if !self.rest.is_empty() && rest.iter().all(|part| !part.is_empty()) {
            found.extend(&self.rest);
        }
        if let Some(next) = self.literals.get(*part) {
            next.matching(rest, fits, found);
        }
        if let Some(next) = &self.one {
            next.matching(rest, fits, found);
        }
        for (placeholder, next) in &self.placeholders {
            if fits(*placeholder, part) {
                next.matching(rest, fits, found);
            }
        }
    }

    fn covering(&self, segments: &[Segment], same: &dyn Fn(usize, usize) -> bool, found: &mut Vec<usize>) {
        let Some((first, rest)) = segments.split_first() else { return found.extend(&self.end) };
        found.extend(&self.rest);
        if *first == Segment::Rest {
            return;
        }
        if let Some(next) = &self.one {
            next.covering(rest, same, found);
        }
        match first {
            Segment::Literal(literal) => {
                if let Some(next) = self.literals.get(literal) {
                    next.covering(rest, same, found);
                }
            }
            Segment::Placeholder(wanted) => {
                for (_, next) in self.placeholders.iter().filter(|(index, _)| same(*index, *wanted)) {
                    next.covering(rest, same, found);
                }
            }
            Segment::One | Segment::Rest => {}
        }
    }

    fn overlapping(&self, segments: &[Segment], found: &mut Vec<usize>) {
        let Some((first, rest)) = segments.split_first() else { return found.extend(&self.end) };
        found.extend(&self.rest);
        match first {
            Segment::Rest => return self.children().for_each(|next| next.everything(found)),
            Segment::Literal(literal) => {
                if let Some(next) = self.literals.get(literal) {
                    next.overlapping(rest, found);
                }
            }
            Segment::One | Segment::Placeholder(_) => {
                self.literals.values().for_each(|next| next.overlapping(rest, found));
            }
        }
        let open = self.one.as_deref().into_iter().chain(self.placeholders.iter().map(|(_, next)| next));
        open.for_each(|next| next.overlapping(rest, found));
    }

    fn everything(&self, found: &mut Vec<usize>) {
        found.extend(self.end.iter().chain(&self.rest));
        self.children().for_each(|next| next.everything(found));
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        let placeholders = self.placeholders.iter().map(|(_, next)| next);
        self.literals.values().chain(self.one.as_deref()).chain(placeholders)
    }
}
