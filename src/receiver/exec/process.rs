//! One process: its three pipes and its end, each watched by a task that tells the pool.
//!
//! The task that waits for the process also sends its signals: none is sent once it is gone, when its number may be somebody else's.

use std::process::Stdio;

use futures_util::future::join;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::receiver::exec::answer::{self, Answer, LONGEST};
use crate::receiver::last_words::{self, LastWords};
use crate::receiver::program::{Group, READ_ON, command, describe};

/// Which process said it: a place in the pool, and which of the processes that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) place: usize,
    pub(super) generation: u64,
}

/// What a process did.
#[derive(Debug)]
pub(super) enum Heard {
    Answer(Answer),
    /// It closed its input or its output: it is of no use any more, or about to end.
    Closed(Pipe),
    /// It is gone. Nothing is heard of it after this.
    Exited(Exit),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pipe {
    Input,
    Output,
}

#[derive(Debug)]
pub(super) struct Exit {
    pub(super) how: String,
    /// How much of what it was handed it took out of its pipe, in bytes from its start.
    pub(super) read: u64,
}

/// The pool's ear for one process.
#[derive(Clone)]
struct Ear(Who, Sender<(Who, Heard)>);

impl Ear {
    async fn tell(&self, heard: Heard) {
        // The pool is gone only when the run is over.
        drop(self.1.send((self.0, heard)).await);
    }
}

/// A process that runs.
pub(super) struct Process {
    input: Option<UnboundedSender<Vec<u8>>>,
    signals: UnboundedSender<Signal>,
    last_words: watch::Receiver<LastWords>,
    /// Bytes that it was handed.
    handed: u64,
}

impl Process {
    pub(super) fn start(words: &[String], who: Who, pool: &Sender<(Who, Heard)>) -> std::io::Result<Self> {
        let mut child = command(words)?.stdout(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        let ear = Ear(who, pool.clone());
        // Bounded by the pool's window.
        let (input, lines) = unbounded_channel();
        // Bounded: a process is sent two signals at most.
        let (signals, to_send) = unbounded_channel();
        let (words, last_words) = watch::channel(LastWords::default());
        let is_gone = CancellationToken::new();
        let fed = tokio::spawn(feed(stdin, lines, ear.clone(), is_gone.clone()));
        let heard = tokio::spawn(listen(stdout, ear.clone()));
        let said = tokio::spawn(last_words::listen(stderr, words));
        tokio::spawn(async move {
            let how = wait(child, to_send).await;
            is_gone.cancel();
            let read = fed.await.unwrap_or(u64::MAX);
            let stop_reading = (heard.abort_handle(), said.abort_handle());
            if timeout(READ_ON, join(heard, said)).await.is_err() {
                stop_reading.0.abort();
                stop_reading.1.abort();
            }
            ear.tell(Heard::Exited(Exit { how, read })).await;
        });
        Ok(Self { input: Some(input), signals, last_words, handed: 0 })
    }

    /// Hands a line over; it is written when the process reads. Returns where it begins in all that the process was handed.
    pub(super) fn hand(&mut self, line: Vec<u8>) -> u64 {
        let begins_at = self.handed;
        self.handed += line.len() as u64;
        if let Some(input) = &self.input {
            // A pipe that is closed is told by its own task.
            drop(input.send(line));
        }
        begins_at
    }

    /// Nothing more comes: a worker that is well made ends now.
    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    /// To the whole group.
    pub(super) fn signal(&self, signal: Signal) {
        // It may be gone already, which is what was wanted.
        self.signals.send(signal).unwrap_or_default();
    }

    /// The last lines of its stderr.
    pub(super) fn last_words(&self) -> String {
        self.last_words.borrow().text()
    }
}

/// Waits for the end of the process, and sends it signals meanwhile. Says how it ended.
async fn wait(mut child: Child, mut signals: UnboundedReceiver<Signal>) -> String {
    let group = Group::of(&child);
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended,
            Some(signal) = signals.recv() => group.signal(signal),
        }
    };
    // What it started and left behind.
    group.signal(Signal::KILL);
    ended.map_or_else(|error| format!("it cannot be waited for: {error}"), describe)
}

/// Writes what the process is to be handed. Returns how many bytes of it the process took out of the pipe.
async fn feed(mut pipe: ChildStdin, mut lines: UnboundedReceiver<Vec<u8>>, ear: Ear, is_gone: CancellationToken) -> u64 {
    let mut written = 0;
    let fed = is_gone
        .run_until_cancelled(async {
            while let Some(line) = lines.recv().await {
                let mut rest = line.as_slice();
                while !rest.is_empty() {
                    written += pipe.write_buf(&mut rest).await? as u64;
                }
            }
            Ok::<_, std::io::Error>(())
        })
        .await;
    match fed {
        // Nothing more comes, and that is what it must see.
        Some(Ok(())) => return written,
        Some(Err(_)) => ear.tell(Heard::Closed(Pipe::Input)).await,
        None => {}
    }
    // What lies in a pipe that nobody reads any more. Where the system cannot tell, all counts as read.
    written.saturating_sub(rustix::io::ioctl_fionread(&pipe).unwrap_or_default())
}

async fn listen(stdout: ChildStdout, ear: Ear) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let read = (&mut stdout).take(LONGEST as u64 + 1).read_until(b'\n', &mut line).await;
        let is_whole = line.last() == Some(&b'\n');
        if !matches!(read, Ok(1..)) {
            break;
        }
        if !is_whole && line.len() > LONGEST {
            ear.tell(Heard::Answer(Answer::Garbage(answer::too_long()))).await;
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match answer::read(line.trim_ascii()) {
            // A line that was torn by the end of the process says nothing; its end does.
            Answer::Garbage(_) if !is_whole => {}
            answer => ear.tell(Heard::Answer(answer)).await,
        }
    }
    ear.tell(Heard::Closed(Pipe::Output)).await;
}
