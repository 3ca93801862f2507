//! Which records of a partition have an open entry in the journal, so that their success must be told to it.
//!
//! Listed one by one only up to a bound: a group may be set back below millions of entries. Of what lies beyond the list every record
//! may have one, and the journal finds out when it is told how the record ended.

use std::sync::Arc;

use crate::record::Offset;

/// Offsets with an open entry, as they were when the partition was assigned. Copies share the list, which may be long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debts {
    /// The lowest ones, ascending.
    listed: Arc<[Offset]>,
    /// The highest one, when not all are listed.
    highest: Option<Offset>,
    /// Nobody has looked: any record may have one.
    is_unknown: bool,
}

impl Debts {
    /// All there are, ascending.
    #[must_use]
    pub fn all(listed: Vec<Offset>) -> Self {
        Self { listed: listed.into(), highest: None, is_unknown: false }
    }

    /// The lowest ones, ascending, and the highest; between them there are more.
    #[must_use]
    pub fn lowest(listed: Vec<Offset>, highest: Offset) -> Self {
        Self { listed: listed.into(), highest: Some(highest), is_unknown: false }
    }

    /// Of a replay, whose records are there because of what is open.
    #[must_use]
    pub fn unknown() -> Self {
        Self { is_unknown: true, ..Self::default() }
    }

    /// With more of them, ascending, of which each may be there already.
    #[must_use]
    pub fn and(mut self, more: impl IntoIterator<Item = Offset>) -> Self {
        // Beyond a list that has not all of them every record may have one: only its end moves.
        let end_of_list = self.highest.and(self.listed.last().copied());
        let mut listed = self.listed.to_vec();
        for offset in more {
            if end_of_list.is_some_and(|end| offset > end) {
                self.highest = self.highest.max(Some(offset));
            } else if let Err(at) = listed.binary_search(&offset) {
                listed.insert(at, offset);
            }
        }
        Self { listed: listed.into(), ..self }
    }

    /// False when the record surely has none.
    #[must_use]
    pub fn may_include(&self, offset: Offset) -> bool {
        if self.is_unknown {
            return true;
        }
        let Some(last) = self.listed.last() else { return false };
        let is_beyond = offset > *last && self.highest.is_some_and(|highest| offset <= highest);
        is_beyond || (offset <= *last && self.listed.binary_search(&offset).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_list_every_record_up_to_the_highest_may_have_one() {
        let offset = |at| Offset::new(at).unwrap();
        let listed = vec![offset(3), offset(7)];
        let included = |debts: &Debts| (0..20).filter(|at| debts.may_include(offset(*at))).collect::<Vec<_>>();
        assert!(included(&Debts::default()).is_empty());
        assert_eq!(included(&Debts::unknown()).len(), 20);
        assert_eq!(included(&Debts::all(listed.clone())), [3, 7]);
        assert_eq!(included(&Debts::lowest(listed, offset(11))), [3, 7, 8, 9, 10, 11]);
    }

    #[test]
    fn more_of_them_hide_none_that_was_there() {
        let offset = |at| Offset::new(at).unwrap();
        let included = |debts: &Debts| (0..20).filter(|at| debts.may_include(offset(*at))).collect::<Vec<_>>();
        let more = || [2, 7, 12].map(offset);
        assert_eq!(included(&Debts::default().and(more())), [2, 7, 12]);
        assert_eq!(included(&Debts::all(vec![offset(3), offset(7)]).and(more())), [2, 3, 7, 12]);
        let lowest = Debts::lowest(vec![offset(3), offset(7)], offset(9));
        assert_eq!(included(&lowest.clone().and([2].map(offset))), [2, 3, 7, 8, 9]);
        assert_eq!(included(&lowest.and(more())), [2, 3, 7, 8, 9, 10, 11, 12]);
        assert_eq!(included(&Debts::unknown().and(more())).len(), 20);
    }

    /// What is read again is a partition of its own each time, and the list may have ten thousand of them.
    #[test]
    fn copies_share_the_list() {
        let debts = Debts::all(vec![Offset::ZERO]);
        assert!(Arc::ptr_eq(&debts.listed, &debts.clone().listed));
    }
}
