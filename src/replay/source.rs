//! Where a replay's records come from: the journal's own bytes, ranges of topics, or both, partition by partition in the order of offsets.
//!
//! Partitions take turns, so that the lanes of all of them are busy. A record that is gone is never replaced by the next one.

mod another;
mod entries;
mod lent;
mod pace;
mod part;
mod topic;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::source::{CommitResult, CommitStarted, Flow, Mark, Notice, Polled, Source, SourceError, Start};
use crate::record::{Meant, NextOffset, Partition, Slot};
use crate::replay::missed::MissedHere;
use crate::replay::plan::SkipReason;
use crate::replay::tally::Counter;

pub(super) use entries::{Bytes, Entries, Rule};
use entries::{Loaded, Page, Trouble};
use lent::Lent;
pub(super) use pace::Pace;
pub(super) use part::Span;
use part::{Due, InSpan, MissedBy, Next, Part};

/// As many records as are left out in one poll before the engine gets its turn.
const LEFT_OUT_AT_ONCE: usize = 1_000;

/// A partition that is replayed, and what of it is read from its topic.
pub(super) struct Itinerary {
    pub(super) partition: Arc<Partition>,
    /// Ascending; empty: all of it is in the journal.
    pub(super) spans: Vec<Span>,
    pub(super) missed: MissedHere,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Offsets: what has no record there is counted.
    Records,
    /// Entries: what lies between them is not meant.
    Entries,
}

/// The source of a replay.
pub(super) struct ReplaySource {
    entries: Entries,
    topic: Option<Box<dyn Source>>,
    parts: Vec<Part>,
    asked: Asked,
    /// For each part: the record that its topic brought and that waits for what comes before it.
    waiting: Vec<Lent>,
    lent: Lent,
    turn: usize,
    pace: Pace,
    flow: Flow,
    /// Parts that the engine is still to be told of.
    opening: Vec<usize>,
    /// Until when entries that another replay holds are waited for, and when they are looked at again.
    patience: Option<(Instant, Instant)>,
    has_ended: bool,
    tally: Arc<Counter>,
}

/// What came of looking for the next thing.
enum Found {
    /// A record is in hand: of this slot, for these.
    Record(Slot, Meant),
    Notice(Notice),
    /// Something happened that brought no record.
    Progress,
    Nothing,
    /// As long as it is, nothing else is looked for: what comes first may not be overtaken, and each look takes its time.
    Locked,
    End,
}

impl ReplaySource {
    /// `topic` offers the partitions of those itineraries that have spans.
    pub(super) fn new(
        itineraries: Vec<Itinerary>,
        entries: Entries,
        topic: Option<Box<dyn Source>>,
        asked: Asked,
        tally: Arc<Counter>,
    ) -> Self {
        let parts: Vec<Part> = itineraries
            .into_iter()
            .map(|Itinerary { partition, spans, missed }| Part::new(partition, spans).with_missed(missed))
            .collect();
        Self {
            entries,
            topic,
            asked,
            waiting: parts.iter().map(|_| Lent::default()).collect(),
            lent: Lent::default(),
            turn: 0,
            pace: Pace::default(),
            flow: Flow::Open,
            opening: (0..parts.len()).collect(),
            patience: None,
            has_ended: false,
            parts,
            tally,
        }
    }

    pub(super) fn at_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// The next thing, if it is there by now.
    fn find(&mut self, wait: Duration) -> Result<Found, SourceError> {
        if self.flow == Flow::Held {
            return self.stand_still(wait);
        }
        let mut needs_topic = false;
        for _ in 0..self.parts.len() {
            let at = self.turn;
            self.turn = (self.turn + 1) % self.parts.len().max(1);
            match self.next_of(at)? {
                Found::Nothing => needs_topic |= self.parts.get(at).is_some_and(|part| part.next() == Next::Topic),
                Found::End => {}
                Found::Locked => return Ok(Found::Nothing),
                found => return Ok(found),
            }
        }
        if needs_topic {
            return self.ask_topic(wait);
        }
        let is_over = self.parts.iter().all(|part| part.next() == Next::Over);
        if is_over { self.wait_for_another(wait) } else { self.rest(wait) }
    }

    fn rest(&self, wait: Duration) -> Result<Found, SourceError> {
        thread::park_timeout(wait);
        Ok(Found::Nothing)
    }

    /// Records may not go out, but the topic's source must be asked, or it would be taken for dead.
    fn stand_still(&mut self, wait: Duration) -> Result<Found, SourceError> {
        let is_waiting = self.parts.iter().any(Part::is_waiting);
        if is_waiting || self.topic.is_none() { self.rest(wait) } else { self.ask_topic(wait) }
    }

    /// What one partition has next.
    fn next_of(&mut self, at: usize) -> Result<Found, SourceError> {
        let Some(part) = self.parts.get_mut(at) else { return Ok(Found::Nothing) };
        let next = part.next();
        match next {
            Next::Over => Ok(Found::End),
            Next::Topic => Ok(Found::Nothing),
            Next::Rows => self.read_rows(at),
            Next::FromJournal(due, in_span) => {
                part.went(next);
                self.take_from_journal(at, due, in_span)
            }
            Next::FromTopic(due) => {
                let (slot, missed) = (part.partition.slot, part.missed_by_waiting());
                part.went(next);
                Ok(self.take_from_topic(at, due, missed).map_or(Found::Progress, |meant| Found::Record(slot, meant)))
            }
        }
    }

