//! What a topic holds, read by a client of the test's own: key, value and headers as bytes.
#![expect(unsafe_code, reason = "the crate's header accessors panic on a name that is not UTF-8")]

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientConfig, TopicPartitionList};

use super::wait;

const WITHIN: Duration = Duration::from_secs(30);

/// A record of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    /// In milliseconds since 1970.
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Record {
    /// The value of the last header of this name.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> String {
        let found = self.headers.iter().rfind(|(of, _)| of == name.as_bytes()).and_then(|(_, value)| value.clone());
        String::from_utf8(found.unwrap_or_else(|| panic!("no header {name}: {self:?}"))).expect("a text")
    }
}

/// All records that are there now; those of a partition in their order.
#[track_caller]
pub(super) fn read(bootstrap: &str, topic: &str, partitions: i32) -> Vec<Record> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", "reader").set("enable.partition.eof", "false");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    let mut left = 0;
    for partition in 0..partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, WITHIN).expect("the broker answers");
        left += high - low;
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("the partitions are assigned");
    let mut records = Vec::new();
    wait::until("all records are read", WITHIN, || {
        while left > 0 {
            let message = consumer.poll(Duration::from_millis(100))?.unwrap_or_else(|error| panic!("{topic}: {error}"));
            records.push(record(&message));
            left -= 1;
        }
        Some(())
    });
    records
}

/// The end of each partition says when it is read: nothing is counted, so holes do no harm.
#[track_caller]
pub(super) fn read_committed(bootstrap: &str, topic: &str, partitions: i32) -> Vec<(i64, Record)> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", "reader");
    config.set("enable.partition.eof", "true").set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("the partitions are assigned");
    let (mut records, mut ended) = (Vec::new(), BTreeSet::new());
    wait::until("all records are read", WITHIN, || {
        while ended.len() < list.count() {
            match consumer.poll(Duration::from_millis(100))? {
                Ok(message) => records.push((message.offset(), record(&message))),
                Err(KafkaError::PartitionEOF(partition)) => drop(ended.insert(partition)),
                Err(error) => panic!("{topic}: {error}"),
            }
        }
        Some(())
    });
    records
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        partition: message.partition(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers(message),
    }
}

fn headers(message: &BorrowedMessage<'_>) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut list = ptr::null_mut();
    let mut found = Vec::new();
    // SAFETY: the headers belong to the message; names end with a NUL; values are as long as they say.
    unsafe {
        sys::rd_kafka_message_headers(message.ptr(), &raw mut list);
        if list.is_null() {
            return found;
        }
        for index in 0.. {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            let got = sys::rd_kafka_header_get_all(list, index, &raw mut name, &raw mut value, &raw mut size);
            if got != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                break;
            }
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size).to_vec());
            found.push((CStr::from_ptr(name).to_bytes().to_vec(), value));
        }
    }
    found
}
