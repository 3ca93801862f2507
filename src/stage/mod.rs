//! The stages that a record walks before its receivers: identify, route, decode. All of them are pure.

mod decode;
mod identify;
mod route;

#[cfg(test)]
pub(crate) use decode::decoded;
pub use decode::{Decoded, Format, Manner, Missing, decode, missing};
pub use identify::{TypeFrom, Unidentified, identify};
pub use route::{Routed, Router, Unrecognized};
