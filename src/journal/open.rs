//! Opening: what is a journal, what is not, and what must not be touched.
//!
//! A new journal is made whole under another name and then linked to its own, so nobody ever sees half of one.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};
use thiserror::Error;

use crate::journal::plain::{is_damage, plain};
use crate::journal::sql;

const APPLICATION_ID: i64 = 0x5244_5256;
/// The schema that this version writes.
const VERSION: i64 = 3;
/// The oldest reader that can read it.
const FORMAT: i64 = 1;
/// A SQLite database has at least one page, and a page has at least 512 bytes.
const SHORTEST: u64 = 512;
/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;
const LOCKED_FOR: Duration = Duration::from_secs(30);
/// What is spelled out in the path of a URI.
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');

/// Why a journal cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    #[error("there is no journal at {0}")]
    Missing(String),
    /// SQLite would open something else, or leave the file behind for what it takes for options.
    #[error("the journal cannot be called `{0}`: to SQLite that is not the name of a file")]
    NoFileName(String),
    /// SQLite would write what is in there into a new journal of this name.
    #[error("there is no journal at {path}, but {beside} of one that was there is left: what it holds is not in the journal yet")]
    LeftBehind { path: String, beside: String },
    #[error("{0} is not a journal: it is not a SQLite database")]
    NotAJournal(String),
    #[error("{0} is not a journal: it is a folder")]
    Folder(String),
    #[error("{path} is a SQLite database of another program (application id {found:#010x}, expected {APPLICATION_ID:#010x})")]
    Foreign { path: String, found: i64 },
    #[error("the journal {path} was written by a newer redrive (schema {found}, this one knows {VERSION})")]
    Newer { path: String, found: i64 },
    #[error("the journal {path} is on a network file system ({kind}), where SQLite's locks cannot be relied on")]
    Network { path: String, kind: &'static str },
    #[error("the journal {path} cannot be opened: {source}")]
    Denied { path: String, source: io::Error },
    /// It may be in use, or have been when its process died.
    #[error("the journal {path} cannot be read where it is: {beside} belongs to it, and to read both SQLite has to write there")]
    Sealed { path: String, beside: String },
    #[error("the journal {path} is locked by another process for more than 30 s")]
    Locked { path: String },
    #[error("the journal {path} cannot be written: its disk is full")]
    Full { path: String },
    #[error("the journal {path} is damaged: {what}")]
    Damaged { path: String, what: String },
    #[error("the journal {path} cannot be used: {what}")]
    Unusable { path: String, what: String },
}

/// Whether a network file system is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Safety {
    #[default]
    Safe,
    /// `--allow-unsafe-journal`
    AnyFileSystem,
}

/// Where a journal is.
#[derive(Clone, Debug)]
pub struct Place {
    pub path: PathBuf,
    pub safety: Safety,
}

