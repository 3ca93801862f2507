//! A client that asks a cluster all that `redrive doctor` wants to know. It joins no group, commits nothing and makes no topic.
//!
//! Which requests a broker takes is nowhere in the client library's interface: it is read from the lines that the library logs about it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::util::get_rdkafka_version;

use crate::kafka::cluster::{ANSWER, committed, list_offsets};
use crate::kafka::complaint::shown;
use crate::kafka::connection::Connection;
use crate::kafka::native::At;
use crate::kafka::native::describe::{self, ClusterDescription, TopicDescription};
use crate::kafka::native::groups::{self, GroupDescription};
use crate::kafka::native::offsets::{Point, log_offsets};
use crate::secrets::masked;

/// How long the lines about a broker's requests may take, once it has answered.
const LINES: Duration = Duration::from_secs(1);
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// Asks one cluster. One for each command.
pub struct Examiner {
    client: BaseConsumer<Listener>,
    listener: Listener,
    /// A broker that has answered.
    broker: i32,
}

/// A request that brokers of some versions take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// KIP-848: the group protocol without a stop of the world.
    ConsumerGroupHeartbeat = 68,
    /// KIP-496: a group can be made to forget an offset.
    OffsetDelete = 47,
    /// KIP-932: share groups.
    ShareGroupHeartbeat = 76,
}

/// A partition as its broker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFacts {
    pub topic: String,
    pub partition: i32,
    /// `None`: none, so it can be neither read nor written.
    pub leader: Option<i32>,
}

/// Where a group stands in a partition. `None`: nothing, or nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub topic: String,
    pub partition: i32,
    pub committed: Option<i64>,
    pub low: Option<i64>,
    pub end: Option<i64>,
}

/// Hears what the client library logs about the requests that brokers take.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<BTreeMap<i16, i16>>>);

impl ClientContext for Listener {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        match api(message) {
            Some((key, highest)) => {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, highest);
            }
            None => tracing::debug!(target: "librdkafka", "{}", shown(facility, message)),
        }
    }

    fn error(&self, _: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", "{}", masked(reason));
    }
}

impl ConsumerContext for Listener {}

/// `…  ApiKey ConsumerGroupHeartbeat (68) Versions 0..1`: the number, and the highest version.
fn api(line: &str) -> Option<(i16, i16)> {
    let (_, rest) = line.split_once("  ApiKey ")?;
    let (key, rest) = rest.split_once('(')?.1.split_once(") Versions ")?;
    Some((key.parse().ok()?, rest.split_once("..")?.1.trim().parse().ok()?))
}

impl Examiner {
    /// For a cluster that answers. `group`: the one whose offsets are asked for.
    ///
    /// # Errors
    /// When no broker answers after all.
    pub fn connect(connection: &Connection, group: Option<&str>) -> Result<Self, String> {
        let listener = Listener::default();
        let mut config = connection.client();
        config.set("debug", "feature").set_log_level(RDKafkaLogLevel::Debug);
        config.set("group.id", group.unwrap_or("redrive-doctor"));
        let client: BaseConsumer<Listener> = config.create_with_context(listener.clone()).map_err(|error| error.to_string())?;
        let metadata = client.fetch_metadata(None, ANSWER).map_err(|error| error.to_string())?;
        let broker = metadata.brokers().first().map(rdkafka::metadata::MetadataBroker::id).ok_or("it names no broker")?;
        Ok(Self { client, listener, broker })
    }

    /// Of the client library.
    #[must_use]
    pub fn library_version() -> String {
        get_rdkafka_version().1
    }

    /// How long a small question takes, there and back.
    ///
    /// # Errors
    /// When it is not answered.
    pub fn round_trip(&self) -> Result<Duration, String> {
        let asked_at = Instant::now();
        self.client.fetch_metadata(Some("redrive-doctor"), ANSWER).map_err(|error| error.to_string())?;
        Ok(asked_at.elapsed())
    }

    /// Whether the broker takes a request; `None` when nobody knows.
    #[must_use]
    pub fn takes(&self, request: Request) -> Option<bool> {
        let deadline = Instant::now() + LINES;
        loop {
            // What is logged waits in the client's queue.
            while self.client.poll(Duration::ZERO).is_some() {}
            let known = self.listener.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !known.is_empty() || Instant::now() >= deadline {
                return (!known.is_empty()).then(|| known.contains_key(&(request as i16)));
            }
            drop(known);
            drop(self.client.poll(LOOK_AROUND));
        }
    }

    /// # Errors
    /// When the broker does not say.
    pub fn cluster(&self) -> Result<ClusterDescription, String> {
        Ok(describe::cluster(self.client.client(), self.broker)?)
    }

