//! A conversation with one worker, line by line: whether it speaks the protocol as the contract says it.
//!
//! Whatever the worker does, the conversation ends: every wait has a deadline, and a worker that broke off is started again for what
//! comes next, until it has kept us waiting three times in a row.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::receiver::exec::answer::{self, Answer, LONGEST};
use crate::receiver::last_words::{self, LastWords};
use crate::receiver::program::{Group, command, describe};
use crate::receiver::{Delivery, line};

/// How soon a worker ends once its input did, and how long one that was killed is waited for.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// When something else than the answer came: how long the answer is waited for after it.
const LINGERS: Duration = Duration::from_millis(500);
/// So many exchanges in a row that were waited for in vain, and no more are begun.
const MOST_SILENCES: u32 = 3;
/// As much of a line as is shown, in bytes.
const SHOWN: usize = 4 * 1024;

/// Deliveries that are handed over at once, and what they are there to show.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub name: String,
    pub deliveries: Vec<Delivery>,
}

/// What came of one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    pub name: String,
    pub outcome: Outcome,
    /// The line that was sent, the first of several; cut when it is long.
    pub sent: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One well formed answer to each delivery: `delivered`, or what the worker said of the last one that it did not take.
    Answered(String),
    /// What was expected, and what came.
    Broken { expected: String, got: String },
    /// The worker had kept us waiting too often.
    NotBegun,
}

/// How a worker behaves that is handed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idle {
    /// It ended with its input, after this long.
    EndedWell(Duration),
    /// It wrote something nobody asked for.
    Spoke(String),
    /// It ended on its own, or not as programs do that are content.
    Failed(String),
    /// It went on without its input, and was killed.
    WentOn,
}

/// Starts the worker, hands it nothing, and closes its input.
///
/// # Errors
/// When it cannot be started.
pub async fn start_and_end(command: &[String]) -> std::io::Result<Idle> {
    let began = Instant::now();
    let mut worker = Worker::start(command)?;
    worker.stdin = None;
    let mut spoken = None;
    let deadline = began + ENDS_WITHIN;
    let ended = loop {
        match timeout_at(deadline, worker.line()).await {
            Ok(Heard::Line(line)) => spoken = spoken.or(Some(shown(&line))),
            Ok(Heard::End(torn)) => {
                spoken = spoken.or_else(|| (!torn.is_empty()).then(|| shown(&torn)));
                break timeout_at(deadline, worker.child.wait()).await.ok();
            }
            Err(_) => break None,
        }
    };
    let has_failed = matches!(&ended, Some(Ok(status)) if !status.success());
    let words = if has_failed { worker.final_words().await } else { String::new() };
    worker.kill().await;
    Ok(match (ended, spoken) {
        (None, _) => Idle::WentOn,
        (_, Some(line)) => Idle::Spoke(line),
        (Some(Ok(status)), None) if status.success() => Idle::EndedWell(began.elapsed()),
        (Some(Ok(status)), None) => Idle::Failed(with_words(&describe(status), &words)),
        (Some(Err(error)), None) => Idle::Failed(error.to_string()),
    })
}

/// Holds the exchanges one after the other, and then ends the worker's input. `patience`: for each answer.
pub async fn converse(command: &[String], patience: Duration, exchanges: Vec<Exchange>) -> Vec<Exchanged> {
    let talk = Conversation { command, patience, worker: None, next: 1, silences: 0, owners: BTreeMap::new(), held: Vec::new() };
    talk.hold(exchanges).await
}

struct Conversation<'c> {
    command: &'c [String],
    patience: Duration,
    worker: Option<Worker>,
    /// The next sendid.
    next: u64,
    silences: u32,
    /// Which exchange a sendid was of.
    owners: BTreeMap<u64, usize>,
    held: Vec<Exchanged>,
}

/// What is known of the exchange that is held.
struct Current {
    waiting: BTreeSet<u64>,
    deadline: Instant,
    is_silent: bool,
    /// What the worker said of the last delivery.
    said: String,
}

