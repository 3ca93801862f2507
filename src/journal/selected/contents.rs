//! What is selected: counted, for a plan; by partition, and row by row in the order of offsets, for the replay itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::OptionalExtension as _;

use crate::failure::Stage;
use crate::journal::items::FailureState;
use crate::journal::reader::known::{known_topic, reached};
use crate::journal::reader::rows::word;
use crate::journal::reader::{ReadError, TopicRow};
use crate::journal::selected::Selected;
use crate::journal::sql;
use crate::record::{NextOffset, Offset, Topic};

/// Entries of one partition, stage, receiver and code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedEntries {
    pub topic: Arc<Topic>,
    pub partition: i32,
    pub stage: Stage,
    /// `None` before `receive`.
    pub receiver: Option<String>,
    pub code: String,
    pub count: u64,
    pub first: Offset,
    pub last: Offset,
    /// Of the records at `first` and `last`, in milliseconds since 1970; `None`: they have none.
    pub first_ms: Option<i64>,
    pub last_ms: Option<i64>,
    /// Those below the highest offset that the group's progress ever reached in the partition.
    pub late: u64,
}

/// A partition of which something is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedPartition {
    pub row: TopicRow,
    /// The same value for all partitions of a topic.
    pub topic: Arc<Topic>,
    pub number: i32,
    pub first: Offset,
    /// Behind the last one.
    pub end: NextOffset,
    /// Of entries; a record may have several.
    pub count: u64,
}

/// One entry, as it was when it was selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedRow {
    pub id: i64,
    pub offset: Offset,
    pub state: FailureState,
    pub stage: Stage,
    /// `None` before `receive`. The same value for all rows of one page.
    pub receiver: Option<Arc<str>>,
    /// The journal has the record's bytes.
    pub has_payload: bool,
}

/// Stage and receiver of a row of `place`.
type Where = (Stage, Option<Arc<str>>);
/// What the counts of a partition are kept by: entries of different messages may have the same code.
type Counted = BTreeMap<(Stage, Option<Arc<str>>, String), Sum>;

struct Sum {
    count: u64,
    first: i64,
    last: i64,
    late: u64,
}

