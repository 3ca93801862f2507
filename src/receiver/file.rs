//! `file:` appends a JSON line for each event, and syncs them in groups before any of them settles.
//!
//! A group is written whole or not at all, under a lock of the file: receivers, also those of other processes on this machine, may share
//! one. What fails is taken back, so no line is ever torn by an error; one that a crash tore is ended before the next is written.

mod probe;

use std::fs::OpenOptions;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

pub use probe::{FileFound, probe_file};

use crate::receiver::groups::{Groups, Sink, WINDOW};
use crate::receiver::{Delivery, Needs, Receiver, Runs, Step};

/// A file that is open for appending.
pub struct File(Groups);

impl File {
    /// Opens the file, or makes it; a last line that was torn by a crash is ended. `retries`: tries of what cannot be written, after the
    /// first one.
    ///
    /// # Errors
    /// When it cannot be opened for appending, is no regular file, or cannot be locked or synced.
    pub fn open(path: &Path, retries: u32) -> io::Result<Self> {
        let mut appender = Appender { file: open(path)?, path: path.to_owned() };
        // Nothing is written but the end of a torn line.
        appender.write(&[])?;
        Ok(Self(Groups::start("redrive-file", appender, retries)?))
    }
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    // One that was just made is durable once its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()?;
    Ok(file)
}

impl Receiver for File {
    fn deliver(&self, delivery: Delivery) -> Step {
        self.0.deliver(delivery)
    }

    fn needs(&self) -> Needs {
        Needs::ValidJson
    }

    fn window(&self) -> NonZeroUsize {
        WINDOW
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        self.0.stop()
    }

    fn runs(&self) -> Runs {
        Runs::Nowhere
    }
}

/// A file that was moved away while it was written is written anew: so many times.
const TRIES: u32 = 3;

/// The file, as its own thread has it.
struct Appender {
    file: std::fs::File,
    path: PathBuf,
}

impl Sink for Appender {
    /// All or nothing, and on disk when it returns. In the file that has the name now: one that was moved away or deleted, as those who
    /// rotate logs do, is made anew, for what is written into the old one may be gone.
    fn write(&mut self, group: &[u8]) -> io::Result<()> {
        for _ in 0..TRIES {
            if !self.has_its_name() {
                self.file = open(&self.path)?;
            }
            self.file.lock()?;
            let appended = self.append_locked(group);
            let unlocked = self.file.unlock();
            appended.and(unlocked)?;
            if self.has_its_name() {
                return Ok(());
            }
        }
        Err(io::Error::other("it is moved or deleted again and again while it is written"))
    }

    fn refusal(&self) -> String {
        format!("{} cannot be appended to", self.path.display())
    }
}

impl Appender {
    fn has_its_name(&self) -> bool {
        let (Ok(ours), Ok(there)) = (self.file.metadata(), std::fs::metadata(&self.path)) else { return false };
        (ours.dev(), ours.ino()) == (there.dev(), there.ino())
    }

