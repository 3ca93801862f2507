//! A topic as the engine's receivers write it: one idempotent producer, every record confirmed by all replicas in sync.
//!
//! Order hangs on the client library: it numbers what it sends and tries again by itself, in order, until the receiver's timeout. A
//! client that the library has declared broken takes nothing any more; the next record gets a new one. How much may wait is for the
//! engine's budget to say, so the library's own bounds are out of its way.

mod headers;
mod verdict;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use futures_util::future::BoxFuture;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext};
use tokio::sync::oneshot;

use crate::kafka::cluster::TargetTopic;
use crate::kafka::complaint::{plain_reason, shown};
use crate::kafka::connection::{Connection, ConnectionError};
use crate::receiver::{ProduceError, Producer};
use crate::record::Record;
use crate::secrets::masked;

/// How long the thread of a client hears its answers before it looks whether the client is still in use.
const LOOK_AROUND: Duration = Duration::from_millis(100);
/// No client is replaced that is younger.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// What a producer's properties are unless the user sets them: records are sent when they come, since many are on their way at once and
/// those travel together; a key goes to the partition where Java's producer puts it; how large a record may be, the topic says; and a
/// topic that was there at the start and is not any more is gone, not on its way to all brokers.
const DEFAULTS: [(&str, &str); 4] = [
    ("linger.ms", "0"),
    ("partitioner", "murmur2_random"),
    ("message.max.bytes", "1000000000"),
    ("topic.metadata.propagation.max.ms", "3000"),
];

/// The library's own bound of a batch, in bytes. A topic may take less, and then refuses all of the batch: small records would fail for
/// their company. One record is sent however large it is, and alone where it is larger.
const BATCH: usize = 1_000_000;

/// What at-least-once in order hangs on.
const RESERVED: [(&str, &str); 9] = [
    ("acks", RELIABLE),
    ("request.required.acks", RELIABLE),
    ("enable.idempotence", RELIABLE),
    ("transactional.id", "a kafka: receiver makes no transactions"),
    ("message.timeout.ms", BY_TIMEOUT),
    ("delivery.timeout.ms", BY_TIMEOUT),
    ("queue.buffering.max.messages", BY_BUDGET),
    ("queue.buffering.max.kbytes", BY_BUDGET),
    ("queuing.strategy", RELIABLE),
];
const RELIABLE: &str = "a kafka: receiver loses nothing and keeps the order";
const BY_TIMEOUT: &str = "how long a kafka: receiver waits is its timeout: --receiver-option NAME.timeout=30s";
const BY_BUDGET: &str = "what may be in flight is said with --max-in-flight and --max-in-flight-bytes";

/// One topic, to be written.
pub struct TopicProducer {
    config: ClientConfig,
    topic: TargetTopic,
    timeout: Duration,
    /// `None` once it is stopped.
    running: Mutex<Option<Running>>,
}

/// A client and the thread that hears its answers.
struct Running {
    live: Arc<Live>,
    /// When the thread began.
    since: Instant,
    /// Ends with the thread, when nothing is in the client's queues any more.
    ended: oneshot::Receiver<()>,
}

struct Live {
    client: BaseProducer<Reports>,
    is_retired: AtomicBool,
}

type Reply = oneshot::Sender<Result<(), ProduceError>>;

/// What the client library says.
struct Reports {
    timeout: Duration,
    /// What it complained about since a broker last took anything.
    trouble: Mutex<Option<String>>,
    /// Nothing comes of this client any more.
    is_broken: AtomicBool,
}

impl TopicProducer {
    /// # Errors
    /// When a property is one that redrive must set itself.
    pub fn new(connection: &Connection, topic: TargetTopic, timeout: Duration) -> Result<Self, ConnectionError> {
        let mut config = config(connection, timeout)?;
        if let Some(largest) = topic.largest_batch {
            let wanted = config.get("batch.size").and_then(|size| size.parse().ok()).unwrap_or(BATCH);
            config.set("batch.size", largest.min(wanted).max(1).to_string());
        }
        Ok(Self { config, topic, timeout, running: Mutex::new(None) })
    }

