//! Which records are in flight, and up to where each assignment is settled.
//!
//! The mark of a slot is the position of its first unsettled record: nothing at or above it may be committed. Results for an
//! assignment that is over free their budget and change nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::engine::flow::Load;
use crate::engine::ledger::{Counts, Progress};
use crate::engine::missed::{Deferral, Missed, Ranges};
use crate::engine::settled::{Settled, SettledRun};
use crate::record::{NextOffset, Offset, Partition, Seq, Slot};

#[derive(Clone, Copy, Debug)]
struct InFlight {
    offset: Offset,
    bytes: u32,
    /// `None`: still out.
    ended: Option<Settled>,
    missed: Missed,
}

#[derive(Debug)]
struct Assigned {
    partition: Arc<Partition>,
    books: Books,
    /// False once the slot was given back or lost: only its load still counts.
    is_ours: bool,
    /// The sequence number of the front of `in_flight`.
    front: u64,
    in_flight: VecDeque<InFlight>,
    out: Load,
    mark: NextOffset,
    /// Counts of what lies between `told` and `mark`, and who missed what of it.
    counts: Counts,
    missed: Ranges,
    /// Up to where the journal was told. `None`: it does not even know the start yet, and that is what it is told first.
    told: Option<NextOffset>,
    start: NextOffset,
    /// A position that was read up to although its last offsets hold no records (transaction markers, compaction).
    beyond: NextOffset,
    journaled: Option<NextOffset>,
    committing: Option<NextOffset>,
    committed: Option<NextOffset>,
}

/// For whom a slot is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Everybodys,
    /// Again, for the receiver that missed it.
    OneReceivers,
}

/// How far one partition came since that was last told.
#[derive(Clone, Debug)]
pub struct Advance {
    pub whose: Whose,
    pub progress: Progress,
    /// What of it is to be delivered later.
    pub deferred: Vec<Deferral>,
}

/// All assignments, and the load that they hold together.
#[derive(Debug, Default)]
pub struct Tracker {
    /// Looked into for each record.
    slots: foldhash::HashMap<Slot, Assigned>,
    load: Load,
    totals: Counts,
    totals_again: Counts,
}

impl Tracker {
    /// Begins an assignment at `start`. A fresh one is one that nothing on the broker vouches for: its start is written down and
    /// committed before anything that was read from there is. Else a lost first commit would leave a journal that knows of records and a
    /// group that knows of none, and nobody could tell that from offsets that somebody deleted.
    pub fn open(&mut self, partition: &Arc<Partition>, start: NextOffset, fresh: Fresh) {
        let known = match fresh {
            Fresh::Yes => None,
            Fresh::No => Some(start),
        };
        self.insert(partition, start, known, Books::Kept);
    }

    /// Begins to read again what a receiver missed of a partition, from `start`: how far it came is told, and nothing is committed. It
    /// counts towards no load but its own.
    pub fn open_again(&mut self, partition: &Arc<Partition>, start: NextOffset) {
        self.insert(partition, start, Some(start), Books::OfOne);
    }

    /// Begins to read a partition of which no books are kept: nothing of it is progress, and nothing is committed.
    pub fn open_unaccounted(&mut self, partition: &Arc<Partition>, start: NextOffset) {
        self.insert(partition, start, None, Books::None);
    }

    fn insert(&mut self, partition: &Arc<Partition>, start: NextOffset, known: Option<NextOffset>, books: Books) {
        let assigned = Assigned {
            partition: Arc::clone(partition),
            books,
            is_ours: true,
            front: 0,
            in_flight: VecDeque::new(),
            out: Load::default(),
            mark: start,
            counts: Counts::default(),
            missed: Ranges::default(),
            told: known,
            start,
            beyond: start,
            journaled: known,
            committing: None,
            committed: known,
        };
        self.slots.insert(partition.slot, assigned);
    }

    /// The assignment is over: from now on its results only free what they hold.
    pub fn close(&mut self, slot: Slot) {
        if let Some(assigned) = self.slots.get_mut(&slot) {
            assigned.is_ours = false;
            if assigned.out.records == 0 {
                self.slots.remove(&slot);
            }
        }
    }

    /// The partition of a slot that is ours.
    #[must_use]
    pub fn partition(&self, slot: Slot) -> Option<&Arc<Partition>> {
        self.slots.get(&slot).filter(|assigned| assigned.is_ours).map(|assigned| &assigned.partition)
    }

    /// Counts a record in; `None` when the slot is not ours, and then the record must be dropped.
    pub fn admit(&mut self, slot: Slot, offset: Offset, bytes: usize) -> Option<Seq> {
        let assigned = self.slots.get_mut(&slot).filter(|assigned| assigned.is_ours)?;
        let seq = Seq(assigned.front + assigned.in_flight.len() as u64);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        assigned.in_flight.push_back(InFlight { offset, bytes, ended: None, missed: Missed::BY_NOBODY });
        assigned.out.add(bytes);
        if assigned.books != Books::OfOne {
            self.load.add(bytes);
        }
        Some(seq)
    }

