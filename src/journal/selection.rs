//! What is asked of the journal: filters as values.

use crate::failure::{Class, Stage};
use crate::journal::items::{FailureState, IncidentState};

/// Which failures. An empty list means all.
#[derive(Clone, Debug, Default)]
pub struct FailureSelection {
    pub states: Vec<FailureState>,
    pub topics: Vec<String>,
    pub partitions: Vec<i32>,
    pub offsets: Vec<OffsetRange>,
    pub groups: Vec<String>,
    pub receivers: Vec<String>,
    pub stages: Vec<Stage>,
    pub classes: Vec<Class>,
    pub codes: Vec<String>,
    pub types: Vec<String>,
    /// Hex, at least 6 digits, each a prefix of exactly one fingerprint.
    pub fingerprints: Vec<String>,
    /// Last failed at or after this, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Last failed before this.
    pub until_us: Option<i64>,
}

/// Offsets of one topic, or of any; of one partition, or of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub bounds: Bounds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// `to` is excluded; `None`: without an end.
    Offsets { from: i64, to: Option<i64> },
    /// Record timestamps in milliseconds; `to` is excluded.
    TimesMs { from: i64, to: Option<i64> },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Highest id first.
    #[default]
    Newest,
    Oldest,
}

/// Which incidents. An empty list means all.
#[derive(Clone, Debug, Default)]
pub struct IncidentSelection {
    pub states: Vec<IncidentState>,
    pub kinds: Vec<String>,
    pub groups: Vec<String>,
    pub topics: Vec<String>,
}
