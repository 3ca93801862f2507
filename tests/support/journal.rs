//! The journal read with plain SQL, through SQLite alone: what it says must not depend on the code under test.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row};

pub(crate) struct Journal(Connection);

/// An entry, by what identifies it first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FailureRow {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) stage: String,
    pub(crate) receiver: Option<String>,
    pub(crate) group: String,
    pub(crate) class: String,
    pub(crate) code: String,
    pub(crate) state: String,
    pub(crate) attempts: i64,
    pub(crate) event_type: Option<String>,
    pub(crate) event_id: Option<String>,
    pub(crate) message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IncidentRow {
    pub(crate) kind: String,
    pub(crate) topic: Option<String>,
    pub(crate) partition: Option<i32>,
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    pub(crate) receiver: String,
    pub(crate) message: String,
    pub(crate) count: i64,
    pub(crate) is_open: bool,
}

/// Offsets that are settled: from the first up to, but not including, the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProgressRow {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) run: i64,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) records: i64,
    pub(crate) delivered: i64,
    pub(crate) failed: i64,
    pub(crate) skipped: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunRow {
    pub(crate) id: i64,
    pub(crate) command: String,
    pub(crate) group: String,
    pub(crate) stop_reason: Option<String>,
    pub(crate) exit_code: Option<i32>,
}

/// The bytes of a record as they are kept; headers in Kafka's wire form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordRow {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) headers: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) codec: i32,
}

impl FailureRow {
    /// Such as `orders/2/7 receive`.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}/{} {}", self.topic, self.partition, self.offset, self.stage)
    }
}

impl Journal {
    /// Changes a journal behind the back of everybody; says how many rows.
    #[track_caller]
    pub(super) fn change(path: &Path, sql: &str) -> usize {
        let changed =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|journal| journal.execute(sql, []));
        changed.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    #[track_caller]
    pub(super) fn open(path: &Path) -> Self {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        match connection {
            Ok(connection) => Self(connection),
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }

    /// All entries, in order of topic, partition and offset.
    #[track_caller]
    pub(crate) fn failures(&self) -> Vec<FailureRow> {
        let sql =
            "SELECT topic, partition, offset, stage, receiver, consumer_group, class, code, state, attempts, event_type, event_id,
                message FROM failures ORDER BY topic, partition, offset, stage, receiver";
        self.rows(sql, |row| {
            Ok(FailureRow {
                topic: row.get(0)?,
                partition: row.get(1)?,
                offset: row.get(2)?,
                stage: row.get(3)?,
                receiver: row.get(4)?,
                group: row.get(5)?,
                class: row.get(6)?,
                code: row.get(7)?,
                state: row.get(8)?,
                attempts: row.get(9)?,
                event_type: row.get(10)?,
                event_id: row.get(11)?,
                message: row.get(12)?,
            })
        })
    }

    /// All incidents, oldest first.
    #[track_caller]
    pub(crate) fn incidents(&self) -> Vec<IncidentRow> {
        let sql = "SELECT i.kind, t.name, i.partition, i.from_offset, i.to_offset, i.receiver, i.message, i.count,
                i.ended_at_us IS NULL AND i.acked_at_us IS NULL
            FROM incident i LEFT JOIN topic t ON t.id = i.topic_id ORDER BY i.id";
        self.rows(sql, |row| {
            Ok(IncidentRow {
                kind: row.get(0)?,
                topic: row.get(1)?,
                partition: row.get(2)?,
                from: row.get(3)?,
                to: row.get(4)?,
                receiver: row.get(5)?,
                message: row.get(6)?,
                count: row.get(7)?,
                is_open: row.get(8)?,
            })
        })
    }

    /// All ranges that are settled, in order of group, topic, partition and offset.
    #[track_caller]
    pub(crate) fn progress(&self) -> Vec<ProgressRow> {
        let sql =
            "SELECT p.consumer_group, t.name, p.partition, p.run_id, p.from_offset, p.to_offset, p.records, p.delivered, p.failed,
                p.skipped
            FROM progress p JOIN topic t ON t.id = p.topic_id ORDER BY 1, 2, 3, 5, 4";
        self.rows(sql, |row| {
            Ok(ProgressRow {
                group: row.get(0)?,
                topic: row.get(1)?,
                partition: row.get(2)?,
                run: row.get(3)?,
                from: row.get(4)?,
                to: row.get(5)?,
                records: row.get(6)?,
                delivered: row.get(7)?,
                failed: row.get(8)?,
                skipped: row.get(9)?,
            })
        })
    }

    /// All runs, oldest first.
    #[track_caller]
    pub(crate) fn runs(&self) -> Vec<RunRow> {
        self.rows("SELECT id, command, consumer_group, stop_reason, exit_code FROM run ORDER BY id", |row| {
            Ok(RunRow {
                id: row.get(0)?,
                command: row.get(1)?,
                group: row.get(2)?,
                stop_reason: row.get(3)?,
                exit_code: row.get(4)?,
            })
        })
    }

    /// The record of an entry.
    #[track_caller]
    pub(crate) fn record(&self, topic: &str, partition: i32, offset: i64) -> RecordRow {
        let sql = format!(
            "SELECT r.key, r.headers, r.value, r.codec FROM record r JOIN topic t ON t.id = r.topic_id
            WHERE t.name = '{topic}' AND r.partition = {partition} AND r.offset = {offset}"
        );
        let read = |row: &Row<'_>| Ok(RecordRow { key: row.get(0)?, headers: row.get(1)?, value: row.get(2)?, codec: row.get(3)? });
        self.rows(&sql, read).pop().unwrap_or_else(|| panic!("the journal has no record {topic}/{partition}/{offset}"))
    }

    /// The id that commits carry in their metadata.
    #[track_caller]
    pub(crate) fn uuid(&self) -> String {
        self.rows("SELECT uuid FROM journal", |row| row.get(0)).pop().expect("a journal has a uuid")
    }

    /// Entries that a replay holds, or held when it died.
    #[track_caller]
    pub(crate) fn claimed(&self) -> i64 {
        self.rows("SELECT count(*) FROM failure WHERE claimed_by IS NOT NULL", |row| row.get(0)).pop().unwrap_or_default()
    }

    /// What a query gives, as the shell of SQLite prints it: a row a line, its columns parted by bars.
    #[track_caller]
    pub(crate) fn lines(&self, sql: &str) -> Vec<String> {
        let text = |value: Value| match value {
            Value::Null => String::new(),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => number.to_string(),
            Value::Text(text) => text,
            Value::Blob(bytes) => bytes.escape_ascii().to_string(),
        };
        self.rows(sql, |row| {
            let cells = (0..row.as_ref().column_count()).map(|at| row.get(at).map(text));
            Ok(cells.collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
        })
    }

    #[track_caller]
    fn rows<T>(&self, sql: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let rows = self.0.prepare(sql).and_then(|mut statement| statement.query_map([], read)?.collect());
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}
