//! The entries of a replay: fixed when it begins, in the order of their places.
//!
//! They are noted in a table of the connection's own, in a temporary file. The journal itself is only read, in short statements once
//! everything is selected, so that a replay of millions does not hold its write-ahead log back.

mod bytes;
mod contents;
mod narrowing;

pub use bytes::StoredRecord;
pub use contents::{SelectedEntries, SelectedPartition, SelectedRow};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, params_from_iter};

use crate::journal::open::{OpenError, Place};
use crate::journal::reader::terms::Terms;
use crate::journal::reader::{ReadError, Reader, TopicRow};
use crate::journal::selection::FailureSelection;
use crate::journal::sql;
use crate::offsets::Bounds;

/// The index by place.
const PLACES: &str = "sqlite_autoindex_failure_1";

/// What is selected of a journal, and the journal itself, open for reading.
pub struct Selected {
    reader: Reader,
}

/// Places of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceRange {
    pub topic: TopicRow,
    /// `None`: all of them.
    pub partition: Option<i32>,
    pub bounds: Bounds,
}

impl PlaceRange {
    /// What its terms need beside the entries: only the record has a time.
    fn joined(&self) -> &'static str {
        if matches!(self.bounds, Bounds::Times { .. }) { sql::WITH_RECORD } else { "" }
    }
}

impl Selected {
    /// Opens a journal with nothing selected.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(place: &Place) -> Result<Self, OpenError> {
        let reader = Reader::open(place)?;
        let prepared = reader
            .connection
            .execute_batch(sql::SELECTED_SETTINGS)
            .and_then(|()| reader.connection.authorizer(Some(only_the_selection)));
        prepared.map_err(|error| place.failed(error))?;
        Ok(Self { reader })
    }

    /// What else the journal knows.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    fn connection(&self) -> &Connection {
        &self.reader.connection
    }

    fn failed(&self, error: rusqlite::Error) -> ReadError {
        self.reader.failed(error)
    }

    /// Adds entries by their ids; gives back those that are not in the journal.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn select_ids(&mut self, ids: &[i64]) -> Result<Vec<i64>, ReadError> {
        let select = || {
            let snapshot = self.connection().unchecked_transaction()?;
            let mut missing = Vec::new();
            {
                let mut insert = snapshot.prepare(&format!("{} WHERE f.id = ?1", sql::SELECT_FROM))?;
                let mut has_failure = snapshot.prepare(sql::HAS_FAILURE)?;
                for id in ids {
                    // What changes nothing may be there already.
                    if insert.execute([id])? == 0 && !has_failure.query_row([id], |row| row.get::<_, bool>(0))? {
                        missing.push(*id);
                    }
                }
            }
            snapshot.commit()?;
            Ok(missing)
        };
        select().map_err(|error| self.failed(error))
    }

    /// Adds all entries that the filters fit.
    ///
    /// # Errors
    /// As [`Reader::failures`].
    pub fn select(&mut self, selection: &FailureSelection) -> Result<(), ReadError> {
        let snapshot = self.connection().unchecked_transaction().map_err(|error| self.failed(error))?;
        let names = self.reader.names(selection)?;
        if names.fit_nothing() {
            return Ok(());
        }
        let is_of_records = selection.offsets.iter().any(|range| matches!(range.bounds, Bounds::Times { .. }));
        let with = if is_of_records { sql::WITH_RECORD } else { "" };
        let insert = || {
            let searches = self.reader.searches(selection, &names, &Terms::default())?;
            searches.into_iter().try_fold(0, |sum, search| Ok(sum + self.insert((search.index, with), &search.terms)?))
        };
        let inserted = insert().map_err(|error| self.failed(error))?;
        if inserted == 0 && selection.is_by_state() && self.is_empty()? {
            self.reader.check_none(&selection.states)?;
        }
        snapshot.commit().map_err(|error| self.failed(error))
    }

    /// Adds all entries in these places, whatever their state; of one group, or of all.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn select_places(&mut self, group: Option<&str>, ranges: &[PlaceRange]) -> Result<(), ReadError> {
        let select = || {
            let snapshot = self.connection().unchecked_transaction()?;
            for range in ranges {
                for partition in self.partitions_in(range)? {
                    self.insert((PLACES, range.joined()), &terms_of(range, partition, group))?;
                }
            }
            snapshot.commit()
        };
        select().map_err(|error| self.failed(error))
    }

    /// The journal has an entry there, of one group or of any, whether or not it is selected.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn has_any_in(&self, group: Option<&str>, range: &PlaceRange) -> Result<bool, ReadError> {
        let with = range.joined();
        let has = |partition: i32| {
            let terms = terms_of(range, partition, group);
            let found = format!("SELECT EXISTS (SELECT 1 FROM failure f INDEXED BY {PLACES} {with} WHERE 1{})", terms.text);
            self.connection().prepare(&found)?.query_row(params_from_iter(&terms.values), |row| row.get(0))
        };
        let look = || {
            for partition in self.partitions_in(range)? {
                if has(partition)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        look().map_err(|error| self.failed(error))
    }

    /// Those that are in the journal.
    fn partitions_in(&self, range: &PlaceRange) -> rusqlite::Result<Vec<i32>> {
        if let Some(partition) = range.partition {
            return Ok(vec![partition]);
        }
        let mut next = self.connection().prepare_cached(sql::NEXT_PARTITION)?;
        let mut partitions = Vec::new();
        let mut last = -1;
        while let Some(partition) = next.query_row((range.topic.0, last), |row| row.get::<_, Option<i32>>(0))? {
            partitions.push(partition);
            last = partition;
        }
        Ok(partitions)
    }

    /// What an index has, with another table or none joined to it. Gives the number of those that were not selected before.
    fn insert(&self, from: (&str, &str), terms: &Terms) -> rusqlite::Result<usize> {
        self.connection().prepare(&insertion(from, terms))?.execute(params_from_iter(&terms.values))
    }
}

fn terms_of(range: &PlaceRange, partition: i32, group: Option<&str>) -> Terms {
    let mut terms = Terms::default();
    terms.bound("f.topic_id = ?", range.topic.0);
    terms.bound("f.partition = ?", i64::from(partition));
    terms.bound_if(sql::OF_GROUP, group.map(str::to_owned));
    terms.within(range.bounds);
    terms
}

fn insertion(from: (&str, &str), terms: &Terms) -> String {
    let (index, with) = from;
    format!("{} INDEXED BY {index} {with} WHERE 1{}", sql::SELECT_FROM, terms.text)
}

/// The connection has to write its own table; of the journal it changes nothing, whatever the statement.
fn only_the_selection(context: AuthContext<'_>) -> Authorization {
    let writes = matches!(context.action, AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. });
    if writes && context.database_name != Some("temp") { Authorization::Deny } else { Authorization::Allow }
}

#[cfg(test)]
mod tests;
