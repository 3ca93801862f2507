//! Logs on stderr: what the library and the Kafka client say beside the lines of a command, in the same shape.

use std::fmt;
use std::io;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::line::{Level, Line, shortened};
use crate::settings::{LogFormat, Verbosity};

/// Starts logging for this process. A program that logs already keeps its own.
pub(super) fn start(verbosity: Verbosity, format: LogFormat) {
    let filter = EnvFilter::new(match verbosity {
        Verbosity::Quiet => "error",
        Verbosity::Normal => "warn",
        Verbosity::Verbose => "info",
        Verbosity::VeryVerbose => "info,redrive=debug,librdkafka=debug",
    });
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).event_format(AsLine(format));
    if logs.try_init().is_err() {
        tracing::debug!("this program logs in its own way");
    }
}

/// Writes an event of the log as a line.
struct AsLine(LogFormat);

impl<S, N> FormatEvent<S, N> for AsLine
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writeln!(writer, "{}", line(event).told(self.0))
    }
}

fn line(event: &Event<'_>) -> Line {
    let mut said = Said::default();
    event.record(&mut said);
    let (level, word) = match *event.metadata().level() {
        tracing::Level::ERROR => (Level::Error, "error"),
        tracing::Level::WARN => (Level::Warn, "warning"),
        tracing::Level::INFO => (Level::Info, "info"),
        tracing::Level::DEBUG | tracing::Level::TRACE => (Level::Debug, "debug"),
    };
    let more: String = said.fields.iter().map(|(name, value)| format!(" · {name} {}", plain(value))).collect();
    let text = shortened(&format!("{word}: {}{more}", said.message), "");
    let line = Line::new("log", said.message).at(level).with("target", event.metadata().target());
    said.fields.into_iter().fold(line, |line, (name, value)| line.with(&name, value)).shown_as(text)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What an event of the log says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn add(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = plain(&value),
            name => drop(self.fields.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Said {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let logs = tracing_subscriber::fmt().with_writer(move || writer.clone()).event_format(AsLine(format)).finish();
        tracing::subscriber::with_default(logs, || {
            tracing::warn!(answers = 3, program = "wor\u{1b}ker", "answers were ignored");
        });
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_the_library_logs_is_a_line_as_any_other() {
        let text = logged(LogFormat::Text);
        assert!(text.ends_with("Z  warning: answers were ignored · answers 3 · program wor\\x1bker\n"), "{text}");
        let line: Value = serde_json::from_str(&logged(LogFormat::Json)).unwrap();
        let fields: Vec<_> = line.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["timestamp", "level", "what", "message", "target", "answers", "program"]);
        assert_eq!(
            (&line["level"], &line["message"], &line["answers"]),
            (&"warn".into(), &"answers were ignored".into(), &3.into())
        );
    }
}
