//! Partitions that are read without being a member of the group: for a look at what a group has to read, and for ranges of a log.
//!
//! No rebalance gives or takes them: they are only assigned. It commits nothing.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::engine::UntilEnd;
use crate::engine::rereading::OpenAgain;
use crate::engine::source::{CommitResult, CommitStarted, Flow, Mark, Polled, Source, SourceError, Start};
use crate::kafka::choice::{There, TopicChoice};
use crate::kafka::cluster::Cluster;
use crate::kafka::connection::Connection;
use crate::kafka::reading::{Listing, Reading, Subscription};
use crate::record::Slot;

/// Partitions that are read without being a member.
pub struct UnjoinedSource {
    reading: Reading,
    extent: Extent,
}

/// Which partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// All of the topics, and there was no list of them yet.
    Unlisted,
    Listed,
    /// Those that were named when it was opened.
    Fixed,
}

impl UnjoinedSource {
    /// All partitions of the topics, those that appear later among them. `cluster` is only asked for its id.
    ///
    /// # Errors
    /// When the client library refuses the properties.
    pub fn of_topics(connection: &Connection, cluster: &Cluster, subscription: Subscription) -> Result<Self, SourceError> {
        let reading = Reading::begin(connection, cluster.id(), subscription, Listing::AtOnce)?;
        Ok(Self { reading, extent: Extent::Unlisted })
    }

    /// Just these partitions. They are offered once, when all of them are known; whoever assigns one says where it begins, and may assign it again to go on somewhere
    /// else.
    ///
    /// # Errors
    /// As `of_topics`.
    pub fn of_partitions(
        connection: &Connection,
        cluster_id: &str,
        group: &str,
        partitions: &[(&str, i32)],
    ) -> Result<Self, SourceError> {
        Self::fixed(connection, cluster_id, (group, UntilEnd::Yes), partitions)
    }

    /// As `of_partitions`, but each is offered as soon as it is known, and of those that do not exist is told ([`Polled::NotThere`]).
    ///
    /// # Errors
    /// As `of_topics`.
    pub fn of_those_there(
        connection: &Connection,
        cluster_id: &str,
        group: &str,
        partitions: &[(&str, i32)],
    ) -> Result<Self, SourceError> {
        let mut source = Self::fixed(connection, cluster_id, (group, UntilEnd::No), partitions)?;
        source.reading.tell_of_absence_after(connection.propagates_within());
        Ok(source)
    }

    fn fixed(
        connection: &Connection,
        cluster_id: &str,
        (group, until_end): (&str, UntilEnd),
        partitions: &[(&str, i32)],
    ) -> Result<Self, SourceError> {
        let topics: BTreeSet<String> = partitions.iter().map(|(topic, _)| (*topic).to_owned()).collect();
        let there: Vec<String> = topics.into_iter().collect();
        let subscription =
            Subscription { group: group.to_owned(), topics: TopicChoice::of_names(there.clone()), from: None, until_end, there };
        let mut reading = Reading::begin(connection, cluster_id, subscription, Listing::Never)?;
        reading.given(partitions);
        Ok(Self { reading, extent: Extent::Fixed })
    }

    /// Takes the partitions that were not there before. The first list is answered even when there is nothing on it.
    fn take(&mut self, there: &There) {
        let all = there.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |number| (topic.as_str(), *number)));
        let new: Vec<_> = all.filter(|(topic, number)| self.reading.slots.find(topic, *number).is_none()).collect();
        if !new.is_empty() || std::mem::replace(&mut self.extent, Extent::Listed) == Extent::Unlisted {
            self.reading.given(&new);
        }
    }
}

/// Opens sources of partitions that a receiver missed records of.
#[derive(Clone, Debug)]
pub struct Unjoined {
    pub connection: Connection,
    pub cluster_id: String,
    pub group: String,
}

impl OpenAgain for Unjoined {
    fn open_again(&self, partitions: &[(&str, i32)]) -> Result<Box<dyn Source>, SourceError> {
        let source = UnjoinedSource::of_those_there(&self.connection, &self.cluster_id, &self.group, partitions)?;
        Ok(Box::new(source))
    }
}

impl Source for UnjoinedSource {
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

    fn flow_of(&mut self, slots: &[Slot], flow: Flow) -> Result<(), SourceError> {
        self.reading.set_flow_of(slots, flow)
    }

    fn commit(&mut self, _marks: &[Mark]) -> Result<CommitStarted, SourceError> {
        Ok(CommitStarted::NoGroup)
    }

    fn commit_now(&mut self, marks: &[Mark], _deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
        Ok(marks.iter().map(|mark| (mark.clone(), Ok(()))).collect())
    }

    fn release(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        match self.extent {
            Extent::Unlisted | Extent::Listed => self.reading.give_back(slots),
            Extent::Fixed => self.reading.leave(slots),
        }
    }

    fn close(self: Box<Self>, deadline: Instant) -> Result<(), SourceError> {
        let late = SourceError::Request {
            what: "the consumer was not closed".to_owned(),
            message: "it waits for an answer of a broker; it is a member of no group".to_owned(),
        };
        self.reading.close(deadline, late)
    }
}
