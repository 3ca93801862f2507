//! What a replay would do, and what it did: values, for whoever shows them.

use crate::failure::Stage;
use crate::replay::error::Extent;
use crate::replay::request::SourceChoice;

/// What would be delivered. It is fixed: what fails later is not part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub group: String,
    /// Entries, counted by where, to whom and why; in that order.
    pub entries: Vec<PlannedEntries>,
    /// Ranges that are read from their topics; empty when all bytes come from the journal.
    pub ranges: Vec<PlannedRange>,
    /// What receivers missed while they were down, within those ranges; read from its topics, too.
    pub missed: Vec<PlannedMissed>,
    /// What is not delivered, known before it begins.
    pub skipped: Vec<Skipped>,
    /// Offsets that are neither in the log nor in the journal, as far as that is known before reading.
    pub gone: u64,
    /// The selection begins below what the log still has.
    pub is_cut: bool,
    /// What the log of the first partition has that offsets were asked of.
    pub extent: Option<Extent>,
}

/// Entries of one partition, receiver, stage and code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedEntries {
    pub topic: String,
    pub partition: i32,
    pub stage: Stage,
    /// `None`: it failed before any receiver, and goes through all stages to all of them.
    pub receiver: Option<String>,
    pub code: String,
    pub count: u64,
    /// Of records, the first and the last one.
    pub from_offset: i64,
    pub to_offset: i64,
    /// Milliseconds since 1970, of the earliest and the latest record; `None`: they have none.
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
    /// Later events of their partition were settled before them.
    pub late: u64,
}

/// Offsets of a partition that are read from its topic. `to_offset` is excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRange {
    pub topic: String,
    pub partition: i32,
    pub from_offset: i64,
    pub to_offset: i64,
    /// At most so many deliveries: for records that have no entry nobody knows before they are read.
    pub at_most: u64,
}

/// Offsets of a partition that a receiver missed. `to_offset` is excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMissed {
    pub topic: String,
    pub partition: i32,
    pub receiver: String,
    pub from_offset: i64,
    pub to_offset: i64,
    /// At most so many events of it are the receiver's.
    pub at_most: u64,
}

impl Plan {
    /// At most so many deliveries.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        let of_ranges: u64 = self.ranges.iter().map(|range| range.at_most).sum();
        let of_entries: u64 = self.entries.iter().map(|entries| entries.count).sum();
        let of_missed: u64 = self.missed.iter().map(|missed| missed.at_most).sum();
        of_ranges.max(of_entries) + of_missed
    }
}

/// Items that are not delivered, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub reason: SkipReason,
    pub count: u64,
    /// The receiver, where the reason has one.
    pub receiver: Option<String>,
    /// Of a receiver that is not configured: what it was when it was last run, secrets masked.
    pub definition: Option<String>,
}

/// Why something that was selected is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// Whoever it is for has it, or it was resolved meanwhile.
    AlreadyDelivered,
    /// The group has not committed its offset yet.
    ConsumerWill,
    NotConfigured,
    /// The receiver does not take the event's type any more.
    NotRouted,
    /// No receiver takes the event's type, and such events are skipped.
    Unrecognized,
    ReceiverDown,
    /// Its schema is not kept in the journal, and the registry does not answer.
    RegistryAway,
    /// It failed again, and a rule skips such failures: its entry stays as it is.
    SkippedByRule,
    /// Another replay holds its entry.
    HeldByAnother,
    /// Its receiver missed it, and a run that lives delivers that.
    AnotherRunDelivers,
    /// The journal does not have its bytes any more, and neither has the topic.
    PayloadGone,
    /// What the journal has is not what was written.
    PayloadDamaged,
    /// Only the topic was to be read, and it has the record no more.
    GoneFromTopic,
}

impl SkipReason {
    pub const ALL: [Self; 13] = [
        Self::AlreadyDelivered,
        Self::ConsumerWill,
        Self::NotConfigured,
        Self::NotRouted,
        Self::Unrecognized,
        Self::ReceiverDown,
        Self::RegistryAway,
        Self::SkippedByRule,
        Self::HeldByAnother,
        Self::AnotherRunDelivers,
        Self::PayloadGone,
        Self::PayloadDamaged,
        Self::GoneFromTopic,
    ];

    /// As the contract calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyDelivered => "already delivered",
            Self::ConsumerWill => "the consumer will deliver it",
            Self::NotConfigured => "receiver not configured",
            Self::NotRouted => "the receiver does not take its type",
            Self::Unrecognized => "no receiver takes its type",
            Self::ReceiverDown => "receiver down",
            Self::RegistryAway => "schema registry away",
            Self::SkippedByRule => "a rule skips it",
            Self::HeldByAnother => "another replay holds it",
            Self::AnotherRunDelivers => "another run delivers it",
            Self::PayloadGone => "payload purged",
            Self::PayloadDamaged => "payload damaged",
            Self::GoneFromTopic => "gone from the topic",
        }
    }

    /// Something that was asked for was not done. An event that a rule skips is done with.
    #[must_use]
    pub fn leaves_undone(self) -> bool {
        !matches!(self, Self::AlreadyDelivered | Self::Unrecognized)
    }
}

/// What a replay did. Counts are of deliveries: a record for two receivers counts twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The number of the replay in the journal.
    pub replay_id: i64,
    pub delivered: u64,
    pub failed: u64,
    /// The failures, counted by receiver (`None`: before any) and code.
    pub failures: Vec<(Option<String>, String, u64)>,
    pub skipped: Vec<Skipped>,
    /// Offsets of the selection that are neither in the log nor in the journal.
    pub gone: u64,
    /// Selected, and not tried because the replay ended before.
    pub not_reached: u64,
    /// Its offsets begin below what the log still has: what is gone there counts as not delivered.
    pub is_cut: bool,
    pub source: SourceChoice,
}

impl Outcome {
    /// Something that was asked for still fails or was not delivered.
    #[must_use]
    pub fn leaves_undone(&self) -> bool {
        let is_skipped = self.skipped.iter().any(|skipped| skipped.reason.leaves_undone());
        self.failed > 0 || self.not_reached > 0 || is_skipped || (self.is_cut && self.gone > 0)
    }
}
