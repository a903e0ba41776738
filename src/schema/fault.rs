//! What is wrong in a document that a person wrote: the place, the line with a caret, what to write instead.

use std::fmt::{Display, Formatter};
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Where values come from: a file, or one environment variable.
#[derive(Debug)]
pub struct Source {
    /// The path as it was given, or the variable's name.
    pub name: String,
    /// The file's text; none for a variable.
    text: Option<String>,
    /// The first byte of each line.
    lines: Vec<usize>,
    /// Whether a report may show the lines: not where they may hold a secret.
    shows_lines: bool,
}

impl Source {
    /// A file whose lines may be shown.
    #[must_use]
    pub fn file(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Self::of_text(name, text, true)
    }

    /// A file that may hold secrets: places are told, lines are not shown.
    #[must_use]
    pub fn confidential_file(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Self::of_text(name, text, false)
    }

    /// An environment variable, or anything else that has a name and no lines.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: None, lines: vec![0], shows_lines: false })
    }

    fn of_text(name: impl Into<String>, text: impl Into<String>, shows_lines: bool) -> Arc<Self> {
        let text = text.into();
        // A byte order mark is nothing that anybody sees.
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let lines = std::iter::once(first).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Arc::new(Self { name: name.into(), text: Some(text), lines, shows_lines })
    }

    /// The text; empty where there is none.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Line and column of a byte, both from 1, the column in characters.
    #[must_use]
    pub fn line_and_column(&self, byte: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or_default();
        let before = self.text().get(start..byte).or_else(|| self.text().get(start..)).unwrap_or_default();
        (line.max(1), before.chars().count() + 1)
    }

    /// The whole lines that some bytes stand on, and the number of the first.
    fn lines_of(&self, span: &Range<usize>) -> (Range<usize>, usize) {
        let (line, _) = self.line_and_column(span.start);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let rest = self.text().get(span.end..).unwrap_or_default();
        let end = rest.find('\n').map_or(self.text().len(), |found| span.end + found);
        let text = self.text().get(start..end).unwrap_or_default();
        (start..start + text.trim_end_matches('\r').len(), line)
    }
}

/// A place in a source.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where.
    pub source: Arc<Source>,
    /// Which bytes of its text; none for the whole.
    pub span: Option<Range<usize>>,
}

impl Place {
    /// The whole of a source.
    #[must_use]
    pub fn whole(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), span: None }
    }

    /// Some bytes of a source.
    #[must_use]
    pub fn of(source: &Arc<Source>, span: Range<usize>) -> Self {
        Self { source: Arc::clone(source), span: Some(span) }
    }

    /// Whether it stands in a file's text, and not in a variable.
    #[must_use]
    pub fn is_in_text(&self) -> bool {
        self.span.is_some()
    }

    /// The whole line that it stands on; empty where the source has none.
    #[must_use]
    pub fn line_text(&self) -> &str {
        let line = self.span.as_ref().map(|span| self.source.lines_of(&(span.start..span.start)).0);
        line.and_then(|line| self.source.text().get(line)).unwrap_or_default()
    }

    /// The line, from 1; 0 where the source has none.
    #[must_use]
    pub fn line(&self) -> usize {
        self.span.as_ref().map_or(0, |span| self.source.line_and_column(span.start).0)
    }
}

impl Display for Place {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        match &self.span {
            Some(span) => {
                let (line, column) = self.source.line_and_column(span.start);
                write!(formatter, "{}:{line}:{column}", self.source.name)
            }
            None => formatter.write_str(&self.source.name),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The keys that lead to the value that is wrong, with dots between them; empty for the document as a whole.
    pub key: String,
    /// What.
    pub message: String,
    /// What to write instead.
    pub advice: String,
}

impl Fault {
    /// Whether it is about this key, such as `server.listen`, or about one below it.
    #[must_use]
    pub fn is_within(&self, key: &str) -> bool {
        self.key.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// `path:line:column: what is wrong`, on one line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!("{}: {}", self.place, self.message)
    }
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        Words { lint: None, message: &self.message, advice: &self.advice }.show_at(&self.place, formatter)
    }
}

/// What is said of a place.
pub(super) struct Words<'a> {
    /// The name of a warning; none for an error.
    pub(super) lint: Option<&'a str>,
    pub(super) message: &'a str,
    pub(super) advice: &'a str,
}

