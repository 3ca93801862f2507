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
    /// Ranges that came while their offsets were being read already: they have their turn after that.
    late: Vec<Range>,
    pub(super) rereading: Option<Rereading>,
    /// From here on nothing is deferred any more: it is kept, and follows when all before it is delivered.
    pub(super) keeping_from: Option<NextOffset>,
}

/// The first ranges, as they are read again: with those that are close behind it, under one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rereading {
    pub(super) slot: Slot,
    /// Where it began.
    pub(super) from: NextOffset,
    /// Where it ends: there may be more since.
    pub(super) to: NextOffset,
    /// Nothing more of it comes.
    pub(super) is_read: bool,
    /// Nobody waits for it.
    pub(super) is_left: bool,
}

impl Detached {
    pub(super) fn new(receiver: ReceiverIx, partition: &Arc<Partition>, ranges: impl IntoIterator<Item = Range>) -> Self {
        Self {
            receiver,
            partition: Arc::clone(partition),
            here: Here::Read,
            ranges: ranges.into_iter().collect(),
            told: VecDeque::new(),
            late: Vec::new(),
            rereading: None,
            keeping_from: None,
        }
    }

    /// Of a partition that is not read here.
    pub(super) fn stray(receiver: ReceiverIx, partition: &Arc<Partition>, range: Range) -> Self {
        Self { here: Here::NotRead, ..Self::new(receiver, partition, [range]) }
    }

    pub(super) fn is_stray_of(&self, topic: &Topic, number: i32) -> bool {
        self.here == Here::NotRead && self.is_in(topic, number)
    }

    pub(super) fn is_in(&self, topic: &Topic, number: i32) -> bool {
        self.partition.number == number && *self.partition.topic == *topic
    }

    /// Another range, in its place among those that are there; what is being read may have passed it over, and then is over first.
    pub(super) fn add(&mut self, range: Range) {
        if self.rereading.is_some_and(|of| range.from < of.to && range.to > of.from) {
            return self.late.push(range);
        }
        let before = self.ranges.partition_point(|other| other.from <= range.from);
        self.ranges.insert(before, range);
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
        let end = self.rereading.filter(|rereading| !rereading.is_read).and_then(|rereading| self.end_from(rereading.from));
        if let (Some(end), Some(rereading)) = (end, &mut self.rereading) {
            rereading.to = rereading.to.max(end);
        }
    }

    /// Everything that was read again below `to` is delivered.
    pub(super) fn caught_up(&mut self, to: NextOffset) {
        let Some(from) = self.rereading.map(|rereading| rereading.from) else { return };
        for range in self.ranges.iter_mut().filter(|range| range.from >= from && range.from < to) {
            range.from = range.to.min(to);
        }
        self.ranges.retain(|range| range.from < range.to);
        if self.rereading.is_some_and(|rereading| rereading.to <= to) {
            self.end_reading();
        }
    }

    /// Nothing is read any more.
    pub(super) fn end_reading(&mut self) -> Option<Rereading> {
        let ended = self.rereading.take();
        std::mem::take(&mut self.late).into_iter().for_each(|range| self.add(range));
        ended
    }

    /// What was missed from `from` on and below `to`.
    pub(super) fn missed_between(&self, from: NextOffset, to: NextOffset) -> Vec<Range> {
        let parts = self.ranges.iter().map(|range| Range { from: range.from.max(from), to: range.to.min(to) });
        parts.filter(|part| part.from < part.to).collect()
    }

    /// What is to be read next, when nothing is.
    pub(super) fn unread(&self) -> Option<Range> {
        let from = self.ranges.front().filter(|_| self.rereading.is_none())?.from;
        Some(Range { from, to: self.end_from(from)? })
    }

