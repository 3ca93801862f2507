//! What a journal and the disk under it are like, for a check-up: read only, but for one temporary file that is gone afterwards.
//!
//! The journal itself is opened by SQLite alone (`open` says why).

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::journal::host::{Host, Other};
use crate::journal::open::{OpenError, Place, network};
use crate::journal::reader::{ReadError, Reader};
use crate::journal::sql;

/// How many syncs the measurement makes.
const SYNCS: usize = 5;
/// What one of them syncs, in bytes: a page of a journal.
const SYNCED: usize = 8 * 1024;

/// The file system in which the journal is, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    pub folder: String,
    /// What it is called, when it is reached over a network.
    pub network: Option<&'static str>,
    pub free_bytes: u64,
    pub total_bytes: u64,
}

/// A journal that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    pub path: String,
    pub uuid: String,
    /// Of its schema.
    pub version: i64,
    /// With what lies beside it.
    pub bytes: u64,
    /// Permission bits.
    pub mode: u32,
    pub open_failures: u64,
    /// The runs that have not ended, of processes that live.
    pub runs: Vec<LiveRun>,
    /// The newest time in it, in microseconds since 1970; 0 when it has none.
    pub newest_us: i64,
}

/// A process that writes the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRun {
    pub command: String,
    pub group: String,
    pub host: String,
    pub pid: i64,
}

impl Place {
    /// Asks the file system of the journal's folder.
    ///
    /// # Errors
    /// When it cannot be asked, most likely because there is no such folder.
    pub fn disk(&self) -> io::Result<Disk> {
        let folder = self.folder();
        let told = |error: rustix::io::Errno| io::Error::from(error);
        let kind = rustix::fs::statfs(folder).map_err(told)?.f_type.cast_unsigned() & 0xffff_ffff;
        let space = rustix::fs::statvfs(folder).map_err(told)?;
        Ok(Disk {
            folder: folder.display().to_string(),
            network: network(kind),
            free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            total_bytes: space.f_blocks.saturating_mul(space.f_frsize),
        })
    }

    /// The median time of a few syncs of a small file beside the journal.
    ///
    /// # Errors
    /// When a file cannot be made, written or synced there.
    pub fn sync_time(&self) -> io::Result<Duration> {
        let path = self.beside(&format!(".doctor-{}", uuid::Uuid::new_v4().simple()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut measure = || {
            let mut times = Vec::with_capacity(SYNCS);
            for _ in 0..SYNCS {
                let begun_at = Instant::now();
                file.write_all(&[0; SYNCED])?;
                file.sync_data()?;
                times.push(begun_at.elapsed());
            }
            times.sort_unstable();
            Ok(times.get(SYNCS / 2).copied().unwrap_or_default())
        };
        let measured = measure();
        fs::remove_file(&path)?;
        measured
    }

    /// Opens the journal for reading; makes and changes nothing.
    ///
    /// # Errors
    /// As every reader of it would meet them.
    pub fn examine(&self) -> Result<Examined, ExamineError> {
        let reader = Reader::open(self)?;
        let metadata = fs::metadata(&self.path).map_err(|source| self.denied(source))?;
        let beside = ["-wal", "-shm"].iter().filter_map(|suffix| fs::metadata(self.beside(suffix)).ok());
        let (version, newest_us) = reader.version_and_newest()?;
        Ok(Examined {
            path: reader.path().to_owned(),
            uuid: reader.uuid().to_owned(),
            version,
            bytes: metadata.len() + beside.map(|metadata| metadata.len()).sum::<u64>(),
            mode: metadata.permissions().mode() & 0o777,
            open_failures: reader.counts()?.open,
            runs: reader.live_runs()?,
            newest_us,
        })
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

/// A journal that cannot be examined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExamineError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Reader {
    fn version_and_newest(&self) -> Result<(i64, i64), ReadError> {
        let version = self.connection.pragma_query_value(None, "user_version", |row| row.get(0));
        let version = version.map_err(|error| self.failed(error))?;
        let newest = self.connection.query_row(sql::NEWEST_TIME, [], |row| row.get(0)).map_err(|error| self.failed(error))?;
        Ok((version, newest))
    }

    fn live_runs(&self) -> Result<Vec<LiveRun>, ReadError> {
        let (here, now_us) = (Host::here(), jiff::Timestamp::now().as_microsecond());
        let read = || {
            let mut statement = self.connection.prepare(sql::RUNS_NOT_ENDED)?;
            let runs = statement.query_map([], |row| {
                let other = Other { host: row.get(0)?, pid: row.get(1)?, started_at_us: row.get(2)?, alive_at_us: row.get(3)? };
                let (host, pid) = (other.host.clone(), other.pid);
                Ok((other, LiveRun { command: row.get(4)?, group: row.get(5)?, host, pid }))
            })?;
            runs.collect::<rusqlite::Result<Vec<_>>>()
        };
        let runs = read().map_err(|error| self.failed(error))?;
        Ok(runs.into_iter().filter(|(run, _)| !run.is_gone(&here, now_us)).map(|(_, run)| run).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Safety;

    #[test]
    fn a_folder_is_measured_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { path: folder.path().join("redrive.db"), safety: Safety::Safe };
        let disk = place.disk().unwrap();
        assert!(disk.free_bytes > 0 && disk.free_bytes <= disk.total_bytes, "{disk:?}");
        assert!(place.sync_time().unwrap() > Duration::ZERO);
        assert!(matches!(place.examine(), Err(ExamineError::Open(OpenError::Missing(_)))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn a_journal_is_described() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { path: folder.path().join("redrive.db"), safety: Safety::Safe };
        drop(place.open_to_write().unwrap());
        let examined = place.examine().unwrap();
        assert_eq!((examined.version, examined.mode, examined.open_failures), (3, 0o600, 0));
        assert!(examined.bytes > 0 && examined.runs.is_empty() && examined.newest_us > 0, "{examined:?}");
    }
}
