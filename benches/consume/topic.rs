//! The topic that everything reads, filled once.
//!
//! The broker has just written all of it, so it is in memory; the bare loop reads it once more before anything is measured.

use std::time::Instant;

use crate::event;
use crate::numbers::grouped;
use crate::support::{Broker, Sample, unique};
use crate::task::{Role, Task};

pub(crate) const PARTITIONS: u32 = 12;
/// How many events are in this process's memory at once.
const AT_ONCE: usize = 100_000;

/// A topic full of events.
pub(crate) struct Events {
    bootstrap: String,
    topic: String,
    count: u64,
    bytes: u64,
}

impl Events {
    pub(crate) fn produce(broker: &Broker, count: u64) -> Self {
        Self::produce_sampled(broker, count, event::sample)
    }

    /// Events of another kind.
    pub(crate) fn produce_sampled(broker: &Broker, count: u64, sample: impl Fn(u64) -> Sample) -> Self {
        Self::fill(broker, PARTITIONS, count, sample)
    }

    /// In one partition: the offset of each is its number.
    pub(crate) fn produce_in_a_row(broker: &Broker, count: u64) -> Self {
        Self::fill(broker, 1, count, |number| event::sample(number).to(0))
    }

    fn fill(broker: &Broker, partitions: u32, count: u64, sample: impl Fn(u64) -> Sample) -> Self {
        let topic = broker.topic("orders", partitions.cast_signed());
        let (began, mut bytes) = (Instant::now(), 0);
        for first in (0..count).step_by(AT_ONCE) {
            let samples: Vec<_> = (first..count).take(AT_ONCE).map(&sample).collect();
            topic.produce(&samples);
            bytes += samples.iter().map(size).sum::<u64>();
        }
        println!("{} events produced in {:.0} s", grouped(count), began.elapsed().as_secs_f64());
        Self { bootstrap: broker.bootstrap(), topic: topic.name().to_owned(), count, bytes }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Of the keys, headers and values of so many of them.
    pub(crate) fn bytes_of(&self, count: u64) -> f64 {
        self.bytes as f64 * count as f64 / self.count as f64
    }

    /// A task that reads `count` of them, for a group that nobody used before. Done again it goes on where the group is.
    pub(crate) fn task(&self, role: Role, count: u64) -> Task {
        let (bootstrap, topic) = (self.bootstrap.clone(), self.topic.clone());
        Task { role, bootstrap, topic, group: unique("shop"), count, url: None, offset: None, illness: None }
    }
}

fn size(sample: &Sample) -> u64 {
    let of = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers: usize = sample.headers.iter().map(|(name, value)| name.len() + of(value)).sum();
    (of(&sample.key) + headers + of(&sample.value)) as u64
}
