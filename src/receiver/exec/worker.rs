//! A place of the pool: the process in it, what that process holds, and what becomes of both when it is late, talks nonsense or dies.
//!
//! Every way out of here makes progress: a delivery is answered, or it is handed over once more and alone, where whatever happens is its
//! own. So nothing goes round for ever.

use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::failure::{Class, Code};
use crate::receiver::exec::process::{Exit, Heard, Pipe, Process, Who};
use crate::receiver::program::{AGONY, GRACE, cannot_start};
use crate::receiver::{Delivery, ReceiverError, line};

/// From the end of its input, or from its own farewell, to SIGTERM.
const FAREWELL: Duration = Duration::from_secs(1);
/// A process that ends without having answered anything is started again after this, doubling.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

type Reply = oneshot::Sender<Result<(), ReceiverError>>;

/// A delivery that wants an answer.
pub(super) struct Job {
    delivery: Delivery,
    reply: Reply,
    /// A process ended with this and others in hand: from now on it is handed over alone.
    is_suspect: bool,
}

impl Job {
    pub(super) fn new(delivery: Delivery, reply: Reply) -> Self {
        Self { delivery, reply, is_suspect: false }
    }

    /// What it must stay in order with.
    pub(super) fn lane(&self) -> u64 {
        self.delivery.event.record().order_key()
    }

    /// The engine dropped its end: nobody waits for an answer.
    pub(super) fn is_given_up(&self) -> bool {
        self.reply.is_closed()
    }

    pub(super) fn answer(self, answer: Result<(), ReceiverError>) {
        // The engine may have given up on it.
        drop(self.reply.send(answer));
    }

    /// The same delivery for another process.
    fn again(mut self) -> Self {
        self.delivery.attempt = self.delivery.attempt.saturating_add(1);
        self.is_suspect = true;
        self
    }
}

/// A delivery that the process holds.
struct Held {
    sendid: u64,
    job: Job,
    deadline: Instant,
    /// Where its line begins in all that the process was handed.
    begins_at: u64,
    /// The process held another one at some time while it held this one.
    had_company: bool,
}

/// The process is ending, step by step. What it holds may still be answered; what is not is handed over again when it is gone.
struct End {
    step: Step,
    next_at: Instant,
    /// It began by itself, with this.
    by_itself: Option<Pipe>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    LeftAlone,
    Terminated,
    Killed,
}

/// What a process that is gone leaves behind.
#[derive(Default)]
pub(super) struct Legacy {
    /// To be handed over again, in the order in which it came.
    pub(super) again: Vec<Job>,
    /// The program ended without having read anything: why no other delivery can be made now either.
    pub(super) refusal: Option<ReceiverError>,
}

#[derive(Default)]
pub(super) struct Worker {
    generation: u64,
    process: Option<Process>,
    /// In the order in which it was handed over.
    held: Vec<Held>,
    end: Option<End>,
    has_answered: bool,
    /// Processes in a row that ended without having answered anything.
    failures: u32,
    not_before: Option<Instant>,
}

impl Worker {
    pub(super) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// True when what is said by the process of this generation is to be heard.
    pub(super) fn listens_to(&self, generation: u64) -> bool {
        self.is_running() && self.generation == generation
    }

    pub(super) fn load(&self) -> usize {
        self.held.len()
    }

    pub(super) fn holds_lane(&self, lane: u64) -> bool {
        self.held.iter().any(|held| held.job.lane() == lane)
    }

    pub(super) fn has_room(&self, window: usize, now: Instant) -> bool {
        let is_resting = self.end.is_some() || self.not_before.is_some_and(|at| now < at);
        !is_resting && self.held.len() < window
    }

    /// A suspect is alone in its process.
    pub(super) fn is_company_for(&self, job: &Job) -> bool {
        self.held.is_empty() || !(job.is_suspect || self.held.iter().any(|held| held.job.is_suspect))
    }