/// Which file a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Place {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// True for the files that SQLite keeps: the journal, and what lies beside it. Nobody else may write there.
    #[must_use]
    pub fn owns(&self, path: &Path) -> bool {
        let whole = |path: &Path| {
            let path = followed(path);
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
        };
        let (place, identity) = (whole(path), Identity::of(path).ok());
        ["", "-wal", "-shm", "-journal"].iter().any(|suffix| {
            let ours = self.beside(suffix);
            // By name where there is nothing yet, by what it is where it has several names.
            (place.is_some() && place == whole(&ours)) || (identity.is_some() && identity == Identity::of(&ours).ok())
        })
    }

    /// Opens for writing; makes the journal when there is none.
    pub(super) fn open_to_write(&self) -> Result<Connection, OpenError> {
        self.check_name()?;
        self.check_file_system()?;
        if !self.exists()? {
            self.create()?;
        }
        self.check_kind()?;
        let mut connection = self.connect(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        self.check_identity(&connection, Access::Write)?;
        self.migrate(&mut connection)?;
        connection.execute_batch(sql::WRITER_SETTINGS).map_err(|error| self.failed(error))?;
        Ok(connection)
    }

    /// Opens for reading; never makes, migrates or changes anything.
    pub(super) fn open_to_read(&self) -> Result<Connection, OpenError> {
        self.check_name()?;
        if !self.exists()? {
            return Err(OpenError::Missing(self.name()));
        }
        self.check_file_system()?;
        self.check_kind()?;
        rustix::fs::access(&self.path, rustix::fs::Access::READ_OK).map_err(|error| self.denied(error.into()))?;
        // Read-write, because reading a journal that another process writes takes part in its shared memory; `query_only` keeps our hands off.
        match self.read_from(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE) {
            Err(OpenError::Denied { .. }) => self.read_immutable(),
            other => other,
        }
    }

    fn read_from(&self, file: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
        let connection = self.connect(file, flags)?;
        connection.execute_batch(sql::READER_SETTINGS).map_err(|error| self.failed(error))?;
        self.check_identity(&connection, Access::Read)?;
        Ok(connection)
    }

    /// Reads where nothing can be written, as on a read-only medium: SQLite does so when it is told that the file does not change.
    fn read_immutable(&self) -> Result<Connection, OpenError> {
        let path = std::path::absolute(&self.path).map_err(|source| self.denied(source))?;
        let uri = format!("file://{}?immutable=1", percent_encode(path.as_os_str().as_bytes(), IN_A_PATH));
        self.check_nobody_writes()?;
        let connection = self.read_from(Path::new(&uri), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?;
        // Whoever began to write since then made a file beside it first. Whoever begins later leaves the file itself alone until its first
        // checkpoint.
        self.check_nobody_writes()?;
        Ok(connection)
    }

    /// A process that writes the journal has two files beside it; one that died left what it wrote last in the first of them.
    fn check_nobody_writes(&self) -> Result<(), OpenError> {
        let (log, shared) = (self.beside("-wal"), self.beside("-shm"));
        let is_in_use = fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 0 || shared.exists());
        if is_in_use { Err(OpenError::Sealed { path: self.name(), beside: log.display().to_string() }) } else { Ok(()) }
    }

    /// Refuses what SQLite takes for a database without a file, or for a name with options behind it. So does opening.
    ///
    /// # Errors
    /// [`OpenError::NoFileName`], and no other.
    pub fn check_name(&self) -> Result<(), OpenError> {
        let name = self.path.as_os_str().as_bytes();
        let is_special = name.is_empty() || name.starts_with(b":") || name.starts_with(b"file:");
        if is_special { Err(OpenError::NoFileName(self.name())) } else { Ok(()) }
    }

    /// The file beside it of the same name and this ending.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        self.path.with_file_name(name)
    }

    /// True when there is a file with something in it.
    fn exists(&self) -> Result<bool, OpenError> {
        match fs::metadata(&self.path) {
            Ok(metadata) => Ok(metadata.len() > 0 || !metadata.is_file()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.denied(source)),
        }
    }

    /// What is no regular file, or shorter than any database, is no journal. What it holds is left to SQLite to find out: a process
    /// that closes a file loses all of its locks on it, so nothing but SQLite may open a journal that may be open in this process.
    fn check_kind(&self) -> Result<(), OpenError> {
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_file() && metadata.len() >= SHORTEST => Ok(()),
            Ok(metadata) if metadata.is_dir() => Err(OpenError::Folder(self.name())),
            Ok(_) => Err(OpenError::NotAJournal(self.name())),
            Err(source) => Err(self.denied(source)),
        }
    }

    fn connect(&self, file: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
        let connection =
            Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(|error| self.failed(error))?;
        connection.busy_timeout(LOCKED_FOR).map_err(|error| self.failed(error))?;
        Ok(connection)
    }

    fn check_identity(&self, connection: &Connection, access: Access) -> Result<(), OpenError> {
        let pragma =
            |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(|error| self.failed(error));
        let found = pragma("application_id")?;
        if found != APPLICATION_ID {
            return Err(OpenError::Foreign { path: self.name(), found });
        }
        let found = pragma("user_version")?;
        let can_read = || connection.query_row(sql::FORMAT, [], |row| row.get::<_, i64>(0)).is_ok_and(|format| format <= FORMAT);
        if found < 1 {
            // A journal is made whole under another name: no crash leaves one half made.
            let what = format!("the number of its schema (user_version) is {found}, and the first one was 1");
            return Err(OpenError::Damaged { path: self.name(), what });
        }
        if found > VERSION && (access == Access::Write || !can_read()) {
            return Err(OpenError::Newer { path: self.name(), found });
        }
        Ok(())
    }

    /// Whether one could be made here, as far as that shows without making it.
    pub(super) fn check_place(&self) -> Result<(), OpenError> {
        self.check_file_system()?;
        self.check_nothing_is_left()
    }

    /// Recent transactions of a journal are in a file beside it, and whoever opens a database takes them in, also those of another one
    /// that was called the same.
    fn check_nothing_is_left(&self) -> Result<(), OpenError> {
        for suffix in ["-wal", "-journal"] {
            let beside = self.beside(suffix);
            // Empty ones hold nothing; and the journal may have been made by another process just now.
            if fs::metadata(&beside).is_ok_and(|metadata| metadata.len() > 0) && !self.exists()? {
                return Err(OpenError::LeftBehind { path: self.name(), beside: beside.display().to_string() });
            }
        }
        Ok(())
    }

    fn create(&self) -> Result<(), OpenError> {
        self.check_nothing_is_left()?;
        let denied = |source| self.denied(source);
        let unfinished = self.beside(&format!(".new-{}", uuid::Uuid::new_v4().simple()));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(denied)?;
        let linked = self.fill(&unfinished).and_then(|()| match fs::hard_link(&unfinished, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.take_over_empty(&unfinished).map_err(denied),
            other => other.map_err(denied),
        });
        fs::remove_file(&unfinished)
            .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(denied(error)) })?;
        linked
    }

    /// Somebody made the file meanwhile: theirs is as good as ours, unless it is empty.
    fn take_over_empty(&self, unfinished: &Path) -> io::Result<()> {
        if fs::metadata(&self.path)?.len() == 0 { fs::rename(unfinished, &self.path) } else { Ok(()) }
    }

    /// Whatever goes wrong is told of the journal: nobody knows the other name.
    fn fill(&self, unfinished: &Path) -> Result<(), OpenError> {
        let mut connection = self.connect(unfinished, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.execute_batch(sql::FILE_SETTINGS).map_err(|error| self.failed(error))?;
        self.migrate(&mut connection)?;
        let uuid = uuid::Uuid::new_v4().to_string();
        connection
            .execute(sql::NEW_JOURNAL, (uuid, jiff::Timestamp::now().as_microsecond()))
            .map_err(|error| self.failed(error))?;
        connection.close().map_err(|(_, error)| self.failed(error))
    }

    fn migrate(&self, connection: &mut Connection) -> Result<(), OpenError> {
        migrations().to_latest(connection).map_err(|error| match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => self.failed(err),
            other => OpenError::Unusable { path: self.name(), what: other.to_string() },
        })
    }

    fn check_file_system(&self) -> Result<(), OpenError> {
        if self.safety == Safety::AnyFileSystem {
            return Ok(());
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let found = rustix::fs::statfs(folder).map_err(|error| self.denied(error.into()))?;
        match network(found.f_type.cast_unsigned() & 0xffff_ffff) {
            Some(kind) => Err(OpenError::Network { path: self.name(), kind }),
            None => Ok(()),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it stands in for the error, in map_err")]
    pub(super) fn failed(&self, error: rusqlite::Error) -> OpenError {
        let (path, what) = (self.name(), plain(&error));
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { path },
            Some(ErrorCode::NotADatabase) => OpenError::NotAJournal(path),
            Some(ErrorCode::DiskFull) => OpenError::Full { path },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                OpenError::Denied { path, source: io::Error::new(io::ErrorKind::PermissionDenied, what) }
            }
            _ if is_damage(&error) => OpenError::Damaged { path, what },
            _ => OpenError::Unusable { path, what },
        }
    }

    pub(super) fn denied(&self, source: io::Error) -> OpenError {
        let path = self.name();
        if source.kind() == io::ErrorKind::StorageFull { OpenError::Full { path } } else { OpenError::Denied { path, source } }
    }
}

