//! Branches: where a listing finds its rows, so that it neither walks through what does not fit nor sorts what does.
//!
//! A branch is one index from one place on. Every branch has all the conditions of the selection, so which ones are taken changes the
//! cost and never the result.

use crate::journal::items::FailureState;
use crate::journal::reader::Reader;
use crate::journal::reader::names::Names;
use crate::journal::reader::terms::Terms;
use crate::journal::reader::times::IdBounds;
use crate::journal::selection::FailureSelection;
use crate::journal::sql;
use crate::offsets::{Bounds, OffsetRange};

/// The most branches that are worth their merging.
const MOST: usize = 32;
/// The longest range of offsets that is looked up by place.
const NARROW: i64 = 1_000;

/// One index, from one place on. Its rows come in the order of ids by themselves, but those of the last two, which are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    State,
    Topic(i64),
    Fingerprint(i64),
    /// A few offsets of one partition; `to` is excluded.
    Offsets {
        topic: i64,
        partition: i32,
        from: i64,
        to: i64,
    },
    /// What failed more than once, by its last time: ids say nothing about that.
    FailedAgain {
        since_us: i64,
    },
}

impl Branch {
    pub(super) fn index(self) -> &'static str {
        match self {
            Self::State => "failure_state",
            Self::Topic(_) => "failure_topic",
            Self::Fingerprint(_) => "failure_fingerprint",
            Self::Offsets { .. } => "sqlite_autoindex_failure_1",
            Self::FailedAgain { .. } => "failure_failed_at",
        }
    }

    /// What leads into the index, and the part of the ids that is left to it.
    pub(super) fn terms(self, state: FailureState, ids: IdBounds) -> Terms {
        let mut terms = Terms::default();
        terms.bound("f.state = ?", state.as_str().to_owned());
        match self {
            Self::State => {}
            Self::Topic(topic) => terms.bound("f.topic_id = ?", topic),
            Self::Fingerprint(fingerprint) => terms.bound("f.fingerprint_id = ?", fingerprint),
            Self::Offsets { topic, partition, from, to } => {
                terms.bound("f.topic_id = ?", topic);
                terms.bound("f.partition = ?", i64::from(partition));
                terms.bound("f.offset >= ?", from);
                terms.bound("f.offset < ?", to);
                return terms;
            }
            Self::FailedAgain { since_us } => {
                terms.bound("f.attempts > 1 AND f.last_failed_at_us >= ?", since_us);
                terms.bound_if("f.id < ?", ids.first);
                return terms;
            }
        }
        terms.bound_if("f.id >= ?", ids.first);
        terms.bound_if("f.id < ?", ids.beyond);
        terms
    }
}

impl Reader {
    /// The branches that together hold everything of a selection in one state; none when there is nothing.
    pub(super) fn branches(
        &self,
        state: FailureState,
        selection: &FailureSelection,
        names: &Names,
    ) -> rusqlite::Result<Vec<Branch>> {
        if let Some(branches) = self.narrow(&selection.offsets)? {
            return Ok(branches);
        }
        let mut branches = if let Some(fingerprints) = self.few_fingerprints(state, selection, names)? {
            fingerprints.into_iter().map(Branch::Fingerprint).collect()
        } else if let Some(topics) = self.few_topics(selection, names)? {
            topics.into_iter().map(Branch::Topic).collect()
        } else {
            vec![Branch::State]
        };
        if let Some(since) = selection.since.filter(|_| !branches.is_empty()) {
            branches.push(Branch::FailedAgain { since_us: since.as_microsecond() });
        }
        Ok(branches)
    }

    /// When all that is asked for is a few offsets of named partitions.
    fn narrow(&self, ranges: &[OffsetRange]) -> rusqlite::Result<Option<Vec<Branch>>> {
        let mut branches = Vec::new();
        for range in ranges {
            let (Some(topic), Some(partition)) = (&range.topic, range.partition) else { return Ok(None) };
            let Bounds::Offsets { from, to: Some(to) } = range.bounds else { return Ok(None) };
            let (from, to) = (from.get(), to.get());
            if to - from > NARROW {
                return Ok(None);
            }
            branches.extend(self.topics([topic])?.into_iter().map(|topic| Branch::Offsets { topic, partition, from, to }));
        }
        Ok((!ranges.is_empty() && branches.len() <= MOST).then_some(branches))
    }

    /// The fingerprints that hold all of a selection by fingerprint, stage, receiver or code. `None`: it says nothing of these, or
    /// there are many.
    fn few_fingerprints(
        &self,
        state: FailureState,
        selection: &FailureSelection,
        names: &Names,
    ) -> rusqlite::Result<Option<Vec<i64>>> {
        let FailureSelection { stages, receivers, codes, .. } = selection;
        if stages.is_empty() && receivers.is_empty() && codes.is_empty() && names.fingerprints.is_none() {
            return Ok(None);
        }
        let mut terms = Terms::default();
        terms.any_if("p.stage", stages.iter().map(|stage| stage.as_str().to_owned()));
        terms.any_if("p.receiver", receivers.iter().cloned());
        terms.any_if("g.code", codes.iter().cloned());
        terms.any_if("g.id", names.fingerprints.iter().flatten().copied());
        let text = format!("{} WHERE g.{} > 0{} LIMIT {}", sql::KINDS, state.as_str(), terms.text, MOST + 1);
        let mut select = self.connection.prepare(&text)?;
        let ids = select.query_map(rusqlite::params_from_iter(terms.values), |row| row.get(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok((ids.len() <= MOST).then_some(ids))
    }

    /// The topics that hold all of a selection. `None`: it names none, or many.
    fn few_topics(&self, selection: &FailureSelection, names: &Names) -> rusqlite::Result<Option<Vec<i64>>> {
        let topics = match &names.topics {
            Some(topics) => topics.clone(),
            None => {
                let named: Option<Vec<_>> = selection.offsets.iter().map(|range| range.topic.as_deref()).collect();
                let Some(mut named) = named.filter(|named| !named.is_empty()) else { return Ok(None) };
                named.sort_unstable();
                named.dedup();
                self.topics(named)?
            }
        };
        Ok((topics.len() <= MOST).then_some(topics))
    }
}
