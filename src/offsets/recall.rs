//! What is asked of the journal about a group: the trait that this module calls.

use std::collections::BTreeMap;

use crate::record::{NextOffset, Offset, Topic};

/// The open entries of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenErrors {
    pub count: u64,
    /// The lowest offset of them.
    pub oldest: Offset,
}

/// Something that a receiver missed while it was down, and still misses: so many events, at most, of what lies in `from..to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedRange {
    pub receiver: String,
    pub from: NextOffset,
    pub to: NextOffset,
    pub events: u64,
}

/// Where an entry's record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPlace {
    pub group: String,
    pub topic: Topic,
    pub partition: i32,
    pub offset: Offset,
}

/// The journal, as far as groups and offsets go.
pub trait Recall {
    type Error;

    /// The open entries of a group, by partition; partitions without any are left out.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn open_errors(&self, group: &str, topic: &Topic) -> Result<BTreeMap<i32, OpenErrors>, Self::Error>;

    /// What receivers of a group still miss, by partition; ascending for each of them. Partitions of which nothing is missed are left out.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn missed(&self, group: &str, topic: &Topic) -> Result<BTreeMap<i32, Vec<MissedRange>>, Self::Error>;

    /// Where the journal saw the group last in a partition; `None`: never.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn progress(&self, group: &str, topic: &Topic, partition: i32) -> Result<Option<NextOffset>, Self::Error>;

    /// Where an entry's record is; `None`: there is no such entry.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn entry(&self, id: i64) -> Result<Option<EntryPlace>, Self::Error>;
}
