//! What a command writes: results to stdout, all else to stderr; as text for people, as one JSON document, or as JSON lines.
//!
//! An error is a document, too, so that whoever reads JSON reads nothing else.

use std::cell::{Cell, RefCell};
use std::io::{self, BufWriter, Write};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::escape::{escape_json, escape_lines};
use crate::cli::hint::Journal;
use crate::cli::screen::Screen;
use crate::journal::Reader;
use crate::settings::{Color, OutputFormat};

/// The version of the documents.
const VERSION: u8 = 1;

/// Where a command writes, and how.
pub(super) struct Output {
    /// How this program is called.
    program: String,
    format: OutputFormat,
    screen: Screen,
    stdout: RefCell<Box<dyn Write>>,
    stderr: RefCell<Box<dyn Write>>,
    /// The document that was begun has the error in it: there is only one.
    has_told: Cell<bool>,
}

/// Items that are read while their document is written, so that they need not fit into memory.
pub(super) trait Flowing: Serialize {
    /// Behind which more follow; asked when all items are written.
    fn next(&self) -> Option<i64>;
    /// Why there are no more of them.
    fn take_error(&self) -> Option<CommandError>;
}

/// Why printing stopped.
pub(super) enum Stop {
    Error(CommandError),
    Io(io::Error),
}

impl<E: Into<CommandError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

#[derive(Serialize)]
struct Document<'d, T> {
    version: u8,
    command: &'d str,
    journal: Option<JournalName<'d>>,
    items: &'d [T],
    /// The value for `--after`.
    next: Option<String>,
}

#[derive(Serialize)]
struct JournalName<'d> {
    path: &'d str,
    id: &'d str,
}

#[derive(Serialize)]
struct ErrorDocument<'d> {
    version: u8,
    command: &'d str,
    error: ErrorItem<'d>,
}

#[derive(Serialize)]
struct ErrorItem<'d> {
    kind: &'static str,
    message: &'d str,
    causes: &'d [String],
    hints: &'d [String],
}

impl<'d> ErrorItem<'d> {
    fn of(error: &'d CommandError) -> Self {
        let CommandError { kind, message, causes, hints } = error;
        Self { kind: kind.as_str(), message, causes, hints }
    }
}

struct FlowingDocument<'d, I> {
    command: &'d str,
    journal: JournalName<'d>,
    items: &'d I,
    /// What went wrong while it was written.
    failed: &'d RefCell<Option<CommandError>>,
}

impl<I: Flowing> Serialize for FlowingDocument<'_, I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("version", &VERSION)?;
        fields.serialize_entry("command", self.command)?;
        fields.serialize_entry("journal", &self.journal)?;
        fields.serialize_entry("items", self.items)?;
        fields.serialize_entry("next", &self.items.next().map(|id| id.to_string()))?;
        if let Some(error) = self.items.take_error() {
            fields.serialize_entry("error", &ErrorItem::of(&error))?;
            self.failed.replace(Some(error));
        }
        fields.end()
    }
}

