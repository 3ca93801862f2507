//! `kafka:` copies each record to a topic of the same cluster: key, value and headers byte for byte, at least once, in order.
//!
//! The copy has a timestamp of its own, because retention may delete an old one at once; two headers behind the record's own say where
//! it comes from. What a cluster is, is not known here: the [`Producer`] is whoever speaks to one.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::failure::{Class, Code};
use crate::receiver::{Delivery, Needs, Receiver, ReceiverError, Runs, Step, Timekeeper, line};
use crate::record::Record;

/// The time of the original, in milliseconds since 1970; not there when that has none.
const TIMESTAMP: &str = "redrive_timestamp";
/// The same in every copy of the record by this group and receiver.
const DELIVERY_ID: &str = "redrive_deliveryid";

/// Puts records into one topic.
pub trait Producer: Send + Sync + 'static {
    /// Hands over a copy of the record with `more` headers behind its own. It is in the queue of its partition when this returns: what is
    /// handed over later stays behind it. The future ends when the topic has it, or will never get it.
    fn produce(&self, record: &Record, more: &[(&str, String)]) -> BoxFuture<'static, Result<(), ProduceError>>;

    /// Gives up on whatever is not in the topic yet. The future ends when nothing will be sent any more.
    fn stop(&self) -> BoxFuture<'static, ()>;
}

/// Why a topic did not get a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProduceError {
    /// The topic takes no record of this size.
    TooLarge,
    /// The broker does not take a record like this one.
    Invalid(String),
    NotAuthorized(String),
    /// The topic is gone.
    UnknownTopic,
    /// There was no answer for this long.
    TimedOut(Duration),
    /// No broker could be reached, and why.
    Away(String),
    Other(String),
    Stopped,
}

/// A topic that gets copies.
pub struct Kafka {
    producer: Arc<dyn Producer>,
    topic: String,
    window: NonZeroUsize,
}

impl Kafka {
    /// `window`: how many records of one lane may be on their way at once. Those keep their order, because one idempotent producer sends
    /// them and tries again by itself; but where the engine tries again, others may have gone before, so there it must be one.
    #[must_use]
    pub fn new(producer: Arc<dyn Producer>, topic: &str, window: NonZeroUsize) -> Self {
        Self { producer, topic: topic.to_owned(), window }
    }
}

impl Receiver for Kafka {
    fn deliver(&self, delivery: Delivery) -> Step {
        let record = delivery.event.record();
        let timestamp = record.timestamp().ms.map(|ms| (TIMESTAMP, ms.to_string()));
        let more: Vec<_> = timestamp.into_iter().chain([(DELIVERY_ID, line::delivery_id(&delivery))]).collect();
        let size = record.size();
        let produced = self.producer.produce(record, &more);
        let topic = self.topic.clone();
        Step::Pending(Box::pin(async move { produced.await.map_err(|error| failure(error, &topic, size)) }))
    }

    fn needs(&self) -> Needs {
        Needs::Bytes
    }

    fn window(&self) -> NonZeroUsize {
        self.window
    }

    /// The producer gives up at the timeout: dropping its future would leave the record in its queue, to be sent long after.
    fn timekeeper(&self) -> Timekeeper {
        Timekeeper::Receiver
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        self.producer.stop()
    }

    fn runs(&self) -> Runs {
        Runs::Nowhere
    }
}

fn failure(error: ProduceError, topic: &str, size: usize) -> ReceiverError {
    use Class::{Consumer, Permanent, Unknown};
    let known = |class, code: &'static str, message: String| ReceiverError::known(class, Code::known(code), message);
    match error {
        ProduceError::TooLarge => {
            known(Permanent, "too_large", format!("topic {topic} does not take a record of {size} bytes (its max.message.bytes)"))
        }
        ProduceError::Invalid(why) => known(Permanent, "rejected", format!("topic {topic} does not take this record: {why}")),
        ProduceError::NotAuthorized(why) => {
            known(Consumer, "not_authorized", format!("topic {topic} may not be written by this user: {why}"))
        }
        ProduceError::UnknownTopic => known(Consumer, "unknown_topic", format!("topic {topic} is not there any more")),
        ProduceError::TimedOut(after) => ReceiverError::timed_out(after),
        ProduceError::Away(why) => ReceiverError::unreachable(format!("no broker takes records for topic {topic}: {why}")),
        ProduceError::Other(why) => known(Unknown, "rejected", format!("topic {topic} did not get this record: {why}")),
        ProduceError::Stopped => ReceiverError::unreachable("this receiver was stopped"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::receiver::samples::{deliver, delivery, why};

    /// Notes the headers, and answers with an error if it has one.
    struct Notes(Mutex<Vec<Vec<(String, String)>>>, Option<ProduceError>);

    impl Producer for Notes {
        fn produce(&self, _: &Record, more: &[(&str, String)]) -> BoxFuture<'static, Result<(), ProduceError>> {
            self.0.lock().unwrap().push(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect());
            let answer = self.1.clone().map_or(Ok(()), Err);
            Box::pin(std::future::ready(answer))
        }

        fn stop(&self) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    fn kafka(error: Option<ProduceError>) -> (Kafka, Arc<Notes>) {
        let notes = Arc::new(Notes(Mutex::default(), error));
        (Kafka::new(notes.clone(), "audit", NonZeroUsize::MIN), notes)
    }

    #[tokio::test]
    async fn a_copy_says_where_it_comes_from() {
        let (kafka, notes) = kafka(None);
        assert_eq!(deliver(&kafka, delivery(7, 0, &json!({}))).await, Ok(()));
        let expected = [(TIMESTAMP, "1700000000000"), (DELIVERY_ID, "shop/orders@1a2bcfc4/0/7/billing")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(*notes.0.lock().unwrap(), [expected]);
    }

    #[tokio::test]
    async fn every_error_has_its_class_and_code() {
        let text = || "x".to_owned();
        for (error, class, code) in [
            (ProduceError::TooLarge, "permanent", "too_large"),
            (ProduceError::Invalid(text()), "permanent", "rejected"),
            (ProduceError::NotAuthorized(text()), "consumer", "not_authorized"),
            (ProduceError::UnknownTopic, "consumer", "unknown_topic"),
            (ProduceError::TimedOut(Duration::from_secs(1)), "transient", "timeout"),
            (ProduceError::Away(text()), "transient", "unreachable"),
            (ProduceError::Other(text()), "unknown", "rejected"),
            (ProduceError::Stopped, "transient", "unreachable"),
        ] {
            let (kafka, _) = kafka(Some(error));
            let (found_class, found_code, _) = why(deliver(&kafka, delivery(7, 0, &json!({}))).await);
            assert_eq!((found_class, found_code.as_str()), (class, code));
        }
    }
}
