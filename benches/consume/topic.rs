//! The topic that everything reads, filled once.
//!
//! The broker has just written all of it, so it is in memory; the bare loop reads it once more before anything is measured.

use std::time::Instant;

use crate::event;
use crate::numbers::grouped;
use crate::support::{Broker, unique};
use crate::task::{Role, Task};

pub(crate) const PARTITIONS: u32 = 12;
/// How many events are in this process's memory at once.
const AT_ONCE: usize = 100_000;

/// A topic full of events.
pub(crate) struct Events {
    bootstrap: String,
    topic: String,
    count: u64,
}

impl Events {
    pub(crate) fn produce(broker: &Broker, count: u64) -> Self {
        let topic = broker.topic("orders", PARTITIONS.cast_signed());
        let began = Instant::now();
        for first in (0..count).step_by(AT_ONCE) {
            let samples: Vec<_> = (first..count).take(AT_ONCE).map(event::sample).collect();
            topic.produce(&samples);
        }
        println!("{} events produced in {:.0} s", grouped(count), began.elapsed().as_secs_f64());
        Self { bootstrap: broker.bootstrap(), topic: topic.name().to_owned(), count }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// A task that reads `count` of them, for a group that nobody used before. Done again it goes on where the group is.
    pub(crate) fn task(&self, role: Role, count: u64) -> Task {
        Task { role, bootstrap: self.bootstrap.clone(), topic: self.topic.clone(), group: unique("shop"), count, url: None }
    }
}
