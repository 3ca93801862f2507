//! Which partitions stand still because their records wait for schemas or for room: those that would take the room of all the others.

use std::collections::{HashMap, HashSet};

use crate::engine::flow::{Budget, Load};
use crate::engine::report::Shelved;
use crate::engine::source::Flow;
use crate::record::Slot;

#[derive(Debug, Default)]
pub(super) struct Standing {
    shelved: HashMap<Slot, Shelved>,
    held: HashSet<Slot>,
    is_changed: bool,
}

impl Standing {
    pub(super) fn change(&mut self, changes: &[(Slot, Shelved)]) {
        for (slot, change) in changes {
            let shelved = self.shelved.entry(*slot).or_default();
            shelved.records += change.records;
            shelved.bytes += change.bytes;
            // Of a slot that was forgotten, what is left of it is told later.
            if shelved.records <= 0 {
                self.shelved.remove(slot);
            }
        }
        self.is_changed = true;
    }

    /// It is not ours any more: nobody holds it.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.shelved.remove(&slot);
        self.held.remove(&slot);
    }

    /// What is to be held, and what may flow again: what waits must leave the others three quarters of the room.
    pub(super) fn update(&mut self, budget: Budget) -> Vec<(Vec<Slot>, Flow)> {
        if !std::mem::take(&mut self.is_changed) {
            return Vec::new();
        }
        let freed: Vec<Slot> = self.held.extract_if(|slot| !self.shelved.contains_key(slot)).collect();
        let all = self.shelved.values().fold(Load::default(), |all, shelved| Load {
            records: all.records + usize::try_from(shelved.records).unwrap_or(0),
            bytes: all.bytes + usize::try_from(shelved.bytes).unwrap_or(0),
        });
        let is_too_much = all.records > budget.records / 4 || all.bytes > budget.bytes / 4;
        let more: Vec<Slot> =
            if is_too_much { self.shelved.keys().copied().filter(|slot| self.held.insert(*slot)).collect() } else { Vec::new() };
        [(more, Flow::Held), (freed, Flow::Open)].into_iter().filter(|(slots, _)| !slots.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(index: u32) -> Slot {
        Slot { index, epoch: 1 }
    }

    fn records(records: i64) -> Shelved {
        Shelved { records, bytes: records }
    }

    #[test]
    fn what_waits_is_held_before_it_takes_the_room_of_all_and_flows_when_nothing_waits() {
        let budget = Budget { records: 100, bytes: 1_000 };
        let mut standing = Standing::default();
        standing.change(&[(slot(0), records(25))]);
        assert_eq!(standing.update(budget), []);
        standing.change(&[(slot(0), records(1)), (slot(1), records(0))]);
        assert_eq!(standing.update(budget), [(vec![slot(0)], Flow::Held)]);
        assert_eq!(standing.update(budget), [], "said once");
        standing.change(&[(slot(2), records(1))]);
        assert_eq!(standing.update(budget), [(vec![slot(2)], Flow::Held)], "together they are too many");
        standing.change(&[(slot(0), records(-25))]);
        assert_eq!(standing.update(budget), [], "something waits still");
        standing.change(&[(slot(0), records(-1)), (slot(2), records(-1))]);
        let mut freed = standing.update(budget);
        freed.iter_mut().for_each(|(slots, _)| slots.sort_by_key(|slot| slot.index));
        assert_eq!(freed, [(vec![slot(0), slot(2)], Flow::Open)]);
    }

    #[test]
    fn a_slot_that_is_given_back_is_nobodys() {
        let mut standing = Standing::default();
        standing.change(&[(slot(0), records(60))]);
        assert_eq!(standing.update(Budget { records: 100, bytes: 1_000 }).len(), 1);
        standing.forget(slot(0));
        standing.change(&[(slot(0), records(-60)), (slot(1), records(20))]);
        assert_eq!(standing.update(Budget { records: 100, bytes: 1_000 }), []);
    }
}
