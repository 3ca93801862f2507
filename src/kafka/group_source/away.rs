//! Whether a broker answers. A connection that breaks is only a suspicion: what counts is whether any broker answers a question.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

use crate::engine::source::Notice;

/// From the first suspicion to the question: short breaks mend themselves.
const FIRST_ASK: Duration = Duration::from_millis(300);
/// While all brokers are away they are asked this often.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long the question may take. The thread that asks must poll, but while nobody answers there is nothing to poll.
const ASK_FOR: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Away {
    ask_at: Option<Instant>,
    is_gone: bool,
    /// What the client library complained about last.
    reason: String,
}

impl Away {
    /// A connection broke, or could not be made.
    pub(super) fn suspect(&mut self, now: Instant, reason: String) {
        self.reason = reason;
        self.ask_at.get_or_insert(now + FIRST_ASK);
    }

    /// Asks when it is time: that all brokers are away is told each time, that one is back once.
    pub(super) fn ask<C: ConsumerContext>(
        &mut self,
        now: Instant,
        consumer: &BaseConsumer<C>,
        topic: Option<&str>,
    ) -> Option<Notice> {
        if now < self.ask_at? {
            return None;
        }
        match consumer.fetch_metadata(topic, ASK_FOR) {
            Ok(_) => {
                self.ask_at = None;
                return std::mem::take(&mut self.is_gone).then_some(Notice::BrokerBack);
            }
            Err(error) => tracing::debug!(%error, "no broker answers"),
        }
        self.ask_at = Some(Instant::now() + ASK_EVERY);
        self.is_gone = true;
        Some(Notice::BrokerAway(format!("no broker answers: {}", self.reason)))
    }
}
