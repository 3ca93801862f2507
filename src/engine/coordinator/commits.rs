//! Progress and commits: what settled goes to the journal first, and only what the journal has is committed.
//!
//! The last of a partition, or of the run, goes in rounds: the progress that may be told, its commit, and again while an accepted commit
//! allows more to be told, or something that was told is not on disk yet. A start that was fresh takes two rounds, everything else one.

use std::time::Instant;

use serde_json::json;

use crate::engine::coordinator::{Coordinator, Phase, write};
use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind, RunId};
use crate::engine::report::{Action, JournalJob, Ticket};
use crate::engine::source::{CommitError, CommitResult, Mark};
use crate::engine::stamp::{By, Stamp};
use crate::engine::tracker::{Advance, Answer};
use crate::record::{NextOffset, Slot};

impl Coordinator {
    /// The journal learns what settled. A start that was only chosen is kept back until something is settled, so that a run that the
    /// start-up guard stops leaves nothing behind; what is read again was chosen by nobody, nor was where a receiver that missed something
    /// goes on.
    pub(super) fn write_progress(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Closing { .. }) {
            return;
        }
        let has_settled = self.tracker.totals().records() > 0;
        let progress = if has_settled { self.tracker.take_progress() } else { self.tracker.take_progress_again(&self.kept()) };
        if progress.is_empty() {
            self.commit(actions);
        } else {
            self.admission.progress_sent(now);
            actions.push(Action::Journal(write(self.with_skipped(progress))));
        }
    }

    /// Progress of these slots is on disk, up to there.
    pub(super) fn journaled(
        &mut self,
        progress: &[(Slot, NextOffset)],
        ticket: Option<Ticket>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        for (slot, to) in progress {
            self.tracker.journaled(*slot, *to);
            self.missed_is_journaled(*slot, *to, actions);
        }
        match ticket {
            Some(ticket) => self.commit_last(ticket, now, actions),
            None => {
                if !progress.is_empty() {
                    self.admission.progress_written();
                }
                self.commit(actions);
            }
        }
    }

    /// Commits what the journal has.
    pub(super) fn commit(&mut self, actions: &mut Vec<Action>) {
        let commits = self.tracker.take_commits();
        if !commits.is_empty() {
            actions.push(Action::Commit(self.stamped(commits)));
        }
    }

    fn with_skipped(&mut self, advances: Vec<Advance>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = advances.into_iter().flat_map(|advance| self.told(advance)).collect();
        entries.extend(self.skipped.take_entries());
        entries
    }

    /// The slots that have no next time: they are told and committed now.
    fn slots_of(&self, ticket: Ticket) -> Vec<Slot> {
        match ticket {
            Ticket::Last => self.tracker.ours(),
            Ticket::Revoke(number) => {
                let revocation = self.revocations.iter().find(|revocation| revocation.number == number);
                revocation.map_or_else(Vec::new, |revocation| revocation.slots.clone())
            }
        }
    }

    /// Begins a round of the last progress and the last commit.
    pub(super) fn tell_last(&mut self, ticket: Ticket, actions: &mut Vec<Action>) {
        let progress = self.tracker.take_last_progress(&self.slots_of(ticket));
        let entries = self.with_skipped(progress);
        actions.push(Action::Journal(JournalJob { entries, runs: Vec::new(), ticket: Some(ticket) }));
    }

    /// The last progress is on disk.
    pub(super) fn commit_last(&mut self, ticket: Ticket, now: Instant, actions: &mut Vec<Action>) {
        let commits = self.tracker.take_last_commits(&self.slots_of(ticket));
        if commits.is_empty() {
            self.committed_last(&[], ticket, now, actions);
        } else {
            actions.push(Action::CommitNow(self.stamped(commits), ticket));
        }
    }

    /// The last commit was answered.
    pub(super) fn committed_last(&mut self, results: &[CommitResult], ticket: Ticket, now: Instant, actions: &mut Vec<Action>) {
        let owed = self.committed(results, now, actions);
        // What the journal was told by somebody else's round, or by the ordinary way just before, is on its way: this round is behind it.
        if self.tracker.owes_progress(&self.slots_of(ticket)) {
            return self.tell_last(ticket, actions);
        }
        match ticket {
            Ticket::Revoke(number) => self.give_back(number, actions),
            Ticket::Last => self.finish(&owed, actions),
        }
    }

    /// Takes in what the broker said; returns, in words, what is still owed to it because it did not accept.
    pub(super) fn committed(&mut self, results: &[CommitResult], now: Instant, actions: &mut Vec<Action>) -> Vec<String> {
        let mut refused = Vec::new();
        for (mark, result) in results {
            match result {
                Ok(()) => self.accepted(mark, now, actions),
                Err(error) => {
                    self.tracker.committed(mark.slot, mark.next, Answer::Refused);
                    refused.push((mark, error));
                }
            }
        }
        // An older commit that was refused does not matter once a later one was accepted.
        refused.retain(|(mark, _)| self.tracker.owes_commit(mark.slot, mark.next));
        refused.iter().for_each(|(mark, error)| self.refused(mark, error, actions));
        refused.iter().map(|(mark, error)| format!("{} at {}: {error}", self.name(mark.slot), mark.next)).collect()
    }

    fn accepted(&mut self, mark: &Mark, now: Instant, actions: &mut Vec<Action>) {
        let is_first = !self.tracker.is_vouched_for(mark.slot);
        self.tracker.committed(mark.slot, mark.next, Answer::Accepted);
        if is_first {
            // What was read since may be told now, and has waited long enough.
            self.next_commit = self.next_commit.min(now);
        }
        self.refusal_is_over(mark.slot, actions);
    }

    fn refused(&mut self, mark: &Mark, error: &CommitError, actions: &mut Vec<Action>) {
        // What passes by itself is tried again and told by nobody; brokers that are away are told by the source.
        let CommitError::Refused { message } = error else { return };
        let Some(partition) = self.tracker.partition(mark.slot) else { return };
        self.refused.insert(mark.slot);
        let incident = Incident {
            to: Some(mark.next),
            data: json!({ "said": message }),
            ..Incident::new(
                IncidentKey::at(IncidentKind::CommitRefused, partition),
                format!("{}: offset {} is not committed, it is tried again: {message}", self.name(mark.slot), mark.next),
            )
        };
        actions.push(Action::Journal(write(vec![Entry::Incident(incident)])));
    }

    pub(super) fn refusal_is_over(&mut self, slot: Slot, actions: &mut Vec<Action>) {
        if !self.refused.remove(&slot) {
            return;
        }
        let key = self.tracker.partition(slot).map(|partition| IncidentKey::at(IncidentKind::CommitRefused, partition));
        actions.extend(key.map(|key| Action::Journal(write(vec![Entry::IncidentEnded(key)]))));
    }

    fn stamped(&self, commits: Vec<(Slot, NextOffset)>) -> Vec<Mark> {
        let RunId { journal_uuid, run } = &self.options.run;
        let stamped = |(slot, next)| {
            let stamp = Stamp { journal_uuid: journal_uuid.clone(), next, by: By::Run(*run) };
            Mark { slot, next, metadata: stamp.to_string() }
        };
        commits.into_iter().map(stamped).collect()
    }

    fn name(&self, slot: Slot) -> String {
        self.tracker.partition(slot).map_or_else(|| format!("partition slot {}", slot.index), ToString::to_string)
    }
}
