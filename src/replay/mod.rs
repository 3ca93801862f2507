//! Replay: what failed is delivered again, to exactly those that do not have it.
//!
//! A replay joins no group and moves no offset. `request` is what is asked, `plan` what would be done; `source` hands the records to the
//! same engine that `consume` runs, and `run` brings journal, Kafka and engine together.

mod bytes;
mod error;
mod missed;
mod narrow;
mod plan;
mod prepare;
mod ranges;
mod request;
mod roster;
mod run;
mod selection;
mod source;
mod tally;
mod watching;

pub use error::{Extent, ReplayError};
pub use plan::{Outcome, Plan, PlannedEntries, PlannedMissed, PlannedRange, SkipReason, Skipped};
pub use prepare::{Place, prepare};
pub use request::{Request, SourceChoice, To, Uncommitted, What};
pub use run::{Ended, Prepared};
pub use tally::Tally;
pub use watching::Watcher;
