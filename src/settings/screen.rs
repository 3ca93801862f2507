//! How a command speaks.

/// What stdout gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Table,
    /// Exactly one document.
    Json,
    /// An item a line.
    Jsonl,
}

/// Whether a table is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// When stdout is a terminal and `NO_COLOR` is not set.
    #[default]
    Auto,
    Always,
    Never,
}

/// What stderr gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

pub(super) const OUTPUT_WORDS: [(&str, OutputFormat); 3] =
    [("table", OutputFormat::Table), ("json", OutputFormat::Json), ("jsonl", OutputFormat::Jsonl)];
pub(super) const COLOR_WORDS: [(&str, Color); 3] = [("auto", Color::Auto), ("always", Color::Always), ("never", Color::Never)];
pub(super) const LOG_FORMAT_WORDS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];
