//! The folder of one test: where its commands run, where its journal is, and where its receivers write.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::command::Command;
use super::journal::Journal;
use super::topic::Topic;

pub(crate) struct Folder(TempDir);

/// What is read of the line that a receiver gets.
#[derive(serde::Deserialize)]
struct Delivery {
    record: Position,
}

#[derive(serde::Deserialize)]
struct Position {
    partition: i32,
    offset: i64,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("redrive-test-").tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and says where it is.
    #[track_caller]
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{name}: {error}"));
        path
    }

    /// The lines of a file, whole ones only; none when there is no such file yet.
    #[track_caller]
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        match std::fs::read(self.path().join(name)) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => panic!("{name}: {error}"),
        }
    }

    /// `redrive` with this folder as its home and working directory, so its journal is [`Folder::journal`].
    pub(crate) fn redrive<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        self.program(Path::new(env!("CARGO_BIN_EXE_redrive"))).args(arguments)
    }

    /// `redrive consume` of a topic by a group; receivers and all else are among the arguments.
    pub(crate) fn consume<'a>(&self, topic: &Topic<'_>, group: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        self.redrive(["consume", "-b", &topic.bootstrap(), "-t", topic.name(), "-g", group]).args(arguments)
    }

    /// Partition and offset of every event that the receiver `file:NAME` got, in the order in which it got them.
    #[track_caller]
    pub(crate) fn delivered(&self, name: &str) -> Vec<(i32, i64)> {
        let place = |line: String| {
            let delivery: Delivery = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
            (delivery.record.partition, delivery.record.offset)
        };
        self.lines(name).into_iter().map(place).collect()
    }

    /// As `delivered`, by processes that were killed: a line that one of them tore is none.
    pub(crate) fn delivered_by_killed(&self, name: &str) -> Vec<(i32, i64)> {
        let deliveries = self.lines(name).into_iter().filter_map(|line| serde_json::from_str::<Delivery>(&line).ok());
        deliveries.map(|delivery| (delivery.record.partition, delivery.record.offset)).collect()
    }

    /// A program of `examples/`, which cargo builds beside the binary.
    #[track_caller]
    pub(crate) fn example<'a>(&self, name: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_redrive")).with_file_name("examples").join(name);
        assert!(program.exists(), "the example {name} is not built: cargo build --release --examples");
        self.program(&program).args(arguments)
    }

    pub(crate) fn program(&self, program: &Path) -> Command {
        Command::new(program, self.path())
    }

    /// The journal that commands of this folder write by default.
    #[track_caller]
    pub(crate) fn journal(&self) -> Journal {
        self.journal_at("redrive.db")
    }

    /// Bytes of that journal, whatever of it is not in its file yet among them.
    pub(crate) fn size_of_journal(&self) -> u64 {
        let size = |name: &str| std::fs::metadata(self.path().join(name)).map_or(0, |of| of.len());
        size("redrive.db") + size("redrive.db-wal")
    }

    /// Changes that journal by plain SQL; says how many rows.
    #[track_caller]
    pub(crate) fn change_journal(&self, sql: &str) -> usize {
        Journal::change(&self.path().join("redrive.db"), sql)
    }

    #[track_caller]
    pub(crate) fn journal_at(&self, name: &str) -> Journal {
        Journal::open(&self.path().join(name))
    }
}
