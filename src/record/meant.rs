//! Whom a record is for.

use crate::record::ReceiverSet;

/// The receivers that a record is meant for, among those that it is routed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// Whoever takes it, but for those that have it.
    AllBut(ReceiverSet),
    /// These, by name.
    These(ReceiverSet),
}

impl Meant {
    pub const ALL: Self = Self::AllBut(ReceiverSet::NONE);
    pub const NOBODY: Self = Self::These(ReceiverSet::NONE);

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::These(one), Self::These(other)) => Self::These(one.union(other)),
            (Self::AllBut(one), Self::AllBut(other)) => Self::AllBut(one.intersect(other)),
            (Self::AllBut(without), Self::These(these)) | (Self::These(these), Self::AllBut(without)) => {
                Self::AllBut(without.minus(these))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ReceiverIx;

    #[test]
    fn a_union_is_for_whoever_one_of_them_is_for() {
        let set = |of: &[u8]| of.iter().fold(ReceiverSet::NONE, |set, at| set.with(ReceiverIx(*at)));
        let (these, all_but) = (|of: &[u8]| Meant::These(set(of)), |of: &[u8]| Meant::AllBut(set(of)));
        for (one, other, both) in [
            (these(&[1]), these(&[2]), these(&[1, 2])),
            (all_but(&[1, 2]), all_but(&[2, 3]), all_but(&[2])),
            (all_but(&[1, 2]), these(&[2, 5]), all_but(&[1])),
            (Meant::ALL, these(&[2]), Meant::ALL),
            (Meant::NOBODY, these(&[2]), these(&[2])),
        ] {
            assert_eq!((one.union(other), other.union(one)), (both, both));
        }
    }
}
