//! What receivers that are down miss of a partition: ranges of offsets that are exact, so that nobody gets again what it has.

use std::sync::Arc;

use crate::engine::detached::Range;
use crate::record::{NextOffset, Offset, Partition, ReceiverIx, ReceiverSet, Suspects, Topic};

/// Who missed one record, and who did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    deferred: ReceiverSet,
    had: ReceiverSet,
}

impl Missed {
    pub const BY_NOBODY: Self = Self { deferred: ReceiverSet::NONE, had: ReceiverSet::ALL };

    /// `deferred` are to have it later; `lacking` do not have it, whether or not they are to: a range may go over it.
    #[must_use]
    pub fn by(deferred: ReceiverSet, lacking: ReceiverSet) -> Self {
        Self { deferred, had: ReceiverSet::ALL.minus(lacking).minus(deferred) }
    }
}

/// A receiver is to have so many events of what lies in `from..to` of a partition, and had none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deferral {
    pub receiver: ReceiverIx,
    pub from: NextOffset,
    pub to: NextOffset,
    pub events: u64,
}

// --- what the journal is told of it, and knows

/// A receiver is down, and is to have so many events of what lies in `from..to` later. A range that begins where the last one ends goes
/// on with it.
#[derive(Clone, Debug)]
pub struct Deferred {
    pub partition: Arc<Partition>,
    pub receiver: String,
    pub from: NextOffset,
    pub to: NextOffset,
    pub events: u64,
}

/// Of what was deferred, everything in these ranges has settled for this receiver.
#[derive(Clone, Debug)]
pub struct CaughtUp {
    /// As it is read again.
    pub partition: Arc<Partition>,
    pub receiver: String,
    /// What lies between them was passed over: another run may have deferred some of it, and let go of it since.
    pub ranges: Vec<Range>,
    /// So far it was read.
    pub to: NextOffset,
}

/// The group reads from `from` on once more: what of it was deferred comes to the receiver with everything else.
#[derive(Clone, Debug)]
pub struct NotDeferred {
    pub partition: Arc<Partition>,
    pub receiver: String,
    pub from: NextOffset,
}

/// What was missed of the partition is not delivered by this run: whoever may, takes it.
#[derive(Clone, Debug)]
pub struct LetGo {
    pub partition: Arc<Partition>,
    /// Of this receiver; `None`: of all.
    pub receiver: Option<String>,
}

/// Something that a receiver missed and nobody delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    pub topic: Arc<Topic>,
    pub partition: i32,
    pub missed: KnownDeferred,
    /// What runs that died had in hand of it.
    pub suspects: Suspects,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDeferred {
    pub receiver: String,
    pub range: Range,
}

// --- how the ranges come about

/// The ranges of one partition, as its mark goes over them.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// Of receivers that still miss what comes; `to` is behind the last event of theirs.
    open: Vec<Deferral>,
    closed: Vec<Deferral>,
}

impl Ranges {
    /// The next record below the mark.
    pub(super) fn note(&mut self, offset: Offset, missed: Missed) {
        if missed.deferred.is_empty() && self.open.is_empty() {
            return;
        }
        let ended = self.open.extract_if(.., |range| missed.had.contains(range.receiver));
        self.closed.extend(ended.filter(|range| range.events > 0));
        for receiver in missed.deferred.iter() {
            let from = NextOffset::before(offset);
            match self.open.iter_mut().find(|range| range.receiver == receiver) {
                Some(range) => (range.to, range.events) = (offset.next(), range.events + 1),
                None => self.open.push(Deferral { receiver, from, to: offset.next(), events: 1 }),
            }
        }
    }

    /// What is to be told with the progress up to `mark`. A range that is not over is told up to there, and goes on from there.
    pub(super) fn take(&mut self, mark: NextOffset) -> Vec<Deferral> {
        let mut taken = std::mem::take(&mut self.closed);
        for range in self.open.iter_mut().filter(|range| range.events > 0) {
            taken.push(Deferral { to: mark, ..*range });
            (range.from, range.to, range.events) = (mark, mark, 0);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: ReceiverIx = ReceiverIx(1);

    fn at(position: i64) -> NextOffset {
        NextOffset::new(position).unwrap()
    }

    /// `d`: deferred; `o`: of somebody else; `h`: had.
    fn note(ranges: &mut Ranges, from: i64, records: &str) {
        let away = ReceiverSet::NONE.with(AWAY);
        for (offset, what) in (from..).zip(records.chars()) {
            let missed = match what {
                'd' => Missed::by(away, away),
                'o' => Missed::by(ReceiverSet::NONE, away),
                _ => Missed::BY_NOBODY,
            };
            ranges.note(Offset::new(offset).unwrap(), missed);
        }
    }

    fn told(ranges: &mut Ranges, mark: i64) -> Vec<(i64, i64, u64)> {
        ranges.take(at(mark)).iter().map(|range| (range.from.get(), range.to.get(), range.events)).collect()
    }

    #[test]
    fn a_range_goes_over_what_is_not_for_its_receiver_and_ends_at_what_it_has() {
        let mut ranges = Ranges::default();
        note(&mut ranges, 0, "hhodood");
        assert_eq!(told(&mut ranges, 7), [(3, 7, 2)]);
        assert_eq!(told(&mut ranges, 7), [], "told once");
        note(&mut ranges, 7, "oo");
        assert_eq!(told(&mut ranges, 9), [], "nothing of it is there");
        note(&mut ranges, 9, "odohd");
        assert_eq!(told(&mut ranges, 14), [(7, 11, 1), (13, 14, 1)], "it goes on where it was told up to");
        note(&mut ranges, 14, "hh");
        assert_eq!(told(&mut ranges, 16), [], "it was over where it was told up to");
    }
}
