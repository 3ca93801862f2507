//! The engine: takes records from a source, walks them through the stages to their receivers, and settles every one of them.
//!
//! Read in this order: `source` and `ledger` (what it stands between), `coordinator` (what happens), `shard` (the walk of a record),
//! `wiring` (who runs where). It names neither Kafka nor SQLite.

mod batches;
mod conduct;
pub mod coordinator;
mod delivery;
pub mod detached;
#[cfg(test)]
pub(crate) mod doubles;
mod ends;
pub mod flow;
pub mod guard;
pub mod halt;
mod in_hand;
mod journal_thread;
mod kafka_thread;
mod lanes;
pub mod ledger;
pub mod limit;
pub mod missed;
#[cfg(test)]
mod model;
mod new_types;
pub mod observer;
mod outages;
mod passed;
pub mod report;
pub mod rereading;
pub mod schemas;
pub mod settled;
mod shard;
pub mod source;
pub mod stamp;
mod standing;
pub mod start;
pub mod stop;
#[cfg(test)]
mod tests;
pub mod tracker;
mod watchdog;
mod wiring;

use std::num::NonZeroUsize;
use std::sync::Arc;

use thiserror::Error;

pub use batches::Order;
pub use conduct::{Conduct, UntilEnd};
pub use wiring::{Finished, Guarding, Summary, run};

use crate::engine::coordinator::{CoordinatorOptions, Named};
use crate::engine::ledger::RunId;
use crate::engine::limit::Probation;
use crate::engine::rereading::OpenAgain;
use crate::engine::schemas::Schemas;
use crate::policy::Rules;
use crate::receiver::in_hand::Hands;
use crate::receiver::{Binding, Mode};
use crate::record::ReceiverSet;
use crate::stage::{Format, Router};

/// Everything that a run is told before it begins.
pub struct Plan {
    pub group: String,
    /// Names the journal and the run in commits.
    pub run: RunId,
    pub bindings: Vec<Binding>,
    /// Receivers that get only records that are meant for them by name.
    pub by_name_only: ReceiverSet,
    pub router: Router,
    /// What becomes of failures, before the built-in rules are asked.
    pub rules: Arc<Rules>,
    pub format: Format,
    pub schemas: Schemas,
    /// Reads what receivers missed.
    pub open_again: Box<dyn OpenAgain>,
    pub mode: Mode,
    pub guard: Guarding,
    /// Of the limit of errors in a row, where there is one.
    pub probation: Probation,
    /// Deliveries that each receiver may have out at once.
    pub concurrency: NonZeroUsize,
    pub conduct: Conduct,
    /// Of receivers that are code of this program; `None` when there are none, or nothing is noted.
    pub hands: Option<Arc<dyn Hands>>,
}

impl Plan {
    fn coordinator(&self, shards: usize) -> CoordinatorOptions {
        let named = |binding: &Binding| Named { name: binding.name.clone(), on_outage: binding.on_outage };
        let receivers = self.bindings.iter().map(named).collect();
        CoordinatorOptions { shards, receivers, run: self.run.clone(), probation: self.probation, conduct: self.conduct.clone() }
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
