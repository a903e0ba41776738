//! What is allowed and probably not meant, in a document that a person wrote.

use std::fmt::{Display, Formatter};

use super::fault::{Place, Words};

/// One such thing.
#[derive(Clone, Debug)]
pub struct Lint {
    /// The name by which a comment silences it.
    pub name: &'static str,
    place: Place,
    message: String,
    advice: String,
}

/// All that were found and not silenced, in the order in which they were.
#[derive(Clone, Debug, Default)]
pub struct Lints(Vec<Lint>);

impl Lints {
    /// Notes one, unless a comment on its line says `# usher: allow <lint>: <reason>`.
    pub fn add(&mut self, name: &'static str, place: &Place, message: impl Into<String>, advice: impl Into<String>) {
        if !is_silenced(name, place) {
            self.0.push(Lint { name, place: place.clone(), message: message.into(), advice: advice.into() });
        }
    }

    /// Takes over all of another list.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Lint> {
        self.0.iter()
    }
}

impl Lint {
    /// `path:line:column: what it is`, on one line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!("{}: {}", self.place, self.message)
    }
}

impl Display for Lint {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let words = Words { lint: Some(self.name), message: &self.message, advice: &self.advice };
        words.show_at(&self.place, formatter)
    }
}

/// Without a reason nothing is silenced.
fn is_silenced(name: &str, place: &Place) -> bool {
    let comments = place.line_text().split("# usher: allow ").skip(1);
    let reasons =
        comments.filter_map(|comment| comment.trim_start().strip_prefix(name)?.trim_start().strip_prefix(':'));
    reasons.into_iter().any(|reason| !reason.trim().is_empty())
}
