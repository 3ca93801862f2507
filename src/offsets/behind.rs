//! Receivers that stand behind their group, because they missed something while they were down: how far, and how long it can still be read.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::offsets::{GroupAdmin, LogBounds, MissedRange, StandingRow, TopicPartition};
use crate::record::NextOffset;

/// A receiver that has not had all that its group has settled in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    pub receiver: String,
    /// Where the first thing that it misses begins.
    pub position: NextOffset,
    /// From there to the end; `None`: nobody says where that is.
    pub lag: Option<u64>,
    /// Events that it misses, at most.
    pub deferred: u64,
    pub retention: Retention,
}

/// How long what a receiver misses is still in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Without a limit of time, or nobody says.
    Unknown,
    Left(Duration),
    /// The log begins above it.
    Gone,
}

/// The receivers of a partition that miss something of it, by name. `missed`: ascending for each of them.
pub(super) fn behind(missed: &[MissedRange], bounds: Option<&LogBounds>) -> Vec<Behind> {
    let mut all: BTreeMap<&str, Behind> = BTreeMap::new();
    for MissedRange { receiver, from, events, .. } in missed {
        let behind = all.entry(receiver).or_insert_with(|| Behind {
            receiver: receiver.clone(),
            position: *from,
            lag: bounds.map(|bounds| bounds.end.get().saturating_sub(from.get()).max(0).unsigned_abs()),
            deferred: 0,
            retention: if bounds.is_some_and(|bounds| bounds.start > *from) { Retention::Gone } else { Retention::Unknown },
        });
        behind.deferred += events;
    }
    all.into_values().collect()
}

/// Asks how long what is missed is still there. A record is gone a topic's `retention.ms` after it was written, or a little later.
pub(super) fn find_retention(admin: &dyn GroupAdmin, rows: &mut [StandingRow], now: Timestamp) {
    let mut kept: BTreeMap<String, Option<Duration>> = BTreeMap::new();
    let mut asked: Vec<(TopicPartition, NextOffset, Duration)> = Vec::new();
    for row in rows.iter().filter(|row| !row.receivers.is_empty()) {
        let kept = kept.entry(row.at.topic.clone()).or_insert_with(|| admin.kept_for(&row.at.topic));
        let is_there = |of: &&Behind| of.retention != Retention::Gone && of.lag.is_some_and(|lag| lag > 0);
        let positions = row.receivers.iter().filter(is_there).map(|of| of.position);
        asked.extend(kept.iter().flat_map(|kept| positions.clone().map(|at| (row.at.clone(), at, *kept))));
    }
    if asked.is_empty() {
        return;
    }
    asked.sort();
    asked.dedup();
    let of: Vec<_> = asked.iter().map(|(at, position, _)| (at.clone(), *position)).collect();
    let written = admin.written_at(&of);
    for ((at, position, kept), written_ms) in asked.into_iter().zip(written) {
        let Some(written_ms) = written_ms else { continue };
        let age = now.as_millisecond().saturating_sub(written_ms).max(0).unsigned_abs();
        let left = kept.saturating_sub(Duration::from_millis(age));
        let of_it = rows.iter_mut().filter(|row| row.at == at).flat_map(|row| &mut row.receivers);
        of_it.filter(|of| of.position == position).for_each(|of| of.retention = Retention::Left(left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets::doubles::{bounds, next};

    fn missed(receiver: &str, from: i64, to: i64, events: u64) -> MissedRange {
        MissedRange { receiver: receiver.into(), from: next(from), to: next(to), events }
    }

    #[test]
    fn a_receiver_stands_where_the_first_thing_begins_that_it_misses() {
        let all = [missed("billing", 20, 30, 4), missed("billing", 50, 60, 10), missed("audit", 5, 40, 1)];
        let told = |bounds: Option<&LogBounds>| -> Vec<_> {
            let of = |of: Behind| (of.receiver, of.position.get(), of.lag, of.deferred, of.retention);
            behind(&all, bounds).into_iter().map(of).collect()
        };
        let (audit, billing) =
            (|lag, retention| ("audit".into(), 5, lag, 1, retention), |lag| ("billing".into(), 20, lag, 14, Retention::Unknown));
        assert_eq!(told(Some(&bounds(10, 100))), [audit(Some(95), Retention::Gone), billing(Some(80))]);
        assert_eq!(told(None), [audit(None, Retention::Unknown), billing(None)]);
    }
}