impl Conversation<'_> {
    async fn hold(mut self, exchanges: Vec<Exchange>) -> Vec<Exchanged> {
        for exchange in exchanges {
            let lines = self.lines(&exchange.deliveries);
            let sent = lines.values().next().map(|line| shown(line)).unwrap_or_default();
            self.owners.extend(lines.keys().map(|sendid| (*sendid, self.held.len())));
            self.held.push(Exchanged { name: exchange.name, outcome: Outcome::NotBegun, sent });
            if self.silences < MOST_SILENCES {
                self.exchange(lines).await;
            }
        }
        if self.worker.is_some() {
            let outcome = self.end().await;
            self.held.push(Exchanged { name: "end of input".to_owned(), outcome, sent: String::new() });
        }
        self.held
    }

    fn lines(&mut self, deliveries: &[Delivery]) -> BTreeMap<u64, Vec<u8>> {
        let mut lines = BTreeMap::new();
        for delivery in deliveries {
            let mut line = Vec::new();
            line::write(&mut line, delivery, self.next);
            lines.insert(self.next, line);
            self.next += 1;
        }
        lines
    }

    async fn exchange(&mut self, lines: BTreeMap<u64, Vec<u8>>) {
        let mut worker = match self.worker.take().map_or_else(|| Worker::start(self.command), Ok) {
            Ok(worker) => worker,
            Err(error) => {
                self.silences += 1;
                return self.broken("a process".to_owned(), format!("it cannot be started: {error}"));
            }
        };
        let waiting: BTreeSet<u64> = lines.keys().copied().collect();
        let expected = expected(&waiting);
        let deadline = Instant::now() + self.patience;
        let mut current = Current { waiting, deadline, is_silent: true, said: "delivered".to_owned() };
        let bytes: Vec<u8> = lines.into_values().flatten().collect();
        let end = self.talk(&mut worker, &bytes, &mut current, &expected).await;
        // One that died, or said something else, has kept nobody waiting.
        self.silences = if current.is_silent && end.is_none() { self.silences + 1 } else { 0 };
        match end {
            None if current.waiting.is_empty() => {
                self.answered(current.said);
                self.worker = Some(worker);
            }
            None => {
                let torn = worker.torn();
                let got = match (current.is_silent, torn) {
                    (_, Some(torn)) => format!("an answer without a line break at its end: {torn}"),
                    (true, None) => format!("nothing within {:?}: is each answer flushed?", self.patience),
                    (false, None) => format!("no answer to {} of them within {:?}", current.waiting.len(), self.patience),
                };
                self.broken(expected, got);
                worker.kill().await;
            }
            Some(got) => {
                self.broken(expected, got);
                worker.kill().await;
            }
        }
    }

    /// Hands the lines over and hears the answers; `Some`: why the worker is of no use any more.
    async fn talk(&mut self, worker: &mut Worker, bytes: &[u8], current: &mut Current, expected: &str) -> Option<String> {
        let mut rest = bytes;
        while !current.waiting.is_empty() {
            let heard = match worker.next(&mut rest, current.deadline).await {
                Some(Heard::Line(line)) => line,
                Some(Heard::End(_)) => return Some(worker.ended().await),
                None => return None,
            };
            self.hear(&heard, current, expected);
        }
        None
    }

    fn hear(&mut self, line: &[u8], current: &mut Current, expected: &str) {
        current.is_silent = false;
        match answer::read(line.trim_ascii()) {
            Answer::To(sendid, result) if current.waiting.remove(&sendid) => match result {
                Err(error) if error.code.as_str() == "bad_reply" => {
                    self.broken(expected.to_owned(), format!("{}: {}", error.message, shown(line)));
                }
                Err(error) => current.said = format!("{} {}: {}", error.class.as_str(), error.code, error.message),
                Ok(()) => {}
            },
            Answer::To(sendid, _) => {
                let got = format!("a second answer to {sendid}: {}", shown(line));
                match self.owners.get(&sendid) {
                    Some(of) => self.broken_at(*of, "exactly one answer".to_owned(), got),
                    None => {
                        current.deadline = current.deadline.min(Instant::now() + LINGERS);
                        let got = format!("an answer to {sendid}, which was not sent: {}", shown(line));
                        self.broken(expected.to_owned(), got);
                    }
                }
            }
            Answer::Garbage(_) if line.trim_ascii().is_empty() => {}
            Answer::Garbage(error) => {
                current.deadline = current.deadline.min(Instant::now() + LINGERS);
                self.broken(expected.to_owned(), error.message);
            }
        }
    }

    /// The worker's input ends, and so must it.
    async fn end(&mut self) -> Outcome {
        let Some(mut worker) = self.worker.take() else { return Outcome::NotBegun };
        worker.stdin = None;
        let deadline = Instant::now() + ENDS_WITHIN;
        let expected = "that it ends when its input ends";
        let mut current = Current { waiting: BTreeSet::new(), deadline, is_silent: true, said: String::new() };
        let ended = loop {
            match timeout_at(deadline, worker.line()).await {
                Ok(Heard::Line(line)) => self.hear(&line, &mut current, "nothing more"),
                Ok(Heard::End(_)) => break timeout_at(deadline, worker.child.wait()).await.ok(),
                Err(_) => break None,
            }
        };
        let words = worker.last_words();
        worker.kill().await;
        match ended {
            Some(Ok(status)) if status.success() => Outcome::Answered("it ended".to_owned()),
            Some(Ok(status)) => broken("that it ends well when its input ends".to_owned(), with_words(&describe(status), &words)),
            Some(Err(error)) => broken(expected.to_owned(), error.to_string()),
            None => broken(expected.to_owned(), format!("it still ran after {ENDS_WITHIN:?}, and was killed")),
        }
    }

    fn answered(&mut self, said: String) {
        if let Some(Exchanged { outcome: outcome @ Outcome::NotBegun, .. }) = self.held.last_mut() {
            *outcome = Outcome::Answered(said);
        }
    }

    fn broken(&mut self, expected: String, got: String) {
        if let Some(last) = self.held.len().checked_sub(1) {
            self.broken_at(last, expected, got);
        }
    }

    /// The first fault of an exchange is the one to mend.
    fn broken_at(&mut self, of: usize, expected: String, got: String) {
        match self.held.get_mut(of) {
            Some(held) if !matches!(held.outcome, Outcome::Broken { .. }) => held.outcome = broken(expected, got),
            _ => {}
        }
    }
}

