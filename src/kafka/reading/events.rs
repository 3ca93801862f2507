//! What the client library says beside records: rebalances, ends of partitions, errors, and its log.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::engine::source::SourceError;
use crate::kafka::complaint::Complaint;
use crate::kafka::diagnosis::diagnose;
use crate::kafka::native::{At, Event, What};
use crate::kafka::reading::{Reading, Told};
use crate::kafka::slots::State;
use crate::record::{NextOffset, Slot};
use crate::secrets::masked;

/// Logs of the client library are ours to show; rebalances come as events, except when the consumer is being closed.
pub(in crate::kafka) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level as i32, &format!("{facility} {message}"));
    }

    /// Events that nobody took before the consumer was closed, the end of a partition among them: no trouble of anybody's.
    fn error(&self, error: KafkaError, reason: &str) {
        log(RDKafkaLogLevel::Debug as i32, &format!("{error}: {reason}"));
    }
}

impl ConsumerContext for Quiet {}

/// The client library repeats its complaints several times a second; incidents say the same once.
fn log(level: i32, text: &str) {
    let text = masked(text);
    if level <= RDKafkaLogLevel::Warning as i32 {
        tracing::info!(target: "librdkafka", "{text}");
    } else {
        tracing::debug!(target: "librdkafka", "{text}");
    }
}

impl Reading {
    /// Takes in whatever is not a record.
    pub(super) fn note(&mut self, event: &Event) -> Result<(), SourceError> {
        match event.what() {
            What::Assign(partitions) => {
                self.given(&partitions.iter().map(|at| (at.topic.as_str(), at.partition)).collect::<Vec<_>>());
            }
            What::Revoke(partitions) => self.revoked(&partitions),
            What::EndOfPartition(at) => {
                let end = self.slots.find(&at.topic, at.partition).zip(NextOffset::new(at.offset));
                self.untold.extend(end.map(|(slot, position)| Told::AtEnd(slot, position)));
            }
            What::Error { is_fatal: true, reason, .. } => return Err(SourceError::Fatal { message: reason }),
            What::Error { code, reason, at, .. } => return self.trouble(code, &reason, at.as_ref()),
            What::Log { level, text } => log(level, &text),
            What::Committed(..) | What::Other => {}
        }
        Ok(())
    }

    pub(in crate::kafka) fn revoked(&mut self, partitions: &[At]) {
        let slots: Vec<Slot> = partitions.iter().filter_map(|at| self.slots.find(&at.topic, at.partition)).collect();
        self.forget(&slots);
        let is_lost = self.consumer.assignment_lost();
        self.untold.push_back(if is_lost { Told::Lost(slots) } else { Told::Revoking(slots) });
    }

    fn trouble(&mut self, code: RDKafkaErrorCode, reason: &str, at: Option<&At>) -> Result<(), SourceError> {
        match code {
            RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::SSL
            | RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::OperationTimedOut => {
                if let Some(complaint) = Complaint::read(reason) {
                    self.away.complained(diagnose(&complaint, &self.manner).summary());
                }
                return self.asking.anybody();
            }
            // The client library fetches nothing more of it by itself.
            RDKafkaErrorCode::AutoOffsetReset => {
                let slot = at.and_then(|at| self.slots.find(&at.topic, at.partition));
                let is_assigned = |slot: &Slot| self.slots.get(*slot).is_some_and(|place| place.state == State::Flowing);
                let slots: Vec<Slot> = slot.filter(is_assigned).into_iter().collect();
                self.absence.doubt_no_more(&slots);
                self.offering.wait_for(slots);
            }
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::UnknownTopicId
                if self.absence.is_told_of() =>
            {
                let slot = at.and_then(|at| self.slots.find(&at.topic, at.partition));
                self.doubt(slot.into_iter().collect());
            }
            RDKafkaErrorCode::GroupAuthorizationFailed => {
                return Err(SourceError::Forbidden { kind: "group", name: self.subscription.group.clone() });
            }
            RDKafkaErrorCode::TopicAuthorizationFailed => {
                let name = at.map_or_else(|| self.subscription.topics.names().join(", "), |at| at.topic.clone());
                return Err(SourceError::Forbidden { kind: "topic", name });
            }
            _ => log(RDKafkaLogLevel::Warning as i32, reason),
        }
        Ok(())
    }
}
