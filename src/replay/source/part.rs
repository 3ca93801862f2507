//! One partition of a replay: what of it comes from the journal, what from the topic, and in which order.
//!
//! Offsets only rise. What lies in a range of the topic waits for the topic: whether the log still has a record is known once a later one
//! came. Everything else comes from the journal at once. It asks nobody: rows and records are handed in.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::engine::detached::Range;
use crate::record::{Meant, NextOffset, Offset, Partition, ReceiverSet, Slot};
use crate::replay::missed::{self, MissedHere};

/// A record with entries, ready to go: whom it is for, and how many entries it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) offset: Offset,
    pub(super) meant: Meant,
    pub(super) entries: u64,
}

/// Offsets of the topic that are read; `to` is excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) struct Span {
    pub(in crate::replay) from: NextOffset,
    pub(in crate::replay) to: NextOffset,
}

impl Span {
    pub(super) fn contains(self, offset: Offset) -> bool {
        self.to.covers(offset) && !self.from.covers(offset)
    }

    pub(in crate::replay) fn len(self) -> u64 {
        self.to.get().saturating_sub(self.from.get()).cast_unsigned()
    }
}

/// Who missed a record, and is to have it beside those whose entries it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissedBy {
    Nobody,
    /// Their run delivers it.
    ThoseOfAnotherRun,
    Receivers(ReceiverSet),
}

impl MissedBy {
    pub(super) fn meant(self) -> Meant {
        match self {
            Self::Nobody | Self::ThoseOfAnotherRun => Meant::NOBODY,
            Self::Receivers(receivers) => Meant::These(receivers),
        }
    }
}

/// What a partition has next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A record from the journal. In a span of the topic it is one that the log does not have any more.
    FromJournal(Due, InSpan),
    /// The record of the topic that waits, and its entries if it has any.
    FromTopic(Option<Due>),
    /// The topic must bring something first.
    Topic,
    /// The journal must be asked for more rows first.
    Rows,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InSpan {
    Yes,
    No,
}

/// What becomes of a record that the topic brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// It is one of those that are read.
    Wanted,
    /// It lies before the next span.
    Before,
    /// So far before it that it is worth asking for that directly.
    LongBefore,
    /// There is nothing more to read here.
    Beyond,
}

/// From here to the next span it is worth more to ask for that than to read on.
const FAR: i64 = 10_000;

pub(super) struct Part {
    /// As the engine knows it.
    pub(super) partition: Arc<Partition>,
    /// As the topic's source knows it, once it was offered there.
    pub(super) inner: Option<Arc<Partition>>,
    due: VecDeque<Due>,
    has_all_rows: bool,
    /// Ascending, and apart from each other.
    spans: Vec<Span>,
    /// How many of them are over.
    over: usize,
    /// Everything in the current span before this has been accounted for.
    position: NextOffset,
    /// Where the record of the topic that waits stands.
    waiting: Option<Offset>,
    /// Offsets in spans of which the topic brought no record.
    holes: u64,
    missed: MissedHere,
    /// Of what was missed: offsets without a record.
    gone: Vec<Range>,
}

impl Part {
    pub(super) fn new(partition: Arc<Partition>, spans: Vec<Span>) -> Self {
        let position = spans.first().map_or(NextOffset::ZERO, |span| span.from);
        Self {
            partition,
            inner: None,
            due: VecDeque::new(),
            has_all_rows: false,
            spans,
            over: 0,
            position,
            waiting: None,
            holes: 0,
            missed: MissedHere::default(),
            gone: Vec::new(),
        }
    }

    pub(super) fn with_missed(self, missed: MissedHere) -> Self {
        Self { missed, ..self }
    }

    // --- what receivers missed

    pub(super) fn missed_by(&self, offset: Offset) -> MissedBy {
        if self.missed.is_empty() {
            return MissedBy::Nobody;
        }
        match self.missed.by(offset) {
            receivers if !receivers.is_empty() => MissedBy::Receivers(receivers),
            _ if self.missed.is_held(offset) => MissedBy::ThoseOfAnotherRun,
            _ => MissedBy::Nobody,
        }
    }

    /// Of the record that the topic brought.
    pub(super) fn missed_by_waiting(&self) -> MissedBy {
        self.waiting.map_or(MissedBy::Nobody, |waiting| self.missed_by(waiting))
    }

