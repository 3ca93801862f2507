//! Why a replay cannot be, or has nothing to do: each names the thing, what was expected and what was found.

use std::fmt;

use thiserror::Error;

use crate::consumer::BeginError;
use crate::engine::EngineError;
use crate::engine::ledger::LedgerError;
use crate::journal::{MissedInAll, OpenError, ReadError, Selected};
use crate::kafka::ClusterError;

/// A replay cannot be prepared, or not begun.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    #[error("stopped before anything was delivered")]
    Stopped,
    /// `missed`: what receivers missed is no entry, and may be what is meant.
    #[error("nothing in the journal fits")]
    NothingSelected { missed: Vec<MissedInAll> },
    #[error("the journal has no entry {}", listed(ids))]
    UnknownEntries { ids: Vec<i64> },
    /// Sorted.
    #[error("the selection is of several consumer groups ({}): a replay is for one", groups.join(", "))]
    SeveralGroups { groups: Vec<String> },
    #[error("the selected entries are of group {}, not of {asked}", groups.join(", "))]
    OtherGroup { asked: String, groups: Vec<String> },
    /// The journal has never seen the topic.
    #[error("the journal knows no consumer group that reads {topic}")]
    GroupUnknown { topic: String },
    /// `known`: the groups that do, as far as the journal knows.
    #[error("group {group} has committed nothing in {topics}, and nothing of it is in the journal")]
    UnknownGroup { group: String, topics: String, known: Vec<String> },
    #[error("there is no receiver {name}: it is neither configured nor in the journal")]
    UnknownReceiver { name: String, known: Vec<String> },
    #[error("--map {old}={new}: nothing of a receiver {old} is in the journal, and none is configured")]
    MapOfNobody { old: String, new: String, known: Vec<String> },
    #[error("--map {old}={new}: receiver {new} is not configured")]
    MapToNobody { old: String, new: String, known: Vec<String> },
    #[error("with --map there are more than 64 receivers")]
    TooManyReceivers,
    /// `there`: the topics that this cluster has.
    #[error("there is no topic {name} on this cluster, and the journal knows none")]
    UnknownTopic { name: String, there: Vec<String> },
    #[error("topic {topic} has {count} partitions (0 to {}): there is no partition {partition}", count.saturating_sub(1))]
    UnknownPartition { topic: String, partition: i32, count: usize },
    #[error("{place} ends at offset {}: {asked} reaches past it", place.end)]
    PastEnd { place: Extent, asked: String },
    /// A span of time in which nothing was written.
    #[error("there is no record in {what}")]
    NoRecords { what: String, extent: Option<Extent> },
    /// Neither the log nor the journal has anything of it.
    #[error("{what} is gone: {}", if *has_journal { "neither the log nor the journal has it" } else { "the log does not have it" })]
    Gone { what: String, extent: Option<Extent>, has_journal: bool },
    /// Everything that is selected has been delivered.
    #[error("there is nothing left to deliver: {already} of what is selected {} delivered already", if *already == 1 { "is" } else { "are" })]
    NothingLeft { already: u64 },
    /// `--bootstrap-server` is missing.
    #[error("no broker is named, and this replay needs one: {why}")]
    NoBroker { why: String },
    #[error("the brokers do not say what is needed of {place}: {message}")]
    Unanswered { place: String, message: String },
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Journal(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] LedgerError),
    #[error(transparent)]
    Begin(#[from] BeginError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl ReplayError {
    /// Why there is nothing to do, as far as the journal can tell.
    pub(super) fn nothing_selected(journal: Option<&Selected>) -> Self {
        let missed = journal.map_or(Ok(Vec::new()), |selected| selected.reader().all_missed());
        missed.map_or_else(Self::Read, |missed| Self::NothingSelected { missed })
    }
}

/// The offsets that a partition's log has; `end` is excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    pub topic: String,
    pub partition: i32,
    pub low: i64,
    pub end: i64,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

fn listed(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}
