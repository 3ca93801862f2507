//! What receivers of a group still miss of a partition, and whether somebody delivers it.

use crate::engine::detached::Range;
use crate::journal::holders::Holders;
use crate::journal::reader::{ReadError, Reader, TopicRow};
use crate::journal::writer::deferred::missed_of;

/// The first schema of the journal that knows what receivers missed.
pub(in crate::journal) const SINCE_VERSION: i64 = 3;

/// What a receiver missed and nobody has delivered since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedOf {
    pub receiver: String,
    pub range: Range,
    /// At most.
    pub events: u64,
    /// A run that lives delivers it.
    pub is_held: bool,
}

impl Reader {
    /// Ascending for each receiver.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn missed_of(&self, group: &str, topic: TopicRow, partition: i32) -> Result<Vec<MissedOf>, ReadError> {
        let read = || {
            if !self.knows_missed()? {
                return Ok(Vec::new());
            }
            let holders = Holders::now(&self.connection);
            let mut all = Vec::new();
            for row in missed_of(&self.connection, group, (topic.0, partition))? {
                let is_held = row.holder.map_or(Ok(false), |holder| holders.hold(holder))?;
                let (receiver, range) = (row.missed.receiver, row.missed.range);
                all.push(MissedOf { receiver, range, events: row.events, is_held });
            }
            Ok(all)
        };
        read().map_err(|error| self.failed(error))
    }

    pub(super) fn knows_missed(&self) -> rusqlite::Result<bool> {
        Ok(self.connection.pragma_query_value::<i64, _>(None, "user_version", |row| row.get(0))? >= SINCE_VERSION)
    }
}