    /// Offsets that somebody missed and that did not go out: those that are still to be read, and the one that waits.
    pub(super) fn missed_not_reached(&self) -> u64 {
        let left = self.spans.iter().skip(self.over).map(|span| Span { from: span.from.max(self.position), to: span.to });
        let ahead: u64 = left.flat_map(|span| self.missed.within(span)).map(|Range { from, to }| Span { from, to }.len()).sum();
        ahead + u64::from(self.waiting.is_some_and(|waiting| !self.missed.by(waiting).is_empty()))
    }

    /// Of what was missed: where nothing is to be delivered. Known once all of it was read.
    pub(super) fn gone(&self) -> &[Range] {
        if self.span().is_none() { &self.gone } else { &[] }
    }

    // --- rows of the journal

    pub(super) fn add(&mut self, due: impl IntoIterator<Item = Due>) {
        self.due.extend(due);
    }

    pub(super) fn has_all_rows(&mut self) {
        self.has_all_rows = true;
    }

    /// Rows that were free only later: in a new assignment of the partition, whose offsets begin anew.
    pub(super) fn begin_again(&mut self, due: impl IntoIterator<Item = Due>) {
        // Those who missed it had it the first time.
        self.missed = MissedHere::default();
        let slot = Slot { epoch: self.partition.slot.epoch + 1, ..self.partition.slot };
        self.partition = Arc::new(self.partition.at_slot(slot));
        self.due.extend(due);
    }

    // --- records of the topic

    /// The one that is read now, or next.
    pub(super) fn span(&self) -> Option<Span> {
        self.spans.get(self.over).copied()
    }

    /// Where the topic is to go on.
    pub(super) fn position(&self) -> NextOffset {
        self.position
    }

    /// Records of the topic that did not go out: those that are still to be read, and the one that waits. One with entries is counted
    /// with them.
    pub(super) fn not_reached(&self) -> u64 {
        let waits = self.waiting.is_some_and(|waiting| self.due.front().is_none_or(|due| due.offset != waiting));
        self.left() + u64::from(waits)
    }

