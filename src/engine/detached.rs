//! Receivers that do not go on with the others in a partition, until they have what they missed there.
//!
//! Pure bookkeeping. What is here of ranges is on disk, but for `told`, which is on its way there: whatever happens, the next run goes on
//! from the journal.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::record::{NextOffset, Offset, Partition, ReceiverIx, Slot, Topic};

/// A receiver with so few offsets left to read again goes on with the others as soon as it has them.
const FEW: i64 = 1_000;

/// Offsets that a receiver missed: `from` rises as they are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub from: NextOffset,
    pub to: NextOffset,
}

/// Whether the partition is read here by the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    Read,
    /// Somebody else has it, who knows nothing of this journal, or this receiver is attached to it: what it missed is delivered late.
    NotRead,
}

#[derive(Debug)]
pub(super) struct Detached {
    pub(super) receiver: ReceiverIx,
    /// As the others read it, if they do here.
    pub(super) partition: Arc<Partition>,
    pub(super) here: Here,
    /// Ascending; never an empty one.
    ranges: VecDeque<Range>,
    told: VecDeque<Range>,
    pub(super) rereading: Option<Rereading>,
    /// From here on nothing is deferred any more: it is kept, and follows when all before it is delivered.
    pub(super) keeping_from: Option<NextOffset>,
}

/// The first range, as it is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rereading {
    pub(super) slot: Slot,
    /// Where it ends: the range may have grown since.
    pub(super) to: NextOffset,
    /// Nothing more of it comes.
    pub(super) is_read: bool,
}

impl Detached {
    pub(super) fn new(receiver: ReceiverIx, partition: &Arc<Partition>, ranges: impl IntoIterator<Item = Range>) -> Self {
        Self {
            receiver,
            partition: Arc::clone(partition),
            here: Here::Read,
            ranges: ranges.into_iter().collect(),
            told: VecDeque::new(),
            rereading: None,
            keeping_from: None,
        }
    }

    /// Of a partition that is not read here.
    pub(super) fn stray(receiver: ReceiverIx, partition: &Arc<Partition>, range: Range) -> Self {
        Self { here: Here::NotRead, ..Self::new(receiver, partition, [range]) }
    }

    pub(super) fn is_stray_of(&self, topic: &Topic, number: i32) -> bool {
        self.here == Here::NotRead && self.partition.number == number && *self.partition.topic == *topic
    }

    /// Another range, behind those that are there.
    pub(super) fn add(&mut self, range: Range) {
        self.ranges.push_back(range);
    }

    pub(super) fn is_of(&self, receiver: ReceiverIx, slot: Slot) -> bool {
        self.receiver == receiver && self.partition.slot == slot
    }

    /// The slot under which it is read again, if it is.
    pub(super) fn slot_again(&self) -> Option<Slot> {
        self.rereading.map(|rereading| rereading.slot)
    }

    pub(super) fn is_read_as(&self, slot: Slot) -> bool {
        self.slot_again() == Some(slot)
    }

    /// More of it is on its way to the journal.
    pub(super) fn tell(&mut self, range: Range) {
        self.told.push_back(range);
    }

    /// The journal has all of the partition below `to`.
    pub(super) fn journaled(&mut self, to: NextOffset) {
        while let Some(range) = self.told.pop_front_if(|range| range.to <= to) {
            match self.ranges.back_mut() {
                Some(last) if last.to == range.from => last.to = range.to,
                _ => self.ranges.push_back(range),
            }
        }
        if let (Some(first), Some(rereading)) = (self.ranges.front(), &mut self.rereading)
            && !rereading.is_read
        {
            rereading.to = rereading.to.max(first.to);
        }
    }

    /// Everything of the first range below `to` is delivered.
    pub(super) fn caught_up(&mut self, to: NextOffset) {
        if let Some(first) = self.ranges.front_mut() {
            first.from = first.from.max(to);
        }
        self.ranges.pop_front_if(|first| first.from >= first.to);
        if self.rereading.is_some_and(|rereading| rereading.to <= to) {
            self.rereading = None;
        }
    }

    /// The range that is to be read next, when none is.
    pub(super) fn unread(&self) -> Option<Range> {
        self.ranges.front().copied().filter(|_| self.rereading.is_none())
    }

    /// Whether a record that is read again belongs to the range.
    pub(super) fn has(&self, offset: Offset) -> bool {
        self.rereading.is_some_and(|rereading| rereading.to.covers(offset))
    }

    pub(super) fn is_missing_something(&self) -> bool {
        !self.ranges.is_empty() || !self.told.is_empty()
    }

    /// What is on disk and still to be delivered is so little that what comes may be kept for the receiver.
    pub(super) fn is_nearly_there(&self) -> bool {
        self.ranges.iter().map(|range| range.to.get() - range.from.get()).sum::<i64>() < FEW
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::partition_of;

    fn at(position: i64) -> NextOffset {
        NextOffset::new(position).unwrap()
    }

    fn range(from: i64, to: i64) -> Range {
        Range { from: at(from), to: at(to) }
    }

    fn detached(ranges: &[Range]) -> Detached {
        Detached::new(ReceiverIx(0), &partition_of("orders"), ranges.iter().copied())
    }

    fn read(detached: &mut Detached, to: i64) {
        let slot = Slot { index: u32::MAX, epoch: 1 };
        detached.rereading = Some(Rereading { slot, to: at(to), is_read: false });
    }

    #[test]
    fn a_range_is_there_once_the_journal_has_it() {
        let mut detached = detached(&[range(3, 5)]);
        detached.tell(range(5, 9));
        detached.tell(range(11, 12));
        assert_eq!(detached.unread(), Some(range(3, 5)));
        detached.journaled(at(10));
        assert_eq!(detached.unread(), Some(range(3, 9)), "one that goes on where the last one ends is the same one");
        read(&mut detached, 9);
        detached.caught_up(at(9));
        assert_eq!((detached.unread(), detached.is_missing_something()), (None, true), "the last one is on its way");
        detached.journaled(at(12));
        assert_eq!(detached.unread(), Some(range(11, 12)));
    }

    #[test]
    fn what_is_read_again_grows_with_its_range_until_it_was_read_to_its_end() {
        let mut detached = detached(&[range(0, 5)]);
        read(&mut detached, 5);
        detached.tell(range(5, 7));
        detached.journaled(at(7));
        let sixth = Offset::new(6).unwrap();
        assert!(detached.has(sixth) && !detached.has(Offset::new(7).unwrap()));
        detached.rereading.as_mut().unwrap().is_read = true;
        detached.tell(range(7, 9));
        detached.journaled(at(9));
        assert!(!detached.has(Offset::new(8).unwrap()), "it was passed over already");
        detached.caught_up(at(4));
        assert_eq!(detached.unread(), None, "it is being read");
        detached.caught_up(at(7));
        assert_eq!(detached.unread(), Some(range(7, 9)), "and the rest once more");
        read(&mut detached, 9);
        detached.caught_up(at(9));
        assert!(!detached.is_missing_something());
    }

    #[test]
    fn a_few_left_are_few_in_all() {
        assert!(detached(&[]).is_nearly_there() && detached(&[range(0, 400), range(1_000, 1_500)]).is_nearly_there());
        assert!(!detached(&[range(0, 600), range(1_000, 1_500)]).is_nearly_there());
    }
}
