//! Record headers in Kafka's own wire form, so that the journal can give them back exactly: names that are not UTF-8, null values,
//! repeats and their order.
//!
//! The form is that of a record in a Kafka record batch (message format v2): a zigzag varint count, then for each header a varint
//! name length, the name, a varint value length (-1: null) and the value.

use thiserror::Error;

/// One header. The name is bytes: nothing in Kafka keeps it to UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub name: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The headers of one record, in wire form, known to be well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

/// Bytes that are not headers in wire form: a damaged journal, or a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not record headers: malformed at byte {at} of {len}")]
#[non_exhaustive]
pub struct MalformedHeaders {
    pub at: usize,
    pub len: usize,
}

impl<'a> Headers<'a> {
    pub const EMPTY: Self = Self(&[0]);

    /// Checks bytes that come from outside.
    ///
    /// # Errors
    /// Where the bytes end early, go on too long, or hold a length below -1.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MalformedHeaders> {
        let malformed = |rest: &[u8]| MalformedHeaders { at: bytes.len() - rest.len(), len: bytes.len() };
        let mut rest = bytes;
        let count = read_varint(&mut rest).ok_or_else(|| malformed(rest))?;
        if count < 0 {
            return Err(malformed(rest));
        }
        for _ in 0..count {
            read_header(&mut rest).ok_or_else(|| malformed(rest))?;
        }
        if rest.is_empty() { Ok(Self(bytes)) } else { Err(malformed(rest)) }
    }

    /// Bytes that this process encoded or checked itself.
    pub(super) fn trusted(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// In the order in which the producer wrote them.
    pub fn iter(self) -> impl Iterator<Item = Header<'a>> {
        let mut rest = self.0;
        let count = read_varint(&mut rest).unwrap_or(0);
        (0..count).map_while(move |_| read_header(&mut rest))
    }

    /// The headers of one name.
    pub fn named<'n>(self, name: &'n str) -> impl Iterator<Item = Header<'a>> + use<'a, 'n> {
        self.iter().filter(move |header| header.name == name.as_bytes())
    }
}

/// Headers under construction; reused from record to record.
#[derive(Clone, Debug)]
pub struct HeadersBuf {
    bytes: Vec<u8>,
    body: Vec<u8>,
    count: i64,
}

impl Default for HeadersBuf {
    fn default() -> Self {
        Self { bytes: vec![0], body: Vec::new(), count: 0 }
    }
}

impl HeadersBuf {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.push(0);
        self.body.clear();
        self.count = 0;
    }

    pub fn push(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.count += 1;
        write_varint(&mut self.body, length(name));
        self.body.extend_from_slice(name);
        write_varint(&mut self.body, value.map_or(-1, length));
        self.body.extend_from_slice(value.unwrap_or_default());
    }

    /// All headers pushed since the last `clear`.
    pub fn finish(&mut self) -> Headers<'_> {
        self.bytes.clear();
        write_varint(&mut self.bytes, self.count);
        self.bytes.extend_from_slice(&self.body);
        Headers(&self.bytes)
    }
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

fn write_varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        out.push((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

#[inline]
fn read_varint(rest: &mut &[u8]) -> Option<i64> {
    // Nearly all are one byte: a length below 64.
    if let Some((first @ ..0x80, after)) = rest.split_first() {
        *rest = after;
        return Some(i64::from(first >> 1) ^ -i64::from(first & 1));
    }
    read_long_varint(rest)
}

#[cold]
fn read_long_varint(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()));
        }
    }
    None
}

#[inline]
fn read_header<'a>(rest: &mut &'a [u8]) -> Option<Header<'a>> {
    let name = read_bytes(rest)??;
    let value = read_bytes(rest)?;
    Some(Header { name, value })
}

/// `None`: malformed; `Some(None)`: null.
#[inline]
fn read_bytes<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = read_varint(rest)?;
    if len == -1 {
        return Some(None);
    }
    let (bytes, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = after;
    Some(Some(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(headers in prop::collection::vec((any::<Vec<u8>>(), any::<Option<Vec<u8>>>()), 0..20)) {
            let mut buf = HeadersBuf::default();
            buf.push(b"left over", None);
            buf.clear();
            for (name, value) in &headers {
                buf.push(name, value.as_deref());
            }
            let encoded = buf.finish();
            prop_assert_eq!(Headers::parse(encoded.as_bytes()), Ok(encoded));
            let decoded: Vec<_> = encoded.iter().map(|header| (header.name.to_vec(), header.value.map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(decoded, headers);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>()) {
            if let Ok(headers) = Headers::parse(&bytes) {
                prop_assert!(headers.iter().count() <= bytes.len());
            }
        }
    }

    #[test]
    fn no_headers_is_one_zero() {
        assert_eq!(HeadersBuf::default().finish(), Headers::EMPTY);
        assert_eq!(Headers::EMPTY.iter().count(), 0);
    }

    #[test]
    fn a_name_cannot_be_null() {
        assert!(Headers::parse(&[2, 1, 1]).is_err());
    }
}
