//! One process: its three pipes and its end, each watched by a task that tells the pool.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::receiver::exec::answer::LONGEST;
use crate::receiver::exec::pool::ToPool;

/// What is kept of stderr.
const STDERR_LINES: usize = 20;
const STDERR_LINE: usize = 1_000;

/// Which process said it: a slot of the pool, and which of the processes that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) slot: usize,
    pub(super) generation: u64,
}

/// What a process did.
#[derive(Debug)]
pub(super) enum Heard {
    Line(Vec<u8>),
    LineTooLong,
    /// It closed its output, its input, or both, and is of no use any more.
    Deaf,
    /// It is gone: how it ended, and its last words.
    Exited {
        how: String,
        stderr: String,
    },
}

/// A process that runs.
pub(super) struct Process {
    /// Bounded by the pool's window.
    stdin: Option<UnboundedSender<Vec<u8>>>,
    group: Option<Pid>,
}

impl Process {
    /// Starts the program in a process group of its own, so that whatever it starts ends with it.
    pub(super) fn start(command: &[String], who: Who, pool: &UnboundedSender<ToPool>) -> std::io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let (stdin, lines) = unbounded_channel();
        if let Some(pipe) = child.stdin.take() {
            tokio::spawn(feed(pipe, lines, who, pool.clone()));
        }
        tokio::spawn(watch(child, who, pool.clone()));
        Ok(Self { stdin: Some(stdin), group })
    }

    /// Hands a line over; it is written when the process reads.
    pub(super) fn hand(&self, line: Vec<u8>) {
        if let Some(stdin) = &self.stdin {
            // A pipe that is closed is told by its own task.
            drop(stdin.send(line));
        }
    }

    /// Nothing more comes: a worker that is well made ends now.
    pub(super) fn close_input(&mut self) {
        self.stdin = None;
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It may be gone already, which is what was wanted.
            drop(kill_process_group(group, signal));
        }
    }
}

async fn feed(mut pipe: ChildStdin, mut lines: UnboundedReceiver<Vec<u8>>, who: Who, pool: UnboundedSender<ToPool>) {
    while let Some(line) = lines.recv().await {
        if pipe.write_all(&line).await.is_err() || pipe.flush().await.is_err() {
            drop(pool.send(ToPool::Heard(who, Heard::Deaf)));
            return;
        }
    }
}

async fn watch(mut child: Child, who: Who, pool: UnboundedSender<ToPool>) {
    let stderr = child.stderr.take().map(|pipe| tokio::spawn(last_lines(pipe)));
    if let Some(stdout) = child.stdout.take() {
        listen(stdout, who, &pool).await;
    }
    // A process that closed its output may live on: the pool is told, and ends it.
    drop(pool.send(ToPool::Heard(who, Heard::Deaf)));
    let how = child.wait().await.map_or_else(|error| error.to_string(), describe);
    let stderr = match stderr {
        Some(lines) => lines.await.unwrap_or_default(),
        None => String::new(),
    };
    drop(pool.send(ToPool::Heard(who, Heard::Exited { how, stderr })));
}

async fn listen(stdout: impl AsyncRead + Unpin, who: Who, pool: &UnboundedSender<ToPool>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let read = (&mut stdout).take(LONGEST as u64 + 1).read_until(b'\n', &mut line).await;
        let heard = match read {
            Err(_) | Ok(0) => return,
            Ok(_) if line.len() > LONGEST => Heard::LineTooLong,
            Ok(_) => Heard::Line(line.trim_ascii_end().to_vec()),
        };
        if pool.send(ToPool::Heard(who, heard)).is_err() {
            return;
        }
    }
}

/// Reads all there is, so that the process never waits for us, and keeps its end.
async fn last_lines(stderr: impl AsyncRead + Unpin) -> String {
    let mut stderr = BufReader::new(stderr);
    let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
    let mut line: Vec<u8> = Vec::new();
    let mut rest = [0; 8 * 1024];
    while let Ok(read) = stderr.read(&mut rest).await {
        for byte in rest.get(..read).unwrap_or_default() {
            match byte {
                b'\n' => {
                    if lines.len() == STDERR_LINES {
                        lines.pop_front();
                    }
                    lines.push_back(std::mem::take(&mut line));
                }
                byte if line.len() < STDERR_LINE => line.push(*byte),
                _ => {}
            }
        }
        if read == 0 {
            break;
        }
    }
    if !line.is_empty() {
        lines.push_back(line);
    }
    let texts: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
    texts.join("\n")
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exited with status {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}
