//! Whether the run before was stopped by the limit of errors: then this one settles no failure before it has delivered something.

use rusqlite::Connection;

use crate::engine::ledger::LedgerError;
use crate::engine::limit::Probation;
use crate::journal::sql;
use crate::journal::writer::Writer;

impl Writer {
    /// What the runs of the group before this one say: the last one that settled anything, or was stopped by the limit.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn probation(&self) -> Result<Probation, LedgerError> {
        probation(&self.connection, &self.group, self.run.run).map_err(|error| self.failed(&error))
    }
}

fn probation(connection: &Connection, group: &str, before: i64) -> rusqlite::Result<Probation> {
    let mut runs = connection.prepare_cached(sql::RUNS_BEFORE)?;
    let mut has_settled = connection.prepare_cached(sql::RUN_HAS_SETTLED)?;
    let mut rows = runs.query((group, before))?;
    while let Some(row) = rows.next()? {
        let (run, reason): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
        if reason.as_deref() == Some("limit") {
            return Ok(Probation::Yes);
        }
        if has_settled.query_row((group, run), |row| row.get(0))? {
            return Ok(Probation::No);
        }
    }
    Ok(Probation::No)
}
