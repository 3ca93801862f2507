//! Questions to the cluster: which topics there are, what a group has committed, where a log begins and ends.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use crate::engine::stop::StopToken;
use crate::kafka::choice::INTERNAL;
use crate::kafka::connecting::{Complaints, first_answer};
use crate::kafka::connection::Connection;
use crate::kafka::diagnosis::{Diagnosis, Outlook};
use crate::kafka::native::{self, At, describe};
use crate::kafka::unusable::unusable;

/// A question's answer takes at most this long.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// The cluster did not answer, or not as hoped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// `why`: what is wrong with each broker that something is known of, the worst first.
    #[error("{}", unreachable(bootstrap, *after, why))]
    Unreachable { bootstrap: String, after: Duration, why: Vec<Diagnosis> },
    #[error("the Kafka properties do not go together: {}", .0.problem)]
    Properties(Diagnosis),
    #[error("the user of this connection may not see the topic {topic}")]
    Forbidden { topic: String },
    #[error("{what}: {message}")]
    Request { what: String, message: String },
}

fn unreachable(bootstrap: &str, after: Duration, why: &[Diagnosis]) -> String {
    match why.first() {
        Some(worst) if worst.outlook < Outlook::Open => format!("no broker at {bootstrap} can be used: {}", worst.problem),
        Some(worst) => format!("no broker at {bootstrap} answered within {} s: {}", after.as_secs(), worst.problem),
        None => format!("no broker at {bootstrap} answered within {} s", after.as_secs()),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    pub name: String,
    pub partitions: usize,
}

/// A topic to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetTopic {
    pub name: String,
    pub partitions: usize,
    /// In bytes; `None` where we may not know.
    pub largest_batch: Option<usize>,
}

/// A short-lived client for questions. One for each command.
pub struct Cluster {
    client: BaseConsumer<Complaints>,
    id: String,
}

impl Cluster {
    /// Waits for the first answer of a broker; `None` when the run was asked to stop meanwhile.
    ///
    /// # Errors
    /// When there is none `within` that time, or none can be hoped for, with what is wrong.
    pub fn connect(connection: &Connection, within: Duration, stop: &StopToken) -> Result<Option<Self>, ClusterError> {
        Self::with(&connection.client(), connection, within, stop)
    }

    /// As [`Cluster::connect`], with a configuration that is more than the connection's own.
    pub(super) fn with(
        config: &ClientConfig,
        connection: &Connection,
        within: Duration,
        stop: &StopToken,
    ) -> Result<Option<Self>, ClusterError> {
        let client: BaseConsumer<Complaints> = config
            .create_with_context(Complaints::default())
            .map_err(|error| ClusterError::Properties(unusable(&error.to_string(), &connection.manner())))?;
        let id = first_answer(&client, connection, within, stop)?;
        Ok(id.map(|id| Self { client, id }))
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn client(&self) -> &Client<Complaints> {
        self.client.client()
    }

    /// Lets a time go by, and serves the client meanwhile.
    pub(super) fn wait(&self, time: Duration) {
        drop(self.client.poll(time));
    }

    /// One topic; `None` when there is none of this name.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn topic(&self, name: &str) -> Result<Option<TopicInfo>, ClusterError> {
        let metadata = self.metadata(Some(name))?;
        let forbidden = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        if metadata.topics().iter().any(|topic| topic.error() == Some(forbidden)) {
            return Err(ClusterError::Forbidden { topic: name.to_owned() });
        }
        let found = topics_of(&metadata);
        Ok(found.into_iter().find(|topic| topic.name == name && topic.partitions > 0))
    }

    /// One topic, to be written; `None` when there is none of this name.
    ///
    /// # Errors
    /// As [`Cluster::topic`].
    pub fn target(&self, name: &str) -> Result<Option<TargetTopic>, ClusterError> {
        let Some(TopicInfo { name, partitions }) = self.topic(name)? else { return Ok(None) };
        let broker = a_broker(&self.metadata(Some(&name))?);
        let settings = describe::settings(self.client.client(), &name, broker)
            .inspect_err(|error| tracing::debug!(topic = name, error, "it is not known what a topic takes"));
        let largest_batch = settings.ok().and_then(|settings| describe::largest_batch(&settings));
        Ok(Some(TargetTopic { name, partitions, largest_batch }))
    }

    /// All topics but Kafka's own.
    ///
    /// # Errors
    /// As [`Cluster::topic`].
    pub fn topics(&self) -> Result<Vec<TopicInfo>, ClusterError> {
        let mut topics = topics_of(&self.metadata(None)?);
        topics.retain(|topic| !topic.name.starts_with(INTERNAL));
        Ok(topics)
    }

    pub(super) fn metadata(&self, topic: Option<&str>) -> Result<Metadata, ClusterError> {
        self.client.fetch_metadata(topic, ANSWER).map_err(|error| ClusterError::Request {
            what: "the broker does not list its topics".into(),
            message: error.to_string(),
        })
    }
}

/// A broker that may be asked by its number. The one that answered may still be nameless: the client library has not learned yet who it
/// is that listens at the address of the beginning.
pub(super) fn a_broker(metadata: &Metadata) -> i32 {
    let answered = metadata.orig_broker_id();
    if answered >= 0 { answered } else { metadata.brokers().first().map_or(answered, |broker| broker.id()) }
}

fn topics_of(metadata: &Metadata) -> Vec<TopicInfo> {
    let topics = metadata.topics().iter();
    topics.map(|topic| TopicInfo { name: topic.name().to_owned(), partitions: topic.partitions().len() }).collect()
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