    fn read_rows(&mut self, at: usize) -> Result<Found, SourceError> {
        let page = match self.entries.page(at) {
            Ok(page) => page,
            Err(Trouble::Locked) => return Ok(Found::Locked),
            Err(Trouble::Failed(error)) => return Err(error),
        };
        let Page { due, is_last, already } = page;
        self.tally.skip(SkipReason::AlreadyDelivered, already);
        self.tally.reached(already);
        if let Some(part) = self.parts.get_mut(at) {
            part.add(due);
            if is_last {
                part.has_all_rows();
            }
        }
        Ok(Found::Progress)
    }

    fn take_from_journal(&mut self, at: usize, due: Due, in_span: InSpan) -> Result<Found, SourceError> {
        self.tally.reached(due.entries);
        if let Loaded::Gone(reason) = self.entries.load(at, due, &mut self.lent)? {
            self.tally.skip(reason, due.entries);
            return Ok(Found::Progress);
        }
        if in_span == InSpan::Yes && self.asked == Asked::Records {
            // It was counted as a hole of the log, and is none of the selection.
            self.tally.not_gone(1);
        }
        let part = self.parts.get(at).map(|part| (part.partition.slot, part.missed_by(due.offset)));
        Ok(part.map_or(Found::Nothing, |(slot, missed)| Found::Record(slot, due.meant.union(missed.meant()))))
    }

    /// Whom the record that waits is for; `None`: for nobody.
    fn take_from_topic(&mut self, at: usize, due: Option<Due>, missed: MissedBy) -> Option<Meant> {
        let meant = match due {
            Some(due) => {
                self.tally.reached(due.entries);
                Some(due.meant.union(missed.meant()))
            }
            None => match (self.asked, self.entries.without_entries(), missed) {
                (Asked::Entries, ..) => None,
                (Asked::Records, Some(meant), _) => Some(meant),
                (Asked::Records, None, MissedBy::Receivers(_)) => Some(missed.meant()),
                // The plan has said so.
                (Asked::Records, None, MissedBy::ThoseOfAnotherRun) => None,
                (Asked::Records, None, MissedBy::Nobody) => {
                    self.tally.skip(SkipReason::AlreadyDelivered, 1);
                    None
                }
            },
        }?;
        if let Some(waiting) = self.waiting.get_mut(at) {
            std::mem::swap(waiting, &mut self.lent);
        }
        Some(meant)
    }
}

impl Source for ReplaySource {
    fn poll(&mut self, wait: Duration) -> Result<Polled<'_>, SourceError> {
        for _ in 0..LEFT_OUT_AT_ONCE {
            if !self.opening.is_empty() {
                let opening = std::mem::take(&mut self.opening);
                let parts = opening.into_iter().filter_map(|at| self.parts.get(at));
                return Ok(Polled::Opened(parts.map(|part| (Arc::clone(&part.partition), NextOffset::ZERO)).collect()));
            }
            if let Some(left) = self.pace.wait(Instant::now()) {
                thread::park_timeout(left.min(wait));
                return Ok(Polled::Idle);
            }
            match self.find(wait)? {
                Found::Record(slot, meant) => {
                    self.pace.step(Instant::now());
                    return Ok(Polled::Record(self.lent.raw(slot, meant)));
                }
                Found::Notice(notice) => return Ok(Polled::Notice(notice)),
                Found::Progress => {}
                Found::Nothing | Found::Locked => return Ok(Polled::Idle),
                Found::End if self.has_ended => {
                    thread::park_timeout(wait);
                    return Ok(Polled::Idle);
                }
                Found::End => {
                    self.has_ended = true;
                    return Ok(Polled::End);
                }
            }
        }
        Ok(Polled::Idle)
    }

    fn assign(&mut self, _starts: &[Start]) -> Result<(), SourceError> {
        Ok(())
    }

    fn flow(&mut self, flow: Flow) -> Result<(), SourceError> {
        self.flow = flow;
        self.topic.as_mut().map_or(Ok(()), |topic| topic.flow(flow))
    }

    /// It does not wait for registries: nothing of it stands still for long.
    fn flow_of(&mut self, _slots: &[Slot], _flow: Flow) -> Result<(), SourceError> {
        Ok(())
    }

    fn commit(&mut self, _marks: &[Mark]) -> Result<CommitStarted, SourceError> {
        Ok(CommitStarted::NoGroup)
    }

    fn commit_now(&mut self, marks: &[Mark], _deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
        Ok(marks.iter().map(|mark| (mark.clone(), Ok(()))).collect())
    }

    fn release(&mut self, _slots: &[Slot]) -> Result<(), SourceError> {
        Ok(())
    }

    fn close(self: Box<Self>, deadline: Instant) -> Result<(), SourceError> {
        let Self { entries, topic, parts, tally, .. } = *self;
        tally.left(parts.iter().map(Part::not_reached).sum());
        tally.missed(parts.iter().map(Part::missed_not_reached).sum());
        let mut entries = entries;
        for part in &parts {
            entries.missed_is_gone(&part.partition, part.gone())?;
        }
        let given_back = entries.close();
        topic.map_or(Ok(()), |topic| topic.close(deadline))?;
        given_back
    }
}

#[cfg(test)]
mod tests;
