//! How a run behaves, as whoever starts it wants it: one value, from the settings to the coordinator.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::engine::batches::Order;
use crate::engine::flow::Budget;
use crate::engine::start::{OnGap, OnTruncation};
use crate::stage::TypeFrom;

#[derive(Clone, Debug)]
pub struct Conduct {
    pub order: Order,
    pub budget: Budget,
    pub commit_interval: Duration,
    pub drain_timeout: Duration,
    pub on_gap: OnGap,
    pub on_truncation: OnTruncation,
    /// Where the first stage looks for the type: said when it is nowhere.
    pub type_from: TypeFrom,
    /// Stop when so many records in a row have failed.
    pub max_consecutive_errors: Option<NonZeroU32>,
    /// Stop after this many admitted records.
    pub max_records: Option<u64>,
    /// Stop once every partition was read to its end as it was at assignment, and read nothing beyond it.
    pub until_end: UntilEnd,
    /// Stop when for this long nothing was in flight and no record came.
    pub idle_exit: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UntilEnd {
    Yes,
    #[default]
    No,
}
