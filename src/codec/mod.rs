//! Reading the data of events: JSON, and what frames it.

pub mod json;
