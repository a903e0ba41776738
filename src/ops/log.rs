//! The log on standard error. What a claim, a channel name or a header holds can neither forge a line nor reach the
//! terminal: characters of the categories Cc, Cf, Zl and Zp are escaped in everything that is written.

use std::fmt::Write as _;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};
use unicode_general_category::{GeneralCategory, get_general_category};

use super::traces::{self, Traces};
use super::writer;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For a person at a terminal.
    Pretty,
}

/// What the log holds. The audit event is written at any level.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// How.
    pub format: LogFormat,
    /// From which level on.
    pub level: tracing::Level,
}

impl LogSettings {
    /// The level's names.
    pub const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
}

/// Starts the log, once a process, and with it the recording of traces where there is to be one.
pub fn start(settings: LogSettings, traces: Option<&Traces>) {
    // What rustls warns of is mostly what a client did, and no client may fill the log.
    let others = if settings.level > tracing::Level::INFO { "" } else { ",rustls=error" };
    // Each has a filter of its own: the spans of traces are not the log's, nor its lines theirs.
    let filter = EnvFilter::new(format!("{}{others},{}=off", settings.level, traces::TARGET));
    let lines = tracing_subscriber::fmt::layer().with_writer(Escaping).log_internal_errors(false);
    let lines = match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        // Colour would be escaped along with the rest, so this goes without.
        LogFormat::Pretty => lines.with_ansi(false).with_target(false).boxed(),
    };
    // Traces are innermost: their layer finds a span again only by the type of what is below it.
    let subscriber = tracing_subscriber::registry().with(traces.map(Traces::layer)).with(lines.with_filter(filter));
    if subscriber.try_init().is_err() {
        tracing::debug!("the log was started before");
    }
    writer::start();
    // A panic's text can hold what a client sent: it goes through the log like everything else.
    std::panic::set_hook(Box::new(|panic| {
        let (place, message) = (panic.location().map(tracing::field::display), panic.payload_as_str());
        tracing::error!(place, "a bug, please report it: {}", message.unwrap_or("a panic without a message"));
    }));
}

/// Waits, but not for long, until everything that was said is written.
pub fn finish() {
    writer::finish();
}

/// Writes one line to standard error, escaped, whatever the log's level. It is never lost for want of room.
pub fn write_line(line: String) {
    writer::write(escaped(line), true);
}

#[derive(Clone, Copy)]
struct Escaping;

impl<'a> MakeWriter<'a> for Escaping {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Escaping {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        writer::write(escaped(String::from_utf8_lossy(line).into_owned()), false);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line with every invisible character as a JSON escape; its own end stays.
fn escaped(line: String) -> String {
    let (body, end) = line.strip_suffix('\n').map_or((line.as_str(), ""), |body| (body, "\n"));
    // As most lines are.
    if is_plain(body) { line } else { visible(body) + end }
}

/// Whether there is nothing but ASCII that can be seen, and spaces.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A text with every invisible character, line ends too, as a JSON escape, so that JSON stays what it is.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_invisible(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a character is of the Unicode categories Cc, Cf, Zl or Zp.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    !character.is_ascii_graphic()
        && character != ' '
        && matches!(get_general_category(character), Control | Format | LineSeparator | ParagraphSeparator)
}
