//! Avro bodies as JSON, by the schema that they were written with: one pass from bytes to text, no value in between.
//!
//! The same body and schema always give the same text:
//!
//! | Avro | JSON |
//! |---|---|
//! | null, boolean, int, long | null, true or false, a number |
//! | float, double | the shortest number that reads back the same; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | string, enum, uuid | text |
//! | bytes, fixed | text in base64 |
//! | decimal, big-decimal | text with all digits of its scale: `"-12.30"` |
//! | date, time-millis, time-micros | `"2026-11-28"`, `"12:34:56.789"`, `"12:34:56.789012"` |
//! | timestamp-millis, -micros, -nanos | `"2026-11-28T12:34:56.789Z"`, with 3, 6 or 9 digits |
//! | local-timestamp-… | the same without `Z` |
//! | duration | `"P1M2DT3.004S"` |
//! | union | its value, bare |
//! | record, map, array | an object in the order of the fields, an object in the order of the bytes, an array |
//!
//! A time outside of the years 0 to 9999, or of the day, stays a number. A logical type that is unknown, or does not fit its type, is
//! the type alone. Hostile bodies are refused: depth, size and the length of decimals are bounded, and nothing is allocated for lengths
//! that are only claimed. Hostile schemas are refused or read, in time and memory that grow with their text alone.

mod cursor;
mod escaping;
mod logical;
mod parsing;
mod projection;
mod schema;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::codec::avro::projection::Projection;
use crate::codec::avro::schema::Nodes;

/// A schema that bodies can be read with.
#[derive(Debug)]
pub struct AvroSchema {
    nodes: Nodes,
}

/// The schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("it is no Avro schema that can be read with: {0}")]
pub struct AvroSchemaFault(String);

/// The body is not what the schema says, or more than is read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct AvroFault {
    code: &'static str,
    message: String,
}

impl AvroFault {
    /// `schema_mismatch`, `trailing_bytes` or `too_large`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl AvroSchema {
    /// `references`: the schemas whose types it names.
    ///
    /// Names are taken as they are: a hyphen in a namespace breaks Avro's rules and is out there.
    ///
    /// # Errors
    /// When it is no Avro schema, or names types that nobody defines.
    pub fn parse(text: &str, references: &[String]) -> Result<Self, AvroSchemaFault> {
        parsing::parse(text, references).map(|nodes| Self { nodes }).map_err(AvroSchemaFault)
    }

    /// The body as one JSON document.
    ///
    /// # Errors
    /// When the body does not fit, or something follows it, or it is larger than is read.
    pub fn to_json(&self, body: &[u8]) -> Result<Vec<u8>, AvroFault> {
        Projection::new(&self.nodes, body).run()
    }
}
