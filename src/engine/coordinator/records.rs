//! Records on their way through the coordinator: admitted, parked while there is no room, settled, or given up; and how far each slot was
//! read.

use std::time::Instant;

use crate::engine::coordinator::{Coordinator, Phase};
use crate::engine::report::{Action, JournalJob, StopReason};
use crate::engine::settled::{Settled, SettledRun};
use crate::record::{NextOffset, RawRecord, Slot};

impl Coordinator {
    pub(super) fn record(&mut self, raw: &RawRecord<'_>, now: Instant, actions: &mut Vec<Action>) {
        if self.admission.is_closed() || self.is_revoking(raw.slot) {
            return;
        }
        if self.ends.is_beyond(raw.slot, raw.offset) {
            return self.read_up_to(raw.slot, raw.offset.next(), actions);
        }
        let Some(seq) = self.tracker.admit(raw.slot, raw.offset, raw.size()) else { return };
        let Some(partition) = self.tracker.partition(raw.slot).cloned() else { return };
        self.busy_at = self.busy_at.max(now);
        self.admitted += 1;
        if self.options.conduct.budget.admits(self.tracker.load()) {
            self.batches.push(raw, &partition, seq, actions);
        } else {
            self.batches.flush(actions);
            let mut held = Vec::new();
            self.batches.push(raw, &partition, seq, &mut held);
            self.batches.flush(&mut held);
            self.parked = Some((SettledRun::of_one(raw.slot, seq, Settled::Abandoned), held));
        }
        self.note_position(raw.slot, raw.offset.next(), actions);
        if self.options.conduct.max_records.is_some_and(|max| self.admitted >= max) {
            self.finish_reading(StopReason::Done, actions);
        }
    }

    pub(super) fn unpark(&mut self, actions: &mut Vec<Action>) {
        let may_go = self.options.conduct.budget.admits(self.tracker.load());
        if let Some((_, held)) = self.parked.take_if(|_| may_go) {
            actions.extend(held);
        }
    }

    /// Gives the parked record up when its slot is.
    pub(super) fn drop_parked(&mut self, of: impl Fn(Slot) -> bool) {
        if let Some((run, _)) = self.parked.take_if(|(run, _)| of(run.slot)) {
            self.tracker.settle(&run);
        }
    }

    /// True when a failure that a shard held back is not worth waiting for: its slot is not ours any more, or the run was asked to stop.
    /// Its record is read again.
    pub(super) fn gives_up(&self, job: &JournalJob) -> bool {
        !self.may_wait() || job.runs.iter().any(|run| self.tracker.partition(run.slot).is_none() || self.is_revoking(run.slot))
    }

    pub(super) fn may_wait(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Draining { deadline: None, .. })
    }

    /// Held failures are dropped, unwritten and unsettled.
    pub(super) fn abandon(&mut self, held: Vec<JournalJob>) {
        for mut job in held {
            job.runs.iter_mut().for_each(|run| run.how = Settled::Abandoned);
            self.settle(&job.runs);
        }
    }

    pub(super) fn settle(&mut self, runs: &[SettledRun]) {
        for run in runs {
            self.tracker.settle(run);
        }
    }

    /// No record lies before this position that was not polled; it may lie past transaction markers and compacted records.
    pub(super) fn read_up_to(&mut self, slot: Slot, position: NextOffset, actions: &mut Vec<Action>) {
        self.tracker.read_up_to(slot, self.ends.capped(slot, position));
        self.note_position(slot, position, actions);
    }

    fn note_position(&mut self, slot: Slot, position: NextOffset, actions: &mut Vec<Action>) {
        if self.ends.reach(slot, position) {
            self.note_ends(actions);
        }
    }

    /// All there is to read was read, unless the end of an offered partition is still to be known.
    pub(super) fn note_ends(&mut self, actions: &mut Vec<Action>) {
        if self.ends.are_all_reached() && self.offers.is_empty() {
            self.finish_reading(StopReason::Done, actions);
        }
    }
}
