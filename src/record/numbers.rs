//! The numbers that name records and whom they go to. None of them is made from another by accident: committing a record's own offset
//! instead of the next one does not compile.

use std::fmt;

/// The offset of a record in its partition; never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(i64);

impl Offset {
    pub const ZERO: Self = Self(0);

    /// `None` when `value` is negative: Kafka uses negative numbers for "no offset", and those never become one here.
    #[must_use]
    pub fn new(value: i64) -> Option<Self> {
        (value >= 0).then_some(Self(value))
    }

    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// What a group commits once this record is settled.
    #[must_use]
    pub fn next(self) -> NextOffset {
        NextOffset(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The offset of the next record to read: what a group commits. Not convertible from an [`Offset`] but by [`Offset::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextOffset(i64);

impl NextOffset {
    pub const ZERO: Self = Self(0);

    /// A position read from a broker or the journal; `None` when negative.
    #[must_use]
    pub fn new(value: i64) -> Option<Self> {
        (value >= 0).then_some(Self(value))
    }

    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// True when a record at `offset` lies below this position, that is, has been read.
    #[must_use]
    pub fn covers(self, offset: Offset) -> bool {
        offset.0 < self.0
    }

    /// The position just before reading the record at `offset`.
    #[must_use]
    pub fn before(offset: Offset) -> Self {
        Self(offset.0)
    }
}

impl fmt::Display for NextOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One assignment of one partition. `index` is dense and names the partition for the life of a source; `epoch` rises with each
/// assignment, so results of an earlier assignment are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub index: u32,
    pub epoch: u32,
}

/// The position of a record in the order in which its slot admitted it, from 0, without holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// A receiver's place in the list that the engine runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiverIx(pub u8);

/// A set of at most 64 receivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverSet(u64);

impl ReceiverSet {
    pub const ALL: Self = Self(u64::MAX);
    pub const NONE: Self = Self(0);
    /// The most receivers one engine can have.
    pub const MAX: usize = 64;

    #[must_use]
    pub fn with(self, receiver: ReceiverIx) -> Self {
        Self(self.0 | (1 << receiver.0))
    }

    #[must_use]
    pub fn contains(self, receiver: ReceiverIx) -> bool {
        self.0 & (1 << receiver.0) != 0
    }

    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members that are not in `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The members, lowest first.
    pub fn iter(self) -> impl Iterator<Item = ReceiverIx> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let lowest = (rest != 0).then(|| rest.trailing_zeros() as u8)?;
            rest &= rest - 1;
            Some(ReceiverIx(lowest))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_offset_is_negative() {
        assert_eq!((Offset::new(-1), NextOffset::new(-1001)), (None, None));
        let last = Offset::new(i64::MAX).unwrap();
        assert_eq!(last.next().get(), i64::MAX, "there is none behind the last one");
    }

    #[test]
    fn a_position_covers_what_lies_below_it() {
        let seven = Offset::new(7).unwrap();
        assert!(seven.next().covers(seven) && !NextOffset::before(seven).covers(seven));
    }

    fn set(members: &BTreeSet<u8>) -> ReceiverSet {
        members.iter().fold(ReceiverSet::NONE, |set, member| set.with(ReceiverIx(*member)))
    }

    fn members(set: ReceiverSet) -> BTreeSet<u8> {
        set.iter().map(|member| member.0).collect()
    }

    proptest! {
        #[test]
        fn sets_are_sets(
            one in prop::collection::btree_set(0u8..64, 0..64), other in prop::collection::btree_set(0u8..64, 0..64), any in 0u8..64,
        ) {
            let (left, right) = (set(&one), set(&other));
            prop_assert_eq!(&members(left), &one);
            prop_assert_eq!(left.len() as usize, one.len());
            prop_assert_eq!((left.is_empty(), left.contains(ReceiverIx(any))), (one.is_empty(), one.contains(&any)));
            prop_assert_eq!(members(left.union(right)), one.union(&other).copied().collect());
            prop_assert_eq!(members(left.intersect(right)), one.intersection(&other).copied().collect());
            prop_assert_eq!(members(left.minus(right)), one.difference(&other).copied().collect());
            prop_assert_eq!(left.intersect(ReceiverSet::ALL), left);
        }
    }
}
