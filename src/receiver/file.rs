//! `file:` appends a JSON line for each event, and syncs them in groups before any of them settles.
//!
//! A group is written whole or not at all, under a lock of the file: receivers, also those of other processes on this machine, may share
//! one. What fails is taken back, so no line is ever torn by an error; one that a crash tore is ended before the next is written.

use std::fs::OpenOptions;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::thread;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::failure::{Class, Code};
use crate::receiver::{Delivery, Needs, Receiver, ReceiverError, Step, line};

/// Deliveries of one lane that may wait for one sync: they are written in the order given.
const WINDOW: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// A group is synced once it is this large, even if more waits.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// A file that is open for appending.
pub struct File {
    appender: Sender<Job>,
}

type Reply = oneshot::Sender<Result<(), ReceiverError>>;

enum Job {
    Append(Box<Delivery>, Reply),
    /// The guard is dropped when all that came before it is written.
    Stop(oneshot::Sender<()>),
}

impl File {
    /// Opens the file, or makes it; a last line that was torn by a crash is ended.
    ///
    /// # Errors
    /// When it cannot be opened for appending, is no regular file, or cannot be locked or synced.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let appender = Appender { file, path: path.to_owned(), sendid: 0 };
        // Nothing is written but the end of a torn line.
        appender.append(&[])?;
        sync_folder(path)?;
        // Bounded by the deliveries that the engine lets out at once.
        let (to_appender, inbox) = channel();
        thread::Builder::new().name("redrive-file".to_owned()).spawn(move || appender.run(&inbox))?;
        Ok(Self { appender: to_appender })
    }
}

/// A file that was just made is durable once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

impl Receiver for File {
    fn deliver(&self, mut delivery: Delivery) -> Step {
        // A slow disk keeps it for long: on its own, so that it pins no batch.
        delivery.event = delivery.event.detach();
        let (reply, answer) = oneshot::channel();
        if self.appender.send(Job::Append(Box::new(delivery), reply)).is_err() {
            return Step::Done(Err(closed()));
        }
        Step::Pending(Box::pin(async move { answer.await.unwrap_or_else(|_| Err(closed())) }))
    }

    fn needs(&self) -> Needs {
        Needs::ValidJson
    }

    fn window(&self) -> NonZeroUsize {
        WINDOW
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        let (guard, stopped) = oneshot::channel::<()>();
        let is_running = self.appender.send(Job::Stop(guard)).is_ok();
        Box::pin(async move {
            if is_running {
                stopped.await.unwrap_or_default();
            }
        })
    }
}

/// The file's own thread.
struct Appender {
    file: std::fs::File,
    path: PathBuf,
    sendid: u64,
}

impl Appender {
    fn run(mut self, inbox: &Inbox<Job>) {
        let mut guard = None;
        while guard.is_none() {
            let Ok(first) = inbox.recv() else { return };
            let (mut group, mut replies) = (Vec::new(), Vec::new());
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    // Given up while it waited.
                    Job::Append(_, reply) if reply.is_closed() => {}
                    Job::Append(delivery, reply) => {
                        self.sendid += 1;
                        line::write(&mut group, &delivery, self.sendid);
                        replies.push(reply);
                    }
                    Job::Stop(stopped) => guard = Some(stopped),
                }
                let is_full = group.len() >= GROUP_BYTES || guard.is_some();
                next = if is_full { None } else { inbox.try_recv().ok() };
            }
            self.settle(&group, replies);
        }
    }

    fn settle(&self, group: &[u8], replies: Vec<Reply>) {
        if replies.is_empty() {
            return;
        }
        let answer = self.append(group).map_err(|error| {
            let message = format!("{} cannot be appended to: {error}", self.path.display());
            ReceiverError::known(Class::Transient, const { Code::known("unreachable") }, message)
        });
        for reply in replies {
            // A delivery that was given up on has nobody who listens.
            drop(reply.send(answer.clone()));
        }
    }

    /// All or nothing, and on disk when it returns.
    fn append(&self, group: &[u8]) -> io::Result<()> {
        self.file.lock()?;
        let appended = self.append_locked(group);
        let unlocked = self.file.unlock();
        appended.and(unlocked)
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
        file.write_all(line_break).and_then(|()| file.write_all(group)).and_then(|()| file.sync_data()).or_else(|error| {
            file.set_len(length)?;
            Err(error)
        })
    }
}

fn closed() -> ReceiverError {
    ReceiverError::known(Class::Transient, const { Code::known("unreachable") }, "the file is closed")
}
