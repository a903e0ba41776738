//! An event of the log as one line: a JSON object, or words for a person. Must not know where lines go, or which are wanted.
//!
//! Invisible characters may still be in it, except those that JSON itself does not allow.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use tracing_subscriber::fmt::format::{DefaultFields, FormatFields as _, Writer};

use super::clock;
use crate::chat::json::escaped;

/// More than most lines have.
const ROOM: usize = 512;
/// The target of what comes from the crate `log`, which has its own as a field.
const LOG: &str = "log";
const LOG_TARGET: &str = "log.target";
const REQUEST_ID: &str = "request_id";

/// A JSON object: when, how grave, what is said of it in the order in which it is said, within which request, and by whom.
pub(super) fn json(event: &Event<'_>, request_id: Option<&str>) -> String {
    let mut line = String::with_capacity(ROOM);
    line.push_str("{\"timestamp\":\"");
    clock::push_now(&mut line);
    line.push_str("\",\"level\":\"");
    line.push_str(event.metadata().level().as_str());
    line.push('"');
    let mut members = Members(line);
    event.record(&mut members);
    if let Some(request_id) = untold(event, request_id) {
        members.text(REQUEST_ID, request_id);
    }
    match event.metadata().target() {
        LOG => members.text("target", &LogTarget::of(event)),
        target => members.text("target", target),
    }
    let Members(mut line) = members;
    line.push_str("}\n");
    line
}

/// When, how grave, within which request, and what is said of it.
pub(super) fn pretty(event: &Event<'_>, request_id: Option<&str>) -> String {
    let mut line = String::with_capacity(ROOM);
    clock::push_now(&mut line);
    line.push_str(match *event.metadata().level() {
        Level::ERROR => " ERROR ",
        Level::WARN => "  WARN ",
        Level::INFO => "  INFO ",
        Level::DEBUG => " DEBUG ",
        Level::TRACE => " TRACE ",
    });
    if let Some(request_id) = untold(event, request_id) {
        let _ = write!(line, "request{{{REQUEST_ID}={request_id:?}}}: ");
    }
    // What a value's own words fail to say is missing, and the line is one all the same.
    let _ = DefaultFields::new().format_fields(Writer::new(&mut line), event);
    line.push('\n');
    line
}

/// The request's id, unless the event tells it.
fn untold<'a>(event: &Event<'_>, request_id: Option<&'a str>) -> Option<&'a str> {
    request_id.filter(|_| event.metadata().fields().field(REQUEST_ID).is_none())
}

/// The members of a JSON object which has one already.
struct Members(String);

impl Members {
    fn name(&mut self, name: &str) {
        self.0.push_str(",\"");
        self.0.push_str(&escaped(name));
        self.0.push_str("\":");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.0.push('"');
        self.0.push_str(&escaped(text));
        self.0.push('"');
    }

    /// What JSON can write without quotes.
    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field.name());
        let _ = write!(self.0, "{value}");
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // `null` for what is no number.
        self.plain(field, serde_json::Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.name(field.name());
        self.0.push('"');
        // What a value's own words fail to say is missing, and the line is JSON all the same.
        let _ = write!(Escaping(&mut self.0), "{value:?}");
        self.0.push('"');
    }
}

/// Takes text to write within quotes.
struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(&escaped(text));
        Ok(())
    }
}

/// Whom a line of the crate `log` is from.
struct LogTarget(Option<String>);

impl LogTarget {
    fn of(event: &Event<'_>) -> String {
        let mut found = Self(None);
        event.record(&mut found);
        found.0.unwrap_or_else(|| LOG.to_owned())
    }
}

impl Visit for LogTarget {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == LOG_TARGET {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tracing::{Subscriber, field};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    use super::*;

    const ID: &str = "a-request";

    /// What an event becomes within a request, as JSON and for a person.
    #[derive(Clone, Default)]
    struct Ours(Arc<Mutex<[String; 2]>>);

    impl<S: Subscriber> Layer<S> for Ours {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            *self.0.lock().unwrap() = [json(event, Some(ID)), pretty(event, Some(ID))];
        }
    }

