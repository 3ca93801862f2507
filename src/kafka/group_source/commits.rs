//! Commits that were started: which marks are out, and what the broker said of each.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset as RawOffset, TopicPartitionList};

use crate::engine::source::{CommitError, CommitResult, Mark, SourceError};
use crate::kafka::native::{Event, Queue, What};
use crate::kafka::slots::Slots;
use crate::record::Slot;

/// A group that is on the move has arrived after a moment.
const TRY_AGAIN: Duration = Duration::from_millis(100);

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

    /// Starts a commit and waits until all of it is answered. What is refused because the group is on the move is tried again: a member
    /// that leaves while another joins is the ordinary case when programs are replaced one by one.
    pub(super) fn make<C: ClientContext>(
        &mut self,
        client: &Client<C>,
        slots: &Slots,
        marks: &[Mark],
        deadline: Instant,
    ) -> Result<Vec<CommitResult>, SourceError> {
        self.start(client, slots, marks)?;
        let mut results = self.wait(slots, marks, deadline)?;
        while Instant::now() + TRY_AGAIN < deadline {
            let again = take_passing(&mut results, marks);
            if again.is_empty() {
                break;
            }
            thread::park_timeout(TRY_AGAIN);
            self.start(client, slots, &again)?;
            let unanswered = |error: SourceError| {
                let error = CommitError::Unanswered { message: error.to_string() };
                again.iter().map(|mark| (mark.clone(), Err(error.clone()))).collect()
            };
            results.extend(self.wait(slots, &again, deadline).unwrap_or_else(unanswered));
        }
        Ok(results)
    }

    fn wait(&mut self, slots: &Slots, marks: &[Mark], deadline: Instant) -> Result<Vec<CommitResult>, SourceError> {
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

/// Which of these marks were refused only for a moment. An older commit that was answered meanwhile is not tried again: it would go out
/// beside a later one of its partition, and might be the one that stays.
fn take_passing(results: &mut Vec<CommitResult>, marks: &[Mark]) -> Vec<Mark> {
    let is_passing =
        |(mark, result): &mut CommitResult| marks.contains(mark) && matches!(result, Err(CommitError::Rebalancing { .. }));
    results.extract_if(.., is_passing).map(|(mark, _)| mark).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::doubles::next;

    #[test]
    fn an_older_commit_is_not_tried_again_beside_the_last_one() {
        let mark = |at| Mark { slot: Slot { index: 0, epoch: 1 }, next: next(at), metadata: String::new() };
        let on_the_move = || Err(CommitError::Rebalancing { message: "rebalance in progress".to_owned() });
        let refused = || Err(CommitError::Refused { message: "not authorized".to_owned() });
        let mut results = vec![(mark(10), on_the_move()), (mark(20), on_the_move()), (mark(30), refused())];
        assert_eq!(take_passing(&mut results, &[mark(20), mark(30)]), [mark(20)]);
        assert_eq!(results, [(mark(10), on_the_move()), (mark(30), refused())], "which are told");
    }
}
