//! What is asked of the journal: filters as values.

use jiff::Timestamp;

use crate::failure::{Class, Stage};
use crate::journal::items::{FailureState, IncidentState};
use crate::offsets::OffsetRange;

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
    /// Last failed at or after this.
    pub since: Option<Timestamp>,
    /// Last failed before this.
    pub until: Option<Timestamp>,
}

impl FailureSelection {
    /// True when nothing but their state leaves any out.
    pub(super) fn is_by_state(&self) -> bool {
        let Self {
            states: _,
            topics,
            partitions,
            offsets,
            groups,
            receivers,
            stages,
            classes,
            codes,
            types,
            fingerprints,
            since,
            until,
        } = self;
        let names = [topics, groups, receivers, codes, types, fingerprints];
        names.into_iter().all(Vec::is_empty)
            && (partitions.is_empty() && offsets.is_empty() && stages.is_empty() && classes.is_empty())
            && (since.is_none() && until.is_none())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Highest id first.
    #[default]
    Newest,
    Oldest,
}

impl Sort {
    pub const ALL: [Self; 2] = [Self::Newest, Self::Oldest];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
        }
    }
}

/// Which incidents. An empty list means all.
#[derive(Clone, Debug, Default)]
pub struct IncidentSelection {
    pub states: Vec<IncidentState>,
    pub kinds: Vec<String>,
    pub groups: Vec<String>,
    pub topics: Vec<String>,
}
