//! `run:` a process for each event: the JSON line on its stdin, its exit status as the answer.
//!
//! Each process has a task of its own that ends it, whatever becomes of the delivery: nothing that it started outlives the answer, so
//! the next event of a lane never runs beside the one before.

#[cfg(test)]
mod tests;
mod variables;

pub use variables::VARIABLES;

use std::num::NonZeroUsize;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::failure::{Class, Code};
use crate::receiver::last_words::{self, LastWords};
use crate::receiver::program::{AGONY, GRACE, Group, READ_ON, cannot_start, command, describe};
use crate::receiver::{Delivery, Needs, Receiver, ReceiverError, Runs, Step, Timekeeper, line, panicked};

/// Another try may help: `EX_TEMPFAIL` of sysexits.h.
const TRANSIENT: i32 = 75;
/// This event fails every time: `EX_DATAERR`.
const PERMANENT: i32 = 65;

/// How programs are run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Program and arguments.
    pub command: Vec<String>,
    /// How many run at once.
    pub processes: NonZeroUsize,
    /// For one delivery, from the start of its process.
    pub timeout: Duration,
}

/// A program that is started for each event. Deliveries must be made inside a tokio runtime.
pub struct Run {
    options: Arc<RunOptions>,
    /// One for each process that may run; it is free again when the process and its group are gone.
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

/// How a process came to its end.
enum End {
    ByItself(std::io::Result<ExitStatus>),
    Late,
    /// Nobody waits for its answer any more.
    GivenUp,
}

impl Run {
    #[must_use]
    pub fn new(options: RunOptions) -> Self {
        let places = Arc::new(Semaphore::new(options.processes.get().min(Semaphore::MAX_PERMITS)));
        Self { options: Arc::new(options), places, stop: CancellationToken::new() }
    }
}

impl Receiver for Run {
    fn deliver(&self, mut delivery: Delivery) -> Step {
        // It may wait for its turn: on its own, so that it pins no batch.
        delivery.event = delivery.event.detach();
        let (options, places, stop) = (Arc::clone(&self.options), Arc::clone(&self.places), self.stop.clone());
        Step::Pending(Box::pin(async move {
            let place = stop.run_until_cancelled(places.acquire_owned()).await;
            let Some(Ok(place)) = place else { return Err(stopped()) };
            // Whoever drops this future, or stops the receiver, ends the process; its task sees to that.
            let given_up = stop.child_token();
            let guard = given_up.clone().drop_guard();
            let task = tokio::spawn(async move {
                let answer = run(&options, &delivery, &given_up).await;
                drop(place);
                answer
            });
            let answer = task.await.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(payload) => Err(panicked(payload.as_ref())),
                Err(_) => Err(stopped()),
            });
            drop(guard);
            answer
        }))
    }

    fn needs(&self) -> Needs {
        Needs::ValidJson
    }

    /// A process that waits for its turn is not late.
    fn timekeeper(&self) -> Timekeeper {
        Timekeeper::Receiver
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        self.stop.cancel();
        let (places, all) = (Arc::clone(&self.places), self.options.processes.get().min(Semaphore::MAX_PERMITS));
        Box::pin(async move {
            let all = u32::try_from(all).unwrap_or(u32::MAX);
            // When all places are free, no process is left.
            drop(places.acquire_many(all).await);
        })
    }

    fn runs(&self) -> Runs {
        Runs::Nowhere
    }
}

/// One process, from its start to the end of its group.
async fn run(options: &RunOptions, delivery: &Delivery, given_up: &CancellationToken) -> Result<(), ReceiverError> {
    let mut command = match command(&options.command) {
        Ok(command) => command,
        Err(error) => return Err(cannot_start(&options.command, &error)),
    };
    variables::set(&mut command, delivery);
    let mut child = start(&mut command).map_err(|error| cannot_start(&options.command, &error))?;
    let group = Group::of(&child);
    let fed = tokio::spawn(feed(child.stdin.take(), input(delivery)));
    let (words, said) = watch::channel(LastWords::default());
    let heard = child.stderr.take().map(|stderr| tokio::spawn(last_words::listen(stderr, words)));
    let end = tokio::select! {
        ended = child.wait() => End::ByItself(ended),
        () = tokio::time::sleep(options.timeout) => End::Late,
        () = given_up.cancelled() => End::GivenUp,
    };
    if !matches!(end, End::ByItself(_)) {
        put_an_end_to(&mut child, group).await;
    }
    // What it started and left behind.
    group.signal(Signal::KILL);
    fed.abort();
    if let Some(mut heard) = heard
        && timeout(READ_ON, &mut heard).await.is_err()
    {
        heard.abort();
    }
    answer(end, &said.borrow(), options.timeout)
}

/// What it prints is nobody's.
fn start(command: &mut Command) -> std::io::Result<Child> {
    command.stdout(Stdio::null()).spawn()
}

fn input(delivery: &Delivery) -> Vec<u8> {
    let mut text = Vec::with_capacity(delivery.event.record().size() + 512);
    // The one delivery that this process gets.
    line::write(&mut text, delivery, 1);
    text
}

/// A program that does not read all of it, or none, is free to do so: its exit status says how it went.
async fn feed(stdin: Option<tokio::process::ChildStdin>, input: Vec<u8>) {
    if let Some(mut stdin) = stdin
        && let Err(error) = stdin.write_all(&input).await
    {
        tracing::debug!(%error, "a program did not read its whole event");
    }
}

async fn put_an_end_to(child: &mut Child, group: Group) {
    group.signal(Signal::TERM);
    if timeout(GRACE, child.wait()).await.is_err() {
        group.signal(Signal::KILL);
        if timeout(AGONY, child.wait()).await.is_err() {
            tracing::warn!("a program cannot be ended, not even by SIGKILL: it is given up");
        }
    }
}

fn answer(end: End, words: &LastWords, timeout: Duration) -> Result<(), ReceiverError> {
    const REJECTED: Code = Code::known("rejected");
    let error = match end {
        End::ByItself(Ok(status)) if status.success() => return Ok(()),
        End::ByItself(Ok(status)) => match status.code() {
            Some(code) => {
                let class = match code {
                    TRANSIENT => Class::Transient,
                    PERMANENT => Class::Permanent,
                    _ => Class::Unknown,
                };
                let status = format!("exit status {code}");
                match words.last_line() {
                    Some(line) => ReceiverError { causes: vec![status], ..ReceiverError::known(class, REJECTED, line) },
                    None => ReceiverError::known(class, REJECTED, status),
                }
            }
            None => died(format!("the process died: {}", describe(status))),
        },
        End::ByItself(Err(error)) => died(format!("the process cannot be waited for: {error}")),
        End::Late => ReceiverError::timed_out(timeout),
        End::GivenUp => return Err(stopped()),
    };
    Err(error.with_detail(words.text()))
}

fn died(message: String) -> ReceiverError {
    ReceiverError::known(Class::Unknown, const { Code::known("process_died") }, message)
}

fn stopped() -> ReceiverError {
    ReceiverError::unreachable("this receiver was stopped")
}
