//! Records for tests.

use std::sync::Arc;

use super::{
    Arena, Debts, Headers, HeadersBuf, Meant, NextOffset, Offset, Partition, RawRecord, Record, Seq, Slot, Suspects, Timestamp,
    TimestampKind, Topic,
};

pub(crate) fn partition_of(topic: &str) -> Arc<Partition> {
    Arc::new(Partition {
        slot: Slot { index: 0, epoch: 1 },
        topic: Arc::new(Topic { cluster_id: "cluster".into(), name: topic.into(), uuid: Some("GivPxHS0T4Sx-9eBCxOXOQ".into()) }),
        number: 0,
        late_below: NextOffset::ZERO,
        debts: Debts::default(),
        suspects: Suspects::default(),
    })
}

/// The record at offset 0, with the key `key`.
pub(crate) fn record_with(partition: &Arc<Partition>, headers: &[(&str, Option<&[u8]>)], value: Option<&[u8]>) -> Record {
    record_at(partition, 0, headers, value)
}

pub(crate) fn record_at(
    partition: &Arc<Partition>,
    offset: i64,
    headers: &[(&str, Option<&[u8]>)],
    value: Option<&[u8]>,
) -> Record {
    let mut buf = HeadersBuf::default();
    headers.iter().for_each(|(name, value)| buf.push(name.as_bytes(), *value));
    record(partition, RawRecord { offset: Offset::new(offset).unwrap(), headers: buf.finish(), value, ..raw(partition) }, 0)
}

/// The record at offset 0 with these headers, whatever their bytes.
pub(crate) fn record_of(partition: &Arc<Partition>, headers: Headers<'_>, value: Option<&[u8]>) -> Record {
    record(partition, RawRecord { headers, value, ..raw(partition) }, 0)
}

/// The record at offset 0 with this key.
pub(crate) fn record_keyed(
    partition: &Arc<Partition>,
    key: Option<&[u8]>,
    headers: &[(&str, Option<&[u8]>)],
    value: Option<&[u8]>,
) -> Record {
    let mut buf = HeadersBuf::default();
    headers.iter().for_each(|(name, value)| buf.push(name.as_bytes(), *value));
    record(partition, RawRecord { key, headers: buf.finish(), value, ..raw(partition) }, 0)
}

/// A record without headers that stays in order with those of the same key.
pub(crate) fn record_in_lane(partition: &Arc<Partition>, offset: i64, order_key: u64, value: &[u8]) -> Record {
    let raw = RawRecord { offset: Offset::new(offset).unwrap(), value: Some(value), ..raw(partition) };
    record(partition, raw, order_key)
}

fn raw(partition: &Partition) -> RawRecord<'static> {
    RawRecord {
        slot: partition.slot,
        offset: Offset::new(0).unwrap(),
        leader_epoch: Some(0),
        timestamp: Timestamp { ms: Some(1_700_000_000_000), kind: TimestampKind::Create },
        key: Some(b"key"),
        value: None,
        headers: Headers::EMPTY,
        meant: Meant::ALL,
    }
}

fn record(partition: &Arc<Partition>, raw: RawRecord<'_>, order_key: u64) -> Record {
    let mut arena = Arena::default();
    arena.push(&raw, partition, Seq(0), order_key);
    arena.freeze().next().unwrap()
}
