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
        let (begins, now_us) = match self.progress.0.get(&key) {
            Some((begins, reaches)) if *reaches == from.get() => (*begins, self.now_us),
            _ => (from.get(), self.after_all_progress(topic, partition.number)?),
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
            now_us,
        ])?;
        self.progress.0.insert(key, (begins, to.get()));
        Ok(())
    }

    /// Now, or just after whatever was written of the partition when the clock was ahead: the row that is written last counts as the last.
    fn after_all_progress(&mut self, topic: i64, partition: i32) -> rusqlite::Result<i64> {
        let mut select = self.transaction.prepare_cached(sql::PROGRESS_WRITTEN_AT)?;
        let written_at_us: Option<i64> = select.query_row((self.group, topic, partition), |row| row.get(0))?;
        Ok(written_at_us.map_or(self.now_us, |written_at_us| self.now_us.max(written_at_us.saturating_add(1))))
    }
}
