//! When records were written: each is read from its log, because no broker says it of an offset.
//!
//! It takes a few seconds at most: what is not known by then is left unknown.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::source::{Basis, Offer, Polled, Source, SourceError, Start, StartAt};
use crate::kafka::cluster::ANSWER;
use crate::kafka::connection::Connection;
use crate::kafka::unjoined_source::UnjoinedSource;
use crate::offsets::TopicPartition;
use crate::record::{NextOffset, Partition, Slot};

const LOOK_AROUND: Duration = Duration::from_millis(50);

/// For each offset when the first record at or after it was written, in milliseconds since 1970; `None`: there is none, or nobody says.
pub(super) fn at(connection: &Connection, cluster_id: &str, group: &str, of: &[(TopicPartition, NextOffset)]) -> Vec<Option<i64>> {
    let deadline = Instant::now() + ANSWER;
    let mut looking = Looking::new(of);
    let partitions: Vec<(&str, i32)> = looking.open.keys().map(|at| (at.topic.as_str(), at.partition)).collect();
    let read = UnjoinedSource::of_partitions(connection, cluster_id, group, &partitions).and_then(|source| {
        let mut source: Box<dyn Source> = Box::new(source);
        while !looking.is_done() && Instant::now() < deadline {
            looking.step(&mut *source)?;
        }
        source.close(deadline)
    });
    if let Err(error) = read {
        tracing::debug!(%error, "it is not known when all records were written");
    }
    of.iter().map(|asked| looking.found.get(asked).copied().flatten()).collect()
}

/// What is still to be found out, and what was.
struct Looking {
    /// Of each partition the offsets that are still open, ascending.
    open: BTreeMap<TopicPartition, VecDeque<NextOffset>>,
    slots: BTreeMap<Slot, Arc<Partition>>,
    found: BTreeMap<(TopicPartition, NextOffset), Option<i64>>,
}

impl Looking {
    fn new(of: &[(TopicPartition, NextOffset)]) -> Self {
        let mut sorted = of.to_vec();
        sorted.sort();
        sorted.dedup();
        let mut open: BTreeMap<TopicPartition, VecDeque<NextOffset>> = BTreeMap::new();
        sorted.into_iter().for_each(|(at, position)| open.entry(at).or_default().push_back(position));
        Self { open, slots: BTreeMap::new(), found: BTreeMap::new() }
    }

    fn is_done(&self) -> bool {
        self.open.values().all(VecDeque::is_empty)
    }

    fn step(&mut self, source: &mut dyn Source) -> Result<(), SourceError> {
        let gone = match source.poll(LOOK_AROUND)? {
            Polled::Offered(offers) => return self.begin(&offers, source),
            Polled::Record(raw) => {
                let (slot, position, ms) = (raw.slot, NextOffset::before(raw.offset), raw.timestamp.ms);
                return self.came(slot, position, ms, source);
            }
            Polled::AtEnd(slot, _) => vec![slot],
            Polled::Lost(slots) | Polled::Revoking(slots) => slots,
            _ => return Ok(()),
        };
        self.over(&gone);
        source.release(&gone)
    }

    /// Nothing more comes of these.
    fn over(&mut self, slots: &[Slot]) {
        let places: Vec<TopicPartition> = slots.iter().filter_map(|slot| self.place_of(*slot)).collect();
        self.open.retain(|at, _| !places.contains(at));
    }

    fn place_of(&self, slot: Slot) -> Option<TopicPartition> {
        let partition = self.slots.get(&slot)?;
        Some(TopicPartition { topic: partition.topic.name.clone(), partition: partition.number })
    }

    fn begin(&mut self, offers: &[Offer], source: &mut dyn Source) -> Result<(), SourceError> {
        let mut starts = Vec::new();
        for offer in offers {
            let partition = Arc::new(Partition::unknown(offer.slot, Arc::clone(&offer.topic), offer.partition));
            self.slots.insert(offer.slot, Arc::clone(&partition));
            let first = self.place_of(offer.slot).and_then(|at| self.open.get(&at)?.front().copied());
            let at = first.map_or(StartAt::Held, StartAt::At);
            starts.push(Start { partition, at, basis: Basis::Choice });
        }
        source.assign(&starts)
    }

    /// It answers for all offsets from where it was read up to its own; the next one is read by itself.
    fn came(&mut self, slot: Slot, position: NextOffset, ms: Option<i64>, source: &mut dyn Source) -> Result<(), SourceError> {
        let Some(at) = self.place_of(slot) else { return Ok(()) };
        let Some(open) = self.open.get_mut(&at) else { return Ok(()) };
        let before = open.len();
        while let Some(answered) = open.pop_front_if(|of| *of <= position) {
            self.found.insert((at.clone(), answered), ms);
        }
        match (open.front().copied(), self.slots.get(&slot).cloned()) {
            (Some(next), Some(partition)) if open.len() < before => {
                source.assign(&[Start { partition, at: StartAt::At(next), basis: Basis::Choice }])
            }
            (Some(_), _) => Ok(()),
            (None, _) => source.release(&[slot]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::doubles::{MemorySource, next};

    fn place(partition: i32) -> TopicPartition {
        TopicPartition { topic: "orders".into(), partition }
    }

    #[test]
    fn each_offset_is_answered_by_the_first_record_at_or_after_it() {
        let records = |count: i64| (0..count).map(|n| (None, Some(n.to_string().into_bytes()))).collect();
        let mut source = MemorySource::bounded(vec![records(9), records(3), records(1)]);
        let of = [(place(0), next(7)), (place(0), next(2)), (place(1), next(2)), (place(1), next(3))];
        let mut looking = Looking::new(&of);
        for _ in 0..20 {
            looking.step(&mut source).unwrap();
        }
        let ms = Some(1_700_000_000_000);
        let found: Vec<_> = of.iter().map(|asked| looking.found.get(asked).copied().flatten()).collect();
        assert_eq!((found, looking.is_done()), (vec![ms, ms, ms, None], false), "there is no record at the end");
        let slot = looking.slots.iter().find(|(_, partition)| partition.number == 1).map(|(slot, _)| *slot).unwrap();
        looking.over(&[slot]);
        assert!(looking.is_done());
    }
}
