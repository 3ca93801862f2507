//! Where records come from: the trait that the engine calls, and the values that cross it.
//!
//! Offsets here follow one rule: an [`Offset`](crate::record::Offset) is a record's own, a [`NextOffset`] is a position between records.
//! A commit names the position after the last settled record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::record::{NextOffset, Partition, RawRecord, Slot, Topic};

/// What one poll brought.
#[derive(Debug)]
pub enum Polled<'a> {
    /// A record of a slot that was assigned.
    Record(RawRecord<'a>),
    /// Partitions that are ours if we say where they start: nothing of them flows until `assign`.
    Offered(Vec<Offer>),
    /// Bounded sources that know where they begin: these are read from there, and nobody is asked. Nothing of them is committed.
    Opened(Vec<(Arc<Partition>, NextOffset)>),
    /// Still ours, and ours to commit, until `release`.
    Revoking(Vec<Slot>),
    /// No longer ours: forget them, commit nothing.
    Lost(Vec<Slot>),
    /// Sources of named partitions that are asked for it: the brokers say that there is no such partition of this topic, and have said so
    /// for longer than they may take to learn of one. It is offered if it comes all the same.
    NotThere(String, i32),
    /// Answers a commit that was started: what the broker said of each partition.
    Committed(Vec<CommitResult>),
    /// A trouble of the source itself, or its end.
    Notice(Notice),
    Idle,
    /// Nothing is left to read of this slot right now; its position may lie past transaction markers and compacted records.
    AtEnd(Slot, NextOffset),
    /// Bounded sources: the position reached the end on every slot.
    End,
}

/// A partition that the group gives us, with all that the broker says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub slot: Slot,
    pub topic: Arc<Topic>,
    pub partition: i32,
    pub committed: Option<Committed>,
    /// The first offset that the log still has.
    pub low: NextOffset,
    /// The end of what may be read: the last stable offset.
    pub end: NextOffset,
    /// The group has a committed offset for some partition of this topic.
    pub topic_known_to_group: bool,
    /// What `--from` means for this partition; `None` without the option.
    pub from: Option<NextOffset>,
    pub appeared: Appeared,
}

/// Whether a topic was there when the run began; one that appears later (a pattern is subscribed) starts at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appeared {
    BeforeTheRun,
    DuringTheRun,
}

/// What the group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub next: NextOffset,
    /// The text stored beside the offset; empty when there is none.
    pub metadata: String,
}

/// Where an offered partition starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// The partition as the engine will know it; `partition.slot` is the offer's.
    pub partition: Arc<Partition>,
    pub at: StartAt,
    pub basis: Basis,
}

/// What a start rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The group has committed an offset, wherever in the log that leads.
    Commit,
    /// Nothing is committed: `--from`, what the journal knows, or the beginning of a new partition.
    Choice,
    /// The partition was being read, and records were deleted under it.
    Gap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    At(NextOffset),
    /// Assigned and paused: nothing flows.
    Held,
}

/// How far a slot has been settled, to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub slot: Slot,
    pub next: NextOffset,
    /// Committed beside the offset: which journal and which run vouch for it.
    pub metadata: String,
}

/// What the broker said of one mark.
pub type CommitResult = (Mark, Result<(), CommitError>);

/// A trouble that the source reports and survives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// No broker answers; repeated as long as it lasts.
    BrokerAway(String),
    /// A broker answers again.
    BrokerBack,
    /// The position of a slot is no longer in the log.
    Gap(Gap),
}

/// Records that were deleted while a partition was read: those from `expected` up to but not including `low`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub slot: Slot,
    pub expected: NextOffset,
    pub low: NextOffset,
}

/// Whether records may flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Held,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitStarted {
    /// `Polled::Committed` will answer.
    Yes,
    /// The source has no group; nothing is committed and nothing will answer.
    NoGroup,
}

/// Why one partition's offset was not committed. It is tried again with the next commit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommitError {
    /// No broker answered: that brokers are away is told by a notice.
    #[error("{message}")]
    Unanswered { message: String },
    /// The group or its coordinator is on the move; that passes.
    #[error("{message}")]
    Rebalancing { message: String },
    /// The broker will not have it.
    #[error("{message}")]
    Refused { message: String },
}

/// The source cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The client library says that it is over (fencing, authorization of the group, …).
    #[error("Kafka says this consumer cannot go on: {message}")]
    Fatal { message: String },
    /// The user of the connection may not, or no longer, read this group or topic.
    #[error("the user of this connection may not read {kind} {name}")]
    Forbidden { kind: &'static str, name: String },
    /// The client cannot be made of them.
    #[error("the Kafka properties do not go together: {message}")]
    Properties { message: String },
    /// A request about one thing failed.
    #[error("{what}: {message}")]
    Request { what: String, message: String },
}

/// Where the engine's records come from.
pub trait Source: Send {
    /// At most one thing, waiting at most `wait`. Offsets of a slot only rise. Must be called every few seconds to stay a member.
    ///
    /// # Errors
    /// Only when the source cannot go on; everything that may pass is a [`Notice`].
    fn poll(&mut self, wait: Duration) -> Result<Polled<'_>, SourceError>;

    /// Answers `Offered`: these slots start there.
    ///
    /// # Errors
    /// When the client refuses the assignment.
    fn assign(&mut self, starts: &[Start]) -> Result<(), SourceError>;

    /// Holds or opens the flow of records of all slots; holding may throw prefetched records away. Slots that were assigned held stay so.
    ///
    /// # Errors
    /// When the client refuses.
    fn flow(&mut self, flow: Flow) -> Result<(), SourceError>;

    /// As `flow`, of these slots alone; they flow when both say so. A source that cannot hold one slot goes on with all.
    ///
    /// # Errors
    /// When the client refuses.
    fn flow_of(&mut self, slots: &[Slot], flow: Flow) -> Result<(), SourceError>;

    /// Starts a commit, answered by `Polled::Committed`.
    ///
    /// # Errors
    /// When it could not even be started.
    fn commit(&mut self, marks: &[Mark]) -> Result<CommitStarted, SourceError>;

    /// Commits and waits for the answer, at most until `deadline`: what revocation and shutdown need.
    ///
    /// # Errors
    /// When no answer came in time.
    fn commit_now(&mut self, marks: &[Mark], deadline: Instant) -> Result<Vec<CommitResult>, SourceError>;

    /// Gives revoked slots back, after they were drained and committed.
    ///
    /// # Errors
    /// When the client refuses.
    fn release(&mut self, slots: &[Slot]) -> Result<(), SourceError>;

    /// Leaves the group and closes, at most until `deadline`.
    ///
    /// # Errors
    /// When it did not close in time.
    fn close(self: Box<Self>, deadline: Instant) -> Result<(), SourceError>;
}
