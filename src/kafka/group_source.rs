//! A consumer group as the engine's source: membership, records, commits.
//!
//! A rebalance is a value here, not a callback: the event is noted, the engine drains while it goes on polling, and then we assign or
//! unassign ourselves. The client library never chooses where to start. Nothing here waits for a broker, but for a last commit.

mod asking;
mod away;
mod commits;
mod events;
mod fetching;
mod looking;
mod offering;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::engine::coordinator::UntilEnd;
use crate::engine::source::{CommitResult, CommitStarted, Flow, Mark, Notice, Offer, Polled, Source, SourceError, Start};
use crate::kafka::cluster::Cluster;
use crate::kafka::connection::Connection;
use crate::kafka::diagnosis::Manner;
use crate::kafka::group_source::asking::Asking;
use crate::kafka::group_source::away::Away;
use crate::kafka::group_source::commits::Commits;
use crate::kafka::group_source::events::Quiet;
use crate::kafka::group_source::offering::Offering;
use crate::kafka::native::{Event, Queue};
use crate::kafka::slots::{Slots, Topics};
use crate::record::{HeadersBuf, NextOffset, Offset, RawRecord, ReceiverSet, Slot};

/// How long the last commit waits for its answer, and then the group to be left when a broker is known to be silent. A stop may take
/// 5 s after the drain, and both must fit.
const LAST_ANSWER: Duration = Duration::from_secs(3);
const LAST_HOPE: Duration = Duration::from_secs(1);
const CLOSES_WITHIN: Duration = Duration::from_secs(5);

/// Where a partition without a committed offset starts, as the user said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Earliest,
    Latest,
    /// The first record at or after this time.
    TimeMs(i64),
}

/// What a group member reads.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub group: String,
    /// Names, or patterns that begin with `^`.
    pub topics: Vec<String>,
    pub from: Option<From>,
    pub until_end: UntilEnd,
    /// The topics that were there when the run began: one that appears later starts at its beginning.
    pub there: HashSet<String>,
}

/// A member of a consumer group.
pub struct GroupSource {
    /// Before the consumer: queues and events must go first.
    lent: Option<Event>,
    events: Queue,
    commits: Commits,
    asking: Asking,
    consumer: Arc<BaseConsumer<Quiet>>,
    cluster_id: String,
    manner: Manner,
    subscription: Subscription,
    slots: Slots,
    topics: Topics,
    offering: Offering,
    away: Away,
    /// What was found out and waits to be told, one thing for each poll.
    untold: VecDeque<Told>,
    headers: HeadersBuf,
    flow: Flow,
}

enum Told {
    Notice(Notice),
    Offered(Vec<Offer>),
    Revoking(Vec<Slot>),
    Lost(Vec<Slot>),
    AtEnd(Slot, NextOffset),
}