    /// Makes the client, which connects by itself.
    ///
    /// # Errors
    /// When the client library refuses the properties.
    pub fn start(&self) -> io::Result<()> {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.run()?);
        Ok(())
    }

    fn run(&self) -> io::Result<Running> {
        let reports = Reports { timeout: self.timeout, trouble: Mutex::default(), is_broken: AtomicBool::new(false) };
        let client = self.config.create_with_context(reports).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("the Kafka properties do not go together: {error}"))
        })?;
        let live = Arc::new(Live { client, is_retired: AtomicBool::new(false) });
        let (alive, ended) = oneshot::channel::<()>();
        let heard = Arc::clone(&live);
        thread::Builder::new().name("redrive-producer".to_owned()).spawn(move || {
            // The last one to let go of a client empties its queues and answers for all that was in them: this thread, for it may wait.
            while !heard.is_retired.load(Ordering::Relaxed) || Arc::strong_count(&heard) > 1 {
                heard.client.poll(LOOK_AROUND);
            }
            drop(heard);
            drop(alive);
        })?;
        Ok(Running { live, since: Instant::now(), ended })
    }

    /// The client to use; a new one when the last one is of no use any more.
    fn live(&self) -> Result<Arc<Live>, ProduceError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Running { live, since, .. }) = &*running else { return Err(ProduceError::Stopped) };
        if live.is_broken() && since.elapsed() >= SHORTEST_LIFE {
            live.is_retired.store(true, Ordering::Relaxed);
            *running = Some(self.run().map_err(|error| ProduceError::Away(error.to_string()))?);
        }
        running.as_ref().map(|running| Arc::clone(&running.live)).ok_or(ProduceError::Stopped)
    }

    /// A record without a key has no partition of its own in any other topic: all of one partition go to one, so that they stay in order.
    /// `None`: the partitioner chooses, by the key.
    fn partition_of(&self, record: &Record) -> Option<i32> {
        let count = i32::try_from(self.topic.partitions).ok().filter(|count| *count > 0)?;
        record.key().is_none().then(|| record.partition().number.rem_euclid(count))
    }
}

fn config(connection: &Connection, timeout: Duration) -> Result<ClientConfig, ConnectionError> {
    let mut config = connection.client();
    if let Some((name, why)) = RESERVED.into_iter().find(|(name, _)| config.get(name).is_some()) {
        return Err(ConnectionError::Reserved { name: name.to_owned(), why });
    }
    for (name, value) in DEFAULTS {
        if config.get(name).is_none() {
            config.set(name, value);
        }
    }
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX).max(1);
    config
        // A topic that somebody deleted is not to be there again by itself, with the broker's defaults.
        .set("allow.auto.create.topics", "false")
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", timeout_ms.to_string())
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", i32::MAX.to_string());
    Ok(config)
}

impl Producer for TopicProducer {
    fn produce(&self, record: &Record, more: &[(&str, String)]) -> BoxFuture<'static, Result<(), ProduceError>> {
        let (reply, answer) = oneshot::channel();
        if let Err(error) =
            self.live().and_then(|live| live.send(&self.topic.name, self.partition_of(record), (record, more), reply))
        {
            return Box::pin(std::future::ready(Err(error)));
        }
        Box::pin(async move { answer.await.unwrap_or(Err(ProduceError::Stopped)) })
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            if let Some(Running { live, ended, .. }) = running {
                live.is_retired.store(true, Ordering::Relaxed);
                drop(live);
                ended.await.unwrap_or_default();
            }
        })
    }
}

impl Drop for TopicProducer {
    fn drop(&mut self) {
        if let Some(running) = self.running.get_mut().unwrap_or_else(PoisonError::into_inner) {
            running.live.is_retired.store(true, Ordering::Relaxed);
        }
    }
}

impl Live {
    fn is_broken(&self) -> bool {
        self.client.context().is_broken.load(Ordering::Relaxed) || self.client.client().fatal_error().is_some()
    }