impl Words<'_> {
    /// With the line and a caret, where they may be shown.
    pub(super) fn show_at(&self, place: &Place, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { lint, message, advice } = self;
        let (severity, level) = match lint {
            None => (Level::ERROR, "error".to_owned()),
            Some(name) => (Level::WARNING, format!("warning[{name}]")),
        };
        let Some(span) = place.span.clone().filter(|_| place.source.shows_lines) else {
            return write!(formatter, "{level}: {place}: {message}\n  = help: {advice}");
        };
        // The lines that matter alone: a report on each of many faults must not read the whole file each time.
        let (lines, first) = place.source.lines_of(&span);
        let snippet = Snippet::source(place.source.text().get(lines.clone()).unwrap_or_default())
            .line_start(first)
            .path(place.source.name.as_str())
            .annotation(AnnotationKind::Primary.span(within(&lines, span.start)..within(&lines, span.end)));
        let report =
            [severity.with_name(level).primary_title(*message).element(snippet).element(Level::HELP.message(*advice))];
        formatter.write_str(&Renderer::plain().render(&report))
    }
}

/// How far into some lines a byte is, or the end of them that it is beyond.
fn within(lines: &Range<usize>, byte: usize) -> usize {
    byte.clamp(lines.start, lines.end.max(lines.start)) - lines.start
}

/// From how many faults on nobody looks for near names.
const MANY: usize = 50;
/// How many faults are shown.
const MOST_SHOWN: usize = 500;

/// Everything that is wrong, in the order of the places.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    /// Notes one more, about the document as a whole or about a value that needs no name.
    pub fn add(&mut self, place: &Place, message: impl Into<String>, advice: impl Into<String>) {
        self.add_about("", place, message, advice);
    }

    /// Notes one more, about the value of a key such as `server.listen`.
    pub fn add_about(&mut self, key: &str, place: &Place, message: impl Into<String>, advice: impl Into<String>) {
        let (place, key) = (place.clone(), key.to_owned());
        self.list.push(Fault { place, key, message: message.into(), advice: advice.into() });
    }

    /// Takes over all of another list.
    pub fn append(&mut self, other: Self) {
        self.list.extend(other.list);
    }

    /// Those about one of these keys, or about one below it.
    #[must_use]
    pub fn about(&self, keys: &[&str]) -> Self {
        self.only(|fault| keys.iter().any(|key| fault.is_within(key)))
    }

    /// Those of which this is true.
    #[must_use]
    pub fn only(&self, is_wanted: impl Fn(&Fault) -> bool) -> Self {
        Self { list: self.list.iter().filter(|fault| is_wanted(fault)).cloned().collect() }
    }

    /// Whether there are so many that looking for near names for more of them helps nobody.
    #[must_use]
    pub fn are_many(&self) -> bool {
        self.list.len() >= MANY
    }

    /// `path:line:column: what is wrong`, one line each, of as many as anybody reads.
    #[must_use]
    pub fn summaries(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.in_order().into_iter().take(MOST_SHOWN).map(Fault::summary).collect();
        lines.extend(self.more().map(|more| format!("and {more} more")));
        lines
    }

    fn more(&self) -> Option<usize> {
        self.list.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0)
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The faults, file by file, from the top.
    #[must_use]
    pub fn in_order(&self) -> Vec<&Fault> {
        let mut faults: Vec<_> = self.list.iter().collect();
        faults.sort_by_key(|fault| fault.place.span.as_ref().map_or(0, |span| span.start));
        faults
    }

    /// `value`, if nothing is wrong.
    ///
    /// # Errors
    /// These faults, if something is.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl Display for Faults {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        for fault in self.in_order().into_iter().take(MOST_SHOWN) {
            writeln!(formatter, "{fault}\n")?;
        }
        if let Some(more) = self.more() {
            writeln!(formatter, "and {more} more\n")?;
        }
        let count = self.list.len();
        write!(formatter, "{count} {} found", if count == 1 { "fault" } else { "faults" })
    }
}

impl std::error::Error for Faults {}

/// Somebody's text as it may be shown: in back ticks, control characters escaped, cut at 80 characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    let shown = escaped(&text.chars().take(80).collect::<String>());
    if text.chars().count() > 80 { format!("`{shown}…`") } else { format!("`{shown}`") }
}

/// Somebody's text as a terminal may have it: control characters and what else is not to be seen escaped.
#[must_use]
pub fn escaped(text: &str) -> String {
    let shown: String = text.chars().flat_map(char::escape_debug).collect();
    shown.replace("\\\"", "\"").replace("\\'", "'")
}
