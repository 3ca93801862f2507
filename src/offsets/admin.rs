//! What is asked of the brokers about consumer groups and their offsets: the trait that this module calls.
//!
//! Each answer is for one partition or one group: what is wrong with one says nothing about the others.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use crate::record::{NextOffset, Topic};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// How a group shares its partitions out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    Classic,
    /// KIP-848.
    Consumer,
    /// KIP-932: it has no committed offsets of partitions.
    Share,
    /// Another one, in Kafka's words.
    Other(String),
}

/// A group as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    pub group: String,
    pub protocol: GroupProtocol,
    /// As Kafka's tools call it: `Empty`, `Stable`, …
    pub state: String,
}

/// A group as its coordinator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    pub protocol: GroupProtocol,
    /// As Kafka's tools call it; `Dead` for a group that is not there.
    pub state: String,
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    pub id: String,
    /// `group.instance.id`
    pub static_id: Option<String>,
    pub client_id: String,
    pub host: String,
    pub assigned: Vec<TopicPartition>,
}

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    pub at: TopicPartition,
    pub next: NextOffset,
    /// Empty when there is none.
    pub metadata: String,
    pub leader_epoch: Option<i32>,
}

/// Where a partition's log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// The first offset that the log still has.
    pub start: NextOffset,
    /// The end as `kafka-consumer-groups.sh` has it: behind the last record, whether or not its transaction is over.
    pub end: NextOffset,
}

/// The brokers did not answer, or refused, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {message}")]
pub struct AdminError {
    /// What was asked: `the group shop cannot be described`.
    pub what: String,
    pub message: String,
}

/// What the brokers said of one partition.
pub type Answered<T> = Vec<(TopicPartition, Result<T, String>)>;

/// The brokers, as far as groups and offsets go. Every call blocks until it is answered or out of time.
pub trait GroupAdmin {
    /// All groups that we may see, share groups among them.
    ///
    /// # Errors
    /// When no broker answers.
    fn groups(&self) -> Result<Vec<GroupListing>, AdminError>;

    /// One group; one that is not there is `Dead`.
    ///
    /// # Errors
    /// When its coordinator does not answer, or refuses.
    fn describe(&self, group: &str) -> Result<GroupView, AdminError>;

    /// All that a group has committed, in the order of topics and partitions.
    ///
    /// # Errors
    /// As `describe`.
    fn committed(&self, group: &str) -> Result<Vec<GroupOffset>, AdminError>;

    /// The numbers of a topic's partitions; `None` when there is no such topic.
    ///
    /// # Errors
    /// When no broker answers.
    fn partitions(&self, topic: &str) -> Result<Option<Vec<i32>>, AdminError>;

    /// Where logs begin and end.
    ///
    /// # Errors
    /// When no broker answers.
    fn bounds(&self, of: &[TopicPartition]) -> Result<Answered<LogBounds>, AdminError>;

    /// The offset of the first record at or after a time; `None`: there is none.
    ///
    /// # Errors
    /// When no broker answers.
    fn at_time(&self, of: &[TopicPartition], time: Timestamp) -> Result<Answered<Option<NextOffset>>, AdminError>;

    /// How long a topic keeps its records; `None`: without a limit of time, or nobody says.
    fn kept_for(&self, topic: &str) -> Option<Duration>;

    /// When records were written, each the first at or after its offset, in the order of `of`: milliseconds since 1970. `None`: there is
    /// none, or nobody says within a few seconds.
    fn written_at(&self, of: &[(TopicPartition, NextOffset)]) -> Vec<Option<i64>>;

    /// Commits for the group, which must have no members.
    ///
    /// # Errors
    /// When the coordinator does not answer, or refuses all of it.
    fn alter(&self, group: &str, to: &[GroupOffset]) -> Result<Answered<()>, AdminError>;

    /// Takes what the group has committed for these partitions away.
    ///
    /// # Errors
    /// As `alter`.
    fn forget(&self, group: &str, of: &[TopicPartition]) -> Result<Answered<()>, AdminError>;

    /// The topics as a journal names them, in the order of `names`; `None` where there is none of this name.
    ///
    /// # Errors
    /// When no broker answers.
    fn identities(&self, names: &[&str]) -> Result<Vec<Option<Topic>>, AdminError>;

    /// All topics that we may see, but Kafka's own: for who mistypes one.
    ///
    /// # Errors
    /// When no broker answers.
    fn topic_names(&self) -> Result<Vec<String>, AdminError>;
}