    fn ours(say: impl FnOnce()) -> [String; 2] {
        let ours = Ours::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(ours.clone()), say);
        ours.0.lock().unwrap().clone()
    }

    /// What tracing's own format makes of it, without its time.
    #[derive(Clone, Default)]
    struct Theirs(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Theirs {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn theirs(say: impl FnOnce()) -> String {
        let theirs = Theirs::default();
        let writer = theirs.clone();
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).without_time();
        let layer = layer.with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        String::from_utf8(theirs.0.lock().unwrap().clone()).unwrap()
    }

    /// A line of JSON without its time.
    fn timeless(line: &str) -> String {
        let (time, rest) = line.split_at_checked(43).unwrap();
        assert!(time.starts_with("{\"timestamp\":\"2") && time.ends_with("Z\","), "{line}");
        format!("{{{rest}")
    }

    #[test]
    fn the_members_are_in_order_and_the_request_is_told_once() {
        let [line, person] = ours(|| {
            let (none, status) = (None::<&str>, 503_u16);
            tracing::warn!(status, none, cause = "it's \"away\"\\\n", at = %"10.0.0.1", list = ?["a"], "told {}", 1);
        });
        let wanted = r#"{"level":"WARN","message":"told 1","status":503,"cause":"it's \"away\"\\\n","at":"10.0.0.1","list":"[\"a\"]","request_id":"a-request","target":"usher::telemetry::lines::tests"}"#;
        assert_eq!(timeless(&line), wanted.to_owned() + "\n");
        let wanted = r#"  WARN request{request_id="a-request"}: told 1 status=503 cause="it's \"away\"\\\n" at=10.0.0.1 list=["a"]"#;
        assert_eq!(person.split_at(27).1, wanted.to_owned() + "\n");

        let [line, person] = ours(|| tracing::info!(request_id = "its-own", "answered"));
        let wanted =
            r#"{"level":"INFO","message":"answered","request_id":"its-own","target":"usher::telemetry::lines::tests"}"#;
        assert_eq!(timeless(&line), wanted.to_owned() + "\n");
        assert_eq!(person.split_at(27).1, "  INFO answered request_id=\"its-own\"\n");
    }

    #[test]
    fn a_line_of_the_crate_log_has_its_own_target() {
        let [line, _] = ours(|| {
            tracing::info!(target: "log", { log.target = "rustls::conn", log.line = 7 }, "said");
        });
        let members = r#""message":"said","log.target":"rustls::conn","log.line":7,"request_id":"a-request""#;
        assert_eq!(timeless(&line), format!("{{\"level\":\"INFO\",{members},\"target\":\"rustls::conn\"}}\n"));
    }

    /// Its words fail.
    struct Speechless;

    impl Debug for Speechless {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a \"")?;
            Err(fmt::Error)
        }
    }

    #[test]
    fn what_fails_to_say_something_costs_its_words_alone() {
        let [line, _] = ours(|| tracing::info!(speechless = ?Speechless, more = true, "said"));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["speechless"], &line["more"]), (&json!("a \""), &json!(true)));
    }

    /// Any text, and such as JSON has something to say about.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[ -~]*", "[\u{0}-\u{2f}\\\\\u{7f}-\u{9f}\u{2028}é😀]*"]
    }

    proptest! {
        #[test]
        fn any_event_is_one_line_of_json_as_tracing_writes_it(
            texts in [text(), text(), text(), text()],
            numbers in any::<(u64, i64, f64, i128)>(),
            maybe in any::<Option<bool>>(),
        ) {
            let ([message, plain, shown, hidden], (natural, whole, real, big)) = (&texts, numbers);
            let error: &(dyn std::error::Error + 'static) = &std::io::Error::other(plain.clone());
            let say = || {
                let shown = field::display(shown);
                tracing::error!(plain, natural, whole, real, big, maybe, error, shown, ?hidden, "a\"b" = 1, "{message}");
            };
            let [line, person] = ours(say);
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert!(line.ends_with('\n') && person.ends_with('\n'));
            let told = format!(",\"request_id\":\"{ID}\",\"target\":");
            prop_assert_eq!(timeless(&line).replacen(&told, ",\"target\":", 1), theirs(say));
            let value: Value = serde_json::from_str(&line).unwrap();
            let wanted = (message.as_str(), plain.as_str(), natural, ID);
            let found = (value["message"].as_str(), value["plain"].as_str(), value["natural"].as_u64());
            prop_assert_eq!(found, (Some(wanted.0), Some(wanted.1), Some(wanted.2)));
            prop_assert_eq!(&value["request_id"], wanted.3);
        }
    }
}