/// Where symbolic links lead, whether or not there is something.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(next) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    path
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

fn migrations() -> Migrations<'static> {
    Migrations::new(vec![
        M::up(include_str!("../../migrations/0001_journal.sql")),
        M::up(include_str!("../../migrations/0002_schemas.sql")),
        M::up(include_str!("../../migrations/0003_policy.sql")),
    ])
}

/// The file systems of `statfs(2)` that are reached over a network.
pub(super) fn network(magic: u64) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x0102_1997 => "9P",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        0x564c => "NCP",
        0x7375_7245 => "Coda",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn its_files_are_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "redrive.db");
        let within = |name: &str| folder.path().join(name);
        assert!(place.owns(&within("redrive.db")) && place.owns(&within("redrive.db-wal")) && !place.owns(&within("audit.jsonl")));
        std::os::unix::fs::symlink("redrive.db", within("before.jsonl")).unwrap();
        assert!(place.owns(&within("before.jsonl")), "also before there is one");
        drop(place.open_to_write().unwrap());
        fs::hard_link(&place.path, within("linked.jsonl")).unwrap();
        std::os::unix::fs::symlink("redrive.db", within("symbolic.jsonl")).unwrap();
        assert!(
            place.owns(&within("linked.jsonl")) && place.owns(&within("symbolic.jsonl")) && place.owns(&within("./redrive.db-shm"))
        );
    }

    /// A consumer was killed, and somebody deleted the file but not what lay beside it: a new journal once held the old one's failures.
    #[test]
    fn what_a_deleted_journal_left_behind_is_not_taken_for_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "redrive.db");
        let connection = place.open_to_write().unwrap();
        connection.execute_batch("CREATE TABLE old (x); INSERT INTO old VALUES (1)").unwrap();
        // As a kill leaves it: neither closed nor checkpointed.
        let wal = fs::read(folder.path().join("redrive.db-wal")).unwrap();
        drop(connection);
        fs::remove_file(&place.path).unwrap();
        fs::write(folder.path().join("redrive.db-wal"), wal).unwrap();
        let error = place.open_to_write().unwrap_err();
        assert!(matches!(&error, OpenError::LeftBehind { beside, .. } if beside.ends_with("redrive.db-wal")), "{error}");
        assert!(!place.path.exists(), "nothing is made");
        fs::remove_file(folder.path().join("redrive.db-wal")).unwrap();
        let connection = place.open_to_write().unwrap();
        assert!(connection.execute_batch("SELECT x FROM old").is_err());
    }

    fn place(folder: &tempfile::TempDir, name: &str) -> Place {
        Place { path: folder.path().join(name), safety: Safety::Safe }
    }

    #[test]
    fn a_new_journal_is_whole_private_and_safe() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "new.db");
        let connection = place.open_to_write().unwrap();
        assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, 0o600);
        let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
        let integer = rusqlite::types::Value::Integer;
        assert_eq!(pragma("synchronous"), integer(2), "FULL: what is committed is on disk");
        assert_eq!(pragma("journal_mode"), rusqlite::types::Value::Text("wal".into()));
        assert_eq!((pragma("auto_vacuum"), pragma("page_size"), pragma("foreign_keys")), (integer(2), integer(8192), integer(1)));
        drop(connection);
        place.open_to_write().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_no_journal_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str| {
            let place = place(&folder, name);
            (place.open_to_write().map(drop).unwrap_err().to_string(), place.open_to_read().map(drop).unwrap_err().to_string())
        };
        fs::write(folder.path().join("garbage"), "not a database at all, but long enough to look at").unwrap();
        fs::write(folder.path().join("long"), "not a database either; ".repeat(500)).unwrap();
        fs::write(folder.path().join("short"), "x").unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        for name in ["garbage", "long", "short", "folder"] {
            let (write, read) = refused(name);
            assert!(write.contains("is not a journal") && read.contains("is not a journal"), "{name}: {write} / {read}");
        }
        Connection::open(folder.path().join("foreign")).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
        assert!(refused("foreign").0.contains("another program"));
        assert!(matches!(place(&folder, "nothing").open_to_read(), Err(OpenError::Missing(_))));
        assert!(!folder.path().join("nothing").exists(), "a reader makes none");
        assert!(matches!(place(&folder, "no/such/folder").open_to_write(), Err(OpenError::Denied { .. })));
    }

    #[test]
    fn a_name_that_is_none_of_a_file_to_sqlite_is_refused() {
        for name in ["", ":memory:", ":x", "file:x?mode=memory", "file:redrive.db"] {
            let place = Place { path: name.into(), safety: Safety::Safe };
            assert!(matches!(place.open_to_write(), Err(OpenError::NoFileName(_))), "{name}");
            assert!(matches!(place.open_to_read(), Err(OpenError::NoFileName(_))), "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        for name in [":memory:", "file:x?mode=memory"] {
            let place = place(&folder, name);
            place.open_to_write().unwrap();
            assert!(place.path.exists(), "in a folder that is named, it is a file: {name}");
        }
    }

    /// On a read-only medium, say. What was written last may be in the file beside it, so that one must not be passed over.
    #[test]
    fn a_journal_is_read_without_writing_beside_it_unless_somebody_may_write_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "a journal?mode=%41.db");
        place.open_to_write().unwrap();
        let reader = place.read_immutable().unwrap();
        let one: i64 = reader.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
        assert_eq!((one, fs::read_dir(folder.path()).unwrap().count()), (1, 1), "nothing is made beside it");
        let writer = place.open_to_write().unwrap();
        let sealed =
            |place: &Place| matches!(place.read_immutable(), Err(OpenError::Sealed { beside, .. }) if beside.ends_with("-wal"));
        assert!(fs::metadata(place.beside("-wal")).unwrap().len() == 0 && sealed(&place), "somebody has it open");
        writer.execute("UPDATE journal SET created_at_us = 0", []).unwrap();
        let copy = Place { path: folder.path().join("copy.db"), safety: Safety::Safe };
        fs::copy(&place.path, &copy.path).unwrap();
        fs::copy(place.beside("-wal"), copy.beside("-wal")).unwrap();
        assert!(sealed(&copy), "what was written last is in there");
        fs::write(copy.beside("-wal"), "").unwrap();
        copy.read_immutable().unwrap();
    }

    #[test]
    fn a_damaged_journal_is_told_without_sql() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "damaged.db");
        let damaged = |change: &str, said: &str| {
            fs::remove_file(&place.path).or_else(|error| if place.path.exists() { Err(error) } else { Ok(()) }).unwrap();
            place.open_to_write().unwrap().execute_batch(change).unwrap();
            let beginning = crate::journal::Beginning {
                command: "consume",
                group: "shop".into(),
                client_id: "c".into(),
                receivers: Vec::new(),
                hands: 0,
            };
            for error in [
                crate::journal::Reader::open(&place).map(drop).unwrap_err(),
                crate::journal::Writer::open(&place, &beginning).map(drop).unwrap_err(),
            ] {
                assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
                let told = error.to_string();
                assert!(told.contains(said) && !told.contains("SELECT") && !told.contains("CREATE"), "{told}");
            }
        };
        damaged("PRAGMA user_version = 0", "user_version");
        damaged("DELETE FROM journal", "a row that every journal has is missing");
        damaged("PRAGMA foreign_keys = OFF; DROP TABLE journal", "no such table: journal");
    }

    #[test]
    fn what_goes_wrong_in_the_making_is_told_of_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "new.db");
        let told = place.fill(&folder.path().join("no/such/new.db.new-1")).unwrap_err().to_string();
        assert!(told.contains("new.db") && !told.contains("new-1"), "{told}");
        let full = rusqlite::ffi::Error { code: ErrorCode::DiskFull, extended_code: 13 };
        let told = place.failed(rusqlite::Error::SqliteFailure(full, None)).to_string();
        assert!(told.contains("new.db") && told.contains("disk is full"), "{told}");
    }

    #[test]
    fn a_journal_of_version_1_is_read_as_it_is_and_migrated_by_whoever_writes() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "old.db");
        let mut connection = Connection::open(&place.path).unwrap();
        connection.execute_batch(sql::FILE_SETTINGS).unwrap();
        migrations().to_version(&mut connection, 1).unwrap();
        connection.execute(sql::NEW_JOURNAL, ("an id", 0)).unwrap();
        connection.close().unwrap();
        let version = |connection: &Connection| connection.pragma_query_value::<i64, _>(None, "user_version", |row| row.get(0));
        assert_eq!(version(&place.open_to_read().unwrap()), Ok(1));
        let reader = crate::journal::Reader::open(&place).unwrap();
        assert!(reader.schemas(&[]).unwrap().is_empty());
        let listed = reader.failures(&crate::journal::FailureSelection::default(), crate::journal::Window::default());
        assert!(listed.unwrap().items.is_empty() && reader.failure(1).unwrap().is_none(), "it has no column for rules");
        assert_eq!(version(&place.open_to_write().unwrap()), Ok(VERSION));
        let reader = crate::journal::Reader::open(&place).unwrap();
        assert_eq!((reader.uuid(), reader.schemas(&[]).unwrap().len()), ("an id", 0), "it is the same journal");
    }

    #[test]
    fn a_newer_journal_is_read_while_its_format_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "newer.db");
        let connection = place.open_to_write().unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(matches!(place.open_to_write(), Err(OpenError::Newer { .. })));
        place.open_to_read().unwrap();
        connection.execute("UPDATE journal SET format = 2", []).unwrap();
        assert!(matches!(place.open_to_read(), Err(OpenError::Newer { .. })));
    }

    /// Reading the file's first bytes and closing it once dropped the writer's locks: the next process that closed the journal then took
    /// its write-ahead log away.
    #[test]
    fn opening_it_again_keeps_the_locks_of_this_process() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "held.db");
        let writer = place.open_to_write().unwrap();
        let one: i64 = writer.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
        assert_eq!(one, 1);
        let inode = format!(":{} ", fs::metadata(&place.path).unwrap().ino());
        let locks = || fs::read_to_string("/proc/locks").unwrap().lines().filter(|line| line.contains(&inode)).count();
        let held = locks();
        assert!(held > 0, "a connection in WAL mode holds a shared lock");
        drop(place.open_to_read().unwrap());
        place.open_to_write().unwrap();
        assert_eq!(locks(), held);
        drop(fs::File::open(&place.path).unwrap());
        assert_eq!(locks(), 0, "what this guards against");
    }

    #[test]
    fn an_empty_file_becomes_a_journal() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "empty.db");
        fs::write(&place.path, "").unwrap();
        place.open_to_write().unwrap();
    }

    #[test]
    fn two_processes_may_make_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, "race.db");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| place.open_to_write().unwrap());
            }
        });
        let journals: i64 = place.open_to_read().unwrap().query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
        assert_eq!(journals, 1);
    }
}