    /// Offsets that are still to be read from the topic.
    pub(super) fn left(&self) -> u64 {
        let all: u64 = self.spans.iter().skip(self.over).map(|span| span.len()).sum();
        let done = self.span().map_or(0, |span| Span { from: span.from, to: self.position }.len());
        all.saturating_sub(done)
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// The topic brought the record at `offset`.
    pub(super) fn brought(&mut self, offset: Offset) -> Brought {
        while self.span().is_some_and(|span| !span.to.covers(offset)) {
            self.end_span();
        }
        match self.span() {
            None => Brought::Beyond,
            Some(span) if span.from.covers(offset) => {
                let far = span.from.get().saturating_sub(offset.get()) > FAR;
                if far { Brought::LongBefore } else { Brought::Before }
            }
            // Brought again, after the source went back a little.
            Some(_) if self.position.covers(offset) => Brought::Before,
            Some(span) => {
                self.read_to(NextOffset::before(offset));
                self.position = offset.next();
                self.waiting = Some(offset);
                // Nobody brings anything more of it.
                if span.to <= self.position {
                    self.end_span();
                }
                Brought::Wanted
            }
        }
    }

    /// The topic has no record before this position that it did not bring.
    pub(super) fn read_up_to(&mut self, position: NextOffset) {
        while self.span().is_some_and(|span| span.to <= position) {
            self.end_span();
        }
        if self.span().is_some_and(|span| position > span.from) {
            self.read_to(position);
        }
    }

    /// Nothing at or behind this position can be read; says how many offsets that were to be read are given up.
    pub(super) fn cut(&mut self, end: NextOffset) -> u64 {
        let before = self.left();
        let end = end.max(self.position);
        self.spans.retain(|span| span.from < end);
        if let Some(last) = self.spans.last_mut() {
            last.to = last.to.min(end);
        }
        self.read_up_to(self.position);
        before.saturating_sub(self.left())
    }

    fn read_to(&mut self, position: NextOffset) {
        let hole = Span { from: self.position, to: position };
        self.holes += hole.len();
        for Range { from, to } in self.missed.within(hole) {
            missed::push(&mut self.gone, from, to);
        }
        self.position = position.max(self.position);
    }

    fn end_span(&mut self) {
        if let Some(span) = self.span() {
            self.read_to(span.to);
            self.over += 1;
        }
        self.position = self.span().map_or(self.position, |span| span.from);
    }

    /// Offsets without a record since it was last asked.
    pub(super) fn take_holes(&mut self) -> u64 {
        std::mem::take(&mut self.holes)
    }

    // --- what is next

    pub(super) fn next(&self) -> Next {
        let due = self.due.front().copied();
        if due.is_none() && !self.has_all_rows {
            return Next::Rows;
        }
        match (due, self.waiting) {
            (Some(due), Some(waiting)) if due.offset == waiting => Next::FromTopic(Some(due)),
            (Some(due), Some(waiting)) if due.offset > waiting => Next::FromTopic(None),
            (None, Some(_)) => Next::FromTopic(None),
            (Some(due), _) if self.span().is_none() || self.position.covers(due.offset) => {
                Next::FromJournal(due, if self.was_to_be_read(due.offset) { InSpan::Yes } else { InSpan::No })
            }
            (Some(_), None) => Next::Topic,
            (None, None) if self.span().is_some() => Next::Topic,
            // Below the record that waits everything is covered.
            _ => Next::Over,
        }
    }

    fn was_to_be_read(&self, offset: Offset) -> bool {
        let at = self.spans.partition_point(|span| span.from <= NextOffset::before(offset));
        at.checked_sub(1).and_then(|at| self.spans.get(at)).is_some_and(|span| span.contains(offset))
    }

    /// What was next has gone out, or was left out.
    pub(super) fn went(&mut self, next: Next) {
        match next {
            Next::FromJournal(..) => drop(self.due.pop_front()),
            Next::FromTopic(due) => {
                self.waiting = None;
                if due.is_some() {
                    self.due.pop_front();
                }
            }
            Next::Topic | Next::Rows | Next::Over => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::doubles::next;
    use crate::record::ReceiverIx;
    use crate::record::samples::partition_of;

    fn offset(at: i64) -> Offset {
        Offset::new(at).unwrap()
    }

    fn due(at: i64) -> Due {
        Due { offset: offset(at), meant: Meant::ALL, entries: 1 }
    }

    fn part(rows: &[i64], spans: &[(i64, i64)]) -> Part {
        let spans = spans.iter().map(|(from, to)| Span { from: next(*from), to: next(*to) }).collect();
        let mut part = Part::new(partition_of("orders"), spans);
        part.add(rows.iter().map(|at| due(*at)));
        part.has_all_rows();
        part
    }

    /// Everything that goes out while the topic has these records, and then is at its end: `j` from the journal, `t` from the topic,
    /// with `+` when the record has entries; and the holes.
    fn play(part: &mut Part, log: &[i64], end: i64) -> (String, u64) {
        let (mut out, mut log, mut holes) = (Vec::new(), log.iter(), 0);
        loop {
            let now = part.next();
            match now {
                Next::FromJournal(due, in_span) => {
                    holes -= i64::from(in_span == InSpan::Yes);
                    out.push(format!("j{}", due.offset));
                }
                Next::FromTopic(due) => out.push(format!("t{}{}", part.waiting.unwrap(), if due.is_some() { "+" } else { "" })),
                Next::Topic => match log.next() {
                    Some(at) => drop(part.brought(offset(*at))),
                    None => part.read_up_to(next(end)),
                },
                Next::Rows => unreachable!("it has all"),
                Next::Over => break,
            }
            part.went(now);
            holes += part.take_holes().cast_signed();
        }
        (out.join(" "), holes.cast_unsigned())
    }

    #[test]
    fn entries_alone_come_from_the_journal() {
        assert_eq!(play(&mut part(&[3, 5, 9], &[]), &[], 0), ("j3 j5 j9".into(), 0));
    }

    #[test]
    fn a_range_comes_from_the_topic_and_what_that_lacks_from_the_journal() {
        // 4 and 7 are holes; 7 is in the journal, and 5 is in both.
        let (out, holes) = play(&mut part(&[5, 7], &[(3, 10)]), &[3, 5, 6, 8, 9, 10], 11);
        assert_eq!((out.as_str(), holes), ("t3 t5+ t6 j7 t8 t9", 1));
        // The end of the range is a hole, too: only the end of the log says so.
        let (out, holes) = play(&mut part(&[9], &[(3, 10)]), &[3, 4, 5, 6, 7], 10);
        assert_eq!((out.as_str(), holes), ("t3 t4 t5 t6 t7 j9", 1));
    }

    #[test]
    fn rows_outside_of_the_ranges_wait_only_for_what_lies_before_them() {
        let (out, holes) = play(&mut part(&[1, 2, 12, 20], &[(3, 5), (12, 14)]), &[3, 4, 5, 9, 12, 13, 14], 15);
        assert_eq!((out.as_str(), holes), ("j1 j2 t3 t4 t12+ t13 j20", 0));
    }

    #[test]
    fn never_a_neighbour() {
        let mut of = part(&[], &[(5, 6)]);
        assert_eq!((of.brought(offset(4)), of.brought(offset(6))), (Brought::Before, Brought::Beyond));
        assert_eq!((of.next(), of.take_holes()), (Next::Over, 1));
        let mut far = part(&[], &[(50_000, 50_001)]);
        assert_eq!(far.brought(offset(7)), Brought::LongBefore);
    }

    /// A later record may never come: nothing is waited for.
    #[test]
    fn a_range_is_over_with_its_last_record() {
        let mut of = part(&[4, 8], &[(3, 5), (7, 9)]);
        for (offset_of, left) in [(3, 3), (4, 2), (7, 1), (8, 0)] {
            assert_eq!((of.next(), of.brought(offset(offset_of)), of.left()), (Next::Topic, Brought::Wanted, left));
            assert!(matches!(of.next(), Next::FromTopic(_)));
            of.went(of.next());
        }
        assert_eq!((of.next(), of.take_holes()), (Next::Over, 0));
    }

    #[test]
    fn what_waits_was_not_reached_unless_its_entries_say_so() {
        let mut of = part(&[4], &[(3, 6)]);
        assert_eq!((of.brought(offset(3)), of.left(), of.not_reached()), (Brought::Wanted, 2, 3));
        of.went(of.next());
        assert_eq!(of.not_reached(), 2);
        assert_eq!((of.brought(offset(4)), of.not_reached()), (Brought::Wanted, 1), "4 has an entry, which is counted by itself");
    }

    #[test]
    fn who_missed_a_record_gets_it_beside_those_whose_entries_it_has() {
        let range = |from, to| Range { from: next(from), to: next(to) };
        let (billing, audit) = (ReceiverIx(0), ReceiverIx(1));
        let set = |of: &[ReceiverIx]| MissedBy::Receivers(of.iter().fold(ReceiverSet::NONE, |set, of| set.with(*of)));
        let missed = MissedHere { ours: vec![(billing, range(2, 6)), (audit, range(5, 8))], held: vec![range(4, 10)] };
        let mut of = part(&[], &[(0, 12)]).with_missed(missed);
        let by = |at: i64| of.missed_by(offset(at));
        assert_eq!([1, 2, 5, 7].map(by), [MissedBy::Nobody, set(&[billing]), set(&[billing, audit]), set(&[audit])]);
        assert_eq!((by(9), by(10)), (MissedBy::ThoseOfAnotherRun, MissedBy::Nobody));
        assert_eq!(of.missed_not_reached(), 7);
        of.brought(offset(5));
        assert_eq!((of.missed_by_waiting(), of.missed_not_reached(), of.gone()), (set(&[billing, audit]), 3, &[][..]));
        of.went(of.next());
        of.read_up_to(next(12));
        // 2 to 4 came to nobody, 6 and 7 neither.
        assert_eq!((of.gone(), of.missed_not_reached()), (&[range(2, 5), range(6, 8)][..], 0));
    }

    #[test]
    fn what_is_cut_off_is_given_up() {
        let mut of = part(&[2, 8], &[(0, 5), (7, 10)]);
        assert_eq!((of.brought(offset(0)), of.left()), (Brought::Wanted, 7));
        of.went(of.next());
        assert_eq!((of.cut(next(4)), of.left()), (4, 3));
        assert_eq!(play(&mut of, &[1, 3], 4), ("t1 j2 t3 j8".into(), 0));
    }

    #[test]
    fn rows_are_asked_for_before_anything_that_may_lie_behind_them() {
        let mut of = Part::new(partition_of("orders"), vec![Span { from: next(3), to: next(9) }]);
        assert_eq!(of.next(), Next::Rows);
        of.add([due(4)]);
        assert_eq!(of.next(), Next::Topic);
        assert_eq!(of.brought(offset(6)), Brought::Wanted);
        assert_eq!(of.next(), Next::FromJournal(due(4), InSpan::Yes));
        of.went(of.next());
        assert_eq!(of.next(), Next::Rows, "5 may have one, too");
    }
}
