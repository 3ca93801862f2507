//! The open batch of each shard: where a polled record is copied to, once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::engine::report::{Action, Dispatch, ToShard};
use crate::record::{Arena, Partition, RawRecord, Seq};

/// A batch this large is sent on; about fifty records of 1 KB.
const BATCH_BYTES: usize = 64 * 1024;
const BATCH_RECORDS: usize = 256;

/// What must stay in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// All records of a partition.
    #[default]
    Partition,
    /// The records of a partition that have the same key; those without a key among themselves.
    Key,
    None,
}

impl Order {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Key => "key",
            Self::None => "none",
        }
    }
}

#[derive(Debug)]
pub(super) struct Batches {
    order: Order,
    hash: RandomState,
    open: Vec<Arena>,
}

impl Batches {
    pub(super) fn new(order: Order, shards: usize) -> Self {
        Self { order, hash: RandomState::new(), open: (0..shards.max(1)).map(|_| Arena::default()).collect() }
    }

    /// Copies a record into its shard's batch. A batch is sent on when it is full, or when this record would make it grow: then all that
    /// it holds would be copied once more.
    pub(super) fn push(&mut self, raw: &RawRecord<'_>, partition: &Arc<Partition>, seq: Seq, actions: &mut Vec<Action>) {
        let order_key = self.order_key(raw);
        let shard = (order_key % self.open.len() as u64) as usize;
        let Some(arena) = self.open.get_mut(shard) else { return };
        if !arena.is_empty() && arena.size() + raw.size() > BATCH_BYTES {
            actions.push(send(shard, std::mem::take(arena)));
        }
        if arena.is_empty() {
            *arena = Arena::with_capacity(BATCH_BYTES.max(raw.size()));
        }
        arena.push(raw, partition, seq, order_key);
        if arena.size() >= BATCH_BYTES || arena.len() >= BATCH_RECORDS {
            actions.push(send(shard, std::mem::take(arena)));
        }
    }

    /// Sends on whatever is there.
    pub(super) fn flush(&mut self, actions: &mut Vec<Action>) {
        for (shard, arena) in self.open.iter_mut().enumerate() {
            if !arena.is_empty() {
                actions.push(send(shard, std::mem::take(arena)));
            }
        }
    }

    fn order_key(&self, raw: &RawRecord<'_>) -> u64 {
        match (self.order, raw.key) {
            (Order::Key, Some(key)) => self.hash.hash_one((raw.slot.index, key)),
            (Order::Partition, _) | (Order::Key, None) => self.hash.hash_one(raw.slot.index),
            (Order::None, _) => self.hash.hash_one((raw.slot.index, raw.offset)),
        }
    }
}

fn send(shard: usize, batch: Arena) -> Action {
    Action::Dispatch(shard, Dispatch(ToShard::Batch(batch)))
}