    /// Sees to it that a process runs.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn start(&mut self, command: &[String], place: usize, pool: &Sender<(Who, Heard)>) -> Result<(), ReceiverError> {
        if self.is_running() {
            return Ok(());
        }
        self.generation += 1;
        self.has_answered = false;
        match Process::start(command, Who { place, generation: self.generation }, pool) {
            Ok(process) => self.process = Some(process),
            Err(error) => {
                self.back_off();
                return Err(cannot_start(command, &error));
            }
        }
        Ok(())
    }

    pub(super) fn hand(&mut self, job: Job, sendid: u64, deadline: Instant) {
        let mut text = Vec::with_capacity(job.delivery.event.record().size() + 512);
        line::write(&mut text, &job.delivery, sendid);
        let begins_at = self.process.as_mut().map_or(0, |process| process.hand(text));
        self.held.iter_mut().for_each(|held| held.had_company = true);
        let had_company = !self.held.is_empty();
        self.held.push(Held { sendid, job, deadline, begins_at, had_company });
    }

    // --- what it says

    /// Says whether the answer was to anything: a second one, a late one, and one to a delivery of somebody else are not.
    pub(super) fn answered(&mut self, sendid: u64, answer: Result<(), ReceiverError>) -> bool {
        let Some(at) = self.held.iter().position(|held| held.sendid == sendid) else { return false };
        self.has_answered = true;
        self.failures = 0;
        self.held.remove(at).job.answer(answer);
        true
    }

    /// Nonsense is the answer of the delivery that is alone in the process. Of several, nobody can tell whose it is: the process is
    /// ended, and each of them is handed over alone. Says whether it was anybody's: not when nothing is held, nor when the process is
    /// ending, which is its last chance to say something and no delivery's doing.
    pub(super) fn talked_nonsense(&mut self, error: ReceiverError) -> bool {
        if self.held.is_empty() || self.end.is_some() {
            return false;
        }
        if self.held.len() > 1 {
            self.held.iter_mut().for_each(|held| held.job.is_suspect = true);
            self.terminate(Instant::now());
            return true;
        }
        let error = self.with_last_words(error);
        self.held.drain(..).for_each(|held| held.job.answer(Err(error.clone())));
        true
    }

    /// It closed a pipe: it is on its way out, or must be shown.
    pub(super) fn closed(&mut self, pipe: Pipe) {
        if self.is_running() && self.end.is_none() {
            self.end = Some(End { step: Step::LeftAlone, next_at: Instant::now() + FAREWELL, by_itself: Some(pipe) });
        }
    }

    /// The process is gone.
    pub(super) fn exited(&mut self, exit: &Exit) -> Legacy {
        let last_words = self.process.take().map(|process| process.last_words()).unwrap_or_default();
        let end = self.end.take();
        let held = std::mem::take(&mut self.held);
        if !self.has_answered {
            self.back_off();
        }
        let how = match &end {
            Some(End { step: Step::Terminated | Step::Killed, by_itself: Some(Pipe::Input), .. }) => {
                "it closed its input and lived on"
            }
            Some(End { step: Step::Terminated | Step::Killed, by_itself: Some(Pipe::Output), .. }) => {
                "it closed its output and lived on"
            }
            _ => &exit.how,
        };
        let is_its_own_doing = end.is_none_or(|end| end.by_itself.is_some());
        if is_its_own_doing && exit.read == 0 && !self.has_answered {
            let error =
                ReceiverError::unreachable(format!("the program ended before it read anything: {how}")).with_detail(last_words);
            held.into_iter().for_each(|held| held.job.answer(Err(error.clone())));
            return Legacy { again: Vec::new(), refusal: Some(error) };
        }
        let (mut in_hand, unread): (Vec<_>, Vec<_>) = held.into_iter().partition(|held| held.begins_at < exit.read);
        if is_its_own_doing && matches!(in_hand.as_slice(), [Held { had_company: false, .. }]) {
            let message = format!("the process died with only this delivery in hand: {how}");
            let error =
                ReceiverError::known(Class::Unknown, const { Code::known("process_died") }, message).with_detail(last_words);
            in_hand.drain(..).for_each(|held| held.job.answer(Err(error.clone())));
        }
        let again = in_hand.into_iter().map(|held| held.job.again()).chain(unread.into_iter().map(|held| held.job));
        Legacy { again: again.collect(), refusal: None }
    }

    // --- time

    /// When something of what it holds, or its own end, is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        match &self.end {
            Some(end) => Some(end.next_at),
            None => self.held.iter().map(|held| held.deadline).min(),
        }
    }

    /// Until when no process is started in it.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.not_before
    }

    /// Does what is due. A process that cannot be ended is given up.
    pub(super) fn keep_time(&mut self, now: Instant, timeout: Duration) -> Legacy {
        self.not_before.take_if(|at| *at <= now);
        match &self.end {
            Some(end) if end.next_at > now => {}
            Some(End { step: Step::LeftAlone, .. }) => self.terminate(now),
            Some(End { step: Step::Terminated, .. }) => self.step(Step::Killed, now + AGONY, Signal::KILL),
            Some(End { step: Step::Killed, .. }) => {
                tracing::warn!("a worker cannot be ended, not even by SIGKILL: it is given up, and another one takes its place");
                return self.exited(&Exit { how: "it cannot be ended".to_owned(), read: u64::MAX });
            }
            None => {
                if let Some(late) = self.held.iter().position(|held| held.deadline <= now) {
                    let error = self.with_last_words(ReceiverError::timed_out(timeout));
                    self.held.remove(late).job.answer(Err(error));
                    self.terminate(now);
                }
            }
        }
        Legacy::default()
    }

    /// Nothing more is delivered: lets go of what it holds and of the process, as gently as it lets us.
    pub(super) fn say_farewell(&mut self) {
        self.held.clear();
        if let Some(process) = &mut self.process {
            process.close_input();
            self.closed(Pipe::Input);
        }
    }

    fn terminate(&mut self, now: Instant) {
        self.step(Step::Terminated, now + GRACE, Signal::TERM);
    }

    fn step(&mut self, step: Step, next_at: Instant, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
            let by_itself = self.end.take().and_then(|end| end.by_itself);
            self.end = Some(End { step, next_at, by_itself });
        }
    }

    fn back_off(&mut self) {
        let doublings = self.failures.min(8);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(Instant::now() + (FIRST_WAIT * 2u32.pow(doublings)).min(LONGEST_WAIT));
    }

    fn with_last_words(&self, error: ReceiverError) -> ReceiverError {
        let last_words = self.process.as_ref().map(Process::last_words).unwrap_or_default();
        error.with_detail(last_words)
    }
}
