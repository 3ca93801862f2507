//! How a record names the schema of its key or value: in a header, or in a frame before the bytes.
//!
//! Both are Confluent's: `0x00` and a 4-byte number, big-endian, or `0x01` and a 16-byte GUID. A header holds exactly that; a frame is
//! followed by the body.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The header that names the schema of the value.
pub const VALUE_HEADER: &str = "__value_schema_id";
/// The header that names the schema of the key.
pub const KEY_HEADER: &str = "__key_schema_id";

/// What a registry calls a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SchemaId {
    Number(u32),
    Guid([u8; 16]),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Guid(bytes) => uuid::Uuid::from_bytes(*bytes).fmt(f),
        }
    }
}

/// It is neither a number nor a GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSchemaId;

impl FromStr for SchemaId {
    type Err = NoSchemaId;

    fn from_str(text: &str) -> Result<Self, NoSchemaId> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Number(number));
        }
        text.parse::<uuid::Uuid>().map(|guid| Self::Guid(guid.into_bytes())).map_err(|_| NoSchemaId)
    }
}

const NUMBER: u8 = 0;
const GUID: u8 = 1;

/// What should name a schema does not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameFault {
    #[error("its schema-id header is empty: expected 0x00 and a 4-byte number, or 0x01 and a 16-byte GUID")]
    EmptyHeader,
    #[error("its schema-id header begins with {0:#04x}: expected 0x00 and a 4-byte number, or 0x01 and a 16-byte GUID")]
    UnknownHeader(u8),
    #[error("its schema-id header begins with {first:#04x} and has {length} bytes: expected {expected}")]
    HeaderLength { first: u8, length: usize, expected: usize },
    #[error("it begins like a frame ({first:#04x}) and has {length} bytes: a frame has {expected} before its body")]
    Short { first: u8, length: usize, expected: usize },
}

/// The schema that the value of a header names: nothing may follow it.
///
/// # Errors
/// When it names none.
pub fn from_header(header: &[u8]) -> Result<SchemaId, FrameFault> {
    let Some(first) = header.first().copied() else { return Err(FrameFault::EmptyHeader) };
    match split(header) {
        None => Err(FrameFault::UnknownHeader(first)),
        Some(Ok((id, []))) => Ok(id),
        Some(Ok((id, _))) => Err(FrameFault::HeaderLength { first, length: header.len(), expected: id.length() }),
        Some(Err(expected)) => Err(FrameFault::HeaderLength { first, length: header.len(), expected }),
    }
}

/// The schema that a key or a value names in a frame, and the body behind it; `None` when it does not begin like one.
///
/// # Errors
/// When it begins like a frame and is shorter than one.
pub fn from_frame(bytes: &[u8]) -> Result<Option<(SchemaId, &[u8])>, FrameFault> {
    match split(bytes) {
        None => Ok(None),
        Some(Ok(split)) => Ok(Some(split)),
        Some(Err(expected)) => {
            let first = bytes.first().copied().unwrap_or_default();
            Err(FrameFault::Short { first, length: bytes.len(), expected })
        }
    }
}

/// The id at the beginning and what is behind it, or how long the id would have to be.
fn split(bytes: &[u8]) -> Option<Result<(SchemaId, &[u8]), usize>> {
    let (first, rest) = bytes.split_first()?;
    Some(match *first {
        NUMBER => rest.split_first_chunk().map(|(id, body)| (SchemaId::Number(u32::from_be_bytes(*id)), body)).ok_or(5),
        GUID => rest.split_first_chunk().map(|(id, body)| (SchemaId::Guid(*id), body)).ok_or(17),
        _ => return None,
    })
}

impl SchemaId {
    /// Bytes of the id with the one that says which it is.
    fn length(self) -> usize {
        match self {
            Self::Number(_) => 5,
            Self::Guid(_) => 17,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_is_an_id_and_nothing_else() {
        assert_eq!(from_header(&[0, 0, 0, 1, 2]), Ok(SchemaId::Number(258)));
        let guid = [1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        assert_eq!(from_header(&guid).unwrap().to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        let said = |header: &[u8]| from_header(header).unwrap_err().to_string();
        assert!(said(&[]).contains("is empty"));
        assert!(said(b"7").contains("begins with 0x37"));
        assert!(said(&[0, 1]).contains("has 2 bytes: expected 5"));
        assert!(said(&[0, 0, 0, 1, 2, 3]).contains("has 6 bytes: expected 5"));
        assert!(said(&guid[..16]).contains("has 16 bytes: expected 17"));
    }

    #[test]
    fn a_frame_is_an_id_and_a_body() {
        assert_eq!(from_frame(&[0, 0, 0, 0, 7, 8]), Ok(Some((SchemaId::Number(7), &[8][..]))));
        assert_eq!(from_frame(&[0, 0, 0, 0, 7]), Ok(Some((SchemaId::Number(7), &[][..]))));
        assert_eq!((from_frame(b"{}"), from_frame(b"")), (Ok(None), Ok(None)));
        let said = from_frame(&[1, 0, 0, 0, 7]).unwrap_err().to_string();
        assert_eq!(said, "it begins like a frame (0x01) and has 5 bytes: a frame has 17 before its body");
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_frame_or_none(bytes in any::<Vec<u8>>()) {
            if let Ok(Some((id, body))) = from_frame(&bytes) {
                prop_assert_eq!(from_header(&bytes[..bytes.len() - body.len()]), Ok(id));
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
    }
}
