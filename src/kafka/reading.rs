//! What all reading for a group has in common, whether or not as a member: offers, records, what becomes of brokers and topics.
//!
//! The client library never chooses where to start, and nothing here waits for a broker.

mod absence;
mod asking;
mod away;
mod events;
mod fetching;
pub(super) mod looking;
mod offering;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::engine::UntilEnd;
use crate::engine::source::{Flow, Notice, Offer, Polled, SourceError};
use crate::engine::start::StartFrom;
use crate::kafka::choice::{There, TopicChoice};
use crate::kafka::connection::Connection;
use crate::kafka::diagnosis::Manner;
use crate::kafka::native::{Event, Queue};
use crate::kafka::slots::{Slots, Topics};
use crate::record::{HeadersBuf, Meant, NextOffset, Offset, RawRecord, Slot};

use absence::Absence;
use asking::Asking;
pub(super) use asking::Listing;
use away::Away;
pub(super) use events::Quiet;
use offering::Offering;

/// How long a broker that is known to be silent is waited for.
const LAST_HOPE: Duration = Duration::from_secs(1);
const CLOSES_WITHIN: Duration = Duration::from_secs(5);

/// What is read for a group.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub group: String,
    pub topics: TopicChoice,
    /// Where a partition without a committed offset starts, as the user said it.
    pub from: Option<StartFrom>,
    pub until_end: UntilEnd,
    /// The topics that were there when the run began: one that appears later starts at its beginning.
    pub there: Vec<String>,
}

/// A consumer of the client library, its partitions, and what is known of them.
pub(super) struct Reading {
    /// Before the consumer: queues and events must go first.
    lent: Option<Event>,
    events: Queue,
    asking: Asking,
    pub(super) consumer: Arc<BaseConsumer<Quiet>>,
    cluster_id: String,
    manner: Manner,
    subscription: Subscription,
    pub(super) slots: Slots,
    topics: Topics,
    offering: Offering,
    absence: Absence,
    pub(super) away: Away,
    /// What was listed last and nobody took yet.
    there: Option<There>,
    /// What was found out and waits to be told, one thing for each poll.
    untold: VecDeque<Told>,
    headers: HeadersBuf,
    flow: Flow,
    /// Held one by one, whatever `flow` says.
    standing: HashSet<Slot>,
}

enum Told {
    Notice(Notice),
    Offered(Vec<Offer>),
    Revoking(Vec<Slot>),
    Lost(Vec<Slot>),
    AtEnd(Slot, NextOffset),
    NotThere(String, i32),
}

impl Reading {
    /// # Errors
    /// When the client library refuses the properties.
    pub(super) fn begin(
        connection: &Connection,
        cluster_id: &str,
        subscription: Subscription,
        listing: Listing,
    ) -> Result<Self, SourceError> {
        let refused = |message: String| SourceError::Request { what: "the Kafka consumer cannot be made".to_owned(), message };
        let config: ClientConfig = connection.member_of(&subscription.group);
        let consumer: BaseConsumer<Quiet> =
            config.create_with_context(Quiet).map_err(|error| SourceError::Properties { message: error.to_string() })?;
        let events = Queue::of_consumer(consumer.client()).ok_or_else(|| refused("it has no queue".to_owned()))?;
        let consumer = Arc::new(consumer);
        let asking =
            Asking::start(Arc::clone(&consumer), connection, &subscription, listing).map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            lent: None,
            events,
            asking,
            consumer,
            cluster_id: cluster_id.to_owned(),
            manner: connection.manner(),
            subscription,
            slots: Slots::default(),
            topics: Topics::default(),
            offering: Offering::default(),
            absence: Absence::default(),
            away: Away::default(),
            there: None,
            untold: VecDeque::new(),
            headers: HeadersBuf::default(),
            flow: Flow::Open,
            standing: HashSet::new(),
        })
    }

    /// Tells of partitions that are not there for longer than this.
    pub(super) fn tell_of_absence_after(&mut self, patience: Duration) {
        self.absence.tell_after(patience);
    }

    /// Takes back what was lent, and takes in what was answered meanwhile. Before each poll.
    pub(super) fn look_around(&mut self) -> Result<(), SourceError> {
        self.lent = None;
        self.keep_asking()
    }

    /// The topics that were listed, once.
    pub(super) fn take_there(&mut self) -> Option<There> {
        self.there.take()
    }

    pub(super) fn poll(&mut self, wait: Duration) -> Result<Polled<'_>, SourceError> {
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

    /// The next thing that was found out.
    fn tell(&mut self) -> Option<Polled<'static>> {
        Some(match self.untold.pop_front()? {
            Told::Notice(notice) => Polled::Notice(notice),
            Told::Offered(offers) => Polled::Offered(offers),
            Told::Revoking(slots) => Polled::Revoking(slots),
            Told::Lost(slots) => Polled::Lost(slots),
            Told::AtEnd(slot, position) => Polled::AtEnd(slot, position),
            Told::NotThere(topic, partition) => Polled::NotThere(topic, partition),
        })
    }

    /// Until when a broker is waited for: not for long when it is silent anyway.
    pub(super) fn patience(&self, most: Duration) -> Instant {
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
            meant: Meant::ALL,
        })
    }

    /// Closes the consumer on a thread of its own: its own way of closing has no deadline. `late` is what it means that it takes longer.
    pub(super) fn close(self, deadline: Instant, late: SourceError) -> Result<(), SourceError> {
        let deadline = self.patience(CLOSES_WITHIN).min(deadline);
        let Self { lent, events, asking, consumer, .. } = self;
        drop((lent, events));
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
        is_closed.recv_timeout(deadline.saturating_duration_since(Instant::now())).map_err(|_| late)
    }
}
