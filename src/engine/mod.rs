//! The engine: takes records from a source, walks them through the stages to their receivers, and settles every one of them.
//!
//! Read in this order: `source` and `ledger` (what it stands between), `coordinator` (what happens), `shard` (the walk of a record),
//! `wiring` (who runs where). It names neither Kafka nor SQLite.

mod batches;
pub mod coordinator;
mod delivery;
#[cfg(test)]
pub(crate) mod doubles;
pub mod flow;
pub mod guard;
mod journal_thread;
mod kafka_thread;
mod lanes;
pub mod ledger;
#[cfg(test)]
mod model;
mod new_types;
pub mod observer;
mod passed;
pub mod report;
mod shard;
pub mod source;
pub mod stamp;
pub mod start;
pub mod stop;
#[cfg(test)]
mod tests;
pub mod tracker;
mod wiring;

use std::num::NonZeroUsize;
use std::time::Duration;

use thiserror::Error;

pub use batches::Order;
pub use wiring::{Finished, Guarding, Summary, run};

use crate::engine::coordinator::{CoordinatorOptions, UntilEnd};
use crate::engine::flow::Budget;
use crate::engine::ledger::RunId;
use crate::engine::start::{OnGap, OnTruncation};
use crate::receiver::{Binding, Mode};
use crate::stage::{Format, Router, TypeFrom};

/// Everything that a run is told before it begins.
pub struct Plan {
    pub group: String,
    /// Names the journal and the run in commits.
    pub run: RunId,
    pub bindings: Vec<Binding>,
    pub type_from: TypeFrom,
    pub router: Router,
    pub format: Format,
    pub mode: Mode,
    pub guard: Guarding,
    pub order: Order,
    /// Deliveries that each receiver may have out at once.
    pub concurrency: NonZeroUsize,
    pub budget: Budget,
    pub commit_interval: Duration,
    pub drain_timeout: Duration,
    pub on_gap: OnGap,
    pub on_truncation: OnTruncation,
    pub max_records: Option<u64>,
    pub until_end: UntilEnd,
    pub idle_exit: Option<Duration>,
}

impl Plan {
    fn coordinator(&self, shards: usize) -> CoordinatorOptions {
        CoordinatorOptions {
            shards,
            order: self.order,
            budget: self.budget,
            commit_interval: self.commit_interval,
            drain_timeout: self.drain_timeout,
            on_gap: self.on_gap,
            on_truncation: self.on_truncation,
            type_from: self.type_from.clone(),
            max_records: self.max_records,
            until_end: self.until_end,
            idle_exit: self.idle_exit,
            run: self.run.clone(),
        }
    }
}

/// The engine could not be set up, or a thread of its own died.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    #[error("the engine's threads could not be started")]
    Runtime(#[source] std::io::Error),
    #[error("the engine's {0} thread died; this is a defect of redrive")]
    Defect(&'static str),
}
