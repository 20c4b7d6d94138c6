//! The log: lines for people, or a JSON object a line for programs.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;
use std::time::SystemTime;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{JsonFields, Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use crate::cli::shown::is_harmful;
use crate::config::{Config, LogFormat};

/// The keys every line begins with.
const KEYS: [&str; 4] = ["timestamp", "level", "target", "message"];

/// Starts the log on standard error, as it was configured.
///
/// Errors: `--log` cannot be read.
pub fn start(config: &Config) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(&config.log)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.log_format {
        LogFormat::Text => {
            let lines = lines.with_ansi(wants_colours());
            Box::new(lines.fmt_fields(debug_fn(write_field).delimited(" ")))
        }
        LogFormat::Json => {
            log_panics();
            Box::new(lines.fmt_fields(JsonFields::new()).event_format(JsonLines))
        }
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(())
}

/// Only on a terminal, and not where they are not wanted (<https://no-color.org>).
fn wants_colours() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !is_unwanted
}

/// A field as text. Strangers' words are in it, such as what a function printed: none may end the
/// line and begin one that looks like ours, nor do anything to a terminal.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(OneLine(writer), "{value:?}")
}

/// Writes on in the same line, whatever it is given.
struct OneLine<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(is_harmful) {
            let harmful = part.chars().next_back().filter(|last| is_harmful(*last));
            let plain = part.len() - harmful.map_or(0, char::len_utf8);
            self.0.write_str(part.get(..plain).unwrap_or_default())?;
            if let Some(harmful) = harmful {
                write!(self.0, "{}", harmful.escape_default())?;
            }
        }
        Ok(())
    }
}

/// A panic, which Rust writes as text, becomes a line like the others.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let words = panic.payload_as_str().unwrap_or_default();
        tracing::error!(place, words, "a thread panicked");
    }));
}

/// One JSON object a line: time, level, target and message, then the fields of the event and of the
/// spans around it. Who says a name first has it.
#[derive(Debug)]
struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::new(event, SystemTime::now());
        event.record(&mut line);
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let Some(fields) = extensions.get::<FormattedFields<JsonFields>>() else { continue };
            // What is written so is JSON; were it none, the line would go without it.
            let fields: Map<String, Value> = serde_json::from_str(fields).unwrap_or_default();
            fields.into_iter().for_each(|(name, value)| line.add(&name, value));
        }
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

/// A line as it grows.
struct Line(Map<String, Value>);

impl Line {
    fn new(event: &Event<'_>, now: SystemTime) -> Self {
        let metadata = event.metadata();
        let mut line = Map::new();
        let now = OffsetDateTime::from(now).format(&Rfc3339).unwrap_or_default();
        let values = [&now, metadata.level().as_str(), metadata.target(), ""];
        for (key, value) in KEYS.into_iter().zip(values) {
            line.insert(key.to_owned(), value.into());
        }
        Self(line)
    }

    fn add(&mut self, name: &str, value: Value) {
        self.0.entry(name).or_insert(value);
    }

    /// An event's own field; the message has its place already.
    fn field(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => {
                self.0.insert("message".to_owned(), value);
            }
            // It must not pass for what it is not.
            name if KEYS.contains(&name) => self.add(&format!("field_{name}"), value),
            name => self.add(name, value),
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// The lines that `log` writes, as JSON.
    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let lines = tracing_subscriber::fmt::layer().with_writer(written.clone());
        let lines = lines.fmt_fields(JsonFields::new()).event_format(JsonLines);
        tracing::subscriber::with_default(Registry::default().with(lines), log);
        let bytes = written.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_the_fields_of_its_event_and_of_the_spans_around_it() {
        let lines = lines(|| {
            let _outer = tracing::info_span!("outer", request_id = "r-1", n = 1).entered();
            let _inner = tracing::info_span!("inner", n = 2).entered();
            tracing::warn!(queue = %"q", n = 3_u64, ok = true, "two\nlines \"\u{1b}[31m\u{202e}");
        });
        assert_eq!(lines.len(), 1);
        let line = lines[0].as_object().unwrap();
        assert_eq!(line["message"], "two\nlines \"\u{1b}[31m\u{202e}");
        assert_eq!((line["level"].as_str(), line["queue"].as_str()), (Some("WARN"), Some("q")));
        assert_eq!((&line["n"], &line["ok"]), (&3.into(), &true.into()), "the event's own wins");
        assert_eq!(line["request_id"], "r-1");
        let keys: Vec<_> = line.keys().take(4).collect();
        assert_eq!(keys, KEYS.iter().collect::<Vec<_>>());
        let at = line["timestamp"].as_str().unwrap();
        assert!(OffsetDateTime::parse(at, &Rfc3339).is_ok() && at.ends_with('Z'), "{at}");
    }

    #[test]
    fn a_line_for_people_stays_one_line_whatever_is_in_it() {
        let written = Written::default();
        let lines = tracing_subscriber::fmt::layer().with_writer(written.clone()).with_ansi(false);
        let lines = lines.fmt_fields(debug_fn(write_field).delimited(" "));
        tracing::subscriber::with_default(Registry::default().with(lines), || {
            let _span = tracing::info_span!("outer", id = %"r\n1").entered();
            let text = "one\n2026 INFO two\r\0\u{1b}[31m\u{9b}\u{202e}가";
            tracing::warn!(queue = %"q\n", quoted = "a b", "{text}");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let end = concat!(
            r"one\n2026 INFO two\r\u{0}\u{1b}[31m\u{9b}\u{202e}가",
            r#" queue=q\n quoted="a b""#,
            "\n"
        );
        assert!(text.ends_with(end), "{text}");
        assert!(text.contains(r"outer{id=r\n1}"), "{text}");
        assert_eq!(text.matches('\n').count(), 1, "{text}");
    }

    #[test]
    fn no_field_passes_for_the_lines_own() {
        let lines = lines(|| tracing::info!(level = "x", target = "y", timestamp = 1, "m"));
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(
            (&lines[0]["field_level"], &lines[0]["field_timestamp"]),
            (&"x".into(), &1.into())
        );
        assert_eq!(lines[0]["field_target"], "y");
    }
}
