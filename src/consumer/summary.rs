//! What a run of a program's consumer did.

use crate::consumer::dry_run::Preview;
use crate::consumer::run::Ended;
use crate::engine::ledger::Counts;
use crate::engine::report::StopReason;

#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    pub reason: StopReason,
    /// Of records, not of deliveries: a record has failed when one of its receivers did not get it.
    pub counts: Counts,
    /// Of what receivers missed while they were down, in this run or before: each record once for each of them.
    pub missed: Counts,
    /// How many were assigned at the end.
    pub partitions: usize,
    /// Records that were fetched and not settled: the next run delivers them again.
    pub unsettled: usize,
    /// Where the journal is; `None` when the run had not come so far.
    pub journal_path: Option<String>,
    /// The uuid that offsets are committed with.
    pub journal_id: Option<String>,
    /// Of a dry run.
    pub preview: Option<Preview>,
}

impl Summary {
    pub(super) fn of(ended: &Ended) -> Self {
        let summary = &ended.summary;
        Self {
            reason: summary.reason.clone(),
            counts: summary.counts,
            missed: summary.missed,
            partitions: summary.partitions,
            unsettled: summary.unsettled,
            journal_path: Some(ended.began.journal_path.clone()),
            journal_id: ended.began.journal_uuid.clone(),
            preview: ended.preview.clone(),
        }
    }

    /// Of a run that had not begun to read.
    pub(super) fn of_nothing(reason: StopReason) -> Self {
        let none = Counts::default();
        Self {
            reason,
            counts: none,
            missed: none,
            partitions: 0,
            unsettled: 0,
            journal_path: None,
            journal_id: None,
            preview: None,
        }
    }
}
