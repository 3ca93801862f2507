//! `file:` appends a JSON line for each event, and syncs them in groups before any of them settles.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroUsize;
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
    writer: Sender<Job>,
}

enum Job {
    Append(Box<Delivery>, oneshot::Sender<Result<(), ReceiverError>>),
    Stop(oneshot::Sender<()>),
}

impl File {
    /// Opens the file, or makes it; a last line that was torn by a crash is ended.
    ///
    /// # Errors
    /// When it cannot be opened for appending.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        if length > 0 {
            let mut last = [0];
            file.seek(SeekFrom::Start(length - 1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                file.sync_data()?;
            }
        }
        let (writer, inbox) = channel();
        let appender = Appender { file, path: path.to_owned(), sendid: 0 };
        thread::Builder::new().name("redrive-file".to_owned()).spawn(move || appender.run(&inbox))?;
        Ok(Self { writer })
    }
}

impl Receiver for File {
    fn deliver(&self, delivery: Delivery) -> Step {
        let (reply, answer) = oneshot::channel();
        if self.writer.send(Job::Append(Box::new(delivery), reply)).is_err() {
            return Step::Done(Err(unreachable("the file is closed")));
        }
        Step::Pending(Box::pin(async move { answer.await.unwrap_or_else(|_| Err(unreachable("the file is closed"))) }))
    }

    fn needs(&self) -> Needs {
        Needs::ValidJson
    }

    fn window(&self) -> NonZeroUsize {
        WINDOW
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        let (reply, stopped) = oneshot::channel();
        let is_running = self.writer.send(Job::Stop(reply)).is_ok();
        Box::pin(async move {
            if is_running {
                stopped.await.unwrap_or_default();
            }
        })
    }
}

struct Appender {
    file: std::fs::File,
    path: PathBuf,
    sendid: u64,
}

impl Appender {
    fn run(mut self, inbox: &Inbox<Job>) {
        let mut stopping = None;
        while stopping.is_none() {
            let Ok(first) = inbox.recv() else { return };
            let (mut group, mut replies) = (Vec::new(), Vec::new());
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Append(delivery, reply) => {
                        self.sendid += 1;
                        line::write(&mut group, &delivery, self.sendid);
                        replies.push(reply);
                    }
                    Job::Stop(reply) => stopping = Some(reply),
                }
                let is_full = group.len() >= GROUP_BYTES || stopping.is_some();
                next = if is_full { None } else { inbox.try_recv().ok() };
            }
            let written = self.append(&group);
            for reply in replies {
                let answer =
                    written.as_ref().map(|_| ()).map_err(|error| unreachable(&format!("{}: {error}", self.path.display())));
                // A delivery that was given up on has nobody who listens.
                drop(reply.send(answer));
            }
        }
        if let Some(reply) = stopping {
            drop(reply.send(()));
        }
    }

    /// All or nothing: what was written of a group that failed is taken back, so that its retry tears no line.
    fn append(&mut self, group: &[u8]) -> io::Result<()> {
        let length = self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(group).and_then(|()| self.file.sync_data()).or_else(|error| {
            self.file.set_len(length)?;
            Err(error)
        })
    }
}

fn unreachable(message: &str) -> ReceiverError {
    ReceiverError::known(Class::Transient, const { Code::known("unreachable") }, message)
}