    fn send(&self, topic: &str, to: Option<i32>, of: (&Record, &[(&str, String)]), reply: Reply) -> Result<(), ProduceError> {
        let (record, more) = of;
        let mut copy: BaseRecord<'_, [u8], [u8], Box<Reply>> = BaseRecord::with_opaque_to(topic, Box::new(reply));
        copy.partition = to;
        copy.key = record.key();
        copy.payload = record.value();
        copy.headers = Some(headers::of(record.headers(), more)?);
        self.client.send(copy).map_err(|(error, _)| self.client.context().verdict(&error))
    }
}

impl Reports {
    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verdict(&self, error: &KafkaError) -> ProduceError {
        let verdict = verdict::of(error, self.timeout, self.trouble().clone());
        if matches!(verdict, ProduceError::UnknownTopic | ProduceError::NotAuthorized(_)) {
            // The library remembers that; a new client asks again.
            self.is_broken.store(true, Ordering::Relaxed);
        }
        verdict
    }
}

impl ClientContext for Reports {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", "{}", shown(facility, message));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let reason = masked(plain_reason(reason));
        tracing::debug!(%error, %reason, "the producer complains");
        // That all brokers are down follows what is wrong with each of them, and says less.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.trouble() = Some(reason);
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Reply>;

    fn delivery(&self, result: &DeliveryResult<'_>, reply: Box<Reply>) {
        let answer = match result {
            Ok(_) => {
                self.trouble().take();
                Ok(())
            }
            Err((error, _)) => Err(self.verdict(error)),
        };
        // Nobody may be waiting for it any more.
        drop(reply.send(answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::{partition_of, record_with};

    fn connection(properties: &[(&str, &str)]) -> Connection {
        let properties = properties.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        Connection::new("127.0.0.1:1", properties).unwrap()
    }

    fn producer(properties: &[(&str, &str)]) -> Result<TopicProducer, ConnectionError> {
        let topic = TargetTopic { name: "copies".to_owned(), partitions: 3, largest_batch: None };
        TopicProducer::new(&connection(properties), topic, Duration::from_millis(300))
    }

    #[test]
    fn properties_of_the_user_apply_but_those_that_would_lose_records() {
        let config = config(&connection(&[("linger.ms", "7"), ("compression.type", "lz4")]), Duration::from_secs(30)).unwrap();
        let value = |name: &str| config.get(name).unwrap();
        assert_eq!((value("linger.ms"), value("compression.type"), value("partitioner")), ("7", "lz4", "murmur2_random"));
        assert_eq!((value("acks"), value("enable.idempotence"), value("message.timeout.ms")), ("all", "true", "30000"));
        for (name, value) in [("acks", "1"), ("enable.idempotence", "false"), ("delivery.timeout.ms", "5")] {
            let error = producer(&[(name, value)]).err().unwrap().to_string();
            assert!(error.starts_with(&format!("the Kafka property {name} is redrive's own: ")), "{error}");
        }
        let error = producer(&[("max.in.flight", "50")]).unwrap().start().unwrap_err().to_string();
        assert!(error.contains("max.in.flight"), "{error}");
    }

    #[tokio::test]
    async fn a_broker_that_is_away_is_waited_for_and_then_named() {
        let producer = producer(&[]).unwrap();
        let record = record_with(&partition_of("orders"), &[], None);
        assert_eq!(producer.produce(&record, &[]).await, Err(ProduceError::Stopped), "it was not started");
        producer.start().unwrap();
        let ProduceError::Away(why) = producer.produce(&record, &[]).await.unwrap_err() else { panic!("not away") };
        assert!(why.contains("127.0.0.1:1"), "{why}");
        let waits = producer.produce(&record, &[]);
        producer.stop().await;
        assert!(waits.await.is_err(), "what was on its way is given up");
        assert_eq!(producer.produce(&record, &[]).await, Err(ProduceError::Stopped));
    }
}
