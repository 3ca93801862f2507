//! Where failures and progress are written down: the trait that the engine calls, and the values that cross it.
//!
//! What `append` has returned for is on disk. Nothing else settles a failure, and no offset is committed before its progress is here.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::codec::framing::SchemaId;
use crate::codec::schema::SchemaText;
use crate::engine::missed::{CaughtUp, Deferred, KnownDeferred, LetGo, NotDeferred, Stray};
use crate::engine::source::Offer;
use crate::event::EventFacts;
use crate::failure::{Failure, Stage};
use crate::receiver::Mode;
use crate::record::{Debts, NextOffset, Offset, Partition, Record, Slot, Suspects};

/// One thing to write down.
#[derive(Clone, Debug)]
pub enum Entry {
    Failed(Box<FailedDelivery>),
    /// A receiver got a record that has an entry, or may have one. Of a record without any nothing is written.
    Delivered(Delivered),
    /// A record that has an open entry, or may have one, passed every stage up to and including this one (never `Receive`).
    Passed {
        partition: Arc<Partition>,
        offset: Offset,
        through: Stage,
        mode: Mode,
    },
    /// A replay that holds the record's entry did not deliver it: it lets go of it.
    PassedOver(PassedOver),
    Progress(Progress),
    /// With the progress that it is part of.
    Deferred(Deferred),
    CaughtUp(CaughtUp),
    NotDeferred(NotDeferred),
    LetGo(LetGo),
    Incident(Incident),
    IncidentEnded(IncidentKey),
    /// A schema that a registry served.
    Schema(Box<Served>),
}

impl Entry {
    /// How far a slot came, for entries that say so.
    #[must_use]
    pub fn position(&self) -> Option<(Slot, NextOffset)> {
        match self {
            Self::Progress(Progress { partition, to, .. }) | Self::CaughtUp(CaughtUp { partition, to, .. }) => {
                Some((partition.slot, *to))
            }
            _ => None,
        }
    }
}

/// A schema with its registry's name, and what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    pub registry: String,
    pub id: SchemaId,
    pub schema: SchemaText,
}

/// A failure with all that is needed to debug it and to deliver it again.
#[derive(Clone, Debug)]
pub struct FailedDelivery {
    /// Detached: it pins no batch.
    pub record: Record,
    /// As far as the event was identified.
    pub event: EventFacts,
    /// The receiver's name; `None` before `Receive`.
    pub receiver: Option<String>,
    pub failure: Failure,
    /// The user's rule that decided; `None`: the built-in ones did.
    pub rule: Option<String>,
    pub mode: Mode,
}

#[derive(Clone, Debug)]
pub struct Delivered {
    pub partition: Arc<Partition>,
    pub offset: Offset,
    pub receiver: String,
    pub mode: Mode,
}

/// A delivery that a replay was to make and did not.
#[derive(Clone, Debug)]
pub struct PassedOver {
    pub partition: Arc<Partition>,
    pub offset: Offset,
    /// `None`: the record's entries before `Receive`.
    pub receiver: Option<String>,
    pub why: WhyNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// The receiver does not take the event's type.
    NotRouted,
    /// No receiver takes the event's type, and such events are skipped.
    Unrecognized,
    ReceiverDown,
    RegistryAway,
    /// It failed, and a rule of the user skips such failures.
    SkippedByRule,
}

/// Everything in `from..to` of one partition is settled. `from` equals the previous `to` of the same assignment, or its start.
#[derive(Clone, Debug)]
pub struct Progress {
    pub partition: Arc<Partition>,
    pub from: NextOffset,
    pub to: NextOffset,
    pub counts: Counts,
}

/// Of records, not of deliveries; their sum is the number of records in the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub delivered: u64,
    /// At least one receiver failed.
    pub failed: u64,
    pub skipped: u64,
    pub deferred: u64,
}

impl Counts {
    #[must_use]
    pub fn records(&self) -> u64 {
        self.delivered + self.failed + self.skipped + self.deferred
    }
}

/// A trouble of the consumer itself.
#[derive(Clone, Debug)]
pub struct Incident {
    pub key: IncidentKey,
    /// Excludes `to`. For `moved`: where this journal stood, and where the group is now.
    pub from: Option<NextOffset>,
    pub to: Option<NextOffset>,
    pub message: String,
    pub data: Value,
    /// How often it happened since it was last told.
    pub count: u64,
    /// How long ago it began.
    pub began_ago: Duration,
}

impl Incident {
    /// One that happened just now, and of which there is no more to say than this.
    #[must_use]
    pub fn new(key: IncidentKey, message: String) -> Self {
        Self { key, from: None, to: None, message, data: Value::Null, count: 1, began_ago: Duration::ZERO }
    }
}

/// What makes two incidents the same one, counted again.
#[derive(Clone, Debug)]
pub struct IncidentKey {
    pub kind: IncidentKind,
    pub partition: Option<Arc<Partition>>,
    pub receiver: Option<String>,
    /// What tells two incidents of a kind apart wherever they are met: the event type of `new_type`. The place is then that of the first.
    pub subject: Option<String>,
}

impl IncidentKey {
    /// An incident of the whole consumer.
    #[must_use]
    pub fn of(kind: IncidentKind) -> Self {
        Self { kind, partition: None, receiver: None, subject: None }
    }

    #[must_use]
    pub fn at(kind: IncidentKind, partition: &Arc<Partition>) -> Self {
        Self { kind, partition: Some(Arc::clone(partition)), receiver: None, subject: None }
    }

