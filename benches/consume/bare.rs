//! The bare loop: the same client library with the same properties, a poll, and the same parser. It settles, commits and records nothing.

use std::hint::black_box;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use redrive::kafka::CONSUMER_DEFAULTS;

use crate::Result;
use crate::event::Order;
use crate::meter::Meter;
use crate::task::{Measured, Task};
use crate::topic::PARTITIONS;

pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn run(task: &Task) -> Result<Measured> {
    let consumer = consumer(task)?;
    let meter = Meter::for_ever(task.count);
    while !meter.is_done() {
        let message = consumer.poll(ANSWERS_WITHIN).ok_or("the broker has sent nothing for 10 s")??;
        let order: Order = serde_json::from_slice(message.payload().unwrap_or_default())?;
        black_box(order);
        meter.count();
    }
    meter.read()
}

/// Without membership in a group, which would cost it more.
pub(crate) fn consumer(task: &Task) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.extend(CONSUMER_DEFAULTS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    config.set("bootstrap.servers", &task.bootstrap).set("group.id", "bare").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(&task.topic, partition.cast_signed(), Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    Ok(consumer)
}