/// JSON on its way: each write is a whole piece of text.
struct Escaped<W>(W);

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.0.write_all(escape_json(text).as_bytes()).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output {
    pub(super) fn new(program: &str, format: OutputFormat, color: Color) -> Self {
        let (stdout, stderr) = (RefCell::new(Box::new(io::stdout()) as _), RefCell::new(Box::new(io::stderr()) as _));
        Self { program: program.to_owned(), format, screen: Screen::of_stdout(color), stdout, stderr, has_told: Cell::new(false) }
    }

    pub(super) fn program(&self) -> &str {
        &self.program
    }

    /// The journal that is read, by name.
    pub(super) fn journal<'o>(&'o self, reader: &'o Reader) -> Journal<'o> {
        Journal { program: &self.program, path: reader.path(), id: reader.uuid() }
    }

    pub(super) fn format(&self) -> OutputFormat {
        self.format
    }

    pub(super) fn screen(&self) -> Screen {
        self.screen
    }

    /// Writes to stdout. Whoever has seen enough closes the pipe: that ends the writing, and is success.
    pub(super) fn print(&self, write: impl FnOnce(&mut dyn Write) -> Result<(), Stop>) -> Result<(), CommandError> {
        let mut stdout = self.stdout.borrow_mut();
        let mut out = BufWriter::new(&mut **stdout);
        let written = write(&mut out);
        // What was written before an error is seen before it.
        let flushed = out.flush().map_err(Stop::Io);
        match written.and(flushed) {
            Ok(()) => Ok(()),
            Err(Stop::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(Stop::Io(error)) => Err(CommandError::new(ErrorKind::CannotGoOn, "stdout cannot be written").cause(error)),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// Text for people, already fit for a screen.
    pub(super) fn lines(&self, lines: impl IntoIterator<Item = String>) -> Result<(), CommandError> {
        self.print(|out| lines.into_iter().try_for_each(|line| writeln!(out, "{line}")).map_err(Stop::Io))
    }

    /// Items as JSON: in one document, or each on its line.
    pub(super) fn items<T: Serialize>(
        &self,
        command: &str,
        journal: Option<Journal<'_>>,
        items: &[T],
        next: Option<i64>,
    ) -> Result<(), CommandError> {
        if self.format == OutputFormat::Jsonl {
            return self.print(|out| items.iter().try_for_each(|item| write_line(out, item)));
        }
        let journal = journal.map(|Journal { path, id, .. }| JournalName { path, id });
        let next = next.map(|id| id.to_string());
        let document = pretty(&Document { version: VERSION, command, journal, items, next })?;
        self.lines([document])
    }

    /// As `items`, one document; an error that comes when it is begun is its last field.
    pub(super) fn flow(&self, command: &str, journal: Journal<'_>, items: &impl Flowing) -> Result<(), CommandError> {
        let failed = RefCell::default();
        let document =
            FlowingDocument { command, journal: JournalName { path: journal.path, id: journal.id }, items, failed: &failed };
        self.print(|out| {
            serde_json::to_writer_pretty(Escaped(&mut *out), &document)
                .map_err(|error| if error.is_io() { Stop::Io(error.into()) } else { no_json(error).into() })?;
            writeln!(out).map_err(Stop::Io)
        })?;
        self.has_told.set(failed.borrow().is_some());
        failed.take().map_or(Ok(()), Err)
    }

    /// Something that is not part of the result.
    pub(super) fn note(&self, text: &str) -> Result<(), CommandError> {
        let mut stderr = self.stderr.borrow_mut();
        let written = escape_lines(text).try_for_each(|line| writeln!(stderr, "{line}"));
        written.map_err(|error| CommandError::new(ErrorKind::CannotGoOn, "stderr cannot be written").cause(error))
    }

    /// Tells why a command did not do what was asked; returns its exit code, which is all that is left when nobody listens.
    pub(super) fn error(&self, command: &str, error: &CommandError) -> u8 {
        let (kind, message) = (error.kind, &error.message);
        if self.has_told.get() {
            return kind.exit_code();
        }
        let document = ErrorDocument { version: VERSION, command, error: ErrorItem::of(error) };
        let told = match self.format {
            OutputFormat::Table => self.text(error).map_err(|error| error.to_string()),
            OutputFormat::Json => pretty(&document).and_then(|document| self.lines([document])).map_err(|error| error.message),
            OutputFormat::Jsonl => self.print(|out| write_line(out, &document)).map_err(|error| error.message),
        };
        if let Err(untold) = told {
            tracing::debug!(untold, message, "an error could not be told");
        }
        kind.exit_code()
    }

    fn text(&self, error: &CommandError) -> io::Result<()> {
        let mut stderr = self.stderr.borrow_mut();
        let mut part = |label: &str, text: &str| {
            let mut lines = escape_lines(text);
            writeln!(stderr, "{label}: {}", lines.next().unwrap_or_default())?;
            lines.try_for_each(|line| writeln!(stderr, "  {line}"))
        };
        part("error", &error.message)?;
        error.causes.iter().try_for_each(|cause| part("cause", cause))?;
        error.hints.iter().try_for_each(|hint| part("hint", hint))
    }
}

/// An item on its line.
pub(super) fn write_line<T: Serialize>(out: &mut dyn Write, item: &T) -> Result<(), Stop> {
    let json = serde_json::to_string(item).map_err(no_json)?;
    writeln!(out, "{}", escape_json(&json)).map_err(Stop::Io)
}

fn pretty<T: Serialize>(document: &T) -> Result<String, CommandError> {
    serde_json::to_string_pretty(document).map(|json| escape_json(&json).into_owned()).map_err(no_json)
}

/// Texts, numbers and trees of them always have a form in JSON.
fn no_json(error: serde_json::Error) -> CommandError {
    CommandError::new(ErrorKind::CannotGoOn, "an item has no form in JSON").cause(error)
}

#[cfg(test)]
pub(super) mod captured {
    //! Output that a test reads.

    use std::rc::Rc;

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    pub(in crate::cli) struct Captured {
        stdout: Sink,
        stderr: Sink,
    }

    #[derive(Clone, Default)]
    struct Sink(Rc<RefCell<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        pub(in crate::cli) fn bytes(&self) -> Vec<u8> {
            self.stdout.0.borrow().clone()
        }

        pub(in crate::cli) fn stdout(&self) -> String {
            String::from_utf8(self.bytes()).unwrap()
        }

        pub(in crate::cli) fn stderr(&self) -> String {
            String::from_utf8(self.stderr.0.borrow().clone()).unwrap()
        }
    }

    impl Output {
        pub(in crate::cli) fn captured(format: OutputFormat, width: Option<usize>) -> (Self, Captured) {
            let captured = Captured::default();
            let (stdout, stderr) = (captured.stdout.clone(), captured.stderr.clone());
            (Self::to(format, Screen { width, is_colored: false }, stdout, stderr), captured)
        }

        pub(in crate::cli) fn to(
            format: OutputFormat,
            screen: Screen,
            stdout: impl Write + 'static,
            stderr: impl Write + 'static,
        ) -> Self {
            let (stdout, stderr) = (RefCell::new(Box::new(stdout) as _), RefCell::new(Box::new(stderr) as _));
            Self { program: "redrive".to_owned(), format, screen, stdout, stderr, has_told: Cell::new(false) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn error() -> CommandError {
        CommandError::usage("no journal at \u{1b}[2J\nsecond line").cause("not found").hint("redrive consume makes one")
    }

    #[test]
    fn an_error_is_text_on_stderr() {
        let (output, captured) = Output::captured(OutputFormat::Table, Some(80));
        assert_eq!(output.error("errors list", &error()), 2);
        assert_eq!(captured.stdout(), "");
        let expected = "error: no journal at \\x1b[2J\n  second line\ncause: not found\nhint: redrive consume makes one\n";
        assert_eq!(captured.stderr(), expected);
    }

    #[test]
    fn an_error_is_a_document_on_stdout() {
        for format in [OutputFormat::Json, OutputFormat::Jsonl] {
            let (output, captured) = Output::captured(format, None);
            assert_eq!(output.error("errors list", &error()), 2);
            assert_eq!(captured.stderr(), "");
            let expected = json!({ "version": 1, "command": "errors list", "error": {
                "kind": "usage", "message": "no journal at \u{1b}[2J\nsecond line", "causes": ["not found"], "hints": ["redrive consume makes one"],
            }});
            assert_eq!(serde_json::from_str::<Value>(&captured.stdout()).unwrap(), expected);
            assert_eq!(captured.stdout().lines().count() == 1, format == OutputFormat::Jsonl);
        }
    }

    #[test]
    fn items_are_one_document_or_lines() {
        let items = [json!({ "id": 2 }), json!({ "id": 1 })];
        let (output, captured) = Output::captured(OutputFormat::Json, None);
        let journal = Journal { program: "redrive", path: "./redrive.db", id: "7c1f" };
        output.items("errors list", Some(journal), &items, Some(1)).unwrap();
        let expected = json!({ "version": 1, "command": "errors list", "journal": { "path": "./redrive.db", "id": "7c1f" }, "items": items, "next": "1" });
        assert_eq!(serde_json::from_str::<Value>(&captured.stdout()).unwrap(), expected);
        let (output, captured) = Output::captured(OutputFormat::Jsonl, None);
        output.items("errors list", None, &items, Some(1)).unwrap();
        assert_eq!(captured.stdout(), "{\"id\":2}\n{\"id\":1}\n");
    }

    /// A pipe whose reader has gone, or a disk that is full.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_success_and_a_full_disk_is_not() {
        let screen = Screen { width: None, is_colored: false };
        let lines = |kind| Output::to(OutputFormat::Table, screen, Broken(kind), Broken(kind)).lines(["a line".to_owned()]);
        assert_eq!(lines(io::ErrorKind::BrokenPipe), Ok(()));
        assert_eq!(lines(io::ErrorKind::StorageFull).unwrap_err().kind, ErrorKind::CannotGoOn);
        let output = Output::to(OutputFormat::Table, screen, io::sink(), Broken(io::ErrorKind::BrokenPipe));
        assert_eq!(output.error("errors list", &error()), 2, "the exit code is told whoever listens");
    }

    #[test]
    fn what_was_printed_before_an_error_is_seen() {
        let (output, captured) = Output::captured(OutputFormat::Jsonl, None);
        let printed = output.print(|out| {
            write_line(out, &json!(1))?;
            Err(error().into())
        });
        assert_eq!((printed, captured.stdout()), (Err(error()), "1\n".to_owned()));
    }
}
