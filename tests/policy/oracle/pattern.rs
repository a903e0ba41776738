//! Patterns, the slow way: text to segments, and segments against names. Must not know roles, rights, or anything of the
//! real evaluator.

use std::collections::BTreeSet;

use super::claims::{Claims, Hole};
use super::notes::Notes;

/// One part of a pattern between separators.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Segment {
    Literal(String),
    Star,
    Stars,
    Hole(Hole),
}

/// A pattern, and what it was read from.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) segments: Vec<Segment>,
    separator: char,
}

enum Token {
    Character(char),
    Braces(String),
}

impl Pattern {
    /// Reads a pattern: braces first, then segments.
    pub(super) fn read(text: &str, separator: char) -> Result<Self, String> {
        let mut parts: Vec<Vec<Token>> = vec![Vec::new()];
        for token in tokens(text)? {
            match token {
                Token::Character(character) if character == separator => parts.push(Vec::new()),
                other => parts.last_mut().unwrap().push(other),
            }
        }
        let count = parts.len();
        let mut segments = Vec::new();
        for (place, part) in parts.into_iter().enumerate() {
            let segment = segment(part)?;
            if segment == Segment::Stars && place + 1 < count {
                return Err(format!("{text}: ** stands last"));
            }
            segments.push(segment);
        }
        Ok(Self { segments, separator })
    }

    pub(super) fn holes(&self) -> Vec<&Hole> {
        let mut holes = Vec::new();
        for segment in &self.segments {
            if let Segment::Hole(hole) = segment {
                holes.push(hole);
            }
        }
        holes
    }

    pub(super) fn literals(&self) -> Vec<&str> {
        let mut literals = Vec::new();
        for segment in &self.segments {
            if let Segment::Literal(text) = segment {
                literals.push(text.as_str());
            }
        }
        literals
    }

    pub(super) fn has_wildcard(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Star | Segment::Stars))
    }

    /// The segments of a name beside those of the pattern that they must be, if nothing but claims can keep them apart.
    fn beside<'a>(&'a self, name: &'a str) -> Option<Vec<(&'a Segment, &'a str)>> {
        // As often as not that is all that there is to see.
        if let Some(Segment::Literal(first)) = self.segments.first()
            && !name.starts_with(first)
        {
            return None;
        }
        let parts: Vec<&str> = name.split(self.separator).collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        let is_open = self.segments.last() == Some(&Segment::Stars);
        let is_long_enough =
            if is_open { parts.len() >= self.segments.len() } else { parts.len() == self.segments.len() };
        let pairs: Vec<_> = self.segments.iter().zip(parts).collect();
        let agree = pairs.iter().all(|(segment, part)| match segment {
            Segment::Literal(text) => text == part,
            Segment::Star | Segment::Stars | Segment::Hole(_) => true,
        });
        (is_long_enough && agree).then_some(pairs)
    }

    /// Whether a rule that allows is about this name, which was asked for.
    pub(super) fn allows(&self, name: &str, claims: &Claims<'_>, notes: &mut Notes) -> bool {
        let Some(pairs) = self.beside(name) else { return false };
        pairs.iter().all(|(segment, part)| match segment {
            Segment::Hole(hole) => {
                let reading = claims.reading(hole);
                notes.allow_reading(&reading);
                let is_one = reading.values.contains(*part);
                if is_one {
                    notes.filled(hole, &reading);
                }
                is_one
            }
            _ => true,
        })
    }

    /// Whether a rule that denies is about this name.
    pub(super) fn denies(&self, name: &str, claims: &Claims<'_>, notes: &mut Notes) -> bool {
        let Some(pairs) = self.beside(name) else { return false };
        pairs.iter().all(|(segment, part)| match segment {
            Segment::Hole(hole) => {
                let reading = claims.reading(hole);
                notes.deny_reading(&reading);
                reading.denies_anything() || reading.values.contains(*part)
            }
            _ => true,
        })
    }

    /// Every way to fill it, up to 501; none for one with a wildcard.
    pub(super) fn filled(&self, claims: &Claims<'_>, notes: &mut Notes) -> BTreeSet<String> {
        if self.has_wildcard() {
            return BTreeSet::new();
        }
        let mut names = vec![String::new()];
        for (place, segment) in self.segments.iter().enumerate() {
            let choices: Vec<String> = match segment {
                Segment::Literal(text) => vec![text.clone()],
                Segment::Hole(hole) => {
                    let reading = claims.reading(hole);
                    notes.allow_reading(&reading);
                    notes.filled(hole, &reading);
                    reading.values.iter().cloned().collect()
                }
                Segment::Star | Segment::Stars => Vec::new(),
            };
            let between = if place == 0 { String::new() } else { self.separator.to_string() };
            let longer = names.iter().flat_map(|name| choices.iter().map(move |choice| (name, choice))).take(501);
            names = longer.map(|(name, choice)| format!("{name}{between}{choice}")).collect();
        }
        names.into_iter().collect()
    }

    /// The one way to fill it, if there is exactly one.
    pub(super) fn filled_once(&self, claims: &Claims<'_>) -> Option<String> {
        let mut parts = Vec::new();
        for segment in &self.segments {
            parts.push(match segment {
                Segment::Literal(text) => text.clone(),
                Segment::Star | Segment::Stars => return None,
                Segment::Hole(hole) => claims.reading(hole).only()?.to_owned(),
            });
        }
        Some(parts.join(&self.separator.to_string()))
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        tokens.push(match character {
            '}' => return Err(format!("{text}: nothing opens this brace")),
            '{' => {
                let (inside, after) = rest.split_once('}').ok_or_else(|| format!("{text}: nothing closes it"))?;
                if inside.contains('{') {
                    return Err(format!("{text}: a brace in braces"));
                }
                rest = after;
                Token::Braces(inside.to_owned())
            }
            other => Token::Character(other),
        });
    }
    Ok(tokens)
}

fn segment(part: Vec<Token>) -> Result<Segment, String> {
    let mut text = String::new();
    let count = part.len();
    for token in part {
        match token {
            Token::Braces(inside) if count == 1 => return Hole::read(&inside).map(Segment::Hole),
            Token::Braces(inside) => return Err(format!("{{{inside}}} does not stand alone")),
            Token::Character(character) => text.push(character),
        }
    }
    match text.as_str() {
        "" => Err("an empty segment".to_owned()),
        "*" => Ok(Segment::Star),
        "**" => Ok(Segment::Stars),
        text if text.contains('*') => Err(format!("{text} is neither a wildcard nor a literal")),
        _ => Ok(Segment::Literal(text)),
    }
}
