//! A record in the hands of a replay's source, wherever its bytes came from: the journal or the topic.

use crate::record::{Headers, Meant, Offset, RawRecord, Slot, Timestamp, TimestampKind};

/// A copy of its own; reused from record to record.
#[derive(Debug)]
pub(in crate::replay) struct Lent {
    /// Key, headers and value, one after the other.
    bytes: Vec<u8>,
    key_len: Option<usize>,
    headers_len: usize,
    value_len: Option<usize>,
    offset: Offset,
    leader_epoch: Option<i32>,
    timestamp: Timestamp,
}

impl Default for Lent {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            key_len: None,
            headers_len: 0,
            value_len: None,
            offset: Offset::ZERO,
            leader_epoch: None,
            timestamp: Timestamp { ms: None, kind: TimestampKind::None },
        }
    }
}

impl Lent {
    pub(in crate::replay) fn copy(&mut self, raw: &RawRecord<'_>) {
        self.bytes.clear();
        self.bytes.extend_from_slice(raw.key.unwrap_or_default());
        self.bytes.extend_from_slice(raw.headers.as_bytes());
        self.bytes.extend_from_slice(raw.value.unwrap_or_default());
        self.key_len = raw.key.map(<[u8]>::len);
        self.headers_len = raw.headers.as_bytes().len();
        self.value_len = raw.value.map(<[u8]>::len);
        self.offset = raw.offset;
        self.leader_epoch = raw.leader_epoch;
        self.timestamp = raw.timestamp;
    }

    /// The record, for the receivers that it is meant for.
    pub(in crate::replay) fn raw(&self, slot: Slot, meant: Meant) -> RawRecord<'_> {
        let (key, rest) = self.bytes.split_at_checked(self.key_len.unwrap_or_default()).unwrap_or_default();
        let (headers, value) = rest.split_at_checked(self.headers_len).unwrap_or_default();
        RawRecord {
            slot,
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            timestamp: self.timestamp,
            key: self.key_len.map(|_| key),
            // They were headers when they were copied.
            headers: Headers::parse(headers).unwrap_or(Headers::EMPTY),
            value: self.value_len.map(|_| value),
            meant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::HeadersBuf;

    #[test]
    fn a_copy_is_the_same_null_and_empty_apart() {
        let slot = Slot { index: 3, epoch: 1 };
        let mut headers = HeadersBuf::default();
        headers.push(b"\xff\0", None);
        headers.push(b"name", Some(b""));
        let headers = headers.finish();
        let mut lent = Lent::default();
        for (key, value) in [(Some(&b"key"[..]), None), (None, Some(&b""[..])), (Some(&b""[..]), Some(&b"value"[..]))] {
            let timestamp = Timestamp { ms: Some(7), kind: TimestampKind::Append };
            let offset = Offset::new(9).unwrap();
            let meant = Meant::NOBODY;
            let raw = RawRecord { slot, offset, leader_epoch: Some(4), timestamp, key, value, headers, meant };
            lent.copy(&raw);
            let back = lent.raw(slot, meant);
            assert_eq!((back.key, back.value, back.headers), (key, value, headers));
            assert_eq!((back.offset, back.leader_epoch, back.timestamp), (offset, Some(4), timestamp));
        }
    }
}
