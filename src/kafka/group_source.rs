//! A consumer group as the engine's source: membership and commits, beside what all reading has.
//!
//! A rebalance is a value here, not a callback: the event is noted, the engine drains while it goes on polling, and then we assign or
//! unassign ourselves. Nothing here waits for a broker, but for a last commit.

mod commits;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use crate::engine::source::{CommitResult, CommitStarted, Flow, Mark, Polled, Source, SourceError, Start};
use crate::kafka::cluster::Cluster;
use crate::kafka::connection::Connection;
use crate::kafka::group_source::commits::Commits;
use crate::kafka::native::Queue;
use crate::kafka::reading::{Listing, Reading, Subscription};
use crate::record::Slot;

/// How long the last commit waits for its answer. A stop may take 5 s after the drain, and leaving the group must fit, too.
const LAST_ANSWER: Duration = Duration::from_secs(3);

/// A member of a consumer group.
pub struct GroupSource {
    /// Before the consumer: its queue must go first.
    commits: Commits,
    reading: Reading,
    /// Only ever grows: a topic that is not listed for a moment is not given up.
    subscribed: BTreeSet<String>,
}

impl GroupSource {
    /// Joins the group. `cluster` is only asked for its id.
    ///
    /// # Errors
    /// When the client library refuses the properties or the topics.
    pub fn join(connection: &Connection, cluster: &Cluster, subscription: Subscription) -> Result<Self, SourceError> {
        let listing = if subscription.topics.has_patterns() { Listing::NowAndThen } else { Listing::Never };
        let wanted: Vec<String> = subscription.topics.names().iter().chain(&subscription.there).cloned().collect();
        let reading = Reading::begin(connection, cluster.id(), subscription, listing)?;
        let answers = Queue::new(reading.consumer.client()).ok_or_else(|| SourceError::Request {
            what: "the Kafka consumer cannot be made".to_owned(),
            message: "it has no queue".to_owned(),
        })?;
        let mut source = Self { commits: Commits::new(answers), reading, subscribed: BTreeSet::new() };
        if wanted.is_empty() {
            // Nobody will give us anything, and that must be told, too.
            source.reading.given(&[]);
        } else {
            source.subscribe(wanted)?;
        }
        Ok(source)
    }

    /// Subscribes to these topics as well, if there are new ones among them.
    fn subscribe(&mut self, topics: Vec<String>) -> Result<(), SourceError> {
        let before = self.subscribed.len();
        self.subscribed.extend(topics);
        if self.subscribed.len() == before {
            return Ok(());
        }
        let topics: Vec<&str> = self.subscribed.iter().map(String::as_str).collect();
        self.reading.consumer.subscribe(&topics).map_err(|error| SourceError::Request {
            what: "the topics cannot be subscribed".to_owned(),
            message: error.to_string(),
        })
    }
}

impl Source for GroupSource {
    fn poll(&mut self, wait: Duration) -> Result<Polled<'_>, SourceError> {
        if let Some(results) = self.commits.answered(&self.reading.slots) {
            return Ok(Polled::Committed(results));
        }
        self.reading.look_around()?;
        if let Some(there) = self.reading.take_there() {
            self.subscribe(there.into_keys().collect())?;
        }
        self.reading.poll(wait)
    }

    fn assign(&mut self, starts: &[Start]) -> Result<(), SourceError> {
        self.reading.start(starts)
    }

    fn flow(&mut self, flow: Flow) -> Result<(), SourceError> {
        self.reading.set_flow(flow)
    }

    fn flow_of(&mut self, slots: &[Slot], flow: Flow) -> Result<(), SourceError> {
        self.reading.set_flow_of(slots, flow)
    }

    fn commit(&mut self, marks: &[Mark]) -> Result<CommitStarted, SourceError> {
        self.commits.start(self.reading.consumer.client(), &self.reading.slots, marks)?;
        Ok(CommitStarted::Yes)
    }

    fn commit_now(&mut self, marks: &[Mark], deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
        let deadline = self.reading.patience(LAST_ANSWER).min(deadline);
        let answered = self.commits.make(self.reading.consumer.client(), &self.reading.slots, marks, deadline);
        if answered.is_err() {
            self.reading.away.give_up();
        }
        answered
    }

    fn release(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        self.commits.forget(slots);
        self.reading.give_back(slots)
    }

    fn close(self: Box<Self>, deadline: Instant) -> Result<(), SourceError> {
        let Self { commits, reading, .. } = *self;
        drop(commits);
        let late = SourceError::Request {
            what: "the consumer did not leave its group".to_owned(),
            message: "no answer in time; its partitions are free again when its session times out".to_owned(),
        };
        reading.close(deadline, late)
    }
}
