//! Apache Kafka: the only module that names its client library.
//!
//! `native` is the safe face over the C interface, where the crate has none or one that panics on hostile bytes; `reading` is what
//! `GroupSource`, a member of a group, and `UnjoinedSource`, which is none, have in common; `TopicProducer` is a topic as a receiver
//! writes it; `Cluster` answers questions, and says what is wrong when there is no answer (`diagnosis`), `Examiner` answers those of a
//! check-up; `Groups` asks about groups and moves them; `EmbeddedBroker` serves the demo.

mod certificate;
mod choice;
mod cluster;
mod complaint;
mod connecting;
mod connection;
mod diagnosis;
mod embedded;
mod examiner;
mod group_source;
mod groups;
mod logs;
mod names;
mod native;
mod reading;
mod slots;
mod topic_producer;
mod unjoined_source;
mod unusable;
mod written;

pub use choice::{PatternError, TopicChoice};
pub use cluster::{Cluster, ClusterError, TargetTopic, TopicInfo};
pub use connection::{CONSUMER_DEFAULTS, Connection, ConnectionError};
pub use diagnosis::Diagnosis;
pub use embedded::{EmbeddedBroker, EmbeddedError, Sample};
pub use examiner::{Examiner, PartitionFacts, Request, Standing};
pub use group_source::GroupSource;
pub use groups::Groups;
pub use logs::{Logs, PartitionLog};
pub use native::describe::{Allowed, ClusterDescription, Node, Operation, TopicDescription, TopicTrouble};
pub use native::groups::GroupDescription;
pub use reading::Subscription;
pub use topic_producer::TopicProducer;
pub use unjoined_source::{Unjoined, UnjoinedSource};
