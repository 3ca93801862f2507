//! The pool: which process holds which deliveries, and what becomes of them when it dies, is silent or talks nonsense.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::failure::{Class, Code};
use crate::receiver::exec::answer::{self, Answer};
use crate::receiver::exec::process::{Heard, Process, Who};
use crate::receiver::exec::{ExecOptions, unreachable};
use crate::receiver::{Delivery, ReceiverError, line};

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// At the end of the run: from the end of its input to SIGTERM.
const FAREWELL: Duration = Duration::from_secs(1);
/// A process that dies without having answered anything is started again after this, doubling.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

pub(super) enum ToPool {
    Deliver(Job),
    Heard(Who, Heard),
    Stop(oneshot::Sender<()>),
}

type Reply = oneshot::Sender<Result<(), ReceiverError>>;

/// A delivery that wants an answer.
pub(super) struct Job {
    delivery: Delivery,
    reply: Reply,
    /// It was in a process that died with others in it: from now on it is handed over alone.
    is_suspect: bool,
}

impl Job {
    pub(super) fn new(delivery: Delivery, reply: Reply) -> Self {
        Self { delivery, reply, is_suspect: false }
    }

    fn lane(&self) -> u64 {
        self.delivery.event.record().order_key()
    }

    fn answer(self, answer: Result<(), ReceiverError>) {
        // The engine may have given up on it.
        drop(self.reply.send(answer));
    }
}

/// A delivery that a process holds.
struct Held {
    sendid: u64,
    job: Job,
    deadline: Instant,
}

/// A place for one process at a time.
#[derive(Default)]
struct Worker {
    generation: u64,
    process: Option<Process>,
    held: Vec<Held>,
    /// It is being ended: what it still holds waits until it is gone.
    end: Option<End>,
    /// It answered something since it was started.
    has_answered: bool,
    /// Deaths in a row without an answer before them.
    failures: u32,
    not_before: Option<Instant>,
}

struct End {
    kill_at: Instant,
    /// What it was ended for, if one delivery is to blame.
    because: Option<ReceiverError>,
}

pub(super) struct Pool {
    options: ExecOptions,
    inbox: UnboundedReceiver<ToPool>,
    myself: UnboundedSender<ToPool>,
    workers: Vec<Worker>,
    queue: VecDeque<Job>,
    sendid: u64,
}

impl Pool {
    pub(super) fn new(options: ExecOptions, inbox: UnboundedReceiver<ToPool>, myself: UnboundedSender<ToPool>) -> Self {
        let workers = (0..options.processes.get()).map(|_| Worker::default()).collect();
        Self { options, inbox, myself, workers, queue: VecDeque::new(), sendid: 0 }
    }

