//! Where partitions end for a run that reads to their ends, as they were at assignment.
//!
//! Producers go on meanwhile: what lies beyond an end is not read, or a partition that is written to all the time would keep the run for
//! ever.

use crate::record::{NextOffset, Offset, Slot};

#[derive(Debug, Default)]
pub(super) struct Ends(foldhash::HashMap<Slot, End>);

#[derive(Debug)]
struct End {
    at: NextOffset,
    is_reached: bool,
}

impl Ends {
    /// A slot begins at `start`, and is read to `end`.
    pub(super) fn set(&mut self, slot: Slot, start: NextOffset, end: NextOffset) {
        self.0.insert(slot, End { at: end, is_reached: start >= end });
    }

    /// True for a record that is not to be read.
    pub(super) fn is_beyond(&self, slot: Slot, offset: Offset) -> bool {
        self.0.get(&slot).is_some_and(|end| offset.next() > end.at)
    }

    /// As much of a position as is to be read.
    pub(super) fn capped(&self, slot: Slot, position: NextOffset) -> NextOffset {
        self.0.get(&slot).map_or(position, |end| position.min(end.at))
    }

    /// The slot was read up to there; says whether that is its end, and news.
    pub(super) fn reach(&mut self, slot: Slot, position: NextOffset) -> bool {
        let reached = self.0.get_mut(&slot).filter(|end| position >= end.at);
        reached.is_some_and(|end| !std::mem::replace(&mut end.is_reached, true))
    }

    pub(super) fn are_all_reached(&self) -> bool {
        self.0.values().all(|end| end.is_reached)
    }

    pub(super) fn forget(&mut self, slot: Slot) {
        self.0.remove(&slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::doubles::next;

    #[test]
    fn an_end_is_reached_once_and_bounds_what_is_read() {
        let [one, two] = [0, 1].map(|index| Slot { index, epoch: 1 });
        let offset = |offset| Offset::new(offset).unwrap();
        let mut ends = Ends::default();
        assert!(ends.are_all_reached() && !ends.is_beyond(one, offset(1_000)), "nothing has an end");
        ends.set(one, next(3), next(5));
        ends.set(two, next(7), next(7));
        assert!(!ends.are_all_reached() && ends.is_beyond(two, offset(7)), "an empty rest is at its end at once");
        assert_eq!((ends.is_beyond(one, offset(4)), ends.is_beyond(one, offset(5))), (false, true));
        assert_eq!((ends.capped(one, next(4)), ends.capped(one, next(9))), (next(4), next(5)));
        assert_eq!([4, 5, 9].map(|at| ends.reach(one, next(at))), [false, true, false]);
        assert!(ends.are_all_reached() && ends.is_beyond(one, offset(5)));
        ends.forget(one);
        assert!(!ends.is_beyond(one, offset(5)), "somebody else reads it");
    }
}