    /// # Errors
    /// When the broker does not say.
    pub fn topics(&self, names: &[&str]) -> Result<Vec<TopicDescription>, String> {
        Ok(describe::topics(self.client.client(), names, self.broker)?)
    }

    /// # Errors
    /// When its coordinator cannot be found, or refuses.
    pub fn group(&self, name: &str) -> Result<GroupDescription, String> {
        Ok(groups::describe(self.client.client(), name)?)
    }

    /// All topics that we may see, Kafka's own among them.
    ///
    /// # Errors
    /// When the broker does not say.
    pub fn topic_names(&self) -> Result<Vec<String>, String> {
        let metadata = self.client.fetch_metadata(None, ANSWER).map_err(|error| error.to_string())?;
        Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
    }

    /// The partitions of topics, in order.
    ///
    /// # Errors
    /// When the broker does not say.
    pub fn partitions(&self, topics: &[&str]) -> Result<Vec<PartitionFacts>, String> {
        let mut facts = Vec::new();
        for topic in topics {
            let metadata = self.client.fetch_metadata(Some(topic), ANSWER).map_err(|error| error.to_string())?;
            for found in metadata.topics() {
                facts.extend(found.partitions().iter().map(|partition| PartitionFacts {
                    topic: found.name().to_owned(),
                    partition: partition.id(),
                    leader: Some(partition.leader()).filter(|id| *id >= 0),
                }));
            }
        }
        facts.sort_by(|one, other| (&one.topic, one.partition).cmp(&(&other.topic, other.partition)));
        Ok(facts)
    }

    /// Where the logs begin and end.
    ///
    /// # Errors
    /// When a leader does not answer.
    pub fn logs(&self, of: &[(&str, i32)]) -> Result<Vec<Standing>, String> {
        let lows = list_offsets(&self.client, of, Offset::Beginning)?;
        let ends = list_offsets(&self.client, of, Offset::End)?;
        Ok(standings(of, &lows, &ends))
    }

    /// What the group of [`Examiner::connect`] has committed, put into what is known of the logs.
    ///
    /// # Errors
    /// When its coordinator does not answer, or refuses.
    pub fn committed(&self, logs: &mut [Standing]) -> Result<(), String> {
        let of: Vec<_> = logs.iter().map(|log| (log.topic.clone(), log.partition)).collect();
        let of: Vec<_> = of.iter().map(|(topic, partition)| (topic.as_str(), *partition)).collect();
        let answers = committed(&self.client, &of)?;
        if let Some(error) = answers.iter().find_map(|at| at.error.err()) {
            return Err(error.to_string());
        }
        for log in logs {
            log.committed = offset(&answers, &log.topic, log.partition);
        }
        Ok(())
    }

    /// The highest timestamp of each partition's records: topic, partition, milliseconds since 1970.
    ///
    /// # Errors
    /// When a leader does not answer, or is too old to know.
    pub fn newest(&self, of: &[(&str, i32)]) -> Result<Vec<(String, i32, i64)>, String> {
        let found = log_offsets(self.client.client(), of, Point::Newest)?.into_iter();
        let with_records = found.filter(|(place, at_ms)| place.refusal.is_none() && *at_ms >= 0);
        Ok(with_records.map(|(place, at_ms)| (place.topic, place.partition, at_ms)).collect())
    }
}

fn standings(of: &[(&str, i32)], lows: &[At], ends: &[At]) -> Vec<Standing> {
    let standing = |&(topic, partition): &(&str, i32)| Standing {
        topic: topic.to_owned(),
        partition,
        committed: None,
        low: offset(lows, topic, partition),
        end: offset(ends, topic, partition),
    };
    of.iter().map(standing).collect()
}

fn offset(answers: &[At], topic: &str, partition: i32) -> Option<i64> {
    let found = answers.iter().find(|at| at.topic == topic && at.partition == partition)?;
    Some(found.offset).filter(|offset| *offset >= 0 && found.error.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_librarys_lines_say_what_a_broker_takes() {
        let line = "[thrd:127.0.0.1:9092/bootstrap]: 127.0.0.1:9092/1:   ApiKey ConsumerGroupHeartbeat (68) Versions 0..1";
        assert_eq!(api(line), Some((68, 1)));
        assert_eq!(api("x:   ApiKey Unknown-99? (99) Versions 0..3"), Some((99, 3)));
        for other in ["", "  ApiKey x", "  ApiKey x (1) Versions", "Feature ApiVersion: x (0..3) supported by broker"] {
            assert_eq!(api(other), None, "{other}");
        }
    }
}