    /// Everything below `position` was read: what no record was seen of holds none. Counts as settled once all records before it are.
    pub fn read_up_to(&mut self, slot: Slot, position: NextOffset) {
        if let Some(assigned) = self.slots.get_mut(&slot).filter(|assigned| assigned.is_ours) {
            assigned.beyond = assigned.beyond.max(position);
            assigned.advance();
        }
    }

    /// Ends the records of a run; whatever is ended already is left as it is.
    pub fn settle(&mut self, run: &SettledRun) {
        let Some(assigned) = self.slots.get_mut(&run.slot) else { return };
        for seq in run.first.0..run.first.0 + u64::from(run.len) {
            let at = seq.checked_sub(assigned.front).and_then(|at| usize::try_from(at).ok());
            let Some(record) = at.and_then(|at| assigned.in_flight.get_mut(at)) else { continue };
            if record.ended.is_some() {
                continue;
            }
            record.ended = Some(run.how);
            record.missed = run.missed;
            assigned.out.take(record.bytes);
            if assigned.books == Books::OfOne {
                run.how.count(&mut self.totals_again);
            } else {
                self.load.take(record.bytes);
                run.how.count(&mut self.totals);
            }
        }
        assigned.advance();
        if !assigned.is_ours && assigned.out.records == 0 {
            self.slots.remove(&run.slot);
        }
    }

    /// What settled since it was last asked, for the journal. A partition whose last progress is not on disk yet waits for the next
    /// time, so that a journal that is locked for hours is owed one row for each partition and no more.
    pub fn take_progress(&mut self) -> Vec<Advance> {
        self.take_progress_of(|assigned| assigned.journaled == assigned.told)
    }

    /// As `take_progress`, only of what is read again, and of these slots.
    pub fn take_progress_again(&mut self, and: &[Slot]) -> Vec<Advance> {
        self.take_progress_of(|of| (of.books == Books::OfOne || and.contains(&of.partition.slot)) && of.journaled == of.told)
    }

    /// As `take_progress` for slots that have no next time: whatever is on its way already.
    pub fn take_last_progress(&mut self, of: &[Slot]) -> Vec<Advance> {
        self.take_progress_of(|assigned| of.contains(&assigned.partition.slot))
    }

    fn take_progress_of(&mut self, of: impl Fn(&Assigned) -> bool) -> Vec<Advance> {
        let due = self.slots.values_mut().filter(|assigned| of(assigned));
        let mut advances: Vec<_> = due.filter_map(Assigned::take_progress).collect();
        advances.sort_by_key(|advance| advance.progress.partition.slot);
        advances
    }

    /// True when the journal is still to be told something of these slots, or to write what it was told.
    #[must_use]
    pub fn owes_progress(&self, of: &[Slot]) -> bool {
        let is_unwritten = |assigned: &Assigned| assigned.is_ours && assigned.journaled != assigned.told;
        let of = of.iter().filter_map(|slot| self.slots.get(slot)).filter(|assigned| assigned.books != Books::None);
        of.into_iter().any(|assigned| assigned.has_progress() || is_unwritten(assigned))
    }

    /// The journal has the progress of a slot up to here.
    pub fn journaled(&mut self, slot: Slot, to: NextOffset) {
        if let Some(assigned) = self.slots.get_mut(&slot) {
            assigned.journaled = assigned.journaled.max(Some(to));
        }
    }

    /// What may be committed now and is not on its way: everything below is settled, and the journal has its progress. A partition
    /// whose last commit was not answered yet waits for the next time.
    pub fn take_commits(&mut self) -> Vec<(Slot, NextOffset)> {
        self.slots
            .values_mut()
            .filter(|assigned| assigned.committing.is_none())
            .filter_map(Assigned::take_commit)
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect()
    }

