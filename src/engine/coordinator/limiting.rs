//! The limit of errors in a row: with one, failures come here before they go to the journal, in the order in which they settle.

use std::time::Instant;

use crate::engine::coordinator::{Coordinator, WantedAgain, write};
use crate::engine::ledger::Entry;
use crate::engine::limit::{Judged, LimitReached, Why};
use crate::engine::report::{Action, JournalJob, StopLevel, StopReason, ToShard};
use crate::engine::settled::{Settled, SettledRun};
use crate::record::Slot;

impl Coordinator {
    /// Failures, and whatever else settles once it is written.
    pub(super) fn judged(&mut self, jobs: Vec<JournalJob>, now: Instant, actions: &mut Vec<Action>) {
        for job in jobs {
            let Some(limit) = &mut self.limit else {
                actions.push(Action::Journal(job));
                continue;
            };
            match limit.judge(job) {
                Judged::Write(jobs) => actions.extend(jobs.into_iter().map(Action::Journal)),
                // Whoever ends, or gives the partition back, waits for nothing.
                Judged::Held if !self.may_wait() => self.give_up_held(|_| true),
                Judged::Held => self.give_up_revoked(),
                Judged::Over(job) => self.abandon(vec![job]),
                Judged::Stop(reached, last) => {
                    actions.extend(last.into_iter().map(Action::Journal));
                    self.stop_at_limit(reached, now, actions);
                }
            }
        }
    }

    /// Records that have nothing to write.
    pub(super) fn settled(&mut self, mut runs: Vec<SettledRun>, actions: &mut Vec<Action>) {
        if let Some(limit) = &mut self.limit {
            if limit.is_over() {
                runs.iter_mut().for_each(|run| run.how = Settled::Abandoned);
            } else if runs.iter().any(|run| run.how == Settled::Delivered) {
                actions.extend(limit.delivered().into_iter().map(Action::Journal));
            }
        }
        self.settle(&runs);
    }

    /// What is held while on probation, of these slots, is read again.
    pub(super) fn give_up_held(&mut self, of: impl Fn(Slot) -> bool) {
        let held = self.limit.as_mut().map(|limit| limit.take_of(of));
        self.abandon(held.unwrap_or_default());
    }

    fn give_up_revoked(&mut self) {
        let leaving: Vec<Slot> = self.revocations.iter().flat_map(|revocation| revocation.slots.clone()).collect();
        self.give_up_held(|slot| leaving.contains(&slot));
    }

    pub(super) fn held_by_limit(&self) -> usize {
        self.limit.as_ref().map_or(0, |limit| limit.holds(|_| true))
    }

    /// True on probation when everything that is in flight is held, so that nothing clears it unless more comes. What waits for receivers
    /// that are down, of what they missed, is not counted: nobody waits for them at an end.
    pub(super) fn is_probation_stuck(&self) -> bool {
        let (held, waits) = (self.held_by_limit(), usize::from(self.parked.is_some()));
        if held == 0 {
            return false;
        }
        let is_all_held = held + waits == self.tracker.out() && !matches!(self.wanted_again, WantedAgain::Of(_));
        let held_live = self.limit.as_ref().map_or(0, |limit| limit.holds(|slot| !Self::is_slot_again(slot)));
        is_all_held || (held_live + waits == self.tracker.load().records && !self.is_catching_up())
    }

    /// What is held will not be cleared by anything.
    pub(super) fn give_up_probation(&mut self, why: Why, now: Instant, actions: &mut Vec<Action>) {
        if let Some(reached) = self.limit.as_mut().and_then(|limit| limit.give_up(why)) {
            self.stop_at_limit(reached, now, actions);
        }
    }

    /// What is held leaves no room for anything that could clear it.
    pub(super) fn give_up_full_probation(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.admission.is_waiting_for_room(self.tracker.load()) && self.is_probation_stuck() {
            self.give_up_probation(Why::NoRoom, now, actions);
        }
    }

    /// What is out is delivered again: it does not settle any more. A run that ends already waits for nothing that is held.
    fn stop_at_limit(&mut self, reached: Box<LimitReached>, now: Instant, actions: &mut Vec<Action>) {
        if !self.may_wait() {
            return self.give_up_held(|_| true);
        }
        actions.push(Action::Journal(write(vec![Entry::Incident(reached.incident())])));
        self.begin_drain(StopReason::Limit(reached), now, actions);
        self.each_shard(actions, || ToShard::Stop(StopLevel::Now));
    }
}