    /// Where what is read from there on ends: reading over a few offsets between two ranges is cheaper than to begin anew.
    fn end_from(&self, from: NextOffset) -> Option<NextOffset> {
        let mut ranges = self.ranges.iter().skip_while(|range| range.from < from);
        let first = ranges.next()?.to;
        let close = |end: NextOffset, next: &Range| (next.from.get() - end.get() <= FEW).then_some(next.to);
        Some(ranges.scan(first, |end, next| close(*end, next).inspect(|to| *end = *to)).last().unwrap_or(first))
    }

    /// Whether a record that is read again was missed.
    pub(super) fn has(&self, offset: Offset) -> bool {
        let covers = |range: &Range| !range.from.covers(offset) && range.to.covers(offset);
        // Nearly always it is the first one.
        let is_missed = self.ranges.iter().take_while(|range| !range.from.covers(offset)).any(covers);
        is_missed && self.rereading.is_some_and(|rereading| rereading.to.covers(offset))
    }

    /// Nobody waits for it any more; as what it is read, if that is new.
    pub(super) fn leave(&mut self) -> Option<Slot> {
        let rereading = self.rereading.as_mut().filter(|rereading| !rereading.is_left)?;
        rereading.is_left = true;
        Some(rereading.slot)
    }

    pub(super) fn is_missing_something(&self) -> bool {
        !self.ranges.is_empty() || !self.told.is_empty() || !self.late.is_empty()
    }

    /// What is on disk and still to be delivered is so little that what comes may be kept for the receiver.
    pub(super) fn is_nearly_there(&self) -> bool {
        let left = self.ranges.iter().chain(&self.late).try_fold(0, |left, range| {
            let with_it = left + range.to.get() - range.from.get();
            (with_it < FEW).then_some(with_it)
        });
        left.is_some()
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

    /// Begins to read what is unread.
    fn read(detached: &mut Detached, to: i64) {
        let (slot, unread) = (Slot { index: u32::MAX, epoch: 1 }, detached.unread().unwrap());
        assert_eq!(unread.to, at(to));
        detached.rereading = Some(Rereading { slot, from: unread.from, to: unread.to, is_read: false, is_left: false });
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
    fn ranges_that_are_close_are_read_together_and_what_lies_between_them_is_not_its() {
        let mut detached = detached(&[range(0, 5), range(7, 9), range(1_000, 1_010), range(9_000, 9_001)]);
        assert_eq!(detached.unread(), Some(range(0, 1_010)));
        read(&mut detached, 1_010);
        let has = |detached: &Detached, offset| detached.has(Offset::new(offset).unwrap());
        assert!([0, 4, 7, 1_009].into_iter().all(|offset| has(&detached, offset)));
        assert!(![5, 6, 9, 999, 1_010, 9_000].into_iter().any(|offset| has(&detached, offset)));
        detached.caught_up(at(8));
        assert!(has(&detached, 8) && !has(&detached, 7));
        detached.caught_up(at(1_010));
        assert_eq!(detached.unread(), Some(range(9_000, 9_001)));
    }

    /// Of a run that died later than the one whose ranges are read already.
    #[test]
    fn a_range_that_comes_late_is_read_although_it_lies_before_what_was_read() {
        let mut detached = detached(&[range(100, 110)]);
        read(&mut detached, 110);
        detached.add(range(10, 20));
        detached.caught_up(at(105));
        detached.caught_up(at(110));
        assert_eq!(detached.unread(), Some(range(10, 20)));
    }

    /// Let go of by another run, while what lies around it was read.
    #[test]
    fn a_range_that_was_passed_over_is_read_when_the_reading_is_over() {
        let mut detached = detached(&[range(0, 50), range(700, 800)]);
        read(&mut detached, 800);
        detached.add(range(100, 200));
        assert!(!detached.has(Offset::new(150).unwrap()), "it may be behind already");
        assert_eq!(detached.missed_between(at(40), at(710)), [range(40, 50), range(700, 710)]);
        detached.caught_up(at(400));
        detached.caught_up(at(800));
        assert_eq!((detached.unread(), detached.is_missing_something()), (Some(range(100, 200)), true));
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
