//! A consumer group as the engine's source: membership, records, commits.
//!
//! A rebalance is a value here, not a callback: the event is noted, the engine drains while it goes on polling, and then we assign or
//! unassign ourselves. The client library never chooses where to start.

mod away;
mod offering;

use std::collections::{HashSet, VecDeque};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset as RawOffset, TopicPartitionList};

use crate::engine::source::{
    CommitError, CommitResult, CommitStarted, Flow, Gap, Mark, Notice, Polled, Source, SourceError, Start, StartAt,
};
use crate::kafka::cluster::{self, Cluster};
use crate::kafka::connection::Connection;
use crate::kafka::group_source::away::Away;
use crate::kafka::group_source::offering::Offering;
use crate::kafka::native::{At, Event, Queue, What};
use crate::kafka::slots::{Slots, State, Topics};
use crate::record::{HeadersBuf, NextOffset, Offset, RawRecord, ReceiverSet, Slot};

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
    /// The topics that were there when the run began: one that appears later starts at its beginning.
    pub there: HashSet<String>,
}

/// A member of a consumer group.
pub struct GroupSource {
    /// Before the consumer: queues and events must go first.
    lent: Option<Event>,
    events: Queue,
    answers: Queue,
    consumer: BaseConsumer<Quiet>,
    cluster_id: String,
    subscription: Subscription,
    slots: Slots,
    topics: Topics,
    offering: Offering,
    away: Away,
    /// Commits that were started and not answered.
    in_flight: Vec<Mark>,
    /// What was found out and waits to be told, one thing for each poll.
    untold: VecDeque<Told>,
    headers: HeadersBuf,
    flow: Flow,
}

enum Told {
    Notice(Notice),
    Revoking(Vec<Slot>),
    Lost(Vec<Slot>),
    AtEnd(Slot, NextOffset),
}

/// Logs of the client library are ours to show; rebalances come as events, except when the consumer is being closed.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level as i32, &format!("{facility} {message}"));
    }
}

impl ConsumerContext for Quiet {}

/// The client library repeats its complaints several times a second; incidents say the same once.
fn log(level: i32, text: &str) {
    if level <= RDKafkaLogLevel::Warning as i32 {
        tracing::info!(target: "librdkafka", "{text}");
    } else {
        tracing::debug!(target: "librdkafka", "{text}");
    }
}

