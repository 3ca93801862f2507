//! The engine: takes records from a source, walks them through the stages to their receivers, and settles every one of them.

pub mod ledger;
pub mod source;
pub mod stamp;
pub mod start;
pub mod tracker;
