//! Topics of a test: made, filled, cut at the front, deleted and made again.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientConfig, TopicPartitionList};

use super::broker::Broker;
use super::producer::{self, Ending, OpenTransaction, Sample};
use super::reader::{self, Record};
use super::wait;

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

pub(crate) struct Topic<'b> {
    broker: &'b Broker,
    name: String,
    partitions: i32,
    /// What is not as the broker says.
    properties: Vec<(&'static str, String)>,
}

impl<'b> Topic<'b> {
    #[track_caller]
    pub(super) fn create(broker: &'b Broker, name: String, partitions: i32, properties: &[(&'static str, String)]) -> Self {
        let topic = Self { broker, name, partitions, properties: properties.to_vec() };
        topic.make();
        topic
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.broker.bootstrap()
    }

    /// Produces in the order given, and returns when the broker has everything.
    #[track_caller]
    pub(crate) fn produce(&self, samples: &[Sample]) {
        producer::produce(&self.broker.bootstrap(), &self.name, samples);
    }

    #[track_caller]
    pub(crate) fn produce_in_transaction(&self, samples: &[Sample], ending: Ending) {
        producer::produce_in_transaction(&self.broker.bootstrap(), &self.name, samples, ending);
    }

    /// Produces in a transaction that stays open for as long as what is returned.
    #[track_caller]
    pub(crate) fn begin_transaction(&self, samples: &[Sample]) -> OpenTransaction {
        producer::begin_transaction(&self.broker.bootstrap(), &self.name, samples)
    }

    /// All that is there now and that a reader of committed records gets, with its offset; those of a partition in their order.
    #[track_caller]
    pub(crate) fn read_committed(&self) -> Vec<(i64, Record)> {
        reader::read_committed(&self.broker.bootstrap(), &self.name, self.partitions)
    }

    /// All that is there now.
    #[track_caller]
    pub(crate) fn read(&self) -> Vec<Record> {
        reader::read(&self.broker.bootstrap(), &self.name, self.partitions)
    }

    /// As retention would: the log of `partition` starts at `offset` afterwards.
    #[track_caller]
    pub(crate) fn delete_records_below(&self, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Offset(offset)).expect("an offset");
        let answer = block_on(self.broker.admin.delete_records(&list, &options())).expect("the broker answers");
        answer.elements().iter().for_each(|element| element.error().unwrap_or_else(|error| panic!("{}: {error}", self.name)));
    }

    /// Commits for a group without members, as any other program may: with metadata of its choice, and even past the end, where
    /// Kafka's own tool puts nobody.
    #[track_caller]
    pub(crate) fn commit(&self, group: &str, (partition, offset): (i32, i64), metadata: &str) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap()).set("group.id", group);
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(&self.name, partition);
        element.set_offset(Offset::Offset(offset)).expect("an offset");
        element.set_metadata(metadata);
        consumer
            .commit(&list, CommitMode::Sync)
            .unwrap_or_else(|error| panic!("group {group} at {}/{partition}: {error}", self.name));
    }

    /// What a group has committed: offset and metadata by partition.
    #[track_caller]
    pub(crate) fn committed(&self, group: &str) -> BTreeMap<i32, (i64, String)> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap()).set("group.id", group);
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.name, 0, self.partitions - 1);
        let answer = consumer.committed_offsets(list, ANSWERS_WITHIN).unwrap_or_else(|error| panic!("group {group}: {error}"));
        let committed = answer.elements().into_iter().filter_map(|element| {
            let Offset::Offset(offset) = element.offset() else { return None };
            Some((element.partition(), (offset, element.metadata().to_owned())))
        });
        committed.collect()
    }

    /// Adds partitions until there are `count`.
    #[track_caller]
    pub(crate) fn grow_to(&self, count: usize) {
        let answer = block_on(self.broker.admin.create_partitions(&[NewPartitions::new(&self.name, count)], &options()));
        let answer = answer.expect("the broker answers");
        answer.into_iter().for_each(|result| drop(result.unwrap_or_else(|(name, error)| panic!("{name}: {error}"))));
        let is_ready = |leaders: Vec<i32>| leaders.len() == count && leaders.iter().all(|leader| *leader >= 0);
        wait::until("the partitions are there", ANSWERS_WITHIN, || is_ready(self.leaders()).then_some(()));
    }

    #[track_caller]
    pub(crate) fn delete(&self) {
        let answer = block_on(self.broker.admin.delete_topics(&[&self.name], &options())).expect("the broker answers");
        answer.into_iter().for_each(|result| drop(result.unwrap_or_else(|(name, error)| panic!("{name}: {error}"))));
        wait::until("the topic is gone", ANSWERS_WITHIN, || self.leaders().is_empty().then_some(()));
    }

    /// Deletes the topic and makes another one of the same name: its offsets begin at 0 again.
    #[track_caller]
    pub(crate) fn recreate(&self) {
        self.delete();
        self.make();
    }

    /// Makes a topic of this name, after it was deleted.
    #[track_caller]
    pub(crate) fn make(&self) {
        let new = NewTopic::new(&self.name, self.partitions, TopicReplication::Fixed(1));
        let new = self.properties.iter().fold(new, |new, (name, value)| new.set(name, value));
        let answer = block_on(self.broker.admin.create_topics(&[new], &options())).expect("the broker answers");
        answer.into_iter().for_each(|result| drop(result.unwrap_or_else(|(name, error)| panic!("{name}: {error}"))));
        let is_ready =
            |leaders: Vec<i32>| i32::try_from(leaders.len()) == Ok(self.partitions) && leaders.iter().all(|leader| *leader >= 0);
        wait::until("the topic is there", ANSWERS_WITHIN, || is_ready(self.leaders()).then_some(()));
    }

    /// The leader of each partition, as the broker tells its clients; none when there is no such topic.
    fn leaders(&self) -> Vec<i32> {
        let metadata = self.broker.admin.inner().fetch_metadata(Some(&self.name), ANSWERS_WITHIN).expect("the broker answers");
        let topics = metadata.topics().iter();
        topics.flat_map(|topic| topic.partitions()).map(|partition| partition.leader()).collect()
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWERS_WITHIN)).operation_timeout(Some(ANSWERS_WITHIN))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}