impl GroupSource {
    /// Joins the group. `cluster` is only asked for its id.
    ///
    /// # Errors
    /// When the client library refuses the properties or the topics.
    pub fn join(connection: &Connection, cluster: &Cluster, subscription: Subscription) -> Result<Self, SourceError> {
        let refused = |what: &str, message: String| SourceError::Request { what: what.to_owned(), message };
        let consumer: BaseConsumer<Quiet> = connection
            .member_of(&subscription.group)
            .create_with_context(Quiet)
            .map_err(|error| refused("the Kafka consumer cannot be made", error.to_string()))?;
        let no_queue = || refused("the Kafka consumer cannot be made", "it has no queue".to_owned());
        let events = Queue::of_consumer(consumer.client()).ok_or_else(no_queue)?;
        let answers = Queue::new(consumer.client()).ok_or_else(no_queue)?;
        let topics: Vec<&str> = subscription.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| refused("the topics cannot be subscribed", error.to_string()))?;
        Ok(Self {
            lent: None,
            events,
            answers,
            consumer,
            cluster_id: cluster.id().to_owned(),
            subscription,
            slots: Slots::default(),
            topics: Topics::default(),
            offering: Offering::default(),
            away: Away::default(),
            in_flight: Vec::new(),
            untold: VecDeque::new(),
            headers: HeadersBuf::default(),
            flow: Flow::Open,
        })
    }

    fn tell(&self, told: Told) -> Polled<'_> {
        match told {
            Told::Notice(notice) => Polled::Notice(notice),
            Told::Revoking(slots) => Polled::Revoking(slots),
            Told::Lost(slots) => Polled::Lost(slots),
            Told::AtEnd(slot, position) => Polled::AtEnd(slot, position),
        }
    }

    /// Answers of commits, once there are any.
    fn answered(&mut self) -> Option<Vec<CommitResult>> {
        if self.in_flight.is_empty() {
            return None;
        }
        let event = self.answers.poll(Duration::ZERO)?;
        self.read_answer(&event)
    }

    fn read_answer(&mut self, event: &Event) -> Option<Vec<CommitResult>> {
        let What::Committed(all, each) = event.what() else { return None };
        let mut results = Vec::new();
        for at in each {
            let result = all.and(at.error).map_err(not_committed);
            let found = self.in_flight.iter().position(|mark| {
                let place = self.slots.get(mark.slot);
                mark.next.get() == at.offset
                    && place.is_some_and(|place| place.partition == at.partition && place.topic == at.topic)
            });
            if let Some(found) = found {
                results.push((self.in_flight.swap_remove(found), result));
            }
        }
        Some(results)
    }

    /// Takes in whatever is not a record.
    fn note(&mut self, event: &Event) -> Result<(), SourceError> {
        match event.what() {
            What::Assign(partitions) => {
                self.offering.add(partitions.iter().map(|at| self.slots.offer(&at.topic, at.partition)).collect());
            }
            What::Revoke(partitions) => self.revoked(&partitions),
            What::EndOfPartition(at) => {
                let end = self.slots.find(&at.topic, at.partition).zip(NextOffset::new(at.offset));
                self.untold.extend(end.map(|(slot, position)| Told::AtEnd(slot, position)));
            }
            What::Error { is_fatal: true, reason, .. } => return Err(SourceError::Fatal { message: reason }),
            What::Error { code, reason, at, .. } => return self.trouble(code, reason, at.as_ref()),
            What::Log { level, text } => log(level, &text),
            What::Committed(..) | What::Other => {}
        }
        Ok(())
    }

    fn revoked(&mut self, partitions: &[At]) {
        let slots: Vec<Slot> = partitions.iter().filter_map(|at| self.slots.find(&at.topic, at.partition)).collect();
        self.offering.forget(&slots);
        let is_lost = self.consumer.assignment_lost();
        self.untold.push_back(if is_lost { Told::Lost(slots) } else { Told::Revoking(slots) });
    }

    fn trouble(&mut self, code: RDKafkaErrorCode, reason: String, at: Option<&At>) -> Result<(), SourceError> {
        match code {
            RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut => self.away.suspect(Instant::now(), reason),
            RDKafkaErrorCode::AutoOffsetReset => self.out_of_log(at),
            RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::TopicAuthorizationFailed => {
                return Err(SourceError::Fatal { message: reason });
            }
            _ => log(RDKafkaLogLevel::Warning as i32, &reason),
        }
        Ok(())
    }

    /// A partition's position is no longer in its log: either records were deleted, or the log was cut.
    fn out_of_log(&mut self, at: Option<&At>) {
        let suspects: Vec<_> = self
            .slots
            .assigned()
            .filter(|(_, place)| at.is_none_or(|at| at.topic == place.topic && at.partition == place.partition))
            .map(|(slot, place)| (slot, place.topic.clone(), place.partition, place.position))
            .collect();
        let of: Vec<(&str, i32)> = suspects.iter().map(|(_, topic, partition, _)| (topic.as_str(), *partition)).collect();
        // Without an answer they are judged anew as well: the client library fetches nothing more of them by itself.
        let lows = cluster::list_offsets(&self.consumer, &of, RawOffset::Beginning);
        let is_certain = at.is_some() || lows.is_err();
        let lows = lows.unwrap_or_default();
        for (slot, topic, partition, expected) in &suspects {
            let low = lows.iter().find(|low| low.topic == *topic && low.partition == *partition);
            match low.and_then(|low| NextOffset::new(low.offset)) {
                Some(low) if low > *expected => {
                    self.untold.push_back(Told::Notice(Notice::Gap(Gap { slot: *slot, expected: *expected, low })));
                }
                // Cut below where we are: as a new assignment it is judged by the table of starts.
                _ if is_certain => {
                    self.untold.push_back(Told::Lost(vec![*slot]));
                    self.offering.again(*slot);
                }
                _ => {}
            }
        }
    }

    fn is_cooperative(&self) -> bool {
        matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
    }

    fn list(&self, slots: impl IntoIterator<Item = Slot>) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for place in slots.into_iter().filter_map(|slot| self.slots.get(slot)) {
            list.add_partition_offset(&place.topic, place.partition, RawOffset::Offset(place.position.get()))?;
        }
        Ok(list)
    }

    /// Tells the client library which partitions it fetches: those of `slots`, or all, as its protocol wants it. What it has already
    /// is taken from it first: a partition that ran out of its log stands still there, and is not sought.
    fn fetch(&self, slots: &[Slot], already: &[Slot]) -> KafkaResult<()> {
        if !self.is_cooperative() {
            return self.consumer.assign(&self.list(self.slots.assigned().map(|(slot, _)| slot))?);
        }
        if !already.is_empty() {
            self.consumer.incremental_unassign(&self.list(already.iter().copied())?)?;
        }
        self.consumer.incremental_assign(&self.list(slots.iter().copied())?)
    }

    /// Holds or opens partitions that were just assigned. Opens, too: the client library remembers that a partition was paused, even
    /// one that was somebody else's meanwhile.
    fn let_flow(&self, slots: &[Slot]) -> KafkaResult<()> {
        let flows =
            |slot: &Slot| self.flow == Flow::Open && self.slots.get(*slot).is_some_and(|place| place.state == State::Flowing);
        let (flowing, standing): (Vec<Slot>, Vec<Slot>) = slots.iter().partition(|slot| flows(slot));
        self.consumer.pause(&self.list(standing)?)?;
        self.consumer.resume(&self.list(flowing)?)
    }

    fn flowing(&self) -> Vec<Slot> {
        self.slots.assigned().filter(|(_, place)| place.state == State::Flowing).map(|(slot, _)| slot).collect()
    }
}

