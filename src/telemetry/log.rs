//! The log on standard error. What a claim, a channel name or a header holds can neither forge a line nor reach the
//! terminal: characters of the categories Cc, Cf, Zl and Zp are escaped in everything that is written.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use unicode_general_category::{GeneralCategory, get_general_category};

use super::traces::{self, Traces};
use super::{lines, writer};

tokio::task_local! {
    /// The id of the request that is worked on.
    static REQUEST_ID: Arc<str>;
}

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
    let of_rustls = if settings.level > tracing::Level::INFO { settings.level } else { tracing::Level::ERROR };
    let filter = Targets::new()
        .with_default(settings.level)
        .with_target("rustls", of_rustls)
        .with_target(traces::TARGET, LevelFilter::OFF);
    let (lines, all) = (Lines(settings.format), tracing_subscriber::registry());
    let started = match traces {
        // One filter for all, so that what it leaves out costs a look at a flag.
        None => all.with(filter).with(lines).try_init(),
        // Each has a filter of its own: the spans of traces are not the log's, nor its lines theirs. Traces are innermost:
        // their layer finds a span again only by the type of what is below it.
        Some(traces) => all.with(traces.layer()).with(lines.with_filter(filter)).try_init(),
    };
    if started.is_err() {
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

/// Work for a request: all that is logged meanwhile tells the request's id. What it starts as a task of its own is not in it.
pub fn within<W: Future>(request_id: Arc<str>, work: W) -> impl Future<Output = W::Output> {
    REQUEST_ID.scope(request_id, work)
}

/// Writes one line to standard error, escaped, whatever the log's level. It is never lost for want of room.
pub fn write_line(line: &str) {
    writer::write(&escaped(line), true);
}

/// What becomes of each event of the log.
struct Lines(LogFormat);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let request_id = REQUEST_ID.try_with(Arc::clone).ok();
        let line = match self.0 {
            LogFormat::Json => lines::json(event, request_id.as_deref()),
            LogFormat::Pretty => lines::pretty(event, request_id.as_deref()),
        };
        writer::write(&escaped(&line), false);
    }
}

/// The line with every invisible character as a JSON escape; its own end stays.
fn escaped(line: &str) -> Cow<'_, str> {
    let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
    match visible(body) {
        Cow::Borrowed(_) => Cow::Borrowed(line),
        Cow::Owned(shown) => Cow::Owned(shown + end),
    }
}

/// A text with every invisible character, line ends too, as a JSON escape, so that JSON stays what it is.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    // As most are: nothing but ASCII that can be seen, and spaces. Without a way out in between many bytes are looked at at once.
    let is_odd = |byte: &u8| !matches!(byte, b' '..=b'~');
    if !text.as_bytes().iter().fold(false, |odd, byte| odd | is_odd(byte)) {
        return Cow::Borrowed(text);
    }
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
    Cow::Owned(shown)
}

/// Whether a character is of the Unicode categories Cc, Cf, Zl or Zp.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    !character.is_ascii_graphic()
        && character != ' '
        && matches!(get_general_category(character), Control | Format | LineSeparator | ParagraphSeparator)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn the_id_is_there_while_its_request_is_worked_on() {
        let told = || REQUEST_ID.try_with(Arc::clone).ok();
        let work = async {
            tokio::task::yield_now().await;
            let other = tokio::spawn(async move { told() }).await.unwrap();
            (told(), other)
        };
        let id = Arc::from("a-request");
        assert_eq!(within(Arc::clone(&id), work).await, (Some(id), None));
        assert_eq!(told(), None);
    }

    proptest! {
        #[test]
        fn a_line_is_visible_and_says_what_it_said(text in any::<String>()) {
            let written = serde_json::to_string(&text).unwrap() + "\n";
            let line = escaped(&written);
            let body = line.strip_suffix('\n').unwrap();
            prop_assert!(!body.contains(is_invisible), "{body}");
            prop_assert_eq!(serde_json::from_str::<String>(body).unwrap(), text);
        }

        #[test]
        fn what_is_visible_is_not_copied(text in "[ -~]*") {
            prop_assert!(matches!(visible(&text), Cow::Borrowed(same) if same == text));
        }
    }
}
