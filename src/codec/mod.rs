//! Bytes and what they mean: JSON, the framing of a schema registry, and Avro as JSON.

pub mod avro;
pub mod bytes;
pub mod framing;
pub mod json;
pub mod naming;
pub mod registry;
pub mod schema;
