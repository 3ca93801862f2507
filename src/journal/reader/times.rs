//! Times as ids: a listing of the last minutes must not walk through years.
//!
//! Ids rise in the order of writing, and a failure is written soon after it happened; so the first id of a time is found by halving.

use rusqlite::OptionalExtension as _;

use crate::journal::reader::Reader;
use crate::journal::selection::FailureSelection;
use crate::journal::sql;

/// The longest time from a try to its row that is reckoned with: a start-up guard may hold failures, another process the lock.
const SLACK_US: i64 = 5 * 60 * 1_000_000;

/// Where a selection's times lie among the ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IdBounds {
    /// What failed once, and since then, is here or above; what failed again may lie below.
    pub(super) first: Option<i64>,
    /// Everything that failed before the end is below.
    pub(super) beyond: Option<i64>,
}

impl Reader {
    pub(super) fn id_bounds(&self, selection: &FailureSelection) -> rusqlite::Result<IdBounds> {
        let id = |at: Option<jiff::Timestamp>, slack_us: i64| {
            at.map(|at| self.first_failed_from(at.as_microsecond().saturating_add(slack_us))).transpose()
        };
        Ok(IdBounds { first: id(selection.since, -SLACK_US)?, beyond: id(selection.until, SLACK_US)? })
    }

    /// The lowest id that first failed at `at_us` or later; one past the highest when there is none.
    fn first_failed_from(&self, at_us: i64) -> rusqlite::Result<i64> {
        let highest: i64 = self.connection.prepare_cached(sql::HIGHEST_ID)?.query_row([], |row| row.get(0))?;
        let mut next = self.connection.prepare_cached(sql::FIRST_FAILED_FROM)?;
        let (mut low, mut high) = (1, highest.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            let found: Option<(i64, i64)> = next.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            match found {
                Some((id, first_us)) if first_us < at_us => low = id + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}
