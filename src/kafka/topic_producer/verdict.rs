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
        // `BrokerDestroy`, outside the end of a client: a partition is dropped, with what waits for it, once no metadata has it any more.
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::BrokerDestroy => {
            ProduceError::UnknownTopic
        }
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
        | Code::DestroyBroker
        | Code::AllBrokersDown
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend => ProduceError::Away(trouble.unwrap_or_else(|| code.to_string())),
        _ => ProduceError::Other(code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waited_for_a_partition_that_is_dropped_has_no_topic_any_more() {
        let said = |code| of(&KafkaError::MessageProduction(code), Duration::from_secs(30), None);
        assert_eq!(said(Code::BrokerDestroy), ProduceError::UnknownTopic);
        assert!(matches!(said(Code::DestroyBroker), ProduceError::Away(_)), "a broker that left the cluster");
    }
}
