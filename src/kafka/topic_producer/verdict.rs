//! What an error of the client library means for one record. Whether another try can help is for the receiver to say.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::receiver::ProduceError;

/// `trouble`: what the library complained about since a broker last took anything.
pub(super) fn of(error: &KafkaError, timeout: Duration, trouble: Option<String>) -> ProduceError {
    let KafkaError::MessageProduction(code) = error else { return ProduceError::Other(error.to_string()) };
    match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => ProduceError::TooLarge,
        Code::InvalidRecord | Code::InvalidTimestamp | Code::InvalidMessage | Code::PolicyViolation => {
            ProduceError::Invalid(code.to_string())
        }
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => ProduceError::NotAuthorized(code.to_string()),
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => ProduceError::UnknownTopic,
        Code::MessageTimedOut => trouble.map_or(ProduceError::TimedOut(timeout), ProduceError::Away),
        // The library gave up on a client and on all that was in its queues, or the sequence of a partition broke, which ends in that.
        Code::Fatal
        | Code::PurgeQueue
        | Code::PurgeInflight
        | Code::OutOfOrderSequenceNumber
        | Code::UnknownProducerId
        | Code::InvalidProducerEpoch
        | Code::Fenced
        | Code::QueueFull
        | Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend => ProduceError::Away(trouble.unwrap_or_else(|| code.to_string())),
        _ => ProduceError::Other(code.to_string()),
    }
}
