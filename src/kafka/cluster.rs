//! Questions to the cluster: which topics there are, what a group has committed, where a log begins and ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use crate::engine::stop::StopToken;
use crate::kafka::choice::INTERNAL;
use crate::kafka::connection::Connection;
use crate::kafka::native::{self, At};

/// A question's answer takes at most this long.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// How often the first answer's waiting looks whether the run was asked to stop.
const LOOK_AROUND: Duration = Duration::from_millis(100);

/// The cluster did not answer, or not as hoped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClusterError {
    #[error("no broker at {bootstrap} answered within {} s", after.as_secs())]
    Unreachable { bootstrap: String, after: Duration, last: Option<String> },
    #[error("the Kafka properties do not go together: {message}")]
    Properties { message: String },
    #[error("{what}: {message}")]
    Request { what: String, message: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    pub name: String,
    pub partitions: usize,
}

/// A short-lived client for questions. One for each command.
pub struct Cluster {
    client: BaseConsumer<LastError>,
    id: String,
}

/// Remembers what the client library complained about last.
#[derive(Clone, Default)]
struct LastError(Arc<Mutex<Option<String>>>);

impl ClientContext for LastError {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", "{facility} {message}");
    }

    fn error(&self, _: KafkaError, reason: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(plain_reason(reason).to_owned());
    }
}

impl ConsumerContext for LastError {}

impl Cluster {
    /// Waits for the first answer of a broker; `None` when the run was asked to stop meanwhile.
    ///
    /// # Errors
    /// When there is none `within` that time, with what the client library said last.
    pub fn connect(connection: &Connection, within: Duration, stop: &StopToken) -> Result<Option<Self>, ClusterError> {
        let last = LastError::default();
        let client: BaseConsumer<LastError> = connection
            .client()
            .create_with_context(last.clone())
            .map_err(|error| ClusterError::Properties { message: error.to_string() })?;
        let deadline = Instant::now() + within;
        while stop.level().is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(id) = client.client().fetch_cluster_id(left.min(LOOK_AROUND)) {
                return Ok(Some(Self { client, id }));
            }
            while client.poll(Duration::ZERO).is_some() {}
            if left.is_zero() {
                let last = last.0.lock().unwrap_or_else(PoisonError::into_inner).take();
                return Err(ClusterError::Unreachable { bootstrap: connection.bootstrap().to_owned(), after: within, last });
            }
        }
        Ok(None)
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// One topic; `None` when there is none of this name.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn topic(&self, name: &str) -> Result<Option<TopicInfo>, ClusterError> {
        let found = self.metadata(Some(name))?;
        Ok(found.into_iter().find(|topic| topic.name == name && topic.partitions > 0))
    }

    /// All topics but Kafka's own.
    ///
    /// # Errors
    /// As [`Cluster::topic`].
    pub fn topics(&self) -> Result<Vec<TopicInfo>, ClusterError> {
        let mut topics = self.metadata(None)?;
        topics.retain(|topic| !topic.name.starts_with(INTERNAL));
        Ok(topics)
    }

    fn metadata(&self, topic: Option<&str>) -> Result<Vec<TopicInfo>, ClusterError> {
        let metadata = self.client.fetch_metadata(topic, ANSWER).map_err(|error| ClusterError::Request {
            what: "the broker does not list its topics".into(),
            message: error.to_string(),
        })?;
        let topics = metadata.topics().iter();
        Ok(topics.map(|topic| TopicInfo { name: topic.name().to_owned(), partitions: topic.partitions().len() }).collect())
    }
}

/// What the client library says of a broker, without what it adds for itself: `(after 0ms in state CONNECT, 1 identical error(s) suppressed)`.
pub(super) fn plain_reason(reason: &str) -> &str {
    reason.rsplit_once(" (after ").filter(|(_, added)| added.ends_with(')')).map_or(reason, |(plain, _)| plain)
}

/// What the client's group has committed, one element for each partition asked for; `offset` is negative where it is nothing. What is
/// wrong with one partition is its element's error.
pub(super) fn committed<C: ConsumerContext>(consumer: &BaseConsumer<C>, of: &[(&str, i32)]) -> Result<Vec<At>, String> {
    let answer = consumer.committed_offsets(list(of, Offset::Invalid)?, ANSWER).map_err(|error| error.to_string())?;
    Ok(native::elements(&answer))
}

/// Where logs begin or end ([`Offset::Beginning`], [`Offset::End`]: the last stable offset), or the first record at or after a time
/// ([`Offset::Offset`] in milliseconds; negative when there is none). All leaders are asked at once, and each must answer.
pub(super) fn list_offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    of: &[(&str, i32)],
    spec: Offset,
) -> Result<Vec<At>, String> {
    let answer = consumer.offsets_for_times(list(of, spec)?, ANSWER).map_err(|error| error.to_string())?;
    Ok(native::elements(&answer))
}

fn list(of: &[(&str, i32)], offset: Offset) -> Result<TopicPartitionList, String> {
    let mut list = TopicPartitionList::with_capacity(of.len());
    for (topic, partition) in of {
        list.add_partition_offset(topic, *partition, offset).map_err(|error| error.to_string())?;
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_library_adds_for_itself_is_left_out() {
        let refused = "127.0.0.1:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused";
        for added in [" (after 0ms in state CONNECT)", " (after 3ms in state CONNECT, 30 identical error(s) suppressed)", ""] {
            assert_eq!(plain_reason(&format!("{refused}{added}")), refused);
        }
        assert_eq!(plain_reason("gave up (after all) as it seems"), "gave up (after all) as it seems");
    }
}
