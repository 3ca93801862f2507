//! The pool: what waits, and which process gets it.
//!
//! A delivery waits only for a place, and a place always becomes free: each delivery in it is answered, times out, or goes when its
//! process goes.

use std::collections::{HashSet, VecDeque};

use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::receiver::ReceiverError;
use crate::receiver::exec::ExecOptions;
use crate::receiver::exec::answer::Answer;
use crate::receiver::exec::process::{Heard, Who};
use crate::receiver::exec::worker::{Job, Legacy, Worker};

/// What processes said and the pool did not hear yet. A process that talks without end waits here.
const UNHEARD: usize = 64;

pub(super) enum ToPool {
    Deliver(Box<Job>),
    /// Ends all processes; the guard is dropped when the last one is gone.
    Stop(oneshot::Sender<()>),
}

pub(super) struct Pool {
    options: ExecOptions,
    inbox: UnboundedReceiver<ToPool>,
    /// What the processes say, and where they say it.
    ear: Receiver<(Who, Heard)>,
    to_ear: Sender<(Who, Heard)>,
    workers: Vec<Worker>,
    queue: VecDeque<Job>,
    /// Why the last start of a process came to nothing.
    refusal: Option<ReceiverError>,
    sendid: u64,
    /// Answers to nothing: unknown, late or second ones.
    ignored: u64,
    is_stopping: bool,
    /// Whoever waits for the end.
    guards: Vec<oneshot::Sender<()>>,
}

impl Pool {
    pub(super) fn new(options: ExecOptions, inbox: UnboundedReceiver<ToPool>) -> Self {
        let workers = (0..options.processes.get()).map(|_| Worker::default()).collect();
        let (to_ear, ear) = channel(UNHEARD);
        Self {
            options,
            inbox,
            ear,
            to_ear,
            workers,
            queue: VecDeque::new(),
            refusal: None,
            sendid: 0,
            ignored: 0,
            is_stopping: false,
            guards: Vec::new(),
        }
    }

    /// Runs until it is told to stop, or its receiver is dropped, and no process is left.
    pub(super) async fn run(mut self) {
        while !self.is_stopping || self.workers.iter().any(Worker::is_running) {
            let wake_at = self.next_timer();
            tokio::select! {
                message = self.inbox.recv(), if !self.is_stopping => self.take_in(message),
                Some((who, heard)) = self.ear.recv() => self.hear(who, heard),
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => self.keep_time(),
            }
            let now = Instant::now();
            self.hand_out(now);
            self.refuse_waiting(now);
        }
        if self.ignored > 0 {
            tracing::warn!(
                answers = self.ignored,
                program = self.program(),
                "answers of workers to nothing that they held were ignored"
            );
        }
    }

    fn take_in(&mut self, message: Option<ToPool>) {
        match message {
            Some(ToPool::Deliver(job)) => return self.queue.push_back(*job),
            Some(ToPool::Stop(guard)) => self.guards.push(guard),
            None => {}
        }
        self.is_stopping = true;
        self.inbox.close();
        self.queue.clear();
        self.workers.iter_mut().for_each(Worker::say_farewell);
    }

    // --- handing out

    /// Hands out what can be, in the order in which it came. Deliveries of one lane go to one process while it holds any of them.
    fn hand_out(&mut self, now: Instant) {
        let window = self.options.window.get();
        let mut waiting_lanes = HashSet::new();
        let mut at = 0;
        while self.workers.iter().any(|worker| worker.has_room(window, now)) {
            let Some(job) = self.queue.get(at) else { return };
            let place = if waiting_lanes.contains(&job.lane()) { None } else { self.place_for(job, now) };
            if place.is_none() && !job.is_given_up() {
                waiting_lanes.insert(job.lane());
                at += 1;
                continue;
            }
            match (self.queue.remove(at), place) {
                (Some(job), Some(place)) if !job.is_given_up() => self.hand(place, job, now),
                _ => {}
            }
        }
    }

    fn place_for(&self, job: &Job, now: Instant) -> Option<usize> {
        let fits = |worker: &Worker| worker.has_room(self.options.window.get(), now) && worker.is_company_for(job);
        if let Some(place) = self.workers.iter().position(|worker| worker.holds_lane(job.lane())) {
            return self.workers.get(place).filter(|worker| fits(worker)).map(|_| place);
        }
        let fitting = self.workers.iter().enumerate().filter(|(_, worker)| fits(worker));
        // The one with the least to do; of those, one that runs already.
        fitting.min_by_key(|(_, worker)| (worker.load(), !worker.is_running())).map(|(place, _)| place)
    }

    fn hand(&mut self, place: usize, job: Job, now: Instant) {
        let Some(worker) = self.workers.get_mut(place) else { return };
        if let Err(error) = worker.start(&self.options.command, place, &self.to_ear) {
            job.answer(Err(error.clone()));
            self.refusal = Some(error);
            return;
        }
        self.refusal = None;
        self.sendid += 1;
        worker.hand(job, self.sendid, now + self.options.timeout);
    }

    /// While no process can be had, nothing waits for one: whether a delivery is tried again is not for the pool to say.
    fn refuse_waiting(&mut self, now: Instant) {
        let window = self.options.window.get();
        let can_be_had = self.workers.iter().any(|worker| worker.is_running() || worker.has_room(window, now));
        if let Some(error) = self.refusal.as_ref().filter(|_| !can_be_had) {
            self.queue.drain(..).for_each(|job| job.answer(Err(error.clone())));
        }
    }

    // --- what processes do

    fn hear(&mut self, who: Who, heard: Heard) {
        let Some(worker) = self.workers.get_mut(who.place).filter(|worker| worker.listens_to(who.generation)) else { return };
        let was_asked = match heard {
            Heard::Answer(Answer::To(sendid, answer)) => worker.answered(sendid, answer),
            Heard::Answer(Answer::Garbage(error)) => worker.talked_nonsense(error),
            Heard::Closed(pipe) => return worker.closed(pipe),
            Heard::Exited(exit) => {
                let legacy = worker.exited(&exit);
                return self.inherit(legacy);
            }
        };
        if !was_asked {
            self.ignored += 1;
            tracing::debug!(program = self.program(), "a worker answered to nothing that it holds");
        }
    }

    /// What a process held comes before what waits.
    fn inherit(&mut self, legacy: Legacy) {
        legacy.again.into_iter().rev().for_each(|job| self.queue.push_front(job));
        self.refusal = legacy.refusal.or(self.refusal.take());
    }

    fn next_timer(&self) -> Option<Instant> {
        let due = self.workers.iter().filter_map(Worker::next_due);
        let rested = self.workers.iter().filter_map(Worker::rests_until).filter(|_| !self.queue.is_empty());
        due.chain(rested).min()
    }

    fn keep_time(&mut self) {
        let (now, timeout) = (Instant::now(), self.options.timeout);
        let legacies: Vec<_> = self.workers.iter_mut().map(|worker| worker.keep_time(now, timeout)).collect();
        legacies.into_iter().for_each(|legacy| self.inherit(legacy));
    }

    fn program(&self) -> &str {
        self.options.command.first().map_or("", String::as_str)
    }
}
