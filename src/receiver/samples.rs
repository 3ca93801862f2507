//! Deliveries for tests, and waiting with a deadline.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::receiver::{Address, Delivery, Mode, Needs, Receiver, ReceiverError, Step};
use crate::record::samples::{partition_of, record_in_lane};
use crate::stage::{Format, TypeFrom, decoded, identify};

const DEADLINE: Duration = Duration::from_secs(20);

pub(super) type Answer = Result<(), ReceiverError>;

/// The first delivery of an event with this data, from the topic `orders`.
pub(super) fn delivery(offset: i64, lane: u64, data: &Value) -> Delivery {
    delivery_from("orders", offset, lane, data)
}

/// The topic's name is the event's type.
pub(super) fn delivery_from(topic: &str, offset: i64, lane: u64, data: &Value) -> Delivery {
    let record = record_in_lane(&partition_of(topic), offset, lane, data.to_string().as_bytes());
    let event = decoded(identify(&record, &TypeFrom::Topic).unwrap(), Needs::ValidJson, Format::Auto).unwrap();
    let to = Arc::new(Address { group: "shop".into(), receiver: "billing".into() });
    Delivery { event, attempt: 1, mode: Mode::Live, to, noting: None }
}

/// Delivers now; the future is the answer. Nothing takes longer than the deadline.
pub(super) fn deliver(receiver: &dyn Receiver, delivery: Delivery) -> impl Future<Output = Answer> + use<> {
    let step = receiver.deliver(delivery);
    async move {
        match step {
            Step::Done(answer) => answer,
            Step::Pending(future) => within(future).await,
        }
    }
}

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("it took longer than the deadline")
}

pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within the deadline: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Class, code and message of a failure.
pub(super) fn why(answer: Answer) -> (&'static str, String, String) {
    let error = answer.expect_err("it failed");
    (error.class.as_str(), error.code.to_string(), error.message)
}
