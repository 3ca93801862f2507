//! Records as Kafka delivered them, byte for byte.
//!
//! Records live in arenas: one allocation for a batch of about fifty. A [`Record`] is a counted handle into one, so handing it on
//! costs one atomic increment; whoever keeps a record for long takes [`Record::detach`] so that it does not pin its whole arena.

mod debts;
mod headers;
mod meant;
mod numbers;
#[cfg(test)]
pub(crate) mod samples;
mod suspects;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use debts::Debts;
pub use headers::{Header, Headers, HeadersBuf, MalformedHeaders};
pub use meant::Meant;
pub use numbers::{NextOffset, Offset, ReceiverIx, ReceiverSet, Seq, Slot};
pub use suspects::{Suspect, Suspects};

/// When Kafka says the record was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// Milliseconds since 1970; `None` for records without one.
    pub ms: Option<i64>,
    pub kind: TimestampKind,
}

impl Timestamp {
    /// RFC 3339 in UTC, to the millisecond; `None` where there is none, or outside of the years that RFC 3339 has: producers are free to
    /// invent it.
    #[must_use]
    pub fn rfc_3339(self) -> Option<String> {
        let at = jiff::Timestamp::from_millisecond(self.ms?).ok()?;
        (at.as_second() >= YEAR_0).then(|| format!("{at:.3}"))
    }
}

/// 0000-01-01T00:00:00Z
const YEAR_0: i64 = -62_167_219_200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampKind {
    /// Set by the producer.
    Create,
    /// Set by the broker when it appended the record.
    Append,
    None,
}

impl TimestampKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Append => "append",
            Self::None => "none",
        }
    }
}

/// As Kafka names topics: `org.apache.kafka.common.internals.Topic`.
#[must_use]
pub fn is_topic_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && !matches!(name, "." | "..") && name.bytes().all(is_plain)
}

/// A topic of one cluster. A topic that was deleted and made again has another `uuid` and is another topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    pub cluster_id: String,
    pub name: String,
    /// As Kafka's tools print it (22 characters of URL-safe base64); `None` when the broker has none.
    pub uuid: Option<String>,
}

impl Topic {
    /// Topics of one name are the same one unless both have an id, and those differ.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && (self.uuid.is_none() || other.uuid.is_none() || self.uuid == other.uuid)
    }
}

/// One assigned partition and what the journal knew of it when it was assigned.
#[derive(Debug)]
pub struct Partition {
    pub slot: Slot,
    pub topic: Arc<Topic>,
    pub number: i32,
    /// Records below this were settled once before: their deliveries are marked late.
    pub late_below: NextOffset,
    /// At or above the start.
    pub debts: Debts,
    /// As the debts, of which each is one: that it was delivered must be told.
    pub suspects: Suspects,
}

impl Partition {
    /// One of which nothing is known.
    #[must_use]
    pub fn unknown(slot: Slot, topic: Arc<Topic>, number: i32) -> Self {
        let (debts, suspects) = (Debts::default(), Suspects::default());
        Self { slot, topic, number, late_below: NextOffset::ZERO, debts, suspects }
    }

    /// The same one, as somebody reads it by another name.
    #[must_use]
    pub fn at_slot(&self, slot: Slot) -> Self {
        let Self { slot: _, topic, number, late_below, debts, suspects } = self;
        let (topic, debts, suspects) = (Arc::clone(topic), debts.clone(), suspects.clone());
        Self { slot, topic, number: *number, late_below: *late_below, debts, suspects }
    }
}

/// `TOPIC/PARTITION`.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic.name, self.number)
    }
}

/// A record that a source lends until its next poll. The engine copies it once, into an arena.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    pub slot: Slot,
    pub offset: Offset,
    pub leader_epoch: Option<i32>,
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
    /// All receivers, unless it is replayed.
    pub meant: Meant,
}

impl RawRecord<'_> {
    /// The bytes that count towards the in-flight budget.
    #[must_use]
    pub fn size(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len) + self.headers.as_bytes().len()
    }
}

#[derive(Debug)]
struct Stored {
    partition: Arc<Partition>,
    seq: Seq,
    offset: Offset,
    leader_epoch: Option<i32>,
    timestamp: Timestamp,
    meant: Meant,
    order_key: u64,
    /// Start of the record's bytes in the arena: key, then headers, then value.
    start: usize,
    key_len: Option<usize>,
    headers_len: usize,
    value_len: Option<usize>,
}

