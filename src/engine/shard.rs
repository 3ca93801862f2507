//! A shard: one long task that walks records through the stages and delivers them, for the order keys that are its own.
//!
//! All receivers of a record live in the same shard, so the shard counts them down by itself and reports runs of settled records. What is
//! answered at once never leaves the stack: only a record that waits for something gets a row in the table.

mod ending;
mod entries;
mod judging;
mod outage;
mod passing_over;
mod shelving;
mod suspects;
#[cfg(test)]
mod tests;

use std::sync::{Arc, mpsc};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use slab::Slab;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until};

use crate::codec::naming::Frames;
use crate::engine::delivery::{self, Running, Started};
use crate::engine::in_hand::{InHand, Leave, Watched};
use crate::engine::lanes::{History, LaneId, Lanes, Queued};
use crate::engine::ledger::WhyNot;
use crate::engine::new_types::NewTypes;
use crate::engine::passed::Passed;
use crate::engine::report::{JournalJob, Report, StopLevel, ToJournal, ToShard};
use crate::engine::schemas::Ask;
use crate::engine::settled::{Settled, SettledRun};
use crate::engine::shard::ending::{End, Ends, Waiting};
use crate::engine::shard::outage::{Away, Course};
use crate::engine::shard::shelving::Shelving;
use crate::engine::shard::suspects::is_suspect;
use crate::event::Event;
use crate::failure::Stage;
use crate::policy::{Rules, Vigil};
use crate::receiver::{Address, Binding, Delivery, Mode, Needs, ReceiverError, Timekeeper};
use crate::record::{ReceiverIx, ReceiverSet, Record, Slot};
use crate::stage::{Format, Manner, Routed, Router, TypeFrom, identify};

/// What all shards of a run share.
pub(super) struct Walk {
    pub(super) bindings: Vec<Binding>,
    pub(super) by_name_only: ReceiverSet,
    pub(super) addresses: Vec<Arc<Address>>,
    pub(super) type_from: TypeFrom,
    pub(super) router: Router,
    pub(super) rules: Arc<Rules>,
    pub(super) format: Format,
    pub(super) frames: Frames,
    pub(super) mode: Mode,
    /// For each receiver: deliveries that one shard may have out.
    pub(super) concurrency: usize,
    pub(super) is_guarded: bool,
    pub(super) errors: Errors,
    /// One for each receiver.
    pub(super) vigils: Vec<Vigil>,
}

/// Whether errors in a row are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errors {
    Counted,
    NotCounted,
}

/// Whom a shard tells something, and asks.
#[derive(Clone)]
pub(super) struct Peers {
    pub(super) kafka: mpsc::Sender<Report>,
    pub(super) journal: mpsc::Sender<ToJournal>,
    pub(super) desk: UnboundedSender<Ask>,
    pub(super) watched: Option<Watched>,
}

pub(super) struct Shard {
    walk: Arc<Walk>,
    inbox: UnboundedReceiver<ToShard>,
    reports: mpsc::Sender<Report>,
    journal: mpsc::Sender<ToJournal>,
    passed: Passed,
    lanes: Lanes,
    out: FuturesUnordered<Running>,
    waiting: Slab<Waiting>,
    /// Bytes of what was decoded for the records in `waiting`.
    decoded: usize,
    shelving: Shelving,
    away: Away,
    runs: Vec<SettledRun>,
    job: JournalJob,
    level: Option<StopLevel>,
    is_over: bool,
    /// A rule halted on a record of these: nothing behind it is begun any more.
    halted: Vec<Slot>,
    new_types: NewTypes,
    in_hand: InHand,
    /// Read once per delivery: where the last one ended, the next one starts.
    now: Instant,
}

impl Shard {
    pub(super) fn new(walk: Arc<Walk>, inbox: UnboundedReceiver<ToShard>, peers: Peers) -> Self {
        let Peers { kafka, journal, desk, watched } = peers;
        let runs = walk.bindings.iter().map(|binding| binding.receiver.runs()).collect();
        let lanes = Lanes::new(walk.bindings.iter().map(|binding| (walk.concurrency, binding.receiver.window())));
        Self {
            lanes,
            walk,
            inbox,
            reports: kafka,
            journal,
            passed: Passed::default(),
            out: FuturesUnordered::new(),
            waiting: Slab::new(),
            decoded: 0,
            shelving: Shelving::new(desk),
            away: Away::default(),
            runs: Vec::new(),
            job: JournalJob::default(),
            level: None,
            new_types: NewTypes::default(),
            in_hand: InHand::new(watched, runs),
            is_over: false,
            halted: Vec::new(),
            now: Instant::now(),
        }
    }

