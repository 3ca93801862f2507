//! Apache Kafka: the only module that names its client library.
//!
//! `native` is the safe face over the C interface, where the crate has none or one that panics on hostile bytes; `GroupSource` is a
//! consumer group as the engine sees it; `TopicProducer` a topic as a receiver writes it; `Cluster` answers questions, and says what is wrong
//! when there is no answer (`diagnosis`); `EmbeddedBroker` serves the demo.

mod certificate;
mod cluster;
mod complaint;
mod connecting;
mod connection;
mod diagnosis;
mod embedded;
mod group_source;
mod names;
mod native;
mod slots;
mod topic_producer;
mod unusable;

pub use cluster::{Cluster, ClusterError, TopicInfo};
pub use connection::{CONSUMER_DEFAULTS, Connection, ConnectionError};
pub use diagnosis::Diagnosis;
pub use embedded::{EmbeddedBroker, EmbeddedError, Sample};
pub use group_source::{From, GroupSource, Subscription};
pub use topic_producer::TopicProducer;
