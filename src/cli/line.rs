//! One line on stderr while a command runs, of the run itself or of the library's log: for people, or an object of JSON.
//!
//! All of them have one shape, so that whoever reads them needs to know only one.

use std::io;

use serde_json::{Map, Value};

use crate::cli::cut::{cut_end, width};
use crate::cli::escape::{escape, escape_json};
use crate::cli::screen;
use crate::settings::LogFormat;

/// The columns of the time and of what parts it from the text.
const TIME: usize = 11;
/// The most columns that a text from outside takes where there is no terminal to keep to.
const LONGEST: usize = 500;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Line {
    level: Level,
    /// What kind of line it is: the word that programs look for.
    what: &'static str,
    message: String,
    fields: Map<String, Value>,
    /// For people, fit for a screen.
    text: String,
}

impl Line {
    pub(super) fn new(what: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let text = escape(&message).into_owned();
        Self { level: Level::Info, what, message, fields: Map::new(), text }
    }

    pub(super) fn at(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Adds what programs need to know.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// What people see instead of the message; fit for a screen.
    pub(super) fn shown_as(self, text: String) -> Self {
        Self { text, ..self }
    }

    /// As it is written at this moment.
    pub(super) fn told(&self, format: LogFormat) -> String {
        let now = jiff::Timestamp::now();
        match format {
            LogFormat::Text => format!("{}  {}", now.strftime("%H:%M:%SZ"), self.text),
            LogFormat::Json => self.json(now),
        }
    }

    fn json(&self, at: jiff::Timestamp) -> String {
        let mut all = Map::new();
        all.insert("timestamp".to_owned(), format!("{at:.6}").into());
        all.insert("level".to_owned(), self.level.as_str().into());
        all.insert("what".to_owned(), self.what.into());
        all.insert("message".to_owned(), self.message.as_str().into());
        all.extend(self.fields.clone());
        escape_json(&Value::Object(all).to_string()).into_owned()
    }
}

/// Text from outside as one line that fits behind its time on the terminal that stderr is; elsewhere as one that is not endless. `more`
/// is added where there is room for it.
pub(super) fn shortened(text: &str, more: &str) -> String {
    let most = screen::width_of(&io::stderr()).map_or(LONGEST, |columns| columns.saturating_sub(TIME));
    fitted(text, more, most)
}

/// Text from outside as one line that is not endless, wherever it is read.
pub(super) fn bounded(text: &str) -> String {
    fitted(text, "", LONGEST)
}

fn fitted(text: &str, more: &str, most: usize) -> String {
    let text = escape(text);
    if width(&text) + width(more) <= most { format!("{text}{more}") } else { cut_end(&text, most).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object_whatever_it_says() {
        let line = Line::new("failed", "a\u{1b}[2J\u{202e}b\nc").at(Level::Warn).with("offset", 7);
        let json = line.json("2026-11-25T00:26:04.5Z".parse().unwrap());
        assert_eq!(
            json,
            r#"{"timestamp":"2026-11-25T00:26:04.500000Z","level":"warn","what":"failed","message":"a\u001b[2J\u202eb\nc","offset":7}"#
        );
        assert_eq!(line.told(LogFormat::Text).split_once("  ").unwrap().1, "a\\x1b[2J\\u{202e}b\\nc");
    }

    #[test]
    fn text_from_outside_is_cut_and_what_is_added_goes_first() {
        assert_eq!(fitted("order has no total", "  (first)", 40), "order has no total  (first)");
        assert_eq!(fitted("order has no total", "  (first)", 20), "order has no total");
        assert_eq!(fitted("order has\nno total", "  (first)", 12), "order has\\n…");
        assert_eq!(width(&fitted(&"x".repeat(1 << 20), "", LONGEST)), LONGEST);
    }
}