    /// Runs until the kafka thread lets go of the inbox.
    pub(super) async fn run(mut self) {
        while !self.is_over {
            let retry_at = self.lanes.next_retry();
            tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(message) => self.take_in(message),
                    None => return,
                },
                Some(done) = self.out.next(), if !self.out.is_empty() => self.came_back(done),
                () = sleep_until(retry_at.unwrap_or(self.now)), if retry_at.is_some() => {}
            }
            self.now = Instant::now();
            while let Some(Some(done)) = self.out.next().now_or_never() {
                self.came_back(done);
            }
            self.lanes.wake(self.now);
            self.run_ready();
            self.tell_unasked();
            self.go_on_with_room();
            self.flush();
        }
    }

    fn take_in(&mut self, message: ToShard) {
        self.now = Instant::now();
        match message {
            ToShard::Batch(batch) if self.level == Some(StopLevel::Now) => {
                batch.freeze().for_each(|record| self.settle(&record, Settled::Abandoned));
            }
            ToShard::Batch(batch) => {
                self.shelving.forget_old(self.now);
                batch.freeze().for_each(|record| self.walk(&record));
            }
            ToShard::Passed { topic, stage } => {
                self.passed.pass_by_name(&topic, stage);
            }
            ToShard::Abandon(slots) => {
                self.let_go(&slots);
                self.abandon_queued_of(&slots);
            }
            ToShard::LetGo(slots) => self.let_go(&slots),
            ToShard::Schema(answer) => self.answered(answer),
            ToShard::Gate(receiver, gate) => self.set_gate(receiver, gate),
            ToShard::Probe(receiver) => self.probe(receiver),
            ToShard::Detach(receiver, slots) => self.detach(receiver, &slots),
            ToShard::Keep(receiver, slot, from) => self.keep_from(receiver, slot, from),
            ToShard::Attach(receiver, slot) => self.attach(receiver, slot),
            ToShard::Stop(StopLevel::Drain) => {
                self.level = self.level.max(Some(StopLevel::Drain));
                self.abandon_shelved(|_| true);
                self.let_go_of_all_held();
                self.abandon_retries();
            }
            ToShard::Stop(StopLevel::Now) => self.abandon_all(),
        }
    }

    /// Drops what of these slots waits for what may never come.
    fn let_go(&mut self, slots: &[Slot]) {
        self.abandon_shelved(|record| slots.contains(&record.slot()));
        self.let_go_of_held(slots);
    }

    // --- the walk of one record

    fn walk(&mut self, record: &Record) {
        if self.is_halted(record) {
            return self.settle(record, Settled::Abandoned);
        }
        let event = match identify(record, &self.walk.type_from) {
            Ok(event) => event,
            Err(refused) => return self.refuse(record, refused.facts, Stage::Identify, refused.refusal),
        };
        self.pass(record, Stage::Identify);
        let to = match self.walk.router.route(&event.event_type()) {
            Routed::To(receivers) => receivers,
            Routed::Skipped => return self.skip(&event),
            Routed::Unrecognized(refusal) => return self.refuse(record, event.facts(), Stage::Route, refusal),
        };
        self.pass(record, Stage::Route);
        let Some(to) = self.meant(record, to) else { return };
        let needs = to.iter().filter_map(|receiver| self.binding(receiver)).map(|binding| binding.receiver.needs()).max();
        let Walk { format, frames, .. } = *self.walk;
        self.decode(event, to, Manner { needs: needs.unwrap_or(Needs::Bytes), format, frames });
    }

    fn pass(&mut self, record: &Record, stage: Stage) {
        if self.walk.is_guarded && self.passed.pass(&record.partition().topic, stage) {
            self.tell(Report::Passed { topic: record.topic().to_owned(), stage });
        }
    }

    fn skip(&mut self, event: &Event) {
        let record = event.record();
        self.pass(record, Stage::Route);
        self.new_types.skip(&event.event_type(), record);
        if record.has_debt() {
            self.job.entries.push(entries::passed(record, Stage::Route, self.walk.mode));
            self.pass_over(record, ReceiverSet::NONE, WhyNot::Unrecognized);
            self.settle_with_job(record, Settled::Skipped);
        } else {
            self.settle_skipped(record);
        }
    }

    // --- deliveries

    fn deliver(&mut self, event: &Event, to: ReceiverSet) {
        let mut ending = self.condemn(event, to);
        let mut row = None;
        for receiver in to.minus(ending.ends.failed).iter() {
            if self.is_given_up(receiver) {
                ending.add(receiver, End::PassedOver);
                continue;
            }
            let lane = LaneId { receiver, key: event.record().order_key() };
            let course = self.course(receiver, event.record());
            if course == Course::Defer {
                ending.add(receiver, End::Deferred);
                continue;
            }
            if course == Course::Keep || !self.lanes.is_clear(lane) || is_suspect(event.record(), &self.walk, receiver) {
                let record = *row.get_or_insert_with(|| self.keep(event, to));
                let queued = Queued { record, seq: event.record().seq(), history: History::default() };
                match course {
                    Course::Keep => self.keep_for(lane, event.record().slot(), queued),
                    _ => self.lanes.queue(lane, queued),
                }
                continue;
            }
            let started = self.now;
            let end = match self.attempt(event, receiver, &History::default()) {
                Started::Answered(answer) => self.judge(event, receiver, History::default(), (started, answer)),
                Started::Pending(future) => {
                    let record = *row.get_or_insert_with(|| self.keep(event, to));
                    self.put_out(lane, record, History::default(), (started, future));
                    continue;
                }
            };
            if let Some((history, at)) = ending.add(receiver, end) {
                let record = *row.get_or_insert_with(|| self.keep(event, to));
                self.again(lane, Queued { record, seq: event.record().seq(), history }, at, event);
            }
        }
        match row {
            None => self.finish(event, ending),
            Some(row) => self.merge(row, ending),
        }
    }

    /// Calls the receiver once.
    fn attempt(&mut self, event: &Event, receiver: ReceiverIx, history: &History) -> Started {
        let walk = &self.walk;
        let (Some(binding), Some(to)) = (walk.bindings.get(usize::from(receiver.0)), walk.addresses.get(usize::from(receiver.0)))
        else {
            return Started::Answered(Err(ReceiverError::permanent("no_receiver", "it is not there: this is a defect of redrive")));
        };
        let noting = self.in_hand.prepare(event.record(), receiver, to);
        let delivery =
            Delivery { event: event.clone(), attempt: history.next_attempt(), mode: walk.mode, to: Arc::clone(to), noting };
        let started = self.in_hand.during(|| delivery::start(binding, delivery));
        self.now = Instant::now();
        started
    }

    fn put_out(&mut self, lane: LaneId, record: usize, history: History, of: (Instant, delivery::Pending)) {
        let engines = |binding: &&Binding| binding.receiver.timekeeper() == Timekeeper::Engine;
        let timeout = self.binding(lane.receiver).filter(engines).map(|binding| binding.timeout);
        let (started, future) = of;
        self.lanes.occupy(lane);
        let history = History { first_started: history.first_started.or(Some(started)), ..history };
        let in_hand = self.in_hand.goes_out();
        self.out.push(Running::new(lane, record, history, started, (future, timeout, in_hand)));
    }

    /// Runs whatever waits for its turn and may go now.
    fn run_ready(&mut self) {
        while let Some((lane, Queued { record, history, .. })) = self.lanes.next() {
            let Some(event) = self.waiting.get(record).map(|waiting| waiting.event.clone()) else {
                self.lanes.vacate(lane);
                continue;
            };
            if self.is_halted(event.record()) {
                self.lanes.vacate(lane);
                self.merge(record, Ends::abandoned_by(lane.receiver));
                continue;
            }
            if self.is_given_up(lane.receiver) {
                self.lanes.vacate(lane);
                self.merge(record, Ends::passed_over_by(lane.receiver));
                continue;
            }
            if !self.takes_turn(event.record(), lane.receiver) {
                self.wait_for_turn(lane, Queued { record, seq: event.record().seq(), history });
                continue;
            }
            let started = self.now;
            let came = self.attempt(&event, lane.receiver, &history);
            self.lanes.vacate(lane);
            match came {
                Started::Answered(answer) => {
                    self.in_hand.set_leave(Leave::Always);
                    self.conclude(lane, record, history, (started, answer));
                }
                Started::Pending(future) => self.put_out(lane, record, history, (started, future)),
            }
        }
    }

    // --- telling

    fn flush(&mut self) {
        self.tell_found();
        let changes = self.shelving.take_changes();
        if !changes.is_empty() {
            self.tell(Report::Shelved(changes));
        }
        if let Some(skipped) = self.new_types.take() {
            self.tell(Report::Skipped(skipped));
        }
        if !self.job.entries.is_empty() || !self.job.runs.is_empty() {
            let job = std::mem::take(&mut self.job);
            self.is_over |= self.journal.send(ToJournal::Job(job)).is_err();
        }
        self.tell_settled();
    }

    fn tell_settled(&mut self) {
        if !self.runs.is_empty() {
            let runs = std::mem::take(&mut self.runs);
            self.tell(Report::Settled(runs));
        }
    }

    /// The other side is gone only when the run is over.
    fn tell(&mut self, report: Report) {
        self.is_over |= self.reports.send(report).is_err();
    }

    fn binding(&self, receiver: ReceiverIx) -> Option<&Binding> {
        self.walk.bindings.get(usize::from(receiver.0))
    }
}
