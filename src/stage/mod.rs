//! The stages that a record walks before its receivers: identify, route, decode. All of them are pure.

mod decode;
mod identify;
mod route;

pub use decode::{Format, decode};
pub use identify::{TypeFrom, Unidentified, identify};
pub use route::{Routed, Router, TypePatternError, Unrecognized, check_type};
