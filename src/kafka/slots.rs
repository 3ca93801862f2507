//! Which slot a partition has, and how far each was read.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;

use crate::record::{NextOffset, Slot, Topic};

/// Partitions by name, and by slot.
#[derive(Default)]
pub(super) struct Slots {
    /// For each topic its partitions' indexes into `all`.
    by_name: HashMap<String, HashMap<i32, usize>>,
    all: Vec<Place>,
    /// The index of the partition that the last record was of: the next one is mostly of the same.
    last: usize,
}

/// A partition that was ours at least once. Its slot's index never changes.
pub(super) struct Place {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) epoch: u32,
    pub(super) state: State,
    /// Where the next record is expected.
    pub(super) position: NextOffset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not ours.
    Away,
    /// Offered to the engine, not assigned yet.
    Offered,
    Flowing,
    /// Assigned and paused for as long as it is ours.
    Held,
}

impl Slots {
    /// A new epoch of a partition.
    pub(super) fn offer(&mut self, topic: &str, partition: i32) -> Slot {
        let index = match self.index(topic, partition) {
            Some(index) => index,
            None => {
                let index = self.all.len();
                self.by_name.entry(topic.to_owned()).or_default().insert(partition, index);
                let topic = topic.to_owned();
                self.all.push(Place { topic, partition, epoch: 0, state: State::Away, position: NextOffset::ZERO });
                index
            }
        };
        let epoch = self.all.get_mut(index).map_or(0, |place| {
            place.epoch += 1;
            place.state = State::Offered;
            place.epoch
        });
        Slot { index: u32::try_from(index).unwrap_or(u32::MAX), epoch }
    }

    /// The slot that a partition has now.
    pub(super) fn find(&self, topic: &str, partition: i32) -> Option<Slot> {
        self.at(self.index(topic, partition)?)
    }

    /// As `find`, for a record's topic, which C lends. Names are compared, not pointers: a topic that is gone may leave its address to
    /// another one.
    pub(super) fn find_c(&mut self, topic: &CStr, partition: i32) -> Option<Slot> {
        let is_it = |last: &Place| last.partition == partition && last.topic.as_bytes() == topic.to_bytes();
        if !self.all.get(self.last).is_some_and(is_it) {
            self.last = self.index(topic.to_str().ok()?, partition)?;
        }
        self.at(self.last)
    }

    fn index(&self, topic: &str, partition: i32) -> Option<usize> {
        self.by_name.get(topic)?.get(&partition).copied()
    }

    fn at(&self, index: usize) -> Option<Slot> {
        let place = self.all.get(index)?;
        (place.state != State::Away).then_some(Slot { index: u32::try_from(index).ok()?, epoch: place.epoch })
    }

    /// The partition of a slot, unless the slot is of an older epoch.
    pub(super) fn get(&self, slot: Slot) -> Option<&Place> {
        self.all.get(slot.index as usize).filter(|place| place.epoch == slot.epoch && place.state != State::Away)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Place> {
        self.all.get_mut(slot.index as usize).filter(|place| place.epoch == slot.epoch && place.state != State::Away)
    }

    /// All partitions that are assigned.
    pub(super) fn assigned(&self) -> impl Iterator<Item = (Slot, &Place)> {
        let slots = (0u32..).zip(&self.all).map(|(index, place)| (Slot { index, epoch: place.epoch }, place));
        slots.filter(|(_, place)| matches!(place.state, State::Flowing | State::Held))
    }
}

/// Topics as the engine knows them, one value for all their partitions.
#[derive(Default)]
pub(super) struct Topics(HashMap<String, Arc<Topic>>);

impl Topics {
    /// The topic with what the broker says now; the same value as before when nothing changed.
    pub(super) fn get(&mut self, cluster_id: &str, name: &str, uuid: Option<String>) -> Arc<Topic> {
        let now = Topic { cluster_id: cluster_id.to_owned(), name: name.to_owned(), uuid };
        match self.0.get(name) {
            Some(known) if **known == now => Arc::clone(known),
            _ => {
                let topic = Arc::new(now);
                self.0.insert(name.to_owned(), Arc::clone(&topic));
                topic
            }
        }
    }

    /// False when a topic is known to be another one than the one of this name that was offered last.
    pub(super) fn is_same(&self, name: &str, uuid: Option<&str>) -> bool {
        let known = self.0.get(name).and_then(|topic| topic.uuid.as_deref());
        known.zip(uuid).is_none_or(|(known, now)| known == now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_partition_is_found_whatever_the_last_one_was_of() {
        let mut slots = Slots::default();
        let places = [(c"orders", 0), (c"orders", 1), (c"payments", 1)];
        let given = places.map(|(topic, partition)| slots.offer(topic.to_str().unwrap(), partition));
        for _ in 0..2 {
            for ((topic, partition), slot) in places.iter().zip(given) {
                assert_eq!(slots.find_c(topic, *partition), Some(slot));
                assert_eq!(slots.find_c(topic, *partition), Some(slot), "twice in a row");
            }
        }
        assert_eq!((slots.find_c(c"payments", 0), slots.find_c(c"order", 1)), (None, None), "never ours");
        let again = slots.offer("orders", 1);
        assert_eq!(slots.find_c(c"orders", 1), Some(again), "its newest epoch");
        slots.get_mut(again).unwrap().state = State::Away;
        assert_eq!(slots.find_c(c"orders", 1), None, "not ours any more");
    }
}
