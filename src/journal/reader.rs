//! Listings: read-only, in short statements, so that no reader holds the write-ahead log back for long.

mod branches;
mod detail;
mod failures;
mod incidents;
pub(super) mod known;
mod missed;
mod moves;
mod names;
mod recall;
pub(super) mod rows;
mod schemas;
pub(super) mod terms;
mod times;

pub use known::{KnownTopic, Reached, TopicRow};
pub use missed::{MissedInAll, MissedOf};
pub use names::Named;

use rusqlite::{Connection, OptionalExtension as _};
use thiserror::Error;

use crate::journal::items::StateCounts;
use crate::journal::open::{OpenError, Place};
use crate::journal::plain::{is_damage, plain};
use crate::journal::selection::Sort;
use crate::journal::sql;
use crate::record::Topic;

/// A journal that is open for reading.
pub struct Reader {
    pub(super) connection: Connection,
    path: String,
    uuid: String,
}

/// A part of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
}

/// What to list of a selection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    /// 0: all.
    pub limit: usize,
    /// Behind this id, in the order of the listing.
    pub after: Option<i64>,
    pub sort: Sort,
}

#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    #[error("the journal {path} cannot be read: {what}")]
    Unreadable { path: String, what: String },
    #[error("the journal {path} is damaged: {what}")]
    Damaged { path: String, what: String },
    #[error("fingerprint `{0}` is not in the journal")]
    UnknownFingerprint(String),
    #[error("fingerprint `{0}` is not unique: give more of its digits")]
    AmbiguousFingerprint(String),
    #[error("fingerprint `{0}` is not one: expected 6 to 32 hex digits")]
    MalformedFingerprint(String),
    #[error("entry {id} of the journal {path} is damaged: {what}")]
    DamagedEntry { path: String, id: i64, what: String },
}

impl Window {
    /// As many rows as a statement has to give: one more than asked for says whether more follow.
    fn rows(self) -> i64 {
        if self.limit == 0 { -1 } else { i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1) }
    }

    /// The condition on ids behind `after`, and the direction.
    fn order(self) -> (&'static str, &'static str) {
        match self.sort {
            Sort::Newest => ("<", "DESC"),
            Sort::Oldest => (">", "ASC"),
        }
    }
}

impl<T> Page<T> {
    /// Of what [`Window::rows`] rows gave.
    fn of(mut items: Vec<T>, window: Window) -> Self {
        let has_more = window.limit > 0 && items.len() > window.limit;
        if has_more {
            items.truncate(window.limit);
        }
        Self { items, has_more }
    }
}

impl Reader {
    /// # Errors
    /// When there is no journal, or it is none that this version reads.
    pub fn open(place: &Place) -> Result<Self, OpenError> {
        let connection = place.open_to_read()?;
        let uuid = connection.query_row(sql::UUID, [], |row| row.get(0)).map_err(|error| place.failed(error))?;
        Ok(Self { connection, path: place.path.display().to_string(), uuid })
    }

    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    #[must_use]
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    #[expect(clippy::needless_pass_by_value, reason = "it stands in for the error, in map_err")]
    pub(super) fn failed(&self, error: rusqlite::Error) -> ReadError {
        let (path, what) = (self.path.clone(), plain(&error));
        if is_damage(&error) { ReadError::Damaged { path, what } } else { ReadError::Unreadable { path, what } }
    }

    /// A topic's id; `None`: this journal has never seen it.
    pub(super) fn topic_id(&self, topic: &Topic) -> rusqlite::Result<Option<i64>> {
        let uuid = topic.uuid.as_deref().unwrap_or_default();
        let mut select = self.connection.prepare_cached(sql::TOPIC)?;
        select.query_row((&topic.cluster_id, &topic.name, uuid), |row| row.get(0)).optional()
    }

    /// How many failures there are in each state.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn counts(&self) -> Result<StateCounts, ReadError> {
        let counts = self.connection.query_row(sql::STATE_COUNTS, [], |row| {
            let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok(StateCounts { open: count(0)?, resolved: count(1)?, ignored: count(2)? })
        });
        counts.map_err(|error| self.failed(error))
    }

    /// How many incidents are open.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn open_incidents(&self) -> Result<u64, ReadError> {
        let count: i64 =
            self.connection.query_row(sql::OPEN_INCIDENTS, [], |row| row.get(0)).map_err(|error| self.failed(error))?;
        Ok(count.cast_unsigned())
    }
}

#[cfg(test)]
mod tests;
