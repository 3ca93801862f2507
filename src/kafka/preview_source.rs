//! What a group would read, without its membership: the source of a dry run.
//!
//! It takes every partition of the topics, whoever has them, and starts where the group's members would. It never joins: the client
//! library joins when topics are subscribed, and here partitions are only assigned. It commits nothing.

use std::time::{Duration, Instant};

use crate::engine::source::{CommitResult, CommitStarted, Flow, Mark, Polled, Source, SourceError, Start};
use crate::kafka::choice::There;
use crate::kafka::cluster::Cluster;
use crate::kafka::connection::Connection;
use crate::kafka::reading::{Listing, Reading, Subscription};
use crate::record::Slot;

/// Looks at what a group has to read.
pub struct PreviewSource {
    reading: Reading,
    /// There was a list of topics, and its partitions were offered.
    has_list: bool,
}

impl PreviewSource {
    /// `cluster` is only asked for its id.
    ///
    /// # Errors
    /// When the client library refuses the properties.
    pub fn open(connection: &Connection, cluster: &Cluster, subscription: Subscription) -> Result<Self, SourceError> {
        let reading = Reading::begin(connection, cluster, subscription, Listing::AtOnce)?;
        Ok(Self { reading, has_list: false })
    }

    /// Takes the partitions that were not there before. The first list is answered even when there is nothing on it.
    fn take(&mut self, there: &There) {
        let all = there.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |number| (topic.as_str(), *number)));
        let new: Vec<_> = all.filter(|(topic, number)| self.reading.slots.find(topic, *number).is_none()).collect();
        if !new.is_empty() || !std::mem::replace(&mut self.has_list, true) {
            self.reading.given(&new);
        }
    }
}

impl Source for PreviewSource {
    fn poll(&mut self, wait: Duration) -> Result<Polled<'_>, SourceError> {
        self.reading.look_around()?;
        if let Some(there) = self.reading.take_there() {
            self.take(&there);
        }
        self.reading.poll(wait)
    }

    fn assign(&mut self, starts: &[Start]) -> Result<(), SourceError> {
        self.reading.start(starts)
    }

    fn flow(&mut self, flow: Flow) -> Result<(), SourceError> {
        self.reading.set_flow(flow)
    }

    fn commit(&mut self, _marks: &[Mark]) -> Result<CommitStarted, SourceError> {
        Ok(CommitStarted::NoGroup)
    }

    fn commit_now(&mut self, marks: &[Mark], _deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
        Ok(marks.iter().map(|mark| (mark.clone(), Ok(()))).collect())
    }

    fn release(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        self.reading.give_back(slots)
    }

    fn close(self: Box<Self>, deadline: Instant) -> Result<(), SourceError> {
        let late = SourceError::Request {
            what: "the consumer was not closed".to_owned(),
            message: "it waits for an answer of a broker; it is a member of no group".to_owned(),
        };
        self.reading.close(deadline, late)
    }
}