    fn append_locked(&self, group: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        let length = file.seek(SeekFrom::End(0))?;
        let is_torn = length > 0 && {
            let mut last = [0];
            file.read_exact_at(&mut last, length - 1)?;
            last != *b"\n"
        };
        let line_break: &[u8] = if is_torn { b"\n" } else { b"" };
        let written = file.write_all(line_break).and_then(|()| file.write_all(group)).and_then(|()| file.sync_data());
        written.map_err(|error| match file.set_len(length) {
            Ok(()) => error,
            Err(also) => io::Error::other(format!("{error}, and what was written of it cannot be taken back: {also}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::process::Command;

    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use super::*;
    use crate::receiver::samples::{deliver, delivery, why, within};

    fn offsets(path: &Path) -> Vec<i64> {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["record"]["offset"].as_i64().unwrap()).collect()
    }

    #[tokio::test]
    async fn lines_are_in_the_file_in_order_once_they_are_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let file = File::open(&path, 0).unwrap();
        let answers = join_all((0..2_000).map(|offset| deliver(&file, delivery(offset, 0, &json!({ "at": offset }))))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(offsets(&path), (0..2_000).collect::<Vec<_>>());

        let unanswered = deliver(&file, delivery(2_000, 0, &json!(null)));
        within(file.stop()).await;
        assert_eq!(unanswered.await, Ok(()), "what came before the stop is written");
        assert_eq!(why(deliver(&file, delivery(2_001, 0, &json!(null))).await).1, "unreachable");
        within(file.stop()).await;
        assert_eq!(offsets(&path).len(), 2_001);
    }

    #[tokio::test]
    async fn a_line_that_a_crash_tore_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, "{}\n{\"deliveryid").unwrap();
        let file = File::open(&path, 0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n{\"deliveryid\n");
        // Somebody else's crash, while we have it open.
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"x").unwrap();
        assert_eq!(deliver(&file, delivery(7, 0, &json!(1))).await, Ok(()));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{}\n{\"deliveryid\n{\"x\n{\"deliveryid\":\"shop/orders"), "{text}");
    }

    /// What rotates logs moves a file away, and later compresses or deletes it.
    #[tokio::test]
    async fn a_file_that_is_moved_or_deleted_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, rotated) = (folder.path().join("audit.jsonl"), folder.path().join("audit.jsonl.1"));
        let file = File::open(&path, 0).unwrap();
        assert_eq!(deliver(&file, delivery(0, 0, &json!(1))).await, Ok(()));
        fs::rename(&path, &rotated).unwrap();
        assert_eq!(deliver(&file, delivery(1, 0, &json!(1))).await, Ok(()));
        assert_eq!((offsets(&rotated), offsets(&path)), (vec![0], vec![1]));
        fs::remove_file(&path).unwrap();
        assert_eq!(deliver(&file, delivery(2, 0, &json!(1))).await, Ok(()));
        assert_eq!(offsets(&path), [2]);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(why(deliver(&file, delivery(3, 0, &json!(1))).await).1, "unreachable");
        fs::remove_dir(&path).unwrap();
        assert_eq!(deliver(&file, delivery(3, 0, &json!(1))).await, Ok(()), "and goes on when it can");
    }

    #[tokio::test]
    async fn receivers_share_a_file_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let files = [File::open(&path, 0).unwrap(), File::open(&path, 0).unwrap()];
        let filler = "x".repeat(10_000);
        let answers = join_all((0..600).map(|offset| {
            let file = if offset % 2 == 0 { &files[0] } else { &files[1] };
            deliver(file, delivery(offset, 0, &json!(filler)))
        }));
        assert!(answers.await.iter().all(Result::is_ok));
        assert_eq!(offsets(&path).into_iter().collect::<BTreeSet<_>>(), (0..600).collect());
    }

    #[test]
    fn what_is_no_file_is_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        for (path, said) in [
            (folder.path().to_owned(), "Is a directory"),
            (folder.path().join("missing/audit.jsonl"), "No such file or directory"),
            (PathBuf::from("/dev/null"), "it is not a regular file"),
        ] {
            let error = File::open(&path, 0).err().unwrap().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }

    /// Runs itself again in a process that may write no file beyond 2 KiB, which fails in the middle of a line like a full disk does.
    #[test]
    fn what_does_not_fit_on_the_disk_fails_and_leaves_no_trace() {
        const SMALL_DISK: &str = "REDRIVE_TEST_SMALL_DISK";
        if let Some(path) = std::env::var_os(SMALL_DISK) {
            return tokio::runtime::Runtime::new().unwrap().block_on(on_a_small_disk(Path::new(&path)));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let limited = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "receiver::file::tests::what_does_not_fit_on_the_disk_fails_and_leaves_no_trace"])
            .env(SMALL_DISK, &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&limited.stdout);
        assert!(limited.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&limited.stderr));
        assert_eq!(offsets(&path), [0, 2]);
    }

    async fn on_a_small_disk(path: &Path) {
        let file = File::open(path, 0).unwrap();
        assert_eq!(deliver(&file, delivery(0, 0, &json!(1))).await, Ok(()));
        let (class, code, message) = why(deliver(&file, delivery(1, 0, &json!("x".repeat(4_000)))).await);
        assert_eq!((class, code.as_str()), ("transient", "unreachable"));
        assert!(message.starts_with(&format!("{} cannot be appended to: File too large", path.display())), "{message}");
        assert_eq!(deliver(&file, delivery(2, 0, &json!(1))).await, Ok(()), "the rest of the disk is still there");
    }
}