fn broken(expected: String, got: String) -> Outcome {
    Outcome::Broken { expected, got }
}

fn expected(waiting: &BTreeSet<u64>) -> String {
    match (waiting.first(), waiting.len()) {
        (Some(sendid), 1) => format!("one line {{\"sendid\":{sendid},\"ok\":…}}"),
        (Some(first), count) => format!("{count} lines, with each sendid from {first} on once"),
        (None, _) => "nothing".to_owned(),
    }
}

/// A process of the worker, and what it says.
struct Worker {
    child: Child,
    group: Group,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// What was read of the line that is being read.
    begun: Vec<u8>,
    words: watch::Receiver<LastWords>,
}

enum Heard {
    Line(Vec<u8>),
    /// Nothing more comes; what was there of a line.
    End(Vec<u8>),
}

impl Worker {
    fn start(words: &[String]) -> std::io::Result<Self> {
        let mut child = command(words)?.stdout(Stdio::piped()).spawn()?;
        let group = Group::of(&child);
        let (stdin, Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        let (to_words, words) = watch::channel(LastWords::default());
        tokio::spawn(last_words::listen(stderr, to_words));
        Ok(Self { child, group, stdin, stdout: BufReader::new(stdout), begun: Vec::new(), words })
    }

    /// The next line, while what is left of the others is written. `None`: the time is over.
    async fn next(&mut self, rest: &mut &[u8], deadline: Instant) -> Option<Heard> {
        while let Some(stdin) = self.stdin.as_mut().filter(|_| !rest.is_empty()) {
            let left = LONGEST.saturating_add(1).saturating_sub(self.begun.len()) as u64;
            let mut limited = (&mut self.stdout).take(left);
            let reading = limited.read_until(b'\n', &mut self.begun);
            tokio::select! {
                written = stdin.write_buf(rest) => if written.is_err() {
                    self.stdin = None;
                },
                read = reading => return Some(self.read(&read)),
                () = tokio::time::sleep_until(deadline) => return None,
            }
        }
        timeout_at(deadline, self.line()).await.ok()
    }

    async fn line(&mut self) -> Heard {
        let left = LONGEST.saturating_add(1).saturating_sub(self.begun.len()) as u64;
        let read = (&mut self.stdout).take(left).read_until(b'\n', &mut self.begun).await;
        self.read(&read)
    }

    /// A line that is too long counts as read: whoever reads on finds no answer in it.
    fn read(&mut self, read: &std::io::Result<usize>) -> Heard {
        let is_line = self.begun.last() == Some(&b'\n') || self.begun.len() > LONGEST;
        let begun = std::mem::take(&mut self.begun);
        if matches!(read, Ok(1..)) && is_line { Heard::Line(begun) } else { Heard::End(begun) }
    }

    fn torn(&self) -> Option<String> {
        (!self.begun.is_empty()).then(|| shown(&self.begun))
    }

    fn last_words(&self) -> String {
        self.words.borrow().text()
    }

    /// How it ended that closed its output.
    async fn ended(&mut self) -> String {
        let how = match timeout(LINGERS, self.child.wait()).await {
            Ok(Ok(status)) => format!("no answer: {}", describe(status)),
            Ok(Err(error)) => format!("no answer, and the process cannot be waited for: {error}"),
            Err(_) => "no answer: the process closed its output".to_owned(),
        };
        with_words(&how, &self.final_words().await)
    }

    /// What it wrote last, which may still be on its way when it has ended.
    async fn final_words(&mut self) -> String {
        if self.last_words().is_empty() {
            drop(timeout(LINGERS, self.words.changed()).await);
        }
        self.last_words()
    }

    /// Ends the whole group.
    async fn kill(mut self) {
        self.group.signal(Signal::KILL);
        drop(timeout(ENDS_WITHIN, self.child.wait()).await);
    }
}

fn with_words(how: &str, words: &str) -> String {
    match words.lines().next_back() {
        Some(last) => format!("{how}; its last line on stderr: {last}"),
        None => how.to_owned(),
    }
}

fn shown(line: &[u8]) -> String {
    let line = line.trim_ascii_end();
    let text = String::from_utf8_lossy(line.get(..SHOWN).unwrap_or(line)).into_owned();
    if line.len() > SHOWN { format!("{text}…") } else { text }
}