impl Source for GroupSource {
    fn poll(&mut self, wait: Duration) -> Result<Polled<'_>, SourceError> {
        self.lent = None;
        if let Some(results) = self.answered() {
            return Ok(Polled::Committed(results));
        }
        if let Some(offers) = self.offer(Instant::now()) {
            return Ok(offers.map_or_else(|message| Polled::Notice(Notice::BrokerAway(message)), Polled::Offered));
        }
        if let Some(told) = self.untold.pop_front() {
            return Ok(self.tell(told));
        }
        let Some(event) = self.events.poll(wait) else {
            let notice = self.away.ask(Instant::now(), &self.consumer, self.slots.any_topic());
            return Ok(notice.map_or(Polled::Idle, Polled::Notice));
        };
        if !event.is_record() {
            self.note(&event)?;
            return Ok(match self.untold.pop_front() {
                Some(told) => self.tell(told),
                None => Polled::Idle,
            });
        }
        Ok(self.lend(event))
    }

    fn assign(&mut self, starts: &[Start]) -> Result<(), SourceError> {
        let refused = |error: KafkaError| request("the partitions cannot be assigned", &error);
        let (mut slots, mut already) = (Vec::new(), Vec::new());
        for Start { partition, at, .. } in starts {
            let slot = partition.slot;
            let Some(place) = self.slots.get_mut(slot) else { continue };
            if place.state != State::Offered || self.offering.take_reoffered(slot) {
                already.push(slot);
            }
            match at {
                StartAt::At(position) => {
                    place.position = *position;
                    place.state = State::Flowing;
                }
                StartAt::Held => place.state = State::Held,
            }
            slots.push(slot);
        }
        if !slots.is_empty() || starts.is_empty() {
            self.fetch(&slots, &already).map_err(refused)?;
        }
        self.let_flow(&slots).map_err(refused)
    }

    fn flow(&mut self, flow: Flow) -> Result<(), SourceError> {
        self.flow = flow;
        let list = self.list(self.flowing()).map_err(|error| request("the flow of records cannot be changed", &error))?;
        let done = match flow {
            Flow::Held => self.consumer.pause(&list),
            Flow::Open => self.consumer.resume(&list),
        };
        done.map_err(|error| request("the flow of records cannot be changed", &error))
    }

    fn commit(&mut self, marks: &[Mark]) -> Result<CommitStarted, SourceError> {
        let refused = |message: String| SourceError::Request { what: "the commit cannot be started".to_owned(), message };
        let mut list = TopicPartitionList::with_capacity(marks.len());
        let mut started = Vec::with_capacity(marks.len());
        for mark in marks {
            let Some(place) = self.slots.get(mark.slot) else { continue };
            let mut element = list.add_partition(&place.topic, place.partition);
            element.set_offset(RawOffset::Offset(mark.next.get())).map_err(|error| refused(error.to_string()))?;
            element.set_metadata(&mark.metadata);
            started.push(mark.clone());
        }
        if list.count() > 0 {
            self.answers.commit(self.consumer.client(), &list).map_err(|error| refused(error.to_string()))?;
        }
        self.in_flight.append(&mut started);
        Ok(CommitStarted::Yes)
    }

    fn commit_now(&mut self, marks: &[Mark], deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
        self.commit(marks)?;
        let mut results = Vec::new();
        while marks.iter().any(|mark| self.in_flight.contains(mark)) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(event) = self.answers.poll(left) else {
                self.in_flight.retain(|mark| !marks.contains(mark));
                return Err(SourceError::Request {
                    what: "the commit was not answered".to_owned(),
                    message: "no answer of the group's coordinator in time".to_owned(),
                });
            };
            results.extend(self.read_answer(&event).unwrap_or_default());
        }
        Ok(results)
    }

    fn release(&mut self, slots: &[Slot]) -> Result<(), SourceError> {
        // What the broker still says of their commits is nobody's business any more.
        self.in_flight.retain(|mark| !slots.contains(&mark.slot));
        let (again, slots): (Vec<Slot>, Vec<Slot>) = slots.iter().copied().partition(|slot| self.offering.is_again(*slot));
        if slots.is_empty() && !again.is_empty() {
            return Ok(());
        }
        let given_back: Vec<Slot> = self.slots.assigned().map(|(slot, _)| slot).filter(|slot| slots.contains(slot)).collect();
        let list = self.list(given_back.iter().copied()).map_err(|error| request("partitions cannot be given back", &error))?;
        slots.iter().for_each(|slot| {
            if let Some(place) = self.slots.get_mut(*slot) {
                place.state = State::Away;
            }
        });
        let done = if self.is_cooperative() { self.consumer.incremental_unassign(&list) } else { self.consumer.unassign() };
        match done {
            Err(error) if !given_back.is_empty() => Err(request("partitions cannot be given back", &error)),
            _ => Ok(()),
        }
    }

    /// The consumer is closed on a thread of its own: its own way of closing has no deadline.
    fn close(self: Box<Self>, deadline: Instant) -> Result<(), SourceError> {
        let Self { lent, events, answers, consumer, .. } = *self;
        drop((lent, events, answers));
        let (closed, is_closed) = mpsc::channel();
        let closing = thread::Builder::new().name("redrive-close".to_owned()).spawn(move || {
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

impl GroupSource {
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

fn not_committed(code: RDKafkaErrorCode) -> CommitError {
    let message = code.to_string();
    tracing::debug!(%message, "an offset was not committed");
    match code {
        RDKafkaErrorCode::RebalanceInProgress
        | RDKafkaErrorCode::IllegalGeneration
        | RDKafkaErrorCode::UnknownMemberId
        | RDKafkaErrorCode::StaleMemberEpoch
        | RDKafkaErrorCode::FencedMemberEpoch
        | RDKafkaErrorCode::CoordinatorLoadInProgress
        | RDKafkaErrorCode::CoordinatorNotAvailable
        | RDKafkaErrorCode::NotCoordinator => CommitError::Rebalancing { message },
        // Codes below zero are the client library's own: nobody answered.
        code if (code as i32) < 0 || code == RDKafkaErrorCode::RequestTimedOut => CommitError::Unanswered { message },
        _ => CommitError::Refused { message },
    }
}

fn request(what: &str, error: &KafkaError) -> SourceError {
    SourceError::Request { what: what.to_owned(), message: error.to_string() }
}