impl Selected {
    /// The selected entries, counted; by topic, partition, stage, receiver and code, in that order.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn entries(&self) -> Result<Vec<SelectedEntries>, ReadError> {
        let groups = self.groups()?;
        let read = || {
            let places = self.places()?;
            let mut entries = Vec::new();
            for partition in self.list_partitions()? {
                let counted = self.count(&partition, &groups, &places)?;
                for (key, sum) in counted {
                    entries.extend(self.entries_of(&partition, key, &sum)?);
                }
            }
            Ok(entries)
        };
        read().map_err(|error| self.failed(error))
    }

    fn count(&self, partition: &SelectedPartition, groups: &[String], places: &HashMap<i64, Where>) -> rusqlite::Result<Counted> {
        let mut select = self.connection().prepare_cached(sql::SELECTED_KINDS)?;
        let mut counted = Counted::new();
        let (topic, number) = (partition.row.0, partition.number);
        for group in groups {
            let highest = reached(self.connection(), group, (topic, number))?.highest;
            let mut rows = select.query((topic, number, group, highest.get()))?;
            while let Some(row) = rows.next()? {
                let Some((stage, receiver)) = places.get(&row.get(0)?).cloned() else { continue };
                let (first, last) = (row.get(3)?, row.get(4)?);
                let sum = counted.entry((stage, receiver, row.get(1)?)).or_insert(Sum { count: 0, first, last, late: 0 });
                sum.count += row.get::<_, i64>(2)?.cast_unsigned();
                sum.late += row.get::<_, i64>(5)?.cast_unsigned();
                (sum.first, sum.last) = (sum.first.min(first), sum.last.max(last));
            }
        }
        Ok(counted)
    }

    fn entries_of(
        &self,
        partition: &SelectedPartition,
        key: (Stage, Option<Arc<str>>, String),
        sum: &Sum,
    ) -> rusqlite::Result<Option<SelectedEntries>> {
        let (stage, receiver, code) = key;
        let mut select = self.connection().prepare_cached(sql::TIMESTAMP_AT)?;
        let mut ms = |offset: i64| {
            let found = select.query_row((partition.row.0, partition.number, offset), |row| row.get::<_, Option<i64>>(0));
            found.optional().map(Option::flatten)
        };
        let (first_ms, last_ms) = (ms(sum.first)?, ms(sum.last)?);
        let (Some(first), Some(last)) = (Offset::new(sum.first), Offset::new(sum.last)) else { return Ok(None) };
        Ok(Some(SelectedEntries {
            topic: Arc::clone(&partition.topic),
            partition: partition.number,
            stage,
            receiver: receiver.map(|receiver| receiver.to_string()),
            code,
            count: sum.count,
            first,
            last,
            first_ms,
            last_ms,
            late: sum.late,
        }))
    }

    /// The partitions of which something is selected, by topic and number.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn partitions(&self) -> Result<Vec<SelectedPartition>, ReadError> {
        self.list_partitions().map_err(|error| self.failed(error))
    }

    fn list_partitions(&self) -> rusqlite::Result<Vec<SelectedPartition>> {
        let mut select = self.connection().prepare_cached(sql::SELECTED_PARTITIONS)?;
        let mut rows = select.query([])?;
        let mut partitions = Vec::new();
        let mut topics: HashMap<i64, Arc<Topic>> = HashMap::new();
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let topic = match topics.get(&id) {
                Some(topic) => Arc::clone(topic),
                None => self.connection().query_row(sql::TOPIC_OF, [id], known_topic)?.topic,
            };
            topics.insert(id, Arc::clone(&topic));
            let (Some(first), Some(last)) = (Offset::new(row.get(2)?), Offset::new(row.get(3)?)) else { continue };
            let (number, count) = (row.get(1)?, row.get::<_, i64>(4)?.cast_unsigned());
            partitions.push(SelectedPartition { row: TopicRow(id), topic, number, first, end: last.next(), count });
        }
        partitions.sort_by(|one, other| (&one.topic.name, one.row, one.number).cmp(&(&other.topic.name, other.row, other.number)));
        Ok(partitions)
    }

    /// The rows behind `after`, in the order of offsets: at least `limit` if there are as many, and a few more where a record has
    /// several. A record's rows are never torn apart.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn rows(&self, partition: &SelectedPartition, after: Option<Offset>, limit: usize) -> Result<Vec<SelectedRow>, ReadError> {
        self.list_rows(partition, after, limit).map_err(|error| self.failed(error))
    }

    fn list_rows(&self, partition: &SelectedPartition, after: Option<Offset>, limit: usize) -> rusqlite::Result<Vec<SelectedRow>> {
        let places = self.places()?;
        let after = after.map_or(-1, Offset::get);
        let mut select = self.connection().prepare_cached(sql::SELECTED_ROWS)?;
        let mut rows = select.query((partition.row.0, partition.number, after))?;
        let mut list: Vec<SelectedRow> = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(offset) = Offset::new(row.get(1)?) else { continue };
            if list.len() >= limit && list.last().is_some_and(|last| last.offset != offset) {
                break;
            }
            let Some((stage, receiver)) = places.get(&row.get(2)?).cloned() else { continue };
            let state = word(row, 3, FailureState::from_name)?;
            list.push(SelectedRow { id: row.get(0)?, offset, state, stage, receiver, has_payload: row.get(4)? });
        }
        Ok(list)
    }

    fn places(&self) -> rusqlite::Result<HashMap<i64, Where>> {
        let mut select = self.connection().prepare_cached(sql::PLACES)?;
        let places = select.query_map([], |row| {
            let receiver: Arc<str> = row.get(3)?;
            let receiver = (!receiver.is_empty()).then_some(receiver);
            Ok((row.get(0)?, (word(row, 2, Stage::from_name)?, receiver)))
        })?;
        places.collect()
    }
}
