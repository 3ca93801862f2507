//! A consumer as a whole: a group of the cluster as the source, the journal as the ledger, the receivers, and the engine between them.
//!
//! The one place where Kafka, SQLite and the engine meet. Whatever runs a consumer, the command line or a program, calls `run`.

mod dry_run;
mod receivers;
mod run;
#[cfg(test)]
pub(crate) mod samples;
mod topics;

pub use dry_run::{Preview, WouldDeliver, WouldFail, WouldSkip};
pub use run::{Began, BeginError, Ended, Place, plan, run};
