//! Whether a broker answers.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

/// While all brokers are away one is asked this often.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long the question may take: the thread that asks must poll.
const ASK_FOR: Duration = Duration::from_millis(200);

/// When the brokers went away, and when to ask again.
#[derive(Default)]
pub(super) struct Away {
    ask_at: Option<Instant>,
    was_heard: bool,
}

impl Away {
    pub(super) fn gone(&mut self, now: Instant) {
        self.was_heard = false;
        self.ask_at.get_or_insert(now + ASK_EVERY);
    }

    /// A record came.
    pub(super) fn heard(&mut self) {
        self.was_heard = self.ask_at.is_some();
    }

    /// True once, when a broker answers again.
    pub(super) fn is_back<C: ConsumerContext>(&mut self, now: Instant, consumer: &BaseConsumer<C>) -> bool {
        let Some(ask_at) = self.ask_at else { return false };
        if !self.was_heard && now < ask_at {
            return false;
        }
        let is_back = self.was_heard || consumer.fetch_metadata(Some(""), ASK_FOR).is_ok();
        self.ask_at = (!is_back).then(|| now + ASK_EVERY);
        self.was_heard = false;
        is_back
    }
}
