//! How a record ends in its shard: once every receiver's delivery ended, or when it is given up.

use std::sync::Arc;

use tokio::time::Instant;

use crate::engine::lanes::{History, LaneId, Queued};
use crate::engine::ledger::{Delivered, Entry, FailedDelivery, WhyNot};
use crate::engine::report::{Report, StopLevel};
use crate::engine::settled::{Settled, SettledRun};
use crate::engine::shard::{Errors, Shard, entries};
use crate::event::Event;
use crate::failure::Stage;
use crate::receiver::Binding;
use crate::record::{ReceiverIx, ReceiverSet, Record, Slot};

/// What an answer means.
pub(super) enum End {
    Delivered,
    Failed(Box<FailedDelivery>),
    /// A rule skips the failure.
    Skipped,
    /// A rule halts: the record is given up, and the run with it.
    Halted,
    /// Not tried, or not for long: the receiver is down, and a replay does not wait for it.
    PassedOver,
    /// The receiver is down, and is to have it later.
    Deferred,
    /// The receiver is down, and is waited for.
    Held(History),
    /// It is tried again at that time.
    Again(History, Instant),
}

/// A record that waits for at least one receiver.
pub(super) struct Waiting {
    pub(super) event: Event,
    open: ReceiverSet,
    ending: Ending,
}

/// What came of the deliveries of one record so far.
#[derive(Default)]
pub(super) struct Ending {
    pub(super) ends: Ends,
    /// Failures that are not written yet.
    failures: Vec<Entry>,
}

/// How the deliveries of one record ended so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) delivered: ReceiverSet,
    pub(super) failed: ReceiverSet,
    pub(super) skipped: ReceiverSet,
    pub(super) abandoned: ReceiverSet,
    pub(super) deferred: ReceiverSet,
    /// Of a replay: not tried.
    pub(super) passed_over: ReceiverSet,
}

impl Ends {
    pub(super) const NONE: Self = Self {
        delivered: ReceiverSet::NONE,
        failed: ReceiverSet::NONE,
        skipped: ReceiverSet::NONE,
        abandoned: ReceiverSet::NONE,
        deferred: ReceiverSet::NONE,
        passed_over: ReceiverSet::NONE,
    };

    pub(super) fn passed_over_by(receiver: ReceiverIx) -> Self {
        Self { passed_over: ReceiverSet::NONE.with(receiver), ..Self::NONE }
    }

    /// How a record ends that was not given up: as the worst of its deliveries.
    fn how(self) -> Settled {
        match self {
            Self { failed, .. } if !failed.is_empty() => Settled::Failed,
            Self { deferred, .. } if !deferred.is_empty() => Settled::Deferred,
            Self { skipped, .. } if !skipped.is_empty() => Settled::Skipped,
            _ => Settled::Delivered,
        }
    }

    pub(super) fn abandoned_by(receiver: ReceiverIx) -> Self {
        Self { abandoned: ReceiverSet::NONE.with(receiver), ..Self::NONE }
    }

    pub(super) fn deferred_by(receiver: ReceiverIx) -> Self {
        Self { deferred: ReceiverSet::NONE.with(receiver), ..Self::NONE }
    }
}

impl From<Ends> for Ending {
    fn from(ends: Ends) -> Self {
        Self { ends, failures: Vec::new() }
    }
}

impl Ending {
    /// Gives back what is no end: what was tried, and when it is tried again, unless it is when the receiver is back.
    pub(super) fn add(&mut self, receiver: ReceiverIx, end: End) -> Option<(History, Option<Instant>)> {
        let set = match end {
            End::Failed(failed) => {
                self.failures.push(Entry::Failed(failed));
                &mut self.ends.failed
            }
            End::Delivered => &mut self.ends.delivered,
            End::Skipped => &mut self.ends.skipped,
            End::Halted => &mut self.ends.abandoned,
            End::PassedOver => &mut self.ends.passed_over,
            End::Deferred => &mut self.ends.deferred,
            End::Held(history) => return Some((history, None)),
            End::Again(history, at) => return Some((history, Some(at))),
        };
        *set = set.with(receiver);
        None
    }

    fn merge(&mut self, mut other: Self) {
        let (ends, others) = (&mut self.ends, other.ends);
        ends.delivered = ends.delivered.union(others.delivered);
        ends.failed = ends.failed.union(others.failed);
        ends.skipped = ends.skipped.union(others.skipped);
        ends.abandoned = ends.abandoned.union(others.abandoned);
        ends.deferred = ends.deferred.union(others.deferred);
        ends.passed_over = ends.passed_over.union(others.passed_over);
        self.failures.append(&mut other.failures);
    }
}

impl Waiting {
    fn new(event: &Event, open: ReceiverSet) -> Self {
        Self { event: event.clone().detach(), open, ending: Ending::default() }
    }

    /// True when every receiver's delivery has ended.
    fn is_complete(&self) -> bool {
        let Ends { delivered, failed, skipped, abandoned, deferred, passed_over } = self.ending.ends;
        let ended = delivered.union(failed).union(skipped).union(abandoned).union(deferred).union(passed_over);
        self.open.minus(ended).is_empty()
    }
}

