//! A broker inside this process, for the demo: the client library's mock cluster. It keeps at most 5 MiB for each partition.

use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use thiserror::Error;

use crate::kafka::connection::Connection;

/// A broker without any set-up; gone when dropped.
pub struct EmbeddedBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

/// A record to produce.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Null values and repeats are kept.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    #[error("the embedded broker cannot be started: {0}")]
    Start(String),
    #[error("records cannot be produced: {0}")]
    Produce(String),
}

impl EmbeddedBroker {
    /// Starts a broker with one topic of `partitions` partitions.
    ///
    /// # Errors
    /// When the client library cannot.
    pub fn start(topic: &str, partitions: i32) -> Result<Self, EmbeddedError> {
        let failed = |error: rdkafka::error::KafkaError| EmbeddedError::Start(error.to_string());
        let cluster = MockCluster::new(1).map_err(failed)?;
        cluster.create_topic(topic, partitions, 1).map_err(failed)?;
        Ok(Self { cluster })
    }

    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Produces records and waits until the broker has them.
    ///
    /// # Errors
    /// When one is not taken within 10 s.
    pub fn produce(&self, connection: &Connection, topic: &str, samples: &[Sample]) -> Result<(), EmbeddedError> {
        let failed = |error: rdkafka::error::KafkaError| EmbeddedError::Produce(error.to_string());
        let producer: BaseProducer<DefaultProducerContext> = connection.client().create().map_err(failed)?;
        for sample in samples {
            let headers = sample
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: value.as_ref() }));
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(sample.partition).headers(headers);
            record.key = sample.key.as_deref();
            record.payload = sample.value.as_deref();
            producer.send(record).map_err(|(error, _)| failed(error))?;
        }
        producer.flush(Duration::from_secs(10)).map_err(failed)
    }
}