impl Stored {
    fn len(&self) -> usize {
        self.key_len.unwrap_or(0) + self.headers_len + self.value_len.unwrap_or(0)
    }
}

/// The records of one batch, in one allocation, never changed once frozen.
#[derive(Debug, Default)]
pub struct Arena {
    bytes: Vec<u8>,
    records: Vec<Stored>,
}

impl Arena {
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), records: Vec::with_capacity(64) }
    }

    /// Copies a lent record in. `order_key` says what it must stay in order with.
    pub fn push(&mut self, raw: &RawRecord<'_>, partition: &Arc<Partition>, seq: Seq, order_key: u64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(raw.key.unwrap_or_default());
        self.bytes.extend_from_slice(raw.headers.as_bytes());
        self.bytes.extend_from_slice(raw.value.unwrap_or_default());
        self.records.push(Stored {
            partition: Arc::clone(partition),
            seq,
            offset: raw.offset,
            leader_epoch: raw.leader_epoch,
            timestamp: raw.timestamp,
            meant: raw.meant,
            order_key,
            start,
            key_len: raw.key.map(<[u8]>::len),
            headers_len: raw.headers.as_bytes().len(),
            value_len: raw.value.map(<[u8]>::len),
        });
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The bytes of keys, headers and values held.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The records, in the order they were pushed. Consumes the builder: a batch does not change any more.
    pub fn freeze(self) -> impl Iterator<Item = Record> {
        let arena = Arc::new(self);
        (0..arena.records.len()).map(move |at| Record { arena: Arc::clone(&arena), at })
    }
}

/// A record as Kafka delivered it. Cheap to clone; null and empty differ everywhere.
#[derive(Clone)]
pub struct Record {
    arena: Arc<Arena>,
    at: usize,
}

impl Record {
    #[expect(clippy::indexing_slicing, reason = "`at` is made by `Arena::freeze` from the arena's own length")]
    fn stored(&self) -> &Stored {
        &self.arena.records[self.at]
    }

    #[expect(clippy::indexing_slicing, reason = "the lengths were summed by `Arena::push` from the bytes it stored")]
    fn part(&self, at: usize, len: usize) -> &[u8] {
        let from = self.stored().start + at;
        &self.arena.bytes[from..from + len]
    }

    #[must_use]
    pub fn partition(&self) -> &Arc<Partition> {
        &self.stored().partition
    }

    #[must_use]
    pub fn topic(&self) -> &str {
        &self.stored().partition.topic.name
    }

    /// `TOPIC/PARTITION/OFFSET`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}/{}", self.topic(), self.partition().number, self.offset())
    }

    #[must_use]
    pub fn slot(&self) -> Slot {
        self.stored().partition.slot
    }

    #[must_use]
    pub fn seq(&self) -> Seq {
        self.stored().seq
    }

    #[must_use]
    pub fn offset(&self) -> Offset {
        self.stored().offset
    }

    #[must_use]
    pub fn leader_epoch(&self) -> Option<i32> {
        self.stored().leader_epoch
    }

    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.stored().timestamp
    }

    #[must_use]
    pub fn meant(&self) -> Meant {
        self.stored().meant
    }

    /// Records with the same order key are delivered to a receiver in offset order.
    #[must_use]
    pub fn order_key(&self) -> u64 {
        self.stored().order_key
    }

    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        let stored = self.stored();
        stored.key_len.map(|len| self.part(0, len))
    }

    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        let stored = self.stored();
        Headers::trusted(self.part(stored.key_len.unwrap_or(0), stored.headers_len))
    }

    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        let stored = self.stored();
        stored.value_len.map(|len| self.part(stored.key_len.unwrap_or(0) + stored.headers_len, len))
    }

    /// Bytes of key, headers and value.
    #[must_use]
    pub fn size(&self) -> usize {
        self.stored().len()
    }

    /// Receivers that had this record in hand when their process died: none, of almost all records.
    #[must_use]
    pub fn suspects(&self) -> &[Suspect] {
        let Stored { partition, offset, .. } = self.stored();
        if partition.suspects.is_empty() { &[] } else { partition.suspects.of(*offset) }
    }

    /// True when the journal has an open entry for this record, or may have one: then it must be told how the record ends.
    #[must_use]
    pub fn has_debt(&self) -> bool {
        let stored = self.stored();
        stored.partition.debts.may_include(stored.offset)
    }

    /// True when an earlier run settled this offset.
    #[must_use]
    pub fn is_late(&self) -> bool {
        let stored = self.stored();
        stored.partition.late_below.covers(stored.offset)
    }

    /// Where `part`, a slice of this record's bytes, lies in them; `None` for any other slice.
    /// Spans stay right when the record is detached.
    #[must_use]
    pub fn span_of(&self, part: &[u8]) -> Option<Span> {
        let all = self.part(0, self.size());
        let Range { start, end } = all.as_ptr_range();
        let inside = part.as_ptr() >= start && part.as_ptr_range().end <= end;
        let at = (part.as_ptr() as usize).checked_sub(start as usize)?;
        inside.then(|| u32::try_from(at).ok().zip(u32::try_from(part.len()).ok())).flatten().map(|(at, len)| Span { at, len })
    }

    /// The bytes of a span made by [`Record::span_of`] on this record or one it was detached from.
    #[must_use]
    pub fn span(&self, span: Span) -> &[u8] {
        self.part(span.at as usize, span.len as usize)
    }

    /// A copy of its own, so that keeping it does not keep its whole batch.
    #[must_use]
    pub fn detach(&self) -> Self {
        if self.arena.records.len() == 1 {
            return self.clone();
        }
        let stored = self.stored();
        let mut arena = Arena { bytes: Vec::with_capacity(stored.len()), records: Vec::with_capacity(1) };
        let raw = RawRecord {
            slot: self.slot(),
            offset: stored.offset,
            leader_epoch: stored.leader_epoch,
            timestamp: stored.timestamp,
            key: self.key(),
            value: self.value(),
            headers: self.headers(),
            meant: stored.meant,
        };
        arena.push(&raw, &stored.partition, stored.seq, stored.order_key);
        Self { arena: Arc::new(arena), at: 0 }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({})", self.place())
    }
}

