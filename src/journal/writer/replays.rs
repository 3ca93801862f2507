//! Replays: one row for each, which counts what became of its deliveries while it runs.

use serde_json::Value;

use crate::engine::ledger::LedgerError;
use crate::journal::sql;
use crate::journal::writer::{Writer, Writing};

/// What a transaction adds to the counts of the run's replay.
#[derive(Default)]
pub(super) struct Redelivered {
    pub(super) delivered: i64,
    pub(super) failed: i64,
    pub(super) skipped: i64,
}

impl Writer {
    /// Begins the replay that this run makes; its number is what [`crate::receiver::Mode::Replay`] carries.
    ///
    /// # Errors
    /// As `append`.
    pub fn begin_replay(&mut self, selection: &Value) -> Result<i64, LedgerError> {
        let mut replay = 0;
        self.transact(|writing| {
            let selection = selection.to_string();
            writing.transaction.execute(sql::NEW_REPLAY, (writing.run, selection, writing.now_us))?;
            replay = writing.transaction.last_insert_rowid();
            Ok(())
        })?;
        self.replay = Some(replay);
        Ok(replay)
    }
}

impl Writing<'_> {
    pub(super) fn write_redelivered(&self, replay: Option<i64>) -> rusqlite::Result<()> {
        let Redelivered { delivered, failed, skipped } = self.redelivered;
        if (delivered, failed, skipped) == (0, 0, 0) {
            return Ok(());
        }
        self.transaction.prepare_cached(sql::REPLAY_COUNTS)?.execute((replay, delivered, failed, skipped)).map(drop)
    }
}