    /// As `take_commits` for slots that have no next time: whatever is on its way already.
    pub fn take_last_commits(&mut self, of: &[Slot]) -> Vec<(Slot, NextOffset)> {
        let due = of.iter().filter_map(|slot| self.slots.get_mut(slot)?.take_commit());
        due.collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// The broker's answer for one slot. After a refusal the next `take_commits` offers it again.
    pub fn committed(&mut self, slot: Slot, next: NextOffset, answer: Answer) {
        if let Some(assigned) = self.slots.get_mut(&slot) {
            assigned.committing = None;
            if answer == Answer::Accepted {
                assigned.committed = assigned.committed.max(Some(next));
            }
        }
    }

    /// True when the broker vouches for where the slot starts.
    #[must_use]
    pub fn is_vouched_for(&self, slot: Slot) -> bool {
        self.slots.get(&slot).is_some_and(|assigned| assigned.committed.is_some())
    }

    /// True when the slot is ours and the broker has accepted neither this position of it nor a later one.
    #[must_use]
    pub fn owes_commit(&self, slot: Slot, next: NextOffset) -> bool {
        self.slots.get(&slot).is_some_and(|assigned| assigned.is_ours && assigned.committed < Some(next))
    }

    /// How many records are in flight, those that are read again among them.
    #[must_use]
    pub fn out(&self) -> usize {
        self.slots.values().map(|assigned| assigned.out.records).sum()
    }

    /// True when nothing of the slot is out.
    #[must_use]
    pub fn is_drained(&self, slot: Slot) -> bool {
        self.slots.get(&slot).is_none_or(|assigned| assigned.out.records == 0)
    }

    /// What of one slot is in flight.
    #[must_use]
    pub fn load_of(&self, slot: Slot) -> Load {
        self.slots.get(&slot).map_or_else(Load::default, |assigned| assigned.out)
    }

    /// Where the next record of the slot is expected.
    #[must_use]
    pub fn admitted_to(&self, slot: Slot) -> Option<NextOffset> {
        let assigned = self.slots.get(&slot).filter(|assigned| assigned.is_ours)?;
        Some(assigned.in_flight.back().map_or(assigned.mark, |last| last.offset.next()).max(assigned.beyond))
    }

    /// The journal has the progress of the slot up to there; of what lies before its start there is none.
    #[must_use]
    pub fn is_journaled(&self, slot: Slot, to: NextOffset) -> bool {
        self.slots.get(&slot).is_some_and(|assigned| assigned.journaled.unwrap_or(assigned.start) >= to)
    }

    /// Everything of the slot below this is settled.
    #[must_use]
    pub fn mark(&self, slot: Slot) -> Option<NextOffset> {
        self.slots.get(&slot).filter(|assigned| assigned.is_ours).map(|assigned| assigned.mark)
    }

    #[must_use]
    pub fn ours(&self) -> Vec<Slot> {
        self.slots.iter().filter(|(_, assigned)| assigned.is_ours).map(|(slot, _)| *slot).collect()
    }

    /// What is in flight, of all assignments, the ended ones included; but for what is read again for one receiver.
    #[must_use]
    pub fn load(&self) -> Load {
        self.load
    }

    /// Records that were admitted and are not settled, the given up ones among them: they are delivered again.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        let is_unsettled = |record: &&InFlight| record.ended.is_none_or(|how| how == Settled::Abandoned);
        let ours = self.slots.values().filter(|assigned| assigned.is_ours && assigned.books != Books::OfOne);
        ours.map(|assigned| assigned.in_flight.iter().filter(is_unsettled).count()).sum()
    }

    /// What was settled in all, but for what is read again.
    #[must_use]
    pub fn totals(&self) -> Counts {
        self.totals
    }

    /// What was settled in all of what is read again.
    #[must_use]
    pub fn totals_again(&self) -> Counts {
        self.totals_again
    }
}

/// Whether an assignment's start must be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    Yes,
    No,
}

/// Whether the journal and the broker are told how far a partition was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Books {
    Kept,
    /// Only the journal is told: how far one receiver came.
    OfOne,
    None,
}

/// What the broker said to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    Refused,
}

impl Assigned {
    fn advance(&mut self) {
        while let Some(record) = self.in_flight.front() {
            match record.ended {
                Some(Settled::Abandoned) if self.is_ours => return,
                None => return,
                Some(how) => {
                    self.mark = record.offset.next();
                    self.missed.note(record.offset, record.missed);
                    how.count(&mut self.counts);
                }
            }
            self.in_flight.pop_front();
            self.front += 1;
        }
        self.mark = self.mark.max(self.beyond);
    }

    fn has_progress(&self) -> bool {
        let is_due = match self.told {
            None => true,
            Some(told) => told != self.mark && self.committed.is_some(),
        };
        self.is_ours && self.books != Books::None && is_due
    }

    fn take_progress(&mut self) -> Option<Advance> {
        if !self.has_progress() {
            return None;
        }
        let whose = if self.books == Books::OfOne { Whose::OneReceivers } else { Whose::Everybodys };
        let partition = Arc::clone(&self.partition);
        let Some(from) = self.told.replace(self.mark) else {
            self.told = Some(self.start);
            let progress = Progress { partition, from: self.start, to: self.start, counts: Counts::default() };
            return Some(Advance { whose, progress, deferred: Vec::new() });
        };
        let progress = Progress { partition, from, to: self.mark, counts: std::mem::take(&mut self.counts) };
        Some(Advance { whose, progress, deferred: self.missed.take(self.mark) })
    }

    fn take_commit(&mut self) -> Option<(Slot, NextOffset)> {
        let ready = self.journaled?;
        if !self.is_ours || self.books == Books::OfOne || self.committed == Some(ready) {
            return None;
        }
        self.committing = Some(ready);
        Some((self.partition.slot, ready))
    }
}