/// A place in a record's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    at: u32,
    len: u32,
}

#[cfg(test)]
mod tests {
    use super::samples::{partition_of, record_with};
    use super::*;

    fn batch() -> Vec<Record> {
        let partition = partition_of("orders");
        let mut arena = Arena::default();
        for (offset, value) in [(0, "first"), (1, "second")] {
            let raw = RawRecord {
                slot: partition.slot,
                offset: Offset::new(offset).unwrap(),
                leader_epoch: None,
                timestamp: Timestamp { ms: None, kind: TimestampKind::None },
                key: Some(b"key"),
                value: Some(value.as_bytes()),
                headers: Headers::EMPTY,
                meant: Meant::ALL,
            };
            arena.push(&raw, &partition, Seq(offset.cast_unsigned()), 7);
        }
        arena.freeze().collect()
    }

    #[test]
    fn what_is_detached_is_the_same_and_its_spans_stay_right() {
        let second = batch().pop().unwrap();
        let value = second.span_of(&second.value().unwrap()[2..4]).unwrap();
        let alone = second.detach();
        assert_eq!((alone.key(), alone.value(), alone.offset()), (second.key(), second.value(), second.offset()));
        assert_eq!((alone.headers(), alone.seq(), alone.order_key()), (second.headers(), Seq(1), 7));
        assert_eq!(alone.span(value), b"co");
        assert_eq!(alone.span_of(second.value().unwrap()), None, "it has bytes of its own");
    }

    #[test]
    fn a_span_is_of_the_record_itself() {
        let records = batch();
        let (first, second) = (&records[0], &records[1]);
        assert_eq!(first.span_of(second.value().unwrap()), None, "its neighbour's bytes are not its own");
        assert_eq!(first.span_of(b"first"), None, "nor are those of another place that reads the same");
        assert_eq!(first.span(first.span_of(first.value().unwrap()).unwrap()), b"first");
    }

    #[test]
    fn null_and_empty_differ() {
        let partition = partition_of("orders");
        let [null, empty] = [None, Some(&b""[..])].map(|value| record_with(&partition, &[], value));
        assert_eq!((null.value(), empty.value()), (None, Some(&b""[..])));
        assert_eq!((null.size(), empty.size()), (4, 4), "the key and the number of headers");
    }

    #[test]
    fn times_that_nobody_could_have_are_left_out() {
        let text = |ms| Timestamp { ms, kind: TimestampKind::Create }.rfc_3339();
        assert_eq!(text(Some(1_700_000_000_123)).as_deref(), Some("2023-11-14T22:13:20.123Z"));
        assert_eq!(text(Some(0)).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        let impossible = [None, Some(i64::MAX), Some(i64::MIN), Some((YEAR_0 - 1) * 1_000)];
        assert_eq!(impossible.map(text), [None, None, None, None]);
    }
}