    /// Runs until it is told to stop.
    pub(super) async fn run(mut self) {
        loop {
            let wake_at = self.next_timer();
            tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(ToPool::Deliver(job)) => self.queue.push_back(job),
                    Some(ToPool::Heard(who, heard)) => self.heard(who, heard),
                    Some(ToPool::Stop(stopped)) => {
                        self.stop().await;
                        drop(stopped.send(()));
                        return;
                    }
                    None => return,
                },
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => self.keep_time(Instant::now()),
            }
            self.hand_out(Instant::now());
        }
    }

    // --- handing out

    /// Hands out what can be, in the order in which it came. Deliveries of one lane go to one process while it holds any of them.
    fn hand_out(&mut self, now: Instant) {
        let mut waiting_lanes = HashSet::new();
        let mut rest = VecDeque::new();
        while let Some(job) = self.queue.pop_front() {
            if job.reply.is_closed() {
                continue;
            }
            if !self.has_room(now) {
                rest.push_back(job);
                rest.append(&mut self.queue);
                break;
            }
            let slot = if waiting_lanes.contains(&job.lane()) { None } else { self.place_for(&job, now) };
            match slot {
                Some(slot) => self.hand(slot, job, now),
                None => {
                    waiting_lanes.insert(job.lane());
                    rest.push_back(job);
                }
            }
        }
        self.queue = rest;
    }

    fn has_room(&self, now: Instant) -> bool {
        self.workers.iter().any(|worker| worker.room(self.options.window.get(), now) > 0)
    }

    fn place_for(&self, job: &Job, now: Instant) -> Option<usize> {
        let window = self.options.window.get();
        let holds_lane = |worker: &Worker| worker.held.iter().any(|held| held.job.lane() == job.lane());
        let fits = |worker: &Worker| {
            let is_alone = worker.held.is_empty();
            worker.room(window, now) > 0 && (is_alone || !(job.is_suspect || worker.held.iter().any(|held| held.job.is_suspect)))
        };
        if let Some(slot) = self.workers.iter().position(holds_lane) {
            return self.workers.get(slot).filter(|worker| fits(worker)).map(|_| slot);
        }
        let fitting = self.workers.iter().enumerate().filter(|(_, worker)| fits(worker));
        // The one with the least to do; of those, one that runs already.
        fitting.min_by_key(|(_, worker)| (worker.held.len(), worker.process.is_none())).map(|(slot, _)| slot)
    }

    fn hand(&mut self, slot: usize, mut job: Job, now: Instant) {
        let Some(worker) = self.workers.get_mut(slot) else { return };
        if worker.process.is_none() {
            worker.generation += 1;
            worker.has_answered = false;
            let who = Who { slot, generation: worker.generation };
            match Process::start(&self.options.command, who, &self.myself) {
                Ok(process) => worker.process = Some(process),
                Err(error) => {
                    worker.back_off(now);
                    let program = self.options.command.first().map_or("", String::as_str);
                    return job.answer(Err(unreachable(format!("{program} cannot be started: {error}"))));
                }
            }
        }
        self.sendid += 1;
        let mut text = Vec::with_capacity(job.delivery.event.record().size() + 512);
        line::write(&mut text, &job.delivery, self.sendid);
        job.delivery.attempt += 1;
        if let Some(process) = &worker.process {
            process.hand(text);
        }
        worker.held.push(Held { sendid: self.sendid, job, deadline: now + self.options.timeout });
    }

    // --- what processes do

    fn heard(&mut self, who: Who, heard: Heard) {
        let Some(worker) = self.workers.get_mut(who.slot).filter(|worker| worker.generation == who.generation) else { return };
        match heard {
            Heard::Line(line) => match answer::read(&line) {
                Answer::To(sendid, answer) => worker.answered(sendid, answer),
                Answer::Garbage(error) => worker.talked_nonsense(error),
            },
            Heard::LineTooLong => {
                worker.talked_nonsense(answer::too_long());
                worker.end(None);
            }
            Heard::Deaf => worker.end(None),
            Heard::Exited { how, stderr } => {
                let again = worker.exited(&how, &stderr);
                // What it held comes before what waits, in its order.
                again.into_iter().rev().for_each(|job| self.queue.push_front(job));
            }
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let is_needed = !self.queue.is_empty();
        let timers = self.workers.iter().flat_map(|worker| {
            let kill_at = worker.end.as_ref().map(|end| end.kill_at);
            let deadlines = worker.held.iter().map(|held| held.deadline).filter(|_| kill_at.is_none()).min();
            [kill_at, deadlines, worker.not_before.filter(|_| is_needed)]
        });
        timers.flatten().min()
    }

    fn keep_time(&mut self, now: Instant) {
        for worker in &mut self.workers {
            worker.not_before.take_if(|at| *at <= now);
            match &mut worker.end {
                Some(end) if end.kill_at <= now => {
                    end.kill_at = now + GRACE;
                    worker.signal(Signal::KILL);
                }
                Some(_) => {}
                None => {
                    if let Some(late) = worker.held.iter().position(|held| held.deadline <= now) {
                        let held = worker.held.remove(late);
                        held.job.answer(Err(ReceiverError::timed_out(self.options.timeout)));
                        worker.end(None);
                    }
                }
            }
        }
    }

    /// Ends all processes, as gently as they let us.
    async fn stop(&mut self) {
        let began = Instant::now();
        self.queue.clear();
        self.workers.iter_mut().for_each(|worker| {
            worker.held.clear();
            if let Some(process) = &mut worker.process {
                process.close_input();
            }
        });
        for (after, signal) in [(FAREWELL, Signal::TERM), (FAREWELL + GRACE, Signal::KILL), (FAREWELL + GRACE * 2, Signal::KILL)] {
            while self.workers.iter().any(|worker| worker.process.is_some()) {
                match tokio::time::timeout_at(began + after, self.inbox.recv()).await {
                    Ok(Some(ToPool::Heard(who, Heard::Exited { .. }))) => {
                        self.heard(who, Heard::Exited { how: String::new(), stderr: String::new() })
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
            self.workers.iter().for_each(|worker| worker.signal(signal));
        }
    }
}

impl Worker {
    /// How many more deliveries it may hold.
    fn room(&self, window: usize, now: Instant) -> usize {
        let is_resting = self.end.is_some() || self.not_before.is_some_and(|at| now < at);
        if is_resting { 0 } else { window.saturating_sub(self.held.len()) }
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// An answer; one that nobody waits for is counted by its log line and ignored.
    fn answered(&mut self, sendid: u64, answer: Result<(), ReceiverError>) {
        self.has_answered = true;
        self.failures = 0;
        match self.held.iter().position(|held| held.sendid == sendid) {
            Some(at) => self.held.remove(at).job.answer(answer),
            None => tracing::debug!(sendid, "a worker answered a delivery that it does not hold"),
        }
    }

    /// Nonsense is the answer of the delivery that is alone in the process. Of several, nobody can tell whose it is: the process is
    /// ended, and each of them is handed over alone.
    fn talked_nonsense(&mut self, error: ReceiverError) {
        match self.held.len() {
            0 => tracing::debug!(message = error.message, "a worker said something without being asked"),
            1 => self.held.drain(..).for_each(|held| held.job.answer(Err(error.clone()))),
            _ => self.end(Some(error)),
        }
    }

    fn end(&mut self, because: Option<ReceiverError>) {
        if self.process.is_some() && self.end.is_none() {
            self.end = Some(End { kill_at: Instant::now() + GRACE, because });
            self.signal(Signal::TERM);
        }
    }

    /// The process is gone. Gives back what is to be handed over again.
    fn exited(&mut self, how: &str, stderr: &str) -> Vec<Job> {
        self.signal(Signal::KILL);
        self.process = None;
        let ended = self.end.take();
        if !self.has_answered {
            self.back_off(Instant::now());
        }
        let mut held: Vec<Held> = std::mem::take(&mut self.held);
        let was_ended_by_us = ended.as_ref().is_some_and(|end| end.because.is_some());
        if held.len() == 1 && !was_ended_by_us {
            let message = format!("the process died with only this delivery in hand: {how}");
            let error = ReceiverError::known(Class::Unknown, const { Code::known("process_died") }, message).with_detail(stderr);
            held.drain(..).for_each(|held| held.job.answer(Err(error.clone())));
        }
        held.into_iter().map(|held| Job { is_suspect: true, ..held.job }).collect()
    }

    fn back_off(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let doublings = (self.failures - 1).min(8);
        self.not_before = Some(now + (FIRST_WAIT * 2u32.pow(doublings)).min(LONGEST_WAIT));
    }
}
