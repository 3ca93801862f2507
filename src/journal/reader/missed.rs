//! What receivers of a group still miss of a partition, and whether somebody delivers it; and of all together.

use crate::engine::detached::Range;
use crate::journal::holders::Holders;
use crate::journal::reader::{ReadError, Reader, TopicRow};
use crate::journal::sql;
use crate::journal::writer::deferred::missed_of;
use crate::record::NextOffset;

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

/// All that a receiver of a group still misses, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedInAll {
    pub group: String,
    pub receiver: String,
    pub ranges: u64,
    /// At most.
    pub events: u64,
    /// Where the first of it lies: topic, partition, and the offsets of that range.
    pub first: (String, i32, Range),
}

impl Reader {
    /// Who misses something, whatever is being done about it. Open ranges are few.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn all_missed(&self) -> Result<Vec<MissedInAll>, ReadError> {
        let read = || {
            if !self.knows_missed()? {
                return Ok(Vec::new());
            }
            let mut all: Vec<MissedInAll> = Vec::new();
            let mut select = self.connection.prepare_cached(sql::ALL_MISSED)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let offset = |at| Ok::<_, rusqlite::Error>(NextOffset::new(row.get(at)?).unwrap_or(NextOffset::ZERO));
                let (group, receiver, events) = (row.get(0)?, row.get(1)?, row.get::<_, i64>(6)?.max(0).cast_unsigned());
                match all.last_mut().filter(|last| last.group == group && last.receiver == receiver) {
                    Some(last) => (last.ranges, last.events) = (last.ranges + 1, last.events.saturating_add(events)),
                    None => {
                        let range = Range { from: offset(4)?, to: offset(5)? };
                        all.push(MissedInAll { group, receiver, ranges: 1, events, first: (row.get(2)?, row.get(3)?, range) });
                    }
                }
            }
            Ok(all)
        };
        read().map_err(|error| self.failed(error))
    }

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
