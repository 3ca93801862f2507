//! What is taken out of a selection before the replay begins, each time counted: what is left is what will be delivered.

use std::collections::BTreeSet;

use crate::journal::reader::{ReadError, TopicRow};
use crate::journal::selected::Selected;
use crate::journal::sql;
use crate::record::NextOffset;

impl Selected {
    /// True when nothing is selected.
    ///
    /// # Errors
    /// When the selection cannot be read.
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        let empty = self.connection().query_row(sql::NOTHING_SELECTED, [], |row| row.get(0));
        empty.map_err(|error| self.failed(error))
    }

    /// The groups that the selected entries are of, in their order.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn groups(&self) -> Result<Vec<String>, ReadError> {
        let names = self.selected_places().map_err(|error| self.failed(error))?;
        Ok(names.into_iter().map(|(group, _)| group).collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// Takes out what was resolved when it was selected: whoever it is for has it.
    ///
    /// # Errors
    /// When the selection cannot be written.
    pub fn drop_resolved(&mut self) -> Result<u64, ReadError> {
        self.drop_by(sql::DROP_RESOLVED, [])
    }

    /// Takes out the entries of all other receivers, and says how many there were of each. Those before `receive` have none, and stay.
    ///
    /// # Errors
    /// When the selection cannot be written.
    pub fn keep_receivers<N: AsRef<str>>(&mut self, names: &[N]) -> Result<Vec<(String, u64)>, ReadError> {
        let places = self.selected_places().map_err(|error| self.failed(error))?;
        let receivers: BTreeSet<String> = places.into_iter().filter_map(|(_, receiver)| receiver).collect();
        let others = receivers.into_iter().filter(|of| !names.iter().any(|name| name.as_ref() == of));
        others.map(|receiver| Ok((receiver.clone(), self.drop_by(sql::DROP_RECEIVER, [receiver])?))).collect()
    }

    /// Takes out what lies at or above a position of a partition.
    ///
    /// # Errors
    /// When the selection cannot be written.
    pub fn drop_from(&mut self, topic: TopicRow, partition: i32, position: NextOffset) -> Result<u64, ReadError> {
        self.drop_by(sql::DROP_FROM, (topic.0, partition, position.get()))
    }

    fn drop_by(&self, statement: &str, values: impl rusqlite::Params) -> Result<u64, ReadError> {
        self.connection().execute(statement, values).map(|count| count as u64).map_err(|error| self.failed(error))
    }

    /// Group and receiver of each place that something selected failed at.
    fn selected_places(&self) -> rusqlite::Result<Vec<(String, Option<String>)>> {
        let mut select = self.connection().prepare(sql::SELECTED_PLACES)?;
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }
}