impl GroupSource {
    /// Joins the group. `cluster` is only asked for its id.
    ///
    /// # Errors
    /// When the client library refuses the properties or the topics.
    pub fn join(connection: &Connection, cluster: &Cluster, subscription: Subscription) -> Result<Self, SourceError> {
        let cannot = "the Kafka consumer cannot be made";
        let refused = |what: &str, message: String| SourceError::Request { what: what.to_owned(), message };
        let consumer: BaseConsumer<Quiet> = connection
            .member_of(&subscription.group)
            .create_with_context(Quiet)
            .map_err(|error| SourceError::Properties { message: error.to_string() })?;
        let no_queue = || refused(cannot, "it has no queue".to_owned());
        let events = Queue::of_consumer(consumer.client()).ok_or_else(no_queue)?;
        let answers = Queue::new(consumer.client()).ok_or_else(no_queue)?;
        let topics: Vec<&str> = subscription.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| refused("the topics cannot be subscribed", error.to_string()))?;
        let consumer = Arc::new(consumer);
        let asking = Asking::start(Arc::clone(&consumer), connection.bootstrap(), &subscription)
            .map_err(|error| refused(cannot, error.to_string()))?;
        Ok(Self {
            lent: None,
            events,
            commits: Commits::new(answers),
            asking,
            consumer,
            cluster_id: cluster.id().to_owned(),
            manner: connection.manner(),
            subscription,
            slots: Slots::default(),
            topics: Topics::default(),
            offering: Offering::default(),
            away: Away::default(),
            untold: VecDeque::new(),
            headers: HeadersBuf::default(),
            flow: Flow::Open,
        })
    }

    /// The next thing that was found out.
    fn tell(&mut self) -> Option<Polled<'static>> {
        Some(match self.untold.pop_front()? {
            Told::Notice(notice) => Polled::Notice(notice),
            Told::Offered(offers) => Polled::Offered(offers),
            Told::Revoking(slots) => Polled::Revoking(slots),
            Told::Lost(slots) => Polled::Lost(slots),
            Told::AtEnd(slot, position) => Polled::AtEnd(slot, position),
        })
    }

    /// Until when a broker is waited for: not for long when it is silent anyway.
    fn patience(&self, most: Duration) -> Instant {
        Instant::now() + if self.away.is_silent() { LAST_HOPE } else { most }
    }

    fn lend(&mut self, event: Event) -> Polled<'_> {
        let message = match self.lent.insert(event).message() {
            Some(message) if message.error().is_ok() => message,
            _ => return Polled::Idle,
        };
        let slot = self.slots.find_c(message.topic(), message.partition());
        let Some((slot, offset)) = slot.zip(Offset::new(message.offset())) else { return Polled::Idle };
        if let Some(place) = self.slots.get_mut(slot) {
            place.position = offset.next();
        }
        self.away.flowed();
        message.read_headers(&mut self.headers);
        Polled::Record(RawRecord {
            slot,
            offset,
            leader_epoch: message.leader_epoch(),
            timestamp: message.timestamp(),
            key: message.key(),
            value: message.value(),
            headers: self.headers.finish(),
            only: ReceiverSet::ALL,
        })
    }
}

impl Source for GroupSource {
    fn poll(&mut self, wait: Duration) -> Result<Polled<'_>, SourceError> {
        self.lent = None;
        if let Some(results) = self.commits.answered(&self.slots) {
            return Ok(Polled::Committed(results));
        }
        self.keep_asking()?;
        if let Some(told) = self.tell() {
            return Ok(told);
        }
        let Some(event) = self.events.poll(wait) else { return Ok(Polled::Idle) };
        if event.is_record() {
            return Ok(self.lend(event));
        }
        self.note(&event)?;
        Ok(self.tell().unwrap_or(Polled::Idle))
    }

    fn assign(&mut self, starts: &[Start]) -> Result<(), SourceError> {
        self.start(starts)
    }

    fn flow(&mut self, flow: Flow) -> Result<(), SourceError> {
        self.set_flow(flow)
    }

    fn commit(&mut self, marks: &[Mark]) -> Result<CommitStarted, SourceError> {
        self.commits.start(self.consumer.client(), &self.slots, marks)?;
        Ok(CommitStarted::Yes)
    }

    fn commit_now(&mut self, marks: &[Mark], deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
        let deadline = self.patience(LAST_ANSWER).min(deadline);
        let answered = self.commits.make(self.consumer.client(), &self.slots, marks, deadline);
        if answered.is_err() {
            self.away.give_up();
        }
        answered
    }

    fn release(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        self.commits.forget(slots);
        self.give_back(slots)
    }

    /// The consumer is closed on a thread of its own: its own way of closing has no deadline.
    fn close(self: Box<Self>, deadline: Instant) -> Result<(), SourceError> {
        let deadline = self.patience(CLOSES_WITHIN).min(deadline);
        let Self { lent, events, commits, asking, consumer, .. } = *self;
        drop((lent, events, commits));
        // Bounded by its one message.
        let (closed, is_closed) = mpsc::channel();
        let closing = thread::Builder::new().name("redrive-close".to_owned()).spawn(move || {
            asking.end();
            drop(consumer);
            closed.send(()).is_ok()
        });
        if let Err(error) = closing {
            return Err(SourceError::Request { what: "the consumer cannot be closed".to_owned(), message: error.to_string() });
        }
        is_closed.recv_timeout(deadline.saturating_duration_since(Instant::now())).map_err(|_| SourceError::Request {
            what: "the consumer did not leave its group".to_owned(),
            message: "no answer in time; its partitions are free again when its session times out".to_owned(),
        })
    }
}
