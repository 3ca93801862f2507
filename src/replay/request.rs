//! What a replay is asked to do: which records or entries, to whom, and how carefully. Values only; nothing is looked up.

use std::num::NonZeroU64;

use crate::journal::FailureSelection;
use crate::offsets::OffsetRange;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub what: What,
    /// What it was asked with, for the journal: flags and their values, without secrets.
    pub words: Vec<Vec<String>>,
    /// The group in whose name it is delivered; `None`: the one that the selection is of.
    pub group: Option<String>,
    pub to: To,
    /// Of entries of a receiver that has another name now: its old name, and the receiver that gets them instead.
    pub map: Vec<(String, String)>,
    pub source: SourceChoice,
    /// Offsets that the group has not committed yet are delivered, too, although the consumer will deliver them.
    pub uncommitted: Uncommitted,
    /// Records in a second, at most.
    pub rate: Option<NonZeroU64>,
    /// Stop after so many failures.
    pub max_failures: Option<NonZeroU64>,
}

/// What is delivered again.
#[derive(Clone, Debug)]
pub enum What {
    /// Entries by their ids, whatever their state.
    Ids(Vec<i64>),
    /// Entries by filters.
    Entries(Box<FailureSelection>),
    /// Records by their offsets; each range names its topic.
    Records(Vec<OffsetRange>),
}

/// Who gets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// The receivers with an unresolved entry.
    Failed,
    /// All that the record is routed to.
    All,
    /// These.
    Names(Vec<String>),
}

impl To {
    /// As it is typed.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Failed => "failed".to_owned(),
            Self::All => "all".to_owned(),
            Self::Names(names) => names.join(","),
        }
    }
}

/// Where the bytes come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceChoice {
    /// Entries from the journal, records from the topic, and either from the other where they are gone.
    #[default]
    Auto,
    Journal,
    Topic,
}

impl SourceChoice {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Journal, Self::Topic];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Journal => "journal",
            Self::Topic => "topic",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uncommitted {
    #[default]
    LeftToTheConsumer,
    Included,
}
