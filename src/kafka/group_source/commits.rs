//! Commits that were started: which marks are out, and what the broker said of each.

use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset as RawOffset, TopicPartitionList};

use crate::engine::source::{CommitError, CommitResult, Mark, SourceError};
use crate::kafka::native::{Event, Queue, What};
use crate::kafka::slots::Slots;
use crate::record::Slot;

pub(super) struct Commits {
    answers: Queue,
    /// Started and not answered.
    in_flight: Vec<Mark>,
}

impl Commits {
    pub(super) fn new(answers: Queue) -> Self {
        Self { answers, in_flight: Vec::new() }
    }

    /// Starts a commit of those marks whose slots are ours.
    pub(super) fn start<C: ClientContext>(&mut self, client: &Client<C>, slots: &Slots, marks: &[Mark]) -> Result<(), SourceError> {
        let refused = |message: String| SourceError::Request { what: "the commit cannot be started".to_owned(), message };
        let mut list = TopicPartitionList::with_capacity(marks.len());
        let mut started = Vec::with_capacity(marks.len());
        for mark in marks {
            let Some(place) = slots.get(mark.slot) else { continue };
            let mut element = list.add_partition(&place.topic, place.partition);
            element.set_offset(RawOffset::Offset(mark.next.get())).map_err(|error| refused(error.to_string()))?;
            element.set_metadata(&mark.metadata);
            started.push(mark.clone());
        }
        if list.count() > 0 {
            self.answers.commit(client, &list).map_err(|error| refused(error.to_string()))?;
        }
        self.in_flight.append(&mut started);
        Ok(())
    }

    /// The next answer, once there is one.
    pub(super) fn answered(&mut self, slots: &Slots) -> Option<Vec<CommitResult>> {
        if self.in_flight.is_empty() {
            return None;
        }
        let event = self.answers.poll(Duration::ZERO)?;
        self.read(&event, slots)
    }

    /// Waits until all of `marks` are answered.
    pub(super) fn wait(&mut self, slots: &Slots, marks: &[Mark], deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
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
            results.extend(self.read(&event, slots).unwrap_or_default());
        }
        Ok(results)
    }

    /// What the broker still says of the commits of these slots is nobody's business any more.
    pub(super) fn forget(&mut self, slots: &[Slot]) {
        self.in_flight.retain(|mark| !slots.contains(&mark.slot));
    }

    fn read(&mut self, event: &Event, slots: &Slots) -> Option<Vec<CommitResult>> {
        let What::Committed(all, each) = event.what() else { return None };
        let mut results = Vec::new();
        for at in each {
            let result = all.and(at.error).map_err(not_committed);
            let found = self.in_flight.iter().position(|mark| {
                let place = slots.get(mark.slot);
                mark.next.get() == at.offset
                    && place.is_some_and(|place| place.partition == at.partition && place.topic == at.topic)
            });
            if let Some(found) = found {
                results.push((self.in_flight.swap_remove(found), result));
            }
        }
        Some(results)
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
