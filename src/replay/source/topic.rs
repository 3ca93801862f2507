//! The part of a replay's source that reads topics: partitions begin with their first span, holes are counted, and what is lost on the way
//! is said.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::source::{Basis, Notice, Offer, Polled, SourceError, Start, StartAt};
use crate::record::{NextOffset, Slot};
use crate::replay::source::part::{Brought, Part};
use crate::replay::source::{Asked, Found, ReplaySource};

impl ReplaySource {
    pub(super) fn ask_topic(&mut self, wait: Duration) -> Result<Found, SourceError> {
        let Some(topic) = &mut self.topic else { return Ok(Found::Nothing) };
        match topic.poll(wait)? {
            Polled::Record(raw) => {
                let (slot, offset) = (raw.slot, raw.offset);
                let at = self.parts.iter().position(|part| part.inner.as_ref().is_some_and(|inner| inner.slot == slot));
                let Some((at, part)) = at.and_then(|at| Some((at, self.parts.get_mut(at)?))) else { return Ok(Found::Progress) };
                let brought = part.brought(offset);
                if let (Brought::Wanted, Some(waiting)) = (brought, self.waiting.get_mut(at)) {
                    waiting.copy(&raw);
                    // What was just brought goes first, or the partition's turn would come after everybody's.
                    self.turn = at;
                }
                self.count_holes(at);
                self.go_on(at, brought)?;
                Ok(Found::Progress)
            }
            Polled::Offered(offers) => self.offered(&offers),
            Polled::AtEnd(slot, position) => {
                if let Some(at) = self.with_inner(slot) {
                    self.parts.get_mut(at).into_iter().for_each(|part| part.read_up_to(position));
                    self.count_holes(at);
                    self.leave_when_over(at)?;
                }
                Ok(Found::Progress)
            }
            Polled::Lost(slots) | Polled::Revoking(slots) => self.lost(&slots),
            Polled::Notice(Notice::Gap(gap)) => {
                let low = gap.low;
                let Some(at) = self.with_inner(gap.slot) else { return Ok(Found::Progress) };
                self.go_to(at, low)?;
                Ok(Found::Progress)
            }
            Polled::Notice(notice) => Ok(Found::Notice(notice)),
            Polled::Idle | Polled::End | Polled::NotThere(..) | Polled::Committed(_) | Polled::Opened(_) => Ok(Found::Nothing),
        }
    }

    fn with_inner(&self, slot: Slot) -> Option<usize> {
        self.parts.iter().position(|part| part.inner.as_ref().is_some_and(|inner| inner.slot == slot))
    }

    /// Each partition begins with its first span. One whose topic was made again is another topic's: nothing of it is meant.
    fn offered(&mut self, offers: &[Offer]) -> Result<Found, SourceError> {
        let (mut starts, mut cut) = (Vec::new(), 0);
        for offer in offers {
            let of_it =
                |part: &&mut Part| part.partition.topic.name == offer.topic.name && part.partition.number == offer.partition;
            // Of a topic that was made again there are two.
            for part in self.parts.iter_mut().filter(of_it) {
                let Some(span) = part.span() else { continue };
                if !part.partition.topic.is_same(&offer.topic) {
                    cut += part.cut(NextOffset::ZERO);
                    continue;
                }
                cut += part.cut(offer.end);
                let inner = Arc::new(part.partition.at_slot(offer.slot));
                part.inner = Some(Arc::clone(&inner));
                let at = StartAt::At(span.from.max(offer.low));
                starts.push(Start { partition: inner, at, basis: Basis::Choice });
            }
        }
        self.count_cut(cut);
        if let (false, Some(topic)) = (starts.is_empty(), &mut self.topic) {
            topic.assign(&starts)?;
        }
        Ok(Found::Progress)
    }

    /// What of these partitions was not read yet can no longer be: what the journal has of it is still delivered.
    fn lost(&mut self, slots: &[Slot]) -> Result<Found, SourceError> {
        let mut cut = 0;
        for part in &mut self.parts {
            if part.inner.as_ref().is_some_and(|inner| slots.contains(&inner.slot)) {
                part.inner = None;
                cut += part.cut(NextOffset::ZERO);
            }
        }
        self.count_cut(cut);
        self.topic.as_mut().map_or(Ok(()), |topic| topic.release(slots))?;
        Ok(Found::Progress)
    }

    /// Between the entries that were asked for, nothing is missed.
    fn count_cut(&mut self, offsets: u64) {
        if self.asked == Asked::Records {
            self.tally.cut(offsets);
        }
    }

    fn count_holes(&mut self, at: usize) {
        let holes = self.parts.get_mut(at).map_or(0, Part::take_holes);
        if self.asked == Asked::Records {
            self.tally.gone(holes);
        }
    }

    fn go_on(&mut self, at: usize, brought: Brought) -> Result<(), SourceError> {
        match brought {
            Brought::LongBefore => {
                let position = self.parts.get(at).map_or(NextOffset::ZERO, Part::position);
                self.go_to(at, position)
            }
            Brought::Wanted | Brought::Before | Brought::Beyond => self.leave_when_over(at),
        }
    }

    fn go_to(&mut self, at: usize, position: NextOffset) -> Result<(), SourceError> {
        let inner = self.parts.get(at).and_then(|part| part.inner.clone());
        let (Some(partition), Some(topic)) = (inner, &mut self.topic) else { return Ok(()) };
        topic.assign(&[Start { partition, at: StartAt::At(position), basis: Basis::Choice }])
    }

    /// A partition that was read to the end of its last span is read no further.
    fn leave_when_over(&mut self, at: usize) -> Result<(), SourceError> {
        let Some(part) = self.parts.get_mut(at).filter(|part| part.left() == 0) else { return Ok(()) };
        let (Some(inner), Some(topic)) = (part.inner.take(), &mut self.topic) else { return Ok(()) };
        topic.release(&[inner.slot])
    }
}
