//! Records for topics: any bytes for key, value and headers, to a partition of the test's choice, in a transaction where asked.
#![expect(
    unsafe_code,
    reason = "the crate takes header names as UTF-8 only; what Kafka takes is bytes, and hostile ones are tested"
)]

use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use super::broker;

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// A record to produce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Commit,
    Abort,
}

/// A transaction that nobody ends: what lies behind its first record is not stable meanwhile.
pub(crate) struct OpenTransaction {
    producer: BaseProducer<Deliveries>,
}

/// Counts what the broker took.
#[derive(Default)]
struct Deliveries {
    delivered: AtomicUsize,
    first_error: Mutex<Option<KafkaError>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                self.first_error.lock().unwrap().get_or_insert_with(|| error.clone());
            }
        }
    }
}

impl Sample {
    /// A record without headers.
    pub(crate) fn value(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// An event in CloudEvents' binary form.
    pub(crate) fn event(event_type: &str, id: &str, json: impl Into<Vec<u8>>) -> Self {
        let attributes = [("ce_specversion", "1.0"), ("ce_type", event_type), ("ce_id", id), ("ce_source", "/tests")];
        attributes.into_iter().fold(Self::value(json), |sample, (name, value)| sample.header(name, value))
    }

    pub(crate) fn to(self, partition: i32) -> Self {
        Self { partition, ..self }
    }

    pub(crate) fn key(self, key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    pub(crate) fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    pub(crate) fn null_header(mut self, name: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), None));
        self
    }
}

/// Produces in the order given, and returns when the broker has everything.
#[track_caller]
pub(super) fn produce(bootstrap: &str, topic: &str, samples: &[Sample]) {
    let producer: BaseProducer<Deliveries> = config(bootstrap).create_with_context(Deliveries::default()).expect("a producer");
    send(&producer, topic, samples);
}

#[track_caller]
pub(super) fn produce_in_transaction(bootstrap: &str, topic: &str, samples: &[Sample], ending: Ending) {
    let OpenTransaction { producer } = begin_transaction(bootstrap, topic, samples);
    match ending {
        Ending::Commit => producer.commit_transaction(ANSWERS_WITHIN).expect("the transaction is committed"),
        Ending::Abort => producer.abort_transaction(ANSWERS_WITHIN).expect("the transaction is aborted"),
    }
}

#[track_caller]
pub(super) fn begin_transaction(bootstrap: &str, topic: &str, samples: &[Sample]) -> OpenTransaction {
    let mut config = config(bootstrap);
    config.set("transactional.id", broker::unique("transaction"));
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default()).expect("a producer");
    producer.init_transactions(ANSWERS_WITHIN).expect("transactions begin");
    producer.begin_transaction().expect("a transaction begins");
    send(&producer, topic, samples);
    OpenTransaction { producer }
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("enable.idempotence", "true").set("linger.ms", "5");
    config.set("message.max.bytes", "12000000").set("queue.buffering.max.kbytes", "65536");
    config
}

#[track_caller]
fn send(producer: &BaseProducer<Deliveries>, topic: &str, samples: &[Sample]) {
    for sample in samples {
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(topic).partition(sample.partition).headers(native(&sample.headers));
        record.key = sample.key.as_deref();
        record.payload = sample.value.as_deref();
        while let Err((error, back)) = producer.send(record) {
            let is_full = matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            assert!(is_full, "{topic}/{}: {error}", sample.partition);
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(ANSWERS_WITHIN).unwrap_or_else(|error| panic!("{topic}: not everything was produced: {error}"));
    let deliveries = producer.context();
    assert_eq!(*deliveries.first_error.lock().unwrap(), None, "{topic}: a record was not taken");
    assert_eq!(deliveries.delivered.load(Ordering::Relaxed), samples.len(), "{topic}: records that the broker took");
}

fn native(headers: &[(Vec<u8>, Option<Vec<u8>>)]) -> OwnedHeaders {
    let owned = OwnedHeaders::new_with_capacity(headers.len());
    let list = ptr::from_ref(owned.as_borrowed()).cast_mut().cast::<sys::rd_kafka_headers_t>();
    for (name, value) in headers {
        let (bytes, size) = value.as_ref().map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
        // SAFETY: the crate's borrowed headers are the C list itself, ours alone until the record is sent; the call copies the bytes.
        let error = unsafe {
            sys::rd_kafka_header_add(list, name.as_ptr().cast(), name.len().cast_signed(), bytes.cast(), size.cast_signed())
        };
        assert_eq!(error, sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR, "a header is added");
    }
    owned
}
