//! Progress: which offsets are settled. A run's last row of a partition is extended, not added to.

use std::collections::HashMap;

use rusqlite::params;

use crate::engine::ledger::Progress;
use crate::journal::sql;
use crate::journal::writer::Writing;

/// For each partition of this run the row that grows: where it begins, and how far it reaches.
#[derive(Default)]
pub(super) struct Rows(HashMap<(i64, i32), (i64, i64)>);

impl Writing<'_> {
    pub(super) fn progressed(&mut self, progress: &Progress) -> rusqlite::Result<()> {
        let Progress { partition, from, to, counts } = progress;
        let topic = self.topic(&partition.topic)?;
        let key = (topic, partition.number);
        let begins = match self.progress.0.get(&key) {
            Some((begins, reaches)) if *reaches == from.get() => *begins,
            _ => from.get(),
        };
        self.transaction.prepare_cached(sql::NEW_PROGRESS)?.execute(params![
            self.group,
            topic,
            partition.number,
            self.run,
            begins,
            to.get(),
            counts.records().cast_signed(),
            counts.delivered.cast_signed(),
            counts.failed.cast_signed(),
            counts.skipped.cast_signed(),
            counts.deferred.cast_signed(),
            self.now_us,
        ])?;
        self.progress.0.insert(key, (begins, to.get()));
        Ok(())
    }
}
