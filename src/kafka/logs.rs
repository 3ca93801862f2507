//! What the brokers say of partitions before they are read for a group that is not joined: where their logs begin and end, and what the
//! group has committed.

use std::time::Duration;

use rdkafka::Offset as RawOffset;
use rdkafka::consumer::BaseConsumer;

use crate::engine::stop::StopToken;
use crate::kafka::cluster::{self, Cluster, ClusterError};
use crate::kafka::connection::Connection;
use crate::kafka::reading::Quiet;
use crate::kafka::reading::looking::{self, Wanted};
use crate::offsets::first_ms;
use crate::record::{NextOffset, Slot};

/// One partition's log, seen by a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLog {
    /// The first offset that it still has.
    pub low: NextOffset,
    /// The end of what may be read: the last stable offset.
    pub end: NextOffset,
    pub committed: Option<NextOffset>,
    /// Of the topic.
    pub uuid: Option<String>,
}

/// A cluster, and the logs on it as a group sees them.
pub struct Logs {
    cluster: Cluster,
    consumer: BaseConsumer<Quiet>,
}

impl Logs {
    /// Waits for the first answer of a broker; `None` when the run was asked to stop meanwhile.
    ///
    /// # Errors
    /// As [`Cluster::connect`].
    pub fn open(connection: &Connection, group: &str, within: Duration, stop: &StopToken) -> Result<Option<Self>, ClusterError> {
        let Some(cluster) = Cluster::connect(connection, within, stop)? else { return Ok(None) };
        let consumer = connection.member_of(group).create_with_context(Quiet).map_err(|error| ClusterError::Request {
            what: "the Kafka consumer cannot be made".to_owned(),
            message: error.to_string(),
        })?;
        Ok(Some(Self { cluster, consumer }))
    }

    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Each partition on its own, in the order of `of`: what is wrong with one is its error.
    #[must_use]
    pub fn look(&self, of: &[(&str, i32)]) -> Vec<Result<PartitionLog, String>> {
        let nowhere = Slot { index: 0, epoch: 0 };
        let wanted: Vec<Wanted> = of
            .iter()
            .map(|(topic, partition)| Wanted { slot: nowhere, topic: (*topic).to_owned(), partition: *partition })
            .collect();
        let seen = looking::look(&self.consumer, &wanted, None).into_iter();
        seen.map(|seen| {
            let seen = seen.map_err(|unseen| unseen.to_string())?;
            let committed = seen.committed.map(|committed| committed.next);
            Ok(PartitionLog { low: seen.low, end: seen.end, committed, uuid: seen.uuid })
        })
        .collect()
    }

    /// The first record at or after a time, for each partition in the order of `of`; `None`: there is none.
    ///
    /// # Errors
    /// When a broker does not answer.
    pub fn at(&self, of: &[(&str, i32)], time: jiff::Timestamp) -> Result<Vec<Option<NextOffset>>, ClusterError> {
        let failed = |message: String| ClusterError::Request { what: "no broker says which offset a time has".to_owned(), message };
        let answers = cluster::list_offsets(&self.consumer, of, RawOffset::Offset(first_ms(time))).map_err(failed)?;
        let answer = |(topic, partition): &(&str, i32)| {
            let found = answers.iter().find(|at| at.topic == *topic && at.partition == *partition);
            let found = found.ok_or_else(|| failed(format!("nothing is said of {topic}/{partition}")))?;
            found.error.map_err(|error| failed(format!("{topic}/{partition}: {error}")))?;
            Ok(NextOffset::new(found.offset))
        };
        of.iter().map(answer).collect()
    }
}