impl Shard {
    /// Gives the record a row in the table.
    pub(super) fn keep(&mut self, event: &Event, open: ReceiverSet) -> usize {
        self.decoded += event.decoded_size();
        self.waiting.insert(Waiting::new(event, open))
    }

    pub(super) fn merge(&mut self, row: usize, ending: impl Into<Ending>) {
        let ending = self.written_at_once(ending.into());
        let Some(waiting) = self.waiting.get_mut(row) else { return };
        waiting.ending.merge(ending);
        if waiting.is_complete() {
            let Waiting { event, ending, .. } = self.waiting.remove(row);
            self.decoded -= event.decoded_size();
            self.finish(&event, ending);
        }
    }

    /// A failure need not wait for the other receivers of its record, which may take their time, unless errors are counted: what is
    /// written then goes through the count, and that is of records.
    fn written_at_once(&mut self, mut ending: Ending) -> Ending {
        if self.walk.errors == Errors::NotCounted {
            self.job.entries.append(&mut ending.failures);
        }
        ending
    }

    pub(super) fn finish(&mut self, event: &Event, ending: Ending) {
        let record = event.record();
        let Ending { ends, mut failures } = self.written_at_once(ending);
        if !ends.abandoned.is_empty() {
            return self.give_up(record, ends.delivered);
        }
        self.job.entries.append(&mut failures);
        let missed = self.missed(record, ends);
        let run = SettledRun { missed, ..SettledRun::of_one(record.slot(), record.seq(), ends.how()) };
        if ends.failed.is_empty() && !record.has_debt() {
            return self.settle_run(run);
        }
        self.write_delivered(record, ends.delivered);
        if !ends.passed_over.is_empty() {
            self.pass_over(record, ends.passed_over, WhyNot::ReceiverDown);
        } else if record.has_debt() {
            self.job.entries.push(entries::passed(record, Stage::Decode, self.walk.mode));
        }
        if !ends.skipped.is_empty() {
            self.pass_over(record, ends.skipped, WhyNot::SkippedByRule);
        }
        self.settle_run_with_job(run);
    }

    fn write_delivered(&mut self, record: &Record, to: ReceiverSet) {
        let delivered = |binding: &Binding| {
            Entry::Delivered(Delivered {
                partition: Arc::clone(record.partition()),
                offset: record.offset(),
                receiver: binding.name.clone(),
                mode: self.walk.mode,
            })
        };
        let bindings = to.iter().filter_map(|receiver| self.walk.bindings.get(usize::from(receiver.0)));
        self.job.entries.extend(bindings.map(delivered));
    }

    /// Not all of its receivers have it: it does not settle. Entries of those that have are closed all the same; failures that are not
    /// written by now come again with the record.
    fn give_up(&mut self, record: &Record, delivered: ReceiverSet) {
        if record.has_debt() {
            self.write_delivered(record, delivered);
        }
        self.settle_with_job(record, Settled::Abandoned);
    }

    pub(super) fn settle(&mut self, record: &Record, how: Settled) {
        self.settle_run(SettledRun::of_one(record.slot(), record.seq(), how));
    }

    fn settle_run(&mut self, run: SettledRun) {
        let extended = self.runs.last_mut().is_some_and(|last| last.extend(&run));
        if !extended {
            self.runs.push(run);
        }
    }

    /// Settles a record once everything that was written about it before is on disk.
    pub(super) fn settle_with_job(&mut self, record: &Record, how: Settled) {
        self.settle_run_with_job(SettledRun::of_one(record.slot(), record.seq(), how));
    }

    fn settle_run_with_job(&mut self, run: SettledRun) {
        self.job.runs.push(run);
        if self.walk.errors == Errors::Counted {
            // In the order in which they settle, each by itself; who is down goes before what it missed for that.
            self.tell_found();
            self.tell_settled();
            let job = std::mem::take(&mut self.job);
            self.tell(Report::Judged(job));
        }
    }

    /// One that no receiver is to have, whether or not they get all that comes.
    pub(super) fn settle_skipped(&mut self, record: &Record) {
        let missed = self.missed(record, Ends::NONE);
        self.settle_run(SettledRun { missed, ..SettledRun::of_one(record.slot(), record.seq(), Settled::Skipped) });
    }

    pub(super) fn abandon_retries(&mut self) {
        let given_up = self.lanes.drain_retrying();
        self.abandon(given_up);
    }

    pub(super) fn abandon_queued_of(&mut self, slots: &[Slot]) {
        let waiting = &self.waiting;
        let of_slots = |record: usize| waiting.get(record).is_some_and(|waiting| slots.contains(&waiting.event.record().slot()));
        let given_up = self.lanes.drain_matching(of_slots);
        self.abandon(given_up);
    }

    pub(super) fn abandon(&mut self, given_up: Vec<(LaneId, Queued)>) {
        for (lane, queued) in given_up {
            self.merge(queued.record, Ends::abandoned_by(lane.receiver));
        }
    }

    /// Lets go of everything: futures are dropped, nothing that is open settles.
    pub(super) fn abandon_all(&mut self) {
        self.level = Some(StopLevel::Now);
        self.abandon_shelved(|_| true);
        self.out.clear();
        drop(self.lanes.drain_matching(|_| true));
        self.decoded = 0;
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            self.give_up(waiting.event.record(), waiting.ending.ends.delivered);
        }
    }
}
