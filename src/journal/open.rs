//! Opening: what is a journal, what is not, and what must not be touched.
//!
//! A new journal is made whole under another name and then linked to its own, so nobody ever sees half of one.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};
use thiserror::Error;

use crate::journal::sql;

const APPLICATION_ID: i64 = 0x5244_5256;
/// The schema that this version writes.
const VERSION: i64 = 1;
/// The oldest reader that can read it.
const FORMAT: i64 = 1;
/// A SQLite database has at least one page, and a page has at least 512 bytes.
const SHORTEST: u64 = 512;
const LOCKED_FOR: Duration = Duration::from_secs(30);

/// Why a journal cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    #[error("there is no journal at {0}")]
    Missing(String),
    /// SQLite would write what is in there into a new journal of this name.
    #[error("there is no journal at {path}, but {beside} of one that was there is left: what it holds is not in the journal yet")]
    LeftBehind { path: String, beside: String },
    #[error("{0} is not a journal: it is not a SQLite database")]
    NotAJournal(String),
    #[error("{path} is a SQLite database of another program (application id {found:#010x}, expected {APPLICATION_ID:#010x})")]
    Foreign { path: String, found: i64 },
    #[error("the journal {path} was written by a newer redrive (schema {found}, this one knows {VERSION})")]
    Newer { path: String, found: i64 },
    #[error("the journal {path} is on a network file system ({kind}), where SQLite's locks cannot be relied on")]
    Network { path: String, kind: &'static str },
    #[error("the journal {path} cannot be opened: {source}")]
    Denied { path: String, source: io::Error },
    #[error("the journal {path} is locked by another process for more than 30 s")]
    Locked { path: String },
    #[error("the journal {path} cannot be used: {source}")]
    Sqlite { path: String, source: rusqlite::Error },
    #[error("the journal {path} cannot be made: {source}")]
    Migration { path: String, source: rusqlite_migration::Error },
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
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
        };
        ["", "-wal", "-shm", "-journal"].iter().any(|suffix| {
            let ours = self.beside(suffix);
            let is_same_file = matches!((Identity::of(&ours), Identity::of(path)), (Ok(ours), Ok(other)) if ours == other);
            is_same_file || (whole(&ours).is_some() && whole(&ours) == whole(path))
        })
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        self.path.with_file_name(name)
    }

    /// Opens for writing; makes the journal when there is none.
    pub(super) fn open_to_write(&self) -> Result<Connection, OpenError> {
        self.check_file_system()?;
        if !self.exists()? {
            self.create()?;
        }
        self.check_kind()?;
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        self.check_identity(&connection, Access::Write)?;
        migrations().to_latest(&mut connection).map_err(|source| OpenError::Migration { path: self.name(), source })?;
        connection.execute_batch(sql::WRITER_SETTINGS).map_err(|error| self.failed(error))?;
        Ok(connection)
    }

    /// Opens for reading; never makes, migrates or changes anything.
    pub(super) fn open_to_read(&self) -> Result<Connection, OpenError> {
        if !self.exists()? {
            return Err(OpenError::Missing(self.name()));
        }
        self.check_file_system()?;
        self.check_kind()?;
        // Read-write, because reading a journal that another process writes takes part in its shared memory; `query_only` keeps our hands off.
        let connection = match self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE) {
            Err(OpenError::Denied { .. }) => self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?,
            other => other?,
        };
        connection.execute_batch(sql::READER_SETTINGS).map_err(|error| self.failed(error))?;
        self.check_identity(&connection, Access::Read)?;
        Ok(connection)
    }

    /// True when there is a file with something in it.
    fn exists(&self) -> Result<bool, OpenError> {
        match fs::metadata(&self.path) {
            Ok(metadata) => Ok(metadata.len() > 0 || !metadata.is_file()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(OpenError::Denied { path: self.name(), source }),
        }
    }

    /// What is no regular file, or shorter than any database, is no journal. What it holds is left to SQLite to find out: a process
    /// that closes a file loses all of its locks on it, so nothing but SQLite may open a journal that may be open in this process.
    fn check_kind(&self) -> Result<(), OpenError> {
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_file() && metadata.len() >= SHORTEST => Ok(()),
            Ok(_) => Err(OpenError::NotAJournal(self.name())),
            Err(source) => Err(OpenError::Denied { path: self.name(), source }),
        }
    }

    fn connect(&self, flags: OpenFlags) -> Result<Connection, OpenError> {
        let connection =
            Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(|error| self.failed(error))?;
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
        if found > VERSION && (access == Access::Write || !can_read()) {
            return Err(OpenError::Newer { path: self.name(), found });
        }
        Ok(())
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
        let denied = |source| OpenError::Denied { path: self.name(), source };
        let unfinished = self.beside(&format!(".new-{}", uuid::Uuid::new_v4().simple()));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(denied)?;
        let made = Self { path: unfinished.clone(), safety: self.safety }.fill();
        let linked = made.and_then(|()| match fs::hard_link(&unfinished, &self.path) {
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

    fn fill(&self) -> Result<(), OpenError> {
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.execute_batch(sql::FILE_SETTINGS).map_err(|error| self.failed(error))?;
        migrations().to_latest(&mut connection).map_err(|source| OpenError::Migration { path: self.name(), source })?;
        let uuid = uuid::Uuid::new_v4().to_string();
        connection
            .execute(sql::NEW_JOURNAL, (uuid, jiff::Timestamp::now().as_microsecond()))
            .map_err(|error| self.failed(error))?;
        connection.close().map_err(|(_, error)| self.failed(error))
    }

    fn check_file_system(&self) -> Result<(), OpenError> {
        if self.safety == Safety::AnyFileSystem {
            return Ok(());
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let found = rustix::fs::statfs(folder).map_err(|error| OpenError::Denied { path: self.name(), source: error.into() })?;
        match network(found.f_type.cast_unsigned() & 0xffff_ffff) {
            Some(kind) => Err(OpenError::Network { path: self.name(), kind }),
            None => Ok(()),
        }
    }

    pub(super) fn failed(&self, source: rusqlite::Error) -> OpenError {
        let path = self.name();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { path },
            Some(ErrorCode::NotADatabase) => OpenError::NotAJournal(path),
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                OpenError::Denied { path, source: io::Error::new(io::ErrorKind::PermissionDenied, source) }
            }
            _ => OpenError::Sqlite { path, source },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

fn migrations() -> Migrations<'static> {
    Migrations::new(vec![M::up(include_str!("../../migrations/0001_journal.sql"))])
}

/// The file systems of `statfs(2)` that are reached over a network.
fn network(magic: u64) -> Option<&'static str> {
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
