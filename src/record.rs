//! Records as Kafka delivered them, byte for byte, and the numbers that name them.
//!
//! Records live in arenas: one allocation for a batch of about fifty. A [`Record`] is a counted handle into one, so handing it on
//! costs one atomic increment; whoever keeps a record for long takes [`Record::detach`] so that it does not pin its whole arena.

mod debts;
mod headers;
#[cfg(test)]
pub(crate) mod samples;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use debts::Debts;
pub use headers::{Header, Headers, HeadersBuf, MalformedHeaders};

/// The offset of a record in its partition; never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(i64);

impl Offset {
    /// `None` when `value` is negative: Kafka uses negative numbers for "no offset", and those never become one here.
    #[must_use]
    pub fn new(value: i64) -> Option<Self> {
        (value >= 0).then_some(Self(value))
    }

    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// What a group commits once this record is settled.
    #[must_use]
    pub fn next(self) -> NextOffset {
        NextOffset(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The offset of the next record to read: what a group commits. Not convertible from an [`Offset`] but by [`Offset::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextOffset(i64);

impl NextOffset {
    pub const ZERO: Self = Self(0);

    /// A position read from a broker or the journal; `None` when negative.
    #[must_use]
    pub fn new(value: i64) -> Option<Self> {
        (value >= 0).then_some(Self(value))
    }

    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// True when a record at `offset` lies below this position, that is, has been read.
    #[must_use]
    pub fn covers(self, offset: Offset) -> bool {
        offset.0 < self.0
    }

    /// The position just before reading the record at `offset`.
    #[must_use]
    pub fn before(offset: Offset) -> Self {
        Self(offset.0)
    }
}

impl fmt::Display for NextOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One assignment of one partition. `index` is dense and names the partition for the life of a source; `epoch` rises with each
/// assignment, so results of an earlier assignment are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub index: u32,
    pub epoch: u32,
}

/// The position of a record in the order in which its slot admitted it, from 0, without holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// A receiver's place in the list that the engine runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiverIx(pub u8);

/// A set of at most 64 receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverSet(u64);

impl ReceiverSet {
    pub const ALL: Self = Self(u64::MAX);
    pub const NONE: Self = Self(0);
    /// The most receivers one engine can have.
    pub const MAX: usize = 64;

    #[must_use]
    pub fn with(self, receiver: ReceiverIx) -> Self {
        Self(self.0 | (1 << receiver.0))
    }

    #[must_use]
    pub fn contains(self, receiver: ReceiverIx) -> bool {
        self.0 & (1 << receiver.0) != 0
    }

    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The members, lowest first.
    pub fn iter(self) -> impl Iterator<Item = ReceiverIx> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let lowest = (rest != 0).then(|| rest.trailing_zeros() as u8)?;
            rest &= rest - 1;
            Some(ReceiverIx(lowest))
        })
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members that are not in `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// When Kafka says the record was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// Milliseconds since 1970; `None` for records without one.
    pub ms: Option<i64>,
    pub kind: TimestampKind,
}

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

/// A topic of one cluster. A topic that was deleted and made again has another `uuid` and is another topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub cluster_id: String,
    pub name: String,
    /// As Kafka's tools print it (22 characters of URL-safe base64); `None` when the broker has none.
    pub uuid: Option<String>,
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
    /// The receivers it is meant for: all, unless a replay names them.
    pub only: ReceiverSet,
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
    only: ReceiverSet,
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
            only: raw.only,
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

    /// The receivers it is meant for.
    #[must_use]
    pub fn only(&self) -> ReceiverSet {
        self.stored().only
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
            only: stored.only,
        };
        arena.push(&raw, &stored.partition, stored.seq, stored.order_key);
        Self { arena: Arc::new(arena), at: 0 }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({}/{}/{})", self.topic(), self.partition().number, self.offset())
    }
}

/// A place in a record's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    at: u32,
    len: u32,
}