    /// Whether the place tells it from others.
    #[must_use]
    pub fn is_of_its_place(&self) -> bool {
        self.subject.is_none()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IncidentKind {
    BrokerAway,
    ReceiverDown,
    RegistryAway,
    PartitionHeld,
    JournalBusy,
    LoopBlocked,
    CommitRefused,
    Gap,
    Truncated,
    Recreated,
    Moved,
    JournalMissing,
    NothingWorks,
    Limit,
    Halt,
    NewType,
}

impl IncidentKind {
    pub const ALL: [Self; 16] = [
        Self::BrokerAway,
        Self::ReceiverDown,
        Self::RegistryAway,
        Self::PartitionHeld,
        Self::JournalBusy,
        Self::LoopBlocked,
        Self::CommitRefused,
        Self::Gap,
        Self::Truncated,
        Self::Recreated,
        Self::Moved,
        Self::JournalMissing,
        Self::NothingWorks,
        Self::Limit,
        Self::Halt,
        Self::NewType,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BrokerAway => "broker_away",
            Self::ReceiverDown => "receiver_down",
            Self::RegistryAway => "registry_away",
            Self::PartitionHeld => "partition_held",
            Self::JournalBusy => "journal_busy",
            Self::LoopBlocked => "loop_blocked",
            Self::CommitRefused => "commit_refused",
            Self::Gap => "gap",
            Self::Truncated => "truncated",
            Self::Recreated => "recreated",
            Self::Moved => "moved",
            Self::JournalMissing => "journal_missing",
            Self::NothingWorks => "nothing_works",
            Self::Limit => "limit",
            Self::Halt => "halt",
            Self::NewType => "new_type",
        }
    }

    /// Kinds that last and end by themselves, or when the next run of the group starts. The others happen once and stay open until
    /// somebody acknowledges them.
    #[must_use]
    pub fn ends_by_itself(self) -> bool {
        matches!(
            self,
            Self::BrokerAway
                | Self::ReceiverDown
                | Self::RegistryAway
                | Self::PartitionHeld
                | Self::JournalBusy
                | Self::LoopBlocked
                | Self::CommitRefused
        )
    }
}

/// What the journal knows of an offered partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub slot: Slot,
    /// The journal has progress of this group for some partition of this topic (same uuid).
    pub topic_known: bool,
    /// The last time this group's progress was seen for a topic of this name, it had another uuid.
    pub other_uuid: bool,
    /// Where this group's progress ended for this partition the last time it was written.
    pub progress: Option<KnownProgress>,
    /// The highest offset that progress ever reached: below it deliveries are late.
    pub highest: NextOffset,
    /// What is open of this group at or above the lowest possible start, suspects included.
    pub debts: Debts,
    /// What receivers missed and nobody has delivered since, ascending for each.
    pub deferred: Vec<KnownDeferred>,
    /// What runs that died had in hand, at or above it.
    pub suspects: Suspects,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownProgress {
    pub to: NextOffset,
    /// The row covers no record: it only says where a partition starts.
    pub is_empty: bool,
}

/// How this run names itself in a commit's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunId {
    pub journal_uuid: String,
    pub run: i64,
}

/// Why and how a run ended, for its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    Signal,
    Done,
    Limit,
    Guard,
    Halt,
    Error,
}

impl RunEnd {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Done => "done",
            Self::Limit => "limit",
            Self::Guard => "guard",
            Self::Halt => "halt",
            Self::Error => "error",
        }
    }
}

/// The journal cannot take any more: the consumer stops, uncommitted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LedgerError {
    #[error("the journal {path} cannot be written: {message}")]
    Write { path: String, message: String },
    #[error("{message}")]
    Read { path: String, message: String },
    #[error("the journal {path} was {what} while it was in use")]
    Replaced { path: String, what: String },
    /// Nothing was written; the same may be tried again.
    #[error("the journal {path} is locked by another process")]
    Locked { path: String },
}

/// Where the engine writes. One value, on its own thread.
pub trait Ledger: Send {
    /// All or nothing, on disk when it returns. A lock of another process is waited for inside, for a moment.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] when the same is to be tried again; any other error stops the consumer with nothing more committed.
    fn append(&mut self, entries: &[Entry]) -> Result<(), LedgerError>;

    /// What the journal knows of the offered partitions, in the same order.
    ///
    /// # Errors
    /// When it cannot be read; as `append`.
    fn know(&mut self, offers: &[Offer]) -> Result<Vec<Known>, LedgerError>;

    /// Takes what these receivers missed and no run that lives delivers, in the order of its offsets.
    ///
    /// # Errors
    /// As `append`.
    fn take_strays(&mut self, _receivers: &[String]) -> Result<Vec<Stray>, LedgerError> {
        Ok(Vec::new())
    }

    /// The run's heartbeat, every 5 s; also finds out that the file was replaced or deleted.
    ///
    /// # Errors
    /// As `append`.
    fn beat(&mut self) -> Result<(), LedgerError>;

    /// Housekeeping that can wait until what was written has settled; called after each `append`.
    ///
    /// # Errors
    /// As `append`.
    fn tidy(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }

    /// The run is over: its end, then what a clean close needs. `exit_code`: of a command.
    ///
    /// # Errors
    /// As `append`.
    fn end(&mut self, end: RunEnd, exit_code: Option<u8>) -> Result<(), LedgerError>;
}
