//! How a run ends: nothing more is admitted, what is out settles, the journal gets the last progress and the broker the last commit.

use std::time::{Duration, Instant};

use crate::engine::coordinator::{Coordinator, Phase};
use crate::engine::limit::Why;
use crate::engine::report::{Action, StopLevel, StopReason, Ticket, ToShard};

/// How long shards have to let go of what they were told to drop.
const GRACE: Duration = Duration::from_secs(2);

impl Coordinator {
    pub(super) fn stop(&mut self, level: StopLevel, now: Instant, actions: &mut Vec<Action>) {
        match level {
            StopLevel::Drain => self.begin_drain(StopReason::Asked, now, actions),
            StopLevel::Now => self.give_up(StopReason::Asked, actions),
        }
    }

    /// Admits nothing more; everything that was admitted settles, however long that takes.
    pub(super) fn finish_reading(&mut self, reason: StopReason, actions: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        actions.push(Action::Draining(reason.clone()));
        self.phase = Phase::Draining { reason, deadline: None, is_forced: false };
        self.batches.flush(actions);
        actions.extend(self.admission.close().map(Action::Flow));
    }

    /// As `finish_reading`, but only until the drain timeout, and what waits for a retry is given up.
    pub(super) fn begin_drain(&mut self, reason: StopReason, now: Instant, actions: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Running | Phase::Draining { deadline: None, .. }) {
            return;
        }
        actions.push(Action::Draining(reason.clone()));
        self.phase = Phase::Draining { reason, deadline: Some(now + self.options.conduct.drain_timeout), is_forced: false };
        self.batches.flush(actions);
        actions.extend(self.admission.close().map(Action::Flow));
        self.drop_parked(|_| true);
        let held = self.guard.take_all();
        self.abandon(held);
        self.give_up_held(|_| true);
        self.each_shard(actions, || ToShard::Stop(StopLevel::Drain));
    }

    pub(super) fn keep_draining(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let (load, out, is_catching_up) = (self.tracker.load(), self.tracker.out(), self.is_catching_up());
        let is_probation_stuck = self.is_probation_stuck();
        let Phase::Draining { reason, deadline, is_forced } = &mut self.phase else { return };
        let (is_bounded, is_overdue) = (deadline.is_none(), deadline.is_some_and(|deadline| now >= deadline));
        if is_bounded && is_probation_stuck {
            return self.give_up_probation(Why::NothingMore, now, actions);
        }
        if is_bounded && is_catching_up {
            return;
        }
        if is_bounded && out > 0 && load.records == 0 {
            return self.leave_missed(actions);
        }
        if out > 0 && !is_overdue {
            // The end of what there is to read: nothing else can show that the stage works.
            let waits = usize::from(self.parked.is_some());
            if is_bounded && self.guard.holds() > 0 && self.guard.holds() + self.held_by_limit() + waits == out {
                let held = self.guard.take_all();
                self.judged(held, now, actions);
            }
            return;
        }
        if out > 0 && !*is_forced {
            *is_forced = true;
            *deadline = Some(now + GRACE);
            return self.each_shard(actions, || ToShard::Stop(StopLevel::Now));
        }
        let reason = reason.clone();
        self.close(reason, actions);
    }

    pub(super) fn close(&mut self, reason: StopReason, actions: &mut Vec<Action>) {
        self.phase = Phase::Closing { reason };
        self.tell_last(Ticket::Last, actions);
    }

    /// The last commit is done, but for what is still owed.
    pub(super) fn finish(&mut self, owed: &[String], actions: &mut Vec<Action>) {
        let Phase::Closing { reason } = &self.phase else { return };
        let reason = if owed.is_empty() { reason.clone() } else { StopReason::NotCommitted(owed.join("; ")) };
        self.give_up(reason, actions);
    }

    /// The end: nothing more is written or committed.
    pub(super) fn give_up(&mut self, reason: StopReason, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Finished) {
            return;
        }
        self.phase = Phase::Finished;
        actions.extend(self.admission.close().map(Action::Flow));
        self.each_shard(actions, || ToShard::Stop(StopLevel::Now));
        actions.push(Action::Finish(reason));
    }
}
