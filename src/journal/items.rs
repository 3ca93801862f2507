//! What the listings give: rows as values, with all that a screen or a document needs.

use serde_json::Value;

use crate::event::EventFacts;
use crate::failure::{Class, Stage};
use crate::record::{Timestamp, TimestampKind};

/// What became of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureState {
    Open,
    Resolved,
    Ignored,
}

impl FailureState {
    pub const ALL: [Self; 3] = [Self::Open, Self::Resolved, Self::Ignored];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Ignored => "ignored",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Bytes from a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// A failure as a listing shows it. Times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureItem {
    pub id: i64,
    pub state: FailureState,
    pub is_replaying: bool,
    pub is_regressed: bool,
    pub cluster_id: String,
    pub group: String,
    pub topic: String,
    /// `None` where the broker has none.
    pub topic_uuid: Option<String>,
    pub partition: i32,
    pub offset: i64,
    pub leader_epoch: Option<i32>,
    pub timestamp: Timestamp,
    pub stage: Stage,
    /// `None` before `receive`.
    pub receiver: Option<String>,
    pub class: Class,
    pub code: String,
    pub message: String,
    pub causes: Vec<String>,
    /// 32 hex digits.
    pub fingerprint: String,
    /// The user's rule that decided about the latest failed attempt; `None`: the built-in ones did.
    pub rule: Option<String>,
    pub event: EventFacts,
    /// `None`: the key was null.
    pub key: Option<Bytes>,
    pub attempts: u32,
    pub first_failed_at_us: i64,
    pub last_failed_at_us: i64,
    pub settled_at_us: Option<i64>,
    pub settled_by: Option<String>,
    pub host: String,
    pub client_id: String,
    pub redrive_version: String,
}

impl FailureItem {
    /// `TOPIC/PARTITION/OFFSET`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// All that the journal has of one failure.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureDetail {
    pub item: FailureItem,
    pub detail: String,
    /// In order; a null value is `None`.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// `None`: a tombstone, or bytes that the journal no longer has (`is_value_gone`).
    pub value: Option<Bytes>,
    pub value_size: Option<u64>,
    pub is_value_gone: bool,
    pub delivered_to: Vec<String>,
    /// Oldest first.
    pub history: Vec<AttemptItem>,
    /// Open failures of the same kind, this one included, and when the first was seen.
    pub alike: u64,
    pub alike_since_us: i64,
    /// What the receiver was when it was last run.
    pub receiver_definition: Option<Value>,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptItem {
    pub number: u32,
    pub at_us: i64,
    pub replay_id: Option<i64>,
    pub is_delivered: bool,
    pub class: Option<String>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub duration_us: Option<i64>,
}

impl AttemptItem {
    /// Who delivered: `live` or `replay`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        if self.replay_id.is_some() { "replay" } else { "live" }
    }

    #[must_use]
    pub fn outcome(&self) -> &'static str {
        if self.is_delivered { "delivered" } else { "failed" }
    }
}

/// A failure near another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub id: i64,
    pub offset: i64,
    pub stage: String,
    pub receiver: Option<String>,
    pub code: String,
    pub state: FailureState,
    pub message: String,
}

/// A range that was settled. `to` is excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressItem {
    pub run: i64,
    pub from: i64,
    pub to: i64,
    pub records: i64,
    pub delivered: i64,
    pub failed: i64,
    pub skipped: i64,
    pub deferred: i64,
    pub updated_at_us: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IncidentState {
    Open,
    Ended,
    Acked,
}

impl IncidentState {
    pub const ALL: [Self; 3] = [Self::Open, Self::Ended, Self::Acked];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended => "ended",
            Self::Acked => "acked",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A trouble of the consumer. Times are microseconds since 1970; `to_offset` is excluded.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentItem {
    pub id: i64,
    pub kind: String,
    pub state: IncidentState,
    pub group: String,
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub from_offset: Option<i64>,
    pub to_offset: Option<i64>,
    pub receiver: Option<String>,
    pub message: String,
    pub data: Value,
    pub count: u64,
    pub first_at_us: i64,
    pub last_at_us: i64,
    pub ended_at_us: Option<i64>,
}

/// How many failures there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts {
    pub open: u64,
    pub resolved: u64,
    pub ignored: u64,
}

impl StateCounts {
    /// How many there are in these states; in all when none is named.
    #[must_use]
    pub fn of(self, states: &[FailureState]) -> u64 {
        let count = |state| match state {
            FailureState::Open => self.open,
            FailureState::Resolved => self.resolved,
            FailureState::Ignored => self.ignored,
        };
        FailureState::ALL.into_iter().filter(|state| states.is_empty() || states.contains(state)).map(count).sum()
    }
}

/// The journal's word for a kind of timestamp, back.
pub(super) fn timestamp_kind(name: &str) -> TimestampKind {
    match name {
        "create" => TimestampKind::Create,
        "append" => TimestampKind::Append,
        _ => TimestampKind::None,
    }
}
